//! SRV: data that says where a service runs.

use std::fmt;

use super::{
    error::Problem,
    scan::{Fields, Presentation},
    target::write_absolute,
    wire::{Reader, Wire},
};
use crate::name::DnsName;

/// A server of a service, RFC 2782.
///
/// The owner is `_service._proto.name`, as in `_sip._tcp.example.com`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Srv {
    priority: u16,
    weight: u16,
    port: u16,
    target: DnsName,
}

impl Srv {
    /// Creates the data, with its fields in the order of the RFC and of a zone file.
    pub fn new(priority: u16, weight: u16, port: u16, target: DnsName) -> Self {
        Self { priority, weight, port, target }
    }

    /// Returns the priority: lower ones are tried first.
    pub fn priority(&self) -> u16 {
        self.priority
    }

    /// Returns the share of clients among the servers of one priority.
    pub fn weight(&self) -> u16 {
        self.weight
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the host; the root says that the service is decidedly not available here.
    pub fn target(&self) -> &DnsName {
        &self.target
    }
}

impl Presentation for Srv {
    fn scan(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        Ok(Self {
            priority: fields.next("priority")?.number(u16::MAX)?,
            weight: fields.next("weight")?.number(u16::MAX)?,
            port: fields.next("port")?.number(u16::MAX)?,
            target: fields.next("target")?.name()?,
        })
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} ", self.priority, self.weight, self.port)?;
        write_absolute(&self.target, f)
    }
}

impl Wire for Srv {
    fn read(wire: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(Self {
            priority: wire.u16("priority")?,
            weight: wire.u16("weight")?,
            port: wire.u16("port")?,
            target: wire.name("target")?,
        })
    }

    fn write(&self, wire: &mut Vec<u8>) {
        for number in [self.priority, self.weight, self.port] {
            wire.extend(number.to_be_bytes());
        }
        wire.extend(self.target.to_wire());
    }
}
