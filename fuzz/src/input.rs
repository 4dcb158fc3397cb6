//! Input of the fuzzer as text and as names, and what holds of every message.

use std::{borrow::Cow, fmt};

use nameplate::name::DnsName;

/// Returns the input as text: what is not UTF-8 is replaced.
pub(crate) fn text(input: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(input)
}

pub(crate) fn name(text: &str) -> DnsName {
    text.parse().unwrap()
}

/// Checks that a message can be printed: one line that says something, and nothing that moves a
/// cursor or turns the text around.
pub(crate) fn check_message(message: impl fmt::Display) {
    let message = message.to_string();
    assert!(!message.is_empty());
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!message.contains(harmful), "{message:?}");
}
