//! The API on the wire, and what faults do to connections.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;
use tcr_cloud::{Cloud, Config, Fault, FaultKind, TokenKind};

use crate::client::{call, call_at, send};

fn demo() -> Cloud {
    Cloud::start(Config::demo()).unwrap()
}

fn longterm() -> serde_json::Value {
    json!({"RegistryId": "tcr-demo0001", "TokenType": "longterm", "Desc": "wire"})
}

#[test]
fn a_signed_call_mints_a_token_that_the_cloud_accepts() {
    let cloud = demo();
    let token = call(&cloud.url(), "CreateInstanceToken", &longterm()).unwrap().response();
    assert!(token["Error"].is_null(), "{}", token["Error"]);
    let [record] = &cloud.tokens()[..] else { panic!("{:?}", cloud.tokens()) };
    assert_eq!((record.kind, &record.description[..]), (TokenKind::Longterm, "wire"));
    assert_eq!(record.id, token["TokenId"].as_str().unwrap());
    let password = token["Token"].as_str().unwrap();
    assert!(cloud.accepts_login("tcr-demo0001", "100012345678", password));
    assert!(!cloud.accepts_login("tcr-demo0001", "100012345678", "guess"));
    assert!(!format!("{record:?}{:?}", cloud.calls()).contains(password), "secrets are not for Debug");

    assert!(cloud.update_token(&record.id, |token| token.enabled = false));
    assert!(!cloud.accepts_login("tcr-demo0001", "100012345678", password));
    assert!(cloud.live_tokens().is_empty());
}

#[test]
fn an_unsigned_request_gets_an_error_in_an_envelope() {
    let cloud = demo();
    let answer = send(&cloud.url(), "POST", "/", &[("Content-Type", "application/json")], b"{}").unwrap();
    let response = answer.response();
    assert_eq!(response["Error"]["Code"], "AuthFailure.InvalidAuthorization");
    assert!(response["RequestId"].is_string());
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[test]
fn a_body_that_is_too_large_is_told_so() {
    let cloud = demo();
    let body = vec![b' '; 10 * 1024 * 1024 + 1];
    let answer = send(&cloud.url(), "POST", "/", &[("Content-Type", "application/json")], &body).unwrap();
    assert_eq!(answer.response()["Error"]["Code"], "RequestSizeLimitExceeded");
}

#[test]
fn the_date_header_is_the_way_out_of_a_wrong_clock() {
    let cloud = demo();
    cloud.advance(Duration::from_secs(3600));
    let answer = call(&cloud.url(), "DescribeRegions", &json!({})).unwrap();
    assert_eq!(answer.response()["Error"]["Code"], "AuthFailure.SignatureExpire");
    let date = jiff::fmt::rfc2822::parse(answer.header("date").unwrap()).unwrap().timestamp();
    let there = u64::try_from(date.as_second()).unwrap();
    let here = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!(there.abs_diff(here + 3600) < 60, "{there} is an hour after {here}");
    let again = call_at(&cloud.url(), "DescribeRegions", &json!({}), there).unwrap();
    assert!(again.response()["Error"].is_null());
}

#[test]
fn a_dropped_connection_before_the_effect_mints_nothing() {
    let cloud = demo();
    cloud.inject(Fault::dropped().on("CreateInstanceToken").times(1));
    assert!(call(&cloud.url(), "CreateInstanceToken", &longterm()).is_none());
    assert!(cloud.tokens().is_empty());
    assert!(call(&cloud.url(), "CreateInstanceToken", &longterm()).is_some());
    assert_eq!(cloud.tokens().len(), 1);
}

#[test]
fn a_dropped_connection_after_the_effect_leaves_an_orphan() {
    let cloud = demo();
    cloud.inject(Fault::dropped().on("CreateInstanceToken").after_effect().times(1));
    assert!(call(&cloud.url(), "CreateInstanceToken", &longterm()).is_none());
    assert_eq!(cloud.live_tokens().len(), 1);
    assert!(cloud.calls()[0].done);
}

#[test]
fn a_cut_connection_promises_more_than_it_sends() {
    let cloud = demo();
    cloud.inject(Fault::new(FaultKind::CutOff).times(1));
    let answer = call(&cloud.url(), "CreateInstanceToken", &longterm()).unwrap();
    let promised: usize = answer.header("content-length").unwrap().parse().unwrap();
    assert!(!answer.body.is_empty() && answer.body.len() < promised, "{} of {promised}", answer.body.len());
}

#[test]
fn truncated_json_is_whole_http() {
    let cloud = demo();
    cloud.inject(Fault::new(FaultKind::TruncatedJson));
    let answer = call(&cloud.url(), "DescribeRegions", &json!({})).unwrap();
    assert_eq!(answer.header("content-length"), Some(&answer.body.len().to_string()[..]));
    assert!(serde_json::from_slice::<serde_json::Value>(&answer.body).is_err());
}

#[test]
fn a_status_comes_as_one() {
    let cloud = demo();
    cloud.inject(Fault::status(503));
    assert_eq!(call(&cloud.url(), "DescribeRegions", &json!({})).unwrap().status(), 503);
    cloud.clear_faults();
    assert_eq!(call(&cloud.url(), "DescribeRegions", &json!({})).unwrap().status(), 200);
}

#[test]
fn delays_are_real_and_do_not_hold_up_the_end() {
    let cloud = demo();
    cloud.inject(Fault::delay(Duration::from_millis(120)).times(1));
    let begun = Instant::now();
    assert!(call(&cloud.url(), "DescribeRegions", &json!({})).is_some());
    assert!(begun.elapsed() >= Duration::from_millis(120));

    cloud.inject(Fault::delay(Duration::from_secs(3600)).times(1));
    let url = cloud.url();
    let waiting = std::thread::spawn(move || call(&url, "DescribeRegions", &json!({})));
    while !cloud.faults().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the call does not arrive");
        std::thread::yield_now();
    }
    drop(cloud);
    assert!(waiting.join().is_ok_and(|answer| answer.is_none()));
}

#[test]
fn accounts_and_instances_can_change_while_it_runs() {
    let cloud = demo();
    assert!(cloud.update_instance("tcr-demo0001", |instance| instance.status = "Deleting".to_owned()));
    let create = || call(&cloud.url(), "CreateInstanceToken", &longterm()).unwrap().response();
    assert_eq!(create()["Error"]["Code"], "ResourceInsufficient.ErrorInstanceNotRunning");
    let secret_id = Config::demo().accounts[0].secret_id.clone();
    assert!(cloud.update_account(&secret_id, |account| account.allow.clear()));
    assert_eq!(create()["Error"]["Code"], "UnauthorizedOperation");
    assert!(!cloud.update_account("AKIDnobody", |_| {}));
    assert!(!cloud.update_instance("tcr-nothing", |_| {}));
    assert!(!cloud.update_token("", |_| {}));
}

#[test]
fn a_taken_address_is_named() {
    let cloud = demo();
    let mut config = Config::demo();
    config.listen = cloud.url().strip_prefix("http://").unwrap().parse().unwrap();
    let error = Cloud::start(config).err().unwrap().to_string();
    assert!(error.starts_with(&format!("cannot listen on {}", &cloud.url()["http://".len()..])), "{error}");
}
