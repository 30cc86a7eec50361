use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

const CREATE: &str = r#"{"uid":"u","kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"operation":"CREATE","userInfo":{},"object":{"a":1}}"#;

#[track_caller]
fn check(request: &str, answer: &str, expected: Expect) {
    let request = Request::from_request(request.as_bytes()).unwrap();
    let evaluation = Evaluation::of_answer(&request, answer.as_bytes());
    assert_eq!(evaluation.mutated_object.is_some(), evaluation.response.patch.is_some());
    let mut text = serde_json::to_string(&evaluation.response).unwrap();
    if let Some(patch) = evaluation.response.patch_json() {
        text = format!("{text}\n{patch}");
    }
    expected.assert_eq(&text);
}

#[test]
fn an_accepted_object_has_both_nulls() {
    let accepted = r#"{"accepted":true,"message":null,"code":null,"mutated_object":null,"audit_annotations":null,"warnings":null}"#;
    check(
        CREATE,
        accepted,
        expect![[r#"{"uid":"u","allowed":true,"auditAnnotations":null,"warnings":null}"#]],
    );
    check(
        CREATE,
        r#"{"accepted":true}"#,
        expect![[r#"{"uid":"u","allowed":true,"auditAnnotations":null,"warnings":null}"#]],
    );
}

#[test]
fn an_unchanged_object_gives_no_patch() {
    let same = r#"{"accepted":true,"mutated_object":{"a":1}}"#;
    check(CREATE, same, expect![[r#"{"uid":"u","allowed":true,"auditAnnotations":null,"warnings":null}"#]]);
}

#[test]
fn a_refusal_carries_everything_the_policy_said() {
    let refused = r#"{"accepted":false,"message":"no \"x\"","code":403,"mutated_object":{"a":1,"b":[]},"audit_annotations":{"k":"v"},"warnings":["w"]}"#;
    check(
        CREATE,
        refused,
        expect![[r#"
        {"uid":"u","allowed":false,"patchType":"JSONPatch","patch":"W3sib3AiOiJhZGQiLCJwYXRoIjoiL2IiLCJ2YWx1ZSI6W119XQ==","status":{"message":"no \"x\"","code":403},"auditAnnotations":{"k":"v"},"warnings":["w"]}
        [{"op":"add","path":"/b","value":[]}]"#]],
    );
}

#[test]
fn a_deletion_cannot_be_mutated() {
    let delete = CREATE.replace(r#"{"a":1}"#, "null");
    check(
        &delete,
        r#"{"accepted":true,"mutated_object":{}}"#,
        expect![[
            r#"{"uid":"u","allowed":false,"status":{"message":"Incoming object is null, which happens only with DELETE operations, but the policy is attempting a mutation. This is not allowed"},"auditAnnotations":null,"warnings":null}"#
        ]],
    );
}

#[test]
fn an_answer_that_is_not_understood_is_a_failure() {
    check(
        CREATE,
        r#"{"message":"x"}"#,
        expect![[
            r#"{"uid":"u","allowed":false,"status":{"message":"internal server error: cannot understand the policy's answer: \"accepted\" is missing","code":500},"auditAnnotations":null,"warnings":null}"#
        ]],
    );
    check(
        CREATE,
        r#"{"accepted":true,"mutated_object":{"a":1,"b":1e400}}"#,
        expect![[
            r#"{"uid":"u","allowed":false,"status":{"message":"internal server error: cannot understand the policy's answer: \"mutated_object\": number out of range at line 1 column 5","code":500},"auditAnnotations":null,"warnings":null}"#
        ]],
    );
    check(
        CREATE,
        r#"{"accepted":true,"code":70000}"#,
        expect![[
            r#"{"uid":"u","allowed":false,"status":{"message":"internal server error: cannot understand the policy's answer: \"code\": invalid value: integer `70000`, expected u16 at line 1 column 5","code":500},"auditAnnotations":null,"warnings":null}"#
        ]],
    );
}

#[test]
fn an_answer_that_says_something_twice_is_a_failure() {
    let members = [
        r#""accepted":true"#,
        r#""message":"m""#,
        r#""code":403"#,
        r#""mutated_object":{"a":1}"#,
        r#""audit_annotations":{}"#,
        r#""warnings":[]"#,
    ];
    let all = members.join(",");
    for member in members {
        let name = member.split('"').nth(1).unwrap();
        // In plain letters or escaped, with the same value or another one: it is the same member.
        let escaped = member.replacen(&name[..1], &format!("\\u{:04x}", name.as_bytes()[0]), 1);
        for again in [member.to_owned(), format!(r#""{name}":null"#), escaped] {
            let request = Request::from_request(CREATE.as_bytes()).unwrap();
            let answer = format!("{{{all},{again}}}");
            let response = Evaluation::of_answer(&request, answer.as_bytes()).response;
            let status = response.status.unwrap();
            assert_eq!((response.allowed, response.patch, status.code), (false, None, Some(500)), "{again}");
            let message = status.message.unwrap();
            assert!(message.contains(&format!(r#"duplicate field "{name}""#)), "{again}: {message}");
        }
    }
}

#[test]
fn the_review_is_always_of_version_one() {
    let review = AdmissionResponse { uid: "u".into(), allowed: true, ..Default::default() }.to_review();
    expect![[r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u","allowed":true,"auditAnnotations":null,"warnings":null}}"#]]
        .assert_eq(&String::from_utf8(review).unwrap());
}

/// What Kubewarden's hosts read an answer to.
#[derive(Debug, PartialEq, Deserialize)]
struct Theirs {
    accepted: bool,
    message: Option<String>,
    code: Option<u16>,
    mutated_object: Option<serde_json::Value>,
    audit_annotations: Option<BTreeMap<String, String>>,
    warnings: Option<Vec<String>>,
}

/// Texts that are an answer, or nearly.
fn answers() -> impl Strategy<Value = String> {
    let keys = r#""(accepted|message|code|mutated_object|audit_annotations|warnings|other|\\u0061ccepted)""#;
    let values = prop_oneof![
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("null".to_owned()),
        Just(r#"{"a":1,"b":[2]}"#.to_owned()),
        Just(r#"{"a":"b"}"#.to_owned()),
        Just(r#"{"a":1e400}"#.to_owned()),
        Just(r#"{"a":1,"b":"\ud800"}"#.to_owned()),
        Just(r#"["a","\n"]"#.to_owned()),
        Just(r#""text""#.to_owned()),
        "-?[0-9]{1,6}(\\.[0-9])?",
        "[\\[\\]{}\",:a0\\\\]{0,5}",
    ];
    let members = proptest::collection::vec((keys, values), 0..6);
    let text = members.prop_map(|members| {
        let members: Vec<String> = members.into_iter().map(|(key, value)| format!("{key}:{value}")).collect();
        format!("{{{}}}", members.join(","))
    });
    (text, any::<prop::sample::Index>(), 0..12_u8).prop_map(|(text, at, cut)| match cut {
        0 => text[..at.index(text.len())].to_owned(),
        1 => format!("{text} {text}"),
        _ => text,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Whatever a guest answers is read as Kubewarden's hosts read it, or is a failure there and here.
    #[test]
    fn an_answer_is_read_as_kubewardens_hosts_read_it(text in answers()) {
        let request = Request::from_request(CREATE.as_bytes()).unwrap();
        let evaluation = Evaluation::of_answer(&request, text.as_bytes());
        prop_assert!(!evaluation.failed || !evaluation.response.allowed);
        match (Verdict::read(text.as_bytes(), request.outline()), serde_json::from_str::<Theirs>(&text)) {
            (Ok(ours), Ok(theirs)) => {
                let mutated = ours.mutated_object.map(|text| serde_json::from_str(text).unwrap());
                let Verdict { accepted, message, code, audit_annotations, warnings, .. } = ours;
                let ours = Theirs { accepted, message, code, mutated_object: mutated, audit_annotations, warnings };
                prop_assert_eq!(ours, theirs);
            }
            (_, Err(_)) => prop_assert!(evaluation.failed, "{} is read here, and not there", text),
            (ours, theirs) => prop_assert!(false, "{} is read {:?} here and {:?} there", text, ours, theirs),
        }
    }

    /// Any bytes at all.
    #[test]
    fn bytes_of_a_guest_end_in_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let request = Request::from_request(CREATE.as_bytes()).unwrap();
        let evaluation = Evaluation::of_answer(&request, &bytes);
        prop_assert!(!evaluation.failed || evaluation.response.status.unwrap().code == Some(500));
    }
}
