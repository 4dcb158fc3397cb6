//! SOA: data that says how a zone is kept.

use std::fmt;

use super::{
    scan::{Fields, Presentation, Problem},
    target::write_absolute,
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
            refresh: fields.next("refresh")?.number(u32::MAX)?,
            retry: fields.next("retry")?.number(u32::MAX)?,
            expire: fields.next("expire")?.number(u32::MAX)?,
            minimum: fields.next("minimum")?.number(u32::MAX)?,
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
