//! Bad input: exit code 1, nothing on standard output, and a message that names the file, field and value.

use expect_test::{Expect, expect};

use crate::support::{REVIEW, Workspace, guest, module};

/// A run with one file of the workspace replaced.
#[track_caller]
fn check(file: &str, content: impl AsRef<[u8]>, flags: &[&str], expected: Expect) {
    let workspace = Workspace::new();
    workspace.file("guest.wasm", guest("")).file("review.json", REVIEW).file("settings.yml", "a: 1\n");
    workspace.file(file, content);
    let arguments = [&["run", "guest.wasm", "-r", "review.json", "-s", "settings.yml"], flags].concat();
    expected.assert_eq(&workspace.harness(&arguments).failed());
}

#[test]
fn requests() {
    check(
        "review.json",
        "{\"request\": ",
        &[],
        expect![[r#"
        error: cannot read request review.json: not JSON: EOF while parsing a value at line 1 column 12
    "#]],
    );
    check(
        "review.json",
        "a: [1",
        &[],
        expect![[r#"
        error: cannot read request review.json: not YAML: unclosed bracket '[' at line 1, column 4
    "#]],
    );
    check(
        "review.json",
        "just words",
        &[],
        expect![[r#"
        error: cannot read request review.json: it is a text, not an AdmissionReview, a request or a manifest
    "#]],
    );
    check(
        "review.json",
        "",
        &[],
        expect![[r#"
        error: cannot read request review.json: it is empty
    "#]],
    );
    check(
        "review.json",
        b"\xff\xfe",
        &[],
        expect![[r#"
        error: cannot read review.json: not UTF-8: invalid utf-8 sequence of 1 bytes from index 0
    "#]],
    );
    check(
        "review.json",
        r#"{"a":1}"#,
        &[],
        expect![[r#"
        error: cannot read request review.json: it is not an AdmissionReview (no "request"), not a request (no "uid", no "operation") and not a manifest (no "apiVersion" and "kind")
    "#]],
    );
    check(
        "review.json",
        r#"{"kind":"AdmissionReview"}"#,
        &[],
        expect![[r#"
        error: cannot read request review.json: "request" is missing
    "#]],
    );
    check(
        "review.json",
        REVIEW.replace("userInfo", "user"),
        &[],
        expect![[r#"
        error: cannot read request review.json: "request.userInfo" is missing
    "#]],
    );
    check(
        "review.json",
        "apiVersion: v1\nkind: Pod\n---\napiVersion: a/b/c\nkind: Pod\n",
        &[],
        expect![[r#"
        error: cannot read request review.json: document 2: apiVersion: "a/b/c" is neither VERSION nor GROUP/VERSION
    "#]],
    );
    check(
        "other",
        "",
        &["-r", "nowhere.json"],
        expect![[r#"
        error: cannot read nowhere.json: No such file or directory (os error 2)
    "#]],
    );
}

#[test]
fn settings() {
    check(
        "settings.yml",
        "- a\n",
        &[],
        expect![[r#"
        error: cannot read settings settings.yml: settings must be a map of names to values, not a list
    "#]],
    );
    check(
        "settings.yml",
        "a: 1\na: 2\n",
        &[],
        expect![[r#"
        error: cannot read settings settings.yml: not YAML: duplicate mapping key `a` is not allowed here at line 2, column 1
    "#]],
    );
    // The guest itself says what is wrong: here it fails on what it is asked first.
    let refusing = include_str!("guests/frame.wat").replace(
        "{\\\"valid\\\":true,\\\"message\\\":null}",
        "{\\\"valid\\\":false,\\\"message\\\":\\\"a?\\\"}",
    );
    check(
        "guest.wasm",
        module(&refusing.replace("(i32.const 29)", "(i32.const 30)")),
        &[],
        expect![[r#"
        error: Provided settings are not valid: a?
    "#]],
    );
    let failing = include_str!("guests/frame.wat")
        .replace("(call $guest_response (i32.const 32) (i32.const 29))", "unreachable");
    check(
        "guest.wasm",
        module(&failing),
        &[],
        expect![[r#"
        error: Provided settings are not valid: cannot ask the policy about its settings: the guest trapped: wasm trap: wasm `unreachable` instruction executed
    "#]],
    );
}

#[test]
fn policies() {
    check(
        "guest.wasm",
        "#!/bin/sh\n",
        &[],
        expect![[r##"
        error: cannot run guest.wasm: not a wasm module: it begins with "#!/bin/s", not with "\0asm" and version 1
    "##]],
    );
    check(
        "guest.wasm",
        module(r#"(module (memory (export "memory") 1))"#),
        &[],
        expect![[r#"
        error: cannot run guest.wasm: the wasm module has no function "__guest_call" among its exports, so it is not a waPC guest
    "#]],
    );
    check(
        "guest.wasm",
        module(r#"(module (import "env" "sin" (func)))"#),
        &[],
        expect![[r#"
        error: cannot run guest.wasm: the wasm module imports "env.sin", which this host does not offer: only waPC's functions (module "wapc") and WASI preview 1 (module "wasi_snapshot_preview1")
    "#]],
    );
    let opa = harness::wasm_section::replace(
        &guest(""),
        harness::metadata::SECTION,
        br#"{"mutating":false,"executionMode":"opa"}"#,
    )
    .unwrap();
    check(
        "guest.wasm",
        opa,
        &[],
        expect![[r#"
        error: cannot run guest.wasm: it is written in Rego (execution mode opa), which is not run here: kwctl and policy-server run it
    "#]],
    );
    let workspace = Workspace::new();
    workspace.file("review.json", REVIEW);
    expect![[r#"
        error: cannot read nowhere.wasm: No such file or directory (os error 2)
    "#]]
    .assert_eq(&workspace.harness(&["run", "nowhere.wasm", "-r", "review.json"]).failed());
    expect![[r#"
        error: cannot read ftp://x/y: scheme "ftp" is none of file, https and registry
    "#]]
    .assert_eq(&workspace.harness(&["run", "ftp://x/y", "-r", "review.json"]).failed());
}

#[test]
fn sessions() {
    check(
        "session.yml",
        "a: 1\n",
        &["--replay-host-capabilities-interactions", "session.yml"],
        expect![[r#"
        error: cannot read session session.yml: not a recorded session: expected sequence start at line 1, column 1
    "#]],
    );
}

#[test]
fn an_endless_policy_is_an_answer_and_not_a_hang() {
    let workspace = Workspace::new();
    workspace.file("guest.wasm", guest("(loop (br 0))")).file("review.json", REVIEW);
    let line = workspace.harness(&["run", "guest.wasm", "-r", "review.json", "--timeout-ms", "100"]).done();
    expect![[r#"
        {"uid":"u-1","allowed":false,"status":{"message":"Policy execution interrupted because it exceeded the allowed execution time","code":500},"auditAnnotations":null,"warnings":null}
    "#]]
    .assert_eq(&line);
}

#[test]
fn a_greedy_policy_is_an_answer_too() {
    let workspace = Workspace::new();
    workspace.file("guest.wasm", guest("(drop (memory.grow (i32.const 200)))")).file("review.json", REVIEW);
    let run = |limit| {
        workspace.harness(&["run", "guest.wasm", "-r", "review.json", "--memory-limit-mib", limit]).done()
    };
    assert!(run("16").contains("\"allowed\":true"));
    assert!(run("8").contains("more than its limit of 8 MiB of memory"));
}
