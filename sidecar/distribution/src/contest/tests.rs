use proptest::prelude::*;

use super::*;

fn target(kind: TargetKind, name: &str) -> Target {
    Target { namespace: "shop".into(), kind, name: name.into() }
}

fn account() -> Target {
    target(TargetKind::ServiceAccount, "default")
}

/// Seconds that each repair waits, when every one is undone after `lasts`.
fn waits(lasts: Duration, times: usize) -> Vec<u64> {
    let mut contests = Contests::default();
    let mut now = Instant::now();
    (0..times)
        .map(|_| {
            contests.undone(account(), "demo", now);
            let until = contests.held_until(&account(), now).unwrap_or(now);
            let wait = until - now;
            now = until + lasts;
            wait.as_secs()
        })
        .collect()
}

#[test]
fn the_first_changes_are_mended_at_once_and_then_ever_later() {
    assert_eq!(waits(Duration::from_millis(5), 14), [0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
}

#[test]
fn a_repair_that_lasts_is_repeated_at_once() {
    assert_eq!(waits(Duration::from_secs(180), 6), [0; 6]);
}

#[test]
fn a_person_is_told_once_also_when_repairs_last() {
    for lasts in [Duration::from_millis(5), Duration::from_secs(180)] {
        let mut contests = Contests::default();
        let mut now = Instant::now();
        let told = (0..12).filter(|_| {
            let told = contests.undone(account(), "demo", now);
            now = contests.held_until(&account(), now).unwrap_or(now) + lasts;
            told
        });
        assert_eq!(told.count(), 1);
        assert_eq!(contests.contested().count(), 1);
    }
}

#[test]
fn what_happens_while_it_waits_makes_it_wait_no_longer() {
    let mut contests = Contests::default();
    let now = Instant::now();
    for _ in 0..4 {
        contests.undone(account(), "demo", now);
    }
    let until = contests.held_until(&account(), now);
    assert!(until.is_some());
    contests.undone(account(), "demo", now + Duration::from_millis(10));
    assert_eq!(contests.held_until(&account(), now), until);
}

#[test]
fn it_is_over_after_a_quiet_time() {
    let mut contests = Contests::default();
    let now = Instant::now();
    for _ in 0..4 {
        contests.undone(account(), "demo", now);
    }
    let end = contests.next_end().unwrap();
    assert!(!contests.expire(end - Duration::from_secs(1)));
    assert!(contests.expire(end));
    assert_eq!(contests.next_end(), None);
}

proptest! {
    #[test]
    fn however_fast_somebody_is_few_repairs_are_made(lasts in prop::collection::vec(0_u64..2_000, 1..400)) {
        let mut contests = Contests::default();
        let start = Instant::now();
        let mut now = start;
        let mut repairs = 0_u32;
        for millis in lasts {
            contests.undone(account(), "demo", now);
            now = contests.held_until(&account(), now).unwrap_or(now) + Duration::from_millis(millis);
            repairs += 1;
        }
        // Three at once, then at most one for each doubling, then one in five minutes.
        let most = 3 + 10 + (now - start).as_secs() / 300;
        prop_assert!(u64::from(repairs) <= most, "{repairs} repairs in {:?}", now - start);
    }
}
