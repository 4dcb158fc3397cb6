//! SOA: data that says how a zone is kept.

use std::fmt;

use super::{
    error::Problem,
    scan::{Fields, Presentation},
    target::write_absolute,
    wire::{Reader, Wire},
};
use crate::name::DnsName;

/// The start of a zone of authority, RFC 1035 section 3.3.13.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Soa {
    mname: DnsName,
    rname: DnsName,
    serial: u32,
    refresh: u32,
    retry: u32,
    expire: u32,
    minimum: u32,
}

impl Soa {
    /// Creates the data, with its fields in the order of the RFC and of a zone file.
    pub fn new(
        mname: DnsName,
        rname: DnsName,
        serial: u32,
        refresh: u32,
        retry: u32,
        expire: u32,
        minimum: u32,
    ) -> Self {
        Self { mname, rname, serial, refresh, retry, expire, minimum }
    }

    /// Returns the primary name server.
    pub fn mname(&self) -> &DnsName {
        &self.mname
    }

    /// Returns the mailbox of who is responsible; its first label is the local part.
    pub fn rname(&self) -> &DnsName {
        &self.rname
    }

    /// Returns the version of the zone, compared by RFC 1982 serial number arithmetic.
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// Returns the seconds after which a secondary looks for a new version.
    pub fn refresh(&self) -> u32 {
        self.refresh
    }

    /// Returns the seconds after which a secondary that could not look tries again.
    pub fn retry(&self) -> u32 {
        self.retry
    }

    /// Returns the seconds after which a secondary that could not look stops to answer.
    pub fn expire(&self) -> u32 {
        self.expire
    }

    /// Returns the seconds for which "there is no such record" may be cached, RFC 2308 section 4,
    /// unless the TTL of the SOA is shorter.
    pub fn minimum(&self) -> u32 {
        self.minimum
    }
}

impl Presentation for Soa {
    fn scan(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        Ok(Self {
            mname: fields.next("mname")?.name()?,
            rname: fields.next("rname")?.name()?,
            serial: fields.next("serial")?.number(u32::MAX)?,
            refresh: fields.next("refresh")?.seconds()?,
            retry: fields.next("retry")?.seconds()?,
            expire: fields.next("expire")?.seconds()?,
            minimum: fields.next("minimum")?.seconds()?,
        })
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mname, rname, serial, refresh, retry, expire, minimum } = self;
        write_absolute(mname, f)?;
        f.write_str(" ")?;
        write_absolute(rname, f)?;
        write!(f, " {serial} {refresh} {retry} {expire} {minimum}")
    }
}

impl Wire for Soa {
    fn read(wire: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(Self {
            mname: wire.name("mname")?,
            rname: wire.name("rname")?,
            serial: wire.u32("serial")?,
            refresh: wire.u32("refresh")?,
            retry: wire.u32("retry")?,
            expire: wire.u32("expire")?,
            minimum: wire.u32("minimum")?,
        })
    }

    fn write(&self, wire: &mut Vec<u8>) {
        wire.extend(self.mname.to_wire());
        wire.extend(self.rname.to_wire());
        for number in [self.serial, self.refresh, self.retry, self.expire, self.minimum] {
            wire.extend(number.to_be_bytes());
        }
    }
}
