//! The body of a review, from any caller.

#![no_main]

mod review_body_oracle;

libfuzzer_sys::fuzz_target!(|input: &[u8]| review_body_oracle::check(input));
