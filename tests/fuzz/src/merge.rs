//! The merge of our block into a hosts file, from any bytes.

#![no_main]

mod merge_oracle;

libfuzzer_sys::fuzz_target!(|file: &[u8]| merge_oracle::check(file));
