use expect_test::{Expect, expect};
use serde_json::json;
use tcr::rules::RuleContext;

use super::*;

const ID: &str = "2026-01-31T12:00:00Z/0123456789abcdef";

fn object(annotation: Option<&str>, spec: &serde_json::Value) -> Object {
    let metadata = serde_json::from_value(json!({
        "name": "demo",
        "annotations": annotation.map(|text| json!({"tcr.tencentcloudcr.com/request": text})),
    }));
    let roots = ["tencentcloudcr.com".to_owned()];
    let context = RuleContext { allowed_roots: &roots, cluster_id: Some("cls-1"), ..RuleContext::default() };
    Object::read(metadata.unwrap(), json!({"spec": spec}), &context)
}

fn instance(credential: &serde_json::Value) -> serde_json::Value {
    json!({"tcr": {"instanceId": "tcr-demo0001", "region": "ap-guangzhou", "credential": credential}})
}

fn after(seconds: i64) -> Timestamp {
    "2026-01-31T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

#[track_caller]
fn check(
    object: &Object,
    before: Option<&RequestStatus>,
    seconds: i64,
    expected: Expect,
) -> Option<RequestStatus> {
    let (status, asked) = judge(object, before, after(seconds));
    let said = status.as_ref().map(|it| format!("{} {} {}: {}", it.action, it.id, it.state, it.message));
    let does = asked.map(|it| it.to_string());
    let text = |part: Option<String>| part.unwrap_or_else(|| "nothing".to_owned());
    expected.assert_eq(&format!("says {}\ndoes {}", text(said), text(does)));
    status
}

#[test]
fn a_request_is_taken_up_while_it_is_young_and_goes_on_for_as_long_as_it_takes() {
    let rotate = object(Some(&format!("rotate {ID}")), &instance(&json!({})));
    check(
        &rotate,
        None,
        601,
        expect![[r#"
            says rotate 2026-01-31T12:00:00Z/0123456789abcdef Refused: it is from 2026-01-31T12:00:00Z and was not taken up within 10 minutes; ask again
            does nothing"#]],
    );
    check(
        &rotate,
        None,
        -601,
        expect![[r#"
            says rotate 2026-01-31T12:00:00Z/0123456789abcdef Refused: it is from 2026-01-31T12:00:00Z, and it is 2026-01-31T11:49:59Z here: correct the clock, and ask again
            does nothing"#]],
    );
    let accepted = check(
        &rotate,
        None,
        5,
        expect![[r#"
            says rotate 2026-01-31T12:00:00Z/0123456789abcdef Accepted: it is being carried out
            does rotate 2026-01-31T12:00:00Z/0123456789abcdef"#]],
    );
    check(
        &rotate,
        accepted.as_ref(),
        86_400,
        expect![[r#"
            says rotate 2026-01-31T12:00:00Z/0123456789abcdef Accepted: it is being carried out
            does rotate 2026-01-31T12:00:00Z/0123456789abcdef"#]],
    );
}

#[test]
fn what_is_done_is_not_done_again_after_a_restart() {
    let rotate = object(Some(&format!("rotate {ID}")), &instance(&json!({})));
    let done = Asked::parse(&format!("rotate {ID}")).unwrap().status(RequestState::Done, "done");
    check(
        &rotate,
        Some(&done),
        5,
        expect![[r#"
            says rotate 2026-01-31T12:00:00Z/0123456789abcdef Done: done
            does nothing"#]],
    );
    let gone = object(None, &instance(&json!({})));
    check(
        &gone,
        Some(&done),
        5,
        expect![[r#"
        says nothing
        does nothing"#]],
    );
}

#[test]
fn an_annotation_that_a_tool_puts_back_does_nothing() {
    let older = object(Some(&format!("rotate {ID}")), &instance(&json!({})));
    let newer = "rotate 2026-01-31T13:00:00Z/0000000000000001";
    let done = Asked::parse(newer).unwrap().status(RequestState::Done, "done");
    check(
        &older,
        Some(&done),
        7200,
        expect![[r#"
            says rotate 2026-01-31T12:00:00Z/0123456789abcdef Refused: it is from 2026-01-31T12:00:00Z and was not taken up within 10 minutes; ask again
            does nothing"#]],
    );
}

#[test]
fn what_cannot_be_done_is_refused_with_what_can() {
    let docker =
        json!({"docker": {"server": "demo.tencentcloudcr.com", "username": "100", "password": "secret"}});
    let temp = instance(&json!({"type": "temp"}));
    let wrong = json!({"tcr": {"instanceId": "demo", "region": "ap-guangzhou"}});
    check(
        &object(Some(&format!("rotate {ID}")), &docker),
        None,
        5,
        expect![[r#"
            says rotate 2026-01-31T12:00:00Z/0123456789abcdef Refused: its password is given by spec.docker and not made by the controller: change it where it was made, and then in spec.docker or the Secret that it names
            does nothing"#]],
    );
    check(
        &object(Some(&format!("revoke {ID} t1")), &temp),
        None,
        5,
        expect![[r#"
            says revoke 2026-01-31T12:00:00Z/0123456789abcdef Refused: a temporary credential cannot be taken back at the registry; it ends by itself within an hour: rotate it, and for certainty disable the identity that made it
            does nothing"#]],
    );
    check(
        &object(Some(&format!("rotate {ID}")), &temp),
        None,
        5,
        expect![[r#"
            says rotate 2026-01-31T12:00:00Z/0123456789abcdef Accepted: it is being carried out
            does rotate 2026-01-31T12:00:00Z/0123456789abcdef"#]],
    );
    check(
        &object(Some(&format!("rotate {ID}")), &wrong),
        None,
        5,
        expect![[r#"
            says rotate 2026-01-31T12:00:00Z/0123456789abcdef Refused: the spec cannot be carried out: spec.tcr.instanceId: "demo" is not an instance id: tcr- and lower-case letters or digits, such as tcr-dg284imq
            does nothing"#]],
    );
    check(
        &object(Some(&format!("instances {ID} *")), &docker),
        None,
        5,
        expect![[r#"
            says instances 2026-01-31T12:00:00Z/0123456789abcdef Accepted: it is being carried out
            does instances 2026-01-31T12:00:00Z/0123456789abcdef *"#]],
    );
    check(
        &object(Some("explode now"), &docker),
        None,
        5,
        expect![[r#"
            says  now Refused: the annotation tcr.tencentcloudcr.com/request: it is none of "rotate ID", "revoke ID TOKEN", "instances ID REGION"
            does nothing"#]],
    );
}
