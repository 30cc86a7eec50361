//! The controller of tcr-assistant: obtains TCR credentials, keeps them valid and distributes them.
//!
//! Arrows go one way: `args` -> `controller`, `cleanup`, `render`, `explain`, `overview` -> `cloud` (the adapter that talks to Tencent
//! Cloud), `registry` (the one that asks registries) -> pure values (`distribution`, `credential::plan`, `private_link`, `crd`, `secret`,
//! `domains`, and the crate `tcr`). Decisions are functions over values; only `args` knows the
//! command line.

pub mod args;
pub mod cleanup;
pub mod cloud;
pub mod controller;
pub mod crd;
pub mod credential;
pub mod distribution;
pub mod domains;
pub mod explain;
pub mod mark;
pub mod output;
pub mod overview;
pub mod private_link;
pub mod reader;
pub mod registry;
pub mod render;
pub mod secret;
pub mod webhook_certificate;
pub mod withdraw;
pub mod yaml;
