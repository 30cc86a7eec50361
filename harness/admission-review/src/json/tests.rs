use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::*;

fn accepts(text: &str) -> bool {
    let mut scanner = Scanner::new(text);
    scanner.value().and_then(|_| scanner.end()).is_ok()
}

#[track_caller]
fn agrees_with_serde(text: &str) {
    assert_eq!(accepts(text), serde_json::from_str::<IgnoredAny>(text).is_ok(), "{text:?}");
}

#[test]
fn accepts_and_refuses_what_serde_json_does() {
    for text in [
        "",
        " ",
        "null",
        "nul",
        "nulll",
        "true",
        "false",
        "0",
        "-0",
        "01",
        "-",
        "1.",
        "1.5",
        ".5",
        "1e",
        "1e5",
        "1E+5",
        "1e400",
        "--1",
        "[]",
        "[1,]",
        "[1 2]",
        "[",
        "]",
        "[1,[2,{}]]",
        "{}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":1}",
        "{a:1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":[}",
        "{]",
        "\"",
        "\"a",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12zz\"",
        "\"\\u00e9\"",
        "\"\\\"\"",
        "\"tab\there\"",
        "\"12345678\\\"12345678\"",
        "\"é😀\"",
        " {\n\t\"a\" : [ 1 , \"b\" ] }\r ",
        "{\"a\":1}x",
        "\u{feff}{}",
    ] {
        agrees_with_serde(text);
    }
}

#[test]
fn finds_the_end_of_a_string_wherever_it_lies_in_a_word() {
    for length in 0..40 {
        for special in ["\"", "\\n\"", "\n", "\u{1f}", "!\"", "\u{7f}\"", "\u{80}\"", "\u{2028}\""] {
            agrees_with_serde(&format!("\"{}{special}", "x".repeat(length)));
        }
    }
}

#[test]
fn containers_are_in_each_other_as_deep_as_kubewardens_hosts_read_them() {
    for depth in [1, 126, 127, 128, 200_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let of = |inner: &str| format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
            let text = of("1");
            assert_eq!(accepts(&text), depth <= 127, "{depth}");
            assert_eq!(accepts(&text), serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{depth}");
            assert!(!accepts(&open.repeat(depth)));
        }
    }
    let in_an_object = |depth: usize| {
        let text = format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        let scanned = Scanner::new(&text).object(|_, scanner| scanner.value().map(drop));
        assert_eq!(scanned.is_ok(), serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{depth}");
        scanned.is_ok()
    };
    assert!(in_an_object(126) && !in_an_object(127));
}

#[test]
fn members_are_found_by_their_meaning_not_their_spelling() {
    let mut scanner = Scanner::new(r#" {"a":1, "\u006fbject" : {"x":[1,2]} ,"c":"\"}"} "#);
    let mut seen = Vec::new();
    scanner
        .object(|key, scanner| {
            seen.push((key.to_owned(), scanner.value()?.to_owned()));
            Ok(())
        })
        .unwrap();
    scanner.end().unwrap();
    let seen: Vec<(&str, &str)> = seen.iter().map(|(key, value)| (&key[..], &value[..])).collect();
    assert_eq!(seen, [("a", "1"), ("object", r#"{"x":[1,2]}"#), ("c", r#""\"}""#)]);
}

proptest! {
    #[test]
    fn agrees_with_serde_json_on_arbitrary_text(text in r#"[\[\]{}:,"\\0-9eE+.\-tfnualse x\u{1}é\n]{0,24}"#) {
        agrees_with_serde(&text);
    }

    #[test]
    fn agrees_with_serde_json_on_damaged_json(at in 0usize..120, with in any::<u8>()) {
        let mut text = br#"{"kind":{"group":"","version":"v1"},"n":[-1.5e3,true,null,"a\u00e9\\"],"o":{"p":{},"q":[]},"s":"longer than eight"}"#.to_vec();
        if at < text.len() { text[at] = with; }
        if let Ok(text) = std::str::from_utf8(&text) {
            agrees_with_serde(text);
        }
    }
}
