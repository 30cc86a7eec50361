//! What people ask of the controller once: `rotate`, `revoke` and `instances`.
//!
//! Only the controller can sign calls of Tencent Cloud where it has a Pod's identity, so it is asked by an annotation with
//! an id of its own, and answers in the status ([`custom_resource::request`]). Needs the rights to get and patch
//! ImagePullSecrets.

pub mod ask;
pub mod instances;
pub mod revoke;
pub mod rotate;

use serde::Serialize;

use custom_resource::RequestStatus;

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The ImagePullSecret on which it was asked.
    pub image_pull_secret: String,
    #[serde(flatten)]
    pub request: RequestStatus,
}

impl Outcome {
    /// For people.
    pub fn text(&self) -> String {
        let Self { image_pull_secret, request: RequestStatus { state, message, .. } } = self;
        format!("{image_pull_secret}: {state}: {message}\n")
    }
}
