//! The controller's decisions, as one value that is told what happens and says what is to be done.
//!
//! ```text
//!   watches ─┐
//!   answers ─┤                              ┌─► jobs in namespaces (read, create, patch, delete)
//!   keepers ─┼─► Input ─► Reconciler::step ─┼─► statuses, finalizers, Events
//!   links   ─┤        (state, queue, Now)    ├─► orders to keepers, requests of private links
//!   time    ─┘                              └─► questions to registries
//! ```
//!
//! [`input`] says what each input means and in which order they may come, [`effect`] the same of effects. A step is
//! [`Reconciler::step`]; it says when the next one is due. [`Reconciler::metrics`] answers a question and changes nothing.
//!
//! # From below to above
//! - `state` is what there is and what shall be, `queue` and `backlog` whose turn it is, `failures` what was refused, and `distributor` all
//!   together: one namespace is one unit of work ([`distribution::job`]).
//! - `item` is one ImagePullSecret ([`object`], [`password`]): its content, and when its status and finalizers are written
//!   ([`status`]).
//! - `keepers` is which credentials are kept, `links` which private links are asked for ([`link_request`]), `pods` which Pods
//!   cannot pull.
//! - [`Reconciler`] is all of them, and what one means for another.
//!
//! # What is not here
//! May import `distribution`, `credential-plan`, `custom-resource` and `tcr`. Absent: clients, clocks, channels, tasks,
//! randomness and logs. Nothing depends on the order of a hash: the same inputs at
//! the same moments give the same effects, which is what a simulation needs, and what a bug report can repeat.

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
