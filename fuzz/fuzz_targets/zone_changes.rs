//! Feeds [`nameplate_fuzz::zone_changes`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| nameplate_fuzz::zone_changes(input));
