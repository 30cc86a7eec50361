use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn lane(policy: usize, namespace: u64) -> Lane {
    Lane { policy, namespace }
}

fn drained<T>(queue: &mut FairQueue<T>) -> Vec<T> {
    std::iter::from_fn(|| queue.pop(|_| true)).map(|(_, item)| item).collect()
}

#[test]
fn policies_take_turns_and_in_each_its_namespaces() {
    let mut queue = FairQueue::new(100);
    for (policy, namespace, name) in
        [(0, 1, "a1"), (0, 1, "a2"), (0, 1, "a3"), (0, 2, "b1"), (1, 1, "x1"), (1, 1, "x2"), (0, 2, "b2")]
    {
        assert!(matches!(queue.push(lane(policy, namespace), 1, name), Pushed::Waits(_)));
    }
    assert_eq!(drained(&mut queue), ["a1", "x1", "b1", "x2", "a2", "b2", "a3"]);
}

#[test]
fn in_a_full_queue_the_longest_lane_gives_a_place_to_a_shorter_one() {
    let mut queue = FairQueue::new(4);
    for name in ["a1", "a2", "a3", "a4"] {
        queue.push(lane(0, 1), 1, name);
    }
    assert_eq!(queue.push(lane(0, 1), 1, "a5"), Pushed::Full("a5"));
    let Pushed::InsteadOf(_, displaced) = queue.push(lane(0, 2), 1, "b1") else { panic!("it is shorter") };
    assert_eq!(displaced, "a4");
    let Pushed::InsteadOf(_, displaced) = queue.push(lane(1, 1), 1, "x1") else { panic!("it is shorter") };
    assert_eq!(displaced, "a3");
    let Pushed::InsteadOf(_, displaced) = queue.push(lane(1, 1), 1, "x2") else { panic!("it is shorter") };
    assert_eq!(displaced, "a2");
    assert_eq!(queue.push(lane(1, 1), 1, "x3"), Pushed::Full("x3"));
    assert_eq!(drained(&mut queue), ["a1", "x1", "b1", "x2"]);
}

#[test]
fn a_large_review_takes_as_many_turns_as_it_is_larger() {
    assert_eq!([0, 1, BYTES_OF_A_TURN, BYTES_OF_A_TURN + 1, 3 << 20].map(turns), [1, 1, 1, 2, 192]);
    let mut queue = FairQueue::new(100);
    for (namespace, turns, name) in
        [(1, 3, "large"), (1, 1, "after it"), (2, 1, "b1"), (2, 1, "b2"), (2, 1, "b3"), (2, 1, "b4")]
    {
        queue.push(lane(0, namespace), turns, name);
    }
    assert_eq!(drained(&mut queue), ["b1", "b2", "large", "b3", "after it", "b4"]);
}

#[test]
fn a_review_that_may_not_have_a_worker_now_delays_no_other_and_keeps_its_place() {
    let mut queue = FairQueue::new(100);
    for (policy, namespace, name) in [(0, 1, "a1"), (0, 2, "b1"), (0, 2, "b2"), (1, 1, "x1"), (1, 1, "x2")] {
        queue.push(lane(policy, namespace), 1, name);
    }
    let mut next = |held: &[Lane]| queue.pop(|lane| !held.contains(&lane)).map(|(_, item)| item);
    assert_eq!(next(&[lane(0, 1), lane(1, 1)]), Some("b1"));
    assert_eq!(next(&[lane(0, 1), lane(1, 1)]), Some("b2"));
    assert_eq!(next(&[lane(0, 1), lane(1, 1)]), None);
    assert_eq!([(); 3].map(|()| next(&[])), [Some("x1"), Some("a1"), Some("x2")]);
}

#[test]
fn who_gives_up_leaves_no_gap() {
    let mut queue = FairQueue::new(4);
    let Pushed::Waits(first) = queue.push(lane(0, 1), 1, "a1") else { panic!("there is room") };
    queue.push(lane(0, 2), 1, "b1");
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
    fn no_review_is_lost_or_served_twice_and_lanes_keep_their_order(
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
                    match queue.push(lane, 1, number) {
                        Pushed::Full(item) => prop_assert_eq!(item, number),
                        Pushed::Waits(ticket) => drop(waiting.insert(number, (lane, ticket))),
                        Pushed::InsteadOf(ticket, gone) => {
                            prop_assert!(leave(&mut waiting, gone).is_some());
                            waiting.insert(number, (lane, ticket));
                        }
                    }
                }
                Step::Pop => {
                    let next = queue.pop(|_| true);
                    prop_assert_eq!(next.is_some(), !waiting.is_empty());
                    if let Some((lane, next)) = next {
                        let (its_lane, _) = leave(&mut waiting, next).unwrap();
                        prop_assert_eq!(its_lane, lane);
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
            queue.push(lane(*policy, *namespace), 1, "flood");
        }
        let policies = queue.policies.len();
        let namespaces = queue.policies.lanes().find(|policy| policy.policy == 0);
        let namespaces = namespaces.map_or(0, |policy| policy.namespaces.len());
        if let Pushed::Full(_) = queue.push(lane(0, 99), 1, "quiet") {
            // Only where nobody has more than it would have.
            let own = queue.policies.lanes().find(|policy| policy.policy == 0);
            let own_length = own.map_or(0, |policy| policy.length);
            prop_assert!(queue.policies.lanes().all(|policy| policy.length <= own_length + 1));
            let is_short = |policy: &Policy<_>| policy.namespaces.lanes().all(|it| it.waiting.len() <= 1);
            prop_assert!(own.is_none_or(is_short));
            return Ok(());
        }
        let before = drained(&mut queue).iter().position(|item| *item == "quiet").unwrap();
        prop_assert!(before <= (policies + 1) * (namespaces + 1), "{before}");
    }

    /// Of two that always have something waiting neither has got more than the other by more than the largest
    /// item: policies, and namespaces of a policy.
    #[test]
    fn shares_of_those_who_always_wait_differ_by_no_more_than_the_largest_item(
        lanes in proptest::collection::vec(
            (0..3_usize, proptest::collection::vec(1..40_u32, 20..60)), 2..7),
    ) {
        let mut queue = FairQueue::new(1000);
        let mut left = BTreeMap::new();
        for (namespace, (policy, items)) in lanes.iter().enumerate() {
            let lane = lane(*policy, namespace as u64);
            left.insert(lane, items.len());
            for turns in items {
                queue.push(lane, *turns, *turns);
            }
        }
        let largest = lanes.iter().flat_map(|(_, items)| items).max().copied().unwrap();
        let mut served: BTreeMap<Lane, u32> = left.keys().map(|lane| (*lane, 0)).collect();
        while left.values().all(|left| *left > 0) {
            let (lane, turns) = queue.pop(|_| true).unwrap();
            *left.get_mut(&lane).unwrap() -= 1;
            *served.get_mut(&lane).unwrap() += turns;
            let of_policy = |policy| {
                let lanes = served.iter().filter(move |(lane, _)| lane.policy == policy);
                lanes.map(|(_, turns)| *turns)
            };
            let spread = |shares: Vec<u32>| Some(shares.iter().max()? - shares.iter().min()?);
            let policies: Vec<u32> =
                (0..3).filter(|policy| of_policy(*policy).next().is_some()).map(|it| of_policy(it).sum()).collect();
            for shares in (0..3).map(|policy| of_policy(policy).collect()).chain([policies]) {
                prop_assert!(spread(shares).is_none_or(|spread| spread <= largest));
            }
        }
    }
}
