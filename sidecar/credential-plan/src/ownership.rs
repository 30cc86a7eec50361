//! Which credentials at the cloud are ours: by a marker, by names, and by what is stored.

use tcr::checksum::fnv1a;
use tcr::credential_id::{SERVICE_ACCOUNT_PREFIX, is_account};

use super::observed::ListedToken;
use super::stored::Stored;

/// What the description of a credential at the cloud says.
pub fn description(text: &str, marker: &str) -> String {
    format!("{text} [{marker}]")
}

/// Tokens that carry the marker and that the Secret does not know.
pub(crate) fn orphans<'a>(
    stored: &'a Stored,
    tokens: &'a [ListedToken],
) -> impl Iterator<Item = &'a ListedToken> {
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
pub(crate) fn is_known(stored: &Stored, id: &str) -> bool {
    let held = [&stored.current, &stored.candidate];
    held.into_iter().flatten().any(|it| it.token_id.as_deref() == Some(id))
        || stored.previous.iter().any(|old| old.token_id == id)
}

/// Whether a token that carries this Secret's marker is in the list, or the Secret knows it.
pub fn is_ours(stored: &Stored, token: &ListedToken) -> bool {
    is_marked(token, stored) || is_known(stored, &token.id)
}

pub(crate) fn is_marked(token: &ListedToken, stored: &Stored) -> bool {
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
