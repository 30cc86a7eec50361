//! The published examples of the signature, and our own for TCR, computed by an independent
//! implementation.

use expect_test::{Expect, expect};

use super::*;

const KEY: &str = "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE";
const CVM_BODY: &str =
    r#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#;
const JSON_UTF8: (&str, &str) = ("content-type", "application/json; charset=utf-8");
const TCR_HOST: (&str, &str) = ("host", "tcr.tencentcloudapi.com");
const CVM_HOST: (&str, &str) = ("host", "cvm.tencentcloudapi.com");

#[track_caller]
fn check(key: &str, service: &str, timestamp: i64, headers: &[(&str, &str)], body: &str, steps: Expect) {
    let timestamp = Timestamp::from_second(timestamp).unwrap();
    let key = Sensitive::new(key);
    let signature = sign(&Request { service, headers, body: body.as_bytes(), timestamp }, &key);
    let keys = SigningKeys::derive(&key, &day(timestamp), service);
    steps.assert_eq(&format!(
        "body      {}\ncanonical {}\nscope     {}\nkDate     {}\nkService  {}\nkSigning  {}\nsignature {}\n",
        hex::encode(&Sha256::digest(body)),
        signature.canonical_request_hash,
        signature.scope,
        hex::encode(&keys.date),
        hex::encode(&keys.service),
        hex::encode(&keys.signing),
        signature.hex,
    ));
}

#[test]
fn published_example_with_content_type_and_host() {
    check(
        KEY,
        "cvm",
        1551113065,
        &[JSON_UTF8, CVM_HOST],
        CVM_BODY,
        expect![[r#"
            body      35e9c5b0e3ae67532d3c9f17ead6c90222632e5b1ff7f6e89887f1398934f064
            canonical 5ffe6a04c0664d6b969fab9a13bdab201d63ee709638e2749d62a09ca18d7031
            scope     2019-02-25/cvm/tc3_request
            kDate     d1308c81fe71cfd4e06437bbc067b2b8a3d2d8c0e375d547f15c41d5214b395a
            kService  3c7cb7c7795393edc14fd2e0e6434a518564b4504b88e94f5d11bf59ba3e7050
            kSigning  ac658d5dde49e9bfdd14e04e062f66b05d9f637d44b8a8d845327d4a77f666b1
            signature 72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168
        "#]],
    );
}

#[test]
fn published_example_with_the_action() {
    check(
        "********************************",
        "cvm",
        1551113065,
        &[JSON_UTF8, CVM_HOST, ("X-TC-Action", "DescribeInstances")],
        CVM_BODY,
        expect![[r#"
            body      35e9c5b0e3ae67532d3c9f17ead6c90222632e5b1ff7f6e89887f1398934f064
            canonical 7019a55be8395899b900fb5564e4200d984910f34794a27cb3fb7d10ff6a1e84
            scope     2019-02-25/cvm/tc3_request
            kDate     da98fb70dcf6b112dc21038d1eeeb3a95c74b4dcb12c1131f864f6066bd02be0
            kService  8d70cbefb03939f929db64d32dc2ba89b1095620119fe3e050e2b18c5bd2752f
            kSigning  b596b923aad85185e2d1f6659d2a062e0a86731226e021e61bfe06f7ed05f5af
            signature 10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f
        "#]],
    );
}

const CREATE_BODY: &str = r#"{"RegistryId":"tcr-dg284imq","TokenType":"longterm","Desc":"TKE cluster (cls-12345678) dedicated access credential"}"#;

#[test]
fn long_term_token_with_content_type_and_host() {
    check(
        KEY,
        "tcr",
        1700000000,
        &[JSON_UTF8, TCR_HOST],
        CREATE_BODY,
        expect![[r#"
            body      794db4360bc04369801032b102567b8b74355a4ba63979ed7f7195deb8b05e1a
            canonical e28061e8f8b9c5c6b66242b8ba498d14d0af59aba2af949b443b2fe695b03fcc
            scope     2023-11-14/tcr/tc3_request
            kDate     887d0077ac19ed5cba18590a4fe79f7e1d851a9b05bd4e02a3af730156456978
            kService  bcb4066161462dc82cc1523dd5ec89e58d993c298ecd635be75f35d28439659f
            kSigning  02cf9e13b61afad8b5bbd803241e67015a62cc51084797dd89f823fa4fef5e35
            signature 1a46debb1127e1400585b77b8ffd9419913c410169fad37794dbd938b3b579e3
        "#]],
    );
}

#[test]
fn long_term_token_with_the_action() {
    check(
        KEY,
        "tcr",
        1700000000,
        &[JSON_UTF8, TCR_HOST, ("X-TC-Action", "CreateInstanceToken")],
        CREATE_BODY,
        expect![[r#"
            body      794db4360bc04369801032b102567b8b74355a4ba63979ed7f7195deb8b05e1a
            canonical d9ee66cd8f36d92bad9c108f5db0793ebe3c938c5641534e8cfe849ec647bb07
            scope     2023-11-14/tcr/tc3_request
            kDate     887d0077ac19ed5cba18590a4fe79f7e1d851a9b05bd4e02a3af730156456978
            kService  bcb4066161462dc82cc1523dd5ec89e58d993c298ecd635be75f35d28439659f
            kSigning  02cf9e13b61afad8b5bbd803241e67015a62cc51084797dd89f823fa4fef5e35
            signature a23bcc343a322f13ef58ab2d5511a9251fffa4c18b581f6b402e7fa1ab5af966
        "#]],
    );
}

#[test]
fn temporary_token_as_the_go_sdk_signs_it() {
    check(
        KEY,
        "tcr",
        1700000000,
        &[("content-type", "application/json"), TCR_HOST],
        r#"{"RegistryId":"tcr-dg284imq","TokenType":"temp"}"#,
        expect![[r#"
            body      2612ea9b737e0e482ed05e3ce17b6e4e7c8bc2dad427371451e06779d5a37d20
            canonical 2d8fc35d30dac733072f5fc2ec2e18d2ffdddcc19fac9b5542aa65625da6cd24
            scope     2023-11-14/tcr/tc3_request
            kDate     887d0077ac19ed5cba18590a4fe79f7e1d851a9b05bd4e02a3af730156456978
            kService  bcb4066161462dc82cc1523dd5ec89e58d993c298ecd635be75f35d28439659f
            kSigning  02cf9e13b61afad8b5bbd803241e67015a62cc51084797dd89f823fa4fef5e35
            signature 514ac14000ef8efc34f32a892a33eef660448bd199b149de3b52829e4c5368f9
        "#]],
    );
}

#[track_caller]
fn check_midnight(timestamp: i64, scope: &str, hex: &str) {
    let request = Request {
        service: "tcr",
        headers: &[JSON_UTF8, TCR_HOST],
        body: b"{}",
        timestamp: Timestamp::from_second(timestamp).unwrap(),
    };
    let signature = sign(&request, &Sensitive::new(KEY));
    assert_eq!((signature.scope.as_str(), signature.hex.as_str()), (scope, hex));
}

#[test]
fn the_day_is_that_of_utc_on_both_sides_of_midnight() {
    check_midnight(
        1700006399,
        "2023-11-14/tcr/tc3_request",
        "abfe28a3ffca21f6dac3d2e2709858269ee7658eddbcf9146bb06a16cad73434",
    );
    check_midnight(
        1700006400,
        "2023-11-15/tcr/tc3_request",
        "b86955aea9b8cc490b4eed66d3a6dfbcd1659c3c29e2bcb2ec0c482947cdffe8",
    );
}

#[test]
fn header_order_and_case_do_not_matter() {
    let sign_with = |headers: &[(&str, &str)]| {
        let timestamp = Timestamp::from_second(1700000000).unwrap();
        sign(&Request { service: "tcr", headers, body: b"{}", timestamp }, &Sensitive::new(KEY))
    };
    assert_eq!(
        sign_with(&[JSON_UTF8, TCR_HOST]),
        sign_with(&[
            ("HOST", "TCR.tencentcloudapi.com "),
            ("Content-Type", " application/json; charset=UTF-8")
        ])
    );
}

#[test]
fn authorization_names_id_scope_and_headers() {
    let request = Request {
        service: "tcr",
        headers: &[JSON_UTF8, TCR_HOST],
        body: b"{}",
        timestamp: Timestamp::from_second(1700006399).unwrap(),
    };
    expect![
        "TC3-HMAC-SHA256 Credential=AKIDEXAMPLE/2023-11-14/tcr/tc3_request, SignedHeaders=content-type;host, Signature=abfe28a3ffca21f6dac3d2e2709858269ee7658eddbcf9146bb06a16cad73434"
    ]
    .assert_eq(&sign(&request, &Sensitive::new(KEY)).authorization("AKIDEXAMPLE"));
}

#[test]
fn keys_longer_than_a_block_are_hashed_first() {
    // RFC 4231, test case 6.
    let mac = hmac(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First");
    assert_eq!(hex::encode(&mac), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}
