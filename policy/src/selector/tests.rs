use expect_test::{Expect, expect};
use serde_json::json;

use super::*;

#[track_caller]
fn check(value: Value, expected: Expect) {
    let (selector, problems) = read(&value);
    let problems: String = problems.iter().map(|(field, problem)| format!("{field}: {problem}\n")).collect();
    let read = serde_json::to_string(&selector).expect("JSON");
    expected.assert_eq(&format!("{read}\n{problems}"));
}

#[test]
fn selectors_are_read() {
    check(
        json!({}),
        expect![[r#"
        {}
    "#]],
    );
    check(
        json!({"matchLabels": null, "matchExpressions": null}),
        expect![[r#"
        {}
    "#]],
    );
    check(
        json!({"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "k", "operator": "In", "values": ["x", "y"]},
            {"key": "e", "operator": "Exists"}]}),
        expect![[r#"
            {"matchLabels":{"a":"b"},"matchExpressions":[{"key":"k","operator":"In","values":["x","y"]},{"key":"e","operator":"Exists"}]}
        "#]],
    );
}

#[test]
fn every_problem_is_found() {
    check(
        json!([]),
        expect![[r#"
        {}
        : is not an object
    "#]],
    );
    check(
        json!({"matchLabel": {"a": "b"}, "matchLabels": {"a": 1}, "matchExpressions": [7, {"key": 1, "operater": "In",
            "values": ["x", 2]}, {"values": "x"}]}),
        expect![[r#"
            {"matchExpressions":[{"key":"","operator":"","values":["x",""]},{"key":"","operator":""}]}
            .matchLabel: unknown field; did you mean "matchLabels"?
            .matchLabels["a"]: is not a string
            .matchExpressions[0]: is not an object
            .matchExpressions[1].operater: unknown field; did you mean "operator"?
            .matchExpressions[1].key: is not a string
            .matchExpressions[1].values[1]: is not a string
            .matchExpressions[2].values: is not a list
        "#]],
    );
    check(
        json!({"matchLabels": "a=b", "matchExpressions": {}}),
        expect![[r#"
        {}
        .matchLabels: is not an object
        .matchExpressions: is not a list
    "#]],
    );
}
