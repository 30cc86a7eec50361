use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;

#[track_caller]
fn check(old: &str, new: &str, expected: Expect) {
    expected.assert_eq(&diff(old, new).unwrap().unwrap_or_else(|| "no change".into()));
}

/// The patch applied to the old value, by an independent implementation.
fn applied(old: &str, new: &str) -> Value {
    let mut value: Value = serde_json::from_str(old).unwrap();
    if let Some(patch) = diff(old, new).unwrap() {
        let patch: json_patch::Patch = serde_json::from_str(&patch).unwrap();
        json_patch::patch(&mut value, &patch).unwrap_or_else(|error| panic!("{error}: {patch} on {old}"));
    }
    value
}

#[test]
fn equal_bytes_and_equal_values_need_no_patch() {
    check(r#"{"a":1}"#, r#"{"a":1}"#, expect!["no change"]);
    check(r#"{"a":1,"b":[2,{}]}"#, r#" { "b":[2, { }], "a":1 }"#, expect!["no change"]);
    check(r#"{"a":"é"}"#, r#"{"a":"\u00e9"}"#, expect!["no change"]);
}

#[test]
fn an_inserted_member_is_one_addition() {
    let new = r#"{"spec":{"containers":[{"name":"a"}],"imagePullSecrets":[{"name":"s"}]}}"#;
    check(
        r#"{"spec":{"containers":[{"name":"a"}]}}"#,
        new,
        expect![[r#"[{"op":"add","path":"/spec/imagePullSecrets","value":[{"name":"s"}]}]"#]],
    );
    check(
        r#"{"spec":{"imagePullSecrets":[{"name":"s"}]}}"#,
        r#"{"spec":{"imagePull":1,"imagePullSecrets":[{"name":"s"}]}}"#,
        expect![[r#"[{"op":"add","path":"/spec/imagePull","value":1}]"#]],
    );
    check(r#"{"spec":{}}"#, r#"{"spec":{"a":1}}"#, expect![[r#"[{"op":"add","path":"/spec/a","value":1}]"#]]);
    check(r#"{}"#, r#"{"a":1}"#, expect![[r#"[{"op":"add","path":"/a","value":1}]"#]]);
    check(r#"{ }"#, r#"{ "a":1}"#, expect![[r#"[{"op":"add","path":"/a","value":1}]"#]]);
}

#[test]
fn an_appended_element_is_one_addition() {
    check(
        r#"{"l":[{"name":"a"}],"z":0}"#,
        r#"{"l":[{"name":"a"},{"name":"ab"}],"z":0}"#,
        expect![[r#"[{"op":"add","path":"/l/1","value":{"name":"ab"}}]"#]],
    );
    check(
        r#"{"l":[]}"#,
        r#"{"l":[1,2]}"#,
        expect![[r#"[{"op":"add","path":"/l/0","value":1},{"op":"add","path":"/l/1","value":2}]"#]],
    );
    check(r#"[[1],[1]]"#, r#"[[1],[1],[1]]"#, expect![[r#"[{"op":"add","path":"/2","value":[1]}]"#]]);
}

#[test]
fn null_that_becomes_a_list_is_replaced() {
    check(
        r#"{"spec":{"imagePullSecrets":null,"x":1}}"#,
        r#"{"spec":{"imagePullSecrets":[{"name":"s"}],"x":1}}"#,
        expect![[r#"[{"op":"replace","path":"/spec/imagePullSecrets","value":[{"name":"s"}]}]"#]],
    );
}

#[test]
fn removals_and_changes_in_several_places() {
    check(
        r#"{"a":1,"b":{"c":[1,2,3],"d/e~f":"x"},"g":true}"#,
        r#"{"b":{"c":[1,3],"d/e~f":"y"},"g":true,"h":null}"#,
        expect![[
            r#"[{"op":"remove","path":"/a"},{"op":"remove","path":"/b/c/1"},{"op":"replace","path":"/b/d~1e~0f","value":"y"},{"op":"add","path":"/h","value":null}]"#
        ]],
    );
    check(r#"{"a":1}"#, r#"[1]"#, expect![[r#"[{"op":"replace","path":"","value":[1]}]"#]]);
}

#[test]
fn numbers_beyond_every_type_are_carried_as_written() {
    check(
        r#"{"a":1e400,"b":10.0}"#,
        r#"{"a":1e400,"b":10.0,"c":-1e999}"#,
        expect![[r#"[{"op":"add","path":"/c","value":-1e999}]"#]],
    );
}

#[test]
fn an_object_that_names_a_key_twice_is_replaced() {
    check(
        r#"{"o":{"a":1}}"#,
        r#"{"o":{"a":1,"a":2}}"#,
        expect![[r#"[{"op":"replace","path":"/o","value":{"a":1,"a":2}}]"#]],
    );
    check(
        r#"{"o":{"a":1}}"#,
        r#"{"o":{"a":1,"\u0061":2}}"#,
        expect![[r#"[{"op":"replace","path":"/o","value":{"a":1,"\u0061":2}}]"#]],
    );
    check(
        r#"{"a":1}"#,
        r#"{"a":1,"a":2}"#,
        expect![[r#"[{"op":"replace","path":"","value":{"a":1,"a":2}}]"#]],
    );
}

#[test]
fn what_is_not_json_is_an_error() {
    assert!(diff("{", "{]").is_err());
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..3).prop_map(Value::from),
        r#"[a-c"\\/~é]{0,3}"#.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((r#"[a-c~/"é]{0,2}"#, inner), 0..4)
                .prop_map(|members| Value::from(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// The same value with one place changed, so that most of both texts is equal.
fn edited(value: &Value, path: &[usize], with: &Value) -> Value {
    let mut value = value.clone();
    match (&mut value, path.split_first()) {
        (Value::Array(items), Some((step, path))) if !items.is_empty() => {
            let at = step % items.len();
            items[at] = edited(&items[at], path, with);
        }
        (Value::Object(members), Some((step, path))) if !members.is_empty() => {
            let at = step % members.len();
            if let Some(member) = members.values_mut().nth(at) {
                *member = edited(member, path, with);
            }
        }
        (Value::Array(items), _) => items.insert(path.len() % (items.len() + 1), with.clone()),
        (Value::Object(members), _) => {
            members.insert("b".into(), with.clone());
        }
        (other, _) => *other = with.clone(),
    }
    value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn applying_the_patch_gives_the_new_object(old in value(), new in value()) {
        prop_assert_eq!(applied(&old.to_string(), &new.to_string()), new.clone());
        prop_assert_eq!(diff(&old.to_string(), &new.to_string()).unwrap().is_none(), old == new);
    }

    #[test]
    fn one_edit_is_found_whatever_the_spelling(
        old in value(),
        path in proptest::collection::vec(0usize..5, 0..6),
        with in value(),
        (old_pretty, new_pretty) in any::<(bool, bool)>(),
    ) {
        let new = edited(&old, &path, &with);
        let spell = |value: &Value, pretty| match pretty {
            true => serde_json::to_string_pretty(value).unwrap(),
            false => value.to_string(),
        };
        prop_assert_eq!(applied(&spell(&old, old_pretty), &spell(&new, new_pretty)), new);
    }

    #[test]
    fn a_repeated_key_means_its_last_value(
        members in proptest::collection::vec(("[ab]", 0..3), 0..4),
        more in proptest::collection::vec(("[ab]", 0..3), 0..4),
    ) {
        let spell = |members: &[(String, i32)]| {
            let members: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
            format!("{{\"o\":{{{}}}}}", members.join(","))
        };
        let (old, new) = (spell(&members), spell(&more));
        prop_assert_eq!(applied(&old, &new), serde_json::from_str::<Value>(&new).unwrap());
    }
}
