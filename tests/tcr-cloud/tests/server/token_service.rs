//! The token service on the wire, its signatures checked by another library than makes them.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jiff::Timestamp;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};
use std::time::Duration;
use tcr_cloud::{Cloud, Config, TokenRefusal};

use crate::client::{Answer, call, send};

/// Asks an instance's token service; `scope` is left out when empty.
pub(crate) fn ask(url: &str, registry_id: &str, scope: &str, login: Option<(&str, &str)>) -> Answer {
    let mut path = format!("/service/token/{registry_id}?service=harbor-registry");
    if !scope.is_empty() {
        path += &format!("&scope={scope}");
    }
    let authorization = login
        .map(|(username, password)| format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))));
    let headers: Vec<_> = authorization.iter().map(|value| ("Authorization", value.as_str())).collect();
    send(url, "GET", &path, &headers, b"").unwrap()
}

/// Whether the key of that certificate signed that JWT with RS256.
pub(crate) fn is_signed_by(certificate: &str, token: &str) -> bool {
    let (_, pem) = x509_parser::pem::parse_x509_pem(certificate.as_bytes()).unwrap();
    let certificate = pem.parse_x509().unwrap();
    let key = &certificate.public_key().subject_public_key.data;
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key).verify(signed.as_bytes(), &signature).is_ok()
}

fn part(token: &str, at: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap()).unwrap()
}

fn with_a_token() -> (Cloud, String, String) {
    let cloud = Cloud::start(Config::demo()).unwrap();
    let body = json!({"RegistryId": "tcr-demo0001", "TokenType": "longterm"});
    let token = call(&cloud.url(), "CreateInstanceToken", &body).unwrap().response();
    let text = |field: &str| token[field].as_str().unwrap().to_owned();
    let (username, password) = (text("Username"), text("Token"));
    (cloud, username, password)
}

#[test]
fn what_is_minted_is_signed_and_says_what_it_is_good_for() {
    let (cloud, username, password) = with_a_token();
    let before = Timestamp::now().as_second();
    let answer =
        ask(&cloud.url(), "tcr-demo0001", "repository:team/app:pull,push", Some((&username, &password)));
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    let answer = answer.json();
    let token = answer["token"].as_str().unwrap();
    assert_eq!(answer["access_token"], token);
    assert_eq!(answer["expires_in"], 1800);
    let issued: Timestamp = answer["issued_at"].as_str().unwrap().parse().unwrap();
    let claims = part(token, 1);
    assert_eq!(claims["access"], json!([{"type": "repository", "name": "team/app", "actions": ["pull"]}]));
    assert_eq!(claims["sub"], username);
    assert_eq!(claims["iat"], issued.as_second());
    assert!(issued.as_second() >= before);

    let service = cloud.token_service("tcr-demo0001").unwrap();
    assert_eq!((&claims["aud"], &claims["iss"]), (&json!(service.service), &json!(service.issuer)));
    assert_eq!(service.realm, format!("{}/service/token/tcr-demo0001", cloud.url()));
    assert!(is_signed_by(&service.certificate, token));
    let (rest, signature) = token.rsplit_once('.').unwrap();
    assert!(!is_signed_by(&service.certificate, &format!("{rest}x.{signature}")), "the check can fail");
    assert_eq!(part(token, 0)["alg"], "RS256");
}

#[test]
fn refusals_look_alike_and_are_told_apart_in_the_record() {
    let (cloud, username, password) = with_a_token();
    let scope = "repository:team/app:pull";
    let refused = |login| {
        let answer = ask(&cloud.url(), "tcr-demo0001", scope, login);
        (answer.status(), answer.json())
    };
    let unauthorized = (
        401,
        json!({"errors": [{"code": "UNAUTHORIZED", "message": "unauthorized: authentication required"}]}),
    );
    assert_eq!(refused(None), unauthorized);
    assert_eq!(refused(Some((&username, "guess"))), unauthorized);
    cloud.update_token(&cloud.tokens()[0].id, |token| token.enabled = false);
    assert_eq!(refused(Some((&username, &password))), unauthorized);

    let reasons: Vec<_> = cloud.token_requests().iter().map(|request| request.refusal).collect();
    use TokenRefusal::{Disabled, NoCredential, UnknownCredential};
    assert_eq!(reasons, [Some(NoCredential), Some(UnknownCredential), Some(Disabled)]);
    let records = format!("{:?}", cloud.token_requests());
    assert!(!records.contains(&password) && !records.contains("guess"), "{records}");
    assert!(cloud.calls().iter().all(|call| call.action == "CreateInstanceToken"), "no API calls");
}

#[test]
fn the_record_says_who_could_pull_what() {
    let (cloud, username, password) = with_a_token();
    let scope = "repository:team/app:pull&scope=repository:team/base:push";
    ask(&cloud.url(), "tcr-demo0001", scope, Some((&username, &password)));
    let record = &cloud.token_requests()[0];
    assert_eq!(record.scopes, ["repository:team/app:pull", "repository:team/base:push"]);
    assert_eq!(record.granted_to("pull"), ["team/app"]);
    assert!(record.granted_to("push").is_empty());
    assert_eq!(record.username.as_deref(), Some(&username[..]));
    assert_eq!(record.token_id.as_ref(), Some(&cloud.tokens()[0].id));

    let told = send(&cloud.url(), "GET", "/_admin/token-requests", &[], b"").unwrap().json();
    assert_eq!(told[0]["granted"][0]["name"], "team/app");
    assert!(!told.to_string().contains(&password));
    assert_eq!(send(&cloud.url(), "DELETE", "/_admin/token-requests", &[], b"").unwrap().status(), 204);
    assert!(cloud.token_requests().is_empty());
}

#[test]
fn the_clock_of_the_cloud_ends_credentials_and_not_signatures() {
    let cloud = Cloud::start(Config::demo()).unwrap();
    cloud.advance(Duration::from_secs(86_400));
    let time = u64::try_from(cloud.now().as_second()).unwrap();
    let body = json!({"RegistryId": "tcr-demo0001", "TokenType": "temp"});
    let minted = crate::client::call_at(&cloud.url(), "CreateInstanceToken", &body, time).unwrap().response();
    let login = (minted["Username"].as_str().unwrap(), minted["Token"].as_str().unwrap());
    let answer = ask(&cloud.url(), "tcr-demo0001", "", Some(login));
    let claims = part(answer.json()["token"].as_str().unwrap(), 1);
    let (begins, now) = (claims["nbf"].as_i64().unwrap(), Timestamp::now().as_second());
    assert!(begins <= now, "a registry would wait a day for it");
    cloud.advance(Duration::from_secs(3600));
    assert_eq!(ask(&cloud.url(), "tcr-demo0001", "", Some(login)).status(), 401);
}
