//! What a keeper has observed besides the stored Secret.

use custom_resource::request::Asked;
use jiff::Timestamp;

use super::login_check::LoginChecks;
use super::stored::Held;

/// An intent that this process wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnIntent {
    /// The text of the intent.
    pub intent: String,
    /// No credential can exist at the cloud that is not stored: the marker is new, or all credentials with it
    /// were looked through since the intent was written.
    pub clean: bool,
    /// A creation may begin until this time.
    pub holds_until: Timestamp,
}

/// A credential in the cloud's list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedToken {
    /// The id by which it is deleted.
    pub id: String,
    /// The description that it was created with.
    pub description: String,
    /// Whether it can be used.
    pub enabled: bool,
    /// When a service account ends.
    pub expires_at: Option<Timestamp>,
    /// How a service account's rights differ from the desired ones.
    pub drift: Option<String>,
}

/// The cloud's list of credentials.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// When it was read.
    pub at: Timestamp,
    /// Credentials that the API credential can see.
    pub tokens: Vec<ListedToken>,
    /// Lists in a row without the credential in use.
    pub missing: u32,
}

impl Listed {
    /// The entry of a credential.
    pub(crate) fn of(&self, held: &Held) -> Option<&ListedToken> {
        let id = held.token_id.as_deref()?;
        self.tokens.iter().find(|token| token.id == id)
    }
}

/// A keeper's observations besides the stored Secret.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observed<'a> {
    /// The intent that this process wrote.
    pub own_intent: Option<&'a OwnIntent>,
    /// The cloud's list of tokens, once it was read.
    pub listed: Option<&'a Listed>,
    /// The registry's answers.
    pub login_checks: Option<&'a LoginChecks>,
    /// The request that a person makes.
    pub asked: Option<&'a Asked>,
    /// The id of this installation, where it is known.
    pub installation: Option<&'a str>,
    /// The instance had no room for another service account; it is tried again at this time.
    pub full_until: Option<Timestamp>,
}
