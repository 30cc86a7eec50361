//! ImagePullSecrets whose Secrets may stand beside each other on a Pod, for the same registry: a kubelet shows it one
//! after the other, unless their keys say which images each is for.

use std::collections::BTreeSet;

use tcr::registry_host::RegistryHost;
use tcr::selection::Selection;

use crate::object::Object;

/// What an ImagePullSecret's Secret is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Its instance, whose own hosts it does not name.
    instance: Option<String>,
    /// The hosts that it names.
    hosts: Vec<RegistryHost>,
    selection: Selection,
}

impl Claim {
    /// None where there is no Secret of it.
    pub(crate) fn of(object: &Object) -> Option<Self> {
        let spec = object.spec.as_ref().ok().filter(|spec| spec.has_credential())?;
        Some(Self {
            instance: spec.tcr.as_ref().map(|tcr| tcr.instance_id.clone()),
            hosts: spec.hosts(),
            selection: Selection::of(spec).ok()?,
        })
    }

    /// Whether their Secrets may stand beside each other on a Pod, for one registry.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let is_same_instance = self.instance.is_some() && self.instance == other.instance;
        let shares_a_host = is_same_instance || self.hosts.iter().any(|host| other.hosts.contains(host));
        shares_a_host && self.selection.may_meet(&other.selection)
    }
}

/// Which of these overlap another one of them.
pub fn overlapping(objects: &[Object]) -> BTreeSet<String> {
    let claims: Vec<(&str, Claim)> =
        objects.iter().filter_map(|object| Some((&*object.name, Claim::of(object)?))).collect();
    let is_beside = |name: &str, claim: &Claim| {
        claims.iter().any(|(other, its_claim)| *other != name && claim.overlaps(its_claim))
    };
    let beside = claims.iter().filter(|(name, claim)| is_beside(name, claim));
    beside.map(|(name, _)| (*name).to_owned()).collect()
}
