//! A guest's answer to a review, from any guest.

#![no_main]

mod guest_answer_oracle;

libfuzzer_sys::fuzz_target!(|input: &[u8]| guest_answer_oracle::check(input));
