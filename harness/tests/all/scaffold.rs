//! `harness scaffold`, and the commands about the program itself.

use expect_test::expect;

use crate::server::workspace;
use crate::support::Workspace;

#[test]
fn a_request_is_made_of_an_object_and_the_policy_takes_it() {
    let workspace = workspace();
    workspace.file("pod.yml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {owner: x}}\n");
    let request = workspace
        .harness(&["scaffold", "admission-request", "--operation", "CREATE", "--object", "pod.yml"])
        .done();
    let parsed: serde_json::Value = serde_json::from_str(&request).unwrap();
    assert_eq!((&parsed["operation"], &parsed["resource"]["resource"]), (&"CREATE".into(), &"pods".into()));
    workspace.file("request.json", request);
    let line = workspace
        .harness(&["run", "label.wasm", "-r", "request.json", "--settings-json", r#"{"label":"owner"}"#])
        .done();
    assert!(line.contains(r#""allowed":true"#), "{line}");
    let update =
        ["scaffold", "admission-request", "-o", "UPDATE", "--object", "pod.yml", "--old-object", "pod.yml"];
    let update: serde_json::Value = serde_json::from_str(&workspace.harness(&update).done()).unwrap();
    assert_eq!(update["oldObject"], update["object"]);
    let delete =
        workspace.harness(&["scaffold", "admission-request", "-o", "DELETE", "--object", "pod.yml"]).failed();
    assert_eq!(delete, "error: DELETE takes --old-object, and no --object\n");
}

#[test]
fn a_manifest_says_what_the_metadata_says() {
    let workspace = workspace();
    let scaffold = |flags: &[&str]| {
        workspace.harness(
            &[&["scaffold", "manifest", "-t", "ClusterAdmissionPolicy", "label.wasm"], flags].concat(),
        )
    };
    let yaml = scaffold(&["--settings-json", r#"{"label":"owner"}"#, "--title", "labels"]).done();
    let path = workspace.path("label.wasm").canonicalize().unwrap();
    let yaml = yaml.replace(&path.display().to_string(), "/label.wasm");
    expect![[r#"
        apiVersion: policies.kubewarden.io/v1
        kind: ClusterAdmissionPolicy
        metadata:
          name: labels
        spec:
          module: file:///label.wasm
          settings:
            label: owner
          rules:
          - apiGroups:
            - ""
            apiVersions:
            - v1
            resources:
            - pods
            operations:
            - CREATE
          mutating: true
    "#]]
    .assert_eq(&yaml);
    let bad = scaffold(&["--title", "Not A Name"]).failed();
    assert!(bad.contains("Invalid title 'Not A Name'. Must conform to RFC 1123"), "{bad}");
    let raw =
        workspace.harness(&["scaffold", "manifest", "-t", "AdmissionPolicy", "raw-label.wasm"]).failed();
    assert!(raw.contains("No Kubewarden metadata found inside of 'raw-label.wasm'"), "{raw}");
}

#[test]
fn artifacthub_needs_metadata() {
    let workspace = Workspace::new();
    let refused = workspace.harness(&["scaffold", "artifacthub"]).failed();
    assert_eq!(refused, "error: path to metadata file not provided, plus 'metadata.yml' not found\n");
}

#[test]
fn the_program_tells_of_itself() {
    let workspace = Workspace::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(workspace.harness(&["completions", "-s", shell]).done().contains("annotate"), "{shell}");
    }
    workspace.harness(&["docs", "-o", "docs.md"]).done();
    let docs = std::fs::read_to_string(workspace.path("docs.md")).unwrap();
    assert!(
        docs.contains("## `harness scaffold admission-request`") && docs.contains("--allow-context-aware"),
        "{docs}"
    );
    assert!(workspace.harness(&["docs", "-o", "docs.adoc"]).failed().contains("must end in .md"));
    assert!(workspace.harness(&["info"]).done().contains("like Kubewarden   1.36\n"));
    let verify = workspace.harness(&["verify", "-k", "cosign.pub", "registry://r.example/p:v1"]).failed();
    assert!(verify.contains("`kwctl verify -k cosign.pub registry://r.example/p:v1` does it"), "{verify}");
}
