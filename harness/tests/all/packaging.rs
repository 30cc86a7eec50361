//! `harness annotate` and `harness inspect`.

use expect_test::{Expect, expect};
use harness::metadata::Metadata;

use crate::support::{Workspace, guest, module};

const METADATA: &str = r#"
rules:
- apiGroups: [""]
  apiVersions: ["v1"]
  resources: ["pods"]
  operations: ["CREATE"]
mutating: true
annotations:
  io.kubewarden.policy.title: example
"#;

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace.file("raw.wasm", guest("")).file("metadata.yml", METADATA).file("README.md", "# How\nto use\n");
    workspace
}

#[test]
fn annotating_adds_one_section_and_twice_is_once() {
    let workspace = workspace();
    let annotate = |from, to| {
        workspace.harness(&["annotate", from, "-m", "metadata.yml", "-u", "README.md", "-o", to]).done();
        std::fs::read(workspace.path(to)).unwrap()
    };
    let once = annotate("raw.wasm", "once.wasm");
    assert!(once.starts_with(&guest("")));
    assert_eq!(annotate("once.wasm", "twice.wasm"), once);
    let metadata = Metadata::of_module(&once).unwrap().unwrap();
    assert_eq!(metadata.protocol_version.as_deref(), Some("v1"));
    let annotations = metadata.annotations.unwrap();
    assert_eq!(annotations["io.kubewarden.policy.usage"], "# How\nto use\n");
    assert_eq!(annotations["io.kubewarden.kwctl"], concat!("1.36.0+harness.", env!("CARGO_PKG_VERSION")));
}

#[test]
fn inspecting_shows_what_is_inside() {
    let workspace = workspace();
    workspace.harness(&["annotate", "raw.wasm", "-m", "metadata.yml", "-o", "policy.wasm"]).done();
    let json = workspace.harness(&["inspect", "policy.wasm", "-o", "json"]).done();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["metadata"]["annotations"]["io.kubewarden.policy.title"], "example");
    assert_eq!(json["size"], std::fs::metadata(workspace.path("policy.wasm")).unwrap().len());
    assert_eq!(
        (&json["imports"][0], &json["exports"][0]),
        (&"wapc.__guest_request".into(), &"memory".into())
    );
    let text = workspace.harness(&["inspect", "policy.wasm"]).done();
    assert!(
        text.contains("  protocolVersion: v1\n") && text.contains("exports\n  memory\n  __guest_call\n"),
        "{text}"
    );
    let yaml = workspace.harness(&["inspect", "policy.wasm", "-o", "yaml"]).done();
    let inside = std::fs::read(workspace.path("policy.wasm")).unwrap();
    assert_eq!(Metadata::parse(&yaml).unwrap(), Metadata::of_module(&inside).unwrap().unwrap(), "{yaml}");
    let raw = workspace.harness(&["inspect", "raw.wasm"]).done();
    assert!(raw.contains("metadata  none: harness annotate writes it\n"), "{raw}");
    let raw = workspace.harness(&["inspect", "raw.wasm", "-o", "yaml"]).failed();
    assert!(raw.contains("No Kubewarden metadata found inside of it"), "{raw}");
}

#[track_caller]
fn refused(file: &str, content: impl AsRef<[u8]>, expected: Expect) {
    let workspace = workspace();
    workspace.file(file, content);
    let ran = workspace.harness(&["annotate", "raw.wasm", "-m", "metadata.yml", "-o", "out.wasm"]);
    expected.assert_eq(&ran.failed());
    assert!(!workspace.path("out.wasm").exists());
}

#[test]
fn bad_metadata_and_modules_are_refused() {
    refused(
        "metadata.yml",
        METADATA.replace("\"pods\"", "\"*\", \"pods\""),
        expect![[r#"
        error: cannot use metadata metadata.yml: rules[0].resources: "*" covers "pods" already
    "#]],
    );
    refused(
        "metadata.yml",
        METADATA.replace("mutating: true", "mutating: maybe"),
        expect![[r#"
        error: cannot use metadata metadata.yml: not a policy's metadata: invalid boolean at line 7, column 11
    "#]],
    );
    refused(
        "metadata.yml",
        "rules: []\n",
        expect![[r#"
        error: cannot use metadata metadata.yml: not a policy's metadata: missing field `mutating` at line 1, column 1
    "#]],
    );
    refused(
        "raw.wasm",
        "text",
        expect![[r#"
        error: cannot annotate raw.wasm: not a wasm module: it begins with "text", not with "\0asm" and version 1
    "#]],
    );
    let silent = r#"(module (memory (export "memory") 1) (func (export "__guest_call") (param i32 i32) (result i32) i32.const 0))"#;
    refused(
        "raw.wasm",
        module(silent),
        expect![[r#"
        error: cannot annotate raw.wasm: cannot ask the policy for its protocol version: No error message set for call failure
    "#]],
    );
}
