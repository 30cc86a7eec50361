//! The host capabilities of a policy, and the sources of their answers.

pub use ::host_capabilities::*;

mod asked;
mod certificate;
mod dns;
mod images;
pub mod online;
pub mod recording;
pub mod session;
