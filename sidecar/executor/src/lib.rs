//! Carries out the plan of one namespace, in order. A write that is refused stops what depends on it, and that only.
//!
//! [`carry_out()`] says what is asked of the API server and what its answers mean; who asks it is a [`NamespaceApi`]: the
//! controller's client, or the model of an API server in a simulation. `progress` is how far a job is.
//!
//! # What is not here
//! May import `distribution`, `kubernetes` (for the API server's errors) and `tcr`. Absent: clients, clocks, tasks, and the
//! form that Secrets and patches have.

mod carry_out;
mod namespace_api;
mod progress;

pub use carry_out::carry_out;
pub use namespace_api::{NamespaceApi, WholeSecret};
use progress::Progress;
