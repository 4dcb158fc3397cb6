//! Feeds [`nameplate_fuzz::suffixes`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| nameplate_fuzz::suffixes(input));
