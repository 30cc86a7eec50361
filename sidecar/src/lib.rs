//! The program `tcr-assistant`: reads the command line and wires. What it does is in the crates beside it.

pub mod args;
