use expect_test::{Expect, expect};

use super::*;
use crate::json::Scanner;
use crate::pod_spec::PullSecrets;

#[track_caller]
fn check(object: &str, names: &[&str], expected: Expect) {
    let text = object.as_bytes();
    let mut slot = None;
    let container = Scanner::new(text, 0)
        .object(|key, value| {
            match key {
                b"imagePullSecrets" => slot = Some(PullSecrets::read(value)?.slot),
                _ => drop(value.skip()?),
            }
            Ok(())
        })
        .expect("the object can be scanned")
        .expect("an object");
    let edit = slot.unwrap_or(Slot::member_of(container)).add(names.iter().copied());
    let edited = match edit {
        Some(edit) => {
            let mut out = Vec::new();
            edit.write(text, container.span, &mut out);
            String::from_utf8(out).expect("UTF-8 in, UTF-8 out")
        }
        None => "no edit".to_owned(),
    };
    expected.assert_eq(&edited);
}

#[test]
fn a_missing_list_becomes_the_last_member() {
    check(r#"{"a":1}"#, &["x"], expect![[r#"{"a":1,"imagePullSecrets":[{"name":"x"}]}"#]]);
    check(
        r#"{ "a" : 1 }"#,
        &["x", "y"],
        expect![[r#"{ "a" : 1,"imagePullSecrets":[{"name":"x"},{"name":"y"}] }"#]],
    );
    check("{ }", &["x"], expect![[r#"{"imagePullSecrets":[{"name":"x"}] }"#]]);
}

#[test]
fn entries_are_added_after_what_is_there() {
    check(
        r#"{"imagePullSecrets":[ {"name":"b"} , {"name":"a"} ],"z":0}"#,
        &["x"],
        expect![[r#"{"imagePullSecrets":[ {"name":"b"} , {"name":"a"},{"name":"x"} ],"z":0}"#]],
    );
    check(r#"{"imagePullSecrets":[ ]}"#, &["x"], expect![[r#"{"imagePullSecrets":[{"name":"x"} ]}"#]]);
}

#[test]
fn a_list_written_as_null_is_replaced() {
    check(
        r#"{"imagePullSecrets": null ,"z":0}"#,
        &["x"],
        expect![[r#"{"imagePullSecrets": [{"name":"x"}] ,"z":0}"#]],
    );
}

#[test]
fn of_two_lists_the_last_one_counts() {
    check(
        r#"{"imagePullSecrets":[{"name":"a"}],"imagePullSecrets":[{"name":"b"}]}"#,
        &["x"],
        expect![[r#"{"imagePullSecrets":[{"name":"a"}],"imagePullSecrets":[{"name":"b"},{"name":"x"}]}"#]],
    );
}

#[test]
fn what_is_no_list_is_left_alone() {
    check(r#"{"imagePullSecrets":"tcr"}"#, &["x"], expect!["no edit"]);
    check(r#"{"imagePullSecrets":{"name":"tcr"}}"#, &["x"], expect!["no edit"]);
    check(r#"{"a":1}"#, &[], expect!["no edit"]);
}

#[test]
fn names_are_escaped() {
    check("{}", &["a\"b\\"], expect![[r#"{"imagePullSecrets":[{"name":"a\"b\\"}]}"#]]);
}
