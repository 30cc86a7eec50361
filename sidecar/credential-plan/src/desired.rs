//! The desired state of a credential.

use std::time::Duration;

use tcr::image_pull_secret::CredentialKind;

/// The desired state of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Desired {
    /// Whether it is long-term, temporary, or a service account.
    pub kind: CredentialKind,
    /// Renew a credential that the instance lists once it is older than this.
    pub rotate_after: Option<Duration>,
    /// Whether login checks are on.
    pub checks_logins: bool,
    /// No copy of a credential before the one in use is left.
    pub is_rolled_out: bool,
    /// At least one ImagePullSecret that uses it is not being deleted. Otherwise the existing credential is
    /// kept, and no other one is made.
    pub is_needed: bool,
}
