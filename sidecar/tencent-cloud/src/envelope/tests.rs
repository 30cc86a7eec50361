//! Answers good and bad, as text.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(status: u16, body: &str, expected: Expect) {
    expected.assert_eq(&match parse(status, body.as_bytes()) {
        Ok(reply) => format!("{} fields, request {:?}", reply.fields.len(), reply.request_id()),
        Err(failure) => failure.to_string(),
    });
}

#[test]
fn success_keeps_fields_and_request_id() {
    check(
        200,
        r#"{"Response":{"Token":"t","RequestId":"r-1"}}"#,
        expect![[r#"1 fields, request Some("r-1")"#]],
    );
    check(200, r#"{"Response":{"Error":null}}"#, expect!["1 fields, request None"]);
}

#[test]
fn an_error_comes_with_http_200() {
    check(
        200,
        r#"{"Response":{"Error":{"Code":"AuthFailure.SignatureFailure","Message":"The provided\ncredentials"},"RequestId":"r-2"}}"#,
        expect!["AuthFailure.SignatureFailure: The provided credentials (request id r-2)"],
    );
    check(200, r#"{"Response":{"Error":{"Code":"InternalError"}}}"#, expect!["InternalError"]);
    check(
        200,
        r#"{"Response":{"Error":{"Message":"x"},"RequestId":"r-3"}}"#,
        expect!["unreadable answer: the error has no code (request id r-3)"],
    );
}

#[test]
fn the_gateway_has_a_form_of_its_own() {
    check(200, r#"{"code":4000,"message":"bad","codeDesc":"BadRequest"}"#, expect!["BadRequest: bad"]);
    check(200, r#"{"code":4000,"message":"bad"}"#, expect!["4000: bad"]);
    check(503, r#"{"code":5030,"message":"busy","codeDesc":"Busy"}"#, expect!["HTTP status 503: Busy: busy"]);
}

#[test]
fn other_statuses_and_garbage_are_failures() {
    check(502, "<html>Bad Gateway</html>", expect!["HTTP status 502"]);
    check(302, "", expect!["HTTP status 302"]);
    check(200, "", expect!["unreadable answer: the body is empty"]);
    check(200, "<html>", expect!["unreadable answer: the body is not JSON"]);
    check(200, "[]", expect!["unreadable answer: the body is not a JSON object"]);
    check(200, r#"{"Response":[]}"#, expect![[r#"unreadable answer: the body has no object "Response""#]]);
    check(200, r#"{"Response":{"Tok"#, expect!["unreadable answer: the body is not JSON"]);
}

fn reply(fields: &str) -> Reply {
    parse(200, format!(r#"{{"Response":{fields}}}"#).as_bytes()).unwrap()
}

#[test]
fn fields_are_lenient_where_the_api_is() {
    let reply = reply(r#"{"a":"x","n":100012345678,"s":"17","z":null,"l":[{"b":true}],"none":null}"#);
    assert_eq!(reply.text("a").unwrap().as_deref(), Some("x"));
    assert_eq!(reply.text("n").unwrap().as_deref(), Some("100012345678"));
    assert_eq!(reply.integer("s").unwrap(), Some(17));
    assert_eq!(reply.integer("z").unwrap(), None);
    assert_eq!(reply.text("absent").unwrap(), None);
    assert_eq!(reply.list("l").unwrap()[0].boolean("b").unwrap(), Some(true));
    assert!(reply.list("none").unwrap().is_empty());
}

#[test]
fn a_field_of_the_wrong_kind_is_named_without_its_value() {
    let reply = reply(r#"{"Token":["s3cret"],"ExpTime":"s3cret","Tokens":[{"Enabled":"s3cret"}],"Bad":[1]}"#);
    let message = |failure: Failure| failure.to_string();
    assert_eq!(
        message(reply.text("Token").unwrap_err()),
        "unreadable answer: Token is not a string but a list"
    );
    assert_eq!(
        message(reply.integer("ExpTime").unwrap_err()),
        "unreadable answer: ExpTime is not a whole number but a string"
    );
    assert_eq!(
        message(reply.list("Tokens").unwrap()[0].boolean("Enabled").unwrap_err()),
        "unreadable answer: Tokens.Enabled is not true or false but a string"
    );
    assert_eq!(
        reply.list("Bad").err().map(message).unwrap(),
        "unreadable answer: Bad is not a list of objects but a number"
    );
}

proptest! {
    #[test]
    fn any_bytes_give_an_answer_or_a_failure_on_one_line(status in 100u16..600, body in ".*") {
        if let Err(failure) = parse(status, body.as_bytes()) {
            prop_assert!(!failure.to_string().contains('\n'));
        }
    }
}
