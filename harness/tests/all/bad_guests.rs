//! Guests that do not behave: each ends as an answer, and the host goes on.

use std::time::{Duration, Instant};

use expect_test::{Expect, expect};
use harness::{Host, HostOptions, LoadError, Outcome, Policy, Settings};

use crate::support::{REVIEW, Ran, Workspace, guest, guest_with, host, load, module};

/// What the API server would be told.
#[track_caller]
fn check(wasm: &[u8], expected: Expect) {
    let policy = load(wasm);
    let answer = policy.review(REVIEW.as_bytes(), &Settings::default()).unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    let response = &answer["response"];
    assert_eq!((&response["uid"], &response["allowed"]), (&"u-1".into(), &false.into()));
    assert_eq!(response["status"]["code"], 500);
    expected.assert_eq(response["status"]["message"].as_str().unwrap());
    // The host is as well as before.
    assert_eq!(policy.protocol_version(), Ok("v1".into()));
}

fn refused(wasm: &[u8]) -> String {
    Policy::load(&host(), wasm).err().unwrap().to_string()
}

#[test]
fn traps_are_refusals() {
    check(
        &guest("unreachable"),
        expect![
            "internal server error: Guest call failure: wasm trap: wasm `unreachable` instruction executed"
        ],
    );
    check(
        &guest("(drop (i32.div_u (i32.const 1) (i32.const 0)))"),
        expect!["internal server error: Guest call failure: wasm trap: integer divide by zero"],
    );
    check(
        &guest("(drop (i32.load (i32.const -4)))"),
        expect!["internal server error: Guest call failure: wasm trap: out of bounds memory access"],
    );
    check(
        &guest("(return (call $validate (i32.const 0)))"),
        expect!["internal server error: Guest call failure: wasm trap: call stack exhausted"],
    );
}

#[test]
fn pointers_out_of_memory_are_refusals() {
    check(
        &guest("(call $guest_response (i32.const -16) (i32.const 100))"),
        expect![
            "internal server error: Guest call failure: __guest_response: pointer 4294967280 with length 100 lies outside of the guest's 262144 bytes of memory"
        ],
    );
    check(
        &guest("(call $guest_response (i32.const 0) (i32.const -1))"),
        expect![
            "internal server error: Guest call failure: __guest_response: pointer 0 with length 4294967295 lies outside of the guest's 262144 bytes of memory"
        ],
    );
    check(
        &guest("(call $guest_error (i32.const 262140) (i32.const 5))"),
        expect![
            "internal server error: Guest call failure: __guest_error: pointer 262140 with length 5 lies outside of the guest's 262144 bytes of memory"
        ],
    );
    check(
        &guest("(call $guest_request (i32.const 262140) (i32.const 0))"),
        expect![
            "internal server error: Guest call failure: __guest_request: pointer 262140 with length 8 lies outside of the guest's 262144 bytes of memory"
        ],
    );
    check(
        &guest("(call $guest_request (i32.const 0) (i32.const -1))"),
        expect![
            "internal server error: Guest call failure: __guest_request: pointer 4294967295 with length 363 lies outside of the guest's 262144 bytes of memory"
        ],
    );
    check(
        &guest("(call $console_log (i32.const -1) (i32.const 1))"),
        expect![
            "internal server error: Guest call failure: __console_log: pointer 4294967295 with length 1 lies outside of the guest's 262144 bytes of memory"
        ],
    );
    let host_call = "(drop (call $host_call (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 9) (i32.const -9)))";
    check(
        &guest(host_call),
        expect![
            "internal server error: Guest call failure: __host_call: pointer 9 with length 4294967287 lies outside of the guest's 262144 bytes of memory"
        ],
    );
    check(
        &guest("(drop (call $random_get (i32.const 0) (i32.const -1)))"),
        expect![
            "internal server error: Guest call failure: random_get: pointer 0 with length 4294967295 lies outside of the guest's 262144 bytes of memory"
        ],
    );
    check(
        &guest("(drop (call $fd_write (i32.const 1) (i32.const -8) (i32.const 2) (i32.const 0)))"),
        expect![
            "internal server error: Guest call failure: fd_write: pointer 4294967288 with length 8 lies outside of the guest's 262144 bytes of memory"
        ],
    );
    check(
        &guest("(drop (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 262137)))"),
        expect![
            "internal server error: Guest call failure: clock_time_get: pointer 262137 with length 8 lies outside of the guest's 262144 bytes of memory"
        ],
    );
}

#[test]
fn failures_of_the_guests_own_are_passed_on() {
    check(
        &guest("(call $guest_error (i32.const 2050) (i32.const 7)) (return (i32.const 0))"),
        expect!["internal server error: Guest call failure: request"],
    );
    check(
        &guest("(return (i32.const 0))"),
        expect!["internal server error: Guest call failure: No error message set for call failure"],
    );
    check(
        &guest("(return (i32.const 1))"),
        expect![
            "internal server error: Guest call failure: No error message OR response set for call success"
        ],
    );
    check(
        &guest("(call $guest_error (i32.const 2050) (i32.const 7)) (return (i32.const 1))"),
        expect!["internal server error: Guest call failure: request"],
    );
    check(
        &guest("(call $guest_response (i32.const 2048) (i32.const 9)) (return (i32.const 1))"),
        expect![[
            r#"internal server error: cannot understand the policy's answer: not the expected JSON at byte 9: expected the end of a string"#
        ]],
    );
}

#[test]
fn more_memory_than_allowed_is_a_refusal_that_says_so() {
    check(
        &guest("(drop (memory.grow (i32.const 2000)))"),
        expect![
            "internal server error: Guest call failure: the policy asked for more than its limit of 64 MiB of memory"
        ],
    );
    let small = Host::new(HostOptions { memory_limit: 1 << 20, ..HostOptions::default() }).unwrap();
    let outcome = |pages: u32| {
        let wasm = guest(&format!("(drop (memory.grow (i32.const {pages})))"));
        Policy::load(&small, &wasm).unwrap().call("validate", Vec::new())
    };
    assert_eq!(outcome(12), Outcome::Answer(br#"{"accepted":true}"#.to_vec()));
    assert_eq!(outcome(13), Outcome::MemoryLimit { limit: 1 << 20 });
}

#[test]
fn a_module_that_begins_beyond_the_memory_limit_is_refused() {
    let wasm = module(
        r#"(module (memory (export "memory") 1025) (func (export "__guest_call") (param i32 i32) (result i32) i32.const 1))"#,
    );
    match Policy::load(&host(), &wasm).map(|policy| policy.call("validate", Vec::new())) {
        Err(LoadError::Compile(reason)) => assert!(reason.contains("67174400"), "{reason}"),
        // Where there is no pool, the instance is refused instead.
        outcome => assert_eq!(outcome.unwrap(), Outcome::MemoryLimit { limit: 64 << 20 }),
    }
}

#[test]
fn endless_guests_end_at_their_deadline() {
    let host =
        Host::new(HostOptions { timeout: Duration::from_millis(100), ..HostOptions::default() }).unwrap();
    let endless_start = "(func $f (loop (br 0))) (start $f)";
    let endless_init = r#"(func (export "wapc_init") (loop (br 0)))"#;
    let endless_print =
        "(loop (drop (call $fd_write (i32.const 1) (i32.const 4096) (i32.const 1000) (i32.const 8))) (br 0))";
    for wasm in [
        guest("(loop (br 0))"),
        guest_with(endless_start, ""),
        guest_with(endless_init, ""),
        guest(endless_print),
    ] {
        let policy = Policy::load(&host, &wasm).unwrap();
        let started = Instant::now();
        let outcome = policy.call("validate", Vec::new());
        assert_eq!(outcome, Outcome::DeadlineExceeded);
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    }
    let review =
        Policy::load(&host, &guest("(loop (br 0))")).unwrap().review(REVIEW.as_bytes(), &Settings::default());
    let review = String::from_utf8(review.unwrap()).unwrap();
    expect![[r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u-1","allowed":false,"status":{"message":"Policy execution interrupted because it exceeded the allowed execution time","code":500},"auditAnnotations":null,"warnings":null}}"#]].assert_eq(&review);
}

#[test]
fn a_verdict_that_is_given_twice_is_a_failure() {
    check(
        &module(include_str!("guests/dup_accepted.wat")),
        expect![[
            r#"internal server error: cannot understand the policy's answer: duplicate field "accepted""#
        ]],
    );
    let accepted = load(&module(include_str!("guests/accept.wat")))
        .review(REVIEW.as_bytes(), &Settings::default())
        .unwrap();
    assert!(String::from_utf8(accepted).unwrap().contains(r#""allowed":true"#));
}

/// What a guest writes in one review, by whichever way, is a bounded part of the log.
#[test]
fn a_guest_that_writes_without_end_fills_no_log() {
    let call = |namespace: &str, operation: &str, payload: &str| {
        let text = format!("kubewarden{namespace}{operation}{payload}");
        let module = format!(r#"(data (i32.const 640) "{}")"#, text.replace('"', "\\\""));
        let mut call = "(call $host_call".to_owned();
        let mut at = 640;
        for length in [10, namespace.len(), operation.len(), payload.len()] {
            call += &format!(" (i32.const {at}) (i32.const {length})");
            at += length;
        }
        guest_with(&module, &format!("(loop (drop {call})) (br 0))"))
    };
    let endless = [
        module(include_str!("guests/console_endless.wat")),
        guest("(loop (call $console_log (i32.const 128) (i32.const 17)) (br 0))"),
        guest(
            "(i32.store (i32.const 0) (i32.const 8)) (i32.store (i32.const 4) (i32.const 200000)) (loop (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 256))) (br 0))",
        ),
        call("tracing", "log", r#"{"level":"error","message":"again"}"#),
        call("tracing", "log", "not an event"),
        call("oci", "v1/verify", "1"),
    ];
    for wasm in endless {
        let workspace = Workspace::new();
        workspace.file("guest.wasm", wasm).file("review.json", REVIEW);
        let ran = workspace.harness(&[
            "-v",
            "run",
            "guest.wasm",
            "-r",
            "review.json",
            "--timeout-ms",
            "500",
            "--allowed-host-capabilities",
            "net/*",
        ]);
        let Ran { code, stdout, stderr } = ran;
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stdout.contains(r#""allowed":false"#) && stdout.contains(r#""code":500"#), "{stdout}");
        let told = "what the policy says further in this call is left out";
        assert_eq!(stderr.matches(told).count(), 1, "{stderr}");
        assert!(stderr.len() < 64 << 10, "{} bytes are logged", stderr.len());
        assert!(stderr.lines().all(|line| line.len() < 8 << 10), "{stderr}");
    }
}

#[test]
fn what_is_no_guest_is_refused_by_name() {
    expect![[r##"not a wasm module: it begins with "#!/bin/s", not with "\0asm" and version 1"##]]
        .assert_eq(&refused(b"#!/bin/sh"));
    expect![[r#"not a wasm module: it begins with nothing, not with "\0asm" and version 1"#]]
        .assert_eq(&refused(b""));
    assert!(refused(b"\0asm\x01\0\0\0\xff").starts_with("cannot compile the wasm module: "));
    expect![[r#"the wasm module has no memory "memory" among its exports, so it is not a waPC guest"#]]
        .assert_eq(&refused(&module(
            r#"(module (func (export "__guest_call") (param i32 i32) (result i32) i32.const 1))"#,
        )));
    expect![[
        r#"the wasm module has no function "__guest_call" among its exports, so it is not a waPC guest"#
    ]]
    .assert_eq(&refused(&module(r#"(module (memory (export "memory") 1))"#)));
    expect![[
        r#"the wasm module has no function "__guest_call" among its exports, so it is not a waPC guest"#
    ]]
    .assert_eq(&refused(&module(
        r#"(module (memory (export "memory") 1) (global (export "__guest_call") i32 i32.const 0))"#,
    )));
}

#[test]
fn unknown_imports_are_named() {
    let importing = |module_name: &str, name: &str| {
        refused(&module(&format!(
            r#"(module (import "{module_name}" "{name}" (func)) (memory (export "memory") 1) (func (export "__guest_call") (param i32 i32) (result i32) i32.const 1))"#
        )))
    };
    expect![[r#"the wasm module imports "env.sin", which this host does not offer: only waPC's functions (module "wapc") and WASI preview 1 (module "wasi_snapshot_preview1")"#]]
        .assert_eq(&importing("env", "sin"));
    assert!(importing("wapc", "__other").starts_with("the wasm module imports \"wapc.__other\""));
    assert!(
        importing("wasi_snapshot_preview1", "fork")
            .starts_with("the wasm module imports \"wasi_snapshot_preview1.fork\"")
    );
    assert!(
        importing("wapc", "__guest_request")
            .starts_with("cannot link the wasm module: incompatible import type for `wapc::__guest_request`")
    );
}

#[test]
fn functions_of_another_signature_are_refused() {
    let wasm = module(r#"(module (memory (export "memory") 1) (func (export "__guest_call")))"#);
    expect![[
        r#"the wasm module's "__guest_call" is not a function (i32, i32) -> i32, so it is not a waPC guest"#
    ]]
    .assert_eq(&refused(&wasm));
    expect![[r#"the wasm module's "wapc_init" is not a function () -> (), so it is not a waPC guest"#]]
        .assert_eq(&refused(&guest_with(r#"(func (export "wapc_init") (param i32))"#, "")));
}
