//! The harness as its users meet it: guests of every sort, the command line, registries.

mod bad_guests;
mod bad_input;
mod bench;
mod cases;
mod custom_resources;
mod groups;
mod host_calls;
mod host_failure;
mod hostile;
mod hostile_guests;
mod http2;
mod https_modules;
mod library;
mod listener;
mod packaging;
mod queue;
mod registries;
mod run;
mod scaffold;
mod sdk_policy;
mod serve;
mod serve_log;
mod server;
mod store;
mod support;
mod wasi;
