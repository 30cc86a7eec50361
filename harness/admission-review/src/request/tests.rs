use expect_test::{Expect, expect};

use super::*;

const REQUEST: &str = r#"{ "uid":"u-1","kind":{"group":"","version":"v1","kind":"Pod"},
  "resource":{"group":"","version":"v1","resource":"pods"}, "operation":"CREATE","name":"p","namespace":"shop",
  "userInfo":{"username":"bob"}, "object" : {"kind":"Pod","x":1e400} ,"newField":[1, 2] }"#;

fn review(request: &str) -> String {
    format!(r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request": {request} }}"#)
}

#[track_caller]
fn refused(request: &str, expected: Expect) {
    expected.assert_eq(&Request::from_review(review(request).as_bytes()).unwrap_err().to_string());
}

#[test]
fn the_request_is_passed_on_as_it_came() {
    let review = review(REQUEST);
    let request = Request::from_review(review.as_bytes()).unwrap();
    assert_eq!(request.text(), REQUEST);
    assert_eq!(request.object(), Some(r#"{"kind":"Pod","x":1e400}"#));
    assert_eq!(
        (request.uid(), request.operation(), request.kind(), request.name(), request.namespace()),
        ("u-1", "CREATE", "Pod", "p", "shop")
    );
    let payload = String::from_utf8(request.payload(Some(r#"{"a":1}"#))).unwrap();
    assert_eq!(payload, format!(r#"{{"request":{REQUEST},"settings":{{"a":1}}}}"#));
}

#[test]
fn a_bare_request_reads_the_same() {
    let request = Request::from_request(REQUEST.as_bytes()).unwrap();
    assert_eq!((request.text(), request.uid()), (REQUEST, "u-1"));
}

#[test]
fn a_deletion_has_no_object() {
    for object in ["null", " null "] {
        let text = REQUEST.replace(r#"{"kind":"Pod","x":1e400}"#, object);
        assert_eq!(Request::from_request(text.as_bytes()).unwrap().object(), None);
    }
}

#[test]
fn names_what_is_missing_or_wrong() {
    refused("{}", expect![[r#""request.kind.group" is missing"#]]);
    refused("[]", expect!["not the expected JSON at byte 72: expected an object"]);
    refused(&REQUEST.replace(r#""uid":"u-1","#, ""), expect![[r#""request.uid" is missing"#]]);
    refused(&REQUEST.replace(r#""u-1""#, "17"), expect![[r#""request.uid" must be a string, not 17"#]]);
    refused(
        &REQUEST.replace(r#""resource":"pods""#, r#""kind":"Pod""#),
        expect![[r#""request.resource.resource" is missing"#]],
    );
    refused(&REQUEST.replace("userInfo", "user"), expect![[r#""request.userInfo" is missing"#]]);
    refused(&REQUEST.replace("newField", "\\u006fbject"), expect![[r#""request.object" is given twice"#]]);
    let with = |more: &str| REQUEST.replace(r#""newField""#, &format!("{more}, \"newField\""));
    refused(&with(r#""dryRun":1"#), expect![[r#""request.dryRun": must be true or false, not 1"#]]);
    refused(&with(r#""subResource":{}"#), expect![[r#""request.subResource" must be a string, not {}"#]]);
    refused(
        &with(r#""requestKind":{"group":"","version":"v1"}"#),
        expect![[r#""request.requestKind.kind" is missing"#]],
    );
    refused(&with(r#""requestResource":[]"#), expect![[r#""request.requestResource.group" is missing"#]]);
    refused(&with(r#""options":{},"options":{}"#), expect![[r#""request.options" is given twice"#]]);
    refused(
        &REQUEST.replace(r#""bob""#, "[]"),
        expect![[r#""request.userInfo": invalid type: sequence, expected a string"#]],
    );
    let nulls = r#""dryRun":null,"subResource":null,"requestKind":null,"requestSubResource":null"#;
    assert!(Request::from_request(with(nulls).as_bytes()).is_ok());
    refused(
        &REQUEST.replace("[1, 2]", "[1, 2"),
        expect![[r#"not the expected JSON at byte 334: expected "," or "]""#]],
    );
}

#[test]
fn names_that_would_lead_elsewhere_are_refused() {
    let with = |field: &str, value: &str| {
        let (was, quoted) = if field == "name" { ("\"p\"", value) } else { ("\"shop\"", value) };
        REQUEST.replace(was, &serde_json::to_string(quoted).unwrap())
    };
    refused(
        &with("namespace", "kube-system/secrets?x="),
        expect![[r#""request.namespace": "kube-system/secrets?x=" must not contain "/" or "%""#]],
    );
    refused(&with("namespace", ".."), expect![[r#""request.namespace": ".." must not be "." or "..""#]]);
    refused(
        &with("name", "a\0b"),
        expect![[r#""request.name": "a\0b" must not contain control characters"#]],
    );
    refused(
        &with("name", &"x".repeat(1 << 20)),
        expect![[
            r#""request.name": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx… (1048576 bytes)" must have at most 253 bytes"#
        ]],
    );
    for good in ["", "system:node", "a.b", "名"] {
        assert!(Request::from_request(with("name", good).as_bytes()).is_ok(), "{good}");
    }
}

#[test]
fn what_logs_and_metrics_are_told_is_bounded() {
    let long = "x".repeat(300);
    for (was, field) in
        [("u-1", "uid"), ("CREATE", "operation"), ("Pod", "kind.kind"), ("pods", "resource.resource")]
    {
        for bad in [long.as_str(), "a\\nb"] {
            let text = REQUEST.replacen(&format!("\"{was}\""), &format!("\"{bad}\""), 1);
            let error = Request::from_request(text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(&format!("\"request.{field}\"")) && error.len() < 200, "{error}");
        }
    }
    assert!(Request::raw(format!(r#"{{"uid":"{long}"}}"#).as_bytes()).is_err());
}

#[test]
fn what_is_given_twice_is_believed_neither_time() {
    refused(
        &REQUEST.replace(r#""kind":"Pod"},"#, r#""kind":"Pod","kind":"Secret"},"#),
        expect![[r#""request.kind.kind" is given twice"#]],
    );
    let body = r#"{"request":{"uid":"a"},"request":{"uid":"b"}}"#;
    assert_eq!(Request::raw_from_body(body.as_bytes()).unwrap_err(), RequestError::Twice("request".into()));
}

#[test]
fn a_review_without_a_request_is_refused() {
    let error = Request::from_review(br#"{"kind":"AdmissionReview"}"#).unwrap_err();
    assert_eq!(error, RequestError::Missing("request"));
    assert_eq!(Request::from_review(b"\xff").unwrap_err(), RequestError::NotUtf8(0));
}

#[test]
fn a_raw_request_may_be_any_json() {
    let request = Request::raw(br#" {"uid":"r","user":"tom"} "#).unwrap();
    assert_eq!((request.uid(), request.object()), ("r", Some(r#"{"uid":"r","user":"tom"}"#)));
    assert_eq!(Request::raw(b"[1]").unwrap().uid(), "");
    assert!(Request::raw(b"[1").is_err());
}
