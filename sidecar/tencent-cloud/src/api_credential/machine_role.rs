//! The API credential of the role that is bound to the machine, from its instance metadata.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tcr::sensitive::{Sensitive, wipe_json};

use super::credential::{ApiCredential, ApiCredentialError, Origin, usable};
use crate::metadata::{Metadata, MetadataError};

const PATH: &str = "cam/security-credentials/";
/// How long before its end a key is renewed, as in Tencent's SDKs.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);

/// The role's key; none on a machine without a role, or without metadata.
pub(crate) async fn read(
    metadata: &Metadata,
    now: Timestamp,
) -> Result<Option<ApiCredential>, ApiCredentialError> {
    let role = match metadata.get(PATH).await {
        Ok(Some(role)) => role,
        Ok(None) | Err(MetadataError::Absent(_)) => return Ok(None),
        Err(error) => return Err(broken("", error.to_string())),
    };
    let Some(role) = role.expose().lines().map(str::trim).find(|line| !line.is_empty()) else {
        return Ok(None);
    };
    if !role.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)) {
        return Err(broken("", "the role's name has characters that no role has".to_owned()));
    }
    let text = match metadata.get(&format!("{PATH}{role}")).await {
        Ok(Some(text)) => text,
        Ok(None) => return Err(broken(role, "there is no key of the role".to_owned())),
        Err(error) => return Err(broken(role, error.to_string())),
    };
    parse(role, text.expose(), now).map(Some).map_err(|reason| broken(role, reason))
}

/// Reads the key; no message quotes a part of it.
pub(super) fn parse(role: &str, text: &str, now: Timestamp) -> Result<ApiCredential, String> {
    let Ok(mut answer) = serde_json::from_str::<Value>(text) else {
        return Err("the answer is not a JSON object".to_owned());
    };
    let credential = read_key(role, &answer, now);
    wipe_json(&mut answer);
    credential
}

fn read_key(role: &str, answer: &Value, now: Timestamp) -> Result<ApiCredential, String> {
    if !answer.is_object() {
        return Err("the answer is not a JSON object".to_owned());
    }
    match answer.get("Code").and_then(Value::as_str) {
        Some("Success") => {}
        Some(code) => return Err(format!("its Code is {code:?} and not \"Success\"")),
        None => return Err("it has no Code".to_owned()),
    }
    let part = |name: &str| {
        let value = answer.get(name).and_then(Value::as_str).unwrap_or_default();
        usable(name, value).map(|()| value.to_owned())
    };
    let end = answer.get("ExpiredTime").and_then(Value::as_i64);
    let end = end.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let end = end.ok_or("it has no ExpiredTime")?;
    if end <= now {
        return Err(format!("the key expired at {end}"));
    }
    Ok(ApiCredential {
        secret_id: part("TmpSecretId")?,
        secret_key: Sensitive::new(part("TmpSecretKey")?),
        token: Some(Sensitive::new(part("Token")?)),
        origin: Origin::MachineRole(role.to_owned()),
        expires_at: Some(end),
        renew_at: Some(end.checked_sub(MARGIN).unwrap_or(end)),
    })
}

fn broken(role: &str, reason: String) -> ApiCredentialError {
    ApiCredentialError::Broken { origin: Origin::MachineRole(role.to_owned()), reason }
}
