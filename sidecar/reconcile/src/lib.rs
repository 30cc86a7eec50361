//! The controller's decisions: one value that takes inputs and returns effects.
//!
//! ```text
//!   watches ─┐
//!   answers ─┤                              ┌─► jobs in namespaces (read, create, patch, delete)
//!   keepers ─┼─► Input ─► Reconciler::step ─┼─► statuses, finalizers, Events
//!   links   ─┤        (state, queue, Now)    ├─► orders to keepers, requests of private links
//!   time    ─┘                              └─► questions to registries
//! ```
//!
//! [`input`] documents each input and the order in which inputs may come, [`effect`] the same of effects. A
//! step is [`Reconciler::step`]; it returns when the next one is due. [`Reconciler::metrics`] only reads.
//!
//! # From below to above
//! - `state` is the observed and the desired state, `queue` and `backlog` the order of work, `failures` the
//!   refused writes, and `distributor` all of them together: one namespace is one unit of work
//!   ([`distribution::job`]).
//! - `item` is one ImagePullSecret ([`object`], [`password`]): its content, and when its status and
//!   finalizers are written ([`status`]).
//! - `keepers` is which credentials have a keeper, `links` which private links are requested
//!   ([`link_request`]), `pods` which Pods cannot pull.
//! - [`Reconciler`] is all of them, and how a change of one affects the others.
//!
//! # Imports
//! May import `distribution`, `credential-plan`, `custom-resource` and `tcr`. Absent: clients, clocks,
//! channels, tasks, randomness and logs. Nothing depends on the order of a hash map: the same inputs at the
//! same moments give the same effects, so that a simulation or a bug report can be replayed.

pub mod effect;
pub mod input;
pub mod link_request;
pub mod metrics;
pub mod nodes;
pub mod object;
pub mod overlap;
pub mod password;
pub mod status;

mod backlog;
mod contested;
mod distributed;
mod distributor;
mod failures;
mod item;
mod keepers;
mod links;
mod pods;
mod queue;
mod reconciler;
mod relist;
mod request;
mod state;

pub use effect::Effect;
pub use input::{Input, Now};
pub use reconciler::{Config, Reconciler};
pub use request::TAKEN_UP_WITHIN;
