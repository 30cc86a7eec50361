use std::collections::BTreeMap;

use expect_test::expect;
use serde_json::json;

use super::*;

fn selection(spec: serde_json::Value) -> Result<Selection, SelectionError> {
    Selection::of(&serde_json::from_value(spec).unwrap())
}

#[test]
fn names_and_labels_must_both_select() {
    let selection = selection(json!({
        "namespaces": "team-*",
        "serviceAccounts": "default, ci",
        "namespaceSelector": { "matchLabels": { "env": "prod" } },
    }))
    .unwrap();
    let production = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
    assert!(selection.needs_namespace_labels());
    assert!(selection.selects_namespace("team-a", &production));
    assert!(!selection.selects_namespace("team-a", &BTreeMap::new()));
    assert!(!selection.selects_namespace("other", &production));
    assert!(selection.selects_service_account("ci"));
    assert!(!selection.selects_service_account("cd"));
}

#[test]
fn nothing_said_selects_everything_and_needs_no_labels() {
    for spec in [json!({}), json!({ "namespaces": "*", "serviceAccounts": "", "namespaceSelector": {} })] {
        let selection = selection(spec).unwrap();
        assert!(!selection.needs_namespace_labels());
        assert!(selection.selects_namespace("any", &BTreeMap::new()));
        assert!(selection.selects_service_account("any"));
    }
}

#[test]
fn two_may_meet_unless_names_or_labels_keep_them_apart() {
    let meet = |one: serde_json::Value, other: serde_json::Value| {
        let (one, other) = (selection(one).unwrap(), selection(other).unwrap());
        assert_eq!(one.may_meet(&other), other.may_meet(&one), "{one:?} {other:?}");
        one.may_meet(&other)
    };
    let by_namespaces =
        |one: &str, other: &str| meet(json!({ "namespaces": one }), json!({ "namespaces": other }));
    for (one, other) in
        [("*", ""), ("a", "*"), ("a,b", "b"), ("a", "?"), ("a-*", "*-b"), ("!a", "b"), ("a*", "b*")]
    {
        assert!(by_namespaces(one, other), "{one} {other}");
    }
    for (one, other) in [("a", "b"), ("a,b", "c,d"), ("a", "b*"), ("a", "!a"), ("a", "*,!a"), ("!*", "*")] {
        assert!(!by_namespaces(one, other), "{one} {other}");
    }
    assert!(!meet(json!({ "serviceAccounts": "ci" }), json!({ "serviceAccounts": "default" })));
    let labelled = |tenant: &str| json!({ "namespaceSelector": { "matchLabels": { "tenant": tenant } } });
    assert!(meet(labelled("a"), labelled("a")) && meet(labelled("a"), json!({})));
    assert!(!meet(labelled("a"), labelled("b")));
}

#[test]
fn the_field_with_the_bad_list_is_named() {
    let error = |spec| selection(spec).unwrap_err().to_string();
    expect![[r#"spec.namespaces: "B" is not a name, a glob or an exclusion: names are lower case"#]]
        .assert_eq(&error(json!({ "namespaces": "a,B" })));
    expect![[
        r#"spec.serviceAccounts: "!" is not a name, a glob or an exclusion: a name or a glob follows the !"#
    ]]
    .assert_eq(&error(json!({ "serviceAccounts": "!" })));
}
