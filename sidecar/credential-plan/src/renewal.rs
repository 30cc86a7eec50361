//! When a credential is renewed, and when it ends.

use jiff::{SignedDuration, Timestamp};
use tcr::image_pull_secret::CredentialKind;

use super::desired::Desired;
use super::later::later;
use super::observed::Listed;
use super::stored::Held;

/// When the credential is to be renewed. A temporary one and a service account: at half its life at the
/// latest, spread over time so that not all are renewed at once.
pub fn renewal(current: &Held, desired: &Desired) -> Timestamp {
    renewal_by(current, current.expires_at, desired)
}

/// When a credential with this end is to be renewed.
pub(crate) fn renewal_by(current: &Held, end: Option<Timestamp>, desired: &Desired) -> Timestamp {
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

/// When the credential ends, by the stored data or by the cloud's list, in which another client may have
/// shortened its life.
pub(crate) fn end_of(current: &Held, listed: Option<&Listed>) -> Option<Timestamp> {
    let listed = listed.and_then(|listed| listed.of(current)?.expires_at);
    current.expires_at.into_iter().chain(listed).min()
}

/// A fraction of `most` that is the same for this credential every time.
fn jitter(current: &Held, most: SignedDuration) -> SignedDuration {
    let share = f64::from(current.issued_at.subsec_nanosecond().unsigned_abs()) / 1e9;
    SignedDuration::try_from_secs_f64(most.as_secs_f64() * share).unwrap_or_default()
}

/// When a successor is put in use without a login check, because the registry gave no verdict on it.
pub(crate) fn last_call(current: &Held) -> Timestamp {
    match current.expires_at {
        Some(end) => {
            let life = end.duration_since(current.began_at());
            end.checked_sub((life / 4).min(SignedDuration::from_hours(24 * 30))).unwrap_or(end)
        }
        None => Timestamp::MAX,
    }
}
