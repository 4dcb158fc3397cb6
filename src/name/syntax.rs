//! From what was typed to the canonical form of a [`DomainName`](super::DomainName).

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use idna::{
    AsciiDenyList,
    uts46::{ErrorPolicy, Hyphens, ProcessingSuccess, Uts46},
};

use super::error::{DomainNameError, NameRule};

/// Longest input that is looked at, in bytes.
///
/// Four labels of 57 characters of four bytes fill a name. What is longer may still be mapped to
/// one, if it is full of characters that are mapped to nothing.
const INPUT_LIMIT: usize = 1024;

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
///
/// Allocates the name that it returns and nothing else. What is wrong with an input is only looked
/// for once it is known that something is.
pub(super) fn canonical(input: &str) -> Result<Box<str>, DomainNameError> {
    if input.len() > INPUT_LIMIT {
        return Err(DomainNameError::whole(NameRule::TooLong, input));
    }
    let name = input.strip_suffix(DOTS).unwrap_or(input);
    match plain(name) {
        Some(Seen { punycode: false, upper: false }) => Ok(name.into()),
        Some(Seen { punycode: false, upper: true }) => Ok(name.to_ascii_lowercase().into()),
        Some(Seen { punycode: true, upper }) => encoded(name, upper),
        None if name.is_ascii() => Err(refusal(name)),
        None => unicode(name),
    }
}

/// Returns what `name` has if it is a canonical name but for case and what is behind `xn--`.
fn plain(name: &str) -> Option<Seen> {
    let labels = name.strip_prefix("*.").unwrap_or(name);
    if name.len() > NAME_LIMIT {
        return None;
    }
    let mut seen = Seen::default();
    let mut last = None;
    let mut several = labels.len() < name.len();
    for label in labels.as_bytes().split(|byte| *byte == b'.') {
        let found = label.iter().fold(0, |found, byte| {
            found | CLASSES.get(usize::from(*byte)).copied().unwrap_or(OTHER)
        });
        let (Some(b'a'..=b'z' | b'0'..=b'9' | b'A'..=b'Z'), Some(end)) =
            (label.first(), label.last())
        else {
            return None;
        };
        if found & OTHER != 0 || *end == b'-' || label.len() > LABEL_LIMIT {
            return None;
        }
        if found & HYPHEN != 0 && label.get(2..4) == Some(b"--") {
            if !is_a_label(label) {
                return None;
            }
            seen.punycode = true;
        }
        seen.upper |= found & UPPER != 0;
        several |= last.is_some();
        last = Some(label);
    }
    // A number starts with a digit.
    let numeric =
        last.is_some_and(|label| label.first().is_some_and(u8::is_ascii_digit) && is_number(label));
    (several && !numeric).then_some(seen)
}

/// What an octet is in a name: nothing to remark, or one of these.
const CLASSES: [u8; 256] = {
    let mut classes = [OTHER; 256];
    let mut octet = 0;
    while octet < 128 {
        classes[octet] = match octet as u8 {
            b'a'..=b'z' | b'0'..=b'9' => 0,
            b'A'..=b'Z' => UPPER,
            b'-' => HYPHEN,
            _ => OTHER,
        };
        octet += 1;
    }
    classes
};
const UPPER: u8 = 1;
const HYPHEN: u8 = 2;
const OTHER: u8 = 4;

/// Returns the canonical form of a name in ASCII that has `xn--` and is right but for it.
fn encoded(name: &str, upper: bool) -> Result<Box<str>, DomainNameError> {
    let mut text = Octets::<NAME_LIMIT>::default();
    let canonical = if upper {
        text.push_str(name);
        text.octets.make_ascii_lowercase();
        text.as_str()
    } else {
        name
    };
    match process(rest(canonical), &mut Nowhere) {
        Some(Processed::Unchanged) => Ok(canonical.into()),
        // Not valid, or not as UTS #46 writes it.
        _ => Err(blame(name)),
    }
}

/// Returns the canonical form of a name with other characters than ASCII.
fn unicode(name: &str) -> Result<Box<str>, DomainNameError> {
    let mut text = Octets::<NAME_LIMIT>::default();
    let rest = rest(name);
    if rest.len() < name.len() {
        text.push_str("*.");
    }
    match process(rest, &mut text) {
        Some(Processed::Written) => {}
        Some(Processed::Unchanged) => text.push_str(rest),
        None => {
            check_ascii_of(name)?;
            return Err(blame(name));
        }
    }
    if text.is_full {
        return Err(blame_length(name));
    }
    let text = text.as_str();
    if plain(text).is_some() {
        return Ok(text.into());
    }
    // UTS #46 turns labels into labels, one to one: what is wrong with one is wrong with the other.
    let error = refusal(text);
    Err(match error.label().and_then(|number| labels(name).nth(number - 1)) {
        Some(label) => DomainNameError::label_of(error.rule(), label),
        None => DomainNameError::whole(error.rule(), name),
    })
}

/// Finds out why `name`, in ASCII and without a final dot, is no name.
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
    for label in labels(name) {
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
        } else if punycode && !is_valid(&[name]) {
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

/// What UTS #46 makes of a valid name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Processed {
    /// The name itself, which is in ASCII.
    Unchanged,
    /// What was written to the sink.
    Written,
}

/// Processes a name by UTS #46 section 4.2: non-transitional, STD 3, hyphens, bidi, joiners.
///
/// Lengths are left to the caller, who can say where; but a label that is too long is refused here
/// before it is encoded, which takes time that grows with the square of the length. The sink has to
/// take all that is written: the idna crate panics on some errors of a sink.
fn process<W: fmt::Write>(name: &str, sink: &mut W) -> Option<Processed> {
    let mut too_long = false;
    let done = Uts46::new().process(
        name.as_bytes(),
        AsciiDenyList::STD3,
        Hyphens::Check,
        ErrorPolicy::FailFast,
        |label, _, _| {
            // Punycode has at least one digit for each character, and `xn--` before them.
            too_long |= label.len() > LABEL_LIMIT - 4;
            too_long
        },
        sink,
        None,
    );
    match done {
        _ if too_long => None,
        Ok(ProcessingSuccess::Passthrough) => Some(Processed::Unchanged),
        Ok(ProcessingSuccess::WroteToSink) => Some(Processed::Written),
        Err(_) => None,
    }
}

/// Returns whether the name that `parts` make together is valid under UTS #46 but for its lengths.
fn is_valid(parts: &[&str]) -> bool {
    let mut name = Octets::<{ INPUT_LIMIT + 8 }>::default();
    parts.iter().for_each(|part| name.push_str(part));
    !name.is_full && accepts(name.as_str(), Hyphens::Check)
}

/// Returns whether `name` is valid under UTS #46 but for its lengths.
fn accepts(name: &str, hyphens: Hyphens) -> bool {
    let (deny, policy) = (AsciiDenyList::STD3, ErrorPolicy::FailFast);
    let unicode = |_: &[char], _: &[char], _| true;
    Uts46::new()
        .process(name.as_bytes(), deny, hyphens, policy, unicode, &mut Nowhere, None)
        .is_ok()
}

/// Text of limited length, on the stack. What has no room is left out.
struct Octets<const N: usize> {
    octets: [u8; N],
    len: usize,
    is_full: bool,
}

impl<const N: usize> Default for Octets<N> {
    fn default() -> Self {
        Self { octets: [0; N], len: 0, is_full: false }
    }
}

impl<const N: usize> Octets<N> {
    fn as_str(&self) -> &str {
        let octets = self.octets.get(..self.len).unwrap_or_default();
        std::str::from_utf8(octets).unwrap_or_default()
    }

    fn push_str(&mut self, text: &str) {
        let end = self.len + text.len();
        match self.octets.get_mut(self.len..end) {
            Some(room) => {
                room.copy_from_slice(text.as_bytes());
                self.len = end;
            }
            None => self.is_full = true,
        }
    }
}

impl<const N: usize> fmt::Write for Octets<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }

    fn write_char(&mut self, c: char) -> fmt::Result {
        match (u8::try_from(c), self.octets.get_mut(self.len)) {
            (Ok(octet), Some(room)) if octet.is_ascii() => {
                *room = octet;
                self.len += 1;
            }
            _ => self.push_str(c.encode_utf8(&mut [0; 4])),
        }
        Ok(())
    }
}

/// Forgets what is written.
struct Nowhere;

impl fmt::Write for Nowhere {
    fn write_str(&mut self, _: &str) -> fmt::Result {
        Ok(())
    }
}

/// Finds the label and the rule for which UTS #46 refuses `name`.
///
/// The idna crate says only that it refuses, so this asks it about ever smaller parts.
fn blame(name: &str) -> DomainNameError {
    let others = || labels(name).filter(|label| label.text != "*");
    if let Some(label) = others().find(|label| !accepts(label.text, Hyphens::Check)) {
        if is_a_label(label.text.as_bytes()) {
            return DomainNameError::label_of(NameRule::Punycode, label);
        }
        return blame_label(label);
    }
    // Every label is right alone, so what is left is the rule about all labels of a bidi name, or
    // that one is too long or is not written as UTS #46 writes it.
    if !accepts(rest(name), Hyphens::Check)
        && let Some(label) = others().find(|label| !is_valid(&[label.text, ".\u{5d0}"]))
    {
        return DomainNameError::label_of(NameRule::Bidi, label);
    }
    if name.is_ascii()
        && let Some(label) = others().find(|label| is_a_label(label.text.as_bytes()))
    {
        return DomainNameError::label_of(NameRule::Punycode, label);
    }
    blame_length(name)
}

/// Finds the label that is too long as an A-label, if it is not the name.
fn blame_length(name: &str) -> DomainNameError {
    let is_too_long = |label: &Label<'_>| {
        let mut text = Octets::<LABEL_LIMIT>::default();
        process(label.text, &mut text).is_none() || text.is_full
    };
    match labels(name).filter(|label| label.text != "*").find(is_too_long) {
        Some(label) => DomainNameError::label_of(NameRule::LabelTooLong, label),
        None => DomainNameError::whole(NameRule::TooLong, name),
    }
}

/// Most characters of a label that UTS #46 is asked about one by one.
const SUSPECTS: usize = 16;

/// Finds the rule for which UTS #46 refuses `label`, which is no A-label.
fn blame_label(label: Label<'_>) -> DomainNameError {
    let mut suspects = 0;
    for (position, c) in label.text.chars().enumerate() {
        if matches!(c, '\u{200c}' | '\u{200d}') {
            return DomainNameError::at(NameRule::Joiner, label, position);
        }
        // Letters and digits of all scripts are nearly all valid.
        if c.is_alphanumeric() || c == '-' {
            continue;
        }
        suspects += 1;
        if suspects > SUSPECTS {
            break;
        }
        // Alone it may be a mark without a base, or a digit of the other direction.
        let mut octets = [0; 4];
        let text: &str = c.encode_utf8(&mut octets);
        if ["a", "", "\u{5d0}"].iter().all(|before| !is_valid(&[before, text])) {
            return DomainNameError::at(NameRule::Character, label, position);
        }
    }
    // A mark at the start.
    if is_valid(&["a", label.text]) {
        return DomainNameError::at(NameRule::Character, label, 0);
    }
    let rule = if accepts(label.text, Hyphens::Allow) {
        NameRule::Hyphen
    } else if label.text.chars().any(is_right_to_left) {
        NameRule::Bidi
    } else {
        NameRule::Idna
    };
    DomainNameError::label_of(rule, label)
}

/// Returns whether `c` is in a block that Unicode keeps for scripts from right to left.
fn is_right_to_left(c: char) -> bool {
    matches!(
        c,
        '\u{590}'..='\u{8ff}'
            | '\u{fb1d}'..='\u{fdff}'
            | '\u{fe70}'..='\u{feff}'
            | '\u{10800}'..='\u{10fff}'
            | '\u{1e800}'..='\u{1efff}'
    )
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
    let host = text.split(['/', '%']).next().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok() || host.parse::<SocketAddr>().is_ok() || host.starts_with('[')
}
