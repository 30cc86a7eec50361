//! What a policy may ask its host, and where the answers come from.

pub use ::host_capabilities::*;

mod asked;
mod certificate;
mod dns;
mod images;
pub mod online;
pub mod recording;
pub mod session;
