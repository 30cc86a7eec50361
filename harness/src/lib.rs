//! A wasmtime host for Kubewarden waPC policies.
//!
//! It knows a policy only as bytes. A [`Host`] holds the engine and the limits, a [`Policy`] is a
//! compiled module, and each question runs in an instance of its own:
//!
//! ```no_run
//! use harness::{Host, HostOptions, Policy, Settings};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let host = Host::new(HostOptions::default())?;
//! let policy = Policy::load(&host, &std::fs::read("policy.wasm")?)?;
//! let settings = Settings::parse("registries: []")?;
//! policy.validate_settings(&settings)?;
//! let answer: Vec<u8> = policy.review(&std::fs::read("review.json")?, &settings)?;
//! # Ok(())
//! # }
//! ```
//!
//! The conventions are Kubewarden's throughout: the interface between host and guest, the metadata
//! inside the module, the texts and codes of answers, the layout in a registry, kwctl's flags.

pub mod call;
mod call_state;
pub mod cases;
pub mod cli;
mod context;
pub mod document;
mod evaluation;
mod evaluator;
mod guest_output;
mod host;
pub mod host_capabilities;
mod linked_module;
pub mod metadata;
mod module_cache;
pub mod policies_file;
mod policy;
mod policy_group;
pub mod registry;
pub mod serve;
mod settings;
mod slots;
pub mod store;
mod ticker;
mod wapc;
mod wasi;
pub mod wasm_section;
mod whole_file;

/// Requests and answers; in a crate of their own, because the fuzzer builds it without the engine.
pub use admission_review::{
    AdmissionResponse, Evaluation, Request, RequestError, Status, StatusCause, StatusDetails, patch,
};
pub use call::Outcome;
pub use evaluator::Evaluator;
pub use host::{DEFAULT_MEMORY_LIMIT_MIB, Host, HostError, HostOptions};
pub use linked_module::{Interface, LoadError};
/// Manifests as requests; in a crate of its own, because the page asks with the same requests.
pub use manifest;
pub use module_cache::ModuleCache;
pub use policy::{Policy, SettingsError, Warm};
pub use policy_group::{Expression, ExpressionError, PolicyGroup};
pub use settings::{Settings, SettingsFormatError};
