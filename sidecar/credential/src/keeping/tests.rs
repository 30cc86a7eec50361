use credential_plan::plan::{INTENT_HOLDS, ListedToken};
use custom_resource::request::{Asked, Request};
use expect_test::{Expect, expect};
use jiff::SignedDuration;
use kubernetes::api_error::ApiError;
use registry_client::Verdict;
use tcr::image_pull_secret::CredentialKind;
use tcr::sensitive::Sensitive;
use tencent_cloud::action::Action;
use tencent_cloud::error::{CloudError, Failure as CloudFailure};

use super::*;

/// This installation.
const HERE: &str = "1a2b3c4d";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn key() -> Key {
    Key {
        instance_id: "tcr-demo0001".to_owned(),
        region: "ap-guangzhou".to_owned(),
        kind: CredentialKind::Longterm,
        ..Key::default()
    }
}

fn held(token_id: &str) -> Held {
    Held {
        username: "100012345678".to_owned(),
        token: Sensitive::new("password"),
        token_id: Some(token_id.to_owned()),
        issued_at: at(0),
        extended_at: None,
        expires_at: None,
        public_domain: "demo.tencentcloudcr.com".parse().unwrap(),
    }
}

fn document(stored: Stored) -> Document {
    Document { key: key(), on_delete: OnDelete::Retain, stored }
}

fn in_use(token_id: &str) -> Stored {
    Stored { marker: "m1".to_owned(), current: Some(held(token_id)), ..Stored::default() }
}

fn order() -> Order {
    let rolled_out = Some("t1".to_owned());
    Order { rolled_out, is_needed: true, ..Order::default() }
}

fn tokens(ids: &[&str]) -> Vec<ListedToken> {
    let token = |id: &&str| ListedToken { id: (*id).to_owned(), enabled: true, ..ListedToken::default() };
    ids.iter().map(token).collect()
}

fn unknown() -> Verdict {
    Verdict::Unknown { reason: "no route to host".to_owned() }
}

fn error(message: &str) -> StepError {
    StepError::Api(ApiError::Other(message.to_owned()))
}

#[track_caller]
fn check(keeping: &mut Keeping, now: i64, stored: Option<&Stored>, order: &Order, expected: Expect) {
    let document = stored.cloned().map(document);
    expected.assert_eq(&format!("{:?}", keeping.next(at(now), document.as_ref(), order, true, HERE)));
}

#[test]
fn a_credential_is_recorded_made_listed_and_tried() {
    let mut keeping = Keeping::new(key());
    check(&mut keeping, 0, None, &order(), expect!["Record { why: None, ended: false }"]);
    keeping.recorded(at(0), "i1".to_owned(), true);
    let intent = Stored { marker: "m1".to_owned(), intent: Some("i1".to_owned()), ..Stored::default() };
    check(&mut keeping, 0, Some(&intent), &order(), expect!["Mint"]);
    keeping.made();
    let stored = in_use("t1");
    check(&mut keeping, 0, Some(&stored), &order(), expect!["List"]);
    keeping.listed(at(0), tokens(&["t1"]), Some(&stored), None);
    check(&mut keeping, 0, Some(&stored), &order(), expect!["CheckLogin { candidate: false }"]);
    assert!(keeping.checked(false, Verdict::Accepted { can_push: true }, at(0)).is_some());
    check(&mut keeping, 0, Some(&stored), &order(), expect!["Wait(600s)"]);
}

#[test]
fn a_creation_without_an_answer_is_looked_for_before_the_next_one() {
    let mut keeping = Keeping::new(key());
    keeping.recorded(at(0), "i1".to_owned(), true);
    keeping.not_made(true, false, at(0));
    let intent = Stored { marker: "m1".to_owned(), intent: Some("i1".to_owned()), ..Stored::default() };
    check(&mut keeping, 0, Some(&intent), &order(), expect!["List"]);
    keeping.listed(at(0), tokens(&[]), Some(&intent), None);
    check(&mut keeping, 0, Some(&intent), &order(), expect!["Mint"]);
    // With its last user gone it may still appear for a while.
    let over = Order { is_over: true, ..order() };
    check(&mut keeping, 1, Some(&intent), &over, expect!["Wait(119s)"]);
    check(&mut keeping, 121, Some(&intent), &over, expect!["List"]);
    keeping.listed(at(121), tokens(&[]), Some(&intent), None);
    check(&mut keeping, 121, Some(&intent), &over, expect!["Forget"]);
    check(&mut keeping, 122, None, &over, expect!["End"]);
}

#[test]
fn an_intent_of_another_process_may_still_become_a_credential() {
    let stored = Stored { intent: Some("other".to_owned()), ..in_use("t1") };
    let mut keeping = Keeping::new(key());
    check(&mut keeping, 0, Some(&stored), &order(), expect!["Record { why: None, ended: false }"]);
    keeping.wait_for_another(at(0), &stored);
    keeping.recorded(at(0), "mine".to_owned(), false);
    let over = Order { is_over: true, on_delete: OnDelete::Revoke, ..order() };
    check(&mut keeping, 60, Some(&stored), &over, expect!["Wait(180s)"]);
    keeping.forget_list();
    check(&mut keeping, 240, Some(&stored), &over, expect!["List"]);
    // Another one, while this process had its own.
    let again = Stored { intent: Some("again".to_owned()), ..stored };
    check(&mut keeping, 250, Some(&again), &over, expect!["Wait(240s)"]);
    check(&mut keeping, 490, Some(&again), &over, expect!["List"]);
    keeping.listed(at(490), tokens(&["t1"]), Some(&again), None);
    check(&mut keeping, 490, Some(&again), &over, expect![[r#"Revoke { token_id: "t1" }"#]]);
}

#[test]
fn what_could_not_be_stored_is_deleted_only_where_another_process_leads() {
    let mut keeping = Keeping::new(key());
    keeping.recorded(at(0), "i1".to_owned(), true);
    assert_eq!(keeping.not_stored(true, Some("t1".to_owned())), Some("t1".to_owned()));
    assert_eq!(keeping.own_intent, None);
    keeping.recorded(at(0), "i2".to_owned(), true);
    assert_eq!(keeping.not_stored(false, Some("t2".to_owned())), None);
    let holds_until = plan::later(at(0), INTENT_HOLDS);
    assert_eq!(keeping.own_intent, Some(OwnIntent { intent: "i2".to_owned(), clean: false, holds_until }));
}

#[test]
fn a_credential_that_is_missing_is_counted_by_lists_in_a_row() {
    let mut keeping = Keeping::new(key());
    let stored = in_use("t1");
    let missing = |keeping: &mut Keeping, ids: &[&str]| {
        keeping.listed(at(0), tokens(ids), Some(&stored), None);
        keeping.listed.as_ref().map(|listed| listed.missing)
    };
    assert_eq!(missing(&mut keeping, &["t2"]), Some(1));
    assert_eq!(missing(&mut keeping, &[]), Some(2));
    assert_eq!(missing(&mut keeping, &["t1"]), Some(0));
    keeping.deleted("t1");
    assert!(!keeping.lists("t1"));
}

#[test]
fn a_credential_is_told_once_and_an_expired_one_never() {
    let mut keeping = Keeping::new(key());
    let stored = in_use("t1");
    assert!(matches!(keeping.available(at(0), Some(&stored)), Some(CredentialEvent::Available { .. })));
    assert!(keeping.available(at(0), Some(&stored)).is_none());
    let mut expired = in_use("t2");
    expired.current = expired.current.map(|held| Held { expires_at: Some(at(5)), ..held });
    assert!(keeping.available(at(5), Some(&expired)).is_none());
    assert!(keeping.available(at(4), Some(&expired)).is_some());
    assert!(keeping.available(at(4), None).is_none());
}

#[test]
fn a_credential_whose_end_is_taken_back_is_told_once_a_list_has_it() {
    let mut keeping = Keeping::new(key());
    let stored = in_use("t1");
    keeping.follow(&order(), Some(&stored));
    assert!(keeping.available(at(0), Some(&stored)).is_some());
    keeping.follow(&Order { is_over: true, ..order() }, Some(&stored));
    keeping.follow(&Order { taken_back: 1, ..order() }, Some(&stored));
    assert!(keeping.available(at(1), Some(&stored)).is_none(), "it may have been deleted");
    check(&mut keeping, 1, Some(&stored), &order(), expect!["List"]);
    keeping.listed(at(1), tokens(&["t0"]), Some(&stored), None);
    assert!(keeping.available(at(1), Some(&stored)).is_none(), "it was deleted");
    keeping.listed(at(2), tokens(&["t0", "t1"]), Some(&stored), None);
    assert!(keeping.available(at(2), Some(&stored)).is_some());
    assert!(keeping.available(at(2), Some(&in_use("t2"))).is_some(), "another one is in no doubt");
}

#[test]
fn complaints_are_taken_back_once_nothing_is_under_way() {
    let mut keeping = Keeping::new(key());
    let stored = in_use("t1");
    assert!(!keeping.recovered(at(1), Some(&stored)));
    assert!(keeping.failed(&error("denied"), 0).event.is_some());
    let under_way = Stored { intent: Some("i".to_owned()), ..in_use("t1") };
    assert!(!keeping.recovered(at(1), Some(&under_way)));
    assert!(keeping.recovered(at(1), Some(&stored)));
    assert!(!keeping.recovered(at(1), Some(&stored)));
    keeping.discarded("HTTP 401", at(0));
    assert!(!keeping.recovered(at(1), Some(&stored)), "the next credential is made only later");
    assert!(keeping.recovered(at(601), Some(&stored)), "or none is needed any more");
}

#[test]
fn failures_in_a_row_wait_ever_longer_and_an_overtaken_write_is_no_trouble() {
    let mut keeping = Keeping::new(key());
    let mut failed = |error: StepError| {
        let Failure { wait, event, is_stale } = keeping.failed(&error, u64::MAX);
        (wait.as_secs(), event.is_some(), is_stale)
    };
    assert_eq!(failed(error("denied")), (1, true, true));
    assert_eq!(failed(StepError::Api(ApiError::Overtaken)), (2, false, false));
    let away = StepError::Instance { reason: ConditionReason::InstanceNotFound, message: String::new() };
    assert_eq!(failed(away), (4, true, false));
    keeping.recovered(at(1), None);
    assert_eq!(keeping.failed(&error("denied"), 0).wait, Duration::from_millis(500));
}

#[test]
fn a_successor_that_nobody_can_try_is_told_and_takes_its_place_when_it_is_let_in() {
    let mut keeping = Keeping::new(key());
    let stored = Stored { candidate: Some(held("t2")), ..in_use("t1") };
    check(&mut keeping, 0, Some(&stored), &order(), expect!["CheckLogin { candidate: true }"]);
    let told = keeping.checked(true, unknown(), at(0));
    assert!(matches!(told, Some(CredentialEvent::Failing { reason: ConditionReason::SuccessorUntried, .. })));
    assert!(keeping.checked(true, Verdict::Accepted { can_push: false }, at(30)).is_none());
    check(&mut keeping, 30, Some(&stored), &order(), expect!["Promote"]);
    assert!(matches!(keeping.promoted(), Some(CredentialEvent::LetIn { can_push: false })));
    assert!(keeping.promoted().is_none());
}

#[test]
fn a_password_is_tried_only_at_hosts_under_an_allowed_root() {
    let names = |roots: &[&str]| {
        let roots: Vec<String> = roots.iter().map(|root| (*root).to_owned()).collect();
        hosts(&held("t1"), &roots).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    expect!["demo.tencentcloudcr.com demo-vpc.tencentcloudcr.com"].assert_eq(&names(&["tencentcloudcr.com"]));
    expect![""].assert_eq(&names(&["example.com"]));
}

#[test]
fn a_long_wait_is_cut_because_the_clock_may_be_set() {
    let mut keeping = Keeping::new(key());
    let mut stored = in_use("t1");
    stored.previous.clear();
    keeping.listed(at(0), tokens(&["t1"]), Some(&stored), None);
    keeping.checked(false, Verdict::Accepted { can_push: false }, at(0));
    let far = at(0).checked_sub(SignedDuration::from_hours(30)).unwrap();
    let next = keeping.next(far, Some(&document(stored)), &order(), true, HERE);
    assert_eq!(next, Task::Wait(Duration::from_secs(3600)));
}

fn account_key() -> Key {
    let registry_namespaces = vec!["base".to_owned()];
    Key { kind: CredentialKind::ServiceAccount, registry_namespaces, ..key() }
}

/// A service account of this installation and of the stored marker.
fn account(id: &str) -> ListedToken {
    let description = plan::description("a cluster", "m1");
    ListedToken { id: id.to_owned(), description, enabled: true, ..ListedToken::default() }
}

const ACCOUNT: &str = "tcr$tcr-assistant-1a2b3c4d-000000000001";

fn account_in_use() -> Stored {
    Stored {
        installation: Some(HERE.to_owned()),
        current: Some(Held { expires_at: Some(at(86_400)), ..held(ACCOUNT) }),
        ..in_use(ACCOUNT)
    }
}

#[test]
fn where_no_account_can_be_made_the_end_of_the_one_in_use_is_put_off_and_that_is_told_until_another_one_is() {
    let mut keeping = Keeping::new(account_key());
    let renewing = Stored { intent: Some("i1".to_owned()), ..account_in_use() };
    keeping.recorded(at(0), "i1".to_owned(), false);
    keeping.listed(at(0), vec![account(ACCOUNT)], Some(&renewing), None);
    check(&mut keeping, 0, Some(&renewing), &order(), expect!["Mint"]);
    keeping.not_made(false, true, at(0));
    check(&mut keeping, 0, Some(&renewing), &order(), expect!["List"]);
    keeping.listed(at(0), vec![account(ACCOUNT)], Some(&renewing), None);
    check(&mut keeping, 0, Some(&renewing), &order(), expect!["Extend"]);
    keeping.put_off();
    let extended = transition::extend(renewing, at(86_400), at(0));
    let said = |event: Option<CredentialEvent>| match event {
        Some(CredentialEvent::Failing { reason, message }) => format!("{}: {message}", reason.as_str()),
        _ => "nothing".to_owned(),
    };
    expect!["QuotaExceeded: instance tcr-demo0001 has no room for another service account, so the end of tcr$tcr-assistant-1a2b3c4d-000000000001 was put off to 2027-01-16 08:00:00 UTC: delete service accounts that are no longer used, or ask Tencent Cloud for a larger quota"].assert_eq(&said(keeping.extended(Some(&extended))));
    assert_eq!(said(keeping.extended(Some(&extended))), "nothing", "it is told once");
    assert!(!keeping.recovered(at(1), Some(&extended)), "it still is so");
    assert!(keeping.failed(&error("denied"), 0).event.is_some());
    assert!(!keeping.recovered(at(2), Some(&extended)));
    assert_ne!(
        said(keeping.extended(Some(&extended))),
        "nothing",
        "users were told of something else meanwhile"
    );
    assert!(keeping.recovered(at(3), Some(&account_in_use())), "another one has taken its place");
    check(&mut keeping, 1, Some(&extended), &order(), expect!["List"]);
    keeping.listed(at(1), vec![account(ACCOUNT)], Some(&extended), None);
    keeping.checked(false, Verdict::Accepted { can_push: false }, at(1));
    check(&mut keeping, 1, Some(&extended), &order(), expect!["Wait(600s)"]);
}

#[test]
fn where_no_account_can_be_made_and_the_one_in_use_is_over_the_instance_is_asked_again_later() {
    let mut keeping = Keeping::new(account_key());
    let ended = Stored { intent: Some("i1".to_owned()), ..account_in_use() };
    keeping.recorded(at(0), "i1".to_owned(), false);
    keeping.not_made(false, true, at(0));
    keeping.listed(at(0), vec![ListedToken { enabled: false, ..account(ACCOUNT) }], Some(&ended), None);
    check(&mut keeping, 0, Some(&ended), &order(), expect!["Wait(600s)"]);
    // The intent holds no longer by then.
    check(&mut keeping, 600, Some(&ended), &order(), expect!["Record { why: None, ended: false }"]);
    keeping.recorded(at(600), "i1".to_owned(), false);
    keeping.listed(at(600), vec![ListedToken { enabled: false, ..account(ACCOUNT) }], Some(&ended), None);
    check(&mut keeping, 600, Some(&ended), &order(), expect!["Mint"]);
}

#[test]
fn a_name_that_is_taken_is_looked_for_before_it_is_asked_for_again() {
    let mut keeping = Keeping::new(account_key());
    keeping.recorded(at(0), "i1".to_owned(), true);
    let intent = Stored { intent: Some("i1".to_owned()), current: None, ..account_in_use() };
    check(&mut keeping, 0, Some(&intent), &order(), expect!["Mint"]);
    keeping.not_made(false, false, at(0));
    check(&mut keeping, 0, Some(&intent), &order(), expect!["List"]);
    let late = account("tcr$tcr-assistant-1a2b3c4d-i1");
    let others = ["tcr$tcr-assistant-ffffffff-i1", "tcr$robot"].map(account);
    keeping.listed(at(0), [vec![late], others.to_vec()].concat(), Some(&intent), None);
    check(
        &mut keeping,
        0,
        Some(&intent),
        &order(),
        expect![[r#"Delete { token_id: "tcr$tcr-assistant-1a2b3c4d-i1", is_listed: true }"#]],
    );
    keeping.deleted("tcr$tcr-assistant-1a2b3c4d-i1");
    check(&mut keeping, 0, Some(&intent), &order(), expect!["Mint"]);
}

#[test]
fn rights_that_somebody_changed_are_put_right_once() {
    let mut keeping = Keeping::new(account_key());
    let stored = account_in_use();
    let drift = Some("it has tcr:PushRepository on base".to_owned());
    keeping.listed(at(0), vec![ListedToken { drift, ..account(ACCOUNT) }], Some(&stored), None);
    check(
        &mut keeping,
        0,
        Some(&stored),
        &order(),
        expect![[
            r#"Amend { token_id: "tcr$tcr-assistant-1a2b3c4d-000000000001", drift: "it has tcr:PushRepository on base" }"#
        ]],
    );
    keeping.amended(ACCOUNT);
    check(&mut keeping, 0, Some(&stored), &order(), expect!["CheckLogin { candidate: false }"]);
}

#[test]
fn a_list_is_kept_as_far_as_it_is_about_us() {
    let mut keeping = Keeping::new(account_key());
    let stored = account_in_use();
    let all = ["tcr$tcr-assistant-1a2b3c4d-2", ACCOUNT, "tcr$tcr-assistant-ffffffff-3", "tcr$robot"];
    let asked =
        Asked { id: RequestId::new(at(0), 1), request: Request::Revoke { token_id: "tcr$robot".to_owned() } };
    let kept = |keeping: &Keeping| {
        let tokens = keeping.listed.iter().flat_map(|listed| &listed.tokens);
        tokens.map(|token| token.id.clone()).collect::<Vec<_>>()
    };
    keeping.listed(at(0), all.map(account).to_vec(), Some(&stored), None);
    assert_eq!(kept(&keeping), &all[..2]);
    keeping.listed(at(0), all.map(account).to_vec(), Some(&stored), Some(&asked));
    assert_eq!(
        kept(&keeping),
        ["tcr$tcr-assistant-1a2b3c4d-2", ACCOUNT, "tcr$robot"],
        "so that it can be said whose it is"
    );
    keeping.listed(at(0), all.map(account).to_vec(), None, None);
    assert!(kept(&keeping).is_empty());
}

#[test]
fn a_copied_cluster_makes_its_own_credential_and_deletes_nothing_of_the_other_ones() {
    let theirs = Stored { installation: Some("ffffffff".to_owned()), ..account_in_use() };
    let mut keeping = Keeping::new(account_key());
    check(
        &mut keeping,
        0,
        Some(&theirs),
        &order(),
        expect![[
            r#"Record { why: Some("this cluster is a copy, and the credential is that of the cluster it was copied from"), ended: false }"#
        ]],
    );
    let over = Order { is_over: true, on_delete: OnDelete::Revoke, ..order() };
    check(&mut keeping, 0, Some(&theirs), &over, expect!["Forget"]);
    let unknown = Stored { installation: None, ..account_in_use() };
    check(&mut keeping, 0, Some(&unknown), &order(), expect!["List"]);
}

#[test]
fn the_secret_of_a_new_credential_is_written_again_ever_later_and_read_where_another_process_wrote_it() {
    let next = |failures| after_write(&error("denied"), failures);
    let waits: Vec<_> = (1..=6).map(next).collect();
    expect!["[Retry(1s), Retry(2s), Retry(4s), Retry(8s), Retry(16s), Fail]"]
        .assert_eq(&format!("{waits:?}"));
    assert_eq!(after_write(&ApiError::Overtaken.into(), 1), AfterWrite::Read);
    assert_eq!(after_write(&ApiError::Overtaken.into(), 6), AfterWrite::Read);
}

#[test]
fn a_creation_that_failed_names_what_it_made_nevertheless() {
    let failed = |failure| CloudError {
        action: Action::CreateInstanceToken,
        instance: "tcr-demo0001".to_owned(),
        region: "ap-guangzhou".to_owned(),
        endpoint: "https://tcr.tencentcloudapi.com".to_owned(),
        identity: None,
        failure,
    };
    let left = |failure| Keeping::new(key()).not_created(&failed(failure), at(0));
    let token_id = Some("t1".to_owned());
    let implausible =
        |token_id| CloudFailure::Implausible { reason: "no user".to_owned(), request_id: None, token_id };
    assert_eq!(left(implausible(token_id.clone())), token_id);
    assert_eq!(left(implausible(None)), None);
    assert_eq!(left(CloudFailure::Deadline { after: Duration::from_secs(1) }), None, "its marker finds it");
}
