//! The security token service, as far as a Pod of TKE needs it: AssumeRoleWithWebIdentity, which nobody signs.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    account::Account,
    envelope::{ApiError, Outcome, fields},
    gateway::Gateway,
    http::Request,
    parameter::{Field, Kind, Parameters, optional, required},
    region,
};

pub(crate) const ACTION: &str = "AssumeRoleWithWebIdentity";
/// `X-TC-Version`.
const VERSION: &str = "2018-08-13";
/// What stands in place of a signature.
const SKIP: &str = "SKIP";
/// Calls per second.
const PER_SECOND: u32 = 20;
/// Seconds: what a session lives when the caller does not say, and the most it may say.
const LIFE: (usize, usize) = (7200, 43_200);

/// Its fields.
pub(crate) const FORM: &[Field] = &[
    required("ProviderId", Kind::String),
    required("WebIdentityToken", Kind::String),
    required("RoleArn", Kind::String),
    required("RoleSessionName", Kind::String),
    optional("DurationSeconds", Kind::Integer),
];

impl Gateway {
    /// Takes on a role for a caller with a token that its provider signed.
    pub(crate) fn assume_role(&mut self, request: &Request, now: Timestamp) -> Outcome {
        let header = |name: &str| Ok(request.header(name)?.unwrap_or_default());
        if header("authorization")? != SKIP || request.header("x-tc-token")?.is_some() {
            return Err(ApiError::new(
                "AuthFailure.InvalidAuthorization",
                format!("The Authorization of {ACTION} is `{SKIP}`, without X-TC-Token."),
            ));
        }
        let version = header("x-tc-version")?;
        if version != VERSION {
            return Err(ApiError::new(
                "NoSuchVersion",
                format!("The API version `{version}` does not exist."),
            ));
        }
        if header("x-tc-timestamp")?.parse::<i64>().is_err() {
            return Err(ApiError::missing_parameter("X-TC-Timestamp"));
        }
        let region = header("x-tc-region")?;
        if region::find(region).is_none() {
            return Err(ApiError::new(
                "UnsupportedRegion",
                format!("The region `{region}` is not supported."),
            ));
        }
        self.limit(ACTION, "", PER_SECOND, now)?;
        let parameters = Parameters::read(&request.body, FORM)?;
        let session = parameters.text("RoleSessionName");
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        if !(2..=128).contains(&session.len()) || !session.chars().all(is_allowed) {
            return Err(ApiError::new(
                "InvalidParameter.ParamError",
                "RoleSessionName is not [\\w+=,.@_-]{2,128}.",
            ));
        }
        let seconds = parameters.count("DurationSeconds", LIFE.0)?;
        if seconds == 0 || seconds > LIFE.1 {
            return Err(ApiError::new(
                "InvalidParameter.ParamError",
                format!("DurationSeconds is at most {}.", LIFE.1),
            ));
        }
        let arn = parameters.text("RoleArn");
        let role = self.world.roles.iter().find(|role| role.arn() == arn);
        let role = role
            .ok_or_else(|| {
                ApiError::new("ResourceNotFound.RoleNotFound", format!("The role `{arn}` is not found."))
            })?
            .clone();
        let provider = role.provider.as_ref().filter(|it| it.id == parameters.text("ProviderId"));
        // No code of its own is documented for it.
        let provider = provider.ok_or_else(|| {
            ApiError::new("InvalidParameter.ParamError", "The role does not trust this provider.")
        })?;
        let token = parameters.text("WebIdentityToken");
        if !provider.tokens.iter().any(|known| known.expose() == token) {
            return Err(ApiError::new(
                "InvalidParameter.WebIdentityTokenError",
                "The web identity token is not valid, or expired.",
            ));
        }
        let life = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        let account = role.session(now, life, &mut self.world.random);
        let answer = fields(json!({
            "Credentials": {
                "Token": exposed(&account),
                "TmpSecretId": account.secret_id,
                "TmpSecretKey": account.secret_key.expose(),
            },
            "ExpiredTime": account.expires_at.map(Timestamp::as_second),
            "Expiration": account.expires_at.map(|end| end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        }));
        self.world.accounts.push(account);
        Ok(answer)
    }
}

/// The session token of a temporary key.
pub(crate) fn exposed(account: &Account) -> Value {
    account.token.as_ref().map_or(Value::Null, |token| token.expose().into())
}

#[cfg(test)]
mod tests;
