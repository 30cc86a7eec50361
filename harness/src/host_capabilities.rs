//! What a policy may ask its host, and where the answers come from.

pub use ::host_capabilities::*;

pub mod session;
