//! Who gets what, by values and a clock that stands still.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use expect_test::{Expect, expect};
use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::{
    Config, Instance,
    signed::{ask, cloud, demo},
};

const DEMO: &str = "tcr-demo0001";
const UIN: &str = "100012345678";
const QUERY: &str = "service=harbor-registry&scope=repository%3Ateam%2Fapp%3Apull%2Cpush";

/// Mints a credential as the demo's account; its id and password.
fn mint(gateway: &mut Gateway, kind: &str) -> (String, String) {
    let answer = ask(gateway, "CreateInstanceToken", json!({"RegistryId": DEMO, "TokenType": kind}));
    let text = |field: &str| answer[field].as_str().unwrap().to_owned();
    (text("TokenId"), text("Token"))
}

fn request(query: &str, authorization: Option<String>) -> Request {
    let headers = authorization.map(|value| ("authorization".to_owned(), value)).into_iter().collect();
    Request { method: "GET".to_owned(), path: path(DEMO), query: query.to_owned(), headers, body: Vec::new() }
}

fn login(username: &str, password: &str) -> Option<String> {
    Some(format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
}

/// `pull team/app, nothing other/app`, or the refusal, without its signature.
fn verdict(gateway: &Gateway, registry_id: &str, request: &Request) -> String {
    let record = judge(&gateway.world, registry_id, request, gateway.clock.now());
    if let Some(refusal) = record.refusal {
        assert!(record.granted.is_empty());
        return format!("{refusal:?} {}", refusal.status());
    }
    let granted = record.granted.iter().map(|access| match &access.actions[..] {
        [] => format!("nothing {}", access.name),
        actions => format!("{} {}", actions.join("+"), access.name),
    });
    granted.collect::<Vec<_>>().join(", ")
}

#[track_caller]
fn check(gateway: &Gateway, request: &Request, expected: Expect) {
    expected.assert_eq(&verdict(gateway, DEMO, request));
}

#[test]
fn a_token_is_as_good_as_its_credential() {
    let mut gateway = demo();
    let (id, password) = mint(&mut gateway, "longterm");
    let asks = request(QUERY, login(UIN, &password));
    check(&gateway, &asks, expect!["pull team/app"]);

    ask(&mut gateway, "ModifyInstanceToken", json!({"RegistryId": DEMO, "TokenId": id, "Enable": false}));
    check(&gateway, &asks, expect!["Disabled 401"]);
    ask(&mut gateway, "ModifyInstanceToken", json!({"RegistryId": DEMO, "TokenId": id, "Enable": true}));
    check(&gateway, &asks, expect!["pull team/app"]);
    ask(&mut gateway, "DeleteInstanceToken", json!({"RegistryId": DEMO, "TokenId": id}));
    check(&gateway, &asks, expect!["Deleted 401"]);
}

#[test]
fn a_temporary_credential_ends_with_its_hour() {
    let mut gateway = demo();
    let (_, password) = mint(&mut gateway, "temp");
    let asks = request(QUERY, login(UIN, &password));
    gateway.clock.advance(Duration::from_secs(3599));
    check(&gateway, &asks, expect!["pull team/app"]);
    gateway.clock.advance(Duration::from_secs(1));
    check(&gateway, &asks, expect!["Expired 401"]);
}

#[test]
fn who_is_not_known_is_refused() {
    let mut gateway = demo();
    let (_, password) = mint(&mut gateway, "longterm");
    check(&gateway, &request(QUERY, None), expect!["NoCredential 401"]);
    check(&gateway, &request(QUERY, login(UIN, "guess")), expect!["UnknownCredential 401"]);
    check(&gateway, &request(QUERY, login("100000000001", &password)), expect!["UnknownCredential 401"]);
    check(&gateway, &request(QUERY, login("", "")), expect!["UnknownCredential 401"]);
    for unreadable in ["Basic", "Basic !", "Basic bm9jb2xvbg==", &format!("Bearer {password}")] {
        let asks = request(QUERY, Some(unreadable.to_owned()));
        check(&gateway, &asks, expect!["UnreadableCredential 401"]);
    }
    let mut twice = request(QUERY, login(UIN, &password));
    twice.headers.push(twice.headers[0].clone());
    check(&gateway, &twice, expect!["UnreadableCredential 401"]);
}

#[test]
fn a_password_in_the_wrong_place_is_not_recorded() {
    let mut gateway = demo();
    let (id, password) = mint(&mut gateway, "longterm");
    let record =
        |authorization| judge(&gateway.world, DEMO, &request(QUERY, authorization), gateway.clock.now());
    assert_eq!(record(login(&password, UIN)).username, None);
    let record = record(login(UIN, &password));
    assert_eq!((record.username.as_deref(), record.token_id), (Some(UIN), Some(id)));
}

#[test]
fn a_credential_opens_its_own_instance_only() {
    let mut config = Config::demo();
    config.instances.push(Instance::new("tcr-other001", "other", "ap-guangzhou"));
    let mut gateway = cloud(config);
    let (_, password) = mint(&mut gateway, "longterm");
    let asks = request(QUERY, login(UIN, &password));
    assert_eq!(verdict(&gateway, DEMO, &asks), "pull team/app");
    assert_eq!(verdict(&gateway, "tcr-other001", &asks), "UnknownCredential 401");
    assert_eq!(verdict(&gateway, "tcr-nothing1", &asks), "UnknownInstance 404");
    gateway.world.instances[0].status = "Isolate".to_owned();
    assert_eq!(verdict(&gateway, DEMO, &asks), "InstanceNotRunning 503");
}

#[test]
fn rights_are_the_identitys_own_at_that_time() {
    let mut gateway = demo();
    let (_, password) = mint(&mut gateway, "longterm");
    let asks = request(QUERY, login(UIN, &password));
    gateway.world.accounts[0].push = true;
    check(&gateway, &asks, expect!["pull+push team/app"]);
    gateway.world.accounts[0].allow = vec!["tcr:Pull*".to_owned()];
    check(&gateway, &asks, expect!["pull team/app"]);
    gateway.world.accounts[0].allow = vec!["tcr:CreateInstanceToken".to_owned()];
    check(&gateway, &asks, expect!["nothing team/app"]);
    gateway.world.accounts.clear();
    check(&gateway, &asks, expect!["nothing team/app"]);
}

#[test]
fn queries_name_the_service_and_any_number_of_scopes() {
    let mut gateway = demo();
    let (_, password) = mint(&mut gateway, "longterm");
    let asks = |query: &str| verdict(&gateway, DEMO, &request(query, login(UIN, &password)));
    assert_eq!(asks("service=harbor-registry"), "", "a login");
    assert_eq!(asks("account=100012345678&service=harbor-registry&offline_token=true&client_id=docker"), "");
    assert_eq!(
        asks("service=harbor-registry&scope=repository:a/b:pull&scope=repository:c/d:pull,push"),
        "pull a/b, pull c/d"
    );
    assert_eq!(
        asks("service=harbor-registry&scope=repository:a/b:pull+repository:c/d:push"),
        "pull a/b, nothing c/d"
    );
    assert_eq!(asks("service=harbor-registry&scope=repository:a/b"), "Scope 400");
    assert_eq!(asks(""), "Service 400");
    assert_eq!(asks("service=harbor-notary"), "Service 400");
    assert_eq!(asks("service=harbor-registry&service=harbor-registry"), "Service 400");
    let mut posted = request("service=harbor-registry", login(UIN, &password));
    posted.method = "POST".to_owned();
    check(&gateway, &posted, expect!["Method 405"]);
}

#[test]
fn claims_and_answer_have_the_forms_of_the_specification() {
    let mut gateway = demo();
    let (_, password) = mint(&mut gateway, "longterm");
    let asks = request(QUERY, login(UIN, &password));
    let record = judge(&gateway.world, DEMO, &asks, gateway.clock.now());
    let time = Timestamp::from_second(1_800_000_000).unwrap();
    expect![[r#"
        {
          "access": [
            {
              "actions": [
                "pull"
              ],
              "name": "team/app",
              "type": "repository"
            }
          ],
          "aud": "harbor-registry",
          "exp": 1800001800,
          "iat": 1800000000,
          "iss": "harbor-token-issuer",
          "jti": "id",
          "nbf": 1800000000,
          "sub": "100012345678"
        }"#]]
    .assert_eq(&format!("{:#}", claims(&record, "id", time)));
    expect![[r#"
        {
          "access_token": "t",
          "expires_in": 1800,
          "issued_at": "2027-01-15T08:00:00Z",
          "token": "t"
        }"#]]
    .assert_eq(&format!("{:#}", answer("t", time)));
}

/// Makes a service account that may do this in `team`; its password.
fn make_account(gateway: &mut Gateway, actions: &[&str]) -> String {
    let answer = ask(
        gateway,
        "CreateServiceAccount",
        json!({"RegistryId": DEMO, "Name": "cluster", "Duration": 1, "Permissions": [{"Resource": "team", "Actions": actions}]}),
    );
    answer["Password"].as_str().unwrap().to_owned()
}

#[test]
fn a_service_account_pulls_from_its_own_namespaces_and_from_no_other() {
    let mut gateway = demo();
    let password = make_account(&mut gateway, &["tcr:PullRepository"]);
    let asks = |scope: &str| {
        request(&format!("service=harbor-registry&scope={scope}"), login("tcr$cluster", &password))
    };
    check(&gateway, &asks("repository:team/app:pull,push"), expect!["pull team/app"]);
    check(&gateway, &asks("repository:team/deep/app:pull"), expect!["pull team/deep/app"]);
    check(
        &gateway,
        &asks("repository:team-a/app:pull&scope=repository:team/app:pull"),
        expect!["nothing team-a/app, pull team/app"],
    );
    check(&gateway, &asks("repository:teams/app:pull"), expect!["nothing teams/app"]);
    check(&gateway, &request(QUERY, login("cluster", &password)), expect!["UnknownCredential 401"]);
    check(&gateway, &request(QUERY, login("tcr$cluster", "guess")), expect!["UnknownCredential 401"]);
}

#[test]
fn a_service_account_is_over_when_it_is_disabled_deleted_or_expired() {
    let mut gateway = demo();
    let password = make_account(&mut gateway, &["tcr:PullRepository", "tcr:PushRepository"]);
    let asks = request(QUERY, login("tcr$cluster", &password));
    check(&gateway, &asks, expect!["pull+push team/app"]);
    let narrowed = json!({"RegistryId": DEMO, "Name": "cluster", "Permissions": [{"Resource": "base", "Actions": ["tcr:PullRepository"]}]});
    ask(&mut gateway, "ModifyServiceAccount", narrowed);
    check(&gateway, &asks, expect!["nothing team/app"]);
    ask(
        &mut gateway,
        "ModifyServiceAccount",
        json!({"RegistryId": DEMO, "Name": "cluster", "Disable": true}),
    );
    check(&gateway, &asks, expect!["Disabled 401"]);
    ask(
        &mut gateway,
        "ModifyServiceAccount",
        json!({"RegistryId": DEMO, "Name": "cluster", "Disable": false}),
    );
    gateway.clock.advance(Duration::from_secs(86_400));
    check(&gateway, &asks, expect!["Expired 401"]);
}

#[test]
fn a_deleted_person_ends_tokens_and_no_service_account() {
    let mut gateway = demo();
    let (_, token) = mint(&mut gateway, "longterm");
    let password = make_account(&mut gateway, &["tcr:PullRepository"]);
    assert!(gateway.world.delete_user(UIN));
    check(&gateway, &request(QUERY, login(UIN, &token)), expect!["UserDeleted 401"]);
    check(&gateway, &request(QUERY, login("tcr$cluster", &password)), expect!["pull team/app"]);
    assert_eq!(
        ask(&mut gateway, "DeleteServiceAccount", json!({}))["Error"]["Code"],
        "AuthFailure.SecretIdNotFound"
    );
}
