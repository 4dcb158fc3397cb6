//! Where webhooks may be sent.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use crate::{
    address::is_public,
    error::{Error, ErrorKind, Result},
    name::DomainName,
};

/// Longest URL, in bytes.
const MAX: usize = 2000;

/// A URL that webhooks may be sent to.
///
/// Path and query may hold what only the receiver should know: `Debug` shows neither.
#[derive(Clone, Eq, PartialEq)]
pub struct Endpoint {
    url: String,
    origin: String,
}

impl Endpoint {
    /// Reads an `https` URL on port 443.
    ///
    /// # Errors
    ///
    /// `Invalid` for anything else: another scheme or port, credentials, a fragment, a host that is
    /// neither a plain domain name nor a public address, more than 2000 bytes, or a character that
    /// would have to be escaped.
    pub fn new(url: &str) -> Result<Self> {
        Self::on_ports(url, &[443])
    }

    /// Reads an `https` URL on one of these ports.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn on_ports(url: &str, ports: &[u16]) -> Result<Self> {
        let parts = Parts::read(url, "https://", 443)?;
        if !ports.contains(&parts.port) {
            return Err(invalid(format!("port {} is not allowed", parts.port)));
        }
        match parts.host {
            Host::Address(address) if !is_public(address) => {
                Err(invalid(format!("{address} is not a public address")))
            }
            Host::Address(_) | Host::Name => Ok(Self::of(url, parts)),
        }
    }

    /// Reads an `http` URL whose host is a loopback address, of any port: for tests.
    ///
    /// # Errors
    ///
    /// `Invalid` for anything else.
    pub fn loopback(url: &str) -> Result<Self> {
        let parts = Parts::read(url, "http://", 80)?;
        match parts.host {
            Host::Address(address) if address.is_loopback() => Ok(Self::of(url, parts)),
            Host::Address(_) | Host::Name => {
                Err(invalid("the host is not a loopback address".to_owned()))
            }
        }
    }

    fn of(url: &str, parts: Parts<'_>) -> Self {
        Self { url: url.to_owned(), origin: parts.origin.to_owned() }
    }

    /// Returns the URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns what may be shown of it: scheme, host and port.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&self.origin).finish()
    }
}

enum Host {
    Address(IpAddr),
    Name,
}

struct Parts<'a> {
    origin: &'a str,
    host: Host,
    port: u16,
}

impl<'a> Parts<'a> {
    /// Takes a URL apart, strictly: whatever could be read in two ways is refused.
    fn read(url: &'a str, scheme: &str, port: u16) -> Result<Self> {
        let refuse = |why: &str| invalid(why.to_owned());
        if url.len() > MAX {
            return Err(refuse("a URL has at most 2000 bytes"));
        }
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\\\"<>^`{|}#".contains(&byte);
        if !url.bytes().all(is_plain) {
            return Err(refuse("a URL has no fragment, and no character that must be escaped"));
        }
        let Some(rest) = url.strip_prefix(scheme) else {
            return Err(invalid(format!("the URL must begin with {scheme}")));
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let authority = rest.get(..end).unwrap_or_default();
        let origin = url.get(..scheme.len().saturating_add(end)).unwrap_or_default();
        if authority.contains('@') {
            return Err(refuse("a URL has no credentials in it"));
        }
        let (host, digits) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (address, rest) =
                    rest.split_once(']').ok_or_else(|| refuse("the host cannot be read"))?;
                let address: Ipv6Addr =
                    address.parse().map_err(|_| refuse("the host cannot be read"))?;
                let digits = match rest {
                    "" => None,
                    rest => Some(
                        rest.strip_prefix(':').ok_or_else(|| refuse("the port cannot be read"))?,
                    ),
                };
                (Host::Address(address.into()), digits)
            }
            None => {
                let (host, digits) = match authority.split_once(':') {
                    Some((host, digits)) => (host, Some(digits)),
                    None => (authority, None),
                };
                (read_host(host)?, digits)
            }
        };
        let port = match digits {
            None => port,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| refuse("the port cannot be read"))?,
            Some(_) => return Err(refuse("the port cannot be read")),
        };
        Ok(Self { origin, host, port })
    }
}

/// Reads a host that is not in brackets.
fn read_host(host: &str) -> Result<Host> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(Host::Address(address));
    }
    // What ends in a number is an IPv4 address to clients, in one of many forms.
    let last = host.rsplit('.').next().unwrap_or_default();
    let number = last.starts_with(|first: char| first.is_ascii_digit());
    let canonical = host.parse::<DomainName>().ok().filter(|name| !name.is_wildcard());
    match canonical {
        Some(name) if !number && name.as_str() == host.to_ascii_lowercase() => Ok(Host::Name),
        _ => Err(invalid("the host is neither a plain domain name nor an address".to_owned())),
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Invalid, "webhook", "endpoint", message)
}

#[cfg(test)]
mod tests;
