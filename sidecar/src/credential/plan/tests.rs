use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

const LONGTERM: Wanted = Wanted { kind: CredentialKind::Longterm, rotate_after: None };
const TEMP: Wanted = Wanted { kind: CredentialKind::Temp, rotate_after: None };

fn at(hours: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + hours * 3600).unwrap()
}

fn held(id: Option<&str>, life_hours: i64) -> Held {
    Held {
        username: "100".to_owned(),
        token: Sensitive::new("jwt"),
        token_id: id.map(str::to_owned),
        issued_at: at(0),
        expires_at: Some(at(life_hours)),
        public_domain: "demo.tencentcloudcr.com".parse().unwrap(),
    }
}

fn stored(intent: Option<&str>, current: Option<Held>) -> Stored {
    Stored { marker: "m1".to_owned(), intent: intent.map(str::to_owned), current, previous: Vec::new() }
}

fn token(id: &str, marker: &str) -> InstanceToken {
    InstanceToken {
        id: id.to_owned(),
        description: description("TKE cluster", marker),
        enabled: true,
        created_at: None,
        expires_at: None,
    }
}

fn listed(tokens: &[(&str, &str)]) -> Listed {
    Listed { at: at(1), tokens: tokens.iter().map(|(id, marker)| token(id, marker)).collect(), missing: 0 }
}

fn mine(clean: bool) -> Option<Mine> {
    Some(Mine { intent: "i1".to_owned(), clean })
}

#[track_caller]
fn check(stored: Option<Stored>, mine: Option<Mine>, listed: Option<Listed>, expected: Expect) {
    let step = decide(at(1), &LONGTERM, stored.as_ref(), mine.as_ref(), listed.as_ref());
    expected.assert_eq(&format!("{step:?}"));
}

#[test]
fn an_intent_comes_before_the_first_credential() {
    check(None, None, None, expect!["Record { why: None }"]);
    check(Some(stored(Some("i1"), None)), mine(true), None, expect!["Mint"]);
}

#[test]
fn an_intent_of_somebody_else_is_taken_over_and_what_it_left_is_deleted() {
    check(Some(stored(Some("other"), None)), None, None, expect!["Record { why: None }"]);
    check(Some(stored(Some("other"), None)), mine(true), None, expect!["Record { why: None }"]);
    check(Some(stored(Some("i1"), None)), mine(false), None, expect!["List"]);
    check(
        Some(stored(Some("i1"), None)),
        mine(false),
        Some(listed(&[("x", "m1"), ("y", "m2")])),
        expect![[r#"Delete { token_id: "x" }"#]],
    );
    check(Some(stored(Some("i1"), None)), mine(false), Some(listed(&[("y", "m2")])), expect!["Mint"]);
}

#[test]
fn a_stored_credential_is_used_again_and_looked_for_at_the_cloud() {
    let good = Some(stored(None, Some(held(Some("t1"), 87600))));
    check(good.clone(), None, None, expect!["List"]);
    check(good.clone(), None, Some(listed(&[("t1", "m1")])), expect!["Wait { until: 2027-01-15T09:10:00Z }"]);
    check(
        good,
        None,
        Some(listed(&[("t1", "m1"), ("t0", "m1"), ("z", "m9")])),
        expect![[r#"Delete { token_id: "t0" }"#]],
    );
}

#[test]
fn one_list_without_the_credential_is_not_believed() {
    let good = Some(stored(None, Some(held(Some("t1"), 87600))));
    let missing = |times| Some(Listed { missing: times, ..listed(&[]) });
    check(good.clone(), None, missing(1), expect!["Wait { until: 2027-01-15T09:01:00Z }"]);
    check(
        good.clone(),
        None,
        missing(2),
        expect![[r#"Record { why: Some("it is no longer in the instance's list") }"#]],
    );
    let mut off = listed(&[("t1", "m1")]);
    off.tokens[0].enabled = false;
    check(
        good,
        None,
        Some(off),
        expect![[r#"Record { why: Some("it is switched off in the instance's list") }"#]],
    );
}

#[test]
fn renewal_is_at_half_the_life_of_a_temporary_one_and_by_wish_of_a_long_one() {
    let temp = held(None, 1);
    let seconds =
        |held: &Held, wanted: &Wanted| renewal(held, wanted).as_second() - held.issued_at.as_second();
    assert_eq!(seconds(&temp, &TEMP), 1800);
    let long = held(Some("t1"), 87600);
    assert_eq!(seconds(&long, &LONGTERM), 87600 * 3600 / 10 * 9);
    let wish = Wanted { rotate_after: Some(Duration::from_secs(7200)), ..LONGTERM };
    assert_eq!(seconds(&long, &wish), 7200);
    assert_eq!(
        decide(at(0), &TEMP, Some(&stored(None, Some(temp.clone()))), None, None),
        Step::Wait { until: renewal(&temp, &TEMP) }
    );
    assert!(matches!(
        decide(at(1), &TEMP, Some(&stored(None, Some(temp))), None, None),
        Step::Record { why: Some(_) }
    ));
}

#[test]
fn a_replaced_credential_is_deleted_after_its_grace() {
    let mut it = stored(None, Some(held(Some("t2"), 87600)));
    it.previous = vec![Replaced { token_id: "t1".to_owned(), delete_at: at(2) }];
    let both = || Some(listed(&[("t1", "m1"), ("t2", "m1")]));
    check(Some(it.clone()), None, both(), expect!["Wait { until: 2027-01-15T09:10:00Z }"]);
    it.previous[0].delete_at = at(1);
    check(Some(it), None, both(), expect![[r#"Delete { token_id: "t1" }"#]]);
}

#[test]
fn a_farewell_revokes_everything_or_only_what_nobody_used() {
    let it = stored(None, Some(held(Some("t1"), 87600)));
    assert_eq!(part(&LONGTERM, &it, false, None), Farewell::Forget);
    assert_eq!(part(&LONGTERM, &it, true, None), Farewell::List);
    let ours = listed(&[("t1", "m1"), ("z", "m9")]);
    assert_eq!(part(&LONGTERM, &it, true, Some(&ours)), Farewell::Delete { token_id: "t1".to_owned() });
    assert_eq!(part(&LONGTERM, &it, true, Some(&listed(&[("z", "m9")]))), Farewell::Forget);
    let unfinished = stored(Some("i1"), Some(held(Some("t1"), 87600)));
    let orphan = listed(&[("t1", "m1"), ("t2", "m1")]);
    assert_eq!(
        part(&LONGTERM, &unfinished, false, Some(&orphan)),
        Farewell::Delete { token_id: "t2".to_owned() }
    );
}

/// The cloud and the cluster, and a process that may die before any effect.
#[derive(Default)]
struct World {
    secret: Option<(u64, Stored)>,
    tokens: Vec<InstanceToken>,
    minted: usize,
    writes: u64,
}

/// What a process remembers; all of it is lost when it dies.
#[derive(Default)]
struct Process {
    seen: Option<(u64, Stored)>,
    mine: Option<Mine>,
    listed: Option<Listed>,
}

impl World {
    fn write(&mut self, seen: Option<u64>, stored: Stored) -> bool {
        if self.secret.as_ref().map(|(version, _)| *version) != seen {
            return false;
        }
        self.writes += 1;
        self.secret = Some((self.writes, stored));
        true
    }

    /// One step of a process; `dies` after that many effects. Whether it waits.
    fn step(&mut self, process: &mut Process, dies: Option<u8>) -> bool {
        process.seen = self.secret.clone();
        let now = at(1);
        let stored = process.seen.as_ref().map(|(_, stored)| stored);
        match decide(now, &LONGTERM, stored, process.mine.as_ref(), process.listed.as_ref()) {
            Step::Wait { .. } => return true,
            Step::List => process.listed = Some(Listed { at: now, tokens: self.tokens.clone(), missing: 0 }),
            Step::Delete { token_id } => {
                self.tokens.retain(|token| token.id != token_id);
                process.listed = None;
            }
            Step::Record { .. } => {
                let fresh = stored.is_none();
                let intent = format!("i{}", self.writes);
                let mut next =
                    stored.cloned().unwrap_or(Stored { marker: "m1".to_owned(), ..Stored::default() });
                next.intent = Some(intent.clone());
                let version = process.seen.as_ref().map(|(version, _)| *version);
                if self.write(version, next) {
                    process.mine = Some(Mine { intent, clean: fresh });
                    process.listed = None;
                }
            }
            Step::Mint => {
                self.minted += 1;
                let id = format!("t{}", self.minted);
                self.tokens.push(token(&id, "m1"));
                if dies == Some(1) {
                    return false;
                }
                let (version, mut next) = process.seen.clone().unwrap();
                next.intent = None;
                next.current = Some(held(Some(&id), 87600));
                self.write(Some(version), next);
                process.mine = None;
                process.listed = None;
            }
        }
        false
    }
}

proptest! {
    #[test]
    fn killed_anywhere_any_number_of_times_one_live_credential_is_left(
        deaths in prop::collection::vec((0..6_usize, 0..2_u8), 0..8),
    ) {
        let mut world = World::default();
        for (steps, dies) in deaths {
            let mut process = Process::default();
            for step in 0..=steps {
                let dies = (step == steps).then_some(dies);
                if world.step(&mut process, dies) {
                    break;
                }
            }
        }
        let mut process = Process::default();
        let settled = (0..40).any(|_| world.step(&mut process, None));
        prop_assert!(settled);
        prop_assert_eq!(world.tokens.len(), 1);
        let current = world.secret.unwrap().1.current.unwrap();
        prop_assert_eq!(current.token_id.as_deref(), Some(&*world.tokens[0].id));
    }
}
