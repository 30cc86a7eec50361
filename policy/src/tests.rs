//! The whole policy, from the bytes of a request to the bytes of a response.

use expect_test::{Expect, expect};
use kubewarden_policy_sdk::response::ValidationResponse;
use serde_json::{Value, json};

use crate::cluster::tests::Unreachable;
use crate::{Cluster, validate};

mod bytes;

/// The registry that most tests know.
pub(crate) fn demo() -> Value {
    json!({"registries": [{"name": "demo", "hosts": ["demo.tencentcloudcr.com", "demo-vpc.tencentcloudcr.com"]}]})
}

/// A request about `object`, whose kind and metadata say the rest.
pub(crate) fn request(operation: &str, object: Value) -> Value {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let group = object["apiVersion"]
        .as_str()
        .and_then(|version| version.split_once('/'))
        .map_or("", |(group, _)| group);
    let mut request = json!({
        "uid": "1", "kind": {"group": group, "version": "v1", "kind": kind}, "operation": operation,
        "name": object["metadata"]["name"], "namespace": "team-a", "userInfo": {"username": "kubernetes-admin"},
    });
    request[if operation == "DELETE" { "oldObject" } else { "object" }] = object;
    request
}

/// A Pod with these members added to its spec.
pub(crate) fn pod(spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app"}, "spec": spec})
}

pub(crate) fn respond(request: &Value, settings: &Value, cluster: &impl Cluster) -> ValidationResponse {
    let payload = json!({"request": request, "settings": settings}).to_string();
    let response = validate(payload.as_bytes(), cluster).expect("the payload is a request");
    serde_json::from_slice(&response).expect("the SDK's response")
}

/// What became of a request, a line for each thing that the response says.
pub(crate) fn shown(request: &Value, response: &ValidationResponse) -> String {
    let mut lines = vec![match (response.accepted, &response.mutated_object) {
        (true, None) => "accepted".to_owned(),
        (true, Some(_)) => "patched".to_owned(),
        (false, _) => {
            let message = response.message.as_deref().unwrap_or_default();
            format!("rejected {}: {message}", response.code.unwrap_or_default())
        }
    }];
    if let Some(object) = &response.mutated_object {
        let list = object.pointer("/spec/imagePullSecrets").or(object.get("imagePullSecrets"));
        lines.push(format!("  list: {}", list.unwrap_or(&Value::Null)));
        assert_eq!(object["metadata"], request["object"]["metadata"]);
    }
    lines.extend(response.warnings.iter().flatten().map(|warning| format!("  warning: {warning}")));
    let mut annotations: Vec<_> = response.audit_annotations.iter().flatten().collect();
    annotations.sort();
    lines.extend(annotations.iter().map(|(key, value)| format!("  {key}: {value}")));
    lines.push(String::new());
    lines.join("\n")
}

#[track_caller]
pub(crate) fn check_with(request: Value, settings: Value, cluster: &impl Cluster, expected: Expect) {
    let response = respond(&request, &settings, cluster);
    for warning in response.warnings.iter().flatten() {
        assert!(warning.chars().count() <= 256, "the API server cuts this warning: {warning}");
    }
    expected.assert_eq(&shown(&request, &response));
}

#[track_caller]
pub(crate) fn check(request: Value, settings: Value, expected: Expect) {
    check_with(request, settings, &Unreachable, expected);
}

#[test]
fn unknown_kinds_and_operations_are_accepted() {
    let object = json!({"apiVersion": "example.com/v1", "kind": "Pod", "metadata": {}, "spec": {"containers": [{"image": "demo.tencentcloudcr.com/a"}]}});
    check(
        request("CREATE", object),
        demo(),
        expect![[r#"
        accepted
    "#]],
    );
    let object = pod(json!({"containers": [{"image": "demo.tencentcloudcr.com/a"}]}));
    check(
        request("CONNECT", object.clone()),
        demo(),
        expect![[r#"
        accepted
    "#]],
    );
    let mut binding = request("CREATE", object);
    binding["subResource"] = json!("binding");
    check(
        binding,
        demo(),
        expect![[r#"
        accepted
    "#]],
    );
}

#[test]
fn settings_may_be_missing_or_come_first() {
    let request = request("CREATE", pod(json!({"containers": [{"image": "demo.tencentcloudcr.com/a"}]})));
    let respond = |payload: String| {
        let response = validate(payload.as_bytes(), &Unreachable).expect("a request");
        let response: ValidationResponse = serde_json::from_slice(&response).expect("the SDK's response");
        response.mutated_object.is_some()
    };
    assert!(!respond(format!(r#"{{"request":{request}}}"#)));
    assert!(!respond(format!(r#"{{"request":{request},"settings":null}}"#)));
    assert!(respond(format!(r#"{{"settings":{},"request":{request}}}"#, demo())));
    assert!(respond(format!(r#"{{"settings":{{}},"settings":{},"request":{request}}}"#, demo())));
}

#[test]
fn what_is_no_request_is_an_error() {
    #[track_caller]
    fn check(payload: &str, expected: Expect) {
        let error = validate(payload.as_bytes(), &Unreachable).expect_err("no verdict");
        expected.assert_eq(&error.to_string());
    }
    check("", expect!["cannot read the request: malformed JSON at byte 0: expected a value"]);
    check("{}", expect![[r#"cannot read the request: the payload has no member "request""#]]);
    check(
        r#"{"request":{"kind":"#,
        expect!["cannot read the request: malformed JSON at byte 19: expected a value"],
    );
    let request = request("CREATE", pod(json!({"containers": [{"image": "demo.tencentcloudcr.com/a"}]})));
    check(
        &format!(r#"{{"request":{request},"settings":{{"declared":"wran"}}}}"#),
        expect![[r#"cannot use the settings: declared: "wran" is not one of ignore, warn, reject"#]],
    );
    let registries = r#"[{},{"name":"demo","hosts":["demo.tencentcloudcr.com"],"namespaces":"A"}]"#;
    check(
        &format!(r#"{{"request":{request},"settings":{{"registries":{registries}}}}}"#),
        expect![[
            r#"cannot use the settings: registries[1].namespaces: "A" is not a name, a glob or an exclusion: names are lower case"#
        ]],
    );
}

#[test]
fn the_order_of_the_requests_members_does_not_matter() {
    let object = pod(json!({"containers": [{"image": "demo.tencentcloudcr.com/a"}]}));
    let payload = format!(
        r#"{{"request":{{"object":{object},"operation":"CREATE","kind":{{"kind":"Pod"}}}},"settings":{}}}"#,
        demo()
    );
    let response = validate(payload.as_bytes(), &Unreachable).expect("a request");
    assert!(String::from_utf8_lossy(&response).contains("tcr.ipsdemo"));
}
