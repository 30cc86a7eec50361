//! What the Secret of a credential keeps.

use custom_resource::request::RequestId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tcr::registry_host::RegistryHost;
use tcr::sensitive::Sensitive;

/// What the Secret keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stored {
    /// What the descriptions of our credentials at the cloud contain, for ever the same for this Secret.
    pub marker: String,
    /// The installation that made the marker, see [`is_copied`](super::ownership::is_copied); none in what an older release wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installation: Option<String>,
    /// A process is about to make a credential; the text is known to that process alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
    /// One that was made to replace the one in use, and that no registry has let in yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Held>,
    /// The credential in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<Held>,
    /// Why the one before it was replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Replaced ones that are still valid.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub previous: Vec<Replaced>,
    /// The last request of a person that was taken up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<TakenUp>,
}

/// A credential of an instance, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// The docker user name.
    pub username: String,
    /// The password for docker login.
    pub token: Sensitive,
    /// By which the instance lists and deletes it: a long-term credential's id, a service account's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// When we got it.
    pub issued_at: Timestamp,
    /// When its end was last put off, because no other one could be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_at: Option<Timestamp>,
    /// When it ends by itself; none for one that does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The instance's default domain at that time.
    pub public_domain: RegistryHost,
}

impl Held {
    /// What no other credential of the instance has, and tells nothing of the password.
    pub fn version(&self) -> String {
        self.token_id.clone().unwrap_or_else(|| self.issued_at.to_string())
    }

    /// When the life that it has now began.
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

/// The last request that was taken up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TakenUp {
    pub id: RequestId,
    /// What became of it.
    #[serde(flatten)]
    pub course: Course,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "course")]
pub enum Course {
    /// Another credential was to be made.
    #[serde(rename_all = "camelCase")]
    Rotation {
        /// The [version](Held::version) of the one that was in use.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        replaces: Option<String>,
    },
    /// A credential was to be deleted.
    #[serde(rename_all = "camelCase")]
    Revocation {
        token_id: String,
        /// It is gone.
        is_done: bool,
    },
    /// Nothing is done.
    #[serde(rename_all = "camelCase")]
    Refusal { reason: String },
}
