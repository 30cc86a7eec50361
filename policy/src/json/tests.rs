use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn at(path: &[&str], text: &str) -> Result<Option<String>, Malformed> {
    Scanner::new(text.as_bytes(), 0).at_path(path, |value| {
        let span = value.skip()?;
        Ok(String::from_utf8_lossy(span.of(text.as_bytes())).into_owned())
    })
}

#[track_caller]
fn check(path: &[&str], text: &str, expected: Expect) {
    let found = match at(path, text) {
        Ok(Some(found)) => found,
        Ok(None) => "nothing".to_owned(),
        Err(malformed) => malformed.to_string(),
    };
    expected.assert_eq(&found);
}

#[test]
fn finds_members() {
    check(&["a"], r#"{"a":1}"#, expect!["1"]);
    check(&["a", "b"], r#" { "x" : [ {"a":0}, "}" ] , "a" : { "b" : [ 1 , 2 ] } } "#, expect!["[ 1 , 2 ]"]);
    check(&["a", "b"], r#"{"a":[{"b":1}]}"#, expect!["nothing"]);
    check(&["a"], r#"["a",1]"#, expect!["nothing"]);
    check(&[], " -1e400 ", expect!["-1e400"]);
}

#[test]
fn the_last_of_members_with_one_name_wins() {
    check(&["a", "b"], r#"{"a":{"b":1},"a":{"b":2}}"#, expect!["2"]);
    check(&["a", "b"], r#"{"a":{"b":1},"a":{}}"#, expect!["nothing"]);
    check(&["a", "b"], r#"{"a":{"b":1},"a":null}"#, expect!["nothing"]);
}

#[test]
fn keys_are_compared_decoded() {
    check(&["image"], r#"{"im\u0061ge":7}"#, expect!["7"]);
    check(&["a/b"], r#"{"a\/b":8}"#, expect!["8"]);
    check(&["a"], r#"{"\ud800":1,"a":9}"#, expect!["9"]);
    check(&["\\ud800"], r#"{"\ud800":1}"#, expect!["1"]);
}

#[test]
fn strings_end_where_they_end() {
    check(&["b"], r#"{"a":"quote \" brace } slash \\","b":"\\\"\\"}"#, expect![[r#""\\\"\\""#]]);
    for length in 0..40 {
        let filler = "x".repeat(length);
        let text = format!(r#"{{"a":"{filler}\"","b":"{filler}"}}"#);
        assert_eq!(at(&["b"], &text), Ok(Some(format!("{filler:?}"))), "{text}");
    }
}

#[test]
fn what_cannot_be_followed_is_malformed() {
    check(&["a"], "", expect!["malformed JSON at byte 0: expected a value"]);
    check(&["a"], "{", expect!["malformed JSON at byte 1: expected a key"]);
    check(&["a"], "{1:2}", expect!["malformed JSON at byte 1: expected a key"]);
    check(&["a"], r#"{"a" 1}"#, expect!["malformed JSON at byte 5: expected a colon"]);
    check(&["a"], r#"{"a":}"#, expect!["malformed JSON at byte 5: expected a value"]);
    check(&["a"], r#"{"a":1,}"#, expect!["malformed JSON at byte 7: expected a key"]);
    check(&["a"], r#"{"a":1"#, expect!["malformed JSON at byte 6: expected a comma or the closing bracket"]);
    check(&["a"], r#"{"a":1]"#, expect!["malformed JSON at byte 6: expected a comma or the closing bracket"]);
    check(&["a"], r#"{"a":"x"#, expect!["malformed JSON at byte 7: expected a closing quote"]);
    check(&["a"], r#"{"a":"x\"#, expect!["malformed JSON at byte 8: expected a closing quote"]);
    check(&["a"], r#"{"a":[[1]"#, expect!["malformed JSON at byte 9: expected a closing bracket"]);
}

#[test]
fn an_offset_that_does_not_fit_is_the_last_one() {
    let text = |at| Malformed::new(at, Expected::End).to_string();
    assert_eq!(text(0), "malformed JSON at byte 0: expected the end");
    assert_eq!(text(usize::MAX), "malformed JSON at byte 268435455: expected the end");
}

#[test]
fn strings_are_decoded() {
    let string =
        |text: &'static str| Scanner::new(text.as_bytes(), 0).string().map(|text| text.map(Cow::into_owned));
    assert_eq!(string(r#" "plain" "#), Ok(Some("plain".to_owned())));
    assert_eq!(string(r#""\u0061\n\ud83d\ude00""#), Ok(Some("a\n😀".to_owned())));
    assert_eq!(string("17"), Ok(None));
    assert_eq!(string(r#" "half \ud83d""#), Err(Malformed::new(1, Expected::Text)));
    assert!(Scanner::new(b"\"\xff\"", 0).string().is_err());
}

#[test]
fn a_value_is_passed_unless_a_string_in_it_is_wanted() {
    let after = |text: &'static str| {
        let mut scanner = Scanner::new(text.as_bytes(), 0);
        let passed = scanner.pass_unless(|string| string == b"wanted");
        passed.map(|passed| (passed, &text[scanner.at..]))
    };
    assert_eq!(after(r#" {"a":["b",1]},"wanted""#), Ok((true, r#","wanted""#)));
    assert_eq!(after(r#" {"a":["wanted"]}"#), Ok((false, r#"{"a":["wanted"]}"#)));
    assert_eq!(after(r#"[{"wanted":1}]"#), Ok((false, r#"[{"wanted":1}]"#)));
    assert_eq!(after(r#"["\u0077anted"]"#), Ok((false, r#"["\u0077anted"]"#)));
    assert_eq!(after(r#"["unwanted"]x"#), Ok((true, "x")));
    assert_eq!(after(r#""wanted",1"#), Ok((true, ",1")));
    assert_eq!(after(r#"["wanted""#), Err(Malformed::new(9, Expected::ClosingBracket)));
}

#[test]
fn depth_costs_no_stack() {
    let deep = format!("{{\"a\":{}{},\"b\":1}}", "[".repeat(2_000_000), "]".repeat(2_000_000));
    check(&["b"], &deep, expect!["1"]);
    check(&["b"], &deep[..3_000_000], expect!["malformed JSON at byte 3000000: expected a closing bracket"]);
}

#[test]
fn a_walk_can_stop_before_the_rest_is_scanned() {
    let mut keys = Vec::new();
    let walked = Scanner::new(b"{\"a\":1,\"b\":!!!", 0).members(|key, value| {
        keys.push(key.to_vec());
        if key == b"b" {
            return Ok(Walk::Stop);
        }
        value.skip().map(|_| Walk::Continue)
    });
    assert_eq!((walked, keys), (Ok(None), vec![b"a".to_vec(), b"b".to_vec()]));
}

#[test]
fn the_tail_is_where_another_element_goes() {
    let tail = |text: &str| {
        let array = Scanner::new(text.as_bytes(), 0).array(|element| element.skip().map(drop));
        let array = array.ok().flatten().map(|array| (array.tail, array.empty, array.span.end));
        array.unwrap_or_default()
    };
    assert_eq!(tail("[ ]"), (1, true, 3));
    assert_eq!(tail("[1 , [2] ] "), (8, false, 10));
}

/// JSON text in all its forms: blanks, escapes, odd numbers, members of the same name.
pub(crate) fn json_text() -> impl Strategy<Value = String> {
    let string = prop_oneof![
        4 => "[a-c]{0,3}",
        1 => r#"([ -!#-\[\]-~é😀]|\\["\\/bfnrt]|\\u00[0-7][0-9a-f]|\\ud83d\\ude00){0,20}"#,
    ];
    let quoted = string.prop_map(|content| format!("\"{content}\""));
    let number = prop_oneof![
        Just("0".to_owned()),
        Just("10.0".to_owned()),
        Just("-0.0e-7".to_owned()),
        Just("1E+30".to_owned()),
        Just("123456789012345678901234567890".to_owned()),
        any::<i32>().prop_map(|number| number.to_string()),
    ];
    let literal = prop_oneof![Just("null".to_owned()), Just("true".to_owned()), Just("false".to_owned())];
    let leaf = prop_oneof![quoted.clone(), number, literal];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        let blank = "[ \n\r\t]{0,2}";
        let padded =
            (blank, inner, blank).prop_map(|(before, value, after)| format!("{before}{value}{after}"));
        let member = (blank, quoted.clone(), blank, padded.clone())
            .prop_map(|(before, key, after, value)| format!("{before}{key}{after}:{value}"));
        let array = (proptest::collection::vec(padded, 0..6), blank).prop_map(|(elements, blank)| {
            if elements.is_empty() { format!("[{blank}]") } else { format!("[{}]", elements.join(",")) }
        });
        let object = (proptest::collection::vec(member, 0..6), blank).prop_map(|(members, blank)| {
            if members.is_empty() { format!("{{{blank}}}") } else { format!("{{{}}}", members.join(",")) }
        });
        prop_oneof![array, object]
    })
}

/// What the scanner sees of a text, as a value: one level at a time, on spans.
fn value_of(text: &[u8]) -> Result<Value, Malformed> {
    let mut scanner = Scanner::new(text, 0);
    match scanner.peek() {
        Some(b'{') => {
            let mut members = serde_json::Map::new();
            scanner.object(|key, value| {
                let span = value.skip()?;
                members.insert(String::from_utf8_lossy(key).into_owned(), value_of(span.of(text))?);
                Ok(())
            })?;
            Ok(Value::Object(members))
        }
        Some(b'[') => {
            let mut elements = Vec::new();
            scanner.array(|element| {
                elements.push(value_of(element.skip()?.of(text))?);
                Ok(())
            })?;
            Ok(Value::Array(elements))
        }
        Some(b'"') => Ok(Value::from(scanner.string()?.unwrap_or_default())),
        _ => {
            let scalar = scanner.skip()?.of(text);
            serde_json::from_slice(scalar).map_err(|_| Malformed::new(0, Expected::Value))
        }
    }
}

/// Fractions to nine digits: more than a message needs.
fn rounded(value: Value) -> Value {
    match value {
        Value::Number(number) if !number.is_i64() && !number.is_u64() => {
            Value::String(format!("{:.9e}", number.as_f64().unwrap_or_default()))
        }
        Value::Array(items) => items.into_iter().map(rounded).collect(),
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, rounded(value))).collect(),
        other => other,
    }
}

#[test]
fn a_value_is_the_whole_text_and_not_too_deep() {
    let value = |text: &str| value(text.as_bytes()).map_err(|malformed| malformed.to_string());
    assert_eq!(value(" {} "), Ok(serde_json::json!({})));
    assert_eq!(value("{} x"), Err("malformed JSON at byte 3: expected the end".to_owned()));
    assert_eq!(value("[tru]"), Err("malformed JSON at byte 1: expected a value".to_owned()));
    assert_eq!(value("[1e400]"), Err("malformed JSON at byte 1: expected a smaller number".to_owned()));
    let deep = "[".repeat(100_000);
    assert_eq!(value(&deep), Err("malformed JSON at byte 64: expected fewer levels".to_owned()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn sees_what_serde_json_sees(text in json_text()) {
        let expected: Value = serde_json::from_str(&text).expect("the strategy makes JSON");
        prop_assert_eq!(value_of(text.as_bytes()), Ok(expected));
    }

    #[test]
    fn values_are_what_serde_json_makes_of_them(text in json_text()) {
        let expected: Value = serde_json::from_str(&text).expect("the strategy makes JSON");
        let read = value(text.as_bytes());
        prop_assert_eq!(read.map(rounded), Ok(rounded(expected)));
    }

    #[test]
    fn never_panics_on_what_is_nearly_json(text in json_text(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = text.into_bytes();
        let index = at.index(bytes.len());
        bytes[index] = byte;
        let _ = (value_of(&bytes), value(&bytes));
        bytes.truncate(index);
        let _ = (value_of(&bytes), value(&bytes));
    }

    #[test]
    fn never_panics_on_bytes(bytes in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b'\\'), Just(b'{'),
        Just(b'['), Just(b']'), Just(b'}'), Just(b','), Just(b':'), any::<u8>()], 0..60)) {
        let _ = (value_of(&bytes), value(&bytes));
    }
}

#[test]
fn strings_are_written_as_json() {
    for text in ["", "plain", "\"\\/\u{8}\u{c}\n\r\t\u{0}\u{1f}\u{7f}", "é😀\u{2028}"] {
        let mut out = Vec::new();
        write_string(text, &mut out);
        assert_eq!(serde_json::from_slice::<String>(&out).expect("a JSON string"), text);
    }
}
