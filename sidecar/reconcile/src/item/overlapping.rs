//! The number of ImagePullSecrets that an ImagePullSecret overlaps.

use super::Items;
use crate::overlap::Claim;

/// Counts again how many others the one of this name overlaps, after its object changed or before it is
/// removed. Returns those whose own count changed from or to zero.
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
