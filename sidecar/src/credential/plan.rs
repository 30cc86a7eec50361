//! What to do next about one credential: a function of the stored Secret, the clock and the cloud's
//! list.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tcr::image_pull_secret::CredentialKind;
use tcr::registry_host::RegistryHost;
use tcr::sensitive::Sensitive;

use crate::cloud::instance_token::InstanceToken;

/// How often the cloud is asked whether a long-term credential is still there.
pub const LIST_EVERY: SignedDuration = SignedDuration::from_mins(10);
/// A credential that is not in a list is looked for once more after this, because a list may be wrong
/// and replacing a good credential is not free.
pub const LOOK_TWICE: SignedDuration = SignedDuration::from_secs(60);
/// How long a replaced credential stays valid: pulls that have begun with it end well.
pub const GRACE: SignedDuration = SignedDuration::from_hours(1);

/// What the Secret keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stored {
    /// What the descriptions of our credentials at the cloud contain, for ever the same for this Secret.
    pub marker: String,
    /// Somebody is about to make a credential; the text is theirs alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
    /// The credential in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<Held>,
    /// Replaced ones that are still valid.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub previous: Vec<Replaced>,
}

/// A credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// The docker user name.
    pub username: String,
    /// The docker password.
    pub token: Sensitive,
    /// By which a long-term one is listed and deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// When we got it.
    pub issued_at: Timestamp,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The instance's default domain at that time.
    pub public_domain: RegistryHost,
}

/// A credential that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replaced {
    /// Its id.
    pub token_id: String,
    /// When it is to be deleted.
    pub delete_at: Timestamp,
}

/// An intent that this process wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mine {
    /// Its text.
    pub intent: String,
    /// Nothing can be at the cloud that is not stored: the marker is new, or what carries it was looked
    /// through since the intent was written.
    pub clean: bool,
}

/// The cloud's list of long-term credentials.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// When it was read.
    pub at: Timestamp,
    /// Those that the API credential can see.
    pub tokens: Vec<InstanceToken>,
    /// How many lists in a row did not have the one in use.
    pub missing: u32,
}

/// What is asked of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Long-term or temporary.
    pub kind: CredentialKind,
    /// Renew a long-term one after this.
    pub rotate_after: Option<Duration>,
}

/// The one thing to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write an intent; `why` when a credential is replaced.
    Record {
        /// Why the credential in use does not do any longer.
        why: Option<String>,
    },
    /// Read the cloud's list.
    List,
    /// Delete a credential that is nobody's, or that was replaced.
    Delete {
        /// Its id.
        token_id: String,
    },
    /// Make a credential and store it.
    Mint,
    /// Nothing until then.
    Wait {
        /// When to ask again.
        until: Timestamp,
    },
}

/// The one thing to do next.
pub fn decide(
    now: Timestamp,
    wanted: &Wanted,
    stored: Option<&Stored>,
    mine: Option<&Mine>,
    listed: Option<&Listed>,
) -> Step {
    let Some(stored) = stored else { return Step::Record { why: None } };
    let longterm = wanted.kind == CredentialKind::Longterm;
    if let Some(intent) = &stored.intent {
        return match mine.filter(|mine| mine.intent == *intent) {
            None => Step::Record { why: None },
            Some(mine) if mine.clean || !longterm => Step::Mint,
            Some(_) => match listed {
                None => Step::List,
                Some(listed) => match orphans(stored, &listed.tokens).next() {
                    Some(orphan) => Step::Delete { token_id: orphan.id.clone() },
                    None => Step::Mint,
                },
            },
        };
    }
    let Some(current) = &stored.current else { return Step::Record { why: None } };
    let due = renewal(current, wanted);
    if due <= now {
        return Step::Record {
            why: Some(format!("it is due for renewal since {}", due.strftime("%F %T UTC"))),
        };
    }
    if !longterm {
        return Step::Wait { until: due };
    }
    let Some(listed) = listed else { return Step::List };
    if let Some(why) = unusable(current, listed) {
        return match why {
            Unusable::Missing if listed.missing < 2 => {
                let again = later(listed.at, LOOK_TWICE);
                if again <= now { Step::List } else { Step::Wait { until: again.min(due) } }
            }
            Unusable::Missing => {
                Step::Record { why: Some("it is no longer in the instance's list".to_owned()) }
            }
            Unusable::Disabled => {
                Step::Record { why: Some("it is switched off in the instance's list".to_owned()) }
            }
        };
    }
    if let Some(orphan) = orphans(stored, &listed.tokens).next() {
        return Step::Delete { token_id: orphan.id.clone() };
    }
    if let Some(old) = stored.previous.iter().find(|old| old.delete_at <= now) {
        return Step::Delete { token_id: old.token_id.clone() };
    }
    let again = later(listed.at, LIST_EVERY);
    if again <= now {
        return Step::List;
    }
    let until = stored.previous.iter().map(|old| old.delete_at).chain([due, again]).min();
    Step::Wait { until: until.unwrap_or(again) }
}

/// What to do next about a credential that nobody uses any longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// Read the cloud's list.
    List,
    /// Delete a credential at the cloud.
    Delete {
        /// Its id.
        token_id: String,
    },
    /// Delete the Secret.
    Forget,
}

/// The one thing to do next about a credential that nobody uses any longer. With `revoke` everything
/// of it at the cloud goes; without, only what nobody ever used.
pub fn part(wanted: &Wanted, stored: &Stored, revoke: bool, listed: Option<&Listed>) -> Farewell {
    if wanted.kind == CredentialKind::Temp
        || (!revoke && stored.intent.is_none() && stored.previous.is_empty())
    {
        return Farewell::Forget;
    }
    let Some(listed) = listed else { return Farewell::List };
    let in_use = |id: &str| stored.current.as_ref().is_some_and(|it| it.token_id.as_deref() == Some(id));
    let known = |id: &str| in_use(id) || stored.previous.iter().any(|old| old.token_id == id);
    let ours = listed.tokens.iter().filter(|token| is_marked(token, &stored.marker) || known(&token.id));
    match ours.filter(|token| revoke || !in_use(&token.id)).map(|token| token.id.clone()).next() {
        Some(token_id) => Farewell::Delete { token_id },
        None => Farewell::Forget,
    }
}

/// When the credential is to be renewed.
pub fn renewal(current: &Held, wanted: &Wanted) -> Timestamp {
    let life = current.expires_at.map(|end| end.duration_since(current.issued_at));
    let at_end = match (wanted.kind, life) {
        (CredentialKind::Temp, Some(life)) => Some(later(current.issued_at, life / 2)),
        // Ten years, less a tenth.
        (CredentialKind::Longterm, Some(life)) => Some(later(current.issued_at, life / 10 * 9)),
        (_, None) => None,
    };
    let by_wish = wanted.rotate_after.map(|after| {
        later(current.issued_at, SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX))
    });
    at_end.into_iter().chain(by_wish).min().unwrap_or(Timestamp::MAX)
}

/// What the description of a credential at the cloud says.
pub fn description(text: &str, marker: &str) -> String {
    format!("{text} [{marker}]")
}

/// Tokens that carry the marker and that the Secret does not know.
fn orphans<'a>(stored: &'a Stored, tokens: &'a [InstanceToken]) -> impl Iterator<Item = &'a InstanceToken> {
    let known = |id: &str| {
        stored.current.as_ref().is_some_and(|it| it.token_id.as_deref() == Some(id))
            || stored.previous.iter().any(|old| old.token_id == id)
    };
    tokens.iter().filter(move |token| is_marked(token, &stored.marker) && !known(&token.id))
}

fn is_marked(token: &InstanceToken, marker: &str) -> bool {
    !marker.is_empty() && token.description.ends_with(&format!("[{marker}]"))
}

enum Unusable {
    Missing,
    Disabled,
}

fn unusable(current: &Held, listed: &Listed) -> Option<Unusable> {
    let id = current.token_id.as_deref()?;
    match listed.tokens.iter().find(|token| token.id == id) {
        None => Some(Unusable::Missing),
        Some(token) if !token.enabled => Some(Unusable::Disabled),
        Some(_) => None,
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
