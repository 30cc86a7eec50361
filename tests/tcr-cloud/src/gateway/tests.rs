//! Every refusal before an action runs, and every fault after it.

use std::time::Duration;

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;
use crate::{
    fault::Fault,
    signed::{self, ask, demo, request, response, send, verdict},
};

/// What a request that asks for a token is answered after `change`.
#[track_caller]
fn check(change: impl FnOnce(&mut Request), expected: Expect) {
    let mut gateway = demo();
    let mut request = request("CreateInstanceToken", json!({"RegistryId": "tcr-demo0001"}));
    change(&mut request);
    let request = signed::sign(request, &Config::demo().accounts[0]);
    let response = response(&send(&mut gateway, &request));
    expected.assert_eq(&verdict(&response));
    assert_eq!(gateway.world.tokens.len(), usize::from(response.get("Error").is_none()));
}

#[track_caller]
fn check_header(name: &str, value: Option<&str>, expected: Expect) {
    check(|request| signed::set(request, name, value), expected);
}

#[track_caller]
fn check_body(body: impl ToString, expected: Expect) {
    check(|request| request.body = body.to_string().into_bytes(), expected);
}

#[test]
fn a_good_request_is_carried_out() {
    check(|_| {}, expect!["ok"]);
    check_header("content-type", Some("application/json; charset=utf-8"), expect!["ok"]);
}

#[test]
fn action_version_and_region_must_be_known() {
    check_header(
        "x-tc-action",
        None,
        expect!["MissingParameter: The request is missing a required parameter `X-TC-Action`."],
    );
    check_header(
        "x-tc-action",
        Some("createInstanceToken"),
        expect![
            "InvalidAction: The request action=`createInstanceToken` is invalid or not match the product."
        ],
    );
    check_header(
        "x-tc-version",
        None,
        expect!["MissingParameter: The request is missing a required parameter `X-TC-Version`."],
    );
    check_header(
        "x-tc-version",
        Some("2018-08-13"),
        expect!["NoSuchVersion: The API version `2018-08-13` does not exist."],
    );
    check_header(
        "x-tc-region",
        None,
        expect!["MissingParameter: The request is missing a required parameter `X-TC-Region`."],
    );
    check_header(
        "x-tc-region",
        Some("ap-atlantis"),
        expect!["UnsupportedRegion: The region `ap-atlantis` is not supported."],
    );
    check_header(
        "x-tc-region",
        Some("ap-nanjing"),
        expect![
            "ResourceNotFound.TcrResourceNotFound: The registry instance `tcr-demo0001` is not found in `ap-nanjing`."
        ],
    );
    check(
        |request| request.headers.push(("x-tc-region".to_owned(), "ap-guangzhou".to_owned())),
        expect!["InvalidParameter: The header `x-tc-region` is repeated."],
    );
}

#[test]
fn only_posted_json_is_taken() {
    check_header(
        "content-type",
        Some("multipart/form-data"),
        expect!["InvalidParameter: The Content-Type `multipart/form-data` is not `application/json`."],
    );
    check(
        |request| request.method = "GET".to_owned(),
        expect!["UnsupportedProtocol: GET / is not POST / without a query, the only form this cloud takes."],
    );
    check(
        |request| request.path = "/v1".to_owned(),
        expect![
            "UnsupportedProtocol: POST /v1 is not POST / without a query, the only form this cloud takes."
        ],
    );
}

#[test]
fn parameters_must_be_known_present_and_of_their_type() {
    check_body("{}", expect!["MissingParameter: The request is missing a required parameter `RegistryId`."]);
    check_body(
        json!({"RegistryId": "tcr-demo0001", "Duration": 60}),
        expect!["UnknownParameter: The parameter `Duration` is not recognized."],
    );
    check_body(
        json!({"registryId": "tcr-demo0001"}),
        expect!["UnknownParameter: The parameter `registryId` is not recognized."],
    );
    check_body(
        json!({"RegistryId": 1}),
        expect![
            "InvalidParameter: The value type of parameter `RegistryId` is not valid: it must be a string."
        ],
    );
    check_body(
        json!({"RegistryId": "tcr-demo0001", "Desc": null}),
        expect!["InvalidParameter: The value type of parameter `Desc` is not valid: it must be a string."],
    );
    check_body("[]", expect!["InvalidParameter: The request body is not a JSON object."]);
    check_body(
        "",
        expect![
            "InvalidParameter: The request body is not valid JSON: EOF while parsing a value at line 1 column 0."
        ],
    );
}

#[test]
fn bodies_end_at_ten_megabytes() {
    let filled = |length: usize| {
        let body = json!({"RegistryId": "tcr-demo0001", "Desc": ""}).to_string();
        body.replace("\"Desc\":\"\"", &format!("\"Desc\":\"{}\"", "x".repeat(length - body.len())))
    };
    check_body(filled(GREATEST_BODY), expect!["ok"]);
    check_body(filled(GREATEST_BODY + 1), expect!["RequestSizeLimitExceeded: The request exceeds 10 MB."]);
}

#[test]
fn an_account_can_do_only_what_cam_grants() {
    let mut config = Config::demo();
    config.accounts[0].allow = vec!["tcr:Describe*".to_owned(), "tcr:DeleteInstanceToken".to_owned()];
    let mut gateway = signed::cloud(config);
    let create = ask(&mut gateway, "CreateInstanceToken", json!({"RegistryId": "tcr-demo0001"}));
    expect!["UnauthorizedOperation: you are not authorized to perform operation (tcr:CreateInstanceToken)"]
        .assert_eq(&verdict(&create));
    assert_eq!(verdict(&ask(&mut gateway, "DescribeInstances", json!({}))), "ok");
}

#[test]
fn calls_are_limited_per_second_until_the_clock_moves_on() {
    let mut gateway = demo();
    let spend = |gateway: &mut Gateway| {
        let list = json!({"RegistryId": "tcr-demo0001"});
        let codes = (0..30).map(|_| verdict(&ask(gateway, "DescribeInstanceToken", list.clone())));
        codes.take_while(|code| code == "ok").count()
    };
    assert_eq!(spend(&mut gateway), 20);
    expect![
        "RequestLimitExceeded: Your current request times equals to `21` in a second, which exceeds the frequency limit `20` for a second. Please reduce the frequency of calls."
    ]
    .assert_eq(&verdict(&ask(&mut gateway, "DescribeInstanceToken", json!({"RegistryId": "x"}))));
    assert_eq!(verdict(&ask(&mut gateway, "DescribeInstances", json!({}))), "ok", "another action's bucket");
    gateway.clock.advance(Duration::from_millis(250));
    assert_eq!(spend(&mut gateway), 5);
}

#[test]
fn limits_can_be_configured() {
    let mut config = Config::demo();
    config.rate_limits.insert("DescribeInstances".to_owned(), 1);
    let mut gateway = signed::cloud(config);
    assert_eq!(verdict(&ask(&mut gateway, "DescribeInstances", json!({}))), "ok");
    assert!(
        verdict(&ask(&mut gateway, "DescribeInstances", json!({}))).starts_with("RequestLimitExceeded: ")
    );
}

#[test]
fn answers_carry_the_clouds_own_time() {
    let mut gateway = demo();
    assert_eq!(send(&mut gateway, &request("DescribeRegions", "{}")).date, "Tue, 14 Nov 2023 22:13:20 GMT");
    gateway.clock.advance(Duration::from_secs(2 * 3600));
    assert_eq!(send(&mut gateway, &request("DescribeRegions", "{}")).date, "Wed, 15 Nov 2023 00:13:20 GMT");
}

#[test]
fn calls_are_recorded_refused_ones_included() {
    let mut gateway = demo();
    ask(&mut gateway, "DescribeInstances", json!({}));
    ask(&mut gateway, "DescribeNothing", json!({}));
    let mut forged = request("DescribeInstances", "{}");
    forged.body.push(b' ');
    send(&mut gateway, &forged);
    let record: Vec<String> = gateway
        .calls
        .iter()
        .map(|call| format!("{} by {}: {:?}, done {}\n", call.action, call.secret_id, call.code, call.done))
        .collect();
    expect![[r#"
        DescribeInstances by AKIDdemo0000000000000000000000EXAMPLE: None, done true
        DescribeNothing by AKIDdemo0000000000000000000000EXAMPLE: Some("InvalidAction"), done false
        DescribeInstances by AKIDdemo0000000000000000000000EXAMPLE: Some("AuthFailure.SignatureFailure"), done false
    "#]]
    .assert_eq(&record.concat());
}

/// What becomes of a request for a token under a fault: the reply in one line, the tokens there are, and
/// the record.
#[track_caller]
fn check_fault(fault: Fault, expected: Expect) {
    let mut gateway = demo();
    gateway.script.add(fault);
    let reply = send(&mut gateway, &request("CreateInstanceToken", json!({"RegistryId": "tcr-demo0001"})));
    let call = &gateway.calls[0];
    let shape = match serde_json::from_slice::<Value>(&reply.body) {
        Ok(json) if json["Response"]["Error"].is_object() => verdict(&json["Response"]),
        Ok(json) if json["Response"]["Token"] == "" => "an empty token".to_owned(),
        Ok(json) if json["Response"]["Token"].is_string() => "a token".to_owned(),
        Ok(json) => json.to_string(),
        Err(_) if reply.body.starts_with(b"{\"Response\"") => "the beginning of an answer".to_owned(),
        Err(_) => String::from_utf8_lossy(&reply.body).escape_debug().to_string(),
    };
    expected.assert_eq(&format!(
        "{} {shape}, cut {:?}, minted {}, code {:?}, {}",
        reply.status,
        reply.cut,
        gateway.world.tokens.len(),
        call.code,
        call.fault.as_deref().unwrap_or("no fault"),
    ));
}

#[test]
fn faults_before_the_effect_leave_no_trace_of_it() {
    check_fault(
        Fault::error("InternalError"),
        expect![[
            r#"200 InternalError: scripted, cut Never, minted 0, code Some("InternalError"), error InternalError before the effect"#
        ]],
    );
    check_fault(
        Fault::new(FaultKind::LegacyError { code: 4000, message: String::new() }),
        expect![[
            r#"200 {"code":4000,"codeDesc":"Scripted","message":"scripted"}, cut Never, minted 0, code Some("4000"), legacy error 4000 before the effect"#
        ]],
    );
    check_fault(
        Fault::status(502),
        expect![[
            r#"502 <html><body><h1>502</h1></body></html>\n, cut Never, minted 0, code None, status 502 before the effect"#
        ]],
    );
    check_fault(
        Fault::dropped(),
        expect!["200 , cut BeforeReply, minted 0, code None, dropped connection before the effect"],
    );
    check_fault(
        Fault::new(FaultKind::Garbage),
        expect![[r#"200 \0�<<<not json>>>, cut Never, minted 0, code None, garbage before the effect"#]],
    );
    check_fault(
        Fault::new(FaultKind::EmptyBody),
        expect!["200 , cut Never, minted 0, code None, empty body before the effect"],
    );
}

#[test]
fn faults_after_the_effect_hide_a_token_that_exists() {
    check_fault(
        Fault::error("InternalError").after_effect(),
        expect![[
            r#"200 InternalError: scripted, cut Never, minted 1, code Some("InternalError"), error InternalError after the effect"#
        ]],
    );
    check_fault(
        Fault::dropped().after_effect(),
        expect!["200 , cut BeforeReply, minted 1, code None, dropped connection after the effect"],
    );
    check_fault(
        Fault::new(FaultKind::CutOff),
        expect![
            "200 a token, cut WithinBody, minted 1, code None, connection cut within the body after the effect"
        ],
    );
    check_fault(
        Fault::new(FaultKind::TruncatedJson),
        expect![
            "200 the beginning of an answer, cut Never, minted 1, code None, truncated JSON after the effect"
        ],
    );
    check_fault(
        Fault::empty_token(),
        expect!["200 an empty token, cut Never, minted 1, code None, lie about Token after the effect"],
    );
}

#[test]
fn a_delay_changes_nothing_but_the_time() {
    let mut gateway = demo();
    gateway.script.add(Fault::delay(Duration::from_secs(5)));
    gateway.script.add(Fault::delay(Duration::from_secs(7)).after_effect());
    let request = request("DescribeRegions", "{}");
    let fate = gateway.fate(&request);
    assert_eq!(fate.delay_before, Duration::from_secs(5));
    let reply = gateway.answer(&request, fate);
    assert_eq!(reply.delay, Duration::from_secs(7));
    assert_eq!(verdict(&response(&reply)), "ok");
}
