//! The record of who asked the token service for what.

use jiff::Timestamp;
use serde::Serialize;

use crate::scope::Access;

/// One request to the token service, refused ones included. A client asks before it pulls or pushes, so what was
/// granted here is what it could do.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenRequest {
    /// The instance whose registry sent the client here; it may not exist.
    pub registry_id: String,
    /// The user name it gave, which may be a lie. None when it gave none, and when that is no identity's number:
    /// what else stands there may be a secret.
    pub username: Option<String>,
    /// The `TokenId` of the credential it showed, or the name of the service account, also of one that is not valid any
    /// more: empty for a temporary one, None when the password is none that was minted for the instance.
    pub token_id: Option<String>,
    /// The scopes as they came.
    pub scopes: Vec<String>,
    /// What was granted; empty when it was refused, and after a login that asks for nothing.
    pub granted: Vec<Access>,
    /// Why it was refused.
    pub refusal: Option<TokenRefusal>,
    /// When, by the double's clock.
    pub at: Timestamp,
}

impl TokenRequest {
    /// The repositories on which `action` was granted: `granted_to("pull")`.
    pub fn granted_to(&self, action: &str) -> Vec<&str> {
        let granted = self.granted.iter().filter(|access| access.actions.iter().any(|it| it == action));
        granted.map(|access| access.name.as_str()).collect()
    }
}

/// Why the token service refuses. A client learns the status only: all the reasons that lie in its credential look
/// alike to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum TokenRefusal {
    /// Not GET. containerd tries POST, the form of OAuth 2, first, and takes the 405 for what it says.
    Method,
    /// There is no such instance.
    UnknownInstance,
    /// The instance is not `Running`.
    InstanceNotRunning,
    /// `service` is missing or another's.
    Service,
    /// A scope that has not the form of one.
    Scope,
    /// No Authorization: nothing here is public.
    NoCredential,
    /// An Authorization that is not Basic with a user name and a password.
    UnreadableCredential,
    /// A user name and password that were not minted for this instance.
    UnknownCredential,
    /// ModifyInstanceToken has switched it off.
    Disabled,
    /// DeleteInstanceToken took it away.
    Deleted,
    /// Its time is over, by the double's clock.
    Expired,
    /// The CAM user who made it was deleted.
    UserDeleted,
}

impl TokenRefusal {
    pub fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::UnknownInstance => 404,
            Self::InstanceNotRunning => 503,
            Self::Service | Self::Scope => 400,
            Self::NoCredential
            | Self::UnreadableCredential
            | Self::UnknownCredential
            | Self::Disabled
            | Self::Deleted
            | Self::Expired
            | Self::UserDeleted => 401,
        }
    }
}
