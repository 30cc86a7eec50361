//! Policies that are programs: asked by their arguments and input, answering by what they print.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use crate::server::Server;
use crate::support::{REVIEW, Workspace, guest_with, module};

const METADATA: &str = "rules: [{apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE]}]\nmutating: false\nexecutionMode: wasi\ncontextAwareResources: [{apiVersion: v1, kind: Namespace}]\n";
const SESSION: &str = "- type: Exchange\n  request: |\n    !KubernetesGetResource\n    api_version: v1\n    kind: Namespace\n    name: shop\n    namespace: null\n    disable_cache: false\n  response:\n    type: Success\n    payload: the namespace\n";
const GET: &str = r#"{"api_version":"v1","kind":"Namespace","name":"shop"}"#;

/// A program that does this before it accepts.
fn program_with(module: &str, validate: &str) -> Vec<u8> {
    let text = include_str!("guests/program.wat");
    let text = text.replace("(;MODULE;)", module).replace("(;VALIDATE;)", validate);
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn program(validate: &str) -> Vec<u8> {
    program_with("", validate)
}

/// `program.wasm`, annotated.
fn workspace(wasm: &[u8]) -> Workspace {
    let workspace = Workspace::new();
    workspace
        .file("raw.wasm", wasm)
        .file("metadata.yml", METADATA)
        .file("session.yml", SESSION)
        .file("review.json", REVIEW);
    workspace.harness(&["annotate", "raw.wasm", "-m", "metadata.yml", "-o", "program.wasm"]).done();
    workspace
}

fn answer(wasm: &[u8], flags: &[&str]) -> Value {
    let arguments = [&["run", "program.wasm", "-r", "review.json"], flags].concat();
    serde_json::from_str(&workspace(wasm).harness(&arguments).done()).unwrap()
}

/// Why there is no verdict.
#[track_caller]
fn check(validate: &str, expected: Expect) {
    let answer = answer(&program(validate), &["--timeout-ms", "1000"]);
    assert_eq!((&answer["allowed"], &answer["status"]["code"]), (&json!(false), &json!(500)), "{answer}");
    expected.assert_eq(answer["status"]["message"].as_str().unwrap());
}

#[test]
fn a_program_reads_the_payload_and_prints_its_verdict() {
    let accepted = json!({"uid": "u-1", "allowed": true, "auditAnnotations": null, "warnings": null});
    assert_eq!(answer(&program(""), &[]), accepted);
    let leaves = "(call $print (i32.const 1) (i32.const 64) (i32.const 17)) (call $proc_exit (i32.const 0))";
    assert_eq!(answer(&program(leaves), &[]), accepted);
    let told = answer(&program("(call $fail_with (call $read))"), &["--settings-json", r#"{"a":1}"#]);
    let review: Value = serde_json::from_str(REVIEW).unwrap();
    let payload = told["status"]["message"].as_str().unwrap();
    let payload = payload.strip_prefix("internal server error: Guest call failure: ").unwrap();
    let expected = json!({"request": review["request"], "settings": {"a": 1}});
    assert_eq!(serde_json::from_str::<Value>(payload).unwrap(), expected);
}

#[test]
fn a_program_asks_its_host_and_reads_the_answer() {
    let module =
        format!(r#"(data (i32.const 2048) "kubewardenkubernetesget_resource{}")"#, GET.replace('"', "\\\""));
    let call = format!(
        "(call $host_call (i32.const 2048) (i32.const 10) (i32.const 2058) (i32.const 10) (i32.const 2068) (i32.const 12) (i32.const 2080) (i32.const {}))",
        GET.len()
    );
    let validate = |result: u32| {
        format!("(drop (call $read)) (call $must {call} (i32.const {result})) (call $fail_with (call $read))")
    };
    let replay = ["--replay-host-capabilities-interactions", "session.yml"];
    let told = answer(&program_with(&module, &validate(1)), &replay);
    let message = told["status"]["message"].as_str().unwrap();
    assert!(
        message.contains("Policy has not been granted access to Kubernetes v1/Namespace resources"),
        "{message}"
    );
    let told =
        answer(&program_with(&module, &validate(0)), &[&replay[..], &["--allow-context-aware"]].concat());
    assert_eq!(told["status"]["message"], "internal server error: Guest call failure: the namespace");
}

#[test]
fn a_program_without_a_verdict_is_a_failure() {
    let failure = "internal server error: Guest call failure: ";
    check(
        "(call $proc_exit (i32.const 3))",
        expect![[r#"internal server error: Guest call failure: the guest exited with code 3"#]],
    );
    check(
        "unreachable",
        expect![
            "internal server error: Guest call failure: wasm trap: wasm `unreachable` instruction executed"
        ],
    );
    check(
        "(loop (br 0))",
        expect!["Policy execution interrupted because it exceeded the allowed execution time"],
    );
    check(
        "(call $proc_exit (i32.const 0))",
        expect![
            "internal server error: cannot understand the policy's answer: not the expected JSON at byte 0: expected an object"
        ],
    );
    check(
        "(call $print (i32.const 1) (i32.const 64) (i32.const 17))",
        expect![
            "internal server error: cannot understand the policy's answer: not the expected JSON at byte 17: expected the end of the text"
        ],
    );
    check(
        "(loop (call $print (i32.const 1) (i32.const 65536) (i32.const 65536)) (br 0))",
        expect![
            "internal server error: Guest call failure: an answer of more than 8388608 bytes was printed"
        ],
    );
    // Its errors are kept to a bound, and it goes on.
    let complains = "(loop (call $print (i32.const 2) (i32.const 16) (i32.const 14)) (br 0))";
    check(complains, expect!["Policy execution interrupted because it exceeded the allowed execution time"]);
    let long = answer(
        &program(
            "(call $print (i32.const 2) (i32.const 0) (i32.const 200000)) (call $proc_exit (i32.const 1))",
        ),
        &[],
    );
    let message = long["status"]["message"].as_str().unwrap();
    assert!(message.starts_with(failure) && message.len() < 17 << 10, "{} bytes", message.len());
    // Questions whose answers nobody reads, and vectors without end.
    check(
        "(loop (drop (call $host_call (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))) (br 0))",
        expect!["Policy execution interrupted because it exceeded the allowed execution time"],
    );
    check(
        "(i64.store (i32.const 0) (i64.const 0)) (loop (drop (call $fd_read (i32.const 0) (i32.const 128) (i32.const -1) (i32.const 8))) (br 0))",
        expect!["Policy execution interrupted because it exceeded the allowed execution time"],
    );
}

#[test]
fn what_is_no_program_is_refused() {
    let refused = |wasm: &[u8], mode: &str| {
        let workspace = Workspace::new();
        workspace.file("guest.wasm", wasm).file("review.json", REVIEW);
        workspace.harness(&["run", "guest.wasm", "-r", "review.json", "-e", mode]).failed()
    };
    let nothing = module(r#"(module (memory (export "memory") 1))"#);
    expect![[r#"
        error: cannot run guest.wasm: the wasm module has no function "_start" among its exports, so it is not a WASI program
    "#]]
    .assert_eq(&refused(&nothing, "wasi"));
    expect![[r#"
        error: cannot run guest.wasm: the wasm module imports "wapc.__guest_request", which this host does not offer: only Kubewarden's host calls ("host.call") and WASI preview 1 (module "wasi_snapshot_preview1")
    "#]]
    .assert_eq(&refused(&guest_with("", ""), "wasi"));
    expect![[r#"
        error: cannot run guest.wasm: the wasm module imports "host.call", which this host does not offer: only waPC's functions (module "wapc") and WASI preview 1 (module "wasi_snapshot_preview1")
    "#]]
    .assert_eq(&refused(&program(""), "kubewarden"));
}

#[tokio::test]
async fn a_program_is_served_beside_others_and_measured() {
    let workspace = workspace(&program("(drop (call $read))"));
    let policies = "program: {module: 'file://program.wasm', settings: {a: 1}}\ngroup: {policies: {a: {module: 'file://program.wasm'}}, expression: '!a()', message: not so}\n";
    let server = Server::ready(&workspace, policies, &[]);
    for _ in 0..3 {
        let (_, text) = server.post("/validate/program", REVIEW).await;
        assert!(text.contains(r#""allowed":true"#), "{text}");
    }
    let (_, text) = server.post("/validate/group", REVIEW).await;
    assert!(text.contains(r#""allowed":false"#) && text.contains("not so"), "{text}");
    let bench =
        ["bench", "program.wasm", "-r", "review.json", "--warm-up-time=0", "--measurement-time=0", "-o=json"];
    let figures: Value = serde_json::from_str(&workspace.harness(&bench).done()).unwrap();
    assert_eq!(
        (&figures["guest_memory_bytes"], figures.get("validate_warm")),
        (&json!(262_144), None),
        "{figures}"
    );
    assert!(figures["validate"]["samples"].as_u64() > Some(0), "{figures}");
    let inspected = workspace.harness(&["inspect", "program.wasm"]).done();
    assert!(inspected.contains("executionMode: wasi") && inspected.contains("host.call"), "{inspected}");
}
