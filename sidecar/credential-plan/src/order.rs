//! What the users of a credential want of who keeps it.

use std::time::Duration;

use tcr::image_pull_secret::OnDelete;

/// What the users of a credential want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Renew a long-term credential after this.
    pub rotate_after: Option<Duration>,
    /// What becomes of it with its last user.
    pub on_delete: OnDelete,
    /// No copy of a credential before the one in use is left.
    pub is_rolled_out: bool,
    /// There is no user any more.
    pub is_over: bool,
}
