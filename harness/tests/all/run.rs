//! `harness run`: requests and manifests in, kwctl's lines or a report out.

use expect_test::expect;

use crate::support::{REVIEW, Workspace, guest};

const PODS: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: one
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: two, namespace: shop}
- apiVersion: v1
  kind: Namespace
  metadata: {name: three}
";

/// Adds a label to every object that ends as the last two objects of these tests do: a patch.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace.file("guest.wasm", guest("")).file("review.json", REVIEW).file("pods.yaml", PODS);
    workspace
}

#[test]
fn one_line_for_each_request_in_their_order() {
    let bare = REVIEW.replace("\"u-1\"", "\"u-2\"");
    let bare = &bare[bare.find("{\"uid\"").unwrap()..bare.len() - 1];
    let workspace = workspace();
    workspace.file("bare.json", bare);
    let lines = workspace
        .harness(&["run", "guest.wasm", "-r", "review.json", "-r", "bare.json", "-r", "pods.yaml"])
        .done();
    let uids: Vec<String> = lines
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["uid"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!((uids.len(), &uids[0][..], &uids[1][..]), (5, "u-1", "u-2"), "{lines}");
}

#[test]
fn a_report_for_people() {
    let report = workspace().harness(&["run", "file://guest.wasm", "-r", "pods.yaml", "-o", "diff"]).done();
    expect![[r#"
        admitted  Pod default/one: nothing to change
        admitted  Pod shop/two: nothing to change
        admitted  Namespace three: nothing to change
        3 admitted, 0 patched, 0 warned, 0 refused
    "#]]
    .assert_eq(&report);
}

#[test]
fn standard_input_is_read_for_a_dash() {
    let ran = workspace().harness_with_input(&["run", "guest.wasm", "-r", "-", "-o", "diff"], PODS);
    assert!(ran.done().ends_with("3 admitted, 0 patched, 0 warned, 0 refused\n"));
}

#[test]
fn manifests_are_put_as_the_operation_and_user_that_were_asked_for() {
    // The guest fails with its payload, so that the request can be seen.
    let show = "(call $guest_error (i32.const 2048) (local.get $payload)) (return (i32.const 0))";
    let workspace = workspace();
    workspace.file("show.wasm", guest(show));
    let shown = |flags: &[&str]| {
        let arguments =
            [&["run", "show.wasm", "-r", "pods.yaml", "--settings-json", r#"{"a":[1]}"#], flags].concat();
        let line = workspace.harness(&arguments).done().lines().next().unwrap().to_owned();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let message = line["status"]["message"].as_str().unwrap();
        serde_json::from_str::<serde_json::Value>(&message[message.find('{').unwrap()..]).unwrap()
    };
    let payload = shown(&[]);
    assert_eq!(payload["settings"], serde_json::json!({"a": [1]}));
    assert_eq!(
        (&payload["request"]["operation"], &payload["request"]["userInfo"]["username"]),
        (&"CREATE".into(), &"kubernetes-admin".into())
    );
    let payload = shown(&["--operation", "delete", "--username", "eve"]);
    let request = &payload["request"];
    assert_eq!((&request["operation"], &request["userInfo"]["username"]), (&"DELETE".into(), &"eve".into()));
    assert!(request["object"].is_null() && request["oldObject"]["metadata"]["name"] == "one", "{request}");
}

#[test]
fn raw_requests_are_any_json() {
    let workspace = workspace();
    workspace.file("raw.json", r#"{"uid":"r-1","anything":[1]}"#);
    let line = workspace.harness(&["run", "guest.wasm", "-r", "raw.json", "--raw"]).done();
    assert_eq!(line, "{\"uid\":\"r-1\",\"allowed\":true,\"auditAnnotations\":null,\"warnings\":null}\n");
}

#[test]
fn a_compiled_module_is_kept_for_the_next_run_unless_told_not_to() {
    let workspace = workspace();
    let kept = || {
        std::fs::read_dir(workspace.path("cache/tcr-assistant/modules"))
            .map(|files| files.map(|file| file.unwrap().path()).collect::<Vec<_>>())
            .unwrap_or_default()
    };
    workspace.harness(&["run", "guest.wasm", "-r", "review.json", "--disable-wasmtime-cache"]).done();
    assert!(kept().is_empty(), "{:?}", kept());
    let first = workspace.harness(&["run", "guest.wasm", "-r", "review.json"]).done();
    let files = kept();
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(workspace.harness(&["run", "guest.wasm", "-r", "review.json"]).done(), first);
    // A damaged file is noticed, said, and replaced.
    let good = std::fs::read(&files[0]).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    std::fs::write(&files[0], &bad).unwrap();
    let ran = workspace.harness(&["run", "guest.wasm", "-r", "review.json"]);
    assert!(ran.stderr.contains("ignoring the damaged compiled module"), "{ran:#?}");
    assert_eq!(ran.done(), first);
    assert_eq!(std::fs::read(&files[0]).unwrap(), good);
}

#[test]
fn usage_errors_exit_with_two() {
    for arguments in [
        &["run", "guest.wasm"][..],
        &["run"],
        &["frobnicate"],
        &["run", "guest.wasm", "-r", "x", "-e", "lua"],
        &["run", "guest.wasm", "-r", "x", "--allowed-host-capabilities", "everything"],
    ] {
        let ran = workspace().harness(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:#?}");
    }
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let workspace = workspace();
    let mut command = workspace.command(&["run", "guest.wasm", "-r", "pods.yaml"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command
        .stdout(writer)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(0), String::new()));
}

#[test]
fn of_two_settings_those_of_the_file_are_taken() {
    let workspace = workspace();
    let show = "(call $guest_error (i32.const 2048) (local.get $payload)) (return (i32.const 0))";
    workspace.file("show.wasm", guest(show)).file("settings.yml", "from: file\n");
    let run = ["run", "show.wasm", "-r", "review.json", "--settings-json", r#"{"from":"flag"}"#];
    let line = workspace.harness(&[&run[..], &["-s", "settings.yml"]].concat()).done();
    assert!(line.contains(r#"\"settings\":{\"from\":\"file\"}"#), "{line}");
}

#[test]
fn policies_of_other_runtimes_are_refused_with_the_runtime_that_runs_them() {
    let workspace = workspace();
    for mode in ["opa", "gatekeeper"] {
        let refused = workspace.harness(&["run", "guest.wasm", "-r", "review.json", "-e", mode]).failed();
        assert_eq!(
            refused,
            format!(
                "error: cannot run guest.wasm: it is written in Rego (execution mode {mode}), which is not run here: kwctl and policy-server run it\n"
            )
        );
    }
}
