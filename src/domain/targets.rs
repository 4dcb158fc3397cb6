//! Where customers point their names: the platform's edge.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::name::DnsName;

/// Where customers point their names.
///
/// A name below the top of its zone gets a CNAME record to the host name if there is one; the top
/// of a zone cannot have one (RFC 1912 section 2.4), and gets the addresses.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Targets {
    cname: Option<DnsName>,
    a: Vec<Ipv4Addr>,
    aaaa: Vec<Ipv6Addr>,
    /// What could not be read; reported when the targets are used.
    invalid: Option<String>,
}

/// What is wrong with targets.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("targets: {0}")]
pub struct TargetsError(String);

impl Targets {
    /// Creates targets with the host name of the edge.
    ///
    /// A name that cannot be read is reported by [`Targets::check`], which `build` calls.
    pub fn cname(host: &str) -> Self {
        match host.parse() {
            Ok(name) => Self { cname: Some(name), ..Self::default() },
            Err(error) => Self { invalid: Some(format!("{error}")), ..Self::default() },
        }
    }

    /// Creates targets with addresses only.
    pub fn addresses(
        a: impl IntoIterator<Item = Ipv4Addr>,
        aaaa: impl IntoIterator<Item = Ipv6Addr>,
    ) -> Self {
        Self::default().with_addresses(a, aaaa)
    }

    /// Sets the addresses of the edge, for names at the top of a zone.
    #[must_use]
    pub fn with_addresses(
        mut self,
        a: impl IntoIterator<Item = Ipv4Addr>,
        aaaa: impl IntoIterator<Item = Ipv6Addr>,
    ) -> Self {
        self.a = a.into_iter().collect();
        self.aaaa = aaaa.into_iter().collect();
        self
    }

    /// Checks that there is at least one target, and that all could be read.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub fn check(&self) -> Result<(), TargetsError> {
        if let Some(invalid) = &self.invalid {
            return Err(TargetsError(invalid.clone()));
        }
        if self.cname.is_none() && self.a.is_empty() && self.aaaa.is_empty() {
            return Err(TargetsError("there is neither a host name nor an address".to_owned()));
        }
        Ok(())
    }

    /// Returns the host name of the edge.
    pub const fn host(&self) -> Option<&DnsName> {
        self.cname.as_ref()
    }

    /// Returns the IPv4 addresses of the edge.
    pub fn a(&self) -> &[Ipv4Addr] {
        &self.a
    }

    /// Returns the IPv6 addresses of the edge.
    pub fn aaaa(&self) -> &[Ipv6Addr] {
        &self.aaaa
    }

    /// Returns whether there are addresses, so that the top of a zone can be served.
    pub fn has_addresses(&self) -> bool {
        !self.a.is_empty() || !self.aaaa.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_that_say_nothing_or_nonsense_are_refused() {
        assert!(Targets::default().check().is_err());
        assert!(Targets::cname("not a name..").check().is_err());
        assert!(Targets::cname("edge.example.net").check().is_ok());
        assert!(Targets::addresses([Ipv4Addr::LOCALHOST], []).check().is_ok());
    }
}
