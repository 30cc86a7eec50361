//! Requests that people make once: `rotate`, `revoke` and `instances`.
//!
//! Only the controller can sign calls of Tencent Cloud where it has a Pod's identity, so a request is an
//! annotation with an id of its own, and the answer is in the status ([`custom_resource::request`]). Needs
//! the rights to get and patch ImagePullSecrets.

pub mod ask;
pub mod instances;
pub mod revoke;
pub mod rotate;

use serde::Serialize;

use custom_resource::RequestStatus;

/// The result of a request.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The ImagePullSecret with the request.
    pub image_pull_secret: String,
    #[serde(flatten)]
    pub request: RequestStatus,
}

impl Outcome {
    /// The result for people.
    pub fn text(&self) -> String {
        let Self { image_pull_secret, request: RequestStatus { state, message, .. } } = self;
        format!("{image_pull_secret}: {state}: {message}\n")
    }
}
