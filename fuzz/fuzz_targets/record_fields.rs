//! Feeds [`nameplate_fuzz::record_fields`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| nameplate_fuzz::record_fields(input));
