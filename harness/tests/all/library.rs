//! What a server relies on: instances of their own, initialisers in order, many calls at once.

use std::time::Duration;

use harness::{Host, HostOptions, Outcome, Policy, Settings};

use crate::support::{REVIEW, guest, guest_with, load, module};

const ACCEPTED: &[u8] = br#"{"accepted":true}"#;

#[test]
fn the_guest_reads_the_request_as_it_came() {
    let policy =
        load(&guest("(call $guest_response (i32.const 2048) (local.get $payload)) (return (i32.const 1))"));
    let payload = br#"{"request": {"a" : 1e400} ,"settings":{}}"#;
    assert_eq!(policy.call("validate", payload.to_vec()), Outcome::Answer(payload.to_vec()));
    let operation =
        load(&guest("(call $guest_response (i32.const 1024) (i32.const 8)) (return (i32.const 1))"));
    assert_eq!(operation.call("validate", Vec::new()), Outcome::Answer(b"validate".to_vec()));
}

#[test]
fn nothing_of_one_call_reaches_the_next() {
    // The byte at 512 is zero in a fresh instance; the guest then leaves a mark all over its memory.
    let policy = load(&guest(
        "(call $must (i32.load8_u (i32.const 512)) (i32.const 0))
         (call $must (i32.load8_u (i32.const 262143)) (i32.const 0))
         (call $must (memory.size) (i32.const 4))
         (drop (memory.grow (i32.const 8)))
         (i32.store8 (i32.const 512) (i32.const 1))
         (i32.store8 (i32.const 262143) (i32.const 1))",
    ));
    for _ in 0..50 {
        assert_eq!(policy.call("validate", Vec::new()), Outcome::Answer(ACCEPTED.to_vec()));
    }
}

#[test]
fn initialisers_run_in_their_order() {
    // Each initialiser checks that the one before it has run.
    let module = r#"
        (global $step (mut i32) (i32.const 0))
        (func $next (param i32) (call $must (global.get $step) (local.get 0))
          (global.set $step (i32.add (global.get $step) (i32.const 1))))
        (func $f (call $next (i32.const 0)) (call $console_log (i32.const 128) (i32.const 4))) (start $f)
        (func (export "wapc_init") (call $next (i32.const 3)))
        (func (export "_start") (call $next (i32.const 2)) (call $proc_exit (i32.const 0)))
        (func (export "_initialize") (call $next (i32.const 1)))"#;
    let policy = load(&guest_with(module, "(call $must (global.get $step) (i32.const 4))"));
    assert_eq!(policy.call("validate", Vec::new()), Outcome::Answer(ACCEPTED.to_vec()));
}

#[test]
fn a_program_that_fails_to_start_is_not_asked() {
    let start = r#"(func (export "_start") (call $proc_exit (i32.const 3)))"#;
    let outcome = load(&guest_with(start, "")).call("validate", Vec::new());
    assert_eq!(outcome, Outcome::Trap("the guest exited with code 3".into()));
}

#[test]
fn more_calls_than_instances_wait_their_turn() {
    let host = Host::new(HostOptions { concurrency: 2, ..HostOptions::default() }).unwrap();
    let policy = Policy::load(&host, &guest("")).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..100 {
                    assert_eq!(policy.call("validate", Vec::new()), Outcome::Answer(ACCEPTED.to_vec()));
                }
            });
        }
    });
}

#[test]
fn waiting_counts_towards_the_deadline() {
    let options =
        HostOptions { concurrency: 1, timeout: Duration::from_millis(200), ..HostOptions::default() };
    let host = Host::new(options).unwrap();
    let endless = Policy::load(&host, &guest("(loop (br 0))")).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(endless.call("validate", Vec::new()), Outcome::DeadlineExceeded));
        }
    });
    // All of them are gone, and the one place is free again.
    assert_eq!(endless.protocol_version(), Ok("v1".into()));
}

#[test]
fn a_review_is_answered_by_a_review() {
    let answer = load(&guest("")).review(REVIEW.as_bytes(), &Settings::default()).unwrap();
    assert_eq!(
        String::from_utf8(answer).unwrap(),
        r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u-1","allowed":true,"auditAnnotations":null,"warnings":null}}"#
    );
}

/// Keeps the length of its settings at 64, and counts at 68 how often it was initialised. It admits when both
/// are as they are in an instance that has its settings inside.
const KEEPS: &str = r#"(module
  (import "wapc" "__guest_request" (func $guest_request (param i32 i32)))
  (import "wapc" "__guest_response" (func $guest_response (param i32 i32)))
  (memory (export "memory") 1)
  (global $stack_pointer (mut i32) (i32.const 1024))
  (data (i32.const 16) "true")
  (data (i32.const 128) "{\"accepted\":true}")
  (func (export "wapc_init") (i32.store (i32.const 68) (i32.add (i32.load (i32.const 68)) (i32.const 1))))
  (func (export "__guest_call") (param $operation i32) (param $payload i32) (result i32)
    (call $guest_request (i32.const 1024) (i32.const 2048))
    (if (i32.eq (local.get $operation) (i32.const 16))
      (then
        (i32.store (i32.const 64) (local.get $payload))
        (call $guest_response (i32.const 16) (i32.const 4)) (return (i32.const 1))))
    (if (i32.ne (i32.load (i32.const 64)) (i32.const 7)) (then unreachable))
    (if (i32.ne (i32.load (i32.const 68)) (i32.const 1)) (then unreachable))
    (i32.store (i32.const 64) (i32.const 0))
    (call $guest_response (i32.const 128) (i32.const 17)) (i32.const 1)))"#;

#[test]
fn a_guest_that_keeps_its_settings_begins_with_them() {
    let wasm = module(KEEPS);
    let settings = Settings::parse(r#"{"a":1}"#).unwrap();
    let policy = load(&wasm);
    let allowed = |policy: &Policy| {
        let answer = policy.review(REVIEW.as_bytes(), &settings).unwrap();
        String::from_utf8(answer).unwrap().contains(r#""allowed":true"#)
    };
    assert!(!allowed(&policy));
    let prepared = policy.prepared(&wasm, &settings);
    // Each instance is one of its own: the first one forgets its settings, the second one has them.
    assert!(allowed(&prepared) && allowed(&prepared));
    assert_eq!(prepared.digest(), policy.digest());
}

#[test]
fn a_guest_that_does_not_is_sent_them_with_each_request() {
    // It answers what it does not know with something else than a yes.
    let wasm = guest("(call $guest_response (i32.const 2048) (local.get $payload)) (return (i32.const 1))");
    let settings = Settings::parse(r#"{"a":1}"#).unwrap();
    let policy = load(&wasm).prepared(&wasm, &settings);
    let payload = br#"{"request": {"a" : 1e400} ,"settings":{}}"#;
    assert_eq!(policy.call("validate", payload.to_vec()), Outcome::Answer(payload.to_vec()));
}
