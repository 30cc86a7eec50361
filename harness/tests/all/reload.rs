//! Policies that change while they are served, and those that are not there yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::{Certificate, Client, StatusCode};
use tokio::task::JoinSet;

use crate::server::{POLICIES, Server, add_policy, add_unasked_policy, workspace};
use crate::support::{REVIEW, Workspace, guest, guest_with};

const RELOADED: &str = "the policies were reloaded";

/// A policies file whose only policy adds the label with this value.
fn adding(value: &str) -> String {
    format!(
        "adding: {{module: 'file://label.wasm', settings: {{label: owner, value: {value}}}, allowedToMutate: true}}\n"
    )
}

/// Puts a file in the place of another one at once, as editors and kubelets do.
fn replace(workspace: &Workspace, name: &str, text: &str) {
    workspace.file("new", text);
    std::fs::rename(workspace.path("new"), workspace.path(name)).unwrap();
}

async fn answer(server: &Server, path: &str) -> String {
    let (status, text) = server.post(path, REVIEW).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    text
}

async fn metric(server: &Server, line: &str) -> bool {
    server.get("/metrics").await.1.lines().any(|it| it == line)
}

#[tokio::test]
async fn a_policies_file_that_changes_is_served() {
    let workspace = workspace();
    let server = Server::ready(&workspace, &adding("bob"), &[]);
    assert!(answer(&server, "/validate/adding").await.contains("owner=bob"));
    let new = "new: {module: 'file://label.wasm', settings: {label: a}}\n";
    replace(&workspace, "policies.yml", &format!("{}{new}", adding("eve")));
    server.told(RELOADED);
    assert!(answer(&server, "/validate/adding").await.contains("owner=eve"));
    assert!(answer(&server, "/validate/new").await.contains(r#"label \"a\" is missing"#));
    assert!(metric(&server, r#"harness_policies_reloads_total{result="applied"} 1"#).await);
    replace(&workspace, "policies.yml", &adding("eve"));
    server.told(RELOADED);
    assert_eq!(server.post("/validate/new", REVIEW).await.0, StatusCode::NOT_FOUND);
    assert!(answer(&server, "/validate/adding").await.contains("owner=eve"));
}

#[tokio::test]
async fn a_module_that_takes_another_ones_place_is_served() {
    let workspace = workspace();
    add_policy(&workspace, "refuses", &guest(r#"(return (i32.const 0))"#));
    let server = Server::ready(&workspace, &adding("bob"), &[]);
    assert!(answer(&server, "/validate/adding").await.contains(r#""allowed":true"#));
    std::fs::rename(workspace.path("refuses.wasm"), workspace.path("label.wasm")).unwrap();
    server.told(RELOADED);
    assert!(answer(&server, "/validate/adding").await.contains(r#""allowed":false"#));
}

#[tokio::test]
async fn what_cannot_be_served_changes_nothing_and_is_told_until_it_can() {
    let workspace = workspace();
    let good = adding("bob");
    let server = Server::ready(&workspace, &good, &[]);
    let successful = "harness_policies_last_reload_successful";
    assert_eq!(server.get("/readiness").await, (StatusCode::OK, "ok".to_owned()));
    let bad = [
        "adding: {".to_owned(),
        String::new(),
        adding("eve").replace("label.wasm", "gone.wasm"),
        adding("eve").replace("label: owner", "lable: owner"),
        // Half of it could be.
        format!("{}other: {{module: 'file://raw-label.wasm'}}\n", adding("eve")),
    ];
    for (number, bad) in bad.iter().enumerate() {
        replace(&workspace, "policies.yml", bad);
        let told = server.told("cannot reload the policies; those of before are served on");
        assert!(told["error"].as_str().unwrap().starts_with("cannot "), "{told}");
        assert!(answer(&server, "/validate/adding").await.contains("owner=bob"), "{bad}");
        assert_eq!(server.post("/validate/other", REVIEW).await.0, StatusCode::NOT_FOUND);
        let (status, text) = server.get("/readiness").await;
        assert_eq!(status, StatusCode::OK, "what is served is good");
        assert!(text.starts_with("ok, but not all of what the policies file says now is served"), "{text}");
        assert!(metric(&server, &format!("{successful} 0")).await);
        let failed = format!(r#"harness_policies_reloads_total{{result="failed"}} {}"#, number + 1);
        assert!(metric(&server, &failed).await, "{failed}");
    }
    replace(&workspace, "policies.yml", &good);
    server.told("the policies file says again what is served");
    assert_eq!(server.get("/readiness").await, (StatusCode::OK, "ok".to_owned()));
    assert!(metric(&server, &format!("{successful} 1")).await);
}

#[tokio::test]
async fn told_to_continue_it_keeps_the_old_one_of_what_cannot_be_prepared_and_serves_the_rest() {
    let workspace = workspace();
    let server = Server::ready(&workspace, &adding("bob"), &["--continue-on-errors"]);
    let other = "other: {module: 'file://label.wasm', settings: {label: a}}\n";
    let half = format!("{}{other}", adding("eve").replace("label.wasm", "gone.wasm"));
    replace(&workspace, "policies.yml", &half);
    server.told("cannot reload the policies; those of before are served on");
    assert!(answer(&server, "/validate/adding").await.contains("owner=bob"));
    assert!(answer(&server, "/validate/other").await.contains(r#"label \"a\" is missing"#));
    // What was said before is not what is served.
    replace(&workspace, "policies.yml", &adding("bob"));
    server.told(RELOADED);
    assert_eq!(server.post("/validate/other", REVIEW).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_reloads_of_policies_and_new_certificates_fail_no_review() {
    let workspace = workspace();
    let made = || {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (pair.cert.pem(), pair.signing_key.serialize_pem())
    };
    let certificates = [made(), made(), made()];
    let trusted: Vec<_> =
        certificates.iter().map(|(pem, _)| Certificate::from_pem(pem.as_bytes()).unwrap()).collect();
    let serve = |number: usize| {
        workspace.file("tls.key", &certificates[number].1).file("tls.crt", &certificates[number].0);
    };
    serve(0);
    let server = Server::ready(&workspace, &adding("v0"), &["--cert-file=tls.crt", "--key-file=tls.key"]);
    let url = format!("https://localhost:{}/validate/adding", server.reviews);
    let (ended, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut callers = JoinSet::new();
    for number in 0..6 {
        // Some keep their connection, the others have a new one each time.
        let kept = if number % 2 == 0 { 1 } else { 0 };
        let client = Client::builder().tls_certs_only(trusted.clone()).pool_max_idle_per_host(kept).build();
        let (client, url, ended, answered) = (client.unwrap(), url.clone(), ended.clone(), answered.clone());
        callers.spawn(async move {
            while !ended.load(Ordering::Relaxed) {
                let request = client.post(&url).header("content-type", "application/json").body(REVIEW);
                let answer = request.send().await.expect("it is answered");
                assert_eq!(answer.status(), StatusCode::OK);
                let text = answer.text().await.unwrap();
                assert!(text.contains(r#""allowed":true"#) && text.contains("owner=v"), "{text}");
                answered.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
    }
    for time in 1..=20 {
        if time % 8 == 0 {
            serve(time / 8);
        }
        replace(&workspace, "policies.yml", &adding(&format!("v{time}")));
        server.hang_up();
        server.told(RELOADED);
    }
    let newest =
        Client::builder().tls_certs_only([trusted[2].clone()]).pool_max_idle_per_host(0).build().unwrap();
    let ask = async || newest.post(&url).header("content-type", "application/json").body(REVIEW).send().await;
    while ask().await.is_err() {
        assert!(callers.try_join_next().is_none(), "a caller has given up");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let before = answered.load(Ordering::Relaxed);
    while answered.load(Ordering::Relaxed) < before + 100 {
        assert!(callers.try_join_next().is_none(), "a caller has given up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ended.store(true, Ordering::Relaxed);
    callers.join_all().await;
}

#[tokio::test]
async fn policies_that_are_there_answer_while_others_are_prepared_and_the_readiness_waits_for_all() {
    let workspace = workspace();
    // Each of its instances takes its time to begin.
    let module = r#"(global $left (mut i64) (i64.const 4000000000))
        (func (export "wapc_init") (loop
            (global.set $left (i64.sub (global.get $left) (i64.const 1)))
            (br_if 0 (i64.ne (global.get $left) (i64.const 0)))))"#;
    add_unasked_policy(&workspace, "slow", &guest_with(module, ""));
    let policies =
        format!("{}slow: {{module: 'file://slow.wasm', timeoutEvalSeconds: 300}}\n", adding("bob"));
    let server = Server::start(&workspace, &policies, &["--policy-timeout=300"]);
    let early = async {
        assert!(answer(&server, "/validate/adding?timeout=300s").await.contains("owner=bob"));
        let waits = (StatusCode::SERVICE_UNAVAILABLE, "the policies are being prepared".to_owned());
        assert_eq!(server.get("/readiness").await, waits);
    };
    // It waits for its policy.
    let (slow, ()) = tokio::join!(server.post("/validate/slow?timeout=300s", REVIEW), early);
    assert!(slow.1.contains(r#""allowed":true"#), "{slow:?}");
    server.told("serving");
    assert_eq!(server.get("/readiness").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_review_whose_policy_is_not_there_in_time_gets_no_verdict() {
    let workspace = workspace();
    let module = r#"(func (export "wapc_init") (loop (br 0)))"#;
    add_unasked_policy(&workspace, "endless-start", &guest_with(module, ""));
    let policies = format!("{POLICIES}away: {{module: 'file://endless-start.wasm'}}\n");
    let server = Server::start(&workspace, &policies, &["--continue-on-errors", "--on-host-failure=defer"]);
    let (status, text) = server.post("/validate/away?timeout=1s", REVIEW).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.contains("the policy is being prepared"), "{text}");
}
