//! A policy's host calls, from any guest, to an API server that remembers what it was asked.

#![no_main]

mod host_calls_oracle;
mod recording_api_server;

libfuzzer_sys::fuzz_target!(|input: &[u8]| host_calls_oracle::check(input));
