//! A and AAAA: data that is an address.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use super::scan::{Fields, Kind, Presentation, Problem};

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
