//! What is asked of a credential.

use std::time::Duration;

use tcr::image_pull_secret::CredentialKind;

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
