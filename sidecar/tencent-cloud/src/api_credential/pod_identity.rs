//! The API credential of a role that TKE lends to a Pod: the Pod's projected ServiceAccount token against
//! a temporary key, by AssumeRoleWithWebIdentity.
//!
//! TKE's pod-identity-webhook sets the four variables for a ServiceAccount with the annotation
//! `tke.cloud.tencent.com/role-arn`: <https://cloud.tencent.com/document/product/457/81989>.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use serde_json::json;
use tcr::sensitive::{Sensitive, SensitiveBytes, wipe_json};

use super::credential::{ApiCredential, ApiCredentialError, Origin, Variables, usable};
use crate::endpoint::Endpoint;
use crate::envelope::{self, Reply};
use crate::error::{Class, Failure};
use crate::retry;
use crate::transport::{self, plain};

/// The region to ask.
pub const REGION: &str = "TKE_REGION";
/// The OIDC provider that CAM knows the cluster as.
pub const PROVIDER_ID: &str = "TKE_PROVIDER_ID";
/// The file with the projected token, which the kubelet renews.
pub const TOKEN_FILE: &str = "TKE_WEB_IDENTITY_TOKEN_FILE";
/// The variable with the role.
pub const ROLE_ARN: &str = "TKE_ROLE_ARN";

const ACTION: &str = "AssumeRoleWithWebIdentity";
const VERSION: &str = "2018-08-13";
/// Seconds that the key shall live: the documented default.
const LIFE: i64 = 7200;
/// One exchange may take so long, and so many are tried.
const EXCHANGE: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 3;
/// Far above any token.
const LARGEST: u64 = 64 * 1024;

/// Who lends which role against what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodIdentity {
    /// The region, from `TKE_REGION`.
    pub region: String,
    /// The identity provider, from `TKE_PROVIDER_ID`.
    pub provider_id: String,
    /// The token's path, from `TKE_WEB_IDENTITY_TOKEN_FILE`.
    pub token_file: PathBuf,
    /// The role that is assumed, from `TKE_ROLE_ARN`.
    pub role_arn: String,
}

/// What the variables say; none when neither the role nor the token's file is named.
pub fn find(variables: &Variables) -> Result<Option<PodIdentity>, ApiCredentialError> {
    let named = |name: &str| variables(name).filter(|value| !value.is_empty());
    if named(ROLE_ARN).is_none() && named(TOKEN_FILE).is_none() {
        return Ok(None);
    }
    let value = |name: &str| match named(name) {
        None => Err(broken(format!(
            "{name} is not set: it takes all of {REGION}, {PROVIDER_ID}, {TOKEN_FILE} and {ROLE_ARN}"
        ))),
        Some(value) => {
            let value = value.into_string().map_err(|_| broken(format!("{name} is not valid UTF-8")))?;
            usable(name, &value).map_err(broken)?;
            Ok(value)
        }
    };
    Ok(Some(PodIdentity {
        region: value(REGION)?,
        provider_id: value(PROVIDER_ID)?,
        token_file: value(TOKEN_FILE)?.into(),
        role_arn: value(ROLE_ARN)?,
    }))
}

/// Takes on the role; the token's file is read anew each time.
pub(crate) async fn assume(
    identity: &PodIdentity,
    http: &reqwest::Client,
    endpoint: Option<&Endpoint>,
    now: Timestamp,
) -> Result<ApiCredential, ApiCredentialError> {
    let endpoint = match endpoint {
        Some(endpoint) => endpoint.clone(),
        None => default_endpoint(&identity.region)?,
    };
    let token = read_token(&identity.token_file).map_err(broken)?;
    let mut tries = 1;
    let reply = loop {
        match exchange(identity, http, &endpoint, &token, now).await {
            Ok(reply) => break reply,
            Err(failure) if failure.class() == Class::Retryable && tries < ATTEMPTS => {
                tokio::time::sleep(retry::wait(&retry::Policy::default(), tries, retry::random())).await;
                tries += 1;
            }
            Err(failure) => {
                // It might repeat what it was sent.
                let said = failure.to_string().replace(token.expose(), "[redacted]");
                return Err(broken(format!("{ACTION} of {} at {endpoint}: {said}", identity.role_arn)));
            }
        }
    };
    read_reply(&reply, now).map_err(|failure| broken(format!("{ACTION} at {endpoint}: {failure}")))
}

/// Financial zones are isolated for this service too.
fn default_endpoint(region: &str) -> Result<Endpoint, ApiCredentialError> {
    let host = match region.ends_with("-fsi") {
        true => format!("sts.{region}.tencentcloudapi.com"),
        false => "sts.tencentcloudapi.com".to_owned(),
    };
    host.parse().map_err(|error| broken(format!("{REGION}: {error}")))
}

async fn exchange(
    identity: &PodIdentity,
    http: &reqwest::Client,
    endpoint: &Endpoint,
    token: &Sensitive,
    now: Timestamp,
) -> Result<Reply, Failure> {
    let mut body = json!({
        "ProviderId": identity.provider_id,
        "WebIdentityToken": token.expose(),
        "RoleArn": identity.role_arn,
        "RoleSessionName": format!("tcr-assistant-{}", now.as_microsecond()),
        "DurationSeconds": LIFE,
    });
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(HOST, plain(endpoint.host())?);
    // The token says who asks: nothing is signed.
    headers.insert(AUTHORIZATION, HeaderValue::from_static("SKIP"));
    headers.insert("x-tc-action", HeaderValue::from_static(ACTION));
    headers.insert("x-tc-version", HeaderValue::from_static(VERSION));
    headers.insert("x-tc-region", plain(&identity.region)?);
    headers.insert("x-tc-timestamp", plain(&now.as_second().to_string())?);
    headers.insert("x-tc-language", HeaderValue::from_static("en-US"));
    let sent = http.post(endpoint.url().clone()).headers(headers).body(body.to_string());
    wipe_json(&mut body);
    let whole = async {
        let response = sent.send().await.map_err(|error| transport::failure(&error))?;
        let status = response.status().as_u16();
        envelope::parse(status, transport::body(response).await?.expose())
    };
    tokio::time::timeout(EXCHANGE, whole).await.unwrap_or(Err(Failure::Deadline { after: EXCHANGE }))
}

fn read_reply(reply: &Reply, now: Timestamp) -> Result<ApiCredential, Failure> {
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
    // A tenth of its life before the end, as Tencent's SDKs do.
    let left = end.duration_since(now);
    Ok(ApiCredential {
        secret_id: text("TmpSecretId")?,
        secret_key: Sensitive::new(text("TmpSecretKey")?),
        token: Some(Sensitive::new(text("Token")?)),
        origin: Origin::PodIdentity,
        expires_at: Some(end),
        renew_at: Some(end.checked_sub(left / 10).unwrap_or(end)),
    })
}

fn read_token(path: &Path) -> Result<Sensitive, String> {
    let shown = path.display();
    let said = |error: std::io::Error| format!("cannot read {TOKEN_FILE} {shown}: {error}");
    let size = std::fs::metadata(path).map_err(said)?.len();
    if size > LARGEST {
        return Err(format!("{TOKEN_FILE} {shown}: {size} bytes are too many for a token"));
    }
    let token = SensitiveBytes::from(std::fs::read(path).map_err(said)?).into_text();
    let token = token.ok_or_else(|| format!("cannot read {TOKEN_FILE} {shown}: it is not UTF-8"))?;
    let token = token.expose().trim();
    usable(TOKEN_FILE, token)?;
    Ok(Sensitive::new(token))
}

fn broken(reason: String) -> ApiCredentialError {
    ApiCredentialError::Broken { origin: Origin::PodIdentity, reason }
}
