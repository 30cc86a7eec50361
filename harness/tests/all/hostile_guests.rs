//! Guests that mean harm, of every kind that is known, beside one that does not: each is answered for, the honest one is
//! answered after each of them, and the server's memory stays.

use std::fmt::Write as _;

use reqwest::StatusCode;

use crate::server::{Server, add_unasked_policy, memory_kib, workspace};
use crate::support::{REVIEW, guest, guest_with, module};

/// What all of them together may leave: an instance of each policy may keep a little for its next review.
const MORE_MEMORY_KIB: usize = 40 << 10;
/// Reviews of each.
const TIMES: usize = 3;

/// Where a guest's own data is: the frame uses what lies before.
const DATA: u32 = 65536;

/// A guest that answers with this text.
fn answers(text: &str) -> Vec<u8> {
    let escaped: String = text.bytes().fold(String::new(), |mut escaped, byte| {
        let _ = write!(escaped, "\\{byte:02x}");
        escaped
    });
    guest_with(
        &format!("(data (i32.const {DATA}) \"{escaped}\")"),
        &format!(
            "(call $guest_response (i32.const {DATA}) (i32.const {})) (return (i32.const 1))",
            text.len()
        ),
    )
}

/// A guest that answers with a text around so many of one byte.
fn answers_with_many(before: &str, byte: char, count: u32, after: &str) -> Vec<u8> {
    let escaped = |text: &str| text.replace('"', "\\\"");
    let (start, end) = (DATA + u32::try_from(before.len()).unwrap(), u32::try_from(after.len()).unwrap());
    let module =
        format!("(data (i32.const {DATA}) \"{}\") (data $after \"{}\")", escaped(before), escaped(after));
    let pages = count.div_ceil(65536);
    let validate = format!(
        "(drop (memory.grow (i32.const {pages})))
         (memory.fill (i32.const {start}) (i32.const {}) (i32.const {count}))
         (memory.init $after (i32.const {}) (i32.const 0) (i32.const {end}))
         (call $guest_response (i32.const {DATA}) (i32.const {}))
         (return (i32.const 1))",
        u32::from(byte),
        start + count,
        start - DATA + count + end
    );
    guest_with(&module, &validate)
}

/// A guest that calls the host so before it accepts.
fn calls(binding: &str, namespace: &str, operation: &str, payload: &str) -> Vec<u8> {
    let texts = [binding, namespace, operation, payload];
    let module = format!("(data (i32.const {DATA}) \"{}\")", texts.concat().replace('"', "\\\""));
    let mut call = "(drop (call $host_call".to_owned();
    let mut at = DATA as usize;
    for text in texts {
        let _ = write!(call, " (i32.const {at}) (i32.const {})", text.len());
        at += text.len();
    }
    guest_with(&module, &format!("{call}))"))
}

/// All kinds, with names that tell them apart.
fn kinds() -> Vec<(&'static str, Vec<u8>)> {
    let print = "(i32.store (i32.const 0) (i32.const 65536)) (i32.store (i32.const 4) (i32.const 65536))";
    let written = "(drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 256)))";
    let grow = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))";
    let get =
        r#"{"api_version":"v1","kind":"Secret","name":"x","namespace":"kube-system","disable_cache":true}"#;
    vec![
        // Traps
        ("unreachable", guest("unreachable")),
        ("division-by-zero", guest("(drop (i32.div_s (i32.const 1) (i32.const 0)))")),
        ("division-overflow", guest("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))")),
        ("no-integer", guest("(drop (i32.trunc_f64_s (f64.const nan)))")),
        ("load-outside", guest("(drop (i64.load (i32.const -1)))")),
        ("store-outside", guest("(i64.store (i32.const 0x7fffffff) (i64.const 1))")),
        ("fill-outside", guest("(memory.fill (i32.const 0) (i32.const 1) (i32.const -1))")),
        ("copy-outside", guest("(memory.copy (i32.const 0) (i32.const -9) (i32.const 99))")),
        (
            "call-of-nothing",
            guest_with("(table 1 funcref) (type $t (func))", "(call_indirect (type $t) (i32.const 0))"),
        ),
        (
            "call-outside-the-table",
            guest_with("(table 1 funcref) (type $t (func))", "(call_indirect (type $t) (i32.const 9))"),
        ),
        (
            "call-of-another-type",
            guest_with(
                "(table funcref (elem $must)) (type $t (func))",
                "(call_indirect (type $t) (i32.const 0))",
            ),
        ),
        ("endless-recursion", guest("(return (call $validate (i32.const 0)))")),
        // Time
        ("endless-loop", guest("(loop (br 0))")),
        (
            "endless-recursion-that-returns",
            guest_with(
                "(func $deep (param i32) (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1))))))",
                "(loop (call $deep (i32.const 1000)) (br 0))",
            ),
        ),
        (
            "endless-fill",
            guest("(loop (memory.fill (i32.const 65536) (i32.const 1) (i32.const 131072)) (br 0))"),
        ),
        (
            "endless-requests-of-its-request",
            guest("(loop (call $guest_request (i32.const 1024) (i32.const 2048)) (br 0))"),
        ),
        (
            "endless-clock",
            guest("(loop (drop (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 0))) (br 0))"),
        ),
        (
            "endless-random",
            guest("(loop (drop (call $random_get (i32.const 65536) (i32.const 131072))) (br 0))"),
        ),
        (
            "waits-for-ever",
            guest(
                "(loop (drop (call $poll_oneoff (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))) (br 0))",
            ),
        ),
        ("endless-start", guest_with(r#"(func (export "wapc_init") (loop (br 0)))"#, "")),
        // Memory
        ("grows-at-once", guest("(drop (memory.grow (i32.const 60000)))")),
        ("grows-without-end", guest(grow)),
        ("grows-when-it-begins", guest_with(&format!(r#"(func (export "wapc_init") {grow})"#), "")),
        (
            "touches-all-it-may-have",
            guest(
                "(drop (memory.grow (i32.const 1000))) (memory.fill (i32.const 0) (i32.const 1) (i32.const 65000000))",
            ),
        ),
        (
            "table-without-end",
            guest_with(
                "(table $t 1 funcref)",
                "(loop (br_if 0 (i32.ne (table.grow $t (ref.null func) (i32.const 10000)) (i32.const -1))))",
            ),
        ),
        (
            "begins-too-large",
            module(
                r#"(module (memory (export "memory") 20000) (func (export "__guest_call") (param i32 i32) (result i32) i32.const 1))"#,
            ),
        ),
        // Pointers
        ("response-outside", guest("(call $guest_response (i32.const -16) (i32.const 100))")),
        ("response-too-long", guest("(call $guest_response (i32.const 0) (i32.const -1))")),
        ("error-outside", guest("(call $guest_error (i32.const 262140) (i32.const 5))")),
        ("request-outside", guest("(call $guest_request (i32.const 262140) (i32.const 0))")),
        ("payload-outside", guest("(call $guest_request (i32.const 0) (i32.const -1))")),
        ("log-outside", guest("(call $console_log (i32.const -1) (i32.const 1))")),
        (
            "host-call-outside",
            guest(
                "(drop (call $host_call (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 9) (i32.const -9)))",
            ),
        ),
        (
            "answer-of-no-host-call",
            guest(
                "(call $host_response (i32.const -1)) (call $host_error (i32.const -1)) (drop (i32.add (call $host_response_len) (call $host_error_len)))",
            ),
        ),
        ("random-outside", guest("(drop (call $random_get (i32.const 0) (i32.const -1)))")),
        ("clock-outside", guest("(drop (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const -1)))")),
        (
            "clock-that-is-not",
            guest("(drop (call $clock_time_get (i32.const 99) (i64.const 0) (i32.const 0)))"),
        ),
        (
            "vectors-outside",
            guest("(drop (call $fd_write (i32.const 1) (i32.const -8) (i32.const 2) (i32.const 0)))"),
        ),
        (
            "vectors-by-the-million",
            guest("(drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 2000000000) (i32.const 0)))"),
        ),
        ("sizes-outside", guest("(drop (call $args_sizes_get (i32.const -1) (i32.const -1)))")),
        // The outside world
        (
            "writes-to-no-file",
            guest("(drop (call $fd_write (i32.const 99) (i32.const 0) (i32.const 1) (i32.const 0)))"),
        ),
        (
            "opens-a-file",
            guest(
                "(drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 0) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 0)))",
            ),
        ),
        (
            "reads-standard-input",
            guest("(drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))"),
        ),
        ("leaves", guest("(call $proc_exit (i32.const 0))")),
        ("leaves-with-a-code", guest("(call $proc_exit (i32.const 3))")),
        (
            "leaves-when-it-begins",
            guest_with(r#"(func (export "wapc_init") (call $proc_exit (i32.const 7)))"#, ""),
        ),
        ("prints-without-end", guest(&format!("{print} (loop {written} (br 0))"))),
        ("logs-without-end", guest("(loop (call $console_log (i32.const 65536) (i32.const 65536)) (br 0))")),
        ("unknown-binding", calls("another", "kubernetes", "get_resource", get)),
        ("unknown-namespace", calls("kubewarden", "files", "read", "/etc/shadow")),
        ("unknown-operation", calls("kubewarden", "kubernetes", "delete_resource", get)),
        ("secret-that-was-not-granted", calls("kubewarden", "kubernetes", "get_resource", get)),
        (
            "registry-that-was-not-granted",
            calls("kubewarden", "oci", "v1/manifest_digest", r#""registry.example.com/a:b""#),
        ),
        (
            "name-that-was-not-granted",
            calls("kubewarden", "net", "v1/dns_lookup_host", r#""metadata.google.internal""#),
        ),
        // Answers
        ("fails-without-a-word", guest("(return (i32.const 0))")),
        ("succeeds-without-a-word", guest("(return (i32.const 1))")),
        ("answers-and-fails", guest("(call $accept) (return (i32.const 0))")),
        (
            "error-as-large-as-its-memory",
            guest("(call $guest_error (i32.const 0) (i32.const 262144)) (return (i32.const 0))"),
        ),
        (
            "answers-without-end",
            guest(
                "(drop (memory.grow (i32.const 500))) (loop (call $guest_response (i32.const 0) (i32.const 30000000)) (br 0))",
            ),
        ),
        (
            "answer-of-zeros",
            guest("(call $guest_response (i32.const 0) (i32.const 262144)) (return (i32.const 1))"),
        ),
        (
            "answer-that-is-no-text",
            guest_with(
                r#"(data (i32.const 65536) "\ff\fe")"#,
                "(call $guest_response (i32.const 65536) (i32.const 2)) (return (i32.const 1))",
            ),
        ),
        ("empty-answer", answers("")),
        ("answer-that-is-cut-off", answers(r#"{"accepted":tr"#)),
        ("answer-and-more", answers(r#"{"accepted":true} {"accepted":true}"#)),
        ("two-verdicts", answers(r#"{"accepted":false,"accepted":true}"#)),
        ("verdict-by-another-spelling", answers(r#"{"accepted":false,"\u0061ccepted":true}"#)),
        ("no-verdict", answers(r#"{"message":"hello"}"#)),
        ("verdict-that-is-a-word", answers(r#"{"accepted":"yes"}"#)),
        ("code-out-of-range", answers(r#"{"accepted":false,"code":99999}"#)),
        ("warnings-that-are-numbers", answers(r#"{"accepted":true,"warnings":[1,2]}"#)),
        ("annotations-in-annotations", answers(r#"{"accepted":true,"audit_annotations":{"a":{"b":"c"}}}"#)),
        ("mutates-into-a-number", answers(r#"{"accepted":true,"mutated_object":7}"#)),
        ("mutates-into-a-surrogate", answers(r#"{"accepted":true,"mutated_object":{"a":"\ud800"}}"#)),
        ("answer-that-nests", answers_with_many(r#"{"accepted":true,"mutated_object":"#, '[', 100_000, "}")),
        (
            "message-of-megabytes",
            answers_with_many(r#"{"accepted":false,"message":""#, 'x', 3_000_000, r#""}"#),
        ),
        (
            "object-of-megabytes",
            answers_with_many(r#"{"accepted":true,"mutated_object":{"a":""#, 'x', 7_000_000, r#""}}"#),
        ),
        (
            "blanks-by-the-million",
            answers_with_many(r#"{"accepted":true,"#, ' ', 7_000_000, r#""code":null}"#),
        ),
    ]
}

#[tokio::test]
async fn guests_of_every_kind_are_answered_for_and_leave_no_memory_behind() {
    let workspace = workspace();
    let kinds = kinds();
    assert!(kinds.len() >= 56, "{}", kinds.len());
    let mut policies = "honest: {module: 'file://label.wasm', settings: {label: owner, value: bob}, allowedToMutate: true, timeoutEvalSeconds: 60}\n".to_owned();
    for (name, wasm) in &kinds {
        add_unasked_policy(&workspace, name, wasm);
        let _ = writeln!(
            policies,
            "{name}: {{module: 'file://{name}.wasm', timeoutEvalSeconds: 1, hostCapabilities: ['crypto/*'], allowedToMutate: true}}"
        );
    }
    let mut server = Server::ready(&workspace, &policies, &["--continue-on-errors"]);
    let honest = async |server: &Server, after: &str| {
        let (status, text) = server.post("/validate/honest", REVIEW).await;
        assert!(status.is_success() && text.contains("owner=bob"), "after {after}: {text}");
    };
    honest(&server, "nothing").await;
    let before = memory_kib(server.child.id());
    for (name, _) in &kinds {
        for _ in 0..TIMES {
            let (status, text) = server.post(&format!("/validate/{name}"), REVIEW).await;
            assert_eq!(status, StatusCode::OK, "{name}: {text:.300}");
            assert!(text.contains(r#""uid":"u-1""#), "{name}: {text:.300}");
            assert!(text.len() < 16 << 20, "{name}: an answer of {} bytes", text.len());
        }
        honest(&server, name).await;
        let now = memory_kib(server.child.id());
        eprintln!("{name}: {} KiB more", now.saturating_sub(before));
        assert!(now < before + MORE_MEMORY_KIB, "{name}: {before} KiB before, {now} KiB after");
    }
    assert!(server.child.try_wait().unwrap().is_none(), "it goes on");
}
