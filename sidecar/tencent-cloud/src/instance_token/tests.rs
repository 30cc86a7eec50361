//! Answers to CreateInstanceToken and DescribeInstanceToken, true and false.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use expect_test::{Expect, expect};
use serde_json::json;

use super::super::envelope;
use super::*;

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn jwt(claims: Value) -> String {
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// A good long-term answer with some fields replaced.
#[track_caller]
fn check(kind: CredentialKind, changes: Value, expected: Expect) {
    let mut response = json!({
        "Username": "100012345678",
        "Token": jwt(json!({"exp": 2_051_237_057, "tokenId": "ctr1"})),
        "ExpTime": 2_051_237_057_817_i64,
        "TokenId": "ctr1",
        "RequestId": "r-1",
    });
    let fields = response.as_object_mut().unwrap();
    fields.extend(changes.as_object().unwrap().clone());
    let body = json!({ "Response": response }).to_string();
    let reply = envelope::parse(200, body.as_bytes()).unwrap();
    expected.assert_eq(&match read_issued(&reply, kind, now()) {
        Ok(issued) => {
            format!("{} until {:?}, id {:?}", issued.username, issued.expires_at, issued.token_id)
        }
        Err(failure @ Failure::Implausible { .. }) => {
            let Failure::Implausible { token_id, .. } = &failure else { unreachable!() };
            format!("{failure}, made {token_id:?}")
        }
        Err(failure) => failure.to_string(),
    });
}

use CredentialKind::{Longterm, Temp};

#[test]
fn good_answers_are_read_leniently() {
    check(
        Longterm,
        json!({}),
        expect![[r#"100012345678 until Some(2035-01-01T04:04:17.817Z), id Some("ctr1")"#]],
    );
    check(
        Longterm,
        json!({"Username": 100012345678_i64}),
        expect![[r#"100012345678 until Some(2035-01-01T04:04:17.817Z), id Some("ctr1")"#]],
    );
    check(
        Temp,
        json!({"TokenId": "", "ExpTime": 1_767_229_200_000_i64}),
        expect!["100012345678 until Some(2026-01-01T01:00:00Z), id None"],
    );
}

#[test]
fn a_missing_expiry_is_taken_from_the_token() {
    check(
        Longterm,
        json!({"ExpTime": null}),
        expect![[r#"100012345678 until Some(2035-01-01T04:04:17Z), id Some("ctr1")"#]],
    );
    check(
        Longterm,
        json!({"ExpTime": 0}),
        expect![[r#"100012345678 until Some(2035-01-01T04:04:17Z), id Some("ctr1")"#]],
    );
    check(
        Longterm,
        json!({"ExpTime": null, "Token": "opaque"}),
        expect![[r#"100012345678 until None, id Some("ctr1")"#]],
    );
    check(
        Temp,
        json!({"ExpTime": null, "Token": "opaque", "TokenId": null}),
        expect![
            "the answer cannot be true: a temporary credential without an end (request id r-1), made None"
        ],
    );
}

#[test]
fn a_lie_is_an_error_that_names_what_it_made() {
    check(
        Longterm,
        json!({"Token": ""}),
        expect![[r#"the answer cannot be true: the token is empty (request id r-1), made Some("ctr1")"#]],
    );
    check(
        Longterm,
        json!({"Token": null}),
        expect![[r#"the answer cannot be true: the token is empty (request id r-1), made Some("ctr1")"#]],
    );
    check(
        Longterm,
        json!({"Token": "two words"}),
        expect![[
            r#"the answer cannot be true: the token contains characters that no token has (request id r-1), made Some("ctr1")"#
        ]],
    );
    check(
        Longterm,
        json!({"Token": ["x"]}),
        expect![[
            r#"the answer cannot be true: Token is not a string but a list (request id r-1), made Some("ctr1")"#
        ]],
    );
    check(
        Longterm,
        json!({"Username": ""}),
        expect![[r#"the answer cannot be true: the user name is empty (request id r-1), made Some("ctr1")"#]],
    );
    check(
        Longterm,
        json!({"Username": "a:b"}),
        expect![[
            r#"the answer cannot be true: the user name contains a colon or a blank (request id r-1), made Some("ctr1")"#
        ]],
    );
    check(
        Longterm,
        json!({"ExpTime": 1_700_000_000_000_i64}),
        expect![[
            r#"the answer cannot be true: it expired at 2023-11-14T22:13:20Z, before it was made (request id r-1), made Some("ctr1")"#
        ]],
    );
    check(
        Longterm,
        json!({"ExpTime": 2_051_237_057_i64}),
        expect![[
            r#"the answer cannot be true: it expired at 1970-01-24T17:47:17.057Z, before it was made (request id r-1), made Some("ctr1")"#
        ]],
    );
    check(
        Longterm,
        json!({"TokenId": ""}),
        expect![
            "the answer cannot be true: a long-term credential without an id cannot be revoked (request id r-1), made None"
        ],
    );
    check(
        Longterm,
        json!({"TokenId": "ctr2"}),
        expect![[
            r#"the answer cannot be true: its id is ctr2, and the token says ctr1 (request id r-1), made Some("ctr2")"#
        ]],
    );
}

#[test]
fn pages_are_read_with_their_total() {
    let body = json!({"Response": {"TotalCount": 3, "Tokens": [
        {"Id": "a", "Desc": "one", "RegistryId": "tcr-a", "Enabled": true, "CreatedAt": "2025-01-03T12:09:57+08:00", "ExpiredAt": 2_051_237_057_817_i64},
        {"Id": "b", "Desc": null, "RegistryId": "tcr-a", "Enabled": false, "CreatedAt": "", "ExpiredAt": null},
    ]}});
    let page = read_page(&envelope::parse(200, body.to_string().as_bytes()).unwrap(), "tcr-a").unwrap();
    assert_eq!(page.total, 3);
    assert_eq!(page.tokens[0].created_at, "2025-01-03T04:09:57Z".parse().ok());
    assert_eq!((page.tokens[1].enabled, page.tokens[1].expires_at), (false, None));
}

#[test]
fn a_list_of_another_instance_is_a_lie() {
    let body = json!({"Response": {"TotalCount": 1, "Tokens": [{"Id": "a", "RegistryId": "tcr-b"}]}});
    let reply = envelope::parse(200, body.to_string().as_bytes()).unwrap();
    let failure = read_page(&reply, "tcr-a").err().unwrap();
    assert_eq!(
        failure.to_string(),
        "the answer cannot be true: asked for tcr-a, it lists credentials of tcr-b"
    );
}
