//! An order for a certificate, and its machine.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Validation;
use crate::{
    clock::Timestamp,
    encoding::hex_text,
    id::{DomainId, KeyId, OrderId},
    name::DomainName,
};

/// What an authority gave for something it keeps: opaque bytes (an URL for ACME) that it
/// understands again later, also in another process.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Handle(Vec<u8>);

impl Handle {
    /// Takes the bytes over.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({})", String::from_utf8_lossy(&self.0).escape_debug())
    }
}

// Text in JSON where the bytes are text, so that an operator can read it.
impl Serialize for Handle {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.collect_str(&format_args!("text:{text}")),
            Err(_) => serializer.collect_str(&format_args!("hex:{}", hex::encode(&self.0))),
        }
    }
}

impl<'de> Deserialize<'de> for Handle {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if let Some(text) = text.strip_prefix("text:") {
            return Ok(Self(text.as_bytes().to_vec()));
        }
        text.strip_prefix("hex:")
            .and_then(|digits| hex::decode(digits).ok())
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("a handle starts with `text:` or `hex:`"))
    }
}

/// What the authority said went wrong (RFC 8555 section 6.7).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// The type, without `urn:ietf:params:acme:error:`, such as `caa` or `unauthorized`; one line
    /// of at most 100 bytes.
    pub code: String,
    /// The text, one line of at most 500 bytes.
    pub detail: String,
}

impl Problem {
    /// Creates a problem. Both may be anything: what is too long is cut, and control characters
    /// become spaces.
    pub fn new(code: impl Into<String>, detail: impl Into<String>) -> Self {
        let line = |text: String, limit| {
            let mut text: String =
                text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            text.truncate(text.floor_char_boundary(limit));
            text
        };
        Self { code: line(code.into(), 100), detail: line(detail.into(), 500) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

/// Where an order of ours is.
///
/// What the authority says of it is read again at every step; this is what we have done.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OrderStatus {
    /// We are about to open it.
    Planned,
    /// It is open; authorizations are missing.
    Pending,
    /// All authorizations are valid; the key is stored.
    Ready,
    /// We asked for the certificate.
    Processing,
    /// The certificate is stored.
    Issued,
    /// It came to nothing.
    Failed,
}

/// What can happen to an order of ours.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum OrderEvent {
    /// The authority took it.
    Opened,
    /// All authorizations are valid, and the key is stored.
    Authorized,
    /// We asked for the certificate.
    Finalized,
    /// The certificate is stored.
    Issued,
    /// It was refused, expired, or is wanted no more.
    Failed,
}

impl OrderStatus {
    /// Every status.
    pub const ALL: [Self; 6] =
        [Self::Planned, Self::Pending, Self::Ready, Self::Processing, Self::Issued, Self::Failed];

    /// Returns the stored name, which never changes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Processing => "processing",
            Self::Issued => "issued",
            Self::Failed => "failed",
        }
    }

    /// Returns the status that `event` leads to, or `None` if it does not apply here.
    ///
    /// Nothing else in the crate names a next status of an order.
    pub const fn on(self, event: OrderEvent) -> Option<Self> {
        use OrderEvent as E;

        Some(match (self, event) {
            (Self::Planned, E::Opened) => Self::Pending,
            (Self::Pending, E::Authorized) => Self::Ready,
            // Asked again when the answer was lost: the same request, the same key.
            (Self::Ready | Self::Processing, E::Finalized) => Self::Processing,
            (Self::Processing, E::Issued) => Self::Issued,
            (Self::Planned | Self::Pending | Self::Ready | Self::Processing, E::Failed) => {
                Self::Failed
            }
            _ => return None,
        })
    }

    /// Returns whether nothing more can happen.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Issued | Self::Failed)
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl OrderEvent {
    /// Every event.
    pub const ALL: [Self; 5] =
        [Self::Opened, Self::Authorized, Self::Finalized, Self::Issued, Self::Failed];

    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Authorized => "authorized",
            Self::Finalized => "finalized",
            Self::Issued => "issued",
            Self::Failed => "failed",
        }
    }
}

/// The key that an order is finalized with, stored before the authority hears of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OrderKey {
    /// The sealed private key.
    pub id: KeyId,
    /// Its public half, SubjectPublicKeyInfo DER.
    #[serde(with = "hex_text")]
    pub public_key: Vec<u8>,
    /// The certificate signing request, PKCS #10 DER.
    #[serde(with = "hex_text")]
    pub request: Vec<u8>,
}

impl OrderKey {
    /// Creates it from its parts.
    pub const fn new(id: KeyId, public_key: Vec<u8>, request: Vec<u8>) -> Self {
        Self { id, public_key, request }
    }
}

/// An order for a certificate.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// The domain that it is for.
    pub domain: DomainId,
    /// The names that are asked for.
    pub names: Vec<DomainName>,
    /// How the authority is convinced.
    pub validation: Validation,
    /// The authority.
    pub authority: String,
    /// Where it is.
    pub status: OrderStatus,
    /// When we decided on it.
    pub planned_at: Timestamp,
    /// When it is given up.
    pub deadline: Timestamp,
    /// What the authority calls it, once it is open.
    pub handle: Option<Handle>,
    /// The account that it was opened under; `None` before that, and of orders of earlier releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Handle>,
    /// The key, from just before it is finalized.
    pub key: Option<OrderKey>,
    /// What the authority has been told and has taken note of: authorizations whose challenge was
    /// answered, and the order itself once it was finalized. Not told again, whatever it shows.
    #[serde(default)]
    pub told: Vec<Handle>,
    /// How often it was looked at since something changed, for the schedule of looks.
    pub polls: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_final_order_takes_no_event_and_every_other_can_fail() {
        for status in OrderStatus::ALL {
            for event in OrderEvent::ALL {
                assert!(!status.is_final() || status.on(event).is_none(), "{status} {event:?}");
            }
            assert_eq!(status.on(OrderEvent::Failed).is_some(), !status.is_final(), "{status}");
        }
    }

    #[test]
    fn every_event_applies_somewhere_and_every_status_is_reached() {
        for event in OrderEvent::ALL {
            assert!(OrderStatus::ALL.iter().any(|status| status.on(event).is_some()));
        }
        for status in OrderStatus::ALL {
            let reached = status == OrderStatus::Planned
                || OrderStatus::ALL.iter().any(|from| {
                    OrderEvent::ALL.iter().any(|event| from.on(*event) == Some(status))
                });
            assert!(reached, "{status}");
        }
    }

    #[test]
    fn whatever_an_authority_says_is_one_short_line() {
        let problem = Problem::new("caa\n\u{1b}".repeat(1000), "no\r\nentry ä".repeat(1000));
        assert!(problem.code.len() <= 100 && problem.detail.len() <= 500, "{problem}");
        assert!(!problem.to_string().chars().any(char::is_control), "{problem}");
    }

    #[test]
    fn handles_of_text_and_of_bytes_read_back() {
        for bytes in [b"https://ca.test/order/1".to_vec(), vec![0xff, 0], Vec::new()] {
            let handle = Handle::new(bytes);
            let json = serde_json::to_string(&handle).unwrap();
            assert_eq!(serde_json::from_str::<Handle>(&json).unwrap(), handle);
        }
        assert!(serde_json::from_str::<Handle>("\"https://ca.test\"").is_err());
    }
}
