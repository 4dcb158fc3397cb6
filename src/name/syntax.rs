//! From what was typed to the canonical form of a [`DomainName`](super::DomainName).

use std::net::{IpAddr, SocketAddr};

use idna::{
    AsciiDenyList, punycode,
    uts46::{DnsLength, Hyphens, Uts46},
};

use super::error::{DomainNameError, NameRule};

/// Longest input that is looked at, in bytes. A name of 253 octets needs far less in any spelling.
const INPUT_LIMIT: usize = 4096;

/// Longest name without its final dot, in octets; RFC 1035 section 2.3.4 has 255 on the wire.
const NAME_LIMIT: usize = 253;

/// Longest label, in octets, RFC 1035 section 2.3.4.
const LABEL_LIMIT: usize = 63;

/// The characters that separate labels, UTS #46 section 2.3.
const DOTS: [char; 4] = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];

/// One label of the input.
#[derive(Clone, Copy)]
pub(super) struct Label<'a> {
    /// Its number, counted from 0.
    pub(super) index: usize,
    /// Where it starts, in characters of the input.
    pub(super) start: usize,
    /// What it says.
    pub(super) text: &'a str,
}

/// What a look at ASCII labels found beside that they are valid.
#[derive(Clone, Copy, Default)]
struct Seen {
    upper: bool,
    punycode: bool,
}

/// Returns the canonical form of `input`: A-labels in lower case, no final dot.
pub(super) fn canonical(input: &str) -> Result<Box<str>, DomainNameError> {
    if input.len() > INPUT_LIMIT {
        return Err(DomainNameError::whole(NameRule::TooLong, input));
    }
    let name = input.strip_suffix(DOTS).unwrap_or(input);
    if name.is_empty() {
        return Err(DomainNameError::whole(NameRule::Empty, input));
    }
    if name.is_ascii() { ascii(name) } else { unicode(name) }
}

/// Returns the canonical form of a name in ASCII.
fn ascii(name: &str) -> Result<Box<str>, DomainNameError> {
    let seen = check(name, labels(name, &['.']))?;
    if !seen.upper && !seen.punycode {
        return Ok(name.into());
    }
    let lower = name.to_ascii_lowercase();
    if seen.punycode {
        let valid = process(rest(&lower)).is_some_and(|text| text == rest(&lower));
        if !valid {
            return Err(blame(name));
        }
        check_punycode(&lower, name)?;
    }
    Ok(lower.into())
}

/// Returns the canonical form of a name with other characters than ASCII.
fn unicode(name: &str) -> Result<Box<str>, DomainNameError> {
    let mut count = 0;
    for label in labels(name, &DOTS) {
        count += 1;
        // 127 labels fill a name.
        if count > NAME_LIMIT / 2 + 1 {
            return Err(DomainNameError::whole(NameRule::TooLong, name));
        }
        if label.text.is_ascii() {
            check_label(label)?;
        } else {
            check_ascii_characters(label)?;
        }
    }
    let wildcard = name.len() > rest(name).len();
    let Some(mapped) = process(rest(name)) else {
        return Err(blame(name));
    };
    let text = if wildcard { format!("*.{mapped}") } else { mapped };
    // UTS #46 turns labels into labels, one to one: what is wrong with one is wrong with the other.
    let seen = check(&text, labels(&text, &['.'])).map_err(|error| {
        match error.label().and_then(|number| labels(name, &DOTS).nth(number - 1)) {
            Some(label) => DomainNameError::label_of(error.rule(), label),
            None => DomainNameError::whole(error.rule(), name),
        }
    })?;
    if seen.punycode {
        check_punycode(&text, name)?;
    }
    Ok(text.into())
}

/// Returns the labels of `name` with their places.
fn labels<'a>(name: &'a str, dots: &'a [char]) -> impl Iterator<Item = Label<'a>> {
    let mut start = 0;
    name.split(dots).enumerate().map(move |(index, text)| {
        let label = Label { index, start, text };
        start += if text.is_ascii() { text.len() } else { text.chars().count() } + 1;
        label
    })
}

/// Returns `name` without a leading `*` label.
fn rest(name: &str) -> &str {
    name.strip_prefix('*').and_then(|rest| rest.strip_prefix(DOTS)).unwrap_or(name)
}

/// Checks a name in ASCII, but for what is behind `xn--`.
fn check<'a>(name: &str, labels: impl Iterator<Item = Label<'a>>) -> Result<Seen, DomainNameError> {
    let mut seen = Seen::default();
    let mut last = None;
    for label in labels {
        let found = check_label(label).map_err(|error| match error.rule() {
            NameRule::Character | NameRule::EmptyLabel | NameRule::Url if is_address(name) => {
                DomainNameError::whole(NameRule::Address, name)
            }
            _ => error,
        })?;
        seen.upper |= found.upper;
        seen.punycode |= found.punycode;
        last = Some(label);
    }
    let Some(last) = last else {
        return Err(DomainNameError::whole(NameRule::Empty, name));
    };
    if is_number(last.text) {
        return Err(if name.split('.').all(is_number) {
            DomainNameError::whole(NameRule::Address, name)
        } else {
            DomainNameError::label_of(NameRule::NumericTld, last)
        });
    }
    if last.index == 0 {
        return Err(if last.text == "*" {
            DomainNameError::at(NameRule::Wildcard, last, 0)
        } else if seen.punycode && process(name).is_none() {
            DomainNameError::label_of(NameRule::Punycode, last)
        } else {
            DomainNameError::whole(NameRule::SingleLabel, name)
        });
    }
    if name.len() > NAME_LIMIT {
        return Err(DomainNameError::whole(NameRule::TooLong, name));
    }
    Ok(seen)
}

/// Checks a label in ASCII, but for what is behind `xn--`.
fn check_label(label: Label<'_>) -> Result<Seen, DomainNameError> {
    let bytes = label.text.as_bytes();
    let mut seen = Seen::default();
    if label.index == 0 && label.text == "*" {
        return Ok(seen);
    }
    for (position, byte) in bytes.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => {}
            b'A'..=b'Z' => seen.upper = true,
            _ => return Err(refuse_character(label, position, char::from(*byte))),
        }
    }
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return Err(DomainNameError::label_of(NameRule::EmptyLabel, label));
    };
    if *first == b'-' {
        return Err(DomainNameError::at(NameRule::Hyphen, label, 0));
    }
    if *last == b'-' {
        // `xn--` with nothing behind it, or a label that decodes to ASCII, is better called by name.
        return Err(if is_a_label(bytes) {
            DomainNameError::label_of(NameRule::Punycode, label)
        } else {
            DomainNameError::at(NameRule::Hyphen, label, bytes.len() - 1)
        });
    }
    if bytes.get(2..4) == Some(b"--") {
        if !is_a_label(bytes) {
            return Err(DomainNameError::at(NameRule::Hyphen, label, 2));
        }
        seen.punycode = true;
    }
    if bytes.len() > LABEL_LIMIT {
        return Err(DomainNameError::label_of(NameRule::LabelTooLong, label));
    }
    Ok(seen)
}

/// Checks the ASCII characters of a label that has others too.
fn check_ascii_characters(label: Label<'_>) -> Result<(), DomainNameError> {
    let wrong = |(_, c): &(usize, char)| c.is_ascii() && !c.is_ascii_alphanumeric() && *c != '-';
    match label.text.chars().enumerate().find(wrong) {
        Some((position, c)) => Err(refuse_character(label, position, c)),
        None => Ok(()),
    }
}

/// Says what an ASCII character that is in no host name does there.
fn refuse_character(label: Label<'_>, position: usize, c: char) -> DomainNameError {
    let rule = match c {
        '*' => NameRule::Wildcard,
        '/' | ':' | '@' | '?' | '#' => NameRule::Url,
        _ => NameRule::Character,
    };
    DomainNameError::at(rule, label, position)
}

/// Checks that every A-label of `name`, which UTS #46 accepts, is how its U-label is written.
fn check_punycode(name: &str, input: &str) -> Result<(), DomainNameError> {
    for (label, given) in labels(name, &['.']).zip(labels(input, &DOTS)) {
        let Some(encoded) = label.text.strip_prefix("xn--") else { continue };
        let round_trips = punycode::decode_to_string(encoded).is_some_and(|decoded| {
            !decoded.is_ascii() && punycode::encode_str(&decoded).as_deref() == Some(encoded)
        });
        if !round_trips {
            return Err(DomainNameError::label_of(NameRule::Punycode, given));
        }
    }
    Ok(())
}

/// Processes a name by UTS #46 section 4.2: non-transitional, STD 3, hyphens, bidi, joiners.
///
/// Lengths are left to [`check`], which can say where.
fn process(name: &str) -> Option<String> {
    Uts46::new()
        .to_ascii(name.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Ignore)
        .ok()
        .map(std::borrow::Cow::into_owned)
}

/// Finds the label and the rule for which [`process`] refuses `name`.
///
/// The idna crate says only that it refuses, so this asks it about ever smaller parts.
fn blame(name: &str) -> DomainNameError {
    let labels = || labels(name, &DOTS).filter(|label| label.text != "*");
    if let Some(label) = labels().find(|label| process(label.text).is_none()) {
        if is_a_label(label.text.as_bytes()) {
            return DomainNameError::label_of(NameRule::Punycode, label);
        }
        return blame_label(label);
    }
    // Every label is right alone, so what is left is the rule about all labels of a bidi name.
    let wrong = |label: &Label<'_>| process(&format!("{}.\u{5d0}", label.text)).is_none();
    match labels().find(wrong) {
        Some(label) => DomainNameError::label_of(NameRule::Bidi, label),
        None => DomainNameError::whole(NameRule::Idna, name),
    }
}

/// Finds the rule for which [`process`] refuses `label`, which is no A-label.
fn blame_label(label: Label<'_>) -> DomainNameError {
    let refused = |before: &str, text: &str| process(&format!("{before}{text}")).is_none();
    let mut right_to_left = false;
    for (position, c) in label.text.chars().enumerate().take(LABEL_LIMIT) {
        if matches!(c, '\u{200c}' | '\u{200d}') {
            return DomainNameError::at(NameRule::Joiner, label, position);
        }
        if c.is_ascii() {
            continue;
        }
        // Alone it may be a mark without a base, or a digit of the other direction.
        let text = c.encode_utf8(&mut [0; 4]).to_owned();
        let after_latin = refused("a", &text);
        if after_latin && refused("", &text) && refused("\u{5d0}", &text) {
            return DomainNameError::at(NameRule::Character, label, position);
        }
        right_to_left |= after_latin;
    }
    // A mark at the start.
    if !refused("a", label.text) {
        return DomainNameError::at(NameRule::Character, label, 0);
    }
    let hyphens = Uts46::new().to_ascii(
        label.text.as_bytes(),
        AsciiDenyList::STD3,
        Hyphens::Allow,
        DnsLength::Ignore,
    );
    let rule = match (hyphens.is_ok(), right_to_left) {
        (true, _) => NameRule::Hyphen,
        (false, true) => NameRule::Bidi,
        // Too long even to be encoded.
        (false, false) if label.text.chars().count() > LABEL_LIMIT => NameRule::LabelTooLong,
        (false, false) => NameRule::Idna,
    };
    DomainNameError::label_of(rule, label)
}

/// Returns whether a label starts with `xn--` in any case.
fn is_a_label(label: &[u8]) -> bool {
    label.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"xn--"))
}

/// Returns whether a label is a number to a URL parser (WHATWG URL section 3.5): decimal or `0x`.
fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !label.is_empty() && label.bytes().all(|b| b.is_ascii_digit()),
    }
}

/// Returns whether a text that is no name is an address, with brackets, zone, port or prefix length.
fn is_address(text: &str) -> bool {
    let host = text.split(['/', '%']).next().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok() || host.parse::<SocketAddr>().is_ok() || host.starts_with('[')
}
