use expect_test::{Expect, expect};
use proptest::prelude::*;
use tcr::image_pull_secret::CredentialKind;
use tcr::sensitive::Sensitive;

use super::*;
use crate::login_check::LoginChecks;
use crate::plan::{self, Listed, OwnIntent, Replaced, description};

const MARKER: &str = "m1";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn asked(seconds: i64, request: Request) -> Asked {
    Asked { id: RequestId::new(at(seconds), 7), request }
}

fn revoke(token_id: &str) -> Request {
    Request::Revoke { token_id: token_id.to_owned() }
}

fn held(id: &str) -> Held {
    Held {
        username: "100".to_owned(),
        token: Sensitive::new("jwt"),
        token_id: Some(id.to_owned()),
        issued_at: at(0),
        extended_at: None,
        expires_at: Some(at(86_400 * 3650)),
        public_domain: "demo.tencentcloudcr.com".parse().unwrap(),
    }
}

fn desired(spread: bool) -> Desired {
    Desired {
        kind: CredentialKind::Longterm,
        rotate_after: None,
        checks_logins: false,
        is_rolled_out: spread,
        is_needed: true,
    }
}

fn stored(current: &str) -> Stored {
    Stored { marker: MARKER.to_owned(), current: Some(held(current)), ..Stored::default() }
}

fn token(id: &str, marker: &str) -> ListedToken {
    ListedToken {
        id: id.to_owned(),
        description: description("a cluster's", marker),
        enabled: true,
        ..ListedToken::default()
    }
}

fn listed(tokens: &[(&str, &str)]) -> Listed {
    Listed { at: at(0), tokens: tokens.iter().map(|(id, marker)| token(id, marker)).collect(), missing: 0 }
}

fn step(spread: bool, stored: &Stored, asked: &Asked, tokens: Option<&[(&str, &str)]>, rests: bool) -> Step {
    let listed = tokens.map(listed);
    let login_checks = LoginChecks { rest_until: rests.then(|| at(600)), ..LoginChecks::default() };
    let observed = Observed {
        listed: listed.as_ref(),
        login_checks: Some(&login_checks),
        asked: Some(asked),
        ..Observed::default()
    };
    plan::decide(at(10), &desired(spread), Some(stored), observed)
}

#[track_caller]
fn check(spread: bool, stored: &Stored, asked: &Asked, tokens: Option<&[(&str, &str)]>, expected: Expect) {
    expected.assert_eq(&format!("{:?}", step(spread, stored, asked, tokens, false)));
}

#[test]
fn a_rotation_is_taken_up_once_in_the_write_that_says_that_a_credential_is_made() {
    let rotate = asked(5, Request::Rotate);
    let mut stored = stored("t1");
    check(
        true,
        &stored,
        &rotate,
        None,
        expect![[r#"Record { why: Some("a rotation was asked for"), ended: false }"#]],
    );
    take_up_rotation(Some(&rotate), &mut stored);
    check(true, &stored, &rotate, Some(&[("t1", "m1")]), expect!["Wait { until: 2027-01-15T08:10:00Z }"]);
    let older = asked(4, Request::Rotate);
    check(true, &stored, &older, Some(&[("t1", "m1")]), expect!["Wait { until: 2027-01-15T08:10:00Z }"]);
    let newer = asked(6, Request::Rotate);
    check(
        true,
        &stored,
        &newer,
        None,
        expect![[r#"Record { why: Some("a rotation was asked for"), ended: false }"#]],
    );
}

#[test]
fn a_rotation_waits_until_nothing_but_the_credential_in_use_lives() {
    let rotate = asked(5, Request::Rotate);
    let mut stored = stored("t2");
    stored.previous.push(Replaced { token_id: "t1".to_owned(), delete_at: at(3600) });
    let both = [("t1", "m1"), ("t2", "m1")];
    check(true, &stored, &rotate, None, expect!["List"]);
    check(true, &stored, &rotate, Some(&both), expect![[r#"Delete { token_id: "t1" }"#]]);
    check(false, &stored, &rotate, Some(&both), expect!["Wait { until: 2027-01-15T08:10:00Z }"]);
}

#[test]
fn a_rotation_waits_out_the_rest_after_a_successor_that_was_refused() {
    let step = step(true, &stored("t1"), &asked(5, Request::Rotate), Some(&[("t1", "m1")]), true);
    assert_eq!(step, Step::Wait { until: at(600) });
}

#[test]
fn what_a_person_asks_for_is_deleted_after_its_last_copy_and_not_an_hour_later() {
    let mut next = stored("t1");
    assert_eq!(delete_at(&next, &held("t1"), at(10)), at(3610));
    take_up_rotation(Some(&asked(5, Request::Rotate)), &mut next);
    assert_eq!(delete_at(&next, &held("t1"), at(10)), at(10));
    assert_eq!(delete_at(&next, &held("t2"), at(10)), at(3610), "the next renewal is like any other");
}

#[test]
fn a_revocation_is_stored_before_anything_is_deleted_and_comes_before_everything_else() {
    let request = asked(5, revoke("t1"));
    let mut stored = stored("t1");
    stored.intent = Some("somebody's".to_owned());
    check(true, &stored, &request, None, expect!["List"]);
    check(true, &stored, &request, Some(&[("t1", "m1")]), expect!["TakeUp { refused: None }"]);
    take_up_revocation(Some(&request), None, &mut stored);
    check(true, &stored, &request, None, expect!["List"]);
    check(true, &stored, &request, Some(&[("t1", "m1")]), expect![[r#"Delete { token_id: "t1" }"#]]);
    check(true, &stored, &request, Some(&[]), expect!["Revoked"]);
    assert_eq!(finish_revocation(&mut stored).as_deref(), Some("t1"));
    stored.intent = None;
    // Twice missing in the list is not waited for.
    check(
        true,
        &stored,
        &request,
        Some(&[]),
        expect![[r#"Record { why: Some("it was revoked on request"), ended: true }"#]],
    );
}

#[test]
fn what_was_not_made_for_this_secret_is_not_revoked() {
    check(
        true,
        &stored("t1"),
        &asked(5, revoke("x")),
        Some(&[("t1", "m1"), ("x", "m2")]),
        expect![[
            r#"TakeUp { refused: Some("credential x was not made for this ImagePullSecret: its description is \"a cluster's [m2]\"; whoever made it can delete it, in the console or by tccli tcr DeleteInstanceToken") }"#
        ]],
    );
    check(
        true,
        &stored("t1"),
        &asked(5, revoke("x")),
        Some(&[("t1", "m1")]),
        expect![[
            r#"TakeUp { refused: Some("the instance's list has no credential x: compare the id with the console") }"#
        ]],
    );
    check(
        true,
        &stored("t1"),
        &asked(5, revoke("x")),
        Some(&[("t1", "m1"), ("x", "m1")]),
        expect!["TakeUp { refused: None }"],
    );
}

#[test]
fn the_words_for_how_far_it_is() {
    let rotate = asked(5, Request::Rotate);
    let said = |stored: &Stored, spread| match answer(&rotate, stored, &desired(spread)) {
        None => "nothing".to_owned(),
        Some(Answer { state, message, .. }) => format!("{state}: {message}"),
    };
    let mut now = stored("t1");
    let mut all = vec![said(&now, true)];
    take_up_rotation(Some(&rotate), &mut now);
    now.intent = Some("i".to_owned());
    all.push(said(&now, true));
    now.intent = None;
    all.push(said(&now, true));
    now.current = Some(held("t2"));
    now.previous.push(Replaced { token_id: "t1".to_owned(), delete_at: at(0) });
    all.push(said(&now, false));
    now.previous.clear();
    all.push(said(&now, true));
    take_up_rotation(Some(&asked(9, Request::Rotate)), &mut now);
    all.push(said(&now, true));
    expect![[r#"
        nothing
        Making: another credential is being made in the place of credential t1
        Failed: credential t1 stays: the registry did not let the next one in, which was removed again; the condition CredentialValid has its words
        Replacing: credential t2 takes the place of credential t1, which is deleted after its last copy
        Done: credential t2 has taken the place of every copy of credential t1, which is deleted
        Failed: a newer request, 2027-01-15T08:00:09Z/0000000000000007, has been taken up already"#]].assert_eq(&all.join("\n"));
}

#[test]
fn what_is_stored_of_a_request_reads_back() {
    for course in [
        Course::Rotation { replaces: Some("t1".to_owned()) },
        Course::Rotation { replaces: None },
        Course::Revocation { token_id: "t1".to_owned(), is_done: true },
        Course::Refusal { reason: "no".to_owned() },
    ] {
        let stored =
            Stored { request: Some(TakenUp { id: RequestId::new(at(5), 7), course }), ..stored("t1") };
        let json = serde_json::to_string(&stored).unwrap();
        assert_eq!(serde_json::from_str::<Stored>(&json).unwrap(), stored, "{json}");
    }
    let before = serde_json::to_string(&stored("t1")).unwrap();
    assert!(!before.contains("request"), "what an older release wrote is written alike: {before}");
}

/// A keeper that may lose all that it only remembers after each step.
#[derive(Debug)]
struct Model {
    stored: Stored,
    /// At the cloud, with their markers.
    live: Vec<(String, String)>,
    made: usize,
    deleted: Vec<String>,
    own_intent: Option<OwnIntent>,
    listed: Option<Listed>,
    spread: Option<String>,
}

impl Model {
    fn new() -> Self {
        Self {
            stored: stored("t0"),
            live: vec![("t0".to_owned(), MARKER.to_owned()), ("foreign".to_owned(), "m2".to_owned())],
            made: 0,
            deleted: Vec::new(),
            own_intent: None,
            listed: None,
            spread: Some("t0".to_owned()),
        }
    }

    /// Does the next step; false when it waits. A crash comes before what is stored, or after it.
    fn go_on(&mut self, asked: &Asked, crash: Option<bool>) -> bool {
        let spread = self.spread == self.stored.current.as_ref().map(Held::version);
        let observed = Observed {
            own_intent: self.own_intent.as_ref(),
            listed: self.listed.as_ref(),
            asked: Some(asked),
            ..Observed::default()
        };
        let step = plan::decide(at(10), &desired(spread), Some(&self.stored), observed);
        let before = self.stored.clone();
        let waits = matches!(step, Step::Wait { .. });
        match step {
            Step::Wait { .. } => {
                // Meanwhile the last copy is replaced.
                let version = self.stored.current.as_ref().map(Held::version);
                let was_spread = std::mem::replace(&mut self.spread, version.clone()) == version;
                return !was_spread;
            }
            Step::List => {
                let tokens: Vec<_> = self.live.iter().map(|(id, marker)| token(id, marker)).collect();
                let is_there = |id: &str| tokens.iter().any(|it| it.id == id);
                let current = self.stored.current.as_ref().and_then(|it| it.token_id.as_deref());
                let missing = u32::from(!current.is_none_or(is_there)) * 2;
                self.listed = Some(Listed { at: at(10), tokens, missing });
            }
            Step::Delete { token_id } => {
                self.live.retain(|(id, _)| *id != token_id);
                self.listed.iter_mut().for_each(|it| it.tokens.retain(|token| token.id != token_id));
                self.stored.previous.retain(|old| old.token_id != token_id);
                self.deleted.push(token_id);
            }
            Step::TakeUp { refused } => take_up_revocation(Some(asked), refused, &mut self.stored),
            Step::Revoked => drop(finish_revocation(&mut self.stored)),
            Step::Record { .. } => {
                let intent = format!("i{}", self.made);
                self.stored.intent = Some(intent.clone());
                take_up_rotation(Some(asked), &mut self.stored);
                self.own_intent = Some(OwnIntent { intent, clean: false, holds_until: Timestamp::MAX });
                self.listed = None;
            }
            Step::Mint => {
                self.made += 1;
                let id = format!("t{}", self.made);
                self.live.push((id.clone(), MARKER.to_owned()));
                self.stored.intent = None;
                self.stored.candidate = Some(held(&id));
                (self.own_intent, self.listed) = (None, None);
            }
            Step::Promote => {
                if let Some(old) = self.stored.candidate.take().and_then(|it| self.stored.current.replace(it))
                {
                    let delete_at = delete_at(&self.stored, &old, at(10));
                    let previous = old.token_id.map(|token_id| Replaced { token_id, delete_at });
                    self.stored.previous.extend(previous);
                }
                self.listed = None;
            }
            Step::CheckLogin { .. } | Step::Discard { .. } => unreachable!("no registry is asked"),
            Step::Extend | Step::Amend { .. } => unreachable!("it is no service account"),
        }
        if let Some(is_stored) = crash {
            (self.own_intent, self.listed, self.spread) = (None, None, None);
            if !is_stored {
                self.stored = before;
            }
        }
        !waits
    }
}

proptest! {
    #[test]
    fn whatever_dies_in_between_a_request_is_carried_out_once(
        revokes in proptest::option::of(0..3_usize),
        crashes in proptest::collection::vec(proptest::option::weighted(0.3, any::<bool>()), 0..40),
        repeats in 1..4_usize,
    ) {
        let request = revokes.map_or(Request::Rotate, |which| revoke(["t0", "foreign", "absent"][which]));
        let asked = asked(5, request);
        let mut model = Model::new();
        let mut crashes = crashes.into_iter();
        for _ in 0..repeats {
            let mut steps = 0;
            while model.go_on(&asked, crashes.next().flatten()) {
                let ours = model.live.iter().filter(|(_, marker)| marker == MARKER).count();
                // One in use, and one that shall replace it or was lost.
                prop_assert!(ours <= 2, "{model:?}");
                steps += 1;
                prop_assert!(steps < 200, "it comes to no end: {model:?}");
            }
        }
        prop_assert!(!model.deleted.iter().any(|id| id == "foreign"), "{model:?}");
        let current = model.stored.current.clone().unwrap().version();
        let known: Vec<&str> = model.live.iter().map(|(id, _)| id.as_str()).collect();
        match revokes {
            // One that is made twice is one whose maker died before it was stored.
            None | Some(0) => {
                prop_assert_ne!(&current, "t0");
                prop_assert_eq!(known, ["foreign", current.as_str()]);
            }
            Some(_) => prop_assert_eq!(known, ["t0", "foreign"]),
        }
        let state = answer(&asked, &model.stored, &desired(true)).map(|it| it.state);
        let refused = matches!(revokes, Some(1 | 2));
        prop_assert_eq!(state, Some(if refused { RequestState::Refused } else { RequestState::Done }));
    }
}
