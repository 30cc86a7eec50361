//! Who waits for a worker, and who is next: policies in turn, and in each of them its namespaces. Pure.
//!
//! Namespaces are what reviews say, so this is fairness among those who mean well, and no boundary.

use std::collections::VecDeque;

/// Whose review it is: the policy's place, and a digest of the namespace, which may be any text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// In the order of their turns; none is without a namespace that waits.
    policies: VecDeque<Policy<T>>,
}

#[derive(Debug)]
struct Policy<T> {
    policy: usize,
    length: usize,
    /// In the order of their turns; none is empty.
    namespaces: VecDeque<Namespace<T>>,
}

#[derive(Debug)]
struct Namespace<T> {
    namespace: u64,
    waiting: VecDeque<(u64, T)>,
}

/// What became of one that came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pushed<T> {
    /// It waits.
    Waits(Ticket),
    /// It waits, in the place of the last one of a lane that is longer than its own.
    InsteadOf(Ticket, T),
    /// The queue is full, and none has more that wait than its own lane.
    Full(T),
}

impl<T> FairQueue<T> {
    pub(super) fn new(most: usize) -> Self {
        Self { most, length: 0, next: 0, policies: VecDeque::new() }
    }

    pub(super) fn push(&mut self, lane: Lane, item: T) -> Pushed<T> {
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
        policy.namespace(lane.namespace).waiting.push_back((number, item));
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

    /// The next one.
    pub(super) fn pop(&mut self) -> Option<T> {
        let mut policy = self.policies.pop_front()?;
        let mut namespace = policy.namespaces.pop_front()?;
        let (_, item) = namespace.waiting.pop_front()?;
        self.length -= 1;
        policy.length -= 1;
        if !namespace.waiting.is_empty() {
            policy.namespaces.push_back(namespace);
        }
        if policy.length > 0 {
            self.policies.push_back(policy);
        }
        Some(item)
    }

    /// Takes one out that waits no longer, if it is still there.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<T> {
        let Ticket { lane, number } = ticket;
        let policy = self.policies.iter_mut().find(|policy| policy.policy == lane.policy)?;
        let namespace = policy.namespaces.iter_mut().find(|other| other.namespace == lane.namespace)?;
        let at = namespace.waiting.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        let (_, item) = namespace.waiting.remove(at)?;
        self.shrink(lane);
        Some(item)
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
        let own = self.policies.iter().find(|policy| policy.policy == lane.policy);
        let own_policy = own.map_or(0, |policy| policy.length);
        let own_namespace = own
            .and_then(|policy| policy.namespaces.iter().find(|other| other.namespace == lane.namespace))
            .map_or(0, |namespace| namespace.waiting.len());
        let longest = self.policies.iter().max_by_key(|policy| policy.length)?;
        let is_another = longest.policy != lane.policy && longest.length > own_policy + 1;
        let policy = if is_another { longest.policy } else { lane.policy };
        let of = self.policies.iter_mut().find(|other| other.policy == policy)?;
        let longest = of.namespaces.iter_mut().max_by_key(|namespace| namespace.waiting.len())?;
        if !is_another && longest.waiting.len() <= own_namespace + 1 {
            return None;
        }
        let namespace = longest.namespace;
        let (_, item) = longest.waiting.pop_back()?;
        self.shrink(Lane { policy, namespace });
        Some(item)
    }

    fn policy(&mut self, policy: usize) -> &mut Policy<T> {
        let at = self.policies.iter().position(|other| other.policy == policy).unwrap_or_else(|| {
            self.policies.push_back(Policy { policy, length: 0, namespaces: VecDeque::new() });
            self.policies.len() - 1
        });
        &mut self.policies[at]
    }
}

impl<T> Policy<T> {
    fn namespace(&mut self, namespace: u64) -> &mut Namespace<T> {
        let at = self.namespaces.iter().position(|other| other.namespace == namespace).unwrap_or_else(|| {
            self.namespaces.push_back(Namespace { namespace, waiting: VecDeque::new() });
            self.namespaces.len() - 1
        });
        &mut self.namespaces[at]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn lane(policy: usize, namespace: u64) -> Lane {
        Lane { policy, namespace }
    }

    fn drained<T>(queue: &mut FairQueue<T>) -> Vec<T> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn policies_take_turns_and_in_each_its_namespaces() {
        let mut queue = FairQueue::new(100);
        for (policy, namespace, name) in
            [(0, 1, "a1"), (0, 1, "a2"), (0, 1, "a3"), (0, 2, "b1"), (1, 1, "x1"), (1, 1, "x2"), (0, 2, "b2")]
        {
            assert!(matches!(queue.push(lane(policy, namespace), name), Pushed::Waits(_)));
        }
        assert_eq!(drained(&mut queue), ["a1", "x1", "b1", "x2", "a2", "b2", "a3"]);
    }

    #[test]
    fn in_a_full_queue_the_longest_lane_gives_a_place_to_a_shorter_one() {
        let mut queue = FairQueue::new(4);
        for name in ["a1", "a2", "a3", "a4"] {
            queue.push(lane(0, 1), name);
        }
        assert_eq!(queue.push(lane(0, 1), "a5"), Pushed::Full("a5"));
        let Pushed::InsteadOf(_, displaced) = queue.push(lane(0, 2), "b1") else { panic!("it is shorter") };
        assert_eq!(displaced, "a4");
        let Pushed::InsteadOf(_, displaced) = queue.push(lane(1, 1), "x1") else { panic!("it is shorter") };
        assert_eq!(displaced, "a3");
        let Pushed::InsteadOf(_, displaced) = queue.push(lane(1, 1), "x2") else { panic!("it is shorter") };
        assert_eq!(displaced, "a2");
        assert_eq!(queue.push(lane(1, 1), "x3"), Pushed::Full("x3"));
        assert_eq!(drained(&mut queue), ["a1", "x1", "b1", "x2"]);
    }

    #[test]
    fn who_gives_up_leaves_no_gap() {
        let mut queue = FairQueue::new(4);
        let Pushed::Waits(first) = queue.push(lane(0, 1), "a1") else { panic!("there is room") };
        queue.push(lane(0, 2), "b1");
        assert_eq!((queue.remove(first), queue.remove(first)), (Some("a1"), None));
        assert_eq!(drained(&mut queue), ["b1"]);
        assert_eq!((queue.length, queue.policies.len()), (0, 0));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(usize, u64),
        Pop,
        Remove(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..3_usize, 0..4_u64).prop_map(|(policy, namespace)| Step::Push(policy, namespace)),
            1 => Just(Step::Pop),
            1 => (0..40_usize).prop_map(Step::Remove),
        ]
    }

    proptest! {
        #[test]
        fn nobody_is_lost_or_served_twice_and_lanes_keep_their_order(
            steps in proptest::collection::vec(step(), 0..200),
            most in 1..20_usize,
        ) {
            let mut queue = FairQueue::new(most);
            let mut waiting: BTreeMap<usize, (Lane, Ticket)> = BTreeMap::new();
            let leave = |waiting: &mut BTreeMap<usize, (Lane, Ticket)>, item| waiting.remove(&item);
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Push(policy, namespace) => {
                        let lane = lane(policy, namespace);
                        match queue.push(lane, number) {
                            Pushed::Full(item) => prop_assert_eq!(item, number),
                            Pushed::Waits(ticket) => drop(waiting.insert(number, (lane, ticket))),
                            Pushed::InsteadOf(ticket, gone) => {
                                prop_assert!(leave(&mut waiting, gone).is_some());
                                waiting.insert(number, (lane, ticket));
                            }
                        }
                    }
                    Step::Pop => {
                        let next = queue.pop();
                        prop_assert_eq!(next.is_some(), !waiting.is_empty());
                        if let Some(next) = next {
                            let (lane, _) = leave(&mut waiting, next).unwrap();
                            let earlier = waiting.iter().any(|(other, (its, _))| *its == lane && *other < next);
                            prop_assert!(!earlier, "it was not the first of its lane");
                        }
                    }
                    Step::Remove(item) => {
                        if let Some((_, ticket)) = leave(&mut waiting, item) {
                            prop_assert_eq!(queue.remove(ticket), Some(item));
                            prop_assert_eq!(queue.remove(ticket), None);
                        }
                    }
                }
                prop_assert_eq!(queue.length, waiting.len());
                prop_assert!(queue.length <= most);
            }
        }

        /// However many wait in other lanes, one that comes to an empty lane is served after at most one of
        /// each other lane.
        #[test]
        fn a_quiet_namespace_waits_for_one_review_of_each_other_lane(
            flood in proptest::collection::vec((0..3_usize, 1..4_u64), 0..300),
            most in 1..200_usize,
        ) {
            let mut queue = FairQueue::new(most);
            for (policy, namespace) in &flood {
                queue.push(lane(*policy, *namespace), "flood");
            }
            let policies = queue.policies.len();
            let namespaces = queue.policies.iter().find(|policy| policy.policy == 0);
            let namespaces = namespaces.map_or(0, |policy| policy.namespaces.len());
            if let Pushed::Full(_) = queue.push(lane(0, 99), "quiet") {
                // Only where nobody has more than it would have.
                let own = queue.policies.iter().find(|policy| policy.policy == 0);
                let own_length = own.map_or(0, |policy| policy.length);
                prop_assert!(queue.policies.iter().all(|policy| policy.length <= own_length + 1));
                let is_short = |policy: &Policy<_>| policy.namespaces.iter().all(|it| it.waiting.len() <= 1);
                prop_assert!(own.is_none_or(is_short));
                return Ok(());
            }
            let before = drained(&mut queue).iter().position(|item| *item == "quiet").unwrap();
            prop_assert!(before <= (policies + 1) * (namespaces + 1), "{before}");
        }
    }
}
