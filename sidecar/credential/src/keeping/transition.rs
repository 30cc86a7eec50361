//! What is stored after each step, and what users are told of it.

use jiff::Timestamp;
use tcr::registry_host::RegistryHost;

use credential_plan::plan::{Held, Replaced, Stored};
use credential_plan::request;
use credential_plan::{CredentialEvent, Key};
use custom_resource::condition::EventReason;
use tencent_cloud::instance_token::IssuedToken;

/// What is stored before a credential is made: an intent, and a marker where there is none yet. Also whether nothing can be
/// at the cloud that is not stored, because the marker was never used.
pub(crate) fn record(
    stored: Stored,
    why: Option<String>,
    random: impl Fn() -> u64,
) -> (Stored, String, bool) {
    let mut next = stored;
    let is_clean = next.marker.is_empty();
    if is_clean {
        next.marker = format!("tcr-assistant {:012x}", random() >> 16);
    }
    let intent = format!("{:016x}", random());
    next.intent = Some(intent.clone());
    next.why = why.or(next.why);
    (next, intent, is_clean)
}

/// What is stored after a credential was made. Whether it is the first one, which is used at once; else what is in use is
/// not given up for one that nobody has tried.
pub(crate) fn mint(
    stored: Stored,
    issued: IssuedToken,
    public_domain: RegistryHost,
    now: Timestamp,
) -> (Stored, bool) {
    let IssuedToken { username, token, expires_at, token_id } = issued;
    let held = Held { username, token, token_id, issued_at: now, expires_at, public_domain };
    let mut next = stored;
    next.intent = None;
    let is_first = next.current.is_none();
    match is_first {
        true => next.current = Some(held),
        false => next.candidate = Some(held),
    }
    (next, is_first)
}

/// What is stored after the successor took the place of the credential in use; none without a successor.
pub(crate) fn promote(stored: Stored, now: Timestamp) -> Option<Stored> {
    let mut next = stored;
    let candidate = next.candidate.take()?;
    if let Some(old) = next.current.replace(candidate) {
        let delete_at = request::delete_at(&next, &old, now);
        next.previous.extend(old.token_id.map(|token_id| Replaced { token_id, delete_at }));
    }
    Some(next)
}

/// What is stored without the successor, and the successor.
pub(crate) fn discard(stored: Stored) -> Option<(Stored, Held)> {
    let mut next = stored;
    let candidate = next.candidate.take()?;
    Some((next, candidate))
}

/// What is stored after a token was deleted; none where it was not stored.
pub(crate) fn delete(stored: &Stored, token_id: &str) -> Option<Stored> {
    let is_it = |old: &Replaced| old.token_id == token_id;
    stored.previous.iter().any(is_it).then(|| {
        let mut next = stored.clone();
        next.previous.retain(|old| !is_it(old));
        next
    })
}

/// What users are told of a credential that is in use from now on.
pub(crate) fn made(key: &Key, stored: &Stored) -> CredentialEvent {
    let id = stored.current.as_ref().and_then(|held| held.token_id.as_deref());
    let instance = &key.instance_id;
    let what = id.map_or("a temporary credential".to_owned(), |id| format!("credential {id}"));
    match &stored.why {
        None => CredentialEvent::Happened {
            reason: EventReason::CredentialCreated,
            message: format!("created {what} of {instance}"),
        },
        Some(why) => CredentialEvent::Happened {
            reason: EventReason::CredentialReplaced,
            message: format!("replaced the credential of {instance} by {what}: {why}"),
        },
    }
}

/// What users are told of a credential that is no longer kept; none of one that ends by itself.
pub(crate) fn removed(key: &Key, stored: &Stored, is_revoked: bool) -> Option<CredentialEvent> {
    let Key { instance_id, region, .. } = key;
    let id = stored.current.as_ref()?.token_id.as_deref()?;
    let (reason, message) = match is_revoked {
        true => (EventReason::CredentialRevoked, format!("deleted credential {id} of {instance_id}")),
        false => (
            EventReason::CredentialRetained,
            format!(
                "credential {id} of {instance_id} stays valid, as onDelete says; to remove it: tccli tcr \
                 DeleteInstanceToken --region {region} --RegistryId {instance_id} --TokenId {id}"
            ),
        ),
    };
    Some(CredentialEvent::Happened { reason, message })
}

#[cfg(test)]
mod tests;
