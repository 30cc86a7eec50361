use std::time::{Duration, Instant};

use expect_test::{Expect, expect};

use super::*;

/// Answers with what it was asked, as far as that is of Kubernetes' objects.
struct Echo;

impl HostCapabilities for Echo {
    fn call(&self, call: &HostCall<'_>) -> Result<Vec<u8>, String> {
        match &call.question {
            Question::Get(get) => {
                let Get { api_version, kind, name, namespace, field_masks, .. } = get;
                let place = namespace.as_deref().unwrap_or("no namespace");
                let masks = field_masks.paths();
                Ok(format!("{api_version}/{kind} {name} in {place}: {masks:?}").into_bytes())
            }
            Question::List(list) => Ok(format!("{list:?}").into_bytes()),
            Question::CanI(_) => Err("no cluster".into()),
            other => Ok(format!("{other:?}").into_bytes()),
        }
    }
}

#[track_caller]
fn check(grants: &[&str], question: (&str, &str, &str), payload: &str, expected: Expect) {
    expected.assert_eq(&told(grants, question, payload));
}

fn told(grants: &[&str], (binding, namespace, operation): (&str, &str, &str), payload: &str) -> String {
    let kind = |kind: &str| ContextAwareResource { api_version: "v1".into(), kind: kind.into() };
    let fields = FieldMasks::parse(&["metadata.name".to_owned(), "spec.server".to_owned()]).unwrap();
    let grants = Grants {
        operations: grants.iter().map(|grant| grant.parse().unwrap()).collect(),
        kinds: [(kind("Secret"), FieldMasks::everything()), (kind("Masked"), fields)].into(),
    };
    let deadline = Instant::now() + Duration::from_secs(1);
    let call = GuestCall { binding, namespace, operation, payload: payload.as_bytes() };
    let answer = answer(&Echo, &grants, &mut GuestLog::new("test".into()), deadline, &call);
    answer.map_or_else(|error| error, |bytes| String::from_utf8(bytes).unwrap())
}

const GET: (&str, &str, &str) = ("kubewarden", "kubernetes", "get_resource");
const SECRET: &str = r#"{"api_version":"v1","kind":"Secret","name":"s"}"#;

#[test]
fn what_is_unknown_is_named() {
    check(&["*"], ("other", "kubernetes", "can_i"), "", expect!["unknown binding: other"]);
    check(&["*"], ("kubewarden", "files", "read"), "", expect!["unknown namespace: files"]);
    check(&["*"], ("kubewarden", "oci", "v9/verify"), "", expect!["unknown operation: v9/verify"]);
}

#[test]
fn logging_needs_no_grant() {
    check(&[], ("kubewarden", "tracing", "log"), r#"{"level":"info","message":"x"}"#, expect![""]);
    check(&[], ("kubewarden", "tracing", "log"), "garbage", expect![""]);
}

#[test]
fn an_operation_must_be_granted() {
    let denied = || {
        expect![
            "Policy has not been granted access to the 'kubernetes/get_resource' host capability. The violation has been reported."
        ]
    };
    check(&[], GET, SECRET, denied());
    check(&["oci/*", "kubernetes/can_i"], GET, SECRET, denied());
    for grant in ["*", "kubernetes/*", "kubernetes/get_resource"] {
        check(&[grant], GET, SECRET, expect!["v1/Secret s in no namespace: None"]);
    }
}

#[test]
fn a_kind_must_be_granted_too() {
    check(
        &["*"],
        GET,
        r#"{"api_version":"apps/v1","kind":"Deployment","name":"d"}"#,
        expect![
            "Policy has not been granted access to Kubernetes apps/v1/Deployment resources. The violation has been reported."
        ],
    );
    check(
        &["*"],
        GET,
        "{}",
        expect!["Callback evaluation failure: get_resource: missing field `api_version` at line 1 column 2"],
    );
}

#[test]
fn a_failure_is_passed_on_with_its_reason() {
    check(
        &["*"],
        ("kubewarden", "kubernetes", "can_i"),
        r#"{"subject_access_review":{"user":"u","resource_attributes":{}}}"#,
        expect!["Callback evaluation failure: no cluster"],
    );
}

#[test]
fn a_grant_of_nothing_is_a_mistake() {
    for bad in ["", "oci", "oci/", "kubernetes/list", "k*", "oci/v3/*"] {
        assert!(bad.parse::<GrantPattern>().is_err(), "{bad:?}");
    }
    for good in ["*", "oci/*", "oci/v1/*", "net/v1/dns_lookup_host"] {
        assert!(good.parse::<GrantPattern>().is_ok(), "{good:?}");
    }
}

#[test]
fn a_question_is_checked_before_it_is_answered() {
    let get = |field: &str, value: &str| {
        let mut question = serde_json::json!({"api_version": "v1", "kind": "Secret", "name": "s"});
        question[field] = value.into();
        told(&["*"], GET, &question.to_string())
    };
    let failed = "Callback evaluation failure: get_resource: ";
    expect![[r#"name: "kube-system/secrets/cloud-key" must not contain "/" or "%""#]]
        .assert_eq(get("name", "kube-system/secrets/cloud-key").trim_start_matches(failed));
    expect![[r#"namespace: "kube-system/secrets?x=" must not contain "/" or "%""#]]
        .assert_eq(get("namespace", "kube-system/secrets?x=").trim_start_matches(failed));
    expect![[r#"name: ".." must not be "." or "..""#]]
        .assert_eq(get("name", "..").trim_start_matches(failed));
    expect![[r#"name: "" must not be empty"#]].assert_eq(get("name", "").trim_start_matches(failed));
    expect![[r#"api_version: "v1/../apis" is neither VERSION nor GROUP/VERSION"#]]
        .assert_eq(get("api_version", "v1/../apis").trim_start_matches(failed));
    expect![[r#"kind: "Secret?" is not a kind"#]]
        .assert_eq(get("kind", "Secret?").trim_start_matches(failed));
    expect!["v1/Secret system:node in no namespace: None"].assert_eq(&get("name", "system:node"));
    let list = |field: &str, value: &str| {
        let mut question = serde_json::json!({"api_version": "v1", "kind": "Secret", "namespace": "shop"});
        question[field] = value.into();
        told(&["*"], ("kubewarden", "kubernetes", "list_resources_by_namespace"), &question.to_string())
    };
    assert!(list("namespace", "a%2fb").contains("namespace: "));
    assert!(list("label_selector", &"x".repeat(5000)).contains("label_selector: "));
    assert!(list("field_selector", "a\0").contains("field_selector: "));
}

#[test]
fn whatever_is_too_long_is_answered_shortly() {
    let long = "x".repeat(1 << 20);
    for field in ["api_version", "kind", "name", "namespace"] {
        let mut question = serde_json::json!({"api_version": "v1", "kind": "Secret", "name": "s"});
        question[field] = long.as_str().into();
        for question in [question.to_string(), question.to_string()[..1 << 19].to_owned()] {
            let told = told(&["*"], GET, &question);
            assert!(told.len() < 300 && told.starts_with("Callback evaluation failure: "), "{told}");
        }
        question[field] = long[..10_000].into();
        let told = told(&["*"], GET, &question.to_string());
        assert!(told.len() < 300 && told.contains(field), "{told}");
    }
    for call in [
        (long.as_str(), "kubernetes", "can_i"),
        ("kubewarden", long.as_str(), "can_i"),
        ("kubewarden", "oci", long.as_str()),
    ] {
        let told = told(&["*"], call, "");
        assert!(told.len() < 300 && told.contains("… (1048576 bytes)"), "{told}");
    }
    let user =
        format!(r#"{{"subject_access_review":{{"user":"{}","resource_attributes":{{}}}}}}"#, &long[..2000]);
    let told = told(&["*"], ("kubewarden", "kubernetes", "can_i"), &user);
    assert!(told.contains("user: ") && told.len() < 300, "{told}");
}

#[test]
fn a_granted_mask_bounds_what_a_guest_asks_for() {
    let get = |masks: &str| {
        let question = format!(r#"{{"api_version":"v1","kind":"Masked","name":"m"{masks}}}"#);
        told(&["*"], GET, &question).trim_start_matches("v1/Masked m in no namespace: ").to_owned()
    };
    expect![[r#"Some(["metadata.name", "spec.server"])"#]].assert_eq(&get(""));
    expect![[r#"Some(["metadata.name", "spec.server"])"#]].assert_eq(&get(r#","field_masks":null"#));
    expect![[r#"Some(["spec.server"])"#]].assert_eq(&get(r#","field_masks":["spec","data"]"#));
    expect!["Some([])"].assert_eq(&get(r#","field_masks":["spec.password"]"#));
    expect!["Some([])"].assert_eq(&get(r#","field_masks":[]"#));
    // Of two answers to what it wants, none counts.
    assert!(get(r#","field_masks":["spec"],"field_masks":null"#).contains("duplicate field"));
    assert!(get(r#","kind":"Secret""#).contains("duplicate field"));
}
