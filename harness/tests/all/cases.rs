//! `harness test`.

use expect_test::expect;

use crate::support::{Workspace, guest};

/// Refuses everything with a message and a warning.
fn refusing() -> Vec<u8> {
    let answer = r#"{"accepted":false,"message":"denied","code":422,"warnings":["w"]}"#;
    let escaped = answer.replace('"', "\\\"");
    crate::support::guest_with(
        &format!("(data (i32.const 600) \"{escaped}\")"),
        &format!(
            "(call $guest_response (i32.const 600) (i32.const {})) (return (i32.const 1))",
            answer.len()
        ),
    )
}

const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop}}";

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace
        .file("accept.wasm", guest(""))
        .file("refuse.wasm", refusing())
        // A file that begins with a brace is JSON.
        .file("pod.yaml", format!("# a Pod\n{POD}"))
        .file("good.yaml", "cases:\n- {name: a Pod is admitted, object: pod.yaml, expect: {}}\n")
        .file(
            "more.yaml",
            format!(
                "cases:\n- {{name: refused, object: {POD}, expect: {{allowed: false, code: 422, message: denied, warnings: [{{contains: w}}]}}}}\n"
            ),
        );
    workspace
}

#[test]
fn cases_that_pass() {
    let ran = workspace().harness(&["test", "accept.wasm", "good.yaml"]).done();
    expect![[r#"
        good.yaml
          ok      a Pod is admitted

        1 passed, 0 failed
    "#]]
    .assert_eq(&ran);
}

#[test]
fn a_case_that_fails_says_what_is_different_and_the_exit_code_is_one() {
    let ran = workspace().harness(&["test", "refuse.wasm", "good.yaml", "more.yaml"]);
    assert_eq!(ran.code, Some(1));
    expect![[r#"
        good.yaml
          FAILED  a Pod is admitted
                    allowed: expected true
                                found false
                    code: expected nothing
                             found 422
                    message: expected nothing
                                found "denied"
                    warnings[0]: expected nothing
                                    found "w"
        more.yaml
          ok      refused

        1 passed, 1 failed
    "#]]
    .assert_eq(&ran.stdout);
    assert_eq!(ran.stderr, "error: 1 of 2 cases failed\n");
}

#[test]
fn a_line_of_json_for_each_case() {
    let ran = workspace().harness(&["test", "refuse.wasm", "more.yaml", "-o", "json"]).done();
    expect![[r#"
        {"file":"more.yaml","name":"refused","passed":true,"differences":[]}
    "#]]
    .assert_eq(&ran);
}

#[test]
fn a_folder_is_every_file_of_cases_in_it() {
    let workspace = workspace();
    std::fs::create_dir(workspace.path("cases")).unwrap();
    workspace
        .file("cases/b.yml", format!("cases:\n- {{name: second, object: {POD}, expect: {{}}}}\n"))
        .file("cases/a.json", r#"{"cases":[{"name":"first","object":"../pod.yaml","expect":{}}]}"#)
        .file("cases/README.md", "no case");
    let ran = workspace.harness(&["test", "accept.wasm", "cases", "--filter", "s"]).done();
    expect![[r#"
        cases/a.json
          ok      first
        cases/b.yml
          ok      second

        2 passed, 0 failed
    "#]]
    .assert_eq(&ran);
}

#[test]
fn bad_input_is_told_before_any_case_is_tried() {
    let workspace = workspace();
    workspace
        .file("bad.yaml", "cases: []")
        .file("nowhere.yaml", "cases: [{name: x, object: no.yaml, expect: {}}]");
    let failed =
        |arguments: &[&str]| workspace.harness(&[&["test", "accept.wasm"], arguments].concat()).failed();
    assert_eq!(
        failed(&["good.yaml", "bad.yaml"]),
        "error: cannot read the cases of bad.yaml: not a file of cases: it has no cases\n"
    );
    assert_eq!(
        failed(&["nowhere.yaml"]),
        "error: cannot read the cases of nowhere.yaml: case 1 (\"x\"): object: cannot read no.yaml: No such file or directory (os error 2)\n"
    );
    assert_eq!(failed(&["good.yaml", "--filter", "zebra"]), "error: no case has \"zebra\" in its name\n");
    assert_eq!(workspace.harness(&["test", "accept.wasm"]).code, Some(2));
}

#[test]
fn results_are_those_of_one_thread_whatever_the_number() {
    let workspace = workspace();
    let cases: String =
        (0..50).map(|at| format!("- {{name: case {at}, object: {POD}, expect: {{}}}}\n")).collect();
    workspace.file("many.yaml", format!("cases:\n{cases}"));
    let of =
        |jobs: &str| workspace.harness(&["test", "accept.wasm", "many.yaml", "good.yaml", "-j", jobs]).done();
    let one = of("1");
    assert!(one.ends_with("51 passed, 0 failed\n"), "{one}");
    assert_eq!(of("8"), one);
}

#[test]
fn a_pipeline_gets_junit_and_what_no_case_is_for() {
    let workspace = workspace();
    let metadata = "rules: [{apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE, UPDATE]}]\nmutating: false\n";
    workspace.file("metadata.yml", metadata);
    workspace.harness(&["annotate", "refuse.wasm", "-m", "metadata.yml", "-o", "policy.wasm"]).done();
    let ran = workspace.harness(&[
        "test",
        "policy.wasm",
        "good.yaml",
        "more.yaml",
        "--junit",
        "report.xml",
        "--coverage",
    ]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stdout
            .ends_with("\n1 of 2 combinations of the rules have a case\n  no case  UPDATE of pods (v1)\n"),
        "{}",
        ran.stdout
    );
    let report = std::fs::read_to_string(workspace.path("report.xml")).unwrap();
    assert!(
        report.contains("<testsuites tests=\"2\" failures=\"1\"")
            && report.contains("name=\"a Pod is admitted\""),
        "{report}"
    );
}

#[test]
fn what_the_policy_answers_is_written_down_after_it_was_shown() {
    let workspace = workspace();
    let text = "# ours\nsettings: {}   # none\ncases:\n  - name: first\n    object: pod.yaml\n    expect:\n      message: old\n  - {name: second, object: pod.yaml, expect: {}}\n";
    workspace.file("cases.yaml", text);
    let ran = workspace.harness(&["test", "refuse.wasm", "cases.yaml", "--filter", "first", "--update"]);
    assert!(
        ran.stdout.contains("found \"denied\"") && ran.stdout.ends_with("0 passed, 1 failed\n"),
        "{}",
        ran.stdout
    );
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    expect![[r#"
        # ours
        settings: {}   # none
        cases:
          - name: first
            object: pod.yaml
            expect:
              {"allowed":false,"code":422,"message":"denied","warnings":["w"]}
          - {name: second, object: pod.yaml, expect: {}}
    "#]]
    .assert_eq(&std::fs::read_to_string(workspace.path("cases.yaml")).unwrap());
    workspace.harness(&["test", "refuse.wasm", "cases.yaml", "--update"]).done();
    workspace.harness(&["test", "refuse.wasm", "cases.yaml"]).done();
}

#[test]
fn watching_tries_again_when_the_policy_changes() {
    use std::io::{BufRead as _, BufReader};

    let workspace = workspace();
    workspace.file("policy.wasm", refusing());
    let mut command = workspace.command(&["test", "policy.wasm", "good.yaml", "--watch"]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut until =
        |wanted: &str| lines.by_ref().map(Result::unwrap).find(|line| line.contains(wanted)).unwrap();
    until("0 passed, 1 failed");
    until("waiting for a change");
    workspace.file("policy.wasm", guest(""));
    until("1 passed, 0 failed");
    child.kill().unwrap();
    child.wait().unwrap();
}
