//! The rules: some for every write at its moment, some for what there is once everybody else has stopped.

use credential_plan::plan::Stored;

use crate::cluster::Object;
use crate::spec::{Login, SpecChoice};

mod refused;
mod settled;
mod writes;

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The rule.
    pub rule: &'static str,
    /// By what.
    pub how: String,
}

/// What is not right yet.
#[derive(Clone, Debug)]
pub struct Wrong {
    /// The rule.
    pub rule: &'static str,
    /// What there is.
    pub how: String,
    /// Its time is over.
    pub is_final: bool,
}

/// How long a token that was being made when its maker was lost may live, while a leader works undisturbed.
const ORPHANS_LIVE: u64 = 25 * 60_000;

/// Nobody else's bytes are changed.
const FOREIGN: &str = "nobody else's Secret is changed without leave";
/// Only references of ours are changed.
const REFERENCES: &str = "of a ServiceAccount's list only references of ours are changed";
/// A reference comes after its Secret, and goes before it.
const ORDER: &str = "a reference is never without its Secret by our own doing";
/// A working credential is not replaced by a worse one.
const BETTER: &str = "a working credential is replaced by a better one only";
/// Tokens.
const ONE_TOKEN: &str = "one token at most is made beside those that are stored";
const FOREIGN_TOKEN: &str = "nobody else's token is deleted";
const TOKEN_IN_USE: &str = "no token is deleted that a Secret in use holds";
const TOKEN_LOST: &str = "every token that lives is stored, or was left behind on purpose";
const RELEASED: &str = "an ImagePullSecret is let go only when nothing of it is left";
const DISTRIBUTED: &str = "what is asked for is distributed";
const REMOVED: &str = "what nobody asks for is removed";
const STATUS: &str = "the status is true";

impl SpecChoice {
    /// Whether the credential is one that a keeper keeps.
    pub fn is_of_instance(&self) -> bool {
        matches!(self.login, Login::Instance { .. } | Login::Temporary)
    }
}

fn says_valid(object: &Object) -> bool {
    object.status.conditions.iter().any(|it| it.type_ == "CredentialValid" && it.status == "True")
}

/// Whether the stored credential knows the token.
fn knows(stored: &Stored, id: &str) -> bool {
    let held = [&stored.current, &stored.candidate];
    held.into_iter().flatten().any(|it| it.token_id.as_deref() == Some(id))
        || stored.previous.iter().any(|old| old.token_id == id)
}
