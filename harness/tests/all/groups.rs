//! Groups of policies: served from policies.yml, and run from custom resources.

use expect_test::expect;

use crate::server::{Server, add_policy, workspace};
use crate::support::{REVIEW, Workspace, guest, guest_with};

/// One group for each expression, `g0`, `g1` and so on.
fn policies(expressions: &[&str]) -> String {
    let groups = expressions.iter().enumerate().map(|(at, expression)| {
        format!(
            "\
g{at}:
  expression: {expression:?}
  message: not this one
  policies:
    accepts: {{module: 'file://accept.wasm'}}
    labelled: {{module: 'file://label.wasm', settings: {{label: owner}}}}
    labels: {{module: 'file://label.wasm', settings: {{label: owner, value: bob}}}}
    traps: {{module: 'file://trap.wasm'}}
"
        )
    });
    groups.collect()
}

fn with_guests() -> Workspace {
    let workspace = workspace();
    add_policy(&workspace, "accept", &guest(""));
    add_policy(&workspace, "trap", &guest("unreachable"));
    workspace
}

#[tokio::test]
async fn a_group_says_what_its_expression_comes_to() {
    let expressions = [
        "accepts() && !labelled()",
        // What is decided does not wait for who has no verdict.
        "accepts() || traps()",
        "accepts() && labelled()",
        "labels()",
        // A policy that fails approves nothing by being negated.
        "!traps()",
    ];
    let workspace = with_guests();
    let server = Server::ready(&workspace, &policies(&expressions), &[]);
    let answer = async |group: usize| server.post(&format!("/validate/g{group}"), REVIEW).await.1;
    let allowed = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u-1","allowed":true,"auditAnnotations":null,"warnings":null}}"#;
    assert_eq!(answer(0).await, allowed);
    assert_eq!(answer(1).await, allowed);
    expect![[r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u-1","allowed":false,"status":{"message":"not this one","details":{"causes":[{"field":"spec.policies.labelled","message":"label \"owner\" is missing"}]}},"auditAnnotations":null,"warnings":null}}"#]]
        .assert_eq(&answer(2).await);
    expect![[r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u-1","allowed":false,"status":{"message":"not this one","details":{"causes":[{"field":"spec.policies.labels","message":"mutation is not allowed inside of policy group"}]}},"auditAnnotations":null,"warnings":null}}"#]]
        .assert_eq(&answer(3).await);
    let refused = answer(4).await;
    assert!(
        refused.contains(r#""allowed":false"#)
            && refused.contains(
                "policy traps of the group g4 has no verdict: internal server error: Guest call failure"
            )
            && refused.contains(r#""code":500"#),
        "{refused}"
    );
}

#[test]
fn a_policy_of_a_group_that_cannot_be_served_is_named() {
    let workspace = with_guests();
    workspace.file("policies.yml", policies(&["labelled()"]).replace("label: owner}", "lable: owner}"));
    let refused = workspace
        .harness(&["serve", "--addr=127.0.0.1", "--port=0", "--readiness-probe-port=0", "--log-level=error"])
        .failed();
    assert!(
        refused.starts_with("error: cannot serve policy g0/labelled (file://label.wasm): settings: "),
        "{refused}"
    );
}

#[test]
fn a_group_of_a_namespace_reads_nothing_of_the_cluster() {
    let asks = r#"(drop (call $host_call (i32.const 640) (i32.const 10) (i32.const 650) (i32.const 10) (i32.const 660) (i32.const 12)
        (i32.const 700) (i32.const 49)))
        (call $host_error (i32.const 65536)) (call $guest_error (i32.const 65536) (call $host_error_len)) (return (i32.const 0))"#;
    let data = r#"(data (i32.const 640) "kubewardenkubernetesget_resource")
        (data (i32.const 700) "{\22api_version\22:\22v1\22,\22kind\22:\22Pod\22,\22name\22:\22shop-1\22}")"#;
    let workspace = Workspace::new();
    workspace.file("asks.wasm", guest_with(data, asks)).file("review.json", REVIEW).file(
        "group.yaml",
        "apiVersion: policies.kubewarden.io/v1\nkind: AdmissionPolicyGroup\nmetadata: {name: g, namespace: shop}\nspec:\n  expression: asks()\n  message: not this one\n  policies:\n    asks: {module: 'file://asks.wasm', contextAwareResources: [{apiVersion: v1, kind: Pod}]}\n",
    );
    let line = workspace.harness(&["run", "group.yaml", "-r", "review.json"]).done();
    assert!(line.contains("has not been granted access to Kubernetes v1/Pod resources"), "{line}");
}
