//! What the API server says and is told, whatever the object: errors and deadlines, bodies reduced as they come, calls
//! counted, and the lease by which one of several processes leads.
//!
//! Imports no other crate of this folder.

pub mod api_calls;
pub mod api_error;
pub mod lease;
pub mod projection;
pub mod reduced_bodies;
