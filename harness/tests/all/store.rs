//! The store of pulled policies, with a registry on loopback.

use crate::registries::Registry;
use crate::support::REVIEW;

/// A registry with one policy, and the policy's URI.
fn with_policy() -> (Registry, String) {
    let registry = Registry::start();
    let uri = registry.uri("policies/example:v1");
    registry.harness(&["push", "policy.wasm", &uri]).done();
    registry.workspace.file("review.json", REVIEW);
    (registry, uri)
}

#[test]
fn what_is_pulled_is_listed_run_and_removed() {
    let (registry, uri) = with_policy();
    assert_eq!(registry.workspace.harness(&["policies"]).done(), "");
    registry.harness(&["pull", &uri]).done();
    let listed = registry.workspace.harness(&["policies"]).done();
    assert_eq!(listed.lines().count(), 5, "{listed}");
    assert!(listed.contains("| Policy ") && listed.contains(&uri), "{listed}");
    let row = listed.lines().nth(3).unwrap();
    let digest = row.split('|').nth(4).unwrap().trim().to_owned();
    assert_eq!(digest.len(), 12, "{row}");
    // Without credentials, so that the registry would not have it.
    for policy in [&uri, &digest[..6]] {
        let line = registry.workspace.harness(&["run", policy, "-r", "review.json"]).done();
        assert!(line.contains("\"allowed\":true"), "{line}");
    }
    assert!(registry.workspace.harness(&["inspect", &digest]).done().contains("protocolVersion: v1"));
    registry.workspace.harness(&["rm", &digest]).done();
    assert_eq!(registry.workspace.harness(&["policies"]).done(), "");
    let unknown = registry.workspace.harness(&["rm", &uri]).failed();
    assert!(unknown.contains("Cannot find policy"), "{unknown}");
    let unknown = registry.workspace.harness(&["rm", "abcdef"]).failed();
    assert!(unknown.contains("Cannot find policy \"abcdef\""), "{unknown}");
}

#[test]
fn what_is_saved_is_loaded_where_there_is_no_registry() {
    let (registry, uri) = with_policy();
    // Running it keeps it, too.
    registry.harness(&["run", &uri, "-r", "review.json"]).done();
    let workspace = &registry.workspace;
    workspace.harness(&["save", "--output", "policies.tar.gz", &uri]).done();
    workspace.harness(&["rm", &uri]).done();
    workspace.harness(&["load", "--input", "policies.tar.gz"]).done();
    assert!(workspace.harness(&["policies"]).done().contains(&uri));
    workspace.file("text.tar.gz", "text");
    let refused = workspace.harness(&["load", "--input", "text.tar.gz"]).failed();
    assert!(refused.starts_with("error: cannot load text.tar.gz: "), "{refused}");
    let refused = workspace.harness(&["save", "-o", "none.tar.gz", "registry://h/none:v1"]).failed();
    assert!(refused.contains("Cannot find policy") && !workspace.path("none.tar.gz").exists(), "{refused}");
}

#[test]
fn a_digest_names_what_a_tag_means_today() {
    let (registry, uri) = with_policy();
    let pulled = registry.harness(&["pull", &uri, "-o", "pulled.wasm"]).done();
    let digest = pulled.trim().split_once('@').unwrap().1;
    assert_eq!(registry.harness(&["digest", &uri]).done(), format!("{uri}@{digest}\n"));
    let bare = uri.trim_start_matches("registry://");
    assert_eq!(registry.harness(&["digest", bare]).done(), format!("{bare}@{digest}\n"));
}

#[test]
fn a_policy_asks_registries_about_images() {
    use crate::host_calls::asking;
    let (registry, uri) = with_policy();
    let image = uri.trim_start_matches("registry://");
    let digest = registry.harness(&["digest", &uri]).done();
    let digest = digest.trim().split_once('@').unwrap().1;
    let told = |operation: &str, flags: &[&str]| {
        registry.workspace.file("asks.wasm", asking("oci", operation, &format!("\"{image}\"")));
        // Each way to the registry is tried until one is open.
        let run = ["run", "asks.wasm", "-r", "review.json", "--timeout-ms", "60000"];
        let line = registry.harness(&[&run[..], flags].concat()).done();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let message = line["status"]["message"].as_str().unwrap();
        message.trim_start_matches("internal server error: Guest call failure: ").to_owned()
    };
    assert_eq!(told("v1/manifest_digest", &[]), format!("{{\"digest\":\"{digest}\"}}"));
    let manifest: serde_json::Value = serde_json::from_str(&told("v1/oci_manifest", &[])).unwrap();
    assert_eq!(manifest["annotations"]["io.kubewarden.policy.title"], "example");
    let both: serde_json::Value = serde_json::from_str(&told("v1/oci_manifest_config", &[])).unwrap();
    assert_eq!((&both["digest"], &both["config"]), (&digest.into(), &serde_json::json!({})));
    assert_eq!(both["manifest"], manifest);
    // What a registry said is replayed when it has gone.
    let recorded = told("v1/oci_manifest", &["--record-host-capabilities-interactions", "session.yml"]);
    registry.workspace.file("config.json", "{}");
    let replayed = told("v1/oci_manifest", &["--replay-host-capabilities-interactions", "session.yml"]);
    assert_eq!(replayed, recorded);
    let refused = told("v1/oci_manifest", &[]);
    assert!(refused.contains("Callback evaluation failure: cannot"), "{refused}");
}
