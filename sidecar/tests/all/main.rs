//! The controller against the cloud's double, in one process and as the built program.

mod api_identity;
mod cli;
mod client;
mod faults;
mod port;
mod registry;
mod secrecy;
mod server;
mod setup;
mod tls;
