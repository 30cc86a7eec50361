//! `harness run` on Kubewarden's custom resources.

use expect_test::expect;

use crate::server::workspace;
use crate::support::{REVIEW, Workspace};

const RESOURCES: &str = "\
apiVersion: policies.kubewarden.io/v1
kind: AdmissionPolicy
metadata: {name: labels, namespace: shop}
spec:
  module: file://label.wasm
  settings: {label: owner, value: bob}
  mutating: true
  rules: []
---
apiVersion: policies.kubewarden.io/v1
kind: ClusterAdmissionPolicy
metadata: {name: kept}
spec: {module: 'file://label.wasm', settings: {label: owner, value: bob}, mutating: false}
---
apiVersion: policies.kubewarden.io/v1
kind: ClusterAdmissionPolicy
metadata: {name: watching}
spec: {module: 'file://label.wasm', settings: {label: owner}, mode: monitor}
---
apiVersion: policies.kubewarden.io/v1
kind: ClusterAdmissionPolicyGroup
metadata: {name: group}
spec:
  expression: labelled()
  message: not this one
  policies:
    labelled: {module: 'file://label.wasm', settings: {label: owner}}
";

fn with(resources: &str) -> Workspace {
    let workspace = workspace();
    workspace.file("policies.yaml", resources).file("review.json", REVIEW);
    workspace
}

#[test]
fn each_policy_answers_as_its_resource_says() {
    let lines = with(RESOURCES).harness(&["run", "policies.yaml", "-r", "review.json"]).done();
    expect![[r#"
        {"uid":"u-1","allowed":true,"patchType":"JSONPatch","patch":"W3sib3AiOiJhZGQiLCJwYXRoIjoiL21ldGFkYXRhL2xhYmVscyIsInZhbHVlIjp7Im93bmVyIjoiYm9iIn19XQ==","auditAnnotations":{"added":"owner=bob"},"warnings":["label owner=bob was added"]}
        {"uid":"u-1","allowed":false,"status":{"message":"Request rejected by policy kept. The policy attempted to mutate the request, but it is currently configured to not allow mutations."},"auditAnnotations":{"added":"owner=bob"},"warnings":["label owner=bob was added"]}
        {"uid":"u-1","allowed":true,"auditAnnotations":null,"warnings":null}
        {"uid":"u-1","allowed":false,"status":{"message":"not this one","details":{"causes":[{"field":"spec.policies.labelled","message":"label \"owner\" is missing"}]}},"auditAnnotations":null,"warnings":null}
    "#]]
    .assert_eq(&lines);
}

#[test]
fn what_is_wrong_with_a_resource_is_told() {
    let refused = |resources: &str, flags: &[&str]| {
        with(resources).harness(&[&["run", "policies.yaml", "-r", "review.json"], flags].concat()).failed()
    };
    expect![[r#"
        error: cannot run policies.yaml: custom resources are no raw policies, so that --raw has no meaning
    "#]]
    .assert_eq(&refused(RESOURCES, &["--raw"]));
    expect![[r#"
        error: cannot run the policies of policies.yaml: document 1: unknown kind "PolicyServer", not a Kubewarden policy
    "#]]
    .assert_eq(&refused(&RESOURCES.replacen("kind: AdmissionPolicy", "kind: PolicyServer", 1), &[]));
    let settings = refused(&RESOURCES.replacen("{label: owner, value: bob}", "{}", 1), &[]);
    assert_eq!(settings, "error: Provided settings are not valid: label: it must name a label\n");
    let group = refused(&RESOURCES.replace("settings: {label: owner}}\n", "settings: {}}\n"), &[]);
    assert_eq!(
        group,
        "error: Provided settings are not valid: group/labelled: Policy settings are invalid: label: it must name a label\n"
    );
}
