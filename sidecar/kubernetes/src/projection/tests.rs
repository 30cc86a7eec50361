use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

const OBJECT: Keep = &[
    all("kind"),
    some("metadata", &[all("name"), all("labels"), some("annotations", &[all("x/mark")])]),
    some("imagePullSecrets", &[all("name")]),
];
const LIST: Keep = &[all("kind"), some("metadata", &[all("continue")]), some("items", OBJECT)];
const EVENT: Keep = &[all("type"), some("object", OBJECT)];
const MOST: usize = 200;

fn project(shape: Shape, keep: Keep, body: &str, chunk: usize) -> (String, u64) {
    let mut projection = Projection::new(shape, keep, MOST);
    let mut out = Vec::new();
    body.as_bytes().chunks(chunk).for_each(|bytes| out.extend(projection.feed(bytes)));
    (String::from_utf8(out).unwrap(), projection.left_out())
}

#[track_caller]
fn check(shape: Shape, keep: Keep, body: &str, expected: Expect) {
    expected.assert_eq(&project(shape, keep, body, usize::MAX).0);
    for chunk in 1..9 {
        assert_eq!(project(shape, keep, body, chunk), project(shape, keep, body, usize::MAX), "by {chunk}");
    }
}

#[test]
fn of_a_list_the_chosen_members_of_each_item_are_kept() {
    let body = r#"{"kind":"List","metadata":{"resourceVersion":"7","continue":"a\"b"}, "items" : [
        {"metadata":{"managedFields":[{"f:x":{"}":1}}],"name":"a","annotations":{"y":"{[\\\"","x/mark":"m","z":null}},
         "secrets":[{"name":"no"}],"imagePullSecrets":[{"name":"p","other":[1,2]},{},{"name":"q"}]},
        {"status":true,"spec":-1.5e3,"kind":"K"},{}]}"#;
    check(
        Shape::List,
        LIST,
        body,
        expect![[
            r#"{"kind":"List","metadata":{"continue":"a\"b"},"items":[{"metadata":{"name":"a","annotations":{"x/mark":"m"}},"imagePullSecrets":[{"name":"p"},{},{"name":"q"}]},{"kind":"K"},{}]}"#
        ]],
    );
    check(Shape::List, LIST, r#"{"items":null,"kind":"List"}"#, expect![[r#"{"items":null,"kind":"List"}"#]]);
}

#[test]
fn each_event_of_a_watch_stays_a_line() {
    let body = "{\"type\":\"ADDED\",\"object\":{\"kind\":\"K\",\"data\":{\"a\":\"b\"}}}\n{\"object\":{},\"type\":\"DELETED\"}\n";
    check(
        Shape::Objects,
        EVENT,
        body,
        expect![[r#"
        {"type":"ADDED","object":{"kind":"K"}}
        {"object":{},"type":"DELETED"}
    "#]],
    );
}

#[test]
fn an_object_of_which_too_much_would_be_kept_is_left_out_and_the_others_stay() {
    let labels = "l".repeat(MOST);
    let large = format!(r#"{{"kind":"large","metadata":{{"labels":{{"a":"{labels}"}},"name":"x"}}}}"#);
    let (small, annotated) =
        (r#"{"kind":"small"}"#, format!(r#"{{"metadata":{{"annotations":{{"a":"{labels}"}}}}}}"#));
    for (items, kept) in [
        (vec![&large[..], small], vec![small]),
        (vec![small, &large], vec![small]),
        (vec![&large, small, &large, &large, small], vec![small, small]),
        (vec![&large], vec![]),
    ] {
        let body = format!(r#"{{"kind":"L","items":[{}]}}"#, items.join(","));
        let expected = format!(r#"{{"kind":"L","items":[{}]}}"#, kept.join(","));
        for chunk in [1, 7, usize::MAX] {
            let (out, left_out) = project(Shape::List, LIST, &body, chunk);
            assert_eq!((out, left_out), (expected.clone(), (items.len() - kept.len()) as u64));
        }
    }
    let event = |object: &str| format!("{{\"type\":\"ADDED\",\"object\":{object}}}\n");
    let (out, left_out) = project(Shape::Objects, EVENT, &(event(&large) + &event(small)), 5);
    assert_eq!((out, left_out), (format!("\n{}", event(small)), 1));
    assert_eq!(project(Shape::Objects, EVENT, &event(&annotated), 5).1, 0, "what is skipped does not count");
}

/// What serde would keep.
fn kept(value: &Value, keep: Keep) -> Value {
    match value {
        Value::Array(elements) => elements.iter().map(|it| kept(it, keep)).collect(),
        Value::Object(members) => {
            let members = members.iter().filter_map(|(name, value)| {
                let member = keep.iter().find(|member| member.name == name)?;
                let value = match member.keep {
                    What::Some(keep) => kept(value, keep),
                    What::All | What::Nothing => value.clone(),
                };
                Some((name.clone(), value))
            });
            Value::Object(members.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|it| json!(it)),
        any::<i32>().prop_map(|it| json!(it)),
        any::<i16>().prop_map(|it| json!(f64::from(it) * 0.25)),
        any::<String>().prop_map(|it| json!(it)),
        "[\\\\\"{}\\[\\],: ]{0,6}".prop_map(|it| json!(it)),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        let name = prop_oneof![
            3 => prop::sample::select(vec!["kind", "metadata", "items", "name", "labels", "annotations", "x/mark", "imagePullSecrets"])
                .prop_map(str::to_owned),
            1 => any::<String>(),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn it_keeps_what_a_parser_would_keep(value in any_value(), chunk in 1..40_usize, is_pretty in any::<bool>()) {
        let body = if is_pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let body = body.unwrap() + "\n";
        let mut projection = Projection::new(Shape::Objects, LIST, usize::MAX);
        let mut out = Vec::new();
        body.as_bytes().chunks(chunk).for_each(|bytes| out.extend(projection.feed(bytes)));
        let out: Value = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(out, kept(&value, LIST));
    }

    #[test]
    fn no_bytes_make_it_panic_or_keep_more_than_there_were(
        body in prop_oneof![any::<Vec<u8>>(), "[\\[\\]{}\",:\\\\a1 \n]{0,80}".prop_map(String::into_bytes)],
        is_list in any::<bool>(),
    ) {
        let shape = if is_list { Shape::List } else { Shape::Objects };
        let mut projection = Projection::new(shape, LIST, MOST);
        let out = projection.feed(&body);
        prop_assert!(out.len() + projection.out.len() <= body.len() * 2 + 2);
    }
}
