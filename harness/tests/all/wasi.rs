//! WASI preview 1 with nothing in it.

use std::time::{Duration, Instant};

use harness::Outcome;

use crate::support::{REVIEW, Workspace, guest, load};

/// The guest traps where something is not as it must be.
#[track_caller]
fn holds(validate: &str) {
    let outcome = load(&guest(validate)).call("validate", Vec::new());
    assert_eq!(outcome, Outcome::Answer(br#"{"accepted":true}"#.to_vec()));
}

#[test]
fn there_are_no_arguments_and_no_environment() {
    for function in ["$args_sizes_get", "$environ_sizes_get"] {
        holds(&format!(
            "(i64.store (i32.const 512) (i64.const -1))
             (call $must (call {function} (i32.const 512) (i32.const 516)) (i32.const 0))
             (call $must (i32.load (i32.const 512)) (i32.const 0))
             (call $must (i32.load (i32.const 516)) (i32.const 0))"
        ));
    }
}

#[test]
fn there_are_no_files() {
    holds("(call $must (call $fd_prestat_get (i32.const 3) (i32.const 512)) (i32.const 8))");
    holds(
        "(call $must (call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
           (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 512)) (i32.const 8))",
    );
    holds(
        "(call $must (call $fd_write (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 512)) (i32.const 8))",
    );
    holds(
        "(i32.store (i32.const 512) (i32.const 7))
         (call $must (call $fd_read (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512)) (i32.const 0))
         (call $must (i32.load (i32.const 512)) (i32.const 0))",
    );
}

#[test]
fn clocks_and_random_bytes_are_real() {
    // The time of day is after 2020; two times sixteen random bytes are neither zero nor equal.
    holds(
        "(call $must (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 512)) (i32.const 0))
         (call $must (i64.gt_u (i64.load (i32.const 512)) (i64.const 1577836800000000000)) (i32.const 1))
         (call $must (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 512)) (i32.const 0))
         (call $must (call $clock_time_get (i32.const 9) (i64.const 0) (i32.const 512)) (i32.const 28))
         (call $must (call $random_get (i32.const 512) (i32.const 16)) (i32.const 0))
         (call $must (call $random_get (i32.const 528) (i32.const 16)) (i32.const 0))
         (call $must (i64.eqz (i64.load (i32.const 512))) (i32.const 0))
         (call $must (i64.eq (i64.load (i32.const 512)) (i64.load (i32.const 528))) (i32.const 0))",
    );
}

#[test]
fn what_a_guest_prints_is_logged_and_not_printed() {
    let print = "
        (i32.store (i32.const 512) (i32.const 544)) (i32.store (i32.const 516) (i32.const 12))
        (i64.store (i32.const 544) (i64.const 0x206f6c6c6568_0a61)) (i32.store (i32.const 552) (i32.const 0x21796f62))
        (call $must (call $fd_write (i32.const 1) (i32.const 512) (i32.const 1) (i32.const 520)) (i32.const 0))
        (call $must (i32.load (i32.const 520)) (i32.const 12))
        (call $console_log (i32.const 544) (i32.const 1))";
    let workspace = Workspace::new();
    workspace.file("guest.wasm", guest(print)).file("review.json", REVIEW);
    let ran = workspace.harness(&["run", "guest.wasm", "-r", "review.json", "-v"]);
    let log = ran.stderr.clone();
    assert_eq!(
        ran.done(),
        "{\"uid\":\"u-1\",\"allowed\":true,\"auditAnnotations\":null,\"warnings\":null}\n"
    );
    assert!(log.contains("hello boy!") && log.contains("stream=\"stdout\""), "{log}");
    let quiet = workspace.harness(&["run", "guest.wasm", "-r", "review.json"]);
    assert_eq!(quiet.stderr, "");
}

/// Waits for `nanoseconds` of the monotonic clock, as `thread::sleep` does.
fn sleeping(nanoseconds: u64) -> String {
    format!(
        "(i64.store (i32.const 512) (i64.const 77)) (i32.store8 (i32.const 520) (i32.const 0))
         (i32.store (i32.const 528) (i32.const 1)) (i64.store (i32.const 536) (i64.const {nanoseconds}))
         (call $must
           (call $poll_oneoff (i32.const 512) (i32.const 600) (i32.const 1) (i32.const 700)) (i32.const 0))
         (call $must (i32.load (i32.const 700)) (i32.const 1))
         (call $must (i64.eq (i64.load (i32.const 600)) (i64.const 77)) (i32.const 1))"
    )
}

#[test]
fn a_guest_that_sleeps_answers_afterwards() {
    let began = Instant::now();
    holds(&sleeping(30_000_000));
    assert!(began.elapsed() >= Duration::from_millis(30), "{:?}", began.elapsed());
    holds(
        "(call $must (call $poll_oneoff (i32.const 512) (i32.const 600) (i32.const 0) (i32.const 700)) (i32.const 28))",
    );
}

#[test]
fn a_sleep_is_of_the_calls_time_and_ends_with_it() {
    for endless in [3_600_000_000_000, u64::MAX] {
        let workspace = Workspace::new();
        workspace.file("guest.wasm", guest(&sleeping(endless))).file("review.json", REVIEW);
        let began = Instant::now();
        let line =
            workspace.harness(&["run", "guest.wasm", "-r", "review.json", "--timeout-ms", "100"]).done();
        assert!(line.contains("Policy execution interrupted"), "{line}");
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    }
}
