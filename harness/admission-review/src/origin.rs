//! policy-server's three endpoints: what each takes, and how it answers.

use crate::request::{Request, RequestError};
use crate::response::AdmissionResponse;

/// Which endpoint a review came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `/validate`: an admission.
    Validate,
    /// `/audit`: the audit scanner, which wants the policy's own answer.
    Audit,
    /// `/validate_raw`: an admission of something else than a Kubernetes object.
    Raw,
}

impl Origin {
    /// The word in the metrics (`request_origin`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Validate | Self::Raw => "validate",
        }
    }

    /// The request in a body.
    ///
    /// # Errors
    /// When the body is not what this endpoint takes.
    pub fn read(self, body: &[u8]) -> Result<Request<'_>, RequestError> {
        match self {
            Self::Validate | Self::Audit => Request::from_review(body),
            Self::Raw => Request::raw_from_body(body),
        }
    }

    /// The body of the answer.
    pub fn encode(self, answer: &AdmissionResponse) -> Vec<u8> {
        match self {
            Self::Validate | Self::Audit => answer.to_review(),
            Self::Raw => answer.to_raw(),
        }
    }
}
