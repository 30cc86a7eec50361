//! What to do about credentials, as functions of values: the next step of who keeps the credential of an instance
//! ([`plan`], [`login_check`]), what its users want ([`order`]) and are told ([`event`]), and when a login takes the place of
//! the one that is distributed ([`rollout`]). What a person asks for once is [`request`].
//!
//! Imports `custom-resource` (a status is what is known after a restart) and `distribution` (for digests). Absent: clients,
//! clocks, and who carries a step out, which is the crate `credential`.

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
