//! ImagePullSecrets whose Secrets may stand beside each other on a Pod, for the same registry: a kubelet shows it one
//! after the other, unless their keys say which images each is for.

use tcr::registry_host::RegistryHost;
use tcr::selection::Selection;

use crate::item::Items;
use crate::object::Object;

/// What an ImagePullSecret's Secret is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its instance, whose own hosts it does not name.
    instance: Option<String>,
    /// The hosts that it names.
    hosts: Vec<RegistryHost>,
    selection: Selection,
}

impl Claim {
    /// None where there is no Secret of it.
    pub fn of(object: &Object) -> Option<Self> {
        let spec = object.spec.as_ref().ok().filter(|spec| spec.has_credential())?;
        Some(Self {
            instance: spec.tcr.as_ref().map(|tcr| tcr.instance_id.clone()),
            hosts: spec.hosts(),
            selection: Selection::of(spec).ok()?,
        })
    }

    /// Whether their Secrets may stand beside each other on a Pod, for one registry.
    pub fn overlaps(&self, other: &Self) -> bool {
        let is_same_instance = self.instance.is_some() && self.instance == other.instance;
        let shares_a_host = is_same_instance || self.hosts.iter().any(|host| other.hosts.contains(host));
        shares_a_host && self.selection.may_meet(&other.selection)
    }
}

/// Counts anew with how many others the one of this name overlaps, after its object changed or before it goes. Those of
/// the others for which it is the first one, or was the last.
pub(crate) fn recount(name: &str, claim: Option<Claim>, items: &mut Items) -> Vec<String> {
    let Some(item) = items.get_mut(name) else { return Vec::new() };
    if item.claim == claim {
        return Vec::new();
    }
    let before = std::mem::replace(&mut item.claim, claim.clone());
    let (mut count, mut changed) = (0, Vec::new());
    for (other, item) in items.iter_mut().filter(|(other, _)| *other != name) {
        let overlaps = |claim: &Option<Claim>| {
            let pair = claim.as_ref().zip(item.claim.as_ref());
            usize::from(pair.is_some_and(|(one, other)| one.overlaps(other)))
        };
        let (was, is) = (overlaps(&before), overlaps(&claim));
        count += is;
        let others = item.overlapping;
        item.overlapping = (others + is).saturating_sub(was);
        if (others == 0) != (item.overlapping == 0) {
            changed.push(other.clone());
        }
    }
    if let Some(item) = items.get_mut(name) {
        item.overlapping = count;
    }
    changed
}
