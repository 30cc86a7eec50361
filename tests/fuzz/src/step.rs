//! The controller's decisions, told anything in any order.

#![no_main]

mod step_inputs;
mod step_oracle;

libfuzzer_sys::fuzz_target!(|input: &[u8]| step_oracle::check(input));
