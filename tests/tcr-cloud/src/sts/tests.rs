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
    let mut request = request(ACTION, body);
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
    let mut signed = request(ACTION, body());
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
