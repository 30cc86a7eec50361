//! The domain of tcr-assistant: image references, registry hosts, selection, the rules an
//! ImagePullSecret must obey, and the Secret it leads to.
//!
//! Everything here is a synchronous function over values. There is no client, clock, file,
//! environment or log in this crate, and it builds for wasm32 as well as for the host, so the
//! admission policy and the controller decide with the same code.

// What every other crate builds on: each item says what it means.
#![warn(missing_docs)]

pub mod address;
pub mod backoff;
pub mod checksum;
pub mod credential_id;
pub mod dns;
pub mod docker_config;
pub mod exposition;
pub mod go_duration;
pub mod hex;
pub mod hosts_entry;
pub mod image_name;
pub mod image_pull_secret;
pub mod image_ref;
pub mod label_selector;
pub mod name_list;
pub mod names;
pub mod pull_rights;
pub mod region;
pub mod registry_host;
pub mod resource_id;
pub mod rules;
pub mod selection;
pub mod sensitive;
pub mod sentence;
pub mod shortened;
pub mod tenants;
pub mod verdict;
pub mod write_limits;

mod object_name;
mod quoted;
#[cfg(feature = "schema")]
mod schema;
