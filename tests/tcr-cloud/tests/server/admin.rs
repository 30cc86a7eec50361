//! The controls under `/_admin/`.

use serde_json::{Value, json};
use tcr_cloud::{Cloud, Config};

use crate::client::{Answer, call, send};

fn admin(cloud: &Cloud, method: &str, path: &str, body: Value) -> Answer {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    send(&cloud.url(), method, path, &[("Content-Type", "application/json")], &body).unwrap()
}

fn get(cloud: &Cloud, path: &str) -> Value {
    admin(cloud, "GET", path, Value::Null).json()
}

fn with_a_token() -> (Cloud, String, String) {
    let cloud = Cloud::start(Config::demo()).unwrap();
    let body = json!({"RegistryId": "tcr-demo0001", "TokenType": "longterm"});
    let token = call(&cloud.url(), "CreateInstanceToken", &body).unwrap().response();
    let text = |field: &str| token[field].as_str().unwrap().to_owned();
    let (id, password) = (text("TokenId"), text("Token"));
    (cloud, id, password)
}

#[test]
fn tokens_are_shown_with_passwords_only_on_demand() {
    let (cloud, id, password) = with_a_token();
    let shown = get(&cloud, "/_admin/tokens");
    assert_eq!((&shown[0]["id"], &shown[0]["live"]), (&json!(id), &json!(true)));
    assert!(!shown.to_string().contains(&password));
    assert_eq!(get(&cloud, "/_admin/tokens?reveal=true")[0]["secret"], password);
    assert!(!get(&cloud, "/_admin/calls").to_string().contains(&password));
}

#[test]
fn tokens_can_be_switched_off_and_revoked() {
    let (cloud, id, _) = with_a_token();
    let path = format!("/_admin/tokens/{id}");
    assert_eq!(admin(&cloud, "PATCH", &path, json!({"enabled": false})).status(), 200);
    assert!(cloud.live_tokens().is_empty());
    assert_eq!(admin(&cloud, "PATCH", &path, json!({"enabled": true})).status(), 200);
    assert_eq!(cloud.live_tokens().len(), 1);
    assert_eq!(admin(&cloud, "DELETE", &path, Value::Null).status(), 200);
    assert!(cloud.live_tokens().is_empty());
    assert_eq!(admin(&cloud, "DELETE", "/_admin/tokens/nothing", Value::Null).status(), 404);
}

#[test]
fn faults_come_and_go() {
    let cloud = Cloud::start(Config::demo()).unwrap();
    let fault = json!({"action": "DescribeRegions", "kind": {"error": {"code": "InternalError"}}});
    assert_eq!(admin(&cloud, "POST", "/_admin/faults", fault).status(), 204);
    assert_eq!(get(&cloud, "/_admin/faults")[0]["action"], "DescribeRegions");
    let ask =
        || call(&cloud.url(), "DescribeRegions", &json!({})).unwrap().response()["Error"]["Code"].take();
    assert_eq!(ask(), "InternalError");
    assert_eq!(admin(&cloud, "DELETE", "/_admin/faults", Value::Null).status(), 204);
    assert_eq!(ask(), Value::Null);
    let calls = get(&cloud, "/_admin/calls");
    assert_eq!((&calls[0]["code"], &calls[1]["code"]), (&json!("InternalError"), &Value::Null));
    assert_eq!(admin(&cloud, "DELETE", "/_admin/calls", Value::Null).status(), 204);
    assert!(cloud.calls().is_empty());
}

#[test]
fn misspelt_controls_are_refused() {
    let cloud = Cloud::start(Config::demo()).unwrap();
    let refusal = |path: &str, body: Value| {
        let answer = admin(&cloud, "POST", path, body);
        assert!((400..500).contains(&answer.status()), "{}", answer.head);
        String::from_utf8(answer.body).unwrap()
    };
    assert_eq!(
        refusal("/_admin/faults", json!({"action": "CreateToken", "kind": "drop"})),
        "fault.action: \"CreateToken\" is not an action this cloud has\n"
    );
    assert!(refusal("/_admin/faults", json!({"kind": "explode"})).contains("explode"));
    assert!(refusal("/_admin/faults", json!({"kind": "drop", "time": 1})).contains("time"));
    assert!(refusal("/_admin/advance", json!({"minutes": 1})).contains("minutes"));
    assert_eq!(admin(&cloud, "GET", "/_admin/nothing", Value::Null).status(), 404);
    assert!(cloud.calls().is_empty(), "controls are no API calls");
}

#[test]
fn the_clock_moves_on() {
    let (cloud, _, _) = with_a_token();
    let before: jiff::Timestamp = get(&cloud, "/_admin/clock")["now"].as_str().unwrap().parse().unwrap();
    admin(&cloud, "POST", "/_admin/advance", json!({"seconds": 3650 * 86400}));
    assert!(cloud.now().duration_since(before) >= jiff::SignedDuration::from_hours(3650 * 24));
    assert_eq!(get(&cloud, "/_admin/tokens")[0]["live"], false);
}

#[test]
fn instances_can_be_replaced() {
    let cloud = Cloud::start(Config::demo()).unwrap();
    let mut instance = get(&cloud, "/_admin/instances")[0].take();
    instance["status"] = "Isolate".into();
    assert_eq!(admin(&cloud, "PUT", "/_admin/instances/tcr-demo0001", instance.clone()).status(), 204);
    let listed = call(&cloud.url(), "DescribeInstances", &json!({})).unwrap().response();
    assert_eq!(listed["Registries"][0]["Status"], "Isolate");
    assert_eq!(admin(&cloud, "PUT", "/_admin/instances/tcr-other", instance).status(), 400);
}
