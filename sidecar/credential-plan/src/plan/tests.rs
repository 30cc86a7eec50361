use std::time::Duration;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use tcr::image_pull_secret::CredentialKind;
use tcr::sensitive::Sensitive;

use super::*;
use crate::login_check::LoginCheck;

const LONGTERM: Desired = Desired {
    kind: CredentialKind::Longterm,
    rotate_after: None,
    checks_logins: false,
    is_rolled_out: true,
    is_needed: true,
};
const TEMP: Desired = Desired { kind: CredentialKind::Temp, ..LONGTERM };

fn at(hours: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + hours * 3600).unwrap()
}

fn held(id: Option<&str>, life_hours: i64) -> Held {
    Held {
        username: "100".to_owned(),
        token: Sensitive::new("jwt"),
        token_id: id.map(str::to_owned),
        issued_at: at(0),
        extended_at: None,
        expires_at: Some(at(life_hours)),
        public_domain: "demo.tencentcloudcr.com".parse().unwrap(),
    }
}

fn stored(intent: Option<&str>, current: Option<Held>) -> Stored {
    Stored { marker: "m1".to_owned(), intent: intent.map(str::to_owned), current, ..Stored::default() }
}

fn token(id: &str, marker: &str) -> ListedToken {
    ListedToken {
        id: id.to_owned(),
        description: description("TKE cluster", marker),
        enabled: true,
        ..ListedToken::default()
    }
}

fn listed(tokens: &[(&str, &str)]) -> Listed {
    Listed { at: at(1), tokens: tokens.iter().map(|(id, marker)| token(id, marker)).collect(), missing: 0 }
}

fn own_intent(clean: bool) -> Option<OwnIntent> {
    Some(OwnIntent { intent: "i1".to_owned(), clean, holds_until: at(2) })
}

#[track_caller]
fn check(stored: Option<Stored>, own_intent: Option<OwnIntent>, listed: Option<Listed>, expected: Expect) {
    let observed =
        Observed { own_intent: own_intent.as_ref(), listed: listed.as_ref(), ..Observed::default() };
    let step = decide(at(1), &LONGTERM, stored.as_ref(), observed);
    expected.assert_eq(&format!("{step:?}"));
}

#[test]
fn an_intent_comes_before_the_first_credential() {
    check(None, None, None, expect!["Record { why: None, ended: false }"]);
    check(Some(stored(Some("i1"), None)), own_intent(true), None, expect!["Mint"]);
}

#[test]
fn an_intent_that_is_too_old_is_written_anew_before_anything_is_made() {
    let old = Some(OwnIntent { holds_until: at(1), ..own_intent(true).unwrap() });
    check(Some(stored(Some("i1"), None)), old, None, expect!["Record { why: None, ended: false }"]);
}

#[test]
fn an_intent_of_somebody_else_is_taken_over_and_what_it_left_is_deleted() {
    check(Some(stored(Some("other"), None)), None, None, expect!["Record { why: None, ended: false }"]);
    check(
        Some(stored(Some("other"), None)),
        own_intent(true),
        None,
        expect!["Record { why: None, ended: false }"],
    );
    check(Some(stored(Some("i1"), None)), own_intent(false), None, expect!["List"]);
    check(
        Some(stored(Some("i1"), None)),
        own_intent(false),
        Some(listed(&[("x", "m1"), ("y", "m2")])),
        expect![[r#"Delete { token_id: "x" }"#]],
    );
    check(Some(stored(Some("i1"), None)), own_intent(false), Some(listed(&[("y", "m2")])), expect!["Mint"]);
}

#[test]
fn nothing_is_made_for_users_that_are_all_on_their_way_out() {
    let leaving = Desired { is_needed: false, ..LONGTERM };
    let wait = Step::Wait { until: later(at(1), LIST_EVERY) };
    let clean = own_intent(true);
    let observed = Observed { own_intent: clean.as_ref(), ..Observed::default() };
    assert_eq!(decide(at(1), &leaving, None, observed), wait, "there never was one");
    assert_eq!(
        decide(at(1), &leaving, Some(&stored(Some("i1"), None)), observed),
        wait,
        "one was to be made"
    );
    let off = Listed { missing: 2, ..listed(&[]) };
    let observed = Observed { listed: Some(&off), ..Observed::default() };
    let ended = stored(None, Some(held(Some("t1"), 87600)));
    assert_eq!(decide(at(1), &leaving, Some(&ended), observed), wait, "one is gone from the cloud");
    let unclean = own_intent(false);
    let orphan = listed(&[("x", "m1")]);
    let observed = Observed { own_intent: unclean.as_ref(), listed: Some(&orphan), ..Observed::default() };
    let delete = Step::Delete { token_id: "x".to_owned() };
    assert_eq!(decide(at(1), &leaving, Some(&stored(Some("i1"), None)), observed), delete);
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
        expect![[r#"Record { why: Some("it is no longer in the instance's list"), ended: true }"#]],
    );
    let mut off = listed(&[("t1", "m1")]);
    off.tokens[0].enabled = false;
    check(
        good,
        None,
        Some(off),
        expect![[r#"Record { why: Some("it is switched off in the instance's list"), ended: true }"#]],
    );
}

#[test]
fn renewal_is_at_half_the_life_of_a_temporary_one_and_by_wish_of_a_long_one() {
    let temp = held(None, 1);
    let seconds =
        |held: &Held, desired: &Desired| renewal(held, desired).as_second() - held.issued_at.as_second();
    assert_eq!(seconds(&temp, &TEMP), 1800);
    let long = held(Some("t1"), 87600);
    assert_eq!(seconds(&long, &LONGTERM), 87600 * 3600 / 10 * 9);
    let wish = Desired { rotate_after: Some(Duration::from_secs(7200)), ..LONGTERM };
    assert_eq!(seconds(&long, &wish), 7200);
    assert_eq!(
        decide(at(0), &TEMP, Some(&stored(None, Some(temp.clone()))), Observed::default()),
        Step::Wait { until: renewal(&temp, &TEMP) }
    );
    assert!(matches!(
        decide(at(1), &TEMP, Some(&stored(None, Some(temp))), Observed::default()),
        Step::Record { why: Some(_), ended: false }
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
fn a_replaced_credential_stays_valid_until_the_last_copy_of_it_is_replaced() {
    let mut it = stored(None, Some(held(Some("t2"), 87600)));
    it.previous = vec![Replaced { token_id: "t1".to_owned(), delete_at: at(0) }];
    let both = Listed { at: at(1), ..listed(&[("t1", "m1"), ("t2", "m1")]) };
    let decide = |is_rolled_out| {
        decide(
            at(1),
            &Desired { is_rolled_out, ..LONGTERM },
            Some(&it),
            Observed { listed: Some(&both), ..Observed::default() },
        )
    };
    assert_eq!(decide(true), Step::Delete { token_id: "t1".to_owned() });
    assert_eq!(decide(false), Step::Wait { until: later(at(1), LIST_EVERY) });
}

#[test]
fn temporary_credentials_are_not_all_renewed_at_once() {
    let issued = |nanoseconds: i32| Held {
        issued_at: Timestamp::new(at(0).as_second(), nanoseconds).unwrap(),
        ..held(None, 1)
    };
    let after = |held: &Held| renewal(held, &TEMP).duration_since(held.issued_at).as_secs();
    assert_eq!(after(&issued(0)), 1800);
    assert_eq!(after(&issued(500_000_000)), 1619);
    assert_eq!(after(&issued(999_999_999)), 1439);
}

fn replaced_by(candidate: Held) -> Stored {
    Stored { candidate: Some(candidate), ..stored(None, Some(held(Some("t1"), 87600))) }
}

fn login_check(verdict: Verdict, refusals: usize) -> LoginCheck {
    LoginCheck { at: at(1), verdict, refusals }
}

fn refused() -> Verdict {
    Verdict::Refused { reason: "HTTP 401".to_owned() }
}

fn unknown() -> Verdict {
    Verdict::Unknown { reason: "no answer".to_owned() }
}

const ACCEPTED: Verdict = Verdict::Accepted { can_push: false };

/// What is done at hour `hour` about a successor, with these answers about it and the one in use.
#[track_caller]
fn check_successor(
    hour: i64,
    stored: &Stored,
    login_checks: &LoginChecks,
    listed: Option<Listed>,
    expected: Expect,
) {
    let desired = Desired { checks_logins: true, ..LONGTERM };
    let observed = Observed {
        own_intent: None,
        listed: listed.as_ref(),
        login_checks: Some(login_checks),
        asked: None,
        ..Observed::default()
    };
    expected.assert_eq(&format!("{:?}", decide(at(hour), &desired, Some(stored), observed)));
}

#[test]
fn a_successor_is_tried_before_it_takes_the_place_of_a_credential() {
    let both = replaced_by(held(Some("t2"), 87600));
    let about = |verdict, refusals| LoginChecks {
        candidate: Some(login_check(verdict, refusals)),
        ..LoginChecks::default()
    };
    check_successor(1, &both, &LoginChecks::default(), None, expect!["CheckLogin { candidate: true }"]);
    check_successor(1, &both, &about(ACCEPTED, 0), None, expect!["Promote"]);
    check_successor(1, &both, &about(refused(), 1), None, expect!["Wait { until: 2027-01-15T09:00:02Z }"]);
    check_successor(2, &both, &about(refused(), 1), None, expect!["CheckLogin { candidate: true }"]);
    check_successor(1, &both, &about(refused(), 4), None, expect![[r#"Discard { reason: "HTTP 401" }"#]]);
    assert_eq!(decide(at(1), &LONGTERM, Some(&both), Observed::default()), Step::Promote, "nobody is asked");
}

#[test]
fn a_successor_without_a_verdict_waits_as_long_as_the_one_in_use_works() {
    let both = replaced_by(held(Some("t2"), 87600));
    let untried = LoginChecks { candidate: Some(login_check(unknown(), 0)), ..LoginChecks::default() };
    check_successor(1, &both, &untried, None, expect!["List"]);
    let there = || Some(listed(&[("t1", "m1"), ("t2", "m1")]));
    check_successor(1, &both, &untried, there(), expect!["Wait { until: 2027-01-15T09:00:30Z }"]);
    let gone = Some(listed(&[("t2", "m1")]));
    check_successor(1, &both, &untried, gone, expect!["Promote"]);
    let refused = LoginChecks { current: Some(login_check(refused(), 2)), ..untried.clone() };
    check_successor(1, &both, &refused, there(), expect!["Promote"]);
    let mut ending = both;
    ending.current = Some(held(Some("t1"), 1));
    check_successor(0, &ending, &untried, there(), expect!["Wait { until: 2027-01-15T08:45:00Z }"]);
    check_successor(1, &ending, &untried, there(), expect!["Promote"]);
}

#[test]
fn a_credential_in_use_that_its_registry_refuses_twice_is_replaced() {
    let good = stored(None, Some(held(Some("t1"), 87600)));
    let there = || Some(listed(&[("t1", "m1")]));
    let about = |verdict, refusals| LoginChecks {
        current: Some(login_check(verdict, refusals)),
        ..LoginChecks::default()
    };
    check_successor(1, &good, &LoginChecks::default(), there(), expect!["CheckLogin { candidate: false }"]);
    check_successor(1, &good, &about(ACCEPTED, 0), there(), expect!["Wait { until: 2027-01-15T09:10:00Z }"]);
    check_successor(1, &good, &about(unknown(), 0), there(), expect!["Wait { until: 2027-01-15T09:10:00Z }"]);
    check_successor(1, &good, &about(refused(), 1), there(), expect!["Wait { until: 2027-01-15T09:01:00Z }"]);
    check_successor(
        1,
        &good,
        &about(refused(), 2),
        there(),
        expect![[r#"Record { why: Some("HTTP 401"), ended: true }"#]],
    );
    let resting = LoginChecks { rest_until: Some(at(2)), ..about(refused(), 2) };
    check_successor(1, &good, &resting, there(), expect!["Wait { until: 2027-01-15T10:00:00Z }"]);
}

#[test]
fn a_removal_also_deletes_a_successor_that_was_never_used() {
    let both = replaced_by(held(Some("t2"), 87600));
    assert_eq!(removal(&LONGTERM, &both, false, false, None), RemovalStep::List);
    let there = listed(&[("t1", "m1"), ("t2", "m1")]);
    assert_eq!(
        removal(&LONGTERM, &both, false, false, Some(&there)),
        RemovalStep::Delete { token_id: "t2".to_owned() }
    );
}

#[test]
fn a_removal_deletes_everything_or_only_what_was_never_used() {
    let it = stored(None, Some(held(Some("t1"), 87600)));
    assert_eq!(removal(&LONGTERM, &it, false, false, None), RemovalStep::Forget);
    assert_eq!(removal(&LONGTERM, &it, true, false, None), RemovalStep::List);
    let ours = listed(&[("t1", "m1"), ("z", "m9")]);
    assert_eq!(
        removal(&LONGTERM, &it, true, false, Some(&ours)),
        RemovalStep::Delete { token_id: "t1".to_owned() }
    );
    assert_eq!(removal(&LONGTERM, &it, true, false, Some(&listed(&[("z", "m9")]))), RemovalStep::Forget);
    let unfinished = stored(Some("i1"), Some(held(Some("t1"), 87600)));
    let orphan = listed(&[("t1", "m1"), ("t2", "m1")]);
    assert_eq!(
        removal(&LONGTERM, &unfinished, false, false, Some(&orphan)),
        RemovalStep::Delete { token_id: "t2".to_owned() }
    );
}

/// The cloud and the cluster, and a process that may die before any effect.
struct World {
    now: Timestamp,
    secret: Option<(u64, Stored)>,
    tokens: Vec<ListedToken>,
    minted: usize,
    writes: u64,
    /// What registries say to a credential that the cloud has.
    registry: Verdict,
}

/// What a process remembers; all of it is lost when it dies.
#[derive(Default)]
struct Process {
    seen: Option<(u64, Stored)>,
    own_intent: Option<OwnIntent>,
    listed: Option<Listed>,
    login_checks: LoginChecks,
}

impl World {
    fn new(registry: Verdict) -> Self {
        Self { now: at(1), secret: None, tokens: Vec::new(), minted: 0, writes: 0, registry }
    }

    fn write(&mut self, seen: Option<u64>, stored: Stored) -> bool {
        if self.secret.as_ref().map(|(version, _)| *version) != seen {
            return false;
        }
        self.writes += 1;
        self.secret = Some((self.writes, stored));
        true
    }

    fn current(&self) -> Option<&str> {
        self.secret.as_ref()?.1.current.as_ref()?.token_id.as_deref()
    }

    fn ask(&self, id: &str) -> Verdict {
        match self.tokens.iter().any(|token| token.id == id && token.enabled) {
            true => self.registry.clone(),
            false => refused(),
        }
    }

    /// One step of a process; `dies` after that many effects. Whether it waits, and until when.
    fn step(&mut self, process: &mut Process, dies: Option<u8>) -> Option<Timestamp> {
        process.seen = self.secret.clone();
        let now = self.now;
        let desired = Desired { checks_logins: true, ..LONGTERM };
        let stored = process.seen.as_ref().map(|(_, stored)| stored);
        let version = process.seen.as_ref().map(|(version, _)| *version);
        let observed = Observed {
            own_intent: process.own_intent.as_ref(),
            listed: process.listed.as_ref(),
            login_checks: Some(&process.login_checks),
            ..Observed::default()
        };
        match decide(now, &desired, stored, observed) {
            Step::Wait { until } => return Some(until),
            Step::List => {
                let tokens = self.tokens.clone();
                let missing = match self.current() {
                    Some(id) if !tokens.iter().any(|token| token.id == id) => {
                        process.listed.as_ref().map_or(0, |listed| listed.missing) + 1
                    }
                    _ => 0,
                };
                process.listed = Some(Listed { at: now, tokens, missing });
            }
            Step::Delete { token_id } => {
                self.tokens.retain(|token| token.id != token_id);
                process.listed = None;
                if dies == Some(1) {
                    return None;
                }
                let mut next = stored.cloned().unwrap_or_default();
                next.previous.retain(|old| old.token_id != token_id);
                self.write(version, next);
            }
            Step::Record { .. } => {
                let fresh = stored.is_none();
                let intent = format!("i{}", self.writes);
                let mut next =
                    stored.cloned().unwrap_or(Stored { marker: "m1".to_owned(), ..Stored::default() });
                next.intent = Some(intent.clone());
                if self.write(version, next) {
                    process.own_intent =
                        Some(OwnIntent { intent, clean: fresh, holds_until: later(now, INTENT_HOLDS) });
                    process.listed = None;
                }
            }
            Step::Mint => {
                self.minted += 1;
                let id = format!("t{}", self.minted);
                self.tokens.push(token(&id, "m1"));
                if dies == Some(1) {
                    return None;
                }
                let mut next = stored.cloned().unwrap();
                next.intent = None;
                let made = Some(Held { issued_at: now, expires_at: None, ..held(Some(&id), 0) });
                match next.current {
                    None => next.current = made,
                    Some(_) => next.candidate = made,
                }
                self.write(version, next);
                process.own_intent = None;
                process.listed = None;
                process.login_checks.candidate = None;
            }
            Step::CheckLogin { candidate } => {
                let stored = stored.unwrap();
                let held = if candidate { &stored.candidate } else { &stored.current };
                let verdict = self.ask(held.as_ref().unwrap().token_id.as_deref().unwrap());
                let slot = if candidate {
                    &mut process.login_checks.candidate
                } else {
                    &mut process.login_checks.current
                };
                *slot = Some(LoginCheck::after(slot.as_ref(), now, verdict));
            }
            Step::Promote => {
                let mut next = stored.cloned().unwrap();
                let old = std::mem::replace(&mut next.current, next.candidate.take());
                let token_id = old.unwrap().token_id.unwrap();
                next.previous.push(Replaced { token_id, delete_at: later(now, GRACE) });
                self.write(version, next);
                process.login_checks.promote();
                process.listed = None;
            }
            Step::Discard { .. } => {
                let mut next = stored.cloned().unwrap();
                let gone = next.candidate.take().unwrap().token_id;
                self.tokens.retain(|token| Some(&token.id) != gone.as_ref());
                if dies == Some(1) {
                    return None;
                }
                self.write(version, next);
                process.login_checks.discard(now);
                process.listed = None;
            }
            Step::TakeUp { .. } | Step::Revoked => unreachable!("nobody asks for anything"),
            Step::Extend | Step::Amend { .. } => unreachable!("it is no service account"),
        }
        None
    }

    /// Lives of processes that all end early, then one that goes on for some hours.
    fn live(&mut self, deaths: Vec<(usize, u8)>, hours: i64) {
        for (steps, dies) in deaths {
            let mut process = Process::default();
            for step in 0..=steps {
                let dies = (step == steps).then_some(dies);
                match self.step(&mut process, dies) {
                    Some(until) => self.now = self.now.max(until),
                    None if dies.is_some() => break,
                    None => {}
                }
            }
        }
        let end = later(self.now, SignedDuration::from_hours(hours));
        let mut process = Process::default();
        for _ in 0..2000 {
            if let Some(until) = self.step(&mut process, None) {
                assert!(until > self.now, "it would spin");
                if until > end {
                    return;
                }
                self.now = until;
            }
        }
        panic!("it does not settle: {:?}", self.secret);
    }
}

fn lives() -> impl Strategy<Value = Vec<(usize, u8)>> {
    prop::collection::vec((0..9_usize, 0..2_u8), 0..8)
}

proptest! {
    #[test]
    fn killed_anywhere_any_number_of_times_one_live_credential_is_left(deaths in lives()) {
        let mut world = World::new(ACCEPTED);
        world.live(deaths, 1);
        prop_assert_eq!(world.tokens.len(), 1);
        prop_assert_eq!(world.current(), Some(&*world.tokens[0].id));
    }

    #[test]
    fn a_credential_that_somebody_ends_is_replaced_by_one_that_lives(
        deaths in lives(),
        disabled in any::<bool>(),
        judged in any::<bool>(),
    ) {
        let mut world = World::new(if judged { ACCEPTED } else { unknown() });
        world.live(Vec::new(), 1);
        match disabled {
            true => world.tokens[0].enabled = false,
            false => world.tokens.clear(),
        }
        world.live(deaths, 4);
        prop_assert_eq!(world.tokens.len(), 1, "{:?}", world.tokens);
        prop_assert!(world.tokens[0].enabled);
        prop_assert_eq!(world.current(), Some(&*world.tokens[0].id));
    }

    #[test]
    fn where_registries_refuse_every_new_credential_no_more_than_one_is_ever_left_besides(deaths in lives()) {
        let mut world = World::new(refused());
        world.live(deaths, 48);
        prop_assert!(world.tokens.len() <= 2, "{:?}", world.tokens);
        prop_assert!(world.current().is_some());
        prop_assert!(world.minted < 40, "{} were made in two days", world.minted);
    }
}
