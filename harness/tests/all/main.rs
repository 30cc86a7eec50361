//! The harness as its users meet it: guests of every sort, the command line, registries.

mod bad_guests;
mod bad_input;
mod cases;
mod host_calls;
mod host_failure;
mod hostile;
mod http2;
mod library;
mod listener;
mod packaging;
mod queue;
mod registries;
mod run;
mod sdk_policy;
mod serve;
mod serve_log;
mod server;
mod support;
mod wasi;
