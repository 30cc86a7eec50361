//! What callers and policies write, in the log of `harness serve`: short lines, and none of their own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};

use reqwest::Client;

use crate::support::{REVIEW, Workspace, guest_with};

/// What it would take to forge a line.
const FORGED: &str = "\\0a2026-01-01T00:00:00Z ERROR forged";

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn nothing_that_a_caller_or_a_policy_wrote_is_logged_whole_or_as_a_line_of_its_own() {
    // For the client; an error says that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let workspace = Workspace::new();
    let data = format!(r#"(data (i32.const 8192) "{FORGED}")"#);
    // It fails with a text of 100 KB, after it has written the same to its console.
    let fails = "(call $console_log (i32.const 8192) (i32.const 100000))
        (call $guest_error (i32.const 8192) (i32.const 100000)) (return (i32.const 0))";
    workspace.file("raw.wasm", guest_with(&data, fails)).file("metadata.yml", "mutating: false\n");
    workspace.harness(&["annotate", "raw.wasm", "-m", "metadata.yml", "-o", "guest.wasm"]).done();
    workspace.file(
        "policies.yml",
        "a: {module: 'file://guest.wasm'}\nwatching: {module: 'file://guest.wasm', policyMode: monitor}\n",
    );
    let mut command =
        workspace.command(&["serve", "--addr=127.0.0.1", "--port=0", "--readiness-probe-port=0"]);
    let mut server = Running(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut log = BufReader::new(server.0.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("policy is ready") || !said.lines().last().unwrap().ends_with("serving") {
        assert!(log.read_line(&mut said).unwrap() > 0, "{said}");
    }
    let address = said.split("reviews=").nth(1).unwrap().split_whitespace().next().unwrap();
    let post = async |path: &str, body: String| {
        let request = Client::new().post(format!("http://{address}{path}"));
        request.header("content-type", "application/json").body(body).send().await.unwrap().status()
    };
    for path in ["/validate/a", "/validate/watching", "/audit/a"] {
        assert_eq!(post(path, REVIEW.to_owned()).await, 200);
        let long = "x".repeat(1 << 20);
        for (was, bad) in
            [("u-1", long.as_str()), ("shop", "a\\nERROR forged"), ("Pod", &long), ("CREATE", &long)]
        {
            let body = REVIEW.replacen(&format!("\"{was}\""), &format!("\"{bad}\""), 1);
            assert_eq!(post(path, body).await, 422, "{was}");
        }
    }
    let raw = format!(r#"{{"request":{{"uid":"{}"}}}}"#, "x".repeat(1 << 20));
    assert_eq!(post("/validate_raw/a", raw).await, 422);
    drop(server);
    log.read_to_string(&mut said).unwrap();
    assert!(said.contains("a policy failed") && said.contains("policy evaluation (monitor mode)"), "{said}");
    // By the uid an operator finds what a policy said about the review that an API server's log names.
    let written = said.lines().filter(|line| line.contains(" policy: ")).collect::<Vec<_>>();
    assert!(!written.is_empty() && written.iter().all(|line| line.contains("review{uid=\"u-1\"}")), "{said}");
    for line in said.lines() {
        assert!(line.len() < 12 << 10 && !line.starts_with("2026-01-01T00:00:00Z"), "{line}");
        assert!(!line.contains(&"x".repeat(300)), "{line}");
    }
}
