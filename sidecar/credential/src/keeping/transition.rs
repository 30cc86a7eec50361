//! What is stored after each step, and what users are told of it.

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

/// What is stored before a credential is made: an intent, and a marker where there is none yet. Also whether nothing can be
/// at the cloud that is not stored, because the marker was never used.
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

/// What is stored where a Secret is not as this process would write it: of another `onDelete`, or by a release that knew no
/// installation. None where it is, and once its credential is no longer needed.
pub(crate) fn adopt(document: &Document, order: &Order, installation: &str) -> Option<Stored> {
    let is_current = document.on_delete == order.on_delete && document.stored.installation.is_some();
    if is_current || order.is_over {
        return None;
    }
    let mut next = document.stored.clone();
    // What an older release wrote is this cluster's until something says otherwise.
    next.installation.get_or_insert_with(|| installation.to_owned());
    Some(next)
}

/// What is stored of a cluster that is a copy: the credential in use stays until there is another one, and nothing of it
/// at the cloud is ours to delete.
fn of_a_copy(stored: Stored) -> Stored {
    let current = stored.current.map(|held| Held { token_id: None, ..held });
    // What somebody asked for, the other cluster was asked for.
    Stored { current, ..Stored::default() }
}

/// What is stored after the end of the service account in use was put off.
pub(crate) fn extend(stored: Stored, expires_at: Timestamp, now: Timestamp) -> Stored {
    let mut next = stored;
    next.intent = None;
    next.current =
        next.current.map(|held| Held { expires_at: Some(expires_at), extended_at: Some(now), ..held });
    next
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

/// What users are told of a credential that is no longer kept; none of one that ends by itself, and of a copy's, which was
/// never ours to delete or to leave.
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

/// A credential as people are told of it.
fn named(key: &Key, id: &str) -> String {
    match key.kind {
        CredentialKind::ServiceAccount => format!("service account {id}"),
        CredentialKind::Longterm | CredentialKind::Temp | CredentialKind::None => format!("credential {id}"),
    }
}

/// What users are told of a service account whose rights were put right.
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
