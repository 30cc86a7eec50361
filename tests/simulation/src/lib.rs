//! A simulated cluster around the controller's own decisions.
//!
//! The product's reconciler, executor of jobs and credential keepers run against a model of the API server, of Tencent's
//! API and of a registry, in which nothing happens but what a history says: which watch tells how much, what becomes of
//! which call, when a process is killed or superseded, and what everybody else does meanwhile. One seed is one history.
//! When it is over, everybody else stops: first all has to become right that nothing refuses any more, then everything,
//! and quiet.
//!
//! ```text
//!   action (draws a history) ──► history ──► process (reconciler, executor, keepers) ──► world (calls) ──► cluster, cloud
//!                                   │                                            │
//!                                   └──► others                                  └──► invariants
//! ```
//!
//! What the model simplifies: Pods, private links and the custom resource's definition are not in it; a list is what
//! there was at one moment.

pub mod action;
mod api_server;
pub mod call;
pub mod caller;
pub mod campaign;
pub mod cloud;
pub mod cluster;
pub mod fault;
pub mod history;
pub mod in_flight;
pub mod invariants;
pub mod others;
pub mod process;
pub mod random;
pub mod refusal;
pub mod services;
pub mod shrink;
pub mod spec;
pub mod view;
pub mod world;
pub mod writer;
