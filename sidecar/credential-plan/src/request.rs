//! Requests that a person makes once: to rotate a credential, or to revoke one. Pure.
//!
//! A request is carried out once, even if processes die meanwhile, because the Secret stores the last
//! accepted one: a rotation in the same write as the intent to make another credential, a revocation before
//! anything is deleted. A request that is not newer is ignored.

use custom_resource::condition::RequestState;
use custom_resource::request::{Asked, Request, RequestId};
use jiff::Timestamp;
use tcr::credential_id::delete_action;
use tcr::shortened::shortened;

use super::desired::Desired;
use super::later::later;
use super::observed::{ListedToken, Observed};
use super::ownership::is_ours;
use super::plan::{GRACE, Step};
use super::stored::{Held, Stored};

pub use super::stored::{Course, TakenUp};

/// Longest part of a description that an answer repeats.
const SHOWN: usize = 120;

/// The progress of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub id: RequestId,
    /// The state of the request.
    pub state: RequestState,
    pub message: String,
}

/// The next step of a revocation; none where no revocation is to be carried out.
pub(crate) fn revoke(stored: &Stored, observed: Observed<'_>) -> Option<Step> {
    let under_way = stored.request.as_ref().and_then(|it| match &it.course {
        Course::Revocation { token_id, is_done: false } => Some(token_id),
        _ => None,
    });
    let asked = observed.asked.filter(|asked| is_new(asked, stored)).and_then(|it| match &it.request {
        Request::Revoke { token_id } => Some(token_id),
        _ => None,
    });
    let token_id = under_way.or(asked)?;
    let Some(listed) = observed.listed else { return Some(Step::List) };
    let found = listed.tokens.iter().find(|token| token.id == *token_id);
    Some(match (under_way, found) {
        (Some(_), Some(_)) => Step::Delete { token_id: token_id.clone() },
        (Some(_), None) => Step::Revoked,
        (None, found) => Step::TakeUp { refused: refusal(stored, token_id, found) },
    })
}

/// Why a revocation is refused.
fn refusal(stored: &Stored, token_id: &str, found: Option<&ListedToken>) -> Option<String> {
    match found {
        None => {
            Some(format!("the instance's list has no credential {token_id}: compare the id with the console"))
        }
        Some(token) if !is_ours(stored, token) => Some(format!(
            "credential {token_id} was not made for this ImagePullSecret: its description is {:?}; whoever made it can \
             delete it, in the console or by tccli tcr {}",
            shortened(token.description.clone(), SHOWN),
            delete_action(token_id),
        )),
        Some(_) => None,
    }
}

/// The next step of a rotation that has not begun; none while another step comes first.
pub(crate) fn rotate(
    now: Timestamp,
    desired: &Desired,
    stored: &Stored,
    observed: Observed<'_>,
) -> Option<Step> {
    let rests = observed.login_checks.and_then(|it| it.rest_until).is_some_and(|until| until > now);
    if !awaits_rotation(stored, observed) || rests {
        return None;
    }
    match stored.previous.first() {
        // At most one other credential is valid beside the one that is replaced.
        Some(old) if desired.is_rolled_out => Some(match observed.listed {
            None => Step::List,
            Some(_) => Step::Delete { token_id: old.token_id.clone() },
        }),
        Some(_) => None,
        None => Some(Step::Record { why: Some("a rotation was asked for".to_owned()), ended: false }),
    }
}

/// Whether a requested rotation has not begun.
pub(crate) fn awaits_rotation(stored: &Stored, observed: Observed<'_>) -> bool {
    observed.asked.is_some_and(|asked| asked.request == Request::Rotate && is_new(asked, stored))
}

/// Whether the credential was revoked by a request.
pub(crate) fn was_revoked(stored: &Stored, current: &Held) -> bool {
    let revoked = stored.request.as_ref().and_then(|it| match &it.course {
        Course::Revocation { token_id, is_done: true } => Some(token_id),
        _ => None,
    });
    revoked.is_some() && revoked == current.token_id.as_ref()
}

/// Records in the next stored state that a credential is about to be made, which carries out a waiting
/// rotation.
pub fn take_up_rotation(asked: Option<&Asked>, next: &mut Stored) {
    if let Some(asked) = asked.filter(|it| it.request == Request::Rotate && is_new(it, next)) {
        let replaces = next.current.as_ref().map(Held::version);
        next.request = Some(TakenUp { id: asked.id, course: Course::Rotation { replaces } });
    }
}

/// Records in the next stored state that a revocation is to be carried out, or why it is refused.
pub fn take_up_revocation(asked: Option<&Asked>, refused: Option<String>, next: &mut Stored) {
    let Some(Asked { id, request: Request::Revoke { token_id } }) = asked else { return };
    let course = match refused {
        Some(reason) => Course::Refusal { reason },
        None => Course::Revocation { token_id: token_id.clone(), is_done: false },
    };
    next.request = Some(TakenUp { id: *id, course });
}

/// Records in the next stored state that the revoked credential is gone; returns its id.
pub fn finish_revocation(next: &mut Stored) -> Option<String> {
    let Some(TakenUp { course: Course::Revocation { token_id, is_done }, .. }) = &mut next.request else {
        return None;
    };
    *is_done = true;
    let token_id = token_id.clone();
    next.previous.retain(|old| old.token_id != token_id);
    next.candidate = next.candidate.take().filter(|it| it.token_id.as_ref() != Some(&token_id));
    Some(token_id)
}

/// When a credential that is replaced now may be deleted: after an hour or, for a requested rotation, as soon
/// as no copy of it is left.
pub fn delete_at(stored: &Stored, replaced: &Held, now: Timestamp) -> Timestamp {
    match stored.request.as_ref().map(|it| &it.course) {
        Some(Course::Rotation { replaces: Some(version) }) if *version == replaced.version() => now,
        _ => later(now, GRACE),
    }
}

/// The progress of a request; none before it was accepted.
pub fn answer(asked: &Asked, stored: &Stored, desired: &Desired) -> Option<Answer> {
    let taken = stored.request.as_ref()?;
    let answer = |state, message: String| Some(Answer { id: asked.id, state, message });
    if taken.id != asked.id {
        let newer = format!("a newer request, {}, has been taken up already", taken.id);
        return if taken.id > asked.id { answer(RequestState::Failed, newer) } else { None };
    }
    match &taken.course {
        Course::Refusal { reason } => answer(RequestState::Refused, reason.clone()),
        Course::Revocation { token_id, is_done: true } => {
            answer(RequestState::Done, format!("credential {token_id} was deleted"))
        }
        Course::Revocation { token_id, is_done: false } => {
            answer(RequestState::Revoking, format!("credential {token_id} is being deleted"))
        }
        Course::Rotation { replaces } => {
            let (state, message) = rotation(replaces.as_deref(), stored, desired);
            answer(state, message)
        }
    }
}

fn rotation(replaces: Option<&str>, stored: &Stored, desired: &Desired) -> (RequestState, String) {
    let is_listed = desired.kind.is_listed();
    let named = |version: &str| match is_listed {
        true => format!("credential {version}"),
        false => format!("the temporary credential of {version}"),
    };
    let before = replaces.map_or_else(|| "nothing".to_owned(), named);
    let current = match &stored.current {
        Some(current) if stored.intent.is_none() && stored.candidate.is_none() => current.version(),
        _ => {
            return (
                RequestState::Making,
                format!("another credential is being made in the place of {before}"),
            );
        }
    };
    if replaces == Some(current.as_str()) {
        let extended_at = stored.current.as_ref().and_then(|held| held.extended_at);
        let asked_at = stored.request.as_ref().map(|taken| taken.id.at());
        let message = match extended_at.is_some() && extended_at >= asked_at {
            true => format!(
                "{before} stays, and its end was put off: the instance has no room for another service account; the \
                 condition CredentialValid says what to ask for"
            ),
            false => format!(
                "{before} stays: the registry did not let the next one in, which was removed again; the condition \
                 CredentialValid has its words"
            ),
        };
        return (RequestState::Failed, message);
    }
    let after = named(&current);
    if !desired.is_rolled_out || !stored.previous.is_empty() {
        return (
            RequestState::Replacing,
            format!("{after} takes the place of {before}, which is deleted after its last copy"),
        );
    }
    let end = match is_listed {
        true => "which is deleted",
        // No call revokes a temporary one.
        false => "which ends by itself within an hour",
    };
    (RequestState::Done, format!("{after} has taken the place of every copy of {before}, {end}"))
}

fn is_new(asked: &Asked, stored: &Stored) -> bool {
    stored.request.as_ref().is_none_or(|taken| asked.id > taken.id)
}

#[cfg(test)]
mod tests;
