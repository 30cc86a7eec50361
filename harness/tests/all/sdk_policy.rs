//! A policy that others could have written: the ordinary SDK, built for wasm32-wasip1.

use expect_test::expect;

use crate::support::{Workspace, sdk_policy};

const PODS: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: labelled
  namespace: shop
  labels: {owner: alice}
spec:
  containers: [{name: c, image: nginx}]
---
apiVersion: v1
kind: Pod
metadata:
  name: bare
  namespace: shop
spec:
  containers: [{name: c, image: nginx}]
";

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace.file("raw.wasm", sdk_policy()).file("pods.yaml", PODS);
    workspace.file("metadata.yml", include_str!("../sdk-policy/metadata.yml"));
    workspace.harness(&["annotate", "raw.wasm", "-m", "metadata.yml", "-o", "policy.wasm"]).done();
    workspace
}

#[test]
fn validates() {
    let report = workspace()
        .harness(&[
            "run",
            "policy.wasm",
            "-r",
            "pods.yaml",
            "--settings-json",
            r#"{"label":"owner"}"#,
            "-o",
            "diff",
        ])
        .done();
    expect![[r#"
        admitted  Pod shop/labelled: nothing to change
        refused   Pod shop/bare: label "owner" is missing
        1 admitted, 0 patched, 0 warned, 1 refused
    "#]]
    .assert_eq(&report);
}

#[test]
fn mutates() {
    let workspace = workspace();
    workspace.file("settings.yml", "label: owner\nvalue: bob\n");
    let arguments = ["run", "policy.wasm", "-r", "pods.yaml", "-s", "settings.yml"];
    let report = workspace.harness(&[&arguments[..], &["-o", "diff"]].concat()).done();
    expect![[r#"
        admitted  Pod shop/labelled: nothing to change
        patched   Pod shop/bare: added=owner=bob
          warning: label owner=bob was added
    "#]]
    .assert_eq(&report.split_inclusive('\n').take(3).collect::<String>());
    assert!(report.contains("+    owner: bob\n"), "{report}");
    assert!(report.ends_with("1 admitted, 1 patched, 1 warned, 0 refused\n"), "{report}");
    let lines = workspace.harness(&arguments).done();
    let response: harness::AdmissionResponse = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(
        response.patch_json().unwrap(),
        r#"[{"op":"add","path":"/metadata/labels","value":{"owner":"bob"}}]"#
    );
}

#[test]
fn settings_are_the_policys_to_judge() {
    let workspace = workspace();
    workspace.file("settings.yml", "lable: owner\n");
    let refused =
        workspace.harness(&["run", "policy.wasm", "-r", "pods.yaml", "-s", "settings.yml"]).failed();
    assert!(refused.starts_with("error: Provided settings are not valid: "), "{refused}");
    assert!(refused.contains("unknown field `lable`"), "{refused}");
    let refused =
        workspace.harness(&["run", "policy.wasm", "-r", "pods.yaml", "--settings-json", "{}"]).failed();
    assert_eq!(refused, "error: Provided settings are not valid: label: it must name a label\n");
}

#[test]
fn its_logs_and_prints_stay_out_of_the_answers() {
    let ran = workspace().harness(&[
        "run",
        "policy.wasm",
        "-r",
        "pods.yaml",
        "--settings-json",
        r#"{"label":"owner"}"#,
        "-v",
    ]);
    for line in ["looking at bare", "the label is there", "the label is missing"] {
        assert!(ran.stderr.contains(line) && !ran.stdout.contains(line), "{line}: {ran:#?}");
    }
    assert_eq!(ran.stdout.lines().count(), 2, "{ran:#?}");
}

#[test]
fn it_reads_the_cluster_through_a_recorded_session() {
    let workspace = workspace();
    let session = "\
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
    payload: '{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"shop\",\"labels\":{\"owner\":\"carol\"}}}'
";
    workspace.file("session.yml", session).file("settings.yml", "label: owner\ninherit: true\n");
    let arguments = [
        "run",
        "policy.wasm",
        "-r",
        "pods.yaml",
        "-s",
        "settings.yml",
        "--replay-host-capabilities-interactions",
        "session.yml",
    ];
    let lines = workspace.harness(&[&arguments[..], &["--allow-context-aware"]].concat()).done();
    assert!(lines.lines().last().unwrap().contains("owner=carol"), "{lines}");
    let lines = workspace.harness(&arguments).done();
    assert!(
        lines.lines().last().unwrap().contains("has not been granted access to Kubernetes v1/Namespace"),
        "{lines}"
    );
}

#[test]
fn a_request_of_two_mebibytes_works() {
    let workspace = workspace();
    let pod = PODS.split("---\n").last().unwrap();
    let annotation = "x".repeat(2 << 20);
    workspace.file(
        "big.yaml",
        pod.replace("namespace: shop", &format!("namespace: shop\n  annotations: {{a: \"{annotation}\"}}")),
    );
    let arguments = [
        "run",
        "policy.wasm",
        "-r",
        "big.yaml",
        "--settings-json",
        r#"{"label":"owner","value":"bob"}"#,
        "--timeout-ms",
        "20000",
    ];
    let line = workspace.harness(&arguments).done();
    let response: harness::AdmissionResponse = serde_json::from_str(&line).unwrap();
    assert_eq!(
        response.patch_json().unwrap(),
        r#"[{"op":"add","path":"/metadata/labels","value":{"owner":"bob"}}]"#
    );
}
