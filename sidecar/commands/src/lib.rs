//! The commands that people run against a cluster, or without one: `explain`, `status`, `plan`, `secrets`,
//! `events`, `doctor`, `rotate`, `revoke`, `instances`, `nodes`, `render`, `cleanup`, `withdraw-hosts`.
//!
//! Each reads with the user's own rights. May import every other crate of this folder. Absent: the command
//! line.

pub mod age;
pub mod cleanup;
pub mod completion;
pub mod doctor;
pub mod events;
pub mod explain;
pub mod nodes;
pub mod output;
pub mod overview;
pub mod plan;
pub mod reader;
pub mod render;
pub mod request;
pub mod secrets;
pub mod server_time;
pub mod table;
pub mod withdraw;
