use proptest::prelude::*;

use super::*;

const PODS: [&str; 4] = [
    r#"{"kind":"Pod","metadata":{"name":"a","labels":{"x":"}"}},"spec":{"containers":[{"name":"c","args":["[",{}]}],"n":1.5e3},"status":{}}"#,
    "{ \"spec\" : { \"l\" : [ 1 , [ 2 , \"a\\\"b\" ] , null ] , \"o\" : { } } , \"z\" : [ ] }",
    r#"[[],[1],[{"a":[]},2],"\u00e9",true]"#,
    r#"{"a":{"b":{"c":{"d":{"e":[[[1]]]}}}},"f":false}"#,
];

fn outline(text: &str) -> Outline<'_> {
    Scanner::new(text).outline().unwrap()
}

#[test]
fn noted_or_not_the_same_containers_are_open_at_every_place() {
    for text in PODS {
        let (noted, unknown) = (outline(text), Outline::unknown(text));
        assert_eq!(noted.text(), text);
        for at in 0..=text.len() {
            assert_eq!(noted.open_at(at), unknown.open_at(at), "at {at} of {text}");
        }
    }
}

#[test]
fn what_the_notes_reach_is_not_looked_at_again() {
    let deep = format!("[{}]", vec!["[[1,2],[3]]"; 100].join(","));
    assert!(outline(&deep).marks.len() < deep.len() / 2);
    let spec = format!(r#"{{"spec":{{"containers":{deep},"z":1}}}}"#);
    assert_eq!(outline(&spec).marks.len(), 5);
}

#[test]
fn an_open_container_knows_its_member() {
    let text = PODS[0];
    let open = outline(text).open_at(text.find("\"n\"").unwrap() + 4);
    let keys: Vec<_> = open.iter().map(|container| (container.key(text).unwrap(), container.index)).collect();
    assert_eq!(keys, [("\"spec\"", 2), ("\"n\"", 1)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// The first part of an edited text is not scanned; what is found, or found wrong, is the same.
    #[test]
    fn an_edited_text_is_scanned_as_any_other(
        pod in 0usize..PODS.len(),
        (from, removed) in (0usize..160, 0usize..12),
        inserted in prop_oneof![
            Just(String::new()),
            r#"[\[\]{}:,"\\01.e\-a ]{0,6}"#,
            Just(r#","imagePullSecrets":[{"name":"s"}]"#.to_owned()),
            Just(r#"{"name":"s"},"#.to_owned()),
        ],
        behind in prop_oneof![Just(""), Just("}"), Just(",\"warnings\":null}")],
    ) {
        let original = PODS[pod];
        let from = from.min(original.len());
        let to = (from + removed).min(original.len());
        let text = [&original[..from], &inserted, &original[to..], behind].concat();
        let (mut one, mut other) = (Scanner::new(&text), Scanner::new(&text));
        prop_assert_eq!(one.edited(&outline(original)), other.value(), "{}", text);
        prop_assert_eq!(one.position(), other.position());
    }
}
