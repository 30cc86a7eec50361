//! hosts-updater keeps one block of the node's hosts file as the ConfigMap `updater-config` says,
//! and touches no other byte of it.
//!
//! `args -> run -> agent`: the agent reads the list ([`config`], within [`bounds`]), decides which lines
//! are to be ours and lets [`hosts_file`] put them in place ([`block::merge`], pure). What it did is a
//! [`report::Report`], which probes ([`state_file`]) and the metrics address ([`metrics_server`])
//! show. Entries of private links wait for an answer of their address ([`link`], pure; [`probe`]).
//! Nothing here talks to the cluster's API. The process that does all this is confined ([`confine`])
//! and opens no file; another one opens and writes for it ([`keeper`]).

pub mod address_range;
pub mod agent;
pub mod args;
pub mod block;
pub mod bounds;
pub mod config;
pub mod confine;
pub mod diff;
pub mod hosts_file;
pub mod keeper;
pub mod link;
pub mod location;
pub mod message;
pub mod metrics_server;
pub mod names;
pub mod network;
pub mod nsswitch;
pub mod probe;
pub mod report;
pub mod resolver;
pub mod run;
pub mod state_file;
pub mod watch;
