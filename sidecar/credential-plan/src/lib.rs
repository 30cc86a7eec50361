//! What to do about credentials, as functions of values: the next step of a keeper ([`plan`],
//! [`login_check`]), what the ImagePullSecrets that use a credential ask for ([`order`]) and are told
//! ([`event`]), requests that a person makes once ([`request`]), and when a changed login replaces the one
//! that is distributed ([`rollout`]).
//!
//! Imports `custom-resource` (after a restart the status is all that is known) and `distribution` (for
//! digests). Absent: clients, clocks, and the execution of steps, which is the crate `credential`.

mod desired;
pub mod domains;
pub mod event;
pub mod key;
mod later;
pub mod login_check;
mod observed;
pub mod order;
mod ownership;
pub mod plan;
mod renewal;
pub mod request;
pub mod rollout;
mod stored;

pub use event::CredentialEvent;
pub use key::Key;
pub use order::Order;
