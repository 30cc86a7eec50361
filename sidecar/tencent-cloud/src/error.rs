//! Why a call failed, the class of the failure, and what a person can do about it.

use std::fmt;
use std::time::Duration;

use super::action::{Action, Repeat};
use super::api_credential::credential::ApiCredentialError;
use super::endpoint::EndpointError;

/// A failed call. Holds no secret.
#[derive(Clone, Debug, thiserror::Error)]
pub struct CloudError {
    /// The action that was called.
    pub action: Action,
    /// The instance that the call was about.
    pub instance: String,
    /// The region that was called.
    pub region: String,
    /// The endpoint that the call was sent to.
    pub endpoint: String,
    /// The secret id that signed and its origin. None when there was no credential.
    pub identity: Option<String>,
    /// The failure itself.
    pub failure: Failure,
}

/// Why one exchange failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The service refused, with a code.
    #[error("{code}{}{}", after_colon(message), request(request_id))]
    Refused {
        /// Dotted code, such as `AuthFailure.SignatureFailure`.
        code: String,
        /// The service's message.
        message: String,
        /// The call's id at the cloud.
        request_id: Option<String>,
    },
    /// The answer did not come from the service.
    #[error("HTTP status {status}{}", after_colon(message.as_deref().unwrap_or_default()))]
    Status {
        /// The HTTP status of the answer.
        status: u16,
        /// The gateway's message, if it had one.
        message: Option<String>,
    },
    /// There was no connection, so the call did nothing.
    #[error("cannot connect: {reason}")]
    Unreachable {
        /// The innermost reason of the failure.
        reason: String,
    },
    /// The connection broke before the whole answer was there: the call may have been carried out.
    #[error("the connection broke: {reason}")]
    Interrupted {
        /// The innermost reason of the failure.
        reason: String,
    },
    /// No whole answer in time: the call may have been carried out.
    #[error("no answer within {} s", seconds(after))]
    Deadline {
        /// How long the client waited.
        after: Duration,
    },
    /// The answer is not in the API's form.
    #[error("unreadable answer: {reason}{}", request(request_id))]
    Unreadable {
        /// What is wrong with the form; never quotes a value.
        reason: String,
        /// The call's id at the cloud.
        request_id: Option<String>,
    },
    /// The answer has the right form and an impossible content.
    #[error("the answer cannot be true: {reason}{}", request(request_id))]
    Implausible {
        /// What is impossible; never quotes a secret.
        reason: String,
        /// The call's id at the cloud.
        request_id: Option<String>,
        /// The credential that the call nevertheless made.
        token_id: Option<String>,
    },
    /// There is no credential to sign with.
    #[error(transparent)]
    Credential(#[from] ApiCredentialError),
    /// The region has no endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
}

/// How a caller goes on after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The same call may succeed later.
    Retryable,
    /// Get another API credential, or correct the clock, and try once more.
    RefreshCredential,
    /// Only a person can help.
    Terminal,
}

/// A refusal that callers handle separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The instance holds no more service accounts.
    NoRoom,
    /// The instance has no service accounts: the feature is off.
    NotSwitchedOn,
    /// The role that was to sign may not be assumed.
    Role,
    /// The API does not know the key that signed: the key or its CAM user is deleted or disabled.
    UnknownKey,
}

/// Codes after which a later call may succeed. A name also stands for its details: `Name.Detail`.
const RETRYABLE: [&str; 7] = [
    "RequestLimitExceeded",
    "InternalError",
    "ServiceUnavailable",
    "FailedOperation.DbError",
    "FailedOperation.DependenceError",
    "ResourceInsufficient.ErrorInstanceNotRunning",
    "ResponseTimeout",
];
/// Codes after which another API credential, or the right time, may help.
const REFRESH: [&str; 3] =
    ["AuthFailure.TokenFailure", "AuthFailure.SecretIdNotFound", "AuthFailure.SignatureExpire"];

impl Failure {
    /// This failure of a call that nevertheless made a credential, with that credential's id, if any.
    pub(crate) fn leaving(self, token_id: Option<String>) -> Self {
        match self {
            Self::Implausible { reason, request_id, .. } => {
                Self::Implausible { reason, request_id, token_id }
            }
            Self::Unreadable { reason, request_id } if token_id.is_some() => {
                Self::Implausible { reason, request_id, token_id }
            }
            other => other,
        }
    }

    /// The class of this failure.
    pub fn class(&self) -> Class {
        match self {
            Self::Refused { code, .. } if REFRESH.iter().any(|name| is(code, name)) => {
                Class::RefreshCredential
            }
            Self::Refused { code, .. } if RETRYABLE.iter().any(|name| is(code, name)) => Class::Retryable,
            Self::Status { status: 429 | 500..=599, .. } => Class::Retryable,
            Self::Unreachable { .. } | Self::Interrupted { .. } | Self::Deadline { .. } => Class::Retryable,
            // Proxies truncate answers; the next one may be complete.
            Self::Unreadable { .. } => Class::Retryable,
            Self::Refused { .. }
            | Self::Status { .. }
            | Self::Implausible { .. }
            | Self::Credential(_)
            | Self::Endpoint(_) => Class::Terminal,
        }
    }

    /// Whether the call certainly changed nothing, so that even a call that is not idempotent may be
    /// repeated.
    pub fn certainly_not_done(&self) -> bool {
        match self {
            // The service checks limits and signatures before it carries out a call.
            Self::Refused { code, .. } => {
                is(code, "RequestLimitExceeded") || self.class() != Class::Retryable
            }
            Self::Unreachable { .. } | Self::Credential(_) | Self::Endpoint(_) => true,
            Self::Status { status, .. } => *status == 429,
            Self::Interrupted { .. }
            | Self::Deadline { .. }
            | Self::Unreadable { .. }
            | Self::Implausible { .. } => false,
        }
    }

    /// A short name for metrics: the service's code, or the kind of failure.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            Self::Status { .. } => "http_status",
            Self::Unreachable { .. } => "unreachable",
            Self::Interrupted { .. } => "interrupted",
            Self::Deadline { .. } => "deadline",
            Self::Unreadable { .. } => "unreadable",
            Self::Implausible { .. } => "implausible",
            Self::Credential(_) => "credential",
            Self::Endpoint(_) => "endpoint",
        }
    }

    /// The call's id at the cloud, when it got one.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Refused { request_id, .. }
            | Self::Unreadable { request_id, .. }
            | Self::Implausible { request_id, .. } => request_id.as_deref(),
            _ => None,
        }
    }

    /// Whether the service refused the signature because its time differs too much.
    pub fn is_clock_skew(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "AuthFailure.SignatureExpire")
    }
}

/// Whether `code` is `name` or a detail of it.
fn is(code: &str, name: &str) -> bool {
    code.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl CloudError {
    /// The class of this failure.
    pub fn class(&self) -> Class {
        self.failure.class()
    }

    /// The refusal, if callers handle it separately.
    pub fn refusal(&self) -> Option<Refusal> {
        let code = match &self.failure {
            Failure::Refused { code, .. } => code,
            Failure::Credential(ApiCredentialError::RoleRefused { .. }) => return Some(Refusal::Role),
            _ => return None,
        };
        if is(code, "AuthFailure.SecretIdNotFound") || is(code, "AuthFailure.InvalidSecretId") {
            return Some(Refusal::UnknownKey);
        }
        if !self.action.is_of_service_accounts() {
            return None;
        }
        match () {
            () if is(code, "OperationDenied.QuotaOverLimit") => Some(Refusal::NoRoom),
            () if is(code, "UnsupportedOperation") => Some(Refusal::NotSwitchedOn),
            () => None,
        }
    }

    /// Whether the call may have been carried out although it failed, so that a credential may exist that
    /// nobody knows.
    pub fn outcome_unknown(&self) -> bool {
        self.action.repeat() == Repeat::OnlyIfNotDone && !self.failure.certainly_not_done()
    }

    /// Advice for the user, if there is any.
    fn advice(&self) -> Option<String> {
        match &self.failure {
            Failure::Refused { code, .. } => self.advice_for_code(code),
            Failure::Unreachable { reason } if reason.contains("certificate") => {
                Some(format!("check the CA certificates that are trusted for {}", self.endpoint))
            }
            Failure::Unreachable { .. } => {
                Some(format!("check that {} can be reached from here", self.endpoint))
            }
            Failure::Status { status: 300..=499, .. } | Failure::Unreadable { .. } => {
                Some(format!("check that {} is an endpoint of Tencent Cloud's API", self.endpoint))
            }
            _ => None,
        }
    }

    fn advice_for_code(&self, code: &str) -> Option<String> {
        let identity = self.identity.as_deref().unwrap_or("the API credential");
        let Self { action, instance, region, .. } = self;
        match self.refusal() {
            Some(Refusal::NoRoom) => {
                return Some(format!(
                    "delete service accounts that are no longer used from instance {instance}, or ask Tencent Cloud for a \
                     larger quota"
                ));
            }
            Some(Refusal::NotSwitchedOn) => {
                return Some(format!(
                    "ask Tencent Cloud by a ticket to switch service accounts on for instance {instance}, or use \
                     credentials of type longterm"
                ));
            }
            // The code's advice applies, as for other refusals of the gateway.
            Some(Refusal::UnknownKey | Refusal::Role) | None => {}
        }
        let advice = if is(code, "UnauthorizedOperation") || is(code, "AuthFailure.UnauthorizedOperation") {
            let resource = action.cam_resource(instance);
            format!("allow the CAM action tcr:{action} on {resource} for {identity}")
        } else if is(code, "AuthFailure.SecretIdNotFound") || is(code, "AuthFailure.InvalidSecretId") {
            format!("check {identity}: it does not exist, is disabled, or belongs to another site")
        } else if is(code, "AuthFailure.SignatureFailure") {
            format!("check that the secret key belongs to {identity}")
        } else if is(code, "AuthFailure.SignatureExpire") {
            "set this machine's clock: it differs from the cloud's by more than 5 minutes".to_owned()
        } else if is(code, "AuthFailure.TokenFailure") {
            format!("get a new session token for {identity}: this one is missing, wrong or expired")
        } else if is(code, "AuthFailure.MFAFailure") {
            format!("use a credential without multi-factor authentication instead of {identity}")
        } else if is(code, "ResourceNotFound") {
            format!("check that instance {instance} exists in region {region}")
        } else if is(code, "UnsupportedRegion") {
            format!("check region {region}, and that {} serves it", self.endpoint)
        } else if is(code, "RequestLimitExceeded") {
            "other programs of this account call as well; try again later".to_owned()
        } else if is(code, "LimitExceeded") {
            format!("delete credentials that are no longer used from instance {instance}")
        } else if is(code, "InvalidAction") || is(code, "NoSuchVersion") || is(code, "ActionOffline") {
            format!("check that {} is an endpoint of TCR's API", self.endpoint)
        } else {
            return None;
        };
        Some(advice)
    }
}

impl fmt::Display for CloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} in {}: {}", self.action, self.instance, self.region, self.failure)?;
        if let Some(advice) = self.advice() {
            write!(f, "; {advice}")?;
        }
        match &self.failure {
            Failure::Implausible { token_id: Some(id), .. } => {
                write!(f, "; it made credential {id}, which is of no use: delete it")
            }
            _ if self.outcome_unknown() => f.write_str(
                "; a credential may have been created nevertheless: look for it in the instance's list of access credentials",
            ),
            _ => Ok(()),
        }
    }
}

fn after_colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

fn request(id: &Option<String>) -> String {
    id.as_ref().map(|id| format!(" (request id {id})")).unwrap_or_default()
}

/// Seconds with at most one decimal.
fn seconds(duration: &Duration) -> f64 {
    (duration.as_secs_f64() * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests;
