//! What a keeper has seen besides the stored Secret.

use custom_resource::request::Asked;
use jiff::Timestamp;

use super::login_check::LoginChecks;
use super::stored::Held;

/// An intent that this process wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnIntent {
    /// The text of the intent.
    pub intent: String,
    /// Nothing can be at the cloud that is not stored: the marker is new, or what carries it was looked
    /// through since the intent was written.
    pub clean: bool,
    /// Until then a creation may begin.
    pub holds_until: Timestamp,
}

/// A credential in the cloud's list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedToken {
    /// By which it is deleted.
    pub id: String,
    /// What it was made with.
    pub description: String,
    /// Whether it can be used.
    pub enabled: bool,
    /// When a service account ends.
    pub expires_at: Option<Timestamp>,
    /// How a service account's rights differ from those that it shall have.
    pub drift: Option<String>,
}

/// The cloud's list of credentials.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// When it was read.
    pub at: Timestamp,
    /// Those that the API credential can see.
    pub tokens: Vec<ListedToken>,
    /// How many lists in a row did not have the one in use.
    pub missing: u32,
}

impl Listed {
    /// The entry of a credential.
    pub(crate) fn of(&self, held: &Held) -> Option<&ListedToken> {
        let id = held.token_id.as_deref()?;
        self.tokens.iter().find(|token| token.id == id)
    }
}

/// What a keeper knows besides the stored Secret.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observed<'a> {
    /// The intent that it wrote.
    pub own_intent: Option<&'a OwnIntent>,
    /// The cloud's list of tokens, once it was read.
    pub listed: Option<&'a Listed>,
    /// What the registry said.
    pub login_checks: Option<&'a LoginChecks>,
    /// What a person asks for.
    pub asked: Option<&'a Asked>,
    /// This installation, where it is known.
    pub installation: Option<&'a str>,
    /// The instance had no room for another service account, and is asked again at this time.
    pub full_until: Option<Timestamp>,
}
