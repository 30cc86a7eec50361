//! The queue for workers: policies take turns, and within each its namespaces, where a review takes as many
//! turns as it costs. Pure.
//!
//! Namespaces are stated by the reviews themselves, so this is fairness among honest callers, and no security
//! boundary.

use std::collections::VecDeque;

use ring::Ring;

mod ring;
#[cfg(test)]
mod tests;

/// Bytes of a review for which it takes one turn: what most are shorter than.
const BYTES_OF_A_TURN: usize = 16 << 10;

/// The policy and the namespace of a review: the policy's place, and a digest of the namespace, which may be
/// any text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lane {
    pub(super) policy: usize,
    pub(super) namespace: u64,
}

/// Names one that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    lane: Lane,
    number: u64,
}

/// At most so many that wait.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    most: usize,
    length: usize,
    next: u64,
    /// Each has at least one waiting namespace.
    policies: Ring<Policy<T>>,
}

#[derive(Debug)]
struct Policy<T> {
    policy: usize,
    length: usize,
    namespaces: Ring<Namespace<T>>,
}

#[derive(Debug)]
struct Namespace<T> {
    namespace: u64,
    waiting: VecDeque<Waiting<T>>,
}

#[derive(Debug)]
struct Waiting<T> {
    number: u64,
    turns: u32,
    item: T,
}

/// The turns that a review of that many bytes takes.
pub(super) fn turns(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(BYTES_OF_A_TURN)).unwrap_or(u32::MAX).max(1)
}

/// The result of adding a review.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pushed<T> {
    /// It waits for its turn.
    Waits(Ticket),
    /// It waits, in the place of the last one of a lane that is longer than its own.
    InsteadOf(Ticket, T),
    /// The queue is full, and none has more that wait than its own lane.
    Full(T),
}

impl<T> FairQueue<T> {
    pub(super) fn new(most: usize) -> Self {
        Self { most, length: 0, next: 0, policies: Ring::new() }
    }

    pub(super) fn push(&mut self, lane: Lane, turns: u32, item: T) -> Pushed<T> {
        let mut displaced = None;
        if self.length >= self.most {
            match self.displace_for(lane) {
                None => return Pushed::Full(item),
                some => displaced = some,
            }
        }
        let number = self.next;
        self.next += 1;
        self.length += 1;
        let policy = self.policy(lane.policy);
        policy.length += 1;
        policy.namespace(lane.namespace).waiting.push_back(Waiting { number, turns, item });
        let ticket = Ticket { lane, number };
        match displaced {
            None => Pushed::Waits(ticket),
            Some(displaced) => Pushed::InsteadOf(ticket, displaced),
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// The next one of a lane that `may` have one now, and its lane.
    pub(super) fn pop(&mut self, may: impl Fn(Lane) -> bool) -> Option<(Lane, T)> {
        let policy = self.policies.serve(|policy| policy.namespaces.next_cost(cost(policy.policy, &may)))?;
        let namespace = policy.namespaces.serve(cost(policy.policy, &may))?;
        let lane = Lane { policy: policy.policy, namespace: namespace.namespace };
        let waiting = namespace.waiting.pop_front()?;
        self.shrink(lane);
        Some((lane, waiting.item))
    }

    /// Takes one out that waits no longer, if it is still there.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<T> {
        let Ticket { lane, number } = ticket;
        let policy = self.policies.lanes_mut().find(|policy| policy.policy == lane.policy)?;
        let namespace = policy.namespaces.lanes_mut().find(|other| other.namespace == lane.namespace)?;
        let at = namespace.waiting.binary_search_by_key(&number, |waiting| waiting.number).ok()?;
        let waiting = namespace.waiting.remove(at)?;
        self.shrink(lane);
        Some(waiting.item)
    }

    /// One of this lane is gone.
    fn shrink(&mut self, lane: Lane) {
        self.length -= 1;
        let policy = self.policy(lane.policy);
        policy.length -= 1;
        policy.namespaces.retain(|namespace| !namespace.waiting.is_empty());
        self.policies.retain(|policy| policy.length > 0);
    }

    /// Makes a place: the last one leaves of the longest namespace of the longest policy; where that is no
    /// longer than the lane's own policy, of the longest namespace of this one.
    fn displace_for(&mut self, lane: Lane) -> Option<T> {
        let own = self.policies.lanes().find(|policy| policy.policy == lane.policy);
        let own_policy = own.map_or(0, |policy| policy.length);
        let own_namespace = own
            .and_then(|policy| policy.namespaces.lanes().find(|other| other.namespace == lane.namespace))
            .map_or(0, |namespace| namespace.waiting.len());
        let longest = self.policies.lanes().max_by_key(|policy| policy.length)?;
        let is_another = longest.policy != lane.policy && longest.length > own_policy + 1;
        let policy = if is_another { longest.policy } else { lane.policy };
        let of = self.policies.lanes_mut().find(|other| other.policy == policy)?;
        let longest = of.namespaces.lanes_mut().max_by_key(|namespace| namespace.waiting.len())?;
        if !is_another && longest.waiting.len() <= own_namespace + 1 {
            return None;
        }
        let namespace = longest.namespace;
        let waiting = longest.waiting.pop_back()?;
        self.shrink(Lane { policy, namespace });
        Some(waiting.item)
    }

    fn policy(&mut self, policy: usize) -> &mut Policy<T> {
        let new = || Policy { policy, length: 0, namespaces: Ring::new() };
        self.policies.entry(|other| other.policy == policy, new)
    }
}

impl<T> Policy<T> {
    fn namespace(&mut self, namespace: u64) -> &mut Namespace<T> {
        let new = || Namespace { namespace, waiting: VecDeque::new() };
        self.namespaces.entry(|other| other.namespace == namespace, new)
    }
}

/// The turns that the first of a policy's namespace takes, if it `may` have a worker now.
fn cost<T>(policy: usize, may: impl Fn(Lane) -> bool) -> impl Fn(&Namespace<T>) -> Option<u32> {
    move |namespace| {
        let first = namespace.waiting.front()?;
        may(Lane { policy, namespace: namespace.namespace }).then_some(first.turns)
    }
}
