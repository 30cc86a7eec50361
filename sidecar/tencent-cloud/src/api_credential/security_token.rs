//! Calls of the security token service, which makes temporary keys of roles.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use serde_json::Value;
use tcr::sensitive::{Sensitive, SensitiveBytes};

use super::credential::{ApiCredential, ApiCredentialError, Origin, usable};
use super::web::Web;
use crate::endpoint::{Endpoint, EndpointError};
use crate::envelope::{self, Reply};
use crate::error::{Class, Failure};
use crate::retry;
use crate::signature;
use crate::transport::{self, Failed, hidden, plain};

const VERSION: &str = "2018-08-13";
const SERVICE: &str = "sts";
const JSON: &str = "application/json";
/// The time limit of one exchange, and the number of attempts.
const EXCHANGE: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 3;
/// Codes that elsewhere mean "retry later", and here that the role does not exist, or is unusable.
const FINAL: [&str; 2] = ["InternalError.GetRoleError", "InternalError.IllegalRole"];

/// The validity of a key in seconds: the documented default.
pub(super) const LIFE: i64 = 7200;

/// One call.
pub(super) struct Call<'a> {
    pub(super) action: &'static str,
    pub(super) region: &'a str,
    /// The parameters, which may hold a token.
    pub(super) body: &'a SensitiveBytes,
    /// The key that signs; none where a token in the body authenticates the call.
    pub(super) signer: Option<&'a ApiCredential>,
}

/// A session name in the form that the service accepts.
pub(super) fn session_name(now: Timestamp) -> Value {
    format!("tcr-assistant-{}", now.as_microsecond()).into()
}

/// The endpoint. Financial zones are isolated for this service too.
pub(super) fn endpoint(web: &Web, region: &str) -> Result<Endpoint, EndpointError> {
    match (&web.sts, region.ends_with("-fsi")) {
        (Some(endpoint), _) => Ok(endpoint.clone()),
        (None, true) => format!("sts.{region}.tencentcloudapi.com").parse(),
        (None, false) => "sts.tencentcloudapi.com".parse(),
    }
}

/// Calls, and repeats calls that may succeed later.
pub(super) async fn call(
    call: &Call<'_>,
    web: &Web,
    endpoint: &Endpoint,
    now: Timestamp,
) -> Result<Reply, Failed> {
    let mut tries = 1;
    loop {
        let failed = match exchange(call, web, endpoint, now).await {
            Ok(reply) => return Ok(reply),
            Err(failed) => failed,
        };
        let is_final = FINAL.contains(&failed.failure.code());
        if is_final || failed.failure.class() != Class::Retryable || tries == ATTEMPTS {
            return Err(failed);
        }
        tokio::time::sleep(retry::wait(&retry::Policy::default(), tries, retry::random())).await;
        tries += 1;
    }
}

async fn exchange(call: &Call<'_>, web: &Web, endpoint: &Endpoint, now: Timestamp) -> Result<Reply, Failed> {
    let headers = headers(call, endpoint, now)?;
    let sent = web.http.post(endpoint.url().clone()).headers(headers).body(call.body.expose().to_vec());
    let whole = async {
        let response = sent.send().await.map_err(|error| transport::failure(&error))?;
        let (status, date) = (response.status().as_u16(), transport::date(&response));
        let answer = transport::body(response).await;
        let read = answer.and_then(|answer| envelope::parse(status, answer.expose()));
        read.map_err(|failure| Failed { failure, date })
    };
    let late = |_| Err(Failure::Deadline { after: EXCHANGE }.into());
    tokio::time::timeout(EXCHANGE, whole).await.unwrap_or_else(late)
}

fn headers(call: &Call<'_>, endpoint: &Endpoint, now: Timestamp) -> Result<HeaderMap, Failure> {
    let authorization = match call.signer {
        None => HeaderValue::from_static("SKIP"),
        Some(signer) => {
            let request = signature::Request {
                service: SERVICE,
                headers: &[("content-type", JSON), ("host", endpoint.host()), ("x-tc-action", call.action)],
                body: call.body.expose(),
                timestamp: now,
            };
            hidden(&signature::sign(&request, &signer.secret_key).authorization(&signer.secret_id))?
        }
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    headers.insert(HOST, plain(endpoint.host())?);
    headers.insert(AUTHORIZATION, authorization);
    headers.insert("x-tc-action", HeaderValue::from_static(call.action));
    headers.insert("x-tc-version", HeaderValue::from_static(VERSION));
    headers.insert("x-tc-region", plain(call.region)?);
    headers.insert("x-tc-timestamp", plain(&now.as_second().to_string())?);
    headers.insert("x-tc-language", HeaderValue::from_static("en-US"));
    if let Some(token) = call.signer.and_then(|signer| signer.token.as_ref()) {
        headers.insert("x-tc-token", hidden(token.expose())?);
    }
    Ok(headers)
}

/// The error about a key: a role, where the service refuses it for good; else the connection.
pub(super) fn error(origin: Origin, failure: &Failure, said: String) -> ApiCredentialError {
    let code = failure.code();
    let is_final = failure.class() == Class::Terminal || FINAL.contains(&code);
    let is_of_signer = code.starts_with("AuthFailure.");
    match origin {
        Origin::AssumedRole(arn)
            if is_final && !is_of_signer && matches!(failure, Failure::Refused { .. }) =>
        {
            ApiCredentialError::RoleRefused { arn, reason: said }
        }
        origin => ApiCredentialError::Broken { origin, reason: said },
    }
}

/// Whether the service says that the role does not exist.
pub(super) fn is_no_role(failure: &Failure) -> bool {
    let code = failure.code();
    code == "ResourceNotFound.RoleNotFound" || FINAL.contains(&code)
}

/// The key in an answer.
pub(super) fn key(reply: &Reply, origin: Origin, now: Timestamp) -> Result<ApiCredential, Failure> {
    let lie = |reason: &str| reply.implausible(reason);
    let credentials = reply.object("Credentials")?.ok_or_else(|| lie("it has no Credentials"))?;
    let text = |name: &str| {
        let value = credentials.text(name)?.unwrap_or_default();
        usable(name, &value).map_err(|reason| reply.implausible(reason))?;
        Ok::<_, Failure>(value)
    };
    let end = reply.integer("ExpiredTime")?.ok_or_else(|| lie("it has no ExpiredTime"))?;
    let end = Timestamp::from_second(end).map_err(|_| lie("its ExpiredTime is no time"))?;
    if end <= now {
        return Err(lie("the key has expired before it was made"));
    }
    // A tenth of its life before the end, as in Tencent's SDKs.
    let left = end.duration_since(now);
    Ok(ApiCredential {
        secret_id: text("TmpSecretId")?,
        secret_key: Sensitive::new(text("TmpSecretKey")?),
        token: Some(Sensitive::new(text("Token")?)),
        origin,
        expires_at: Some(end),
        renew_at: Some(end.checked_sub(left / 10).unwrap_or(end)),
    })
}
