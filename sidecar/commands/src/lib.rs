//! What people run against a cluster, or without one: `explain`, `status`, `doctor`, `rotate`, `revoke`, `instances`,
//! `render`, `cleanup`, `withdraw-hosts`.
//!
//! Each reads with the user's own rights. May import every other crate of this folder; knows no command line.

pub mod cleanup;
pub mod doctor;
pub mod explain;
pub mod output;
pub mod overview;
pub mod reader;
pub mod render;
pub mod request;
pub mod server_time;
pub mod table;
pub mod withdraw;
