//! What guests ask their host: logs, recorded sessions, and refusals.

use expect_test::{Expect, expect};

use crate::support::{REVIEW, Workspace, guest_with};

/// Asks `namespace`/`operation` with a payload, and fails with what the host said to it.
pub(crate) fn asking(namespace: &str, operation: &str, payload: &str) -> Vec<u8> {
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

/// `guest.wasm` with this metadata, and a session that answers one question.
fn workspace(wasm: &[u8], metadata: &str) -> Workspace {
    let workspace = Workspace::new();
    let session = "- type: Exchange\n  request: |\n    !KubernetesGetResource\n    api_version: v1\n    kind: Namespace\n    name: shop\n    namespace: null\n    disable_cache: false\n  response:\n    type: Success\n    payload: the namespace\n";
    workspace
        .file("raw.wasm", wasm)
        .file("review.json", REVIEW)
        .file("session.yml", session)
        .file("metadata.yml", metadata);
    workspace.harness(&["annotate", "raw.wasm", "-m", "metadata.yml", "-o", "guest.wasm"]).done();
    workspace
}

#[track_caller]
fn check(wasm: &[u8], metadata: &str, flags: &[&str], expected: Expect) {
    let workspace = workspace(wasm, metadata);
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
        &asking("kubernetes", "can_i", r#"{"subject_access_review":{"user":"u","resource_attributes":{}}}"#),
        PLAIN,
        &[],
        expect![
            "Callback evaluation failure: kubernetes/can_i is not available: this run has no cluster and no recorded session to answer from"
        ],
    );
    check(
        &asking("oci", "v1/manifest_digest", "\"image\""),
        PLAIN,
        REPLAY,
        expect![[
            r#"Callback evaluation failure: exchange 1 of the recorded session is !KubernetesGetResource {"api_version":"v1","kind":"Namespace","name":"shop"}, but the policy asks !OciManifestDigest {"image":"image"}"#
        ]],
    );
    check(
        &asking("oci", "v2/verify", r#"{"type":"SigstorePubKeyVerify","image":"a","pub_keys":[]}"#),
        PLAIN,
        &[],
        expect![
            "Callback evaluation failure: oci/v2/verify is not available: signatures are not verified here: run the policy with kwctl or policy-server, or replay a session that kwctl recorded"
        ],
    );
    check(&asking("oci", "v7/verify", "1"), PLAIN, &[], expect!["unknown operation: v7/verify"]);
    check(&asking("files", "read", "1"), PLAIN, &[], expect!["unknown namespace: files"]);
}

#[test]
fn a_policy_that_may_read_a_cluster_needs_one() {
    let workspace = workspace(&asking("kubernetes", "get_resource", GET), READS_NAMESPACES);
    let refused =
        workspace.harness(&["run", "guest.wasm", "-r", "review.json", "--allow-context-aware"]).failed();
    assert!(
        refused.starts_with(
            "error: the policy reads Kubernetes objects; --objects gives them without a cluster"
        ),
        "{refused}"
    );
}

#[test]
fn objects_of_files_are_a_cluster() {
    let workspace = workspace(&asking("kubernetes", "get_resource", GET), READS_NAMESPACES);
    std::fs::create_dir(workspace.path("cluster")).unwrap();
    workspace
        .file("cluster/pods.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: shop, namespace: shop}\n")
        .file(
            "cluster/list.json",
            r#"{"apiVersion":"v1","kind":"NamespaceList","items":[{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop","labels":{"a":"b"}}}]}"#,
        );
    let run = ["run", "guest.wasm", "-r", "review.json", "--allow-context-aware", "--objects"];
    let line = workspace.harness(&[&run[..], &["cluster"]].concat()).done();
    assert!(line.contains(r#"{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\""#), "{line}");
    let line = workspace.harness(&[&run[..], &["cluster/pods.yaml"]].concat()).done();
    assert!(line.contains("Cannot find v1/Namespace named 'shop'"), "{line}");
    workspace.file("bad.yaml", "kind: Pod\n");
    let refused = workspace.harness(&[&run[..], &["bad.yaml"]].concat()).failed();
    assert_eq!(
        refused,
        "error: cannot read the objects of bad.yaml: an object has no apiVersion or no kind\n"
    );
}

#[test]
fn names_are_looked_up_and_certificates_are_checked() {
    check(
        &asking("net", "v1/dns_lookup_host", "\"127.0.0.1\""),
        PLAIN,
        &[],
        expect![[r#"{"ips":["127.0.0.1"]}"#]],
    );
    check(
        &asking("net", "v1/dns_lookup_host", "\"a b\""),
        PLAIN,
        &[],
        expect![[
            r#"Callback evaluation failure: v1/dns_lookup_host: host: "a b" is neither a DNS name nor an address"#
        ]],
    );
    check(
        &asking("crypto", "v1/is_certificate_trusted", r#"{"cert":{"encoding":"Der","data":[1,2]}}"#),
        PLAIN,
        &[],
        expect![
            "Callback evaluation failure: Certificate is not a valid end-entity certificate: TrailingData(SignedData)"
        ],
    );
    check(
        &asking("oci", "v1/oci_manifest", "\"127.0.0.1:1/a:v1\""),
        PLAIN,
        &["--allowed-host-capabilities", "net/*", "crypto/v1/*"],
        expect![
            "Policy has not been granted access to the 'oci/v1/oci_manifest' host capability. The violation has been reported."
        ],
    );
}

#[test]
fn what_is_recorded_is_replayed_without_whom_it_asked() {
    let workspace = workspace(&asking("net", "v1/dns_lookup_host", "\"127.0.0.1\""), PLAIN);
    let run = ["run", "guest.wasm", "-r", "review.json"];
    let recorded = ["--record-host-capabilities-interactions", "recorded.yml"];
    let line = workspace.harness(&[&run[..], &recorded].concat()).done();
    expect![[r#"
        - type: Exchange
          request: |
            !DNSLookupHost
            host: "127.0.0.1"
          response:
            type: Success
            payload: "{\"ips\":[\"127.0.0.1\"]}"
    "#]]
    .assert_eq(&std::fs::read_to_string(workspace.path("recorded.yml")).unwrap());
    let replayed = ["--replay-host-capabilities-interactions", "recorded.yml"];
    assert_eq!(workspace.harness(&[&run[..], &replayed].concat()).done(), line);
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
