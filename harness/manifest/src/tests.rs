use expect_test::{Expect, expect};

use super::*;

fn by(username: &str, operation: Operation) -> Manifested<'_> {
    Manifested { operation, username, ..Manifested::default() }
}

#[track_caller]
fn check(manifest: &str, expected: Expect) {
    let text = match requests(manifest, &by("alice", Operation::Create)) {
        Err(error) => format!("error: {error}"),
        Ok(requests) => requests
            .iter()
            .map(|request| {
                let value: serde_json::Value = serde_json::from_str(request).unwrap();
                let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
                let (kind, resource) = (text(&value["kind"]["kind"]), text(&value["resource"]["resource"]));
                format!("{kind} {resource} {:?} {:?}", text(&value["namespace"]), text(&value["name"]))
            })
            .collect::<Vec<_>>()
            .join("\n"),
    };
    expected.assert_eq(&text);
}

#[test]
fn a_whole_request() {
    let pod = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"x":1e400}}"#;
    let requests = requests(pod, &by("alice", Operation::Create)).unwrap();
    expect![[r#"{"uid":"500ec9a4-278e-4f63-8208-a789a3588045","kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"requestKind":{"group":"","version":"v1","kind":"Pod"},"requestResource":{"group":"","version":"v1","resource":"pods"},"name":"p","namespace":"default","operation":"CREATE","userInfo":{"username":"alice","groups":["system:authenticated"]},"object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"x":1e400}},"oldObject":null,"dryRun":true}"#]]
        .assert_eq(&requests[0]);
}

#[test]
fn the_old_object_is_there_when_there_was_one() {
    let pod = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"shop"}}"#;
    let value = |operation| -> serde_json::Value {
        serde_json::from_str(&requests(pod, &by("u", operation)).unwrap()[0]).unwrap()
    };
    let update = value(Operation::Update);
    assert_eq!((&update["operation"], &update["object"]), (&"UPDATE".into(), &update["oldObject"]));
    let delete = value(Operation::Delete);
    assert!(delete["object"].is_null() && delete["oldObject"].is_object());
    assert_ne!(update["uid"], delete["uid"]);
}

#[test]
fn kinds_lead_to_their_resource_and_scope() {
    let object = |api_version: &str, kind: &str| {
        format!(r#"{{"apiVersion":"{api_version}","kind":"{kind}","metadata":{{"name":"n"}}}}"#)
    };
    check(&object("apps/v1", "Deployment"), expect![[r#"Deployment deployments "default" "n""#]]);
    check(
        &object("networking.k8s.io/v1", "NetworkPolicy"),
        expect![[r#"NetworkPolicy networkpolicies "default" "n""#]],
    );
    check(&object("networking.k8s.io/v1", "Ingress"), expect![[r#"Ingress ingresses "default" "n""#]]);
    check(&object("v1", "Endpoints"), expect![[r#"Endpoints endpoints "default" "n""#]]);
    check(&object("v1", "Namespace"), expect![[r#"Namespace namespaces "" "n""#]]);
    check(&object("gateway.networking.k8s.io/v1", "Gateway"), expect![[r#"Gateway gateways "default" "n""#]]);
    check(
        &object("tcr.tencentcloudcr.com/v1", "ImagePullSecret"),
        expect![[r#"ImagePullSecret imagepullsecrets "" "n""#]],
    );
    check(&object("example.com/v1", "Patch"), expect![[r#"Patch patches "" "n""#]]);
}

#[test]
fn a_list_is_its_objects() {
    check(
        r#"{"apiVersion":"v1","kind":"List","items":[
            {"apiVersion":"v1","kind":"Secret","metadata":{"name":"a","namespace":"x"}},
            {"apiVersion":"v1","kind":"PodList","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"generateName":"b-"}}]}]}"#,
        expect![[r#"
            Secret secrets "x" "a"
            Pod pods "default" """#]],
    );
}

#[test]
fn what_is_no_manifest_is_refused() {
    check(
        r#"{"kind":"Pod"}"#,
        expect!["error: not a Kubernetes manifest: missing field `apiVersion` at line 1 column 14"],
    );
    check(
        r#"{"apiVersion":"a/b/c","kind":"Pod"}"#,
        expect![[r#"error: apiVersion: "a/b/c" is neither VERSION nor GROUP/VERSION"#]],
    );
    check(
        r#"{"apiVersion":"/v1","kind":"Pod"}"#,
        expect![[r#"error: apiVersion: "/v1" is neither VERSION nor GROUP/VERSION"#]],
    );
}
