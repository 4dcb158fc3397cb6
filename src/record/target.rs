//! CNAME, NS, PTR, DNAME, ALIAS and Flatten: data that is one name.

use std::fmt;

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
    f.write_str(name.as_str())?;
    if name.is_root() { Ok(()) } else { f.write_str(".") }
}
