//! The API credential of a role for a Pod: exchanges the Pod's projected ServiceAccount token for a temporary
//! key, by AssumeRoleWithWebIdentity.
//!
//! TKE's pod-identity-webhook sets the four variables for a ServiceAccount with the annotation
//! `tke.cloud.tencent.com/role-arn`: <https://cloud.tencent.com/document/product/457/81989>.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::json;
use tcr::sensitive::{Sensitive, SensitiveBytes, wipe_json};

use super::credential::{ApiCredential, ApiCredentialError, Origin, Variables, usable};
use super::security_token::{self, Call};
use super::web::Web;
use crate::error::Failure;
use crate::jwt;
use crate::transport::Failed;

/// The region to ask.
pub const REGION: &str = "TKE_REGION";
/// The OIDC provider by which CAM knows the cluster.
pub const PROVIDER_ID: &str = "TKE_PROVIDER_ID";
/// The file with the projected token, which the kubelet renews.
pub const TOKEN_FILE: &str = "TKE_WEB_IDENTITY_TOKEN_FILE";
/// The variable with the role.
pub const ROLE_ARN: &str = "TKE_ROLE_ARN";

const ACTION: &str = "AssumeRoleWithWebIdentity";
/// Far above any token.
const LARGEST: u64 = 64 * 1024;

/// A role and the token that it is assumed with.
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

/// The identity in the variables; none when neither the role nor the token's file is set.
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

/// Assumes the role, of any origin; the token's file is read again each time.
pub(crate) async fn assume(
    identity: &PodIdentity,
    origin: Origin,
    web: &Web,
    now: Timestamp,
) -> Result<ApiCredential, ApiCredentialError> {
    let endpoint = security_token::endpoint(web, &identity.region);
    let endpoint = endpoint.map_err(|error| broken(format!("{REGION}: {error}")))?;
    let token = read_token(&identity.token_file).map_err(broken)?;
    let mut body = json!({
        "ProviderId": identity.provider_id,
        "WebIdentityToken": token.expose(),
        "RoleArn": identity.role_arn,
        "RoleSessionName": security_token::session_name(now),
        "DurationSeconds": security_token::LIFE,
    });
    let bytes = SensitiveBytes::from(body.to_string().into_bytes());
    wipe_json(&mut body);
    // The token authenticates the call, so it is not signed.
    let call = Call { action: ACTION, region: &identity.region, body: &bytes, signer: None };
    let reply = match security_token::call(&call, web, &endpoint, now).await {
        Ok(reply) => reply,
        Err(Failed { failure, .. }) => {
            // The message might repeat the token.
            let mut said = failure.to_string().replace(token.expose(), "[redacted]");
            said.push_str(&advice(identity, &origin, &token, &failure));
            let said = format!("{ACTION} of {} at {endpoint}: {said}", identity.role_arn);
            return Err(security_token::error(origin, &failure, said));
        }
    };
    security_token::key(&reply, origin.clone(), now).map_err(|failure| {
        security_token::error(origin, &failure, format!("{ACTION} at {endpoint}: {failure}"))
    })
}

/// What to do at the account of a role that an object names.
fn advice(identity: &PodIdentity, origin: &Origin, token: &Sensitive, failure: &Failure) -> String {
    let PodIdentity { role_arn, provider_id, .. } = identity;
    let owner = role_arn.strip_prefix("qcs::cam::uin/").and_then(|rest| rest.split_once(':'));
    let (Origin::AssumedRole(_), Some((owner, _)), false) =
        (origin, owner, security_token::is_no_role(failure))
    else {
        return String::new();
    };
    let statement = json!({
        "effect": "allow",
        "action": "name/sts:AssumeRoleWithWebIdentity",
        "principal": {"federated": [format!("qcs::cam::uin/{owner}:oidc-provider/{provider_id}")]},
        "condition": {"string_equal": {"oidc:aud": jwt::audience(token)}},
    });
    format!(
        "; have the cluster's OIDC provider in that account, and add to the role's trust policy {statement}"
    )
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
