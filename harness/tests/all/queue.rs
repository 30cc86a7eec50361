//! Who is next where more reviews come than there are workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;

use crate::server::{Server, add_policy, workspace};
use crate::support::{REVIEW, guest_with};

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
