//! The content of a credential's Secret.

use custom_resource::request::RequestId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tcr::registry_host::RegistryHost;
use tcr::sensitive::Sensitive;

/// The content of a credential's Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stored {
    /// The marker in the descriptions of our credentials at the cloud, which never changes for this Secret.
    pub marker: String,
    /// The installation that made the marker, see [`is_copied`](super::ownership::is_copied); none if an
    /// older release wrote the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installation: Option<String>,
    /// A process is about to make a credential; only that process knows the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
    /// The successor of the credential in use, which no registry has accepted yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Held>,
    /// The credential in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<Held>,
    /// Why the previous credential was replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Replaced credentials that are still valid.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub previous: Vec<Replaced>,
    /// The last accepted request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<TakenUp>,
}

/// A stored credential of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// The docker user name.
    pub username: String,
    /// The password for docker login.
    pub token: Sensitive,
    /// The id by which the instance lists and deletes it: a long-term credential's id, a service account's
    /// name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When its life was last extended, because no other one could be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_at: Option<Timestamp>,
    /// When it expires; none if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The instance's default domain when it was issued.
    pub public_domain: RegistryHost,
}

impl Held {
    /// Identifies this credential among those of the instance without revealing the password.
    pub fn version(&self) -> String {
        self.token_id.clone().unwrap_or_else(|| self.issued_at.to_string())
    }

    /// When its present life began: issued, or last extended.
    pub(crate) fn began_at(&self) -> Timestamp {
        self.extended_at.unwrap_or(self.issued_at)
    }
}

/// A credential that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replaced {
    /// The token's id at the cloud.
    pub token_id: String,
    /// When it is to be deleted.
    pub delete_at: Timestamp,
}

/// The last accepted request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TakenUp {
    pub id: RequestId,
    /// Its progress.
    #[serde(flatten)]
    pub course: Course,
}

/// The progress of an accepted request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "course")]
pub enum Course {
    /// A rotation.
    #[serde(rename_all = "camelCase")]
    Rotation {
        /// The [version](Held::version) of the credential in use when the request was accepted.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        replaces: Option<String>,
    },
    /// A revocation.
    #[serde(rename_all = "camelCase")]
    Revocation {
        token_id: String,
        /// The credential is gone.
        is_done: bool,
    },
    /// The request is refused.
    #[serde(rename_all = "camelCase")]
    Refusal { reason: String },
}
