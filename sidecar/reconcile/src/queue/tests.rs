use proptest::prelude::*;

use super::*;

fn name(text: &str) -> Arc<str> {
    text.into()
}

fn pop(queue: &mut Queue, now: Instant) -> Option<String> {
    queue.pop(now, true).map(|name| name.to_string())
}

#[test]
fn urgent_work_goes_before_bulk_work_and_each_comes_once() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for text in ["a", "b", "c"] {
        queue.push(&name(text), Lane::Bulk, now);
    }
    queue.push(&name("c"), Lane::Urgent, now);
    queue.push(&name("d"), Lane::Urgent, now);
    queue.push(&name("d"), Lane::Bulk, now);
    let order: Vec<_> = std::iter::from_fn(|| pop(&mut queue, now)).collect();
    assert_eq!(order, ["c", "d", "a", "b"]);
}

#[test]
fn bulk_work_can_be_left_out() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.push(&name("a"), Lane::Bulk, now);
    assert_eq!(queue.pop(now, false), None);
    assert_eq!(queue.pop(now, true), Some(name("a")));
}

#[test]
fn what_comes_while_it_runs_makes_it_come_again() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.push(&name("a"), Lane::Bulk, now);
    assert_eq!(pop(&mut queue, now), Some("a".to_owned()));
    queue.push(&name("a"), Lane::Urgent, now);
    assert_eq!(pop(&mut queue, now), None);
    queue.finish(&name("a"), End::Done, now, 0);
    assert_eq!(pop(&mut queue, now), Some("a".to_owned()));
    queue.finish(&name("a"), End::Done, now, 0);
    assert!(pop(&mut queue, now).is_none() && queue.is_idle() && queue.depth() == 0);
}

#[test]
fn a_failure_waits_longer_each_time_whatever_comes() {
    let (mut queue, mut now) = (Queue::default(), Instant::now());
    queue.push(&name("a"), Lane::Urgent, now);
    let mut waits = Vec::new();
    for _ in 0..9 {
        assert_eq!(pop(&mut queue, now), Some("a".to_owned()));
        queue.finish(&name("a"), End::Failed, now, u64::MAX);
        queue.push(&name("a"), Lane::Urgent, now);
        assert!(pop(&mut queue, now).is_none() && queue.is_idle());
        let next = queue.next().unwrap();
        waits.push((next - now).as_millis());
        now = next;
    }
    assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]);
}

#[test]
fn an_overtaken_one_goes_on_when_the_watch_has_seen_why() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.push(&name("a"), Lane::Urgent, now);
    pop(&mut queue, now);
    queue.finish(&name("a"), End::Overtaken, now, 0);
    assert_eq!(pop(&mut queue, now), None);
    queue.push(&name("a"), Lane::Urgent, now);
    assert_eq!(pop(&mut queue, now), Some("a".to_owned()));
}

#[test]
fn what_comes_ends_a_wait_that_was_only_planned() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    let later = now + Duration::from_millis(10);
    queue.push_at(&name("a"), later);
    queue.push_at(&name("b"), later);
    assert_eq!(pop(&mut queue, now), None);
    queue.push(&name("b"), Lane::Urgent, now);
    assert_eq!(pop(&mut queue, now), Some("b".to_owned()));
    assert_eq!(pop(&mut queue, later), Some("a".to_owned()));
    assert_eq!(pop(&mut queue, later), None);
}

#[test]
fn a_namespace_that_is_gone_is_forgotten() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.push(&name("a"), Lane::Urgent, now);
    queue.push_at(&name("b"), now);
    queue.forget("a");
    queue.forget("b");
    assert!(pop(&mut queue, now).is_none() && queue.depth() == 0 && queue.next().is_none());
}

proptest! {
    #[test]
    fn no_push_is_lost_and_nothing_runs_twice_at_a_time(steps in prop::collection::vec((0..4_u8, 0..3_u8), 1..60)) {
        let (mut queue, mut now) = (Queue::default(), Instant::now());
        let (mut owed, mut running) = (BTreeSet::new(), BTreeSet::new());
        for (what, which) in steps {
            let one = name(&which.to_string());
            match what {
                0 | 1 => {
                    queue.push(&one, if what == 0 { Lane::Urgent } else { Lane::Bulk }, now);
                    owed.insert(one);
                }
                2 => {
                    if let Some(popped) = queue.pop(now, true) {
                        owed.remove(&popped);
                        prop_assert!(running.insert(popped));
                    }
                }
                _ => {
                    if running.remove(&one) {
                        let end = if which == 0 { End::Failed } else { End::Done };
                        queue.finish(&one, end, now, 7);
                    }
                }
            }
        }
        for one in std::mem::take(&mut running) {
            queue.finish(&one, End::Done, now, 7);
        }
        now += LONGEST_WAIT;
        while let Some(popped) = queue.pop(now, true) {
            owed.remove(&popped);
            queue.finish(&popped, End::Done, now, 7);
        }
        prop_assert!(owed.is_empty() && queue.depth() == 0);
    }
}
