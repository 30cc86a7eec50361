use expect_test::expect;
use kubewarden_policy_sdk::response::ValidationResponse;

use super::*;

fn written(answer: Answer, payload: &str) -> String {
    String::from_utf8(answer.into_response(payload.as_bytes())).expect("UTF-8")
}

#[test]
fn says_what_the_sdk_says() {
    let sdk = ValidationResponse {
        accepted: true,
        message: None,
        code: None,
        mutated_object: None,
        audit_annotations: None,
        warnings: None,
    };
    assert_eq!(written(Answer::accept(), ""), serde_json::to_string(&sdk).expect("JSON"));

    let sdk = ValidationResponse {
        accepted: false,
        message: Some("no \"way\"\n".to_owned()),
        code: Some(403),
        mutated_object: None,
        audit_annotations: Some([("undecided".to_owned(), "a; b".to_owned())].into()),
        warnings: Some(vec!["first".to_owned(), "second".to_owned()]),
    };
    let mut answer = Answer::reject(403, "no \"way\"\n".to_owned());
    answer.note("undecided", "a".to_owned());
    answer.note("undecided", "b".to_owned());
    for warning in ["first", "second", "first"] {
        answer.warn(warning.to_owned());
    }
    assert_eq!(written(answer, ""), serde_json::to_string(&sdk).expect("JSON"));
}

#[test]
fn the_object_is_copied_around_the_edit() {
    let payload = r#"{"object": {"a": 1e400} }"#;
    let edit = Edit { removed: Span { start: 22, end: 22 }, inserted: b",\"b\":2".to_vec() };
    let mut answer = Answer::accept();
    answer.verdict = Verdict::Patch { object: Span { start: 11, end: 23 }, edit };
    expect![[r#"{"accepted":true,"message":null,"code":null,"mutated_object":{"a": 1e400,"b":2},"audit_annotations":null,"warnings":null}"#]]
    .assert_eq(&written(answer, payload));
}

#[test]
fn long_texts_are_shortened_in_the_middle() {
    assert_eq!(short("demo.tencentcloudcr.com/team/app:v1"), "demo.tencentcloudcr.com/team/app:v1");
    let long = format!("demo.tencentcloudcr.com/{}/äpp:v1", "x".repeat(100));
    let shortened = short(&long);
    assert_eq!(shortened.chars().count(), 79);
    expect!["demo.tencentcloudcr.com/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...xxxxxxxxxxxxx/äpp:v1"]
        .assert_eq(&shortened);
}
