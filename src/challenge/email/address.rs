//! An address that a proof may be sent to.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Mailbox;
use crate::name::DomainName;

/// An address that a proof may be sent to, in the one form that is stored and compared: lower case.
///
/// Narrower than mail is. A local part has 1 to 64 letters, digits, hyphens, underscores and inner
/// dots; what can be quoted, tagged (`+`), internationalized or read as something else is refused, and
/// so is a host that is not written in A-labels.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct MailAddress(String);

/// A text is no address that a proof may be sent to.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a proof is sent to addresses of plain letters, digits, hyphens, underscores and dots only"
)]
pub struct MailAddressError(());

impl MailAddress {
    /// Longest address, in bytes (RFC 5321 section 4.5.3.1.3, without the brackets).
    pub const MAX: usize = 254;

    /// Longest local part, in bytes.
    const MAX_LOCAL: usize = 64;

    /// Returns the address of a mailbox at a host; `None` if it is too long.
    pub(super) fn of(mailbox: Mailbox, host: &DomainName) -> Option<Self> {
        format!("{}@{host}", mailbox.as_str()).parse().ok()
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the part behind the `@`.
    pub fn host(&self) -> &str {
        self.0.rsplit_once('@').map(|(_, host)| host).unwrap_or_default()
    }
}

impl FromStr for MailAddress {
    type Err = MailAddressError;

    fn from_str(text: &str) -> Result<Self, MailAddressError> {
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
        let text = text.to_ascii_lowercase();
        let (local, host) = text.split_once('@').ok_or(MailAddressError(()))?;
        let is_local = (1..=Self::MAX_LOCAL).contains(&local.len())
            && local.bytes().all(plain)
            && local.split('.').all(|part| !part.is_empty());
        // What is canonical is spelled in A-labels, without a final dot.
        let is_host = host
            .parse::<DomainName>()
            .is_ok_and(|name| name.as_str() == host && !name.is_wildcard());
        match is_local && is_host && text.len() <= Self::MAX {
            true => Ok(Self(text)),
            false => Err(MailAddressError(())),
        }
    }
}

impl TryFrom<String> for MailAddress {
    type Error = MailAddressError;

    fn try_from(text: String) -> Result<Self, MailAddressError> {
        text.parse()
    }
}

impl From<MailAddress> for String {
    fn from(address: MailAddress) -> Self {
        address.0
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
