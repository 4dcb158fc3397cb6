//! MX: data that says where mail for a name goes.

use std::fmt;

use super::{
    error::Problem,
    scan::{Fields, Presentation},
    target::write_absolute,
    wire::{Reader, Wire},
};
use crate::name::DnsName;

/// A mail server, RFC 1035 section 3.3.9.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Mx {
    preference: u16,
    exchange: DnsName,
}

impl Mx {
    /// Creates the data: lower preferences are tried first.
    pub fn new(preference: u16, exchange: DnsName) -> Self {
        Self { preference, exchange }
    }

    /// Returns the preference: lower ones are tried first.
    pub fn preference(&self) -> u16 {
        self.preference
    }

    /// Returns the host that takes mail for the owner.
    pub fn exchange(&self) -> &DnsName {
        &self.exchange
    }

    /// Returns whether this says that there is no mail here: `0 .`, RFC 7505 section 3.
    pub fn is_null(&self) -> bool {
        self.preference == 0 && self.exchange.is_root()
    }
}

impl Presentation for Mx {
    fn scan(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        Ok(Self {
            preference: fields.next("preference")?.number(u16::MAX)?,
            exchange: fields.next("exchange")?.name()?,
        })
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.preference)?;
        write_absolute(&self.exchange, f)
    }
}

impl Wire for Mx {
    fn read(wire: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(Self { preference: wire.u16("preference")?, exchange: wire.name("exchange")? })
    }

    fn write(&self, wire: &mut Vec<u8>) {
        wire.extend(self.preference.to_be_bytes());
        wire.extend(self.exchange.to_wire());
    }
}
