//! Feeds [`nameplate_fuzz::names`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| nameplate_fuzz::names(input));
