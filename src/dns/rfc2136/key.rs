//! The key that updates are signed with.

use std::{fmt, str::FromStr};

use data_encoding::BASE64;
use hickory_proto::rr::rdata::tsig;

use crate::{
    error::{Error, ErrorKind, Result},
    name::DnsName,
    secret::Secret,
};

/// How messages are signed (RFC 8945 section 6): those that are not obsolete or optional.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum TsigAlgorithm {
    /// `hmac-sha256`
    HmacSha256,
    /// `hmac-sha384`
    HmacSha384,
    /// `hmac-sha512`
    HmacSha512,
}

/// What is wrong with the name of an algorithm.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an algorithm is `hmac-sha256`, `hmac-sha384` or `hmac-sha512`")]
pub struct TsigAlgorithmError(());

impl TsigAlgorithm {
    const ALL: [Self; 3] = [Self::HmacSha256, Self::HmacSha384, Self::HmacSha512];

    /// Returns the name in DNS, without the final dot.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
        }
    }

    /// Returns it as `hickory-proto` has it.
    pub(super) const fn to_wire(self) -> tsig::TsigAlgorithm {
        match self {
            Self::HmacSha256 => tsig::TsigAlgorithm::HmacSha256,
            Self::HmacSha384 => tsig::TsigAlgorithm::HmacSha384,
            Self::HmacSha512 => tsig::TsigAlgorithm::HmacSha512,
        }
    }
}

impl fmt::Display for TsigAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TsigAlgorithm {
    type Err = TsigAlgorithmError;

    /// Reads the name in any case, with or without the final dot.
    fn from_str(text: &str) -> Result<Self, TsigAlgorithmError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(text))
            .ok_or(TsigAlgorithmError(()))
    }
}

/// A key that a server and we share (RFC 8945).
#[derive(Clone, Debug)]
pub struct TsigKey {
    pub(super) name: DnsName,
    pub(super) algorithm: TsigAlgorithm,
    pub(super) secret: Secret,
}

impl TsigKey {
    /// Creates a key. Both sides know it by name and algorithm.
    pub const fn new(name: DnsName, algorithm: TsigAlgorithm, secret: Secret) -> Self {
        Self { name, algorithm, secret }
    }

    /// Creates a key from the Base64 text in which servers have it in their configuration.
    ///
    /// # Errors
    ///
    /// `Invalid` if it is no Base64 (RFC 4648 section 4) or empty. The error does not show it.
    pub fn from_base64(name: DnsName, algorithm: TsigAlgorithm, secret: &str) -> Result<Self> {
        let invalid = |message| Error::new(ErrorKind::Invalid, "rfc2136", "key", message);
        match BASE64.decode(secret.trim_ascii().as_bytes()) {
            Ok(secret) if secret.is_empty() => Err(invalid("the secret is empty")),
            Ok(secret) => Ok(Self::new(name, algorithm, Secret::new(secret))),
            // What the decoder says shows where it stopped, so it is not kept.
            Err(_) => Err(invalid("the secret is no Base64")),
        }
    }
}
