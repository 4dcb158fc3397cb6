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

    /// Returns the next name to ask for.
    pub fn replacement(&self) -> &DnsName {
        &self.replacement
    }
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
