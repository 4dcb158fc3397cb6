//! From what was typed to the canonical form of a [`DomainName`](super::DomainName).

use std::net::{IpAddr, SocketAddr};

use self::idn::{Octets, Processed, blame, blame_length, process};
use super::{
    error::{DomainNameError, NameRule},
    scan::{LIMIT, Marks},
};

mod idn;

/// Longest name without its final dot, in octets; RFC 1035 section 2.3.4 has 255 on the wire.
///
/// Also the most characters of an input that are looked at. UTS #46 may map more of them to such a
/// name, where they are mapped to nothing or composed, but nobody types that.
const NAME_LIMIT: usize = 253;

/// Longest input that is looked at, in bytes: [`NAME_LIMIT`] characters, and a final dot.
const INPUT_LIMIT: usize = 4 * NAME_LIMIT + 3;

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
///
/// Allocates the name that it returns and nothing else. What is wrong with an input is only looked
/// for once it is known that something is.
#[inline]
pub(super) fn canonical(input: &str) -> Result<Box<str>, DomainNameError> {
    if input.len() > INPUT_LIMIT {
        return Err(DomainNameError::whole(NameRule::TooLong, input));
    }
    let name = match input.as_bytes().last() {
        // No character of these is the end of a dot.
        Some(b'a'..=b'z') => input,
        _ => input.strip_suffix(DOTS).unwrap_or(input),
    };
    if !name.is_ascii() {
        return unicode(name);
    }
    match plain(name) {
        Some(Seen { punycode: false, upper: false }) => Ok(name.into()),
        Some(Seen { punycode: false, upper: true }) => Ok(name.to_ascii_lowercase().into()),
        Some(Seen { punycode: true, upper }) => encoded(name, upper),
        None => Err(refusal(name)),
    }
}

/// Returns what `name` has if it is a canonical name but for case and what is behind `xn--`.
fn plain(name: &str) -> Option<Seen> {
    let labels = name.strip_prefix("*.").unwrap_or(name);
    let wildcard = labels.len() < name.len();
    let (seen, last) = match Marks::of_host(labels) {
        Some(marks) => (part(labels, marks)?, marks.last_label()),
        None if labels.len() <= LIMIT || name.len() > NAME_LIMIT => return None,
        None => {
            let mut seen = Seen::default();
            for label in labels.split('.') {
                let found = part(label, Marks::of_host(label)?)?;
                seen.upper |= found.upper;
                seen.punycode |= found.punycode;
            }
            (seen, labels.rfind('.').map_or(0, |dot| dot + 1))
        }
    };
    let is_number = is_number(labels.as_bytes().get(last..)?);
    ((last > 0 || wildcard) && !is_number).then_some(seen)
}

/// Does what [`plain`] does for one or several labels that [`Marks`] have room for.
fn part(labels: &str, marks: Marks) -> Option<Seen> {
    let Marks { hyphens, starts, ends, .. } = marks;
    if marks.has_empty_label() || hyphens & (starts | ends) != 0 {
        return None;
    }
    // Two hyphens as the third and fourth octet of a label.
    let mut pairs = (starts << 2) & hyphens & (hyphens >> 1);
    let punycode = pairs != 0;
    while pairs != 0 {
        let start = (pairs.trailing_zeros() as usize).checked_sub(2)?;
        if !is_a_label(labels.as_bytes().get(start..)?) {
            return None;
        }
        pairs &= pairs - 1;
    }
    Some(Seen { upper: marks.has_upper, punycode })
}

/// Returns the canonical form of a name in ASCII that has `xn--` and is right but for it.
#[inline(never)]
fn encoded(name: &str, upper: bool) -> Result<Box<str>, DomainNameError> {
    let mut text = Octets::<NAME_LIMIT>::default();
    if upper {
        name.bytes().for_each(|octet| text.push(octet.to_ascii_lowercase()));
    }
    let canonical = if upper { text.as_str() } else { name };
    match process(rest(canonical), &mut Octets::<0>::default()) {
        Processed::Unchanged => Ok(canonical.into()),
        // Valid, but not as UTS #46 writes it.
        Processed::Written | Processed::Refused => Err(blame(name)),
    }
}

/// Returns the canonical form of a name with other characters than ASCII.
#[inline(never)]
fn unicode(name: &str) -> Result<Box<str>, DomainNameError> {
    if name.len() > NAME_LIMIT && name.chars().count() > NAME_LIMIT {
        return Err(DomainNameError::whole(NameRule::TooLong, name));
    }
    let mut text = Octets::<NAME_LIMIT>::default();
    let rest = rest(name);
    if rest.len() < name.len() {
        text.push_str("*.");
    }
    match process(rest, &mut text) {
        Processed::Written => {}
        Processed::Unchanged => text.push_str(rest),
        Processed::Refused => {
            check_ascii_of(name)?;
            return Err(blame(name));
        }
    }
    let made = text.as_str();
    if !text.is_full() && plain(made).is_some() {
        return Ok(made.into());
    }
    if text.is_full() || !made.is_ascii() {
        return Err(blame_length(name, made));
    }
    // UTS #46 turns labels into labels, one to one: what is wrong with one is wrong with the other.
    let error = refusal(made);
    Err(match error.label().and_then(|number| labels(name).nth(number - 1)) {
        Some(label) => DomainNameError::label_of(error.rule(), label),
        None => DomainNameError::whole(error.rule(), name),
    })
}

/// Finds out why `name`, in ASCII and without a final dot, is no name.
#[cold]
fn refusal(name: &str) -> DomainNameError {
    if name.is_empty() {
        return DomainNameError::whole(NameRule::Empty, name);
    }
    check(name).err().unwrap_or_else(|| blame(name))
}

/// Checks what is in ASCII of a name that has other characters too.
fn check_ascii_of(name: &str) -> Result<(), DomainNameError> {
    for label in labels(name) {
        if label.text.is_ascii() {
            check_label(label)?;
        } else {
            check_ascii_characters(label)?;
        }
    }
    Ok(())
}

/// Returns the labels of `name` with their places.
fn labels(name: &str) -> impl Iterator<Item = Label<'_>> {
    let mut rest = Some(name);
    let (mut index, mut start) = (0, 0);
    std::iter::from_fn(move || {
        let (text, behind) = match cut(rest?) {
            Some((text, behind)) => (text, Some(behind)),
            None => (rest?, None),
        };
        rest = behind;
        let label = Label { index, start, text };
        index += 1;
        start += if text.is_ascii() { text.len() } else { text.chars().count() } + 1;
        Some(label)
    })
}

/// Splits `text` at the first of [`DOTS`].
fn cut(text: &str) -> Option<(&str, &str)> {
    let mut at = 0;
    loop {
        // Each of them begins with one of these octets.
        at += text.get(at..)?.bytes().position(|byte| matches!(byte, b'.' | 0xe3 | 0xef))?;
        let (front, behind) = text.split_at_checked(at)?;
        if let Some(behind) = behind.strip_prefix(DOTS) {
            return Some((front, behind));
        }
        at += behind.chars().next()?.len_utf8();
    }
}

/// Returns `name` without a leading `*` label.
fn rest(name: &str) -> &str {
    name.strip_prefix('*').and_then(|rest| rest.strip_prefix(DOTS)).unwrap_or(name)
}

/// Checks a name in ASCII, but for what is behind `xn--`.
fn check(name: &str) -> Result<(), DomainNameError> {
    let mut punycode = false;
    let mut last = None;
    let mut start = 0;
    for (index, text) in name.split('.').enumerate() {
        if start > NAME_LIMIT {
            return Err(DomainNameError::whole(NameRule::TooLong, name));
        }
        let label = Label { index, start, text };
        start += text.len() + 1;
        punycode |= check_label(label).map_err(|error| match error.rule() {
            NameRule::Character | NameRule::EmptyLabel | NameRule::Url if is_address(name) => {
                DomainNameError::whole(NameRule::Address, name)
            }
            _ => error,
        })?;
        last = Some(label);
    }
    let Some(last) = last else {
        return Err(DomainNameError::whole(NameRule::Empty, name));
    };
    if is_number(last.text.as_bytes()) {
        return Err(if name.split('.').all(|label| is_number(label.as_bytes())) {
            DomainNameError::whole(NameRule::Address, name)
        } else {
            DomainNameError::label_of(NameRule::NumericTld, last)
        });
    }
    if last.index == 0 {
        return Err(if last.text == "*" {
            DomainNameError::at(NameRule::Wildcard, last, 0)
        } else if punycode && process(name, &mut Octets::<0>::default()) == Processed::Refused {
            DomainNameError::label_of(NameRule::Punycode, last)
        } else {
            DomainNameError::whole(NameRule::SingleLabel, name)
        });
    }
    if name.len() > NAME_LIMIT {
        return Err(DomainNameError::whole(NameRule::TooLong, name));
    }
    Ok(())
}

/// Checks a label in ASCII, but for what is behind `xn--`; returns whether there is any.
fn check_label(label: Label<'_>) -> Result<bool, DomainNameError> {
    let bytes = label.text.as_bytes();
    if label.index == 0 && label.text == "*" {
        return Ok(false);
    }
    if let Some(Seen { punycode, .. }) =
        Marks::of_host(label.text).and_then(|marks| part(label.text, marks))
    {
        return Ok(punycode);
    }
    let wrong = |byte: &u8| !byte.is_ascii_alphanumeric() && *byte != b'-';
    if let Some(position) = bytes.iter().position(wrong) {
        let byte = bytes.get(position).copied().unwrap_or_default();
        return Err(refuse_character(label, position, char::from(byte)));
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
    let punycode = is_a_label(bytes);
    if bytes.get(2..4) == Some(b"--") && !punycode {
        return Err(DomainNameError::at(NameRule::Hyphen, label, 2));
    }
    if bytes.len() > LABEL_LIMIT {
        return Err(DomainNameError::label_of(NameRule::LabelTooLong, label));
    }
    Ok(punycode)
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

/// Returns whether a label starts with `xn--` in any case.
fn is_a_label(label: &[u8]) -> bool {
    label.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"xn--"))
}

/// Returns whether a label is a number to a URL parser (WHATWG URL section 3.5): decimal or `0x`.
fn is_number(label: &[u8]) -> bool {
    match label {
        [b'0', b'x' | b'X', digits @ ..] => digits.iter().all(u8::is_ascii_hexdigit),
        [] => false,
        digits => digits.iter().all(u8::is_ascii_digit),
    }
}

/// Returns whether a text that is no name is an address, with brackets, zone, port or prefix length.
fn is_address(text: &str) -> bool {
    let end = text.bytes().position(|byte| matches!(byte, b'/' | b'%')).unwrap_or(text.len());
    let host = text.get(..end).unwrap_or(text);
    if host.bytes().any(|byte| !byte.is_ascii_hexdigit() && !b".:[]".contains(&byte)) {
        return host.starts_with('[');
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok() || host.parse::<SocketAddr>().is_ok() || host.starts_with('[')
}
