use expect_test::{Expect, expect};
use jiff::SignedDuration;

use super::super::OVERLAP;
use super::super::configuration::tests::of;
use super::super::make;
use super::*;

const SERVICE: &str = "tcr-assistant-webhook-service";

fn at(hours: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + hours * 3600).unwrap()
}

fn held() -> Held {
    let (served, ca) = make(SERVICE, at(0)).unwrap();
    Held { served, bundle: ca, next: None }
}

fn staged() -> Held {
    let (pair, ca) = make(SERVICE, at(6000)).unwrap();
    after(Step::Stage, at(6000), Some(held()), Some((pair, ca))).unwrap()
}

fn trusting(held: &Held) -> Read {
    Ok(Some(of(&[("a.example.com", Some(&held.bundle))])))
}

fn lacking() -> Read {
    Ok(Some(of(&[("a.example.com", None), ("b.example.com", Some("another CA"))])))
}

fn failing() -> Read {
    Err(ApiError::Other("denied".to_owned()))
}

/// What is patched, and the step, with what is waited for as a difference to `now`.
fn shown(now: Timestamp, held: Option<&Held>, configurations: &[Read]) -> String {
    let Round { patches, step } = round(now, SERVICE, held, configurations);
    let step = match step {
        Step::Wait(until) => format!("wait {} s", until.duration_since(now).as_secs()),
        step => format!("{step:?}"),
    };
    let patched: Vec<String> = patches
        .iter()
        .map(|(place, operations)| format!("{place}: {} operations", operations.len()))
        .collect();
    format!("[{}] {step}", patched.join(", "))
}

#[track_caller]
fn check(now: Timestamp, held: Option<&Held>, configurations: &[Read], expected: Expect) {
    expected.assert_eq(&shown(now, held, configurations));
}

#[test]
fn every_webhook_that_lacks_the_bundle_gets_it() {
    let held = held();
    let soon = at(1);
    check(soon, Some(&held), &[trusting(&held), trusting(&held)], expect!["[] wait 21019200 s"]);
    check(soon, Some(&held), &[lacking(), trusting(&held)], expect!["[0: 4 operations] wait 21019200 s"]);
    check(
        soon,
        Some(&held),
        &[lacking(), lacking()],
        expect!["[0: 4 operations, 1: 4 operations] wait 21019200 s"],
    );
    check(soon, Some(&held), &[Ok(None), Ok(Some(of(&[])))], expect!["[] wait 21019200 s"]);
    check(soon, None, &[], expect!["[] Make"]);
}

#[test]
fn line_ends_behind_the_bundle_are_no_difference() {
    let held = held();
    let bundle = format!("{}\n\n\n", held.bundle);
    check(
        at(1),
        Some(&held),
        &[Ok(Some(of(&[("a.example.com", Some(&bundle))])))],
        expect!["[] wait 21019200 s"],
    );
}

#[test]
fn a_new_certificate_is_served_only_where_every_configuration_trusts_it() {
    let staged = staged();
    let ready = at(6000).checked_add(OVERLAP).unwrap();
    check(ready, Some(&staged), &[trusting(&staged), trusting(&staged)], expect!["[] Promote"]);
    check(ready, Some(&staged), &[trusting(&staged), lacking()], expect!["[1: 4 operations] wait 1 s"]);
    check(ready, Some(&staged), &[failing(), trusting(&staged)], expect!["[] wait 1 s"]);
    let early = ready.checked_sub(SignedDuration::from_secs(5)).unwrap();
    check(early, Some(&staged), &[trusting(&staged), trusting(&staged)], expect!["[] wait 5 s"]);
}

#[test]
fn a_configuration_that_cannot_be_read_holds_up_no_certificate() {
    check(at(366 * 24), Some(&held()), &[failing(), failing()], expect!["[] Make"]);
}

#[test]
fn the_operations_name_the_webhook_whose_place_they_use() {
    let operations = trust(&of(&[("a.example.com", Some("CA\n")), ("b.example.com", None)]), "CA");
    let operations: Vec<String> = operations.iter().map(Value::to_string).collect();
    expect![[r#"
        {"op":"test","path":"/webhooks/1/name","value":"b.example.com"}
        {"op":"add","path":"/webhooks/1/clientConfig/caBundle","value":"Q0E="}"#]]
    .assert_eq(&operations.join("\n"));
}

#[test]
fn each_step_leaves_what_is_trusted_in_the_bundle() {
    let before = held();
    let staged = staged();
    let next = staged.next.as_ref().map(|(pair, since)| (pair.certificate.clone(), *since));
    assert_eq!(staged.served.certificate.is_empty(), before.served.certificate.is_empty());
    let promoted = after(Step::Promote, at(6001), Some(staged.clone()), None).unwrap();
    assert_eq!(Some((promoted.served.certificate.clone(), at(6000))), next);
    assert_eq!((&promoted.bundle, &promoted.next), (&staged.bundle, &None));
    let (pair, ca) = make(SERVICE, at(7000)).unwrap();
    let made = after(Step::Make, at(7000), Some(promoted.clone()), Some((pair.clone(), ca.clone()))).unwrap();
    assert!(made.bundle.starts_with(&ca) && made.served == pair && made.next.is_none());
    assert_eq!(after(Step::Make, at(7000), None, Some((pair, ca.clone()))).unwrap().bundle, ca);
    assert_eq!(after(Step::Wait(at(0)), at(0), Some(promoted), None), None);
}

#[test]
fn each_configuration_counts_by_itself() {
    let error = || Err(ApiError::Other("denied".to_owned()));
    assert!(combined(vec![Ok(()), Ok(())]).is_ok());
    for results in [vec![error(), Ok(())], vec![Ok(()), error()], vec![error(), error()]] {
        assert!(matches!(combined(results), Err(ApiError::Other(_))));
    }
    // It is tried again at once, and the other one's error is met again then.
    assert!(matches!(combined(vec![error(), Err(ApiError::Overtaken)]), Err(ApiError::Overtaken)));
}

#[test]
fn failures_in_a_row_are_tried_again_ever_later() {
    let denied = || Err(ApiError::Other("denied".to_owned()));
    let mut failures = 0;
    let mut waits = Vec::new();
    for done in [denied(), denied(), Err(ApiError::Overtaken), denied(), Ok(None), denied()] {
        let wait;
        (wait, failures) = pause(at(0), &done, failures);
        waits.push(wait.as_secs());
    }
    assert_eq!(waits, [2, 4, 0, 8, 0, 2]);
    assert_eq!(pause(at(0), &Ok(Some(at(5))), 3), (Duration::from_secs(3600), 0));
}
