//! Which credentials at the cloud are ours: told by a marker, by names, and by what is stored.

use tcr::checksum::fnv1a;
use tcr::credential_id::{SERVICE_ACCOUNT_PREFIX, is_account};

use super::observed::ListedToken;
use super::stored::Stored;

/// The description that a credential gets at the cloud.
pub fn description(text: &str, marker: &str) -> String {
    format!("{text} [{marker}]")
}

/// Tokens that have the marker and are not stored.
pub(crate) fn orphans<'a>(
    stored: &'a Stored,
    tokens: &'a [ListedToken],
) -> impl Iterator<Item = &'a ListedToken> {
    tokens.iter().filter(move |token| is_marked(token, stored) && !is_known(stored, &token.id))
}

/// Whether the stored credential belongs to another installation, because this cluster is a copy of that
/// one's. The credentials at the cloud are then not ours, and remain in use there.
pub fn is_copied(stored: &Stored, installation: Option<&str>) -> bool {
    match (&stored.installation, installation) {
        (Some(theirs), Some(ours)) => theirs != ours,
        _ => false,
    }
}

/// Whether the token is stored.
pub(crate) fn is_known(stored: &Stored, id: &str) -> bool {
    let held = [&stored.current, &stored.candidate];
    held.into_iter().flatten().any(|it| it.token_id.as_deref() == Some(id))
        || stored.previous.iter().any(|old| old.token_id == id)
}

/// Whether the token has this Secret's marker, or is stored.
pub fn is_ours(stored: &Stored, token: &ListedToken) -> bool {
    is_marked(token, stored) || is_known(stored, &token.id)
}

pub(crate) fn is_marked(token: &ListedToken, stored: &Stored) -> bool {
    let Stored { marker, .. } = stored;
    let is_named = !is_account(&token.id)
        || stored.installation.as_deref().is_some_and(|ours| is_named_by(ours, &token.id));
    !marker.is_empty() && is_named && token.description.ends_with(&format!("[{marker}]"))
}

/// The prefix of every service account that this program makes, in any installation.
const ACCOUNT_PREFIX: &str = "tcr-assistant-";

/// Whether a service account of this name was made by this program, in any installation.
pub fn is_named_by_us(name: &str) -> bool {
    name.strip_prefix(SERVICE_ACCOUNT_PREFIX).is_some_and(|name| name.starts_with(ACCOUNT_PREFIX))
}

/// Whether a service account of this name was made by this installation.
fn is_named_by(installation: &str, name: &str) -> bool {
    let name = name.strip_prefix(SERVICE_ACCOUNT_PREFIX);
    name.is_some_and(|name| name.starts_with(&account_name(installation, "")))
}

/// The id of a cluster's installation, from the uid of its namespace kube-system. A cluster that is restored
/// object by object has another uid there, and everything else in common with the original.
pub fn installation_of(cluster_uid: &str) -> String {
    let sum = fnv1a(cluster_uid.as_bytes());
    format!("{:08x}", (sum ^ (sum >> 32)) & 0xffff_ffff)
}

/// The name of the service account that is made for this intent, without the prefix that TCR adds. TCR
/// refuses a second account of the same name, and so of the same intent.
pub fn account_name(installation: &str, intent: &str) -> String {
    let intent: String = intent.chars().take(12).collect();
    format!("{ACCOUNT_PREFIX}{installation}-{intent}")
}
