//! The property that the policy stands on: it inserts one span and touches nothing else.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::cluster::tests::Unreachable;
use crate::json::tests::json_text;
use crate::validate;

const TCR_IMAGE: &str = r#"{"image":"demo.tencentcloudcr.com/team/app:v1"}"#;

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    mutated_object: Option<&'a RawValue>,
}

/// How the list is written.
#[derive(Clone, Debug)]
enum List {
    Absent,
    Null,
    Entries(Vec<String>),
}

/// A member, by key and value as they are written.
type Member = (String, String);

fn blank() -> impl Strategy<Value = String> {
    "[ \n\r\t]{0,2}"
}

/// Members that mean nothing to the policy.
fn unknown_members() -> impl Strategy<Value = Vec<Member>> {
    let number = prop_oneof![Just("1e400".to_owned()), Just("10.0".to_owned()), Just("-1E-400".to_owned())];
    let deep = (1..40_usize)
        .prop_map(|depth| format!("{}{}", "[{\"x\":".repeat(depth), "0".to_owned() + &"}]".repeat(depth)));
    let value = prop_oneof![4 => json_text(), 1 => number, 1 => deep];
    let key = prop_oneof![
        Just("\"x\"".to_owned()),
        Just("\"sp\\u0065c2\"".to_owned()),
        Just("\"\\ud83d\\ude00\"".to_owned())
    ];
    proptest::collection::vec((key, value), 0..4)
}

fn list() -> impl Strategy<Value = List> {
    let entry = prop_oneof![
        Just(r#"{"name":"mine"}"#.to_owned()),
        Just(r#"{ "n\u0061me" : "tcr.ips\u0064emo" }"#.to_owned()),
        Just(r#"{"name":"tcr.ipsdemo","name":"other"}"#.to_owned()),
        Just("{}".to_owned()),
        json_text(),
    ];
    prop_oneof![
        Just(List::Absent),
        Just(List::Null),
        proptest::collection::vec(entry, 0..4).prop_map(List::Entries),
    ]
}

fn object(members: &[Member], blank: &str) -> String {
    let members: Vec<String> =
        members.iter().map(|(key, value)| format!("{blank}{key}{blank}:{blank}{value}{blank}")).collect();
    format!("{{{}{blank}}}", members.join(","))
}

/// The text of a Pod with a TCR image, and how its list is written.
fn pod() -> impl Strategy<Value = (String, List)> {
    let written_key = prop_oneof![Just("\"imagePullSecrets\""), Just("\"im\\u0061gePullSecrets\"")];
    (unknown_members(), unknown_members(), unknown_members(), list(), blank(), written_key, any::<bool>())
        .prop_map(|(before, inside, after, list, blank, key, list_first)| {
            let mut spec = inside;
            let containers = ("\"containers\"".to_owned(), format!("[{blank}{TCR_IMAGE}{blank}]"));
            let written = match &list {
                List::Absent => None,
                List::Null => Some("null".to_owned()),
                List::Entries(entries) => {
                    Some(format!("[{blank}{}{blank}]", entries.join(&format!("{blank},{blank}"))))
                }
            };
            let mut ours: Vec<Member> = written.map(|list| (key.to_owned(), list)).into_iter().collect();
            ours.insert(if list_first { ours.len() } else { 0 }, containers);
            let middle = spec.len() / 2;
            spec.splice(middle..middle, ours);
            let mut pod = before;
            pod.push((
                "\"spec\"".to_owned(),
                "{\"containers\":[],\"imagePullSecrets\":[{\"name\":\"shadowed\"}]}".to_owned(),
            ));
            pod.push(("\"sp\\u0065c\"".to_owned(), object(&spec, &blank)));
            pod.extend(after);
            (object(&pod, &blank), list)
        })
}

fn mutated(object: &str) -> Option<String> {
    let settings = json!({"registries": [{"name": "demo", "hosts": ["demo.tencentcloudcr.com"]}]});
    let payload = format!(
        r#"{{"request":{{"kind":{{"group":"","kind":"Pod"}},"operation":"CREATE","object": {object} }},"settings":{settings}}}"#
    );
    let response = validate(payload.as_bytes(), &Unreachable).expect("a verdict");
    let response: Response<'_> = serde_json::from_slice(&response).expect("a response");
    response.mutated_object.map(|object| object.get().to_owned())
}

/// The input's bytes that are not in the output, and the output's that are not in the input,
/// between the longest common head and the longest common tail.
fn difference<'t>(input: &'t str, output: &'t str) -> (&'t [u8], &'t [u8]) {
    let (input, output) = (input.as_bytes(), output.as_bytes());
    let head = input.iter().zip(output).take_while(|(a, b)| a == b).count();
    let (input, output) = (&input[head..], &output[head..]);
    let tail = input.iter().rev().zip(output.iter().rev()).take_while(|(a, b)| a == b).count();
    (&input[..input.len() - tail], &output[..output.len() - tail])
}

/// Numbers that serde_json has no room for, out of the way of the comparison by meaning.
fn readable(text: &str) -> Value {
    let text = text.replace("1e400", "\"big\"").replace("-1E-400", "\"small\"");
    serde_json::from_str(&text).expect("JSON")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn the_output_is_the_input_and_one_inserted_span((input, list) in pod()) {
        let mut meant = readable(&input);
        let entries = match &list {
            List::Entries(entries) => entries.iter().map(|entry| readable(entry)).collect(),
            List::Absent | List::Null => Vec::new(),
        };
        let is_listed = entries.iter().any(|entry| entry["name"] == "tcr.ipsdemo");
        let Some(output) = mutated(&input) else {
            prop_assert!(is_listed, "nothing was added to {}", input);
            return Ok(());
        };
        prop_assert!(!is_listed, "added twice to {}", input);
        let (gone, _) = difference(&input, &output);
        match list {
            List::Null => {
                prop_assert_eq!(gone, b"null");
                prop_assert_eq!(output.len(), input.len() - 4 + r#"[{"name":"tcr.ipsdemo"}]"#.len());
            }
            _ => prop_assert_eq!(String::from_utf8_lossy(gone), "", "bytes are gone from {}", input),
        }
        let mut entries = entries;
        entries.push(json!({"name": "tcr.ipsdemo"}));
        meant["spec"]["imagePullSecrets"] = Value::Array(entries);
        prop_assert_eq!(readable(&output), meant);
    }
}

#[test]
fn a_pod_without_a_spec_is_untouched() {
    for object in ["{}", r#"{"spec":null}"#, r#"{"spec":[]}"#, r#"{"spec":"containers"}"#, r#"{"spec":{}}"#] {
        assert_eq!(mutated(object), None, "{object}");
    }
}

#[test]
fn other_bytes_stay_as_they_are_written() {
    let input = "{\"x\": 1e400 , \"y\":10.0,\t\"spec\" :{\"containers\":[{\"image\":\"demo.tencentcloudcr.com/\\u0061\"}]}}";
    let output = mutated(input).expect("a TCR image");
    assert_eq!(output, input.replace("}]}}", "}],\"imagePullSecrets\":[{\"name\":\"tcr.ipsdemo\"}]}}"));
}
