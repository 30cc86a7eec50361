use std::time::Instant;

use expect_test::{Expect, expect};

use super::*;
use crate::host_capabilities::{ContextAwareResource, Grants, GuestCall, GuestLog, answer};

const SESSION: &str = r#"
- type: Exchange
  request: |
    !KubernetesGetResource
    api_version: v1
    kind: Namespace
    name: shop
    namespace: null
    disable_cache: false
  response:
    type: Success
    payload: |
      {"metadata":{"name":"shop"}}
- type: Exchange
  request: |
    !KubernetesListResourceAll
    api_version: networking.k8s.io/v1
    kind: Ingress
    label_selector: null
    field_selector: null
  response:
    type: Error
    message: no cluster
"#;

#[track_caller]
fn ask(session: &Session, operation: &str, payload: &str, expected: Expect) {
    let kind = |api_version: &str, kind: &str| ContextAwareResource {
        api_version: api_version.into(),
        kind: kind.into(),
    };
    let kinds = [kind("v1", "Namespace"), kind("networking.k8s.io/v1", "Ingress")];
    let grants = Grants::of_whole_objects(vec!["*".parse().unwrap()], kinds);
    let call =
        GuestCall { binding: "kubewarden", namespace: "kubernetes", operation, payload: payload.as_bytes() };
    let answer = answer(session, &grants, &mut GuestLog::new("test".into()), Instant::now(), &call);
    expected.assert_eq(&match answer {
        Ok(bytes) => format!("ok: {}", String::from_utf8(bytes).unwrap()),
        Err(error) => format!("error: {}", error.trim_start_matches("Callback evaluation failure: ")),
    });
}

#[test]
fn answers_come_in_their_order_whatever_the_spelling() {
    let session = Session::parse(SESSION).unwrap();
    let get =
        r#"{"field_masks":null,"name":"shop","kind":"Namespace","api_version":"v1","disable_cache":false}"#;
    ask(
        &session,
        "get_resource",
        get,
        expect![[r#"
        ok: {"metadata":{"name":"shop"}}
    "#]],
    );
    let list = r#"{"api_version":"networking.k8s.io/v1","kind":"Ingress","label_selector":null,"field_selector":null,"field_masks":null}"#;
    ask(&session, "list_resources_all", list, expect!["error: no cluster"]);
    ask(
        &session,
        "list_resources_all",
        list,
        expect![[
            r#"error: the recorded session has no exchange 3: !KubernetesListResourceAll {"api_version":"networking.k8s.io/v1","kind":"Ingress"}"#
        ]],
    );
}

#[test]
fn another_question_is_an_error_that_shows_both() {
    let session = Session::parse(SESSION).unwrap();
    let get = r#"{"name":"other","kind":"Namespace","api_version":"v1"}"#;
    ask(
        &session,
        "get_resource",
        get,
        expect![[
            r#"error: exchange 1 of the recorded session is !KubernetesGetResource {"api_version":"v1","kind":"Namespace","name":"shop"}, but the policy asks !KubernetesGetResource {"api_version":"v1","kind":"Namespace","name":"other"}"#
        ]],
    );
}

#[test]
fn a_recorded_answer_is_no_more_than_was_asked_for() {
    let recorded = |payload: &str| {
        let text = SESSION
            .replace("    disable_cache: false\n", "    field_masks: [metadata.name]\n")
            .replace(r#"{"metadata":{"name":"shop"}}"#, payload);
        Session::parse(&text).unwrap()
    };
    let get = r#"{"name":"shop","kind":"Namespace","api_version":"v1","field_masks":["metadata.name"]}"#;
    let whole = r#"{"metadata":{"name":"shop","labels":{"a":"b"}},"spec":{}}"#;
    ask(&recorded(whole), "get_resource", get, expect![[r#"ok: {"metadata":{"name":"shop"}}"#]]);
    ask(
        &recorded("words"),
        "get_resource",
        get,
        expect![
            "error: the recorded answer is not JSON, so that it has no fields: expected value at line 1 column 1"
        ],
    );
}

#[test]
fn a_file_of_another_form_is_refused() {
    assert!(Session::parse("a: 1").unwrap_err().to_string().starts_with("not a recorded session: "));
    let untagged = SESSION.replace("    !KubernetesListResourceAll\n", "");
    expect!["exchange 2: request: it begins with no tag such as !KubernetesGetResource"]
        .assert_eq(&Session::parse(&untagged).unwrap_err().to_string());
}
