//! What the users of a credential want of who keeps it.

use std::time::Duration;

use custom_resource::request::Asked;
use tcr::image_pull_secret::OnDelete;

/// What the users of a credential want.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Renew a credential that the instance lists after this.
    pub rotate_after: Option<Duration>,
    /// How long each service account is valid.
    pub validity: Option<Duration>,
    /// What becomes of it with its last user.
    pub on_delete: OnDelete,
    /// The [version](crate::plan::Held::version) of the credential of which every copy is: no copy of one before it is left.
    pub rolled_out: Option<String>,
    /// What somebody asks for once.
    pub request: Option<Asked>,
    /// One of its users is there to stay. Otherwise what there is is kept, and nothing else is made.
    pub is_needed: bool,
    /// There is no user any more.
    pub is_over: bool,
}
