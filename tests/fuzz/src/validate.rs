//! The policy's whole entry, from the bytes of a payload to the bytes of its answer.

#![no_main]

mod validate_oracle;

libfuzzer_sys::fuzz_target!(|input: &[u8]| validate_oracle::check(input));
