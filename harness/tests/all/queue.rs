//! Who is next where more reviews come than there are workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use reqwest::StatusCode;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::http2::{DATA, END_STREAM, frame, head, preface, stay};
use crate::server::{PATIENCE, Server, add_policy, workspace};
use crate::support::{REVIEW, guest_with};

/// A policy that is given all the time that it wants, and never answers.
const PATIENT: &str = "patient: {module: 'file://endless.wasm', timeoutEvalSeconds: 300}\n";

/// A policy that counts for a while before it accepts.
fn slow() -> Vec<u8> {
    let module = "(global $left (mut i32) (i32.const 0))";
    let count = "(global.set $left (i32.const 20000000))
        (loop
            (global.set $left (i32.sub (global.get $left) (i32.const 1)))
            (br_if 0 (global.get $left)))";
    guest_with(module, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_namespace_does_not_wait_for_one_that_floods() {
    const CROWD: usize = 80;
    let workspace = workspace();
    add_policy(&workspace, "slow", &slow());
    let policies = "slow: {module: 'file://slow.wasm', timeoutEvalSeconds: 300}\n";
    let server = Arc::new(Server::ready(&workspace, policies, &["--workers=1"]));
    let answered = Arc::new(AtomicUsize::new(0));
    let mut crowd = JoinSet::new();
    for _ in 0..CROWD {
        let (server, answered) = (server.clone(), answered.clone());
        crowd.spawn(async move {
            let (status, text) = server.post("/validate/slow", REVIEW).await;
            answered.fetch_add(1, Ordering::SeqCst);
            assert!(status.is_success() && text.contains(r#""allowed":true"#), "{text}");
        });
    }
    // Once it has begun.
    crowd.join_next().await.unwrap().unwrap();
    let before = answered.load(Ordering::SeqCst);
    let quiet = REVIEW.replace(r#""namespace":"shop""#, r#""namespace":"quiet""#);
    let (status, text) = server.post("/validate/slow", quiet).await;
    let others = answered.load(Ordering::SeqCst) - before;
    assert!(status.is_success() && text.contains(r#""allowed":true"#), "{text}");
    // In its order of arrival it would come after nearly all of them.
    assert!(others < CROWD / 2, "{others} of {CROWD} were answered before it");
    crowd.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_that_never_answer_keep_no_other_one_from_its_workers() {
    let workspace = workspace();
    let mut policies = String::new();
    for number in 0..4 {
        policies.push_str(&PATIENT.replace("patient", &format!("patient-{number}")));
    }
    policies.push_str("good: {module: 'file://label.wasm', settings: {label: owner, value: bob}, allowedToMutate: true, timeoutEvalSeconds: 300}\n");
    let server = Arc::new(Server::ready(&workspace, &policies, &["--workers=1"]));
    let mut stuck = JoinSet::new();
    for number in 0..8 {
        let server = server.clone();
        stuck.spawn(async move { server.post(&format!("/validate/patient-{}", number % 4), REVIEW).await });
    }
    // Also while the first of them begin.
    for _ in 0..20 {
        let (status, text) = server.post("/validate/good", REVIEW).await;
        assert!(status.is_success() && text.contains(r#""allowed":true"#), "{text}");
    }
    assert_eq!(stuck.len(), 8);
    assert!(stuck.try_join_next().is_none(), "none of them was answered");
}

/// As many reviews as one connection may have at a time, all of a policy that never answers.
async fn fifty_reviews(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", server.reviews)).await.unwrap();
    stream.write_all(&preface()).await.unwrap();
    for number in 0..50 {
        let id = 2 * number + 1;
        let head = head("/validate/patient", id, REVIEW.len());
        stream.write_all(&[head, frame(DATA, END_STREAM, id, REVIEW.as_bytes())].concat()).await.unwrap();
    }
    stream
}

/// What one more review is answered once the queue is full.
async fn answer_of_a_full_queue(arguments: &[&str]) -> (StatusCode, String) {
    let workspace = workspace();
    let server = Server::ready(&workspace, PATIENT, &[&["--workers=1"], arguments].concat());
    // Of 1,050 two are worked on in the end, and 1,024 may wait. Those that came before the second one had its worker, and
    // found no place, were answered, so that places may be free: more come until none is.
    let mut waiting = JoinSet::new();
    for _ in 0..20 {
        waiting.spawn(stay(fifty_reviews(&server).await));
    }
    let start = Instant::now();
    loop {
        waiting.spawn(stay(fifty_reviews(&server).await));
        // What was sent is not yet what waits: the server reads it when it comes to it.
        let (status, text) = server.post("/validate/patient?timeout=500ms", REVIEW).await;
        if !text.contains("exceeded the allowed execution time") {
            return (status, text);
        }
        assert!(start.elapsed() < 10 * PATIENCE, "the queue is never full");
        assert!(waiting.try_join_next().is_none(), "a connection was ended");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_full_queue_deferring_the_failure_policy_decides() {
    let (status, text) = answer_of_a_full_queue(&["--on-host-failure=defer"]).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.contains("too many reviews wait"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_full_queue_the_default_is_a_refusal_as_policy_server_gives_it() {
    let (status, text) = answer_of_a_full_queue(&[]).await;
    assert_eq!(status, StatusCode::OK);
    let expected = r#""response":{"uid":"u-1","allowed":false,"status":{"message":"internal server error: too many reviews wait","code":500}"#;
    assert!(text.contains(expected), "{text}");
}
