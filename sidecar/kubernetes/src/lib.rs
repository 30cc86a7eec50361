//! Access to the API server, whatever the object: errors and deadlines, bodies reduced as they arrive, call
//! metrics, and leader election.
//!
//! Imports no other crate of this folder.

pub mod api_calls;
pub mod api_error;
pub mod lease;
pub mod projection;
pub mod reduced_bodies;
