//! The double as others meet it: over TCP, with requests signed by hand, as a library and as a program.

mod admin;
mod api;
mod client;
mod program;
mod token_service;
mod vendor;
