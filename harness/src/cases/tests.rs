use expect_test::{Expect, expect};

use super::*;
use crate::Status;

const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop}}";

fn no_file(path: &str) -> Result<String, String> {
    Err(format!("there is no {path}"))
}

#[track_caller]
fn check_bad(text: &str, expected: Expect) {
    let error = parse(text, &no_file).map(|_| "it is good").unwrap_err();
    expected.assert_eq(&error.to_string());
}

fn one(text: &str) -> Case {
    let mut cases = parse(text, &no_file).unwrap();
    assert_eq!(cases.len(), 1);
    cases.remove(0)
}

#[test]
fn bad_files_say_what_is_wrong_and_where() {
    check_bad("cases: []", expect!["not a file of cases: it has no cases"]);
    check_bad("a: 1\n---\nb: 1", expect!["not a file of cases: 2 documents where one was expected"]);
    check_bad(
        "case: []",
        expect![
            "not a file of cases: unknown field `case`, expected one of `settings`, `cluster`, `cases` at line 1 column 7"
        ],
    );
    check_bad(
        &format!("cases: [{{name: x, object: {POD}, expect: {{warning: []}}}}]"),
        expect![
            "not a file of cases: unknown field `warning`, expected one of `allowed`, `patch`, `message`, `code`, `warnings`, `auditAnnotations`, `settingsRefused` at line 1 column 126"
        ],
    );
    check_bad(
        "cases: [{name: x, expect: {}}]",
        expect![[
            r#"case 1 ("x"): object: one of "object", "oldObject" and "request" is needed, or "expect.settingsRefused""#
        ]],
    );
    check_bad(
        "cases: [{name: x, object: nowhere.yaml, expect: {}}]",
        expect![[r#"case 1 ("x"): object: there is no nowhere.yaml"#]],
    );
    check_bad(
        "cases: [{name: x, settings: [], object: {kind: Pod}, expect: {}}]",
        expect![[r#"case 1 ("x"): settings: settings must be a map of names to values, not a list"#]],
    );
    check_bad(
        "cases: [{name: x, object: {kind: Pod}, expect: {}}]",
        expect![[
            r#"case 1 ("x"): object: not a Kubernetes manifest: missing field `apiVersion` at line 1 column 14"#
        ]],
    );
    check_bad(
        "cases: [{name: x, request: {}, username: me, expect: {}}]",
        expect![[r#"case 1 ("x"): username: a whole "request" says it"#]],
    );
    check_bad(
        "cases: [{name: x, request: {uid: '1'}, expect: {}}]",
        expect![[r#"case 1 ("x"): request: "request.kind.group" is missing"#]],
    );
    check_bad(
        &format!("cases: [{{name: x, object: {POD}, expect: {{settingsRefused: nope}}}}]"),
        expect![[r#"case 1 ("x"): expect.settingsRefused: refused settings answer no request"#]],
    );
    check_bad(
        &format!(
            "cases: [{{name: x, object: {POD}, expect: {{}}}}, {{name: x, object: {POD}, expect: {{}}}}]"
        ),
        expect![[r#"case 2 ("x"): name: an earlier case has the same"#]],
    );
}

#[test]
fn which_objects_there_are_is_the_operation() {
    let operation = |objects: &str| {
        let case =
            one(&format!("cases: [{{name: x, {objects}, subResource: status, username: me, expect: {{}}}}]"));
        let request: Value = serde_json::from_str(&case.request.unwrap()).unwrap();
        assert_eq!(
            (&request["subResource"], &request["userInfo"]["username"]),
            (&"status".into(), &"me".into())
        );
        let is_there = |field: &str| request.get(field).is_some_and(Value::is_object);
        (
            request["operation"].as_str().unwrap_or_default().to_owned(),
            is_there("object"),
            is_there("oldObject"),
        )
    };
    assert_eq!(operation(&format!("object: {POD}")), ("CREATE".into(), true, false));
    assert_eq!(operation(&format!("object: {POD}, oldObject: {POD}")), ("UPDATE".into(), true, true));
    assert_eq!(operation(&format!("oldObject: {POD}")), ("DELETE".into(), false, true));
}

#[test]
fn a_case_has_what_its_file_has_unless_it_has_its_own() {
    let text = format!(
        "settings: {{a: 1}}\ncluster: []\ncases:\n- {{name: x, object: {POD}, expect: {{}}}}\n- {{name: z, settings: {{}}, object: there.yaml, expect: {{}}}}"
    );
    let file = |path: &str| {
        assert_eq!(path, "there.yaml");
        // A file that begins with a brace is JSON.
        Ok(format!("# a Pod\n{POD}"))
    };
    let cases = parse(&text, &file).unwrap();
    assert_eq!((cases[0].settings.json(), cases[1].settings.json()), (r#"{"a":1}"#, "{}"));
    assert_eq!(cases[0].cluster, Some(vec![]));
    assert_eq!(cases[0].request, cases[1].request);
}

#[track_caller]
fn check(expected: &str, response: &AdmissionResponse, differences: Expect) {
    let case = one(&format!("cases: [{{name: x, object: {POD}, expect: {expected}}}]"));
    let found: Vec<String> = case
        .differences(response)
        .iter()
        .map(|Difference { field, expected, found }| format!("{field}: {expected} / {found}\n"))
        .collect();
    differences.assert_eq(&found.concat());
}

#[test]
fn what_is_not_named_must_not_be_there() {
    let response = AdmissionResponse {
        allowed: false,
        status: Some(Status { message: Some("no, because".into()), code: Some(422), details: None }),
        warnings: Some(vec!["one".into(), "two".into()]),
        audit_annotations: Some([("why".to_owned(), "so".to_owned())].into()),
        patch: Some("W10=".into()),
        ..AdmissionResponse::default()
    };
    check(
        "{}",
        &response,
        expect![[r#"
            allowed: true / false
            code: nothing / 422
            message: nothing / "no, because"
            warnings[0]: nothing / "one"
            warnings[1]: nothing / "two"
        "#]],
    );
    check(
        "{allowed: false, code: 422, message: {contains: because}, warnings: [one, {contains: w}], auditAnnotations: {why: so}}",
        &response,
        expect![""],
    );
    check(
        "{allowed: false, code: 403, message: because, warnings: [one, two, three], auditAnnotations: {who: {contains: me}}, patch: [{op: remove, path: /a}]}",
        &response,
        expect![[r#"
            code: 403 / 422
            patch: {"op":"remove","path":"/a"} / nothing
            message: "because" / "no, because"
            warnings[2]: "three" / nothing
            auditAnnotations.who: something with "me" / nothing
            auditAnnotations.why: nothing / "so"
        "#]],
    );
}

#[test]
fn settings_are_refused_or_taken() {
    let refused = one("cases: [{name: x, expect: {settingsRefused: {contains: unknown}}}]");
    assert_eq!(refused.settings_differences(Some("an unknown field")), []);
    assert_eq!(refused.settings_differences(None).len(), 1);
    let taken = one(&format!("cases: [{{name: x, object: {POD}, expect: {{}}}}]"));
    assert_eq!(taken.settings_differences(None), []);
    assert_eq!(taken.settings_differences(Some("an unknown field")).len(), 1);
}
