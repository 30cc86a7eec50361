//! Admission reviews, independent of the policy: from the bytes of a body to the request in it, and from the
//! bytes of a policy's answer to those for Kubernetes.
//!
//! ```
//! use admission_review::{Evaluation, Origin};
//!
//! let body = br#"{"request":{"uid":"u","a":1}}"#;
//! let request = Origin::Raw.read(body)?;
//! let evaluation = Evaluation::of_answer(&request, br#"{"accepted":true}"#);
//! assert!(Origin::Raw.encode(&evaluation.response).starts_with(br#"{"response":{"uid":"u","allowed":true"#));
//! # Ok::<(), admission_review::RequestError>(())
//! ```
//! Pure, and without an engine: input from callers and guests is fuzzed here (`./justw fuzz 60 review_body`,
//! `./justw fuzz 60 guest_answer`). Names, texts and codes are Kubewarden's.
//! 60 guest_answer`). Names, texts and codes are Kubewarden's.

mod json;
mod origin;
pub mod patch;
mod rejection;
mod request;
mod response;
mod subject;

pub use json::JsonError;
pub use origin::Origin;
pub use rejection::Rejection;
pub use request::{Request, RequestError};
pub use response::{AdmissionResponse, Evaluation, Status, StatusCause, StatusDetails};
pub use subject::{Subject, namespace_of_beginning};
