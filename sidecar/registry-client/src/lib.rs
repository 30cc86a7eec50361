//! Asks a registry whether it accepts a credential, and whether an image can be pulled with it: as a
//! container runtime asks before a pull, and no further.
//!
//! # Guarantees
//! An ImagePullSecret's author names the host, so a password goes over HTTPS only, to that host or to a token
//! service that the host names and that is on it or allowed by the operator; never across a redirect; and
//! never to an address at which no registry can be ([`tcr::address`]), unless the operator named that
//! address.
//!
//! Imports `tencent-cloud` only for an endpoint's form. Absent: Kubernetes, and the use of the answers.

pub mod challenge;
pub mod check;
pub mod pull;

pub use check::{Checker, Settings};
pub use pull::PullAnswer;
pub use tcr::verdict::Verdict;
