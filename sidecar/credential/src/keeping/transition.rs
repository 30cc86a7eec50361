//! The stored state after each step, and the events about it.

use jiff::Timestamp;
use tcr::credential_id::delete_command;
use tcr::image_pull_secret::{CredentialKind, OnDelete};
use tcr::registry_host::RegistryHost;

use crate::store::Document;
use credential_plan::plan::{self, Held, Replaced, Stored};
use credential_plan::request;
use credential_plan::{CredentialEvent, Key, Order};
use custom_resource::condition::EventReason;
use tencent_cloud::instance_token::IssuedToken;

/// The state to store before a credential is made: an intent, and a marker where there is none yet. Also
/// whether no credential can be at the cloud that is not stored, because the marker was never used.
pub(crate) fn record(
    stored: Stored,
    why: Option<String>,
    installation: &str,
    random: impl Fn() -> u64,
) -> (Stored, String, bool) {
    let mut next = stored;
    if plan::is_copied(&next, Some(installation)) {
        next = of_a_copy(next);
    }
    next.installation = Some(installation.to_owned());
    let is_clean = next.marker.is_empty();
    if is_clean {
        next.marker = format!("tcr-assistant {:012x}", random() >> 16);
    }
    let intent = format!("{:016x}", random());
    next.intent = Some(intent.clone());
    next.why = why.or(next.why);
    (next, intent, is_clean)
}

/// The state to store where a Secret is not as this process would write it: with another `onDelete`, or from
/// a release without installation ids. None where it is, and once its credential is no longer needed.
pub(crate) fn adopt(document: &Document, order: &Order, installation: &str) -> Option<Stored> {
    let is_current = document.on_delete == order.on_delete && document.stored.installation.is_some();
    if is_current || order.is_over {
        return None;
    }
    let mut next = document.stored.clone();
    // A Secret of an older release belongs to this cluster unless its data say otherwise.
    next.installation.get_or_insert_with(|| installation.to_owned());
    Some(next)
}

/// The state to store in a copy of a cluster: the credential in use stays until there is another one, and
/// none of its credentials at the cloud is ours to delete.
fn of_a_copy(stored: Stored) -> Stored {
    let current = stored.current.map(|held| Held { token_id: None, ..held });
    // The request was made in the other cluster.
    Stored { current, ..Stored::default() }
}

/// The state to store after the life of the service account in use was extended.
pub(crate) fn extend(stored: Stored, expires_at: Timestamp, now: Timestamp) -> Stored {
    let mut next = stored;
    next.intent = None;
    next.current =
        next.current.map(|held| Held { expires_at: Some(expires_at), extended_at: Some(now), ..held });
    next
}

/// The state to store after a credential was made. Also whether it is the first one, which is used at once; a
/// later one replaces the credential in use only after a login check.
pub(crate) fn mint(
    stored: Stored,
    issued: IssuedToken,
    public_domain: RegistryHost,
    now: Timestamp,
) -> (Stored, bool) {
    let IssuedToken { username, token, expires_at, token_id } = issued;
    let held =
        Held { username, token, token_id, issued_at: now, extended_at: None, expires_at, public_domain };
    let mut next = stored;
    next.intent = None;
    let is_first = next.current.is_none();
    match is_first {
        true => next.current = Some(held),
        false => next.candidate = Some(held),
    }
    (next, is_first)
}

/// The state to store when the successor is put in use; none without a successor.
pub(crate) fn promote(stored: Stored, now: Timestamp) -> Option<Stored> {
    let mut next = stored;
    let candidate = next.candidate.take()?;
    if let Some(old) = next.current.replace(candidate) {
        let delete_at = request::delete_at(&next, &old, now);
        next.previous.extend(old.token_id.map(|token_id| Replaced { token_id, delete_at }));
    }
    Some(next)
}

/// The state to store without the successor, and the successor.
pub(crate) fn discard(stored: Stored) -> Option<(Stored, Held)> {
    let mut next = stored;
    let candidate = next.candidate.take()?;
    Some((next, candidate))
}

/// The state to store after a token was deleted; none where it was not stored.
pub(crate) fn delete(stored: &Stored, token_id: &str) -> Option<Stored> {
    let is_it = |old: &Replaced| old.token_id == token_id;
    stored.previous.iter().any(is_it).then(|| {
        let mut next = stored.clone();
        next.previous.retain(|old| !is_it(old));
        next
    })
}

/// The event about a credential that is in use from now on.
pub(crate) fn made(key: &Key, stored: &Stored) -> CredentialEvent {
    let id = stored.current.as_ref().and_then(|held| held.token_id.as_deref());
    let instance = &key.instance_id;
    let what = id.map_or("a temporary credential".to_owned(), |id| named(key, id));
    let pulls = match key.registry_namespaces.as_slice() {
        [] => String::new(),
        names => format!(", which may pull from {}", names.join(", ")),
    };
    match &stored.why {
        None => CredentialEvent::Happened {
            reason: EventReason::CredentialCreated,
            message: format!("created {what} of {instance}{pulls}"),
        },
        Some(why) => CredentialEvent::Happened {
            reason: EventReason::CredentialReplaced,
            message: format!("replaced the credential of {instance} by {what}{pulls}: {why}"),
        },
    }
}

/// The event about a credential that is no longer kept; none for one that expires by itself, and none in a
/// copy of a cluster, whose credentials were never ours to delete or to leave.
pub(crate) fn removed(
    key: &Key,
    stored: &Stored,
    on_delete: OnDelete,
    installation: &str,
) -> Option<CredentialEvent> {
    let Key { instance_id, region, .. } = key;
    let id = stored.current.as_ref()?.token_id.as_deref()?;
    if plan::is_copied(stored, Some(installation)) {
        return None;
    }
    let (reason, message) = match on_delete {
        OnDelete::Revoke => {
            (EventReason::CredentialRevoked, format!("deleted {} of {instance_id}", named(key, id)))
        }
        OnDelete::Retain => {
            let message = format!(
                "{} of {instance_id} stays valid, as onDelete says; to remove it: {}",
                named(key, id),
                delete_command(region, instance_id, id)
            );
            (EventReason::CredentialRetained, message)
        }
    };
    Some(CredentialEvent::Happened { reason, message })
}

/// The credential as messages name it.
fn named(key: &Key, id: &str) -> String {
    match key.kind {
        CredentialKind::ServiceAccount => format!("service account {id}"),
        CredentialKind::Longterm | CredentialKind::Temp | CredentialKind::None => format!("credential {id}"),
    }
}

/// The event about a service account whose rights were restored.
pub(crate) fn amended(key: &Key, name: &str, drift: &str) -> CredentialEvent {
    CredentialEvent::Happened {
        reason: EventReason::RightsRestored,
        message: format!(
            "somebody changed the rights of service account {name} of {}: {drift}; it has its own again, to pull from {}",
            key.instance_id,
            key.registry_namespaces.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests;
