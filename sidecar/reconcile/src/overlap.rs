//! ImagePullSecrets whose Secrets a Pod may refer to together, for the same registry. A kubelet tries one
//! after the other, unless their keys tell which images each is for.

use std::collections::BTreeSet;

use tcr::registry_host::RegistryHost;
use tcr::selection::Selection;

use crate::object::Object;

/// The registries that an ImagePullSecret's Secret is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The instance of `spec.tcr`. Its own hosts are not in `hosts`: the spec does not name them.
    instance: Option<String>,
    /// The hosts that the spec names.
    hosts: Vec<RegistryHost>,
    selection: Selection,
}

impl Claim {
    /// None where the ImagePullSecret has no Secret.
    pub(crate) fn of(object: &Object) -> Option<Self> {
        let spec = object.spec.as_ref().ok().filter(|spec| spec.has_credential())?;
        Some(Self {
            instance: spec.tcr.as_ref().map(|tcr| tcr.instance_id.clone()),
            hosts: spec.hosts(),
            selection: Selection::of(spec).ok()?,
        })
    }

    /// Whether a Pod may refer to both Secrets for the same registry.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let is_same_instance = self.instance.is_some() && self.instance == other.instance;
        let shares_a_host = is_same_instance || self.hosts.iter().any(|host| other.hosts.contains(host));
        shares_a_host && self.selection.may_meet(&other.selection)
    }
}

/// The names of those that overlap another one.
pub fn overlapping(objects: &[Object]) -> BTreeSet<String> {
    let claims: Vec<(&str, Claim)> =
        objects.iter().filter_map(|object| Some((&*object.name, Claim::of(object)?))).collect();
    let is_beside = |name: &str, claim: &Claim| {
        claims.iter().any(|(other, its_claim)| *other != name && claim.overlaps(its_claim))
    };
    let beside = claims.iter().filter(|(name, claim)| is_beside(name, claim));
    beside.map(|(name, _)| (*name).to_owned()).collect()
}
