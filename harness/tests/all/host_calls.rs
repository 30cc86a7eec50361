//! What guests ask their host: logs, recorded sessions, and refusals.

use expect_test::{Expect, expect};

use crate::support::{REVIEW, Workspace, guest_with};

/// Asks `namespace`/`operation` with a payload, and fails with what the host said to it.
fn asking(namespace: &str, operation: &str, payload: &str) -> Vec<u8> {
    let escaped = payload.replace('\\', "\\\\").replace('"', "\\\"");
    let module = format!(r#"(data (i32.const 640) "kubewarden{namespace}{operation}{escaped}")"#);
    let (start, mut call) = (640, "(call $host_call".to_owned());
    let mut at = start;
    for length in [10, namespace.len(), operation.len(), payload.len()] {
        call += &format!(" (i32.const {at}) (i32.const {length})");
        at += length;
    }
    let validate = format!(
        "(if {call})
           (then (call $host_response (i32.const 65536))
                 (call $guest_error (i32.const 65536) (call $host_response_len)))
           (else (call $must (call $host_response_len) (i32.const 0))
                 (call $host_error (i32.const 65536))
                 (call $guest_error (i32.const 65536) (call $host_error_len))))
         (return (i32.const 0))"
    );
    guest_with(&module, &validate)
}

#[track_caller]
fn check(wasm: &[u8], metadata: &str, flags: &[&str], expected: Expect) {
    let workspace = Workspace::new();
    let session = "- type: Exchange\n  request: |\n    !KubernetesGetResource\n    api_version: v1\n    kind: Namespace\n    name: shop\n    namespace: null\n    disable_cache: false\n  response:\n    type: Success\n    payload: the namespace\n";
    workspace
        .file("raw.wasm", wasm)
        .file("review.json", REVIEW)
        .file("session.yml", session)
        .file("metadata.yml", metadata);
    workspace.harness(&["annotate", "raw.wasm", "-m", "metadata.yml", "-o", "guest.wasm"]).done();
    let arguments = [&["run", "guest.wasm", "-r", "review.json"], flags].concat();
    let answer: serde_json::Value = serde_json::from_str(&workspace.harness(&arguments).done()).unwrap();
    let message = answer["status"]["message"].as_str().unwrap();
    expected.assert_eq(message.trim_start_matches("internal server error: Guest call failure: "));
}

const PLAIN: &str = "mutating: false\n";
const READS_NAMESPACES: &str =
    "mutating: false\ncontextAwareResources: [{apiVersion: v1, kind: Namespace}]\n";
const GET: &str = r#"{"api_version":"v1","kind":"Namespace","name":"shop"}"#;
const REPLAY: &[&str] = &["--replay-host-capabilities-interactions", "session.yml"];

#[test]
fn a_recorded_session_answers() {
    let wasm = asking("kubernetes", "get_resource", GET);
    let flags = [REPLAY, &["--allow-context-aware"]].concat();
    check(&wasm, READS_NAMESPACES, &flags, expect!["the namespace"]);
}

#[test]
fn what_was_not_granted_is_refused() {
    let wasm = asking("kubernetes", "get_resource", GET);
    check(
        &wasm,
        READS_NAMESPACES,
        REPLAY,
        expect![
            "Policy has not been granted access to Kubernetes v1/Namespace resources. The violation has been reported."
        ],
    );
    let flags = [REPLAY, &["--allow-context-aware"]].concat();
    check(
        &wasm,
        PLAIN,
        &flags,
        expect![
            "Policy has not been granted access to Kubernetes v1/Namespace resources. The violation has been reported."
        ],
    );
    let flags =
        [REPLAY, &["--allow-context-aware", "--allowed-host-capabilities", "oci/*,net/v1/dns_lookup_host"]]
            .concat();
    check(
        &wasm,
        READS_NAMESPACES,
        &flags,
        expect![
            "Policy has not been granted access to the 'kubernetes/get_resource' host capability. The violation has been reported."
        ],
    );
}

#[test]
fn what_is_not_there_is_named() {
    check(
        &asking("kubernetes", "get_resource", GET),
        READS_NAMESPACES,
        &["--allow-context-aware"],
        expect![
            "Callback evaluation failure: kubernetes/get_resource is not available: this run has no cluster and no recorded session to answer from"
        ],
    );
    check(
        &asking("oci", "v1/manifest_digest", "\"image\""),
        PLAIN,
        REPLAY,
        expect![
            "Callback evaluation failure: oci/v1/manifest_digest cannot be answered from a recorded session here"
        ],
    );
    check(&asking("oci", "v7/verify", "1"), PLAIN, &[], expect!["unknown operation: v7/verify"]);
    check(&asking("files", "read", "1"), PLAIN, &[], expect!["unknown namespace: files"]);
}

#[test]
fn log_events_reach_the_log_with_their_level() {
    let event = r#"{"level":"warning","message":"look out","line":7,"pod":"p"}"#;
    let workspace = Workspace::new();
    workspace.file("guest.wasm", asking("tracing", "log", event)).file("review.json", REVIEW);
    let ran = workspace.harness(&["run", "guest.wasm", "-r", "review.json"]);
    assert!(ran.stderr.contains("WARN") && ran.stderr.contains(r#"look out pod="p""#), "{ran:#?}");
    assert!(!ran.stderr.contains("line"), "{ran:#?}");
}
