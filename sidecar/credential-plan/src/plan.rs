//! What to do next about one credential: a function of the stored Secret, the clock and the cloud's
//! list.

use std::time::Duration;

use custom_resource::request::Asked;
use jiff::{SignedDuration, Timestamp, TimestampArithmetic};
use serde::{Deserialize, Serialize};
use tcr::checksum::fnv1a;
use tcr::credential_id::{SERVICE_ACCOUNT_PREFIX, is_account};
use tcr::image_pull_secret::CredentialKind;
use tcr::registry_host::RegistryHost;
use tcr::sensitive::Sensitive;

use super::login_check::{LoginCheck, LoginChecks};
use super::request::{self, TakenUp};
use tcr::verdict::Verdict;

/// How often the cloud is asked whether a long-term credential is still there.
pub const LIST_EVERY: SignedDuration = SignedDuration::from_mins(10);
/// A credential that is not in a list is looked for once more after this, because a list may be wrong
/// and replacing a good credential is not free.
pub const LOOK_TWICE: SignedDuration = SignedDuration::from_secs(60);
/// How long a replaced credential stays valid: pulls that have begun with it end well.
pub const GRACE: SignedDuration = SignedDuration::from_hours(1);

/// How long after an instance had no room for another service account it is asked again.
pub const FULL_FOR: SignedDuration = SignedDuration::from_mins(10);

/// How long after a creation that had no answer its credential may still appear: the call is given up before.
pub const APPEARS_WITHIN: SignedDuration = SignedDuration::from_mins(2);
/// How long after its intent was written a creation may begin; after that the intent is written anew, which fails where
/// another process has written meanwhile.
pub const INTENT_HOLDS: SignedDuration = SignedDuration::from_mins(1);
/// How long after another process' intent was seen its credential may still appear: until the intent holds no longer, two
/// calls of half a minute each, and [`APPEARS_WITHIN`].
pub const ANOTHERS_APPEARS_WITHIN: SignedDuration = SignedDuration::from_mins(4);

/// What the Secret keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stored {
    /// What the descriptions of our credentials at the cloud contain, for ever the same for this Secret.
    pub marker: String,
    /// The installation that made the marker, see [`is_copied`]; none in what an older release wrote.
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
    fn began_at(&self) -> Timestamp {
        self.extended_at.unwrap_or(self.issued_at)
    }
}

impl Listed {
    /// The entry of a credential.
    fn of(&self, held: &Held) -> Option<&ListedToken> {
        let id = held.token_id.as_deref()?;
        self.tokens.iter().find(|token| token.id == id)
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

/// What is asked of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Desired {
    /// Whether it is long-term, temporary, or a service account.
    pub kind: CredentialKind,
    /// Renew one that the instance lists after this.
    pub rotate_after: Option<Duration>,
    /// Registries are asked what they say to a credential.
    pub checks_logins: bool,
    /// No copy of a credential before the one in use is left.
    pub is_rolled_out: bool,
    /// One of its users is there to stay. Otherwise what there is is kept, and nothing else is made.
    pub is_needed: bool,
}

/// The one thing to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write an intent; `why` when a credential is replaced.
    Record {
        /// Why the credential in use does not do any longer.
        why: Option<String>,
        /// It can no longer be used at all.
        ended: bool,
    },
    /// Read the cloud's list.
    List,
    /// Delete a credential that is nobody's, or that was replaced.
    Delete {
        /// The token's id at the cloud.
        token_id: String,
    },
    /// Store that a credential is to be revoked, before anything is deleted; or why it is not.
    TakeUp {
        /// Why nothing is done.
        refused: Option<String>,
    },
    /// Store that the credential is gone.
    Revoked,
    /// Put off the end of the service account in use, because the instance has no room for another one.
    Extend,
    /// Give a service account the rights again that it shall have.
    Amend {
        /// Its name.
        token_id: String,
        /// How its rights differ.
        drift: String,
    },
    /// Make a credential and store it.
    Mint,
    /// Ask the registry about the credential in use, or about its successor.
    CheckLogin {
        /// Whether the successor is asked about, not the credential in use.
        candidate: bool,
    },
    /// Put the successor in the place of the credential in use.
    Promote,
    /// Delete the successor, which the registry does not let in.
    Discard {
        /// What the registry says.
        reason: String,
    },
    /// Do nothing until this time.
    Wait {
        /// When to ask again.
        until: Timestamp,
    },
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

/// The one thing to do next.
pub fn decide(now: Timestamp, desired: &Desired, stored: Option<&Stored>, observed: Observed<'_>) -> Step {
    match next(now, desired, stored, observed) {
        Step::Record { .. } | Step::Mint if !desired.is_needed => {
            Step::Wait { until: later(now, LIST_EVERY) }
        }
        step => step,
    }
}

fn next(now: Timestamp, desired: &Desired, stored: Option<&Stored>, observed: Observed<'_>) -> Step {
    const FIRST: Step = Step::Record { why: None, ended: false };
    let Some(stored) = stored else { return FIRST };
    let none = LoginChecks::default();
    let login_checks = observed.login_checks.unwrap_or(&none);
    if is_copied(stored, observed.installation) {
        let why = "this cluster is a copy, and the credential is that of the cluster it was copied from";
        return Step::Record { why: stored.current.as_ref().map(|_| why.to_owned()), ended: false };
    }
    // A revocation waits for nothing.
    if let Some(step) = request::revoke(stored, observed) {
        return step;
    }
    match (&stored.intent, &stored.candidate, &stored.current) {
        (Some(intent), _, _) => make(now, intent, desired, stored, observed, login_checks),
        (None, Some(_), _) => replace(now, desired, stored, observed.listed, login_checks),
        (None, None, None) => FIRST,
        (None, None, Some(current)) => request::rotate(now, desired, stored, observed)
            .unwrap_or_else(|| keep_up(now, desired, stored, current, observed, login_checks)),
    }
}

/// An intent is written: what is left of others goes, then one is made.
fn make(
    now: Timestamp,
    intent: &str,
    desired: &Desired,
    stored: &Stored,
    observed: Observed<'_>,
    login_checks: &LoginChecks,
) -> Step {
    let own = observed.own_intent.filter(|own| own.intent == *intent && now < own.holds_until);
    let Some(own_intent) = own else {
        return Step::Record { why: None, ended: false };
    };
    if (own_intent.clean && observed.full_until.is_none()) || !desired.kind.is_listed() {
        return Step::Mint;
    }
    let Some(listed) = observed.listed else { return Step::List };
    if let Some(orphan) = orphans(stored, &listed.tokens).next() {
        return Step::Delete { token_id: orphan.id.clone() };
    }
    match observed.full_until {
        Some(_) if can_go_on(stored, listed, login_checks) => Step::Extend,
        Some(until) if until > now => Step::Wait { until },
        _ => Step::Mint,
    }
}

/// Whether the credential in use is as good as another one would be, but for its end.
fn can_go_on(stored: &Stored, listed: &Listed, login_checks: &LoginChecks) -> bool {
    let is_refused = login_checks.current.as_ref().is_some_and(LoginCheck::has_ended);
    let is_listed =
        |current: &&Held| current.token_id.is_some() && unusable(current, listed).is_none() && !is_refused;
    stored.current.as_ref().filter(is_listed).is_some()
}

/// There is a successor: it has to be let in first, unless what it replaces is of no use.
fn replace(
    now: Timestamp,
    desired: &Desired,
    stored: &Stored,
    listed: Option<&Listed>,
    login_checks: &LoginChecks,
) -> Step {
    let Some(current) = stored.current.as_ref().filter(|_| desired.checks_logins) else {
        return Step::Promote;
    };
    let Some(login_check) = &login_checks.candidate else { return Step::CheckLogin { candidate: true } };
    let again = |next: Timestamp| match next <= now {
        true => Step::CheckLogin { candidate: true },
        false => Step::Wait { until: next },
    };
    match (&login_check.verdict, login_check.next_of_candidate()) {
        (Verdict::Accepted { .. }, _) => Step::Promote,
        (Verdict::Refused { reason }, None) => Step::Discard { reason: reason.clone() },
        (Verdict::Refused { .. }, Some(next)) => again(next),
        (Verdict::Unknown { .. }, next) => {
            // Nobody can say whether it is good; one that is certainly over is worse.
            let last_call = last_call(current);
            let has_ended = login_checks.current.as_ref().is_some_and(|login_check| login_check.has_ended());
            if last_call <= now || has_ended {
                return Step::Promote;
            }
            match listed {
                None if desired.kind.is_listed() => Step::List,
                Some(listed) if later(listed.at, LIST_EVERY) <= now => Step::List,
                Some(listed) if unusable(current, listed).is_some() => Step::Promote,
                _ => again(next.unwrap_or(now).min(last_call)),
            }
        }
    }
}

/// There is a credential and nothing has begun: whether it still is what it shall be.
fn keep_up(
    now: Timestamp,
    desired: &Desired,
    stored: &Stored,
    current: &Held,
    observed: Observed<'_>,
    login_checks: &LoginChecks,
) -> Step {
    // After one that was refused the next one would be refused too.
    let is_over = current.expires_at.is_some_and(|end| end <= now);
    let record =
        |why: String, ended: bool| match login_checks.rest_until.filter(|until| *until > now && !is_over) {
            Some(until) => Step::Wait { until },
            None => Step::Record { why: Some(why), ended },
        };
    let due = renewal_by(current, end_of(current, observed.listed), desired);
    if due <= now {
        return record(format!("it is due for renewal since {}", due.strftime("%F %T UTC")), false);
    }
    // A rotation that waits for the rest to be over.
    let rest =
        login_checks.rest_until.filter(|until| *until > now && request::awaits_rotation(stored, observed));
    let mut until = rest.map_or(due, |rest| rest.min(due));
    if desired.kind.is_listed() {
        let Some(listed) = observed.listed else { return Step::List };
        match unusable(current, listed) {
            Some(Unusable::Missing) if request::was_revoked(stored, current) => {
                return record("it was revoked on request".to_owned(), true);
            }
            Some(Unusable::Missing) if listed.missing < 2 => {
                let again = later(listed.at, LOOK_TWICE);
                return if again <= now { Step::List } else { Step::Wait { until: again.min(due) } };
            }
            Some(Unusable::Missing) => {
                return record("it is no longer in the instance's list".to_owned(), true);
            }
            Some(Unusable::Disabled) => {
                return record("it is switched off in the instance's list".to_owned(), true);
            }
            Some(Unusable::Expired) => {
                return record("it has ended by the instance's list".to_owned(), true);
            }
            None => {}
        }
        if let Some((token_id, drift)) = drift(current, listed) {
            return Step::Amend { token_id, drift };
        }
        if let Some(orphan) = orphans(stored, &listed.tokens).next() {
            return Step::Delete { token_id: orphan.id.clone() };
        }
        let over = |old: &&Replaced| old.delete_at <= now && desired.is_rolled_out;
        if let Some(old) = stored.previous.iter().find(over) {
            return Step::Delete { token_id: old.token_id.clone() };
        }
        let again = later(listed.at, LIST_EVERY);
        if again <= now {
            return Step::List;
        }
        let graces = stored.previous.iter().map(|old| old.delete_at).filter(|end| *end > now);
        until = graces.chain([until, again]).min().unwrap_or(again);
    }
    if desired.checks_logins {
        let Some(login_check) = &login_checks.current else { return Step::CheckLogin { candidate: false } };
        let next = login_check.next_of_current();
        if next <= now {
            return Step::CheckLogin { candidate: false };
        }
        if let (true, Verdict::Refused { reason }) = (login_check.has_ended(), &login_check.verdict) {
            return record(reason.clone(), true);
        }
        until = until.min(next);
    }
    Step::Wait { until }
}

/// What to do next about a credential that nobody uses any longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemovalStep {
    /// Read the cloud's list.
    List,
    /// Delete a credential at the cloud.
    Delete {
        /// The token's id at the cloud.
        token_id: String,
    },
    /// Delete the Secret: nothing is left at the cloud.
    Forget,
}

/// The one thing to do next about a credential that nobody uses any longer. With `revoke` everything
/// of it at the cloud goes; without, only what nobody ever used. `unheard` when a creation had no answer, so that there may
/// be one that is not stored.
pub fn removal(
    desired: &Desired,
    stored: &Stored,
    revoke: bool,
    unheard: bool,
    listed: Option<&Listed>,
) -> RemovalStep {
    let is_whole = stored.intent.is_none() && stored.candidate.is_none() && stored.previous.is_empty();
    if !desired.kind.is_listed() || (!revoke && !unheard && is_whole) {
        return RemovalStep::Forget;
    }
    let Some(listed) = listed else { return RemovalStep::List };
    let in_use = |id: &str| stored.current.as_ref().is_some_and(|it| it.token_id.as_deref() == Some(id));
    let known = |id: &str| is_known(stored, id);
    let ours = listed.tokens.iter().filter(|token| is_marked(token, stored) || known(&token.id));
    match ours.filter(|token| revoke || !in_use(&token.id)).map(|token| token.id.clone()).next() {
        Some(token_id) => RemovalStep::Delete { token_id },
        None => RemovalStep::Forget,
    }
}

/// When the credential is to be renewed: a temporary one and a service account at half its life at the latest, and not
/// all of them at once.
pub fn renewal(current: &Held, desired: &Desired) -> Timestamp {
    renewal_by(current, current.expires_at, desired)
}

/// The same of one with this end.
fn renewal_by(current: &Held, end: Option<Timestamp>, desired: &Desired) -> Timestamp {
    let life = end.map(|end| end.duration_since(current.began_at()));
    let at_end = match (desired.kind, life) {
        (CredentialKind::Temp | CredentialKind::ServiceAccount | CredentialKind::None, Some(life)) => {
            Some(later(current.began_at(), life / 2 - jitter(current, life / 10)))
        }
        // Ten years, less a tenth.
        (CredentialKind::Longterm, Some(life)) => {
            Some(later(current.began_at(), life / 10 * 9 - jitter(current, life / 100)))
        }
        (_, None) => None,
    };
    let by_wish = desired.rotate_after.map(|after| {
        later(current.began_at(), SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX))
    });
    at_end.into_iter().chain(by_wish).min().unwrap_or(Timestamp::MAX)
}

/// When the credential ends, by what is stored or by the cloud's list: somebody may have shortened its life.
fn end_of(current: &Held, listed: Option<&Listed>) -> Option<Timestamp> {
    let listed = listed.and_then(|listed| listed.of(current)?.expires_at);
    current.expires_at.into_iter().chain(listed).min()
}

/// How the rights of the service account in use differ, with its name.
fn drift(current: &Held, listed: &Listed) -> Option<(String, String)> {
    let token = listed.of(current)?;
    Some((token.id.clone(), token.drift.clone()?))
}

/// A part of `most` that is the credential's own and never changes.
fn jitter(current: &Held, most: SignedDuration) -> SignedDuration {
    let share = f64::from(current.issued_at.subsec_nanosecond().unsigned_abs()) / 1e9;
    SignedDuration::try_from_secs_f64(most.as_secs_f64() * share).unwrap_or_default()
}

/// When a successor takes the place of the credential although no registry could be asked about it.
fn last_call(current: &Held) -> Timestamp {
    match current.expires_at {
        Some(end) => {
            let life = end.duration_since(current.began_at());
            end.checked_sub((life / 4).min(SignedDuration::from_hours(24 * 30))).unwrap_or(end)
        }
        None => Timestamp::MAX,
    }
}

/// What the description of a credential at the cloud says.
pub fn description(text: &str, marker: &str) -> String {
    format!("{text} [{marker}]")
}

/// Tokens that carry the marker and that the Secret does not know.
fn orphans<'a>(stored: &'a Stored, tokens: &'a [ListedToken]) -> impl Iterator<Item = &'a ListedToken> {
    tokens.iter().filter(move |token| is_marked(token, stored) && !is_known(stored, &token.id))
}

/// Whether what is stored is that of another installation, because this cluster is a copy of that one: what it has at
/// the cloud is not ours, and goes on being used there.
pub fn is_copied(stored: &Stored, installation: Option<&str>) -> bool {
    match (&stored.installation, installation) {
        (Some(theirs), Some(ours)) => theirs != ours,
        _ => false,
    }
}

/// Whether the Secret knows the token.
fn is_known(stored: &Stored, id: &str) -> bool {
    let held = [&stored.current, &stored.candidate];
    held.into_iter().flatten().any(|it| it.token_id.as_deref() == Some(id))
        || stored.previous.iter().any(|old| old.token_id == id)
}

/// Whether a token that carries this Secret's marker is in the list, or the Secret knows it.
pub fn is_ours(stored: &Stored, token: &ListedToken) -> bool {
    is_marked(token, stored) || is_known(stored, &token.id)
}

fn is_marked(token: &ListedToken, stored: &Stored) -> bool {
    let Stored { marker, .. } = stored;
    let is_named = !is_account(&token.id)
        || stored.installation.as_deref().is_some_and(|ours| is_named_by(ours, &token.id));
    !marker.is_empty() && is_named && token.description.ends_with(&format!("[{marker}]"))
}

/// What the name of every service account begins with that this program makes, of whatever installation.
const ACCOUNT_PREFIX: &str = "tcr-assistant-";

/// Whether it is the name that this program gives to a service account, of whatever installation.
pub fn is_named_by_us(name: &str) -> bool {
    name.strip_prefix(SERVICE_ACCOUNT_PREFIX).is_some_and(|name| name.starts_with(ACCOUNT_PREFIX))
}

/// Whether it is the name that this installation gives to a service account.
fn is_named_by(installation: &str, name: &str) -> bool {
    let name = name.strip_prefix(SERVICE_ACCOUNT_PREFIX);
    name.is_some_and(|name| name.starts_with(&account_name(installation, "")))
}

/// Which installation that of a cluster is, by the uid of its namespace kube-system: a cluster that is restored object by
/// object has another one there, and all else in common with the one it is a copy of.
pub fn installation_of(cluster_uid: &str) -> String {
    let sum = fnv1a(cluster_uid.as_bytes());
    format!("{:08x}", (sum ^ (sum >> 32)) & 0xffff_ffff)
}

/// The name of the service account that is made with this intent, without what TCR puts before it: another one of the
/// same intent cannot be made.
pub fn account_name(installation: &str, intent: &str) -> String {
    let intent: String = intent.chars().take(12).collect();
    format!("{ACCOUNT_PREFIX}{installation}-{intent}")
}

enum Unusable {
    Missing,
    Disabled,
    Expired,
}

fn unusable(current: &Held, listed: &Listed) -> Option<Unusable> {
    current.token_id.as_deref()?;
    match listed.of(current) {
        None => Some(Unusable::Missing),
        Some(token) if !token.enabled => Some(Unusable::Disabled),
        Some(token) if token.expires_at.is_some_and(|end| end <= listed.at) => Some(Unusable::Expired),
        Some(_) => None,
    }
}

/// The time after that, or the end of time.
pub fn later(time: Timestamp, by: impl Into<TimestampArithmetic>) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
