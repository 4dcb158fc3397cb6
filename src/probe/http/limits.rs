//! How much of a host's time and words is taken.

use std::time::Duration;

use super::{super::Fetched, COMPONENT};
use crate::{
    error::{Error, ErrorKind, Result},
    resolver::Lookup,
};

/// What an [`HttpProbe`](super::HttpProbe) takes before it stops.
///
/// | field | unless told | least | most |
/// |---|---|---|---|
/// | `connect` | 3 s | 100 ms | 60 s |
/// | `tls` | 5 s | 100 ms | 60 s |
/// | `first_byte` | 5 s | 100 ms | 60 s |
/// | `total` | 10 s | 100 ms | 60 s |
/// | `head_bytes` | 16 KiB | 1 KiB | 64 KiB |
/// | `fields` | 100 | 16 | 256 |
/// | `interim` | 5 | 0 | 10 |
/// | `body_bytes` | 1024 | 128 | 1024 |
/// | `redirects` | 10 | 0 | 10 |
/// | `chain` | 8 | 0 | 8 |
/// | `per_address` | 4 | 1 | 64 |
/// | `per_domain` | 4 | 1 | 64 |
///
/// Each can be changed by itself:
///
/// ```
/// # fn example(
/// #     builder: nameplate::probe::HttpProbeBuilder,
/// # ) -> nameplate::Result<nameplate::probe::HttpProbe> {
/// use std::time::Duration;
///
/// use nameplate::probe::ProbeLimits;
///
/// let mut limits = ProbeLimits::default();
/// limits.total = Duration::from_secs(5);
/// builder.with_limits(limits).build()
/// # }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ProbeLimits {
    /// How long one address may take to accept a connection.
    pub connect: Duration,
    /// How long a TLS handshake may take.
    pub tls: Duration,
    /// How long the first byte of a response may take, after the request was sent.
    pub first_byte: Duration,
    /// How long all of it may take, waiting for one's turn and redirections included.
    pub total: Duration,
    /// Most bytes of a response that are not its body: status lines, fields, the framing of chunks,
    /// trailers.
    pub head_bytes: usize,
    /// Most fields of a response, trailers included.
    pub fields: usize,
    /// Most interim responses (1xx).
    pub interim: usize,
    /// Most bytes of a body; the rest is not read.
    pub body_bytes: usize,
    /// Most redirections that are followed, whatever was asked for.
    pub redirects: usize,
    /// Longest chain of CNAME records that leads to the addresses.
    pub chain: usize,
    /// Most connections to one address at the same time.
    pub per_address: usize,
    /// Most pages of one registrable domain that are fetched at the same time.
    pub per_domain: usize,
}

impl Default for ProbeLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            tls: Duration::from_secs(5),
            first_byte: Duration::from_secs(5),
            total: Duration::from_secs(10),
            head_bytes: 16 * 1024,
            fields: 100,
            interim: 5,
            body_bytes: Fetched::MAX_BODY,
            redirects: 10,
            chain: Lookup::MAX_CHAIN,
            per_address: 4,
            per_domain: 4,
        }
    }
}

impl ProbeLimits {
    /// Refuses numbers outside of their ranges.
    pub(super) fn check(&self) -> Result<()> {
        let shortest = Duration::from_millis(100);
        let longest = Duration::from_secs(60);
        for (name, value) in [
            ("connect", self.connect),
            ("tls", self.tls),
            ("first_byte", self.first_byte),
            ("total", self.total),
        ] {
            if value < shortest || value > longest {
                return Err(invalid(format!(
                    "the limit `{name}` is {value:?}, and has to be from {shortest:?} to {longest:?}"
                )));
            }
        }
        for (name, value, least, most) in [
            ("head_bytes", self.head_bytes, 1024, 64 * 1024),
            ("fields", self.fields, 16, 256),
            ("interim", self.interim, 0, 10),
            ("body_bytes", self.body_bytes, 128, Fetched::MAX_BODY),
            ("redirects", self.redirects, 0, 10),
            ("chain", self.chain, 0, Lookup::MAX_CHAIN),
            ("per_address", self.per_address, 1, 64),
            ("per_domain", self.per_domain, 1, 64),
        ] {
            if value < least || value > most {
                return Err(invalid(format!(
                    "the limit `{name}` is {value}, and has to be from {least} to {most}"
                )));
            }
        }
        Ok(())
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Invalid, COMPONENT, "build", message)
}

#[cfg(test)]
mod tests;
