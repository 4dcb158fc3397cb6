//! NAPTR: data that rewrite one identifier into another.

use std::fmt;

use super::{
    RecordDataError, RecordType,
    error::{Kind, Problem},
    scan::{Fields, Presentation, STRING_LIMIT, write_quoted},
    target::write_absolute,
    wire::{Reader, Wire, write_string},
};
use crate::name::DnsName;

/// A rule of the Dynamic Delegation Discovery System, RFC 3403 section 4.
///
/// Either the regular expression or the replacement says what comes next; the other one is empty or
/// the root.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Naptr {
    order: u16,
    preference: u16,
    flags: Box<[u8]>,
    services: Box<[u8]>,
    regexp: Box<[u8]>,
    replacement: DnsName,
}

impl Naptr {
    /// Creates the data, with its fields in the order of the RFC and of a zone file.
    ///
    /// # Errors
    ///
    /// [`RecordDataError`] if `flags`, `services` or `regexp` has more than 255 octets.
    pub fn new(
        order: u16,
        preference: u16,
        flags: impl Into<Box<[u8]>>,
        services: impl Into<Box<[u8]>>,
        regexp: impl Into<Box<[u8]>>,
        replacement: DnsName,
    ) -> Result<Self, RecordDataError> {
        let checked = |field, string: Box<[u8]>| {
            if string.len() <= STRING_LIMIT {
                return Ok(string);
            }
            let problem = Problem::of(field, Kind::StringTooLong);
            Err(RecordDataError::new(RecordType::Naptr, problem))
        };
        Ok(Self {
            order,
            preference,
            flags: checked("flags", flags.into())?,
            services: checked("services", services.into())?,
            regexp: checked("regexp", regexp.into())?,
            replacement,
        })
    }

    /// Returns the order: lower ones come first, and a match ends the search.
    pub fn order(&self) -> u16 {
        self.order
    }

    /// Returns the preference among rules of the same order: lower ones come first.
    pub fn preference(&self) -> u16 {
        self.preference
    }

    /// Returns the flags: letters and digits that an application gives a meaning.
    pub fn flags(&self) -> &[u8] {
        &self.flags
    }

    /// Returns the services, in the grammar of an application.
    pub fn services(&self) -> &[u8] {
        &self.services
    }

    /// Returns the substitution, RFC 3402 section 3.2.
    pub fn regexp(&self) -> &[u8] {
        &self.regexp
    }

    /// Returns whether the substitution can be carried out, RFC 3402 section 3.2; true if there is none.
    ///
    /// It has a delimiter three times, groups in pairs, references to groups that are there, and no
    /// flag but `i`. The rest of the grammar of regular expressions is not looked at.
    pub fn is_regexp_valid(&self) -> bool {
        self.regexp.is_empty() || is_substitution(&self.regexp)
    }

    /// Returns the next name to ask for.
    pub fn replacement(&self) -> &DnsName {
        &self.replacement
    }
}

/// Whether this is a delimiter, an expression, the delimiter, what replaces it, the delimiter, flags.
fn is_substitution(regexp: &[u8]) -> bool {
    let Some((delimiter, rest)) = regexp.split_first() else { return false };
    if delimiter.is_ascii_digit() || matches!(delimiter, b'i' | b'\\' | 0) {
        return false;
    }
    let Some((expression, rest)) = split_plain(rest, *delimiter) else { return false };
    let Some((replacement, flags)) = split_plain(rest, *delimiter) else { return false };
    let Some(groups) = groups(expression).filter(|_| !expression.is_empty()) else { return false };
    let mut pairs = replacement.iter();
    while let Some(octet) = pairs.next() {
        if *octet == b'\\'
            && let Some(digit) = pairs.next().filter(|octet| octet.is_ascii_digit())
            && !(1..=groups).contains(&usize::from(digit - b'0'))
        {
            return false;
        }
    }
    flags.iter().all(|flag| *flag == b'i')
}

/// Splits at the first delimiter that no backslash escapes.
fn split_plain(text: &[u8], delimiter: u8) -> Option<(&[u8], &[u8])> {
    let mut octets = text.iter().enumerate();
    while let Some((at, octet)) = octets.next() {
        if *octet == delimiter {
            return Some((text.get(..at)?, text.get(at + 1..)?));
        }
        if *octet == b'\\' {
            octets.next();
        }
    }
    None
}

/// Counts the groups of an extended regular expression of POSIX; `None` if one is not closed.
fn groups(expression: &[u8]) -> Option<usize> {
    let (mut groups, mut open) = (0_usize, 0_usize);
    let mut rest = expression;
    while let Some((octet, tail)) = rest.split_first() {
        rest = tail;
        match octet {
            b'\\' => rest = rest.split_first().map(|(_, tail)| tail)?,
            b'(' => {
                groups = groups.saturating_add(1);
                open = open.saturating_add(1);
            }
            // Without a group to close it stands for itself.
            b')' => open = open.saturating_sub(1),
            b'[' => {
                rest = rest.strip_prefix(b"^").unwrap_or(rest);
                // The first one of a list is no end.
                let from = usize::from(rest.first() == Some(&b']'));
                let end = rest.iter().skip(from).position(|octet| *octet == b']')?;
                rest = rest.get(from + end + 1..)?;
            }
            _ => {}
        }
    }
    (open == 0).then_some(groups)
}

impl Presentation for Naptr {
    fn scan(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        Ok(Self {
            order: fields.next("order")?.number(u16::MAX)?,
            preference: fields.next("preference")?.number(u16::MAX)?,
            flags: fields.next("flags")?.string()?,
            services: fields.next("services")?.string()?,
            regexp: fields.next("regexp")?.string()?,
            replacement: fields.next("replacement")?.name()?,
        })
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.order, self.preference)?;
        for string in [&self.flags, &self.services, &self.regexp] {
            write_quoted(string, f)?;
            f.write_str(" ")?;
        }
        write_absolute(&self.replacement, f)
    }
}

impl Wire for Naptr {
    fn read(wire: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(Self {
            order: wire.u16("order")?,
            preference: wire.u16("preference")?,
            flags: wire.string("flags")?.into(),
            services: wire.string("services")?.into(),
            regexp: wire.string("regexp")?.into(),
            replacement: wire.name("replacement")?,
        })
    }

    fn write(&self, wire: &mut Vec<u8>) {
        wire.extend(self.order.to_be_bytes());
        wire.extend(self.preference.to_be_bytes());
        for string in [&self.flags, &self.services, &self.regexp] {
            write_string(string, wire);
        }
        wire.extend(self.replacement.to_wire());
    }
}

impl fmt::Debug for Naptr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Naptr(")?;
        self.show(f)?;
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests;
