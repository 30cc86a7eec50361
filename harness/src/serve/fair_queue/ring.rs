//! Turns for members whose next items have different costs: deficit round robin with a quantum of one turn.
//! Pure.
//!
//! In its turn a member pays one; its next item goes when it has paid the item's cost. So of two members that
//! always have items, neither ever gets more than the other by more than the largest item: the numbers of
//! their turns differ by at most one, and neither has paid as much as an item's cost in advance.

use std::collections::VecDeque;

/// Some that take turns, in the order of these.
#[derive(Debug)]
pub(super) struct Ring<L>(VecDeque<Member<L>>);

#[derive(Debug)]
struct Member<L> {
    lane: L,
    paid: u32,
}

impl<L> Ring<L> {
    pub(super) fn new() -> Self {
        Self(VecDeque::new())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn lanes(&self) -> impl Iterator<Item = &L> {
        self.0.iter().map(|member| &member.lane)
    }

    pub(super) fn lanes_mut(&mut self) -> impl Iterator<Item = &mut L> {
        self.0.iter_mut().map(|member| &mut member.lane)
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&L) -> bool) {
        self.0.retain(|member| keep(&member.lane));
    }

    /// The one that `is_it`; where there is none, a new one whose turn is the last.
    pub(super) fn entry(&mut self, is_it: impl Fn(&L) -> bool, new: impl FnOnce() -> L) -> &mut L {
        let at = self.0.iter().position(|member| is_it(&member.lane)).unwrap_or_else(|| {
            self.0.push_back(Member { lane: new(), paid: 0 });
            self.0.len() - 1
        });
        &mut self.0[at].lane
    }

    /// What the member with the next item pays for it. `cost` is that of a lane's next item; none where it
    /// has no item that may go, and then it is skipped.
    pub(super) fn next_cost(&self, cost: impl Fn(&L) -> Option<u32>) -> Option<u32> {
        let (at, _) = self.next(&cost)?;
        cost(&self.0[at].lane)
    }

    /// The one whose item is next, which has paid for it; its next turn is the last.
    pub(super) fn serve(&mut self, cost: impl Fn(&L) -> Option<u32>) -> Option<&mut L> {
        let (at, turns) = self.next(&cost)?;
        for (other, member) in self.0.iter_mut().enumerate() {
            if cost(&member.lane).is_some() {
                member.paid += turns - u32::from(other > at);
            }
        }
        let member = &mut self.0[at];
        member.paid = member.paid.saturating_sub(cost(&member.lane)?);
        self.0.rotate_left(at + 1);
        self.0.back_mut().map(|member| &mut member.lane)
    }

    /// The member with the next item, and in which of its turns.
    fn next(&self, cost: impl Fn(&L) -> Option<u32>) -> Option<(usize, u32)> {
        let turns =
            |member: &Member<L>| cost(&member.lane).map(|cost| cost.saturating_sub(member.paid).max(1));
        let all = self.0.iter().enumerate().filter_map(|(at, member)| turns(member).map(|turns| (at, turns)));
        all.min_by_key(|(at, turns)| (*turns, *at))
    }
}
