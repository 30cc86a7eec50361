//! What each action does on a cloud that does not behave.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use support::ReservedPort;
use tcr::image_pull_secret::CredentialKind::{self, Longterm, Temp};
use tcr_cloud::{Cloud, Fault, FaultKind};
use tencent_cloud::error::{Class, CloudError, Failure};
use tencent_cloud::instance_token::IssuedToken;

use crate::server;
use crate::setup::*;

async fn create(cloud: &Cloud, kind: CredentialKind) -> Result<IssuedToken, CloudError> {
    client(cloud).create_instance_token(REGION, INSTANCE, kind, "mine").await
}

#[tokio::test]
async fn passing_errors_are_waited_out_when_reading() {
    for code in [
        "RequestLimitExceeded",
        "InternalError",
        "InternalError.DbError",
        "ServiceUnavailable",
        "FailedOperation.DependenceError",
        "ResourceInsufficient.ErrorInstanceNotRunning",
    ] {
        let cloud = cloud();
        cloud.inject(Fault::error(code).times(3));
        assert!(client(&cloud).instance(REGION, INSTANCE).await.unwrap().is_some(), "{code}");
        assert_eq!(calls(&cloud).len(), 4, "{code}");

        cloud.inject(Fault::error(code));
        let error = client(&cloud).instance(REGION, INSTANCE).await.unwrap_err();
        assert_eq!((error.failure.code(), error.class()), (code, Class::Retryable));
        assert_eq!(calls(&cloud).len(), 8, "{code}");
    }
}

#[tokio::test]
async fn lasting_errors_are_reported_at_once() {
    for code in [
        "AuthFailure.InvalidSecretId",
        "AuthFailure.MFAFailure",
        "AuthFailure.UnauthorizedOperation",
        "UnauthorizedOperation",
        "InvalidParameter",
        "MissingParameter",
        "ResourceNotFound.TcrResourceNotFound",
        "UnsupportedOperation",
        "OperationDenied",
        "NoSuchVersion",
        "Unheard.Of",
    ] {
        let cloud = cloud();
        cloud.inject(Fault::error(code));
        let error = client(&cloud).instance(REGION, INSTANCE).await.unwrap_err();
        assert_eq!((error.failure.code(), error.class()), (code, Class::Terminal));
        assert_eq!(calls(&cloud).len(), 1, "{code}");
    }
}

#[tokio::test]
async fn broken_exchanges_are_repeated_when_reading() {
    for fault in [
        Fault::new(FaultKind::Drop),
        Fault::new(FaultKind::CutOff),
        Fault::new(FaultKind::Garbage),
        Fault::new(FaultKind::EmptyBody),
        Fault::new(FaultKind::TruncatedJson),
        Fault::status(502),
        Fault::status(429),
    ] {
        let cloud = cloud();
        cloud.inject(fault.clone().times(2));
        assert!(client(&cloud).instance(REGION, INSTANCE).await.unwrap().is_some(), "{fault}");
        assert!(calls(&cloud).len() >= 3, "{fault}");
    }
}

#[tokio::test]
async fn creating_is_not_repeated_when_it_may_have_happened() {
    for fault in [
        Fault::new(FaultKind::Drop),
        Fault::new(FaultKind::CutOff),
        Fault::new(FaultKind::Garbage),
        Fault::new(FaultKind::EmptyBody),
        Fault::new(FaultKind::TruncatedJson),
        Fault::status(504),
        Fault::error("InternalError"),
    ] {
        let cloud = cloud();
        cloud.inject(fault.clone().after_effect());
        let error = create(&cloud, Longterm).await.unwrap_err();
        assert!(error.outcome_unknown(), "{fault}: {error}");
        assert!(error.to_string().contains("a credential may have been created"), "{fault}: {error}");
        assert_eq!((calls(&cloud).len(), cloud.live_tokens().len()), (1, 1), "{fault}");
    }
}

#[tokio::test]
async fn creating_is_repeated_when_the_limit_refused_it() {
    let cloud = cloud();
    cloud.inject(Fault::error("RequestLimitExceeded").times(2));
    create(&cloud, Longterm).await.unwrap();
    assert_eq!((calls(&cloud).len(), cloud.live_tokens().len()), (3, 1));
}

#[tokio::test]
async fn a_slow_cloud_ends_at_the_deadline() {
    let cloud = cloud();
    cloud.inject(Fault::delay(Duration::from_secs(60)));
    let mut settings = settings(&cloud.url());
    settings.deadline = Duration::from_millis(200);
    let client = client_with(settings, demo_chain());
    let started = Instant::now();
    let error = client.create_instance_token(REGION, INSTANCE, Longterm, "mine").await.unwrap_err();
    assert!(matches!(error.failure, Failure::Deadline { .. }) && error.outcome_unknown(), "{error}");
    let error = client.instance(REGION, INSTANCE).await.unwrap_err();
    assert_eq!((error.failure.code(), error.outcome_unknown()), ("deadline", false));
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_lying_success_is_never_a_credential() {
    for (kind, field, value, expected) in [
        (Longterm, "Token", json!(""), "the token is empty"),
        (Longterm, "Token", json!(null), "the token is empty"),
        (Longterm, "Token", json!({"a": 1}), "Token is not a string but an object"),
        (Longterm, "Username", json!(""), "the user name is empty"),
        (Longterm, "Username", json!(null), "the user name is empty"),
        (Longterm, "ExpTime", json!(1_600_000_000_000_i64), "it expired at 2020-09-13T12:26:40Z"),
        (Longterm, "ExpTime", json!("soon"), "ExpTime is not a whole number but a string"),
        (Longterm, "TokenId", json!(""), "a long-term credential without an id"),
        (Longterm, "TokenId", json!("ctrother"), "its id is ctrother, and the token says"),
        (Temp, "Token", json!("two words"), "the token contains characters"),
        (Temp, "ExpTime", json!(1), "it expired at 1970-01-01T00:00:00.001Z"),
    ] {
        let cloud = cloud();
        cloud.inject(Fault::lie(field, value.clone()).on("CreateInstanceToken"));
        let error = create(&cloud, kind).await.unwrap_err();
        assert!(matches!(error.failure, Failure::Implausible { .. }), "{field} {value}: {error}");
        assert!(error.to_string().contains(expected), "{field} {value}: {error}");
        assert_eq!((error.class(), calls(&cloud).len()), (Class::Terminal, 1));
        // What it made can be removed by what the error says.
        if kind == Longterm && field != "TokenId" {
            let Failure::Implausible { token_id, .. } = &error.failure else { panic!("{error}") };
            assert_eq!(token_id.as_deref(), Some(cloud.tokens()[0].id.as_str()), "{field} {value}");
        }
    }
}

#[tokio::test]
async fn a_null_expiry_is_read_from_the_token() {
    let cloud = cloud();
    cloud.inject(Fault::lie("ExpTime", json!(null)).on("CreateInstanceToken"));
    let issued = create(&cloud, Temp).await.unwrap();
    assert_eq!(issued.expires_at.unwrap().as_second(), cloud.tokens()[0].expires_at.as_second());
}

#[tokio::test]
async fn an_answer_about_another_instance_is_an_error() {
    let cloud = cloud();
    let other = json!([{"RegistryId": "tcr-other001", "PublicDomain": "other.tencentcloudcr.com", "Status": "Running"}]);
    cloud.inject(Fault::lie("Registries", other));
    let error = client(&cloud).instance(REGION, INSTANCE).await.unwrap_err();
    assert!(error.to_string().contains("asked for tcr-demo0001, it describes tcr-other001"), "{error}");
}

#[tokio::test]
async fn wrong_credentials_are_told_apart() {
    let cloud = cloud();
    let (id, key) = demo_key();
    for (id, key, code, advice) in [
        (id.as_str(), "wrongkey", "AuthFailure.SignatureFailure", "check that the secret key belongs to"),
        (
            "AKIDunknown",
            key.as_str(),
            "AuthFailure.SecretIdNotFound",
            "check secret id AKIDunknown from the environment",
        ),
    ] {
        let variables = [("TENCENTCLOUD_SECRET_ID", id), ("TENCENTCLOUD_SECRET_KEY", key)];
        let client = client_with(settings(&cloud.url()), chain(&variables));
        let error = client.instance(REGION, INSTANCE).await.unwrap_err();
        assert_eq!(error.failure.code(), code, "{error}");
        assert!(error.to_string().contains(advice), "{error}");
    }
}

#[tokio::test]
async fn missing_permission_names_action_and_resource() {
    let cloud = cloud();
    let (id, _) = demo_key();
    cloud.update_account(&id, |account| account.allow = vec!["tcr:Describe*".to_owned()]);
    let error = create(&cloud, Longterm).await.unwrap_err();
    let advice = format!(
        "allow the CAM action tcr:CreateInstanceToken on qcs::tcr:::instance/{INSTANCE} for secret id {id} from the environment"
    );
    assert!(error.to_string().contains(&advice), "{error}");
    assert!(!error.outcome_unknown());
}

#[tokio::test]
async fn an_unreachable_endpoint_is_named() {
    let nobody = ReservedPort::on(Ipv4Addr::LOCALHOST.into()).unwrap();
    let url = format!("http://{}", nobody.address());
    let client = client_with(settings(&url), demo_chain());
    let error = client.create_instance_token(REGION, INSTANCE, Longterm, "mine").await.unwrap_err();
    let message = error.to_string();
    assert!(message.contains("cannot connect: Connection refused"), "{message}");
    assert!(message.contains(&format!("check that {url} can be reached")), "{message}");
    assert!(!error.outcome_unknown());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let cloud = cloud();
    let location = format!("Location: {}/\r\n", cloud.url());
    let (url, _requests) = server::canned(server::http("307 Temporary Redirect", &location, ""));
    let error = client_with(settings(&url), demo_chain()).instance(REGION, INSTANCE).await.unwrap_err();
    assert_eq!(error.failure, Failure::Status { status: 307, message: None });
    assert!(cloud.calls().is_empty());
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let long = format!(r#"{{"Response":{{"Padding":"{}"}}}}"#, "x".repeat(2 * 1024 * 1024));
    let (url, _requests) = server::canned(server::http("200 OK", "", &long));
    let error = client_with(settings(&url), demo_chain()).instance(REGION, INSTANCE).await.unwrap_err();
    assert!(error.to_string().contains("the body is longer than 1048576 bytes"), "{error}");
}

#[tokio::test]
async fn a_slow_clock_is_corrected_once_from_the_answer() {
    let cloud = cloud();
    cloud.advance(Duration::from_secs(1800));
    let client = client(&cloud);
    assert_eq!(client.clock_offset(), SignedDuration::ZERO);
    assert!(client.instance(REGION, INSTANCE).await.unwrap().is_some());
    assert_eq!(calls(&cloud), ["DescribeInstances AuthFailure.SignatureExpire", "DescribeInstances"]);
    let offset = client.clock_offset().as_secs();
    assert!((1795..=1805).contains(&offset), "{offset}");

    // Known from then on; creating is as safe, because the refused call did nothing.
    cloud.clear_calls();
    client.create_instance_token(REGION, INSTANCE, Temp, "").await.unwrap();
    assert_eq!(calls(&cloud), ["CreateInstanceToken"]);
}

#[tokio::test]
async fn a_fast_clock_is_corrected_too() {
    let cloud = cloud();
    let mut settings = settings(&cloud.url());
    settings.clock = || Timestamp::now() + SignedDuration::from_hours(3);
    let client = client_with(settings, demo_chain());
    // Its end is an hour away by the cloud's clock, and two hours past by this one.
    client.create_instance_token(REGION, INSTANCE, Temp, "").await.unwrap();
    assert_eq!((calls(&cloud).len(), cloud.live_tokens().len()), (2, 1));
}

#[tokio::test]
async fn a_clock_that_correcting_does_not_help_is_reported() {
    let cloud = cloud();
    cloud.inject(Fault::error("AuthFailure.SignatureExpire"));
    let error = client(&cloud).instance(REGION, INSTANCE).await.unwrap_err();
    assert!(error.to_string().contains("set this machine's clock"), "{error}");
    assert!(calls(&cloud).len() <= 2);
}

#[tokio::test]
async fn nothing_to_sign_with_is_told_before_anything_is_sent() {
    let cloud = cloud();
    let client = client_with(settings(&cloud.url()), chain(&[("TENCENTCLOUD_SECRET_ID", "AKIDexample")]));
    let error = client.instance(REGION, INSTANCE).await.unwrap_err();
    assert!(error.to_string().contains("TENCENTCLOUD_SECRET_KEY is not"), "{error}");
    assert!(cloud.calls().is_empty());
}

#[tokio::test]
async fn the_clouds_words_are_shown_without_the_key_they_repeat() {
    let (_, key) = demo_key();
    let cloud = cloud();
    cloud.inject(Fault::new(FaultKind::Error {
        code: "InvalidParameter".to_owned(),
        message: format!("bad key {key}"),
    }));
    let error = client(&cloud).instance(REGION, INSTANCE).await.unwrap_err();
    assert!(error.to_string().contains("bad key [redacted]"), "{error}");
    assert!(!format!("{error:?}").contains(&key));
}
