//! Host calls of any guest, to an API server that remembers what it was asked.

mod cluster;
mod hostile_guests;

#[path = "../../../../tests/fuzz/src/host_calls_oracle.rs"]
mod oracle;
#[path = "../../../../tests/fuzz/src/recording_api_server.rs"]
mod recording_api_server;
