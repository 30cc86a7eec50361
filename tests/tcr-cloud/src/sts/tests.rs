use expect_test::{Expect, expect};
use serde_json::json;

use super::*;
use crate::{
    Config, OidcProvider, Role,
    signed::{self, NOW, cloud, request, response, send, set, verdict},
};

fn config() -> Config {
    let mut role = Role::new("puller", "100000000001", "4611686000000000001");
    role.provider = Some(OidcProvider { id: "cls-demo".to_owned(), tokens: vec!["projected".into()] });
    Config { roles: vec![role], ..Config::demo() }
}

fn body() -> Value {
    json!({
        "ProviderId": "cls-demo", "WebIdentityToken": "projected", "RoleSessionName": "tcr-assistant-1",
        "RoleArn": "qcs::cam::uin/100000000001:roleName/puller",
    })
}

fn assume(body: &Value) -> Request {
    let mut request = request(WITH_WEB_IDENTITY, body);
    set(&mut request, "authorization", Some(SKIP));
    set(&mut request, "x-tc-version", Some(VERSION));
    request
}

#[track_caller]
fn check(change: impl FnOnce(&mut Value), expected: Expect) {
    let mut body = body();
    change(&mut body);
    expected.assert_eq(&verdict(&response(&send(&mut cloud(config()), &assume(&body)))));
}

#[test]
fn a_role_is_lent_for_a_token_that_its_provider_signed() {
    check(|_| {}, expect!["ok"]);
    check(
        |body| body["WebIdentityToken"] = "forged".into(),
        expect!["InvalidParameter.WebIdentityTokenError: The web identity token is not valid, or expired."],
    );
    check(
        |body| body["ProviderId"] = "cls-other".into(),
        expect!["InvalidParameter.ParamError: The role does not trust this provider."],
    );
    check(
        |body| body["RoleArn"] = "qcs::cam::uin/1:roleName/puller".into(),
        expect!["ResourceNotFound.RoleNotFound: The role `qcs::cam::uin/1:roleName/puller` is not found."],
    );
    check(
        |body| body["RoleSessionName"] = "a session".into(),
        expect!["InvalidParameter.ParamError: RoleSessionName is not [\\w+=,.@_-]{2,128}."],
    );
    check(
        |body| body["DurationSeconds"] = 43_201.into(),
        expect!["InvalidParameter.ParamError: DurationSeconds is at most 43200."],
    );
}

#[test]
fn a_signed_request_is_none_of_this_kind() {
    let mut signed = request(WITH_WEB_IDENTITY, body());
    set(&mut signed, "x-tc-version", Some(VERSION));
    let answer = response(&send(&mut cloud(config()), &signed));
    assert_eq!(answer["Error"]["Code"], "AuthFailure.InvalidAuthorization");
}

#[test]
fn the_key_of_a_session_signs_with_its_token_until_it_ends() {
    let mut gateway = cloud(config());
    let mut wish = body();
    wish["DurationSeconds"] = 900.into();
    let answer = response(&send(&mut gateway, &assume(&wish)));
    assert_eq!(answer["ExpiredTime"], NOW + 900);
    let account = gateway.world.accounts.last().unwrap().clone();
    assert_eq!(answer["Credentials"]["TmpSecretId"], account.secret_id);
    assert_eq!(answer["Credentials"]["TmpSecretKey"], account.secret_key.expose());
    let call = |gateway: &mut Gateway, seconds: i64| {
        let mut request = request("DescribeRegions", json!({}));
        set(&mut request, "x-tc-token", answer["Credentials"]["Token"].as_str());
        set(&mut request, "x-tc-timestamp", Some(&(NOW + seconds).to_string()));
        verdict(&response(&send(gateway, &signed::sign(request, &account))))
    };
    assert_eq!(call(&mut gateway, 0), "ok");
    gateway.clock.advance(std::time::Duration::from_secs(900));
    assert_eq!(call(&mut gateway, 900), "AuthFailure.TokenFailure: The token of this SecretId has expired.");
}

/// A role of another account that trusts the demo's, and the caller who may take it on.
fn lending() -> Config {
    let mut role = Role::new("reader", "100000000002", "4611686000000000002");
    role.trusts = vec!["100000000001".to_owned()];
    role.external_id = Some("cluster-1".to_owned());
    let mut config = Config { roles: vec![role], ..Config::demo() };
    config.accounts[0].allow.push("sts:AssumeRole".to_owned());
    config.instances[0].owner_uin = Some("100000000002".to_owned());
    config
}

fn signed_call(action: &str, body: &Value, account: &Account) -> Request {
    let mut request = request(action, body);
    set(&mut request, "x-tc-version", Some(VERSION));
    signed::sign_for(SERVICE, request, account)
}

#[track_caller]
fn check_signed(change: impl FnOnce(&mut Config, &mut Value), expected: Expect) {
    let mut config = lending();
    let mut body = json!({
        "RoleArn": "qcs::cam::uin/100000000002:roleName/reader", "RoleSessionName": "tcr-assistant-1",
        "ExternalId": "cluster-1",
    });
    change(&mut config, &mut body);
    let request = signed_call(ASSUME_ROLE, &body, &Account::demo());
    expected.assert_eq(&verdict(&response(&send(&mut cloud(config), &request))));
}

#[test]
fn a_role_is_lent_to_whom_it_trusts_who_may_ask_and_knows_the_external_id() {
    check_signed(|_, _| {}, expect!["ok"]);
    let refused = "UnauthorizedOperation: you are not authorized to perform operation (sts:AssumeRole), resource \
                   (qcs::cam::uin/100000000002:roleName/reader) has no permission";
    let changes: [fn(&mut Config, &mut Value); 4] = [
        |config, _| config.roles[0].trusts.clear(),
        |config, _| config.accounts[0].allow = vec!["tcr:*".to_owned()],
        |_, body| body["ExternalId"] = "cluster-2".into(),
        |_, body| drop(body.as_object_mut().unwrap().remove("ExternalId")),
    ];
    for change in changes {
        let mut config = lending();
        let mut body = json!({
            "RoleArn": "qcs::cam::uin/100000000002:roleName/reader", "RoleSessionName": "tcr-assistant-1",
            "ExternalId": "cluster-1",
        });
        change(&mut config, &mut body);
        let request = signed_call(ASSUME_ROLE, &body, &Account::demo());
        assert_eq!(verdict(&response(&send(&mut cloud(config), &request))), refused);
    }
    check_signed(
        |_, body| body["RoleArn"] = "qcs::cam::uin/1:roleName/reader".into(),
        expect!["ResourceNotFound.RoleNotFound: The role `qcs::cam::uin/1:roleName/reader` is not found."],
    );
    check_signed(
        |_, body| body["ExternalId"] = "a b".into(),
        expect!["InvalidParameter.ParamError: ExternalId is not [\\w+=,.@:/-]{2,128}."],
    );
    check_signed(
        |_, body| body["Policy"] = r#"{"version":"2.0","statement":[]}"#.into(),
        expect!["InvalidParameter.StrategyFormatError: The policy is not encoded as in a URL."],
    );
}

#[test]
fn a_session_sees_its_accounts_instances_as_far_as_its_policy_lets_it() {
    let mut gateway = cloud(lending());
    assert_eq!(
        signed::ask(&mut gateway, "DescribeInstances", json!({"Registryids": ["tcr-demo0001"]}))["TotalCount"],
        0,
        "it is another account's"
    );
    let policy = json!({"version": "2.0", "statement": [
        {"effect": "allow", "action": ["tcr:DescribeInstances", "tcr:CreateInstanceToken"],
         "resource": ["qcs::tcr:::instance/tcr-demo0001"]},
    ]});
    let policy = policy.to_string();
    let policy = percent_encoding::utf8_percent_encode(&policy, percent_encoding::NON_ALPHANUMERIC);
    let body = json!({
        "RoleArn": "qcs::cam::uin/100000000002:roleName/reader", "RoleSessionName": "tcr-assistant-1",
        "ExternalId": "cluster-1", "Policy": policy.to_string(),
    });
    let answer = response(&send(&mut gateway, &signed_call(ASSUME_ROLE, &body, &Account::demo())));
    let session = gateway.world.accounts.last().unwrap().clone();
    let mut call = |action: &str, body: Value| {
        let mut request = request(action, body);
        set(&mut request, "x-tc-token", answer["Credentials"]["Token"].as_str());
        response(&send(&mut gateway, &signed::sign(request, &session)))
    };
    assert_eq!(call("DescribeInstances", json!({"Registryids": ["tcr-demo0001"]}))["TotalCount"], 1);
    assert_eq!(verdict(&call("CreateInstanceToken", json!({"RegistryId": "tcr-demo0001"}))), "ok");
    for (action, body) in [
        ("DescribeInstanceToken", json!({"RegistryId": "tcr-demo0001"})),
        ("CreateInstanceToken", json!({"RegistryId": "tcr-demo0002"})),
    ] {
        let refused = verdict(&call(action, body));
        assert!(refused.starts_with("UnauthorizedOperation"), "{action}: {refused}");
    }
}

#[test]
fn who_signs_is_told_who_that_is() {
    let request = signed_call(CALLER, &json!({}), &Account::demo());
    let answer = response(&send(&mut cloud(lending()), &request));
    assert_eq!(
        (answer["AccountId"].as_str(), answer["Type"].as_str()),
        (Some("100000000001"), Some("CAMUser"))
    );
    let unsigned = verdict(&response(&send(&mut cloud(lending()), &signed::request(CALLER, json!({})))));
    assert!(
        unsigned.starts_with("AuthFailure.SignatureFailure"),
        "it is signed for another service: {unsigned}"
    );
}
