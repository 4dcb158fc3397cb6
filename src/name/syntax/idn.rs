//! UTS #46, which the idna crate carries out: what it makes of a name, and why it refuses one.

use std::fmt;

use idna::{
    AsciiDenyList,
    uts46::{ErrorPolicy, Hyphens, ProcessingSuccess, Uts46},
};

use super::{LABEL_LIMIT, Label, is_a_label, labels, rest};
use crate::name::error::{DomainNameError, NameRule};

/// What UTS #46 makes of a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Processed {
    /// The name is not valid.
    Refused,
    /// The name itself, which is in ASCII.
    Unchanged,
    /// What was written. A label that is too long has been left in Unicode.
    Written,
}

/// Processes a name by UTS #46 section 4.2: non-transitional, STD 3, hyphens, bidi, joiners.
///
/// Lengths are left to the caller, who can say where. A label that is too long for certain is not
/// encoded, which would take time that grows with the square of its length.
pub(super) fn process<const N: usize>(name: &str, text: &mut Octets<N>) -> Processed {
    // Punycode has at least one digit for each character, and `xn--` before them.
    let too_long = |label: &[char], _: &[char], _| label.len() > LABEL_LIMIT - 4;
    match uts46(name, Hyphens::Check, too_long, text) {
        Some(ProcessingSuccess::Passthrough) => Processed::Unchanged,
        Some(ProcessingSuccess::WroteToSink) => Processed::Written,
        None => Processed::Refused,
    }
}

fn uts46<const N: usize>(
    name: &str,
    hyphens: Hyphens,
    keep: impl FnMut(&[char], &[char], bool) -> bool,
    text: &mut Octets<N>,
) -> Option<ProcessingSuccess> {
    let (deny, policy) = (AsciiDenyList::STD3, ErrorPolicy::FailFast);
    Uts46::new().process(name.as_bytes(), deny, hyphens, policy, keep, text, None).ok()
}

/// Text of limited length, on the stack. What has no room is left out.
pub(super) struct Octets<const N: usize> {
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
    /// Returns what had room.
    pub(super) fn as_str(&self) -> &str {
        let octets = self.octets.get(..self.len).unwrap_or_default();
        std::str::from_utf8(octets).unwrap_or_default()
    }

    /// Returns whether something had no room.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Adds an octet of ASCII.
    pub(super) fn push(&mut self, octet: u8) {
        match self.octets.get_mut(self.len) {
            Some(room) if octet.is_ascii() && !self.is_full => {
                *room = octet;
                self.len += 1;
            }
            _ => self.is_full = true,
        }
    }

    /// Adds a text, whole or not at all.
    pub(super) fn push_str(&mut self, text: &str) {
        let end = self.len + text.len();
        match self.octets.get_mut(self.len..end) {
            Some(room) if !self.is_full => {
                room.copy_from_slice(text.as_bytes());
                self.len = end;
            }
            _ => self.is_full = true,
        }
    }
}

/// Never fails: the idna crate panics on some errors of what it writes to.
impl<const N: usize> fmt::Write for Octets<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }

    fn write_char(&mut self, c: char) -> fmt::Result {
        match u8::try_from(c) {
            Ok(octet) if octet.is_ascii() => self.push(octet),
            _ => self.push_str(c.encode_utf8(&mut [0; 4])),
        }
        Ok(())
    }
}

/// Finds the label and the rule for which UTS #46 refuses `name`.
///
/// The idna crate says only that it refuses, so this asks it about ever smaller parts: as much as
/// what people type needs, and no more, however long the name is.
pub(super) fn blame(name: &str) -> DomainNameError {
    let mut inquiry = Inquiry { left: BUDGET };
    inquiry.name(name).unwrap_or_else(|| DomainNameError::whole(NameRule::Idna, name))
}

/// Most octets that are asked about.
const BUDGET: usize = 192;

/// What a question costs beside its octets.
const QUESTION: usize = 8;

/// Questions to the idna crate. All answers are `None` once enough has been asked.
struct Inquiry {
    left: usize,
}

impl Inquiry {
    /// Asks whether the name that `parts` make together is valid but for its lengths.
    fn accepts(&mut self, parts: [&str; 2], hyphens: Hyphens) -> Option<bool> {
        let cost = parts.iter().map(|part| part.len()).sum::<usize>() + QUESTION;
        self.left = self.left.checked_sub(cost)?;
        let mut name = Octets::<BUDGET>::default();
        parts.iter().for_each(|part| name.push_str(part));
        // In Unicode, since nothing is read and encoding costs most.
        let done = uts46(name.as_str(), hyphens, |_, _, _| true, &mut Octets::<0>::default());
        Some(done.is_some())
    }

    fn name(&mut self, name: &str) -> Option<DomainNameError> {
        let others = || labels(name).filter(|label| label.text != "*");
        for label in others() {
            if !self.accepts(["", label.text], Hyphens::Check)? {
                if is_a_label(label.text.as_bytes()) {
                    return Some(DomainNameError::label_of(NameRule::Punycode, label));
                }
                let unknown = DomainNameError::label_of(NameRule::Idna, label);
                return Some(self.label(label).unwrap_or(unknown));
            }
        }
        // Every label is right alone, so what is left is the rule about all labels of a bidi name,
        // or that one is not written as UTS #46 writes it.
        if !self.accepts(["", rest(name)], Hyphens::Check)? {
            for label in others() {
                if !self.accepts([label.text, ".\u{5d0}"], Hyphens::Check)? {
                    return Some(DomainNameError::label_of(NameRule::Bidi, label));
                }
            }
        }
        let label = others().find(|label| is_a_label(label.text.as_bytes()))?;
        Some(DomainNameError::label_of(NameRule::Punycode, label))
    }

    /// Finds the rule for which UTS #46 refuses `label`, which is no A-label.
    fn label(&mut self, label: Label<'_>) -> Option<DomainNameError> {
        for (position, c) in label.text.chars().enumerate() {
            if matches!(c, '\u{200c}' | '\u{200d}') {
                return Some(DomainNameError::at(NameRule::Joiner, label, position));
            }
            // Letters and digits of all scripts are nearly all valid.
            if c.is_alphanumeric() || c == '-' {
                continue;
            }
            // Alone it may be a mark without a base, or a digit of the other direction.
            let mut octets = [0; 4];
            let c: &str = c.encode_utf8(&mut octets);
            if !self.accepts(["a", c], Hyphens::Check)?
                && !self.accepts(["", c], Hyphens::Check)?
                && !self.accepts(["\u{5d0}", c], Hyphens::Check)?
            {
                return Some(DomainNameError::at(NameRule::Character, label, position));
            }
        }
        let has_others = label.text.chars().any(|c| !c.is_alphanumeric());
        // A mark at the start.
        if has_others && self.accepts(["a", label.text], Hyphens::Check)? {
            return Some(DomainNameError::at(NameRule::Character, label, 0));
        }
        let rule = if has_others && self.accepts(["", label.text], Hyphens::Allow)? {
            NameRule::Hyphen
        } else if label.text.chars().any(is_right_to_left) {
            NameRule::Bidi
        } else {
            NameRule::Idna
        };
        Some(DomainNameError::label_of(rule, label))
    }
}

/// Finds the label that is too long in `text`, which [`process`] made of `name`, or else says that
/// the name is.
pub(super) fn blame_length(name: &str, text: &str) -> DomainNameError {
    // UTS #46 turns labels into labels, one to one.
    let is_too_long = |label: &str| !label.is_ascii() || label.len() > LABEL_LIMIT;
    match text.split('.').position(is_too_long).and_then(|at| labels(name).nth(at)) {
        Some(label) => DomainNameError::label_of(NameRule::LabelTooLong, label),
        None => DomainNameError::whole(NameRule::TooLong, name),
    }
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
