//! The next step for one credential: a function of the stored Secret, the clock and the cloud's list.

use jiff::{SignedDuration, Timestamp};

use super::login_check::{LoginCheck, LoginChecks};
use super::ownership::{is_known, is_marked, orphans};
use super::renewal::{end_of, last_call, renewal_by};
use super::request;
use tcr::verdict::Verdict;

pub use super::desired::Desired;
pub use super::later::later;
pub use super::observed::{Listed, ListedToken, Observed, OwnIntent};
pub use super::ownership::{account_name, description, installation_of, is_copied, is_named_by_us, is_ours};
pub use super::renewal::renewal;
pub use super::stored::{Held, Replaced, Stored};

/// How often the cloud is asked whether a long-term credential is still there.
pub const LIST_EVERY: SignedDuration = SignedDuration::from_mins(10);
/// A credential that is missing in a list is looked for once more after this, because a list may be wrong and
/// replacing a valid credential is not free.
pub const LOOK_TWICE: SignedDuration = SignedDuration::from_secs(60);
/// How long a replaced credential stays valid, so that pulls that began with it succeed.
pub const GRACE: SignedDuration = SignedDuration::from_hours(1);

/// How long an instance that had no room for another service account is not asked for one.
pub const FULL_FOR: SignedDuration = SignedDuration::from_mins(10);

/// How long after an unanswered creation its credential may still appear: the call times out earlier.
pub const APPEARS_WITHIN: SignedDuration = SignedDuration::from_mins(2);
/// How long after its intent was written a creation may begin. Later, the intent is written again first,
/// which fails if another process has written meanwhile.
pub const INTENT_HOLDS: SignedDuration = SignedDuration::from_mins(1);
/// How long after another process's intent was seen that process's credential may still appear:
/// [`INTENT_HOLDS`], two calls of half a minute each, and [`APPEARS_WITHIN`].
pub const ANOTHERS_APPEARS_WITHIN: SignedDuration = SignedDuration::from_mins(4);

/// The next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write an intent; `why` when a credential is replaced.
    Record {
        /// Why the credential in use has to be replaced.
        why: Option<String>,
        /// The credential in use can no longer be used at all.
        ended: bool,
    },
    /// Read the cloud's list.
    List,
    /// Delete a credential that is ours and not stored, or that was replaced.
    Delete {
        /// The token's id at the cloud.
        token_id: String,
    },
    /// Store that a credential is to be revoked, before anything is deleted, or why the request is refused.
    TakeUp {
        /// Why the request is refused.
        refused: Option<String>,
    },
    /// Store that the revoked credential is gone.
    Revoked,
    /// Extend the life of the service account in use, because the instance has no room for another one.
    Extend,
    /// Restore a service account's desired rights.
    Amend {
        token_id: String,
        /// How its rights differ.
        drift: String,
    },
    /// Make a credential and store it.
    Mint,
    /// Try the credential in use, or its successor, at the registry.
    CheckLogin {
        /// Whether to try the successor instead of the credential in use.
        candidate: bool,
    },
    /// Put the successor in use.
    Promote,
    /// Delete the successor, which the registry refuses.
    Discard {
        /// The registry's message.
        reason: String,
    },
    /// Do nothing until this time.
    Wait {
        /// The time of the next decision.
        until: Timestamp,
    },
}

/// The next step.
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
    // A revocation does not wait for anything else.
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

/// An intent is stored: remaining credentials with our marker are deleted, then one is made.
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

/// Whether the credential in use is as good as a new one would be, except for its end.
fn can_go_on(stored: &Stored, listed: &Listed, login_checks: &LoginChecks) -> bool {
    let is_refused = login_checks.current.as_ref().is_some_and(LoginCheck::has_ended);
    let is_listed =
        |current: &&Held| current.token_id.is_some() && unusable(current, listed).is_none() && !is_refused;
    stored.current.as_ref().filter(is_listed).is_some()
}

/// A successor is stored: it has to pass a login check first, unless the credential in use is useless.
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
            // The successor could not be checked; a credential that has certainly ended is worse.
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

/// A credential is in use and no replacement has begun: whether it is still as desired.
fn keep_up(
    now: Timestamp,
    desired: &Desired,
    stored: &Stored,
    current: &Held,
    observed: Observed<'_>,
    login_checks: &LoginChecks,
) -> Step {
    // After one new credential was refused, the next one would be refused too.
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
    // A requested rotation that waits for the pause after a refusal.
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

/// The next step for a credential that no ImagePullSecret uses any longer.
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

/// The next step for a credential that no ImagePullSecret uses any longer. With `revoke`, all its credentials
/// at the cloud are deleted; without, only those that were never used. `unheard`: a creation had no answer,
/// so there may be one that is not stored.
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

/// The service account in use and how its rights differ from the desired ones.
fn drift(current: &Held, listed: &Listed) -> Option<(String, String)> {
    let token = listed.of(current)?;
    Some((token.id.clone(), token.drift.clone()?))
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

#[cfg(test)]
mod tests;
