//! CNAME, NS, PTR, DNAME, ALIAS and Flatten: data that is one name.

use std::fmt::{self, Write as _};

use super::{
    error::Problem,
    scan::{Fields, Presentation},
    wire::{Reader, Wire},
};
use crate::name::DnsName;

impl Presentation for DnsName {
    fn scan(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        fields.next("target")?.name()
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_absolute(self, f)
    }
}

impl Wire for DnsName {
    fn read(wire: &mut Reader<'_>) -> Result<Self, Problem> {
        wire.name("target")
    }

    fn write(&self, wire: &mut Vec<u8>) {
        wire.extend(self.to_wire());
    }
}

/// Writes a name with its final dot, so that a zone file does not append its origin.
pub(super) fn write_absolute(name: &DnsName, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write_escaped(name.as_str(), f)?;
    if name.is_root() { Ok(()) } else { f.write_char('.') }
}

/// Writes the canonical text of a name, or the front of one, as zone files have it.
///
/// Punctuation that has no business in a host name is escaped: Knot does not read it otherwise.
pub(crate) fn write_escaped(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let is_plain =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'*' | b'/' | b'.' | b'\\');
    if text.bytes().all(is_plain) {
        return f.write_str(text);
    }
    let mut is_escaped = false;
    for character in text.chars() {
        match character {
            // At the start of data `\#` is the mark of RFC 3597, and to BIND `\[` starts a label of
            // the kind that RFC 6891 section 5 took out of use.
            '#' | '[' if !is_escaped => write!(f, "\\{:03}", u32::from(character))?,
            _ if is_escaped || u8::try_from(character).is_ok_and(is_plain) => {
                f.write_char(character)?;
            }
            _ => write!(f, "\\{character}")?,
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    Ok(())
}
