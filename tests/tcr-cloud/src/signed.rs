//! Signed requests for unit tests. The arithmetic is `tc3`'s own, which the published vectors hold.

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    Account, Config,
    clock::utc_day,
    gateway::Gateway,
    http::{Reply, Request},
    random::Random,
    tc3,
};

/// When the unit tests' clock stands still: 2023-11-14T22:13:20Z.
pub(crate) const NOW: i64 = 1_700_000_000;

/// The demo's cloud at [`NOW`].
pub(crate) fn demo() -> Gateway {
    cloud(Config::demo())
}

/// A cloud at [`NOW`].
pub(crate) fn cloud(mut config: Config) -> Gateway {
    config.now = Some(Timestamp::from_second(NOW).unwrap());
    config.check().unwrap();
    Gateway::new(config, Random::new().unwrap())
}

/// The demo's account signs this.
pub(crate) fn request(action: &str, body: impl ToString) -> Request {
    let headers = [
        ("content-type", "application/json"),
        ("host", "tcr.tencentcloudapi.com"),
        ("x-tc-action", action),
        ("x-tc-version", "2019-09-24"),
        ("x-tc-region", "ap-guangzhou"),
        ("x-tc-timestamp", &NOW.to_string()),
    ];
    sign(
        Request {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body: body.to_string().into_bytes(),
        },
        &Config::demo().accounts[0],
    )
}

/// Gives a request the Authorization of its present content.
pub(crate) fn sign(request: Request, account: &Account) -> Request {
    sign_for("tcr", request, account)
}

/// The same for another service.
pub(crate) fn sign_for(service: &str, mut request: Request, account: &Account) -> Request {
    set(&mut request, "authorization", None);
    let timestamp = request.header("x-tc-timestamp").unwrap().unwrap().to_owned();
    let date = utc_day(Timestamp::from_second(timestamp.parse().unwrap()).unwrap());
    let scope = format!("{date}/{service}/tc3_request");
    let canonical = tc3::canonical_request(&request, "content-type;host").unwrap();
    let signature = tc3::sign(account.secret_key.expose(), &timestamp, &scope, &canonical);
    let authorization = format!(
        "TC3-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=content-type;host, Signature={signature}",
        account.secret_id
    );
    set(&mut request, "authorization", Some(&authorization));
    request
}

/// Replaces a header, or removes it.
pub(crate) fn set(request: &mut Request, name: &str, value: Option<&str>) {
    request.headers.retain(|(key, _)| key != name);
    request.headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
}

/// Sends a request through faults and all.
pub(crate) fn send(gateway: &mut Gateway, request: &Request) -> Reply {
    let fate = gateway.fate(request);
    gateway.answer(request, fate)
}

/// `Response` of an answer.
pub(crate) fn response(reply: &Reply) -> Value {
    let mut envelope: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(reply.status, 200);
    assert!(envelope["Response"]["RequestId"].is_string(), "{envelope}");
    envelope["Response"].take()
}

/// What the demo's account gets for `action`.
pub(crate) fn ask(gateway: &mut Gateway, action: &str, body: Value) -> Value {
    response(&send(gateway, &request(action, body)))
}

/// `Code: Message` of a refusal, or `ok`.
pub(crate) fn verdict(response: &Value) -> String {
    match response["Error"]["Code"].as_str() {
        Some(code) => format!("{code}: {}", response["Error"]["Message"].as_str().unwrap()),
        None => "ok".to_owned(),
    }
}
