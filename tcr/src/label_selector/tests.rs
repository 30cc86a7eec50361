use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;

fn selector(json: Value) -> LabelSelector {
    serde_json::from_value(json).unwrap()
}

fn one(key: &str, operator: &str, values: &[&str]) -> LabelSelector {
    selector(json!({ "matchExpressions": [{ "key": key, "operator": operator, "values": values }] }))
}

/// Which of four sets of labels each selector selects.
fn check(selectors: &[LabelSelector], expect: Expect) {
    let objects: [&[(&str, &str)]; 4] =
        [&[], &[("env", "prod")], &[("env", "test"), ("team", "a")], &[("env", "")]];
    let mut text = String::new();
    for selector in selectors {
        let selected: Vec<_> = objects
            .iter()
            .filter(|labels| {
                let labels = labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
                selector.matches(&labels)
            })
            .map(|labels| format!("{labels:?}"))
            .collect();
        let selector = serde_json::to_string(selector).unwrap();
        let selected = if selected.is_empty() { "none".to_owned() } else { selected.join(" ") };
        text.push_str(&format!("{selector}\n  {selected}\n"));
    }
    expect.assert_eq(&text);
}

#[test]
fn an_empty_selector_selects_everything() {
    check(
        &[LabelSelector::default(), selector(json!({ "matchLabels": {}, "matchExpressions": [] }))],
        expect![[r#"
            {}
              [] [("env", "prod")] [("env", "test"), ("team", "a")] [("env", "")]
            {}
              [] [("env", "prod")] [("env", "test"), ("team", "a")] [("env", "")]
        "#]],
    );
}

#[test]
fn negative_operators_select_what_lacks_the_label() {
    check(
        &[
            one("env", "In", &["prod", "test"]),
            one("env", "In", &[""]),
            one("env", "NotIn", &["prod"]),
            one("env", "Exists", &[]),
            one("env", "DoesNotExist", &[]),
            selector(json!({ "matchLabels": { "env": "test", "team": "a" } })),
            selector(json!({
                "matchLabels": { "team": "a" },
                "matchExpressions": [{ "key": "env", "operator": "NotIn", "values": ["test"] }],
            })),
        ],
        expect![[r#"
            {"matchExpressions":[{"key":"env","operator":"In","values":["prod","test"]}]}
              [("env", "prod")] [("env", "test"), ("team", "a")]
            {"matchExpressions":[{"key":"env","operator":"In","values":[""]}]}
              [("env", "")]
            {"matchExpressions":[{"key":"env","operator":"NotIn","values":["prod"]}]}
              [] [("env", "test"), ("team", "a")] [("env", "")]
            {"matchExpressions":[{"key":"env","operator":"Exists"}]}
              [("env", "prod")] [("env", "test"), ("team", "a")] [("env", "")]
            {"matchExpressions":[{"key":"env","operator":"DoesNotExist"}]}
              []
            {"matchLabels":{"env":"test","team":"a"}}
              [("env", "test"), ("team", "a")]
            {"matchLabels":{"team":"a"},"matchExpressions":[{"key":"env","operator":"NotIn","values":["test"]}]}
              none
        "#]],
    );
}

#[test]
fn what_kubernetes_would_refuse_selects_nothing() {
    check(
        &[
            one("env", "In", &[]),
            one("env", "NotIn", &[]),
            one("env", "Exists", &["prod"]),
            one("env", "DoesNotExist", &["prod"]),
            one("env", "Near", &["prod"]),
        ],
        expect![[r#"
            {"matchExpressions":[{"key":"env","operator":"In"}]}
              none
            {"matchExpressions":[{"key":"env","operator":"NotIn"}]}
              none
            {"matchExpressions":[{"key":"env","operator":"Exists","values":["prod"]}]}
              none
            {"matchExpressions":[{"key":"env","operator":"DoesNotExist","values":["prod"]}]}
              none
            {"matchExpressions":[{"key":"env","operator":"Near","values":["prod"]}]}
              none
        "#]],
    );
}

#[test]
fn every_problem_is_found_with_field_and_value() {
    let long = "v".repeat(64);
    let selector = selector(json!({
        "matchLabels": { "": "x", "Bad_Prefix/a": "x", "a/b/c": "x", "example.com/": "x", "-a": "x", "ok": "no blanks", "long": long },
        "matchExpressions": [
            { "key": "a b", "operator": "In", "values": [] },
            { "key": "ok", "operator": "exists", "values": [] },
            { "key": "ok", "operator": "Exists", "values": ["x"] },
            { "key": "ok", "operator": "NotIn", "values": ["fine", "", "-"] },
            {},
        ],
    }));
    expect![[r#"
        matchLabels: the key "" is empty
        matchLabels: the key "-a" must be letters, digits, hyphens, underscores and dots, beginning and ending with a letter or digit
        matchLabels: the key "Bad_Prefix/a" the part before the / must be lower-case letters, digits, hyphens and dots, each part between dots beginning and ending with a letter or digit
        matchLabels: the key "a/b/c" must be letters, digits, hyphens, underscores and dots, beginning and ending with a letter or digit
        matchLabels: the key "example.com/" has no name after the /
        matchLabels: "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv", the value of "long", has 64 characters, and 63 are allowed
        matchLabels: "no blanks", the value of "ok", must be letters, digits, hyphens, underscores and dots, beginning and ending with a letter or digit
        matchExpressions[0].key: "a b" must be letters, digits, hyphens, underscores and dots, beginning and ending with a letter or digit
        matchExpressions[0].values: is empty, and In needs at least one value
        matchExpressions[1].operator: "exists" is not one of In, NotIn, Exists, DoesNotExist
        matchExpressions[2].values: must be left out, Exists takes no values
        matchExpressions[3].values[2]: "-" must be letters, digits, hyphens, underscores and dots, beginning and ending with a letter or digit
        matchExpressions[4].key: "" is empty
        matchExpressions[4].operator: "" is not one of In, NotIn, Exists, DoesNotExist"#]].assert_eq(&selector.check().join("\n"));
}

#[test]
fn a_valid_selector_has_no_problems() {
    let selector = selector(json!({
        "matchLabels": { "kubernetes.io/metadata.name": "Team_A.x-1", "empty": "" },
        "matchExpressions": [
            { "key": "env", "operator": "In", "values": ["a", ""] },
            { "key": "env", "operator": "DoesNotExist" },
        ],
    }));
    assert_eq!(selector.check(), Vec::<String>::new());
}
