//! The controller against the cloud's double, in one process and as the built program.

mod cli;
mod client;
mod faults;
mod secrecy;
mod server;
mod setup;
mod tls;
