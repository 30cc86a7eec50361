//! `harness bench`.

use crate::support::{REVIEW, Workspace, guest};

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace
        .file("guest.wasm", guest(""))
        .file("trap.wasm", guest("unreachable"))
        .file("review.json", REVIEW);
    workspace
}

const QUICK: [&str; 6] = ["--warm-up-time", "0", "--measurement-time", "0", "--num-samples", "20"];

#[test]
fn figures_are_printed_for_people_and_programs() {
    let workspace = workspace();
    let bench = [&["bench", "guest.wasm", "-r", "review.json"], &QUICK[..]].concat();
    let text = workspace.harness(&bench).done();
    for part in ["validate: warming up", "compile ", "guest memory             0.25 MiB", "throughput "] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let json = workspace.harness(&[&bench[..], &["-o", "json"]].concat()).done();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["guest_memory_bytes"], 4 << 16, "{json}");
    for part in ["validate_settings", "validate", "validate_warm"] {
        let times = &json[part];
        assert!(times["samples"].as_u64().unwrap() >= 15, "{part}: {json}");
        let (p50, p99) = (times["p50_us"].as_f64().unwrap(), times["p99_us"].as_f64().unwrap());
        assert!(p50 > 0.0 && p50 <= p99 && p99 <= times["max_us"].as_f64().unwrap(), "{part}: {json}");
    }
    assert!(
        json["compile_ms"].as_f64().unwrap() > 0.0
            && json["throughput"]["per_second"].as_f64().unwrap() > 0.0
    );
}

#[test]
fn a_policy_without_a_verdict_is_not_measured() {
    let refused =
        workspace().harness(&[&["bench", "trap.wasm", "-r", "review.json"], &QUICK[..]].concat()).failed();
    assert!(refused.starts_with("error: cannot measure trap.wasm: the policy has no verdict: "), "{refused}");
}
