//! V1 and V2 are published with their signatures; V3 to V5 were computed apart from this code.

use expect_test::{Expect, expect};

use super::*;
use crate::signed::{self, NOW};

const PUBLISHED_KEY: &str = "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE";
const PUBLISHED_BODY: &str =
    r#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#;
const LONGTERM_BODY: &str = r#"{"RegistryId":"tcr-dg284imq","TokenType":"longterm","Desc":"TKE cluster (cls-12345678) dedicated access credential"}"#;
const TEMP_BODY: &str = r#"{"RegistryId":"tcr-dg284imq","TokenType":"temp"}"#;
const WITH_CHARSET: &str = "application/json; charset=utf-8";

struct Vector {
    key: &'static str,
    service: &'static str,
    time: i64,
    content_type: &'static str,
    action: &'static str,
    signed_headers: &'static str,
    body: &'static str,
    canonical_hash: &'static str,
    signature: &'static str,
}

/// The stages of the signature, and then the whole check on a request that carries it.
#[track_caller]
fn check(vector: &Vector) {
    let date = utc_day(Timestamp::from_second(vector.time).unwrap());
    let scope = format!("{date}/{}/tc3_request", vector.service);
    let host = format!("{}.tencentcloudapi.com", vector.service);
    let authorization = format!(
        "TC3-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders={}, Signature={}",
        vector.signed_headers, vector.signature
    );
    let timestamp = vector.time.to_string();
    let headers = [
        ("content-type", vector.content_type),
        ("host", &host),
        ("x-tc-action", vector.action),
        ("x-tc-timestamp", &timestamp),
        ("authorization", &authorization),
    ];
    let request = Request {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        query: String::new(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        body: vector.body.as_bytes().to_vec(),
    };
    let canonical = canonical_request(&request, vector.signed_headers).unwrap();
    if !vector.canonical_hash.is_empty() {
        assert_eq!(hex(&Sha256::digest(&canonical)), vector.canonical_hash, "{canonical}");
    }
    assert_eq!(sign(vector.key, &timestamp, &scope, &canonical), vector.signature);
    let accounts = [Account::new("AKIDEXAMPLE", vector.key, "1")];
    let now = Timestamp::from_second(vector.time).unwrap();
    assert!(authenticate(&accounts, &request, vector.service, now).is_ok());
}

#[test]
fn v1_published_with_the_minimal_signed_headers() {
    check(&Vector {
        key: PUBLISHED_KEY,
        service: "cvm",
        time: 1_551_113_065,
        content_type: WITH_CHARSET,
        action: "DescribeInstances",
        signed_headers: "content-type;host",
        body: PUBLISHED_BODY,
        canonical_hash: "5ffe6a04c0664d6b969fab9a13bdab201d63ee709638e2749d62a09ca18d7031",
        signature: "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168",
    });
}

#[test]
fn v2_published_with_the_action_signed_in_lower_case() {
    check(&Vector {
        key: "********************************",
        service: "cvm",
        time: 1_551_113_065,
        content_type: WITH_CHARSET,
        action: "DescribeInstances",
        signed_headers: "content-type;host;x-tc-action",
        body: PUBLISHED_BODY,
        canonical_hash: "7019a55be8395899b900fb5564e4200d984910f34794a27cb3fb7d10ff6a1e84",
        signature: "10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f",
    });
}

#[test]
fn v3_for_tcr_with_either_set_of_signed_headers() {
    let mut vector = Vector {
        key: PUBLISHED_KEY,
        service: "tcr",
        time: NOW,
        content_type: WITH_CHARSET,
        action: "CreateInstanceToken",
        signed_headers: "content-type;host",
        body: LONGTERM_BODY,
        canonical_hash: "e28061e8f8b9c5c6b66242b8ba498d14d0af59aba2af949b443b2fe695b03fcc",
        signature: "1a46debb1127e1400585b77b8ffd9419913c410169fad37794dbd938b3b579e3",
    };
    check(&vector);
    vector.signed_headers = "content-type;host;x-tc-action";
    vector.canonical_hash = "d9ee66cd8f36d92bad9c108f5db0793ebe3c938c5641534e8cfe849ec647bb07";
    vector.signature = "a23bcc343a322f13ef58ab2d5511a9251fffa4c18b581f6b402e7fa1ab5af966";
    check(&vector);
}

#[test]
fn v4_as_the_go_sdk_signs() {
    check(&Vector {
        key: PUBLISHED_KEY,
        service: "tcr",
        time: NOW,
        content_type: "application/json",
        action: "CreateInstanceToken",
        signed_headers: "content-type;host",
        body: TEMP_BODY,
        canonical_hash: "2d8fc35d30dac733072f5fc2ec2e18d2ffdddcc19fac9b5542aa65625da6cd24",
        signature: "514ac14000ef8efc34f32a892a33eef660448bd199b149de3b52829e4c5368f9",
    });
}

#[test]
fn v5_on_both_sides_of_midnight_utc() {
    let mut vector = Vector {
        key: PUBLISHED_KEY,
        service: "tcr",
        time: 1_700_006_399,
        content_type: WITH_CHARSET,
        action: "DescribeInstances",
        signed_headers: "content-type;host",
        body: "{}",
        canonical_hash: "",
        signature: "abfe28a3ffca21f6dac3d2e2709858269ee7658eddbcf9146bb06a16cad73434",
    };
    check(&vector);
    vector.time += 1;
    vector.signature = "b86955aea9b8cc490b4eed66d3a6dfbcd1659c3c29e2bcb2ec0c482947cdffe8";
    check(&vector);
}

/// What comes of a good request after `change`.
#[track_caller]
fn after(change: impl FnOnce(&mut Request), expected: Expect) {
    let mut request = signed::request("DescribeInstances", "{}");
    change(&mut request);
    expected.assert_eq(&outcome(&request, NOW));
}

fn outcome(request: &Request, now: i64) -> String {
    let now = Timestamp::from_second(now).unwrap();
    match authenticate(&crate::Config::demo().accounts, request, "tcr", now) {
        Ok(account) => account.uin.clone(),
        Err(error) => format!("{}: {}", error.code, error.message),
    }
}

#[test]
fn a_good_request_names_its_account() {
    after(|_| {}, expect!["100012345678"]);
}

#[test]
fn whatever_is_signed_cannot_be_changed() {
    let failure = || {
        expect![
            "AuthFailure.SignatureFailure: The provided credentials could not be validated. Please check your signature is correct: the signature does not fit the request and the SecretKey."
        ]
    };
    after(|request| request.body.push(b' '), failure());
    after(|request| signed::set(request, "host", Some("tcr.ap-guangzhou.tencentcloudapi.com")), failure());
    after(|request| signed::set(request, "content-type", Some(WITH_CHARSET)), failure());
    after(|request| signed::set(request, "x-tc-timestamp", Some(&(NOW + 1).to_string())), failure());
    after(|request| request.method = "GET".to_owned(), failure());
    let mut account = crate::Config::demo().accounts.remove(0);
    account.secret_key = "another".into();
    after(|request| *request = signed::sign(signed::request("DescribeInstances", "{}"), &account), failure());
}

#[test]
fn the_scope_is_of_this_service_and_day() {
    let replace = |from: &'static str, to: &'static str| {
        move |request: &mut Request| {
            let value = request.header("authorization").unwrap().unwrap().replace(from, to);
            signed::set(request, "authorization", Some(&value));
        }
    };
    after(
        replace("/tcr/", "/cvm/"),
        expect![
            "AuthFailure.SignatureFailure: The provided credentials could not be validated. Please check your signature is correct: the credential's service is not `tcr`."
        ],
    );
    after(
        replace("/2023-11-14/", "/2023-11-15/"),
        expect![
            "AuthFailure.SignatureFailure: The provided credentials could not be validated. Please check your signature is correct: the credential's date is not the UTC day of X-TC-Timestamp."
        ],
    );
    after(
        replace("content-type;host", "content-type;host;x-tc-language"),
        expect![
            "AuthFailure.SignatureFailure: The provided credentials could not be validated. Please check your signature is correct: the signed header `x-tc-language` is not in the request."
        ],
    );
    after(
        replace("AKIDdemo", "AKIDnobody"),
        expect![
            "AuthFailure.SecretIdNotFound: The SecretId is not found, please ensure that your SecretId is correct."
        ],
    );
}

#[test]
fn clocks_may_differ_by_five_minutes_either_way() {
    let request = signed::request("DescribeInstances", "{}");
    for (now, accepted) in [(NOW + 300, true), (NOW - 300, true), (NOW + 301, false), (NOW - 301, false)] {
        let outcome = outcome(&request, now);
        assert_eq!(outcome == "100012345678", accepted, "at {now}: {outcome}");
        assert_eq!(outcome.starts_with("AuthFailure.SignatureExpire: "), !accepted, "at {now}: {outcome}");
    }
    after(
        |request| signed::set(request, "x-tc-timestamp", None),
        expect!["MissingParameter: The request is missing a required parameter `X-TC-Timestamp`."],
    );
    after(
        |request| signed::set(request, "x-tc-timestamp", Some("2023-11-14T22:13:20Z")),
        expect!["InvalidParameter: The value of `X-TC-Timestamp` is not a Unix time in seconds."],
    );
}

#[test]
fn temporary_keys_need_their_token_and_permanent_ones_must_send_none() {
    let mut temporary = crate::Config::demo().accounts.remove(0);
    temporary.token = Some("session".into());
    let now = Timestamp::from_second(NOW).unwrap();
    for (sent, account, accepted) in [
        (Some("session"), temporary.clone(), true),
        (Some("other"), temporary.clone(), false),
        (None, temporary, false),
        (Some("session"), crate::Config::demo().accounts.remove(0), false),
    ] {
        let mut request = signed::request("DescribeInstances", "{}");
        signed::set(&mut request, "x-tc-token", sent);
        let code = authenticate(&[account], &request, "tcr", now).err().map(|error| error.code);
        let expected = (!accepted).then(|| "AuthFailure.TokenFailure".to_owned());
        assert_eq!(code, expected, "{sent:?}");
    }
}

#[track_caller]
fn malformed_by(authorization: &str, expected: Expect) {
    let error = Authorization::parse(authorization).unwrap_err();
    assert_eq!(error.code, "AuthFailure.InvalidAuthorization");
    expected.assert_eq(&error.message);
}

#[test]
fn a_malformed_authorization_is_told_why() {
    malformed_by(
        "SKIP",
        expect!["The Authorization header is not valid: it does not begin with `TC3-HMAC-SHA256 `."],
    );
    malformed_by(
        "TC3-HMAC-SHA256 ",
        expect!["The Authorization header is not valid: a field is no NAME=VALUE."],
    );
    malformed_by(
        "TC3-HMAC-SHA256 Credential=a/2023-11-14/tcr/tc3_request, SignedHeaders=content-type;host",
        expect!["The Authorization header is not valid: it has no Signature."],
    );
    malformed_by(
        "TC3-HMAC-SHA256 SignedHeaders=content-type;host, Signature=00",
        expect!["The Authorization header is not valid: it has no Credential."],
    );
    malformed_by(
        "TC3-HMAC-SHA256 Credential=a/2023-11-14/tcr/tc3_request, Signature=00",
        expect!["The Authorization header is not valid: it has no SignedHeaders."],
    );
    malformed_by(
        "TC3-HMAC-SHA256 Credential=a/2023-11-14/tcr, SignedHeaders=content-type;host, Signature=00",
        expect!["The Authorization header is not valid: its Credential is not ID/DATE/SERVICE/tc3_request."],
    );
    malformed_by(
        "TC3-HMAC-SHA256 Credential=a/2023-11-14/tcr/tc3_request, SignedHeaders=host;content-type, Signature=00",
        expect![
            "The Authorization header is not valid: its SignedHeaders are not lower-case, sorted and unique."
        ],
    );
    malformed_by(
        "TC3-HMAC-SHA256 Credential=a/2023-11-14/tcr/tc3_request, SignedHeaders=Content-Type;host, Signature=00",
        expect![
            "The Authorization header is not valid: its SignedHeaders are not lower-case, sorted and unique."
        ],
    );
    malformed_by(
        "TC3-HMAC-SHA256 Credential=a/2023-11-14/tcr/tc3_request, SignedHeaders=content-type, Signature=00",
        expect!["The Authorization header is not valid: its SignedHeaders lack `host`."],
    );
    malformed_by(
        "TC3-HMAC-SHA256 Credential=a/2023-11-14/tcr/tc3_request, Signature=00, Signature=01",
        expect!["The Authorization header is not valid: its Signature is empty or repeated."],
    );
    malformed_by(
        "TC3-HMAC-SHA256 Extra=1",
        expect!["The Authorization header is not valid: it has a field that is not known."],
    );
}

#[test]
fn a_missing_authorization_is_malformed_too() {
    after(
        |request| signed::set(request, "authorization", None),
        expect![
            "AuthFailure.InvalidAuthorization: The Authorization header is not valid: the request has none."
        ],
    );
}
