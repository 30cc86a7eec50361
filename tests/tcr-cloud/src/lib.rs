//! A test double of Tencent Cloud's API for TCR: it knows accounts and registry instances, checks
//! every request as strictly as the real gateway does (signature, clock, parameters, rate), mints
//! credentials and service accounts, and misbehaves on demand. It is also the token server that an instance's registry names
//! ([`Cloud::token_service`]), so that a real registry lets in exactly what was minted here; the security
//! token service that lends a [`Role`] to a Pod; and the metadata of the [`Machine`] one is on.
//!
//! ```no_run
//! use tcr_cloud::{Cloud, Config, Fault};
//!
//! let cloud = Cloud::start(Config::demo())?;
//! cloud.inject(Fault::dropped().on("CreateInstanceToken").after_effect().times(1));
//! // ... point the program under test at cloud.url() ...
//! assert_eq!(cloud.live_tokens().len(), 1);
//! # Ok::<(), tcr_cloud::StartError>(())
//! ```
//!
//! The checks and the state are synchronous code over values with a clock of their own
//! ([`Cloud::advance`]); the network is a thin shell around them. The crate uses nothing of the
//! product, its signature code included, so that an error cannot be on both sides unseen.
//! Everything that the public documentation leaves open is decided in the place that does it, with
//! a comment that says so.

mod account;
mod action;
mod admin;
mod call;
mod clock;
mod cloud;
mod config;
mod connection;
mod envelope;
mod fault;
mod gateway;
mod http;
mod instance;
mod machine;
mod metadata;
mod parameter;
mod random;
mod rate_limit;
mod region;
mod role;
mod scope;
mod secret;
mod service_account;
mod session_policy;
#[cfg(test)]
mod signed;
mod signer;
mod sts;
mod tc3;
mod token;
mod token_request;
mod token_service;
mod world;

pub use account::Account;
pub use call::Call;
pub use cloud::{Cloud, StartError};
pub use config::{Config, ConfigError};
pub use fault::{Fault, FaultKind, When};
pub use instance::{CustomDomain, Instance, PrivateDns, Tag, VpcLink};
pub use machine::Machine;
pub use role::{OidcProvider, Role};
pub use scope::Access;
pub use secret::Secret;
pub use service_account::{Permission, ServiceAccountRecord};
pub use signer::KeyError;
pub use token::{TokenKind, TokenRecord};
pub use token_request::{TokenRefusal, TokenRequest};
pub use token_service::TokenService;
