//! What an API server gets where there is no verdict: `--on-host-failure` and the query's `timeout`.

use std::time::{Duration, Instant};

use reqwest::StatusCode;

use crate::server::{POLICIES, Server, add_policy, workspace};
use crate::support::{REVIEW, guest};

const FAILING: [(&str, &str, &str); 3] = [
    ("trap", "unreachable", "wasm `unreachable` instruction executed"),
    ("greedy", "(drop (memory.grow (i32.const 2000)))", "more than its limit of 64 MiB of memory"),
    ("late", "(loop (br 0))", "exceeded the allowed execution time"),
];

/// A server with a policy for each way to fail, and ones that do not.
fn serving(arguments: &[&str]) -> Server {
    let workspace = workspace();
    let mut policies = POLICIES.to_owned();
    for (name, validate, _) in FAILING {
        add_policy(&workspace, name, &guest(validate));
        policies.push_str(&format!("{name}: {{module: 'file://{name}.wasm', timeoutEvalSeconds: 1}}\n"));
    }
    policies.push_str("watching-trap: {module: 'file://trap.wasm', policyMode: monitor}\n");
    policies.push_str("patient: {module: 'file://endless.wasm', timeoutEvalSeconds: 300}\n");
    Server::ready(&workspace, &policies, arguments)
}

#[tokio::test]
async fn deferring_the_failure_policy_decides_where_there_is_no_verdict() {
    let server = serving(&["--on-host-failure=defer"]);
    for (name, _, reason) in FAILING {
        let answer = server.send(&format!("/validate/{name}"), REVIEW).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{name}");
        // An API server would ask again.
        assert!(!answer.headers().contains_key("retry-after"), "{name}");
        let text = answer.text().await.unwrap();
        assert!(text.contains(reason) && text.contains("\"status\":503"), "{text}");
    }
    // A verdict is a verdict; a policy that watches stops nobody; an audit is no admission.
    let (status, text) = server.post("/validate/strict", REVIEW).await;
    assert!(status.is_success() && text.contains("\"allowed\":false"), "{text}");
    let (status, text) = server.post("/validate/watching-trap", REVIEW).await;
    assert!(status.is_success() && text.contains("\"allowed\":true"), "{text}");
    let (status, text) = server.post("/audit/trap", REVIEW).await;
    assert!(status.is_success() && text.contains("\"code\":500"), "{text}");
    let (_, metrics) = server.get("/metrics").await;
    assert!(metrics.contains("policy_name=\"trap\"") && metrics.contains("error_code=\"500\""), "{metrics}");
}

#[tokio::test]
async fn by_default_no_verdict_is_a_refusal_as_policy_server_gives_it() {
    let server = serving(&[]);
    for (name, _, reason) in FAILING {
        let (status, text) = server.post(&format!("/validate/{name}"), REVIEW).await;
        assert_eq!(status, StatusCode::OK, "{name}");
        assert!(
            text.contains(reason) && text.contains("\"allowed\":false") && text.contains("\"code\":500"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn an_answer_comes_within_the_time_that_the_api_server_gives() {
    let server = serving(&["--on-host-failure=defer", "--workers=1"]);
    let started = Instant::now();
    // More than workers: those that wait their turn are answered in time too.
    let many = (0..4).map(|_| server.post("/validate/patient?timeout=1s", REVIEW));
    for (status, text) in futures::future::join_all(many).await {
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{text}");
    }
    // The policy's own time is 300 s, and a busy machine is slow.
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    let (status, text) = server.post("/validate/strict?timeout=soon", REVIEW).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text.contains("the query's timeout \\\"soon\\\" is no positive duration"), "{text}");
    let (status, _) = server.post("/validate/strict?timeout=30s", REVIEW).await;
    assert_eq!(status, StatusCode::OK);
}
