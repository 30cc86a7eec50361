//! What the ImagePullSecrets that use a credential ask of its keeper.

use std::time::Duration;

use custom_resource::request::Asked;
use tcr::image_pull_secret::OnDelete;

/// What the ImagePullSecrets that use a credential ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Renew a credential that the instance lists once it is older than this.
    pub rotate_after: Option<Duration>,
    /// How long each service account is valid.
    pub validity: Option<Duration>,
    /// Whether the credential is revoked when no ImagePullSecret uses it any more.
    pub on_delete: OnDelete,
    /// The [version](crate::plan::Held::version) of the credential in use, once no copy of an earlier one is
    /// left.
    pub rolled_out: Option<String>,
    /// The request that a person makes.
    pub request: Option<Asked>,
    /// At least one ImagePullSecret that uses it is not being deleted. Otherwise the existing credential is
    /// kept, and no other one is made.
    pub is_needed: bool,
    /// No ImagePullSecret uses it any more.
    pub is_over: bool,
    /// How often that was taken back: a keeper need not have seen each order.
    pub taken_back: u32,
}
