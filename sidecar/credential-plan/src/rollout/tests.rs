use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use custom_resource::ImagePullSecretStatus;

mod histories;

const TIMEOUT: SignedDuration = SignedDuration::from_mins(15);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn digest(password: &str) -> Digest {
    Digest::of(password.as_bytes())
}

fn accepted() -> Verdict {
    Verdict::Accepted { can_push: false }
}

fn refused() -> Verdict {
    Verdict::Refused { reason: "demo refuses it with HTTP 401".to_owned() }
}

fn unknown() -> Verdict {
    Verdict::Unknown { reason: "demo: connection refused".to_owned() }
}

/// A rollout as one object has it.
#[derive(Default)]
struct Subject {
    rollout: Rollout,
    in_memory: Option<&'static str>,
    /// What namespaces have, before this process wrote anything.
    found: Option<&'static str>,
}

impl Subject {
    fn give(&mut self, password: &'static str, seconds: i64) -> bool {
        let in_place = match self.in_memory.or(self.found) {
            None => InPlace::Nothing,
            Some(it) if it == password => InPlace::Same,
            Some(_) => InPlace::Other,
        };
        let given = Given { digest: digest(password), version: password };
        let is_distributed = self.rollout.give(given, in_place, TIMEOUT, at(seconds));
        if is_distributed {
            self.in_memory = Some(password);
        }
        is_distributed
    }

    fn answer(&mut self, password: &str, verdict: Verdict, seconds: i64) {
        assert!(self.rollout.due(at(seconds)).contains(&digest(password)), "{password} is not due");
        self.rollout.ask(digest(password));
        assert!(!self.rollout.due(at(seconds)).contains(&digest(password)), "it is asked twice at a time");
        self.rollout.answer(digest(password), verdict, at(seconds));
    }

    /// Distributed, and let in.
    fn with(password: &'static str) -> Self {
        let mut subject = Self::default();
        assert!(subject.give(password, 0));
        subject.answer(password, accepted(), 0);
        subject
    }

    #[track_caller]
    fn check(&self, expected: Expect) {
        let Standing { is_valid, reason, message } = self.rollout.standing().unwrap();
        let status = match is_valid {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        };
        expected.assert_eq(&format!("{:?}: {status} {reason}: {message}", self.in_memory));
    }

    fn status(&self) -> ImagePullSecretStatus {
        status(&self.rollout)
    }

    /// The next process, which finds what this one distributed.
    fn restart(self) -> Self {
        let rollout = Rollout::restored(Recorded::of(&self.status()));
        Self { rollout, in_memory: None, found: self.in_memory.or(self.found) }
    }
}

/// What the controller writes into the status.
fn status(rollout: &Rollout) -> ImagePullSecretStatus {
    let condition = |Standing { is_valid, reason, message }| {
        serde_json::from_value(serde_json::json!({
            "type": "CredentialValid",
            "status": match is_valid { Some(true) => "True", Some(false) => "False", None => "Unknown" },
            "reason": reason.as_str(),
            "message": message,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }))
        .unwrap()
    };
    ImagePullSecretStatus {
        conditions: rollout.standing().map(condition).into_iter().collect(),
        pending_credential: rollout.pending(),
        ..ImagePullSecretStatus::default()
    }
}

#[test]
fn a_first_password_is_distributed_at_once_and_unverified_until_a_verdict() {
    let mut subject = Subject::default();
    assert!(subject.give("a", 0));
    subject.check(expect![[
        r#"Some("a"): Unknown Unverified: the registry is being asked about the credential"#
    ]]);
    subject.answer("a", unknown(), 0);
    subject.check(expect![[r#"Some("a"): Unknown Unverified: the registry has given no verdict on the credential, which is distributed: demo: connection refused"#]]);
    subject.answer("a", accepted(), 5);
    subject.check(expect![[r#"Some("a"): True Valid: there is a credential"#]]);
    assert_eq!(subject.rollout.next(), Some(at(605)));
}

#[test]
fn a_changed_password_waits_while_its_registry_cannot_be_reached_and_the_condition_says_until_when() {
    let mut subject = Subject::with("a");
    assert!(!subject.give("b", 10));
    subject.answer("b", unknown(), 10);
    assert!(!subject.give("b", 10));
    subject.check(expect![[r#"Some("a"): True AwaitingVerdict: the new credential waits for its registry's verdict, until 2027-01-15T08:15:10Z at the latest; the one before it stays distributed: demo: connection refused"#]]);
    subject.answer("b", accepted(), 20);
    assert!(subject.give("b", 20));
    subject.check(expect![[r#"Some("b"): True Valid: there is a credential"#]]);
    assert_eq!(subject.rollout.pending(), None);
}

#[test]
fn after_the_time_out_a_changed_password_is_distributed_without_a_verdict() {
    let mut subject = Subject::with("a");
    assert!(!subject.give("b", 10));
    assert!(!subject.give("b", 2000), "the registry was not asked yet");
    subject.answer("b", unknown(), 2000);
    assert!(subject.rollout.has_waited(at(2000)));
    assert!(subject.give("b", 2000));
    subject.check(expect![[r#"Some("b"): Unknown Unverified: the registry has given no verdict on the credential, which is distributed: demo: connection refused"#]]);
}

#[test]
fn a_refused_password_is_not_distributed_however_long_it_waits() {
    let mut subject = Subject::with("a");
    assert!(!subject.give("b", 10));
    subject.answer("b", refused(), 10);
    subject.answer("b", unknown(), 100);
    assert!(!subject.give("b", 100_000));
    subject.check(expect![[r#"Some("a"): True SuccessorRefused: demo refuses it with HTTP 401; the credential before it stays distributed: correct the new one"#]]);
    // The registry may have been wrong.
    subject.answer("b", accepted(), 100_000);
    assert!(subject.give("b", 100_000));
}

#[test]
fn where_no_registry_ever_answered_or_the_one_before_is_refused_a_changed_password_is_distributed_at_once() {
    let mut subject = Subject::default();
    assert!(subject.give("a", 0));
    subject.answer("a", unknown(), 0);
    assert!(subject.give("b", 10));
    subject.answer("b", accepted(), 10);
    subject.answer("b", refused(), 700);
    subject.check(expect![[r#"Some("b"): False CredentialRefused: demo refuses it with HTTP 401: correct spec.docker, or make its credential valid again"#]]);
    assert!(subject.give("c", 710));
}

#[test]
fn a_password_that_was_away_when_its_check_fell_due_is_checked_once_it_is_back() {
    let mut subject = Subject::with("a");
    assert!(!subject.give("b", 10));
    subject.rollout.give_none();
    assert_eq!(subject.rollout.due(at(400)), [], "there is nothing to show to the registry");
    assert_eq!(subject.rollout.next(), Some(at(600)), "what is distributed can be shown");
    assert!(!subject.give("b", 5000), "it was never asked about");
    subject.answer("b", accepted(), 5000);
    assert!(subject.give("b", 5000));
}

#[test]
fn a_password_that_comes_back_is_checked_at_once_and_not_after_a_pause() {
    let mut subject = Subject::with("a");
    assert!(!subject.give("b", 10));
    subject.answer("b", unknown(), 10);
    subject.rollout.give_none();
    assert!(!subject.give("b", 11));
    assert_eq!(subject.rollout.due(at(11)), [digest("b")]);
}

#[test]
fn one_that_waited_in_vain_before_a_restart_is_unverified_after_it() {
    let mut subject = Subject::with("a");
    assert!(!subject.give("b", 10));
    subject.answer("b", unknown(), 10);
    // The status was not written again before the process ended.
    let status = subject.status();
    assert!(subject.give("b", 1000));
    let rollout = Rollout::restored(Recorded::of(&status));
    let mut subject = Subject { rollout, in_memory: None, found: Some("b") };
    assert!(subject.give("b", 1010));
    subject.check(expect![[
        r#"Some("b"): Unknown Unverified: the registry is being asked about the credential"#
    ]]);
}

#[test]
fn a_restarted_controller_goes_on_where_the_status_says() {
    // Nothing is written when nothing changed.
    let before = Subject::with("a");
    let status = before.status();
    let mut after = before.restart();
    assert!(after.give("a", 100));
    assert_eq!(after.status(), status);
    assert!(!after.give("b", 110), "the one before was let in before the restart");
    after.answer("b", unknown(), 110);
    assert!(!after.give("b", 110));

    // Neither edits nor restarts make one wait longer than the status says.
    let until = after.rollout.pending().unwrap().until;
    let mut after = after.restart();
    assert!(!after.give("b", 500));
    assert_eq!(after.rollout.pending().unwrap().until, until);
    after.check(expect![[r#"None: True AwaitingVerdict: the new credential waits for its registry's verdict, until 2027-01-15T08:16:50Z at the latest; the one before it stays distributed"#]]);
    after.answer("b", refused(), 500);
    let mut after = after.restart();
    assert!(!after.give("b", 5000), "it was refused before the restart");
    after.answer("b", unknown(), 5000);
    assert!(!after.give("b", 5000));
    // The status is about another one.
    assert!(!after.give("c", 5010));
    assert_eq!(after.rollout.pending().unwrap().until.0, at(5910));
    assert!(after.give("a", 5020), "it is what is distributed");
    after.check(expect![[r#"Some("a"): True Valid: there is a credential"#]]);
}

#[test]
fn a_restarted_controller_without_a_status_assumes_that_what_it_finds_was_let_in() {
    let mut subject = Subject { found: Some("a"), ..Subject::default() };
    assert!(!subject.give("b", 0));
    subject.check(expect![[r#"None: Unknown AwaitingVerdict: the new credential waits for its registry's verdict, until 2027-01-15T08:15:00Z at the latest; the one before it stays distributed"#]]);
    let mut subject = Subject::default();
    assert!(subject.give("a", 0));
    subject.answer("a", unknown(), 0);
    let mut subject = subject.restart();
    assert!(subject.give("b", 10), "the status says that no registry has let in the one before");
}

#[test]
fn a_clock_that_is_set_back_puts_nothing_off() {
    let mut subject = Subject::with("a");
    assert!(!subject.give("b", 10_000));
    assert!(!subject.give("b", 0));
    assert_eq!(subject.rollout.pending().unwrap().until.0, at(900));
    let mut subject = Subject::default();
    assert!(subject.give("a", 10_000));
    subject.answer("a", accepted(), 10_000);
    assert_eq!(subject.rollout.due(at(0)), [digest("a")]);
}

#[test]
fn rights_that_the_registry_grants_are_known_of_what_is_distributed() {
    let mut subject = Subject::with("a");
    assert!(!subject.give("b", 10));
    subject.answer("b", Verdict::Accepted { can_push: true }, 10);
    assert_eq!(subject.rollout.can_push(), Some(false));
    assert!(subject.give("b", 10));
    assert_eq!(subject.rollout.can_push(), Some(true));
}
