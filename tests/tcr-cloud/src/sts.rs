//! The security token service: AssumeRoleWithWebIdentity, which nobody signs, for a Pod of TKE; AssumeRole and
//! GetCallerIdentity, which are signed, for roles of other accounts.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::{
    account::Account,
    envelope::{ApiError, Outcome, fields},
    gateway::{Gateway, check_form, check_region, check_version, required_header},
    http::Request,
    parameter::{Field, Kind, Parameters, optional, required},
    role::Role,
    session_policy::SessionPolicy,
    tc3,
};

/// Lends a role to a caller with a token of its provider.
pub(crate) const WITH_WEB_IDENTITY: &str = "AssumeRoleWithWebIdentity";
/// Lends a role to the caller who signs.
pub(crate) const ASSUME_ROLE: &str = "AssumeRole";
/// Tells who signs.
pub(crate) const CALLER: &str = "GetCallerIdentity";
/// The service's actions, with their fields.
pub(crate) const ACTIONS: [(&str, &[Field]); 3] =
    [(WITH_WEB_IDENTITY, WEB_IDENTITY_FORM), (ASSUME_ROLE, ASSUME_ROLE_FORM), (CALLER, CALLER_FORM)];
/// The service that stands in a credential's scope.
const SERVICE: &str = "sts";
/// `X-TC-Version`.
const VERSION: &str = "2018-08-13";
/// What stands in place of a signature.
const SKIP: &str = "SKIP";
/// Calls per second.
const PER_SECOND: u32 = 20;
/// Seconds: what a session lives when the caller does not say, and the most it may say.
const LIFE: (usize, usize) = (7200, 43_200);

const WEB_IDENTITY_FORM: &[Field] = &[
    required("ProviderId", Kind::String),
    required("WebIdentityToken", Kind::String),
    required("RoleArn", Kind::String),
    required("RoleSessionName", Kind::String),
    optional("DurationSeconds", Kind::Integer),
];

const ASSUME_ROLE_FORM: &[Field] = &[
    required("RoleArn", Kind::String),
    required("RoleSessionName", Kind::String),
    optional("DurationSeconds", Kind::Integer),
    optional("Policy", Kind::String),
    optional("ExternalId", Kind::String),
    optional("Tags", Kind::Objects(&[required("Key", Kind::String), required("Value", Kind::String)])),
    optional("SourceIdentity", Kind::String),
    optional("SerialNumber", Kind::String),
    optional("TokenCode", Kind::String),
];

const CALLER_FORM: &[Field] = &[];

impl Gateway {
    /// Takes on a role for a caller with a token that its provider signed.
    pub(crate) fn assume_role_with_web_identity(&mut self, request: &Request, now: Timestamp) -> Outcome {
        let header = |name: &str| Ok(request.header(name)?.unwrap_or_default());
        if header("authorization")? != SKIP || request.header("x-tc-token")?.is_some() {
            return Err(ApiError::new(
                "AuthFailure.InvalidAuthorization",
                format!("The Authorization of {WITH_WEB_IDENTITY} is `{SKIP}`, without X-TC-Token."),
            ));
        }
        let version = header("x-tc-version")?;
        check_version(version, VERSION)?;
        if header("x-tc-timestamp")?.parse::<i64>().is_err() {
            return Err(ApiError::missing_parameter("X-TC-Timestamp"));
        }
        let region = header("x-tc-region")?;
        check_region(region)?;
        self.limit(WITH_WEB_IDENTITY, "", PER_SECOND, now)?;
        let parameters = Parameters::read(&request.body, WEB_IDENTITY_FORM)?;
        let life = session(&parameters)?;
        let arn = parameters.text("RoleArn");
        let role = self.role(arn)?.clone();
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
        Ok(self.lend(&role, None, life, now))
    }

    /// Takes on a role for a caller who signs, may ask for it, and is trusted by it.
    pub(crate) fn assume_role(&mut self, request: &Request, now: Timestamp) -> Outcome {
        let caller = self.signer(request, ASSUME_ROLE, now)?;
        let parameters = Parameters::read(&request.body, ASSUME_ROLE_FORM)?;
        let life = session(&parameters)?;
        let external_id = parameters.string("ExternalId");
        if external_id.is_some_and(|id| !has_form(id, "_+=,.@:/-")) {
            return Err(param_error("ExternalId is not [\\w+=,.@:/-]{2,128}."));
        }
        let arn = parameters.text("RoleArn");
        let policy = parameters.string("Policy").map(SessionPolicy::read).transpose()?;
        let role = self.role(arn)?.clone();
        // Whose right is missing it does not say.
        let is_trusted = role.trusts.iter().any(|owner| owner == caller.owner());
        let knows_id = role.external_id.is_none() || role.external_id.as_deref() == external_id;
        if !caller.may("sts:AssumeRole") || !is_trusted || !knows_id {
            return Err(ApiError::new(
                "UnauthorizedOperation",
                format!(
                    "you are not authorized to perform operation (sts:AssumeRole), resource ({arn}) has no permission"
                ),
            ));
        }
        Ok(self.lend(&role, policy, life, now))
    }

    /// Tells who signs.
    pub(crate) fn caller_identity(&mut self, request: &Request, now: Timestamp) -> Outcome {
        let caller = self.signer(request, CALLER, now)?;
        Parameters::read(&request.body, CALLER_FORM)?;
        let kind = if caller.token.is_some() { "CAMRole" } else { "CAMUser" };
        Ok(fields(json!({
            "Arn": format!("qcs::cam::uin/{}:uin/{}", caller.owner(), caller.uin),
            "AccountId": caller.owner(),
            "UserId": caller.uin,
            "PrincipalId": caller.uin,
            "Type": kind,
        })))
    }

    /// Who signed a request for this service, with everything that its headers must say.
    fn signer(
        &mut self,
        request: &Request,
        action: &'static str,
        now: Timestamp,
    ) -> Result<Account, ApiError> {
        check_form(request)?;
        let caller = tc3::authenticate(&self.world.accounts, request, SERVICE, now)?.clone();
        let version = required_header(request, "X-TC-Version")?;
        check_version(version, VERSION)?;
        let region = required_header(request, "X-TC-Region")?;
        check_region(region)?;
        self.limit(action, &caller.uin, PER_SECOND, now)?;
        Ok(caller)
    }

    fn role(&self, arn: &str) -> Result<&Role, ApiError> {
        self.world.roles.iter().find(|role| role.arn() == arn).ok_or_else(|| {
            ApiError::new("ResourceNotFound.RoleNotFound", format!("The role `{arn}` is not found."))
        })
    }

    /// A key of the role, which signs from now on.
    fn lend(
        &mut self,
        role: &Role,
        policy: Option<SessionPolicy>,
        life: SignedDuration,
        now: Timestamp,
    ) -> Map<String, Value> {
        let account = Account { policy, ..role.session(now, life, &mut self.world.random) };
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
        answer
    }
}

/// How long a session shall live, once its name has its form.
fn session(parameters: &Parameters) -> Result<SignedDuration, ApiError> {
    if !has_form(parameters.text("RoleSessionName"), "_+=,.@-") {
        return Err(param_error("RoleSessionName is not [\\w+=,.@_-]{2,128}."));
    }
    let seconds = parameters.count("DurationSeconds", LIFE.0)?;
    if seconds == 0 || seconds > LIFE.1 {
        return Err(param_error(&format!("DurationSeconds is at most {}.", LIFE.1)));
    }
    Ok(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)))
}

/// Whether a name has 2 to 128 letters, digits and these.
fn has_form(name: &str, others: &str) -> bool {
    (2..=128).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

fn param_error(message: &str) -> ApiError {
    ApiError::new("InvalidParameter.ParamError", message)
}

/// The session token of a temporary key.
pub(crate) fn exposed(account: &Account) -> Value {
    account.token.as_ref().map_or(Value::Null, |token| token.expose().into())
}

#[cfg(test)]
mod tests;
