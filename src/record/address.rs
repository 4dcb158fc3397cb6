//! A and AAAA: data that is an address.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use super::{
    error::{Kind, Problem},
    scan::{Fields, Presentation},
    wire::{Reader, Wire},
};

impl Presentation for Ipv4Addr {
    fn scan(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        let field = fields.next("address")?;
        field.word()?.parse().map_err(|_| field.problem(Kind::Address4))
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Presentation for Ipv6Addr {
    fn scan(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        let field = fields.next("address")?;
        field.word()?.parse().map_err(|_| field.problem(Kind::Address6))
    }

    /// RFC 5952.
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Wire for Ipv4Addr {
    fn read(wire: &mut Reader<'_>) -> Result<Self, Problem> {
        wire.u32("address").map(Self::from_bits)
    }

    fn write(&self, wire: &mut Vec<u8>) {
        wire.extend(self.octets());
    }
}

impl Wire for Ipv6Addr {
    fn read(wire: &mut Reader<'_>) -> Result<Self, Problem> {
        wire.u128("address").map(Self::from_bits)
    }

    fn write(&self, wire: &mut Vec<u8>) {
        wire.extend(self.octets());
    }
}
