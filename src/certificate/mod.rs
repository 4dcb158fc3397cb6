//! Certificates, the orders that bring them, and when they are due again.

mod caa;
mod chain;
mod order;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    clock::{Timestamp, between},
    id::{CertificateId, DomainId, KeyId, OrderId},
    name::DomainName,
};

pub(crate) use caa::Asker;
pub use caa::Permission;
pub use chain::{Chain, ChainError, ChainFault};
pub use order::{Handle, Order, OrderEvent, OrderKey, OrderStatus, Problem};

/// How the certificate authority is shown that a name is ours.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[non_exhaustive]
pub enum Validation {
    // The aliases are how it was written before.
    /// By a TXT record that we place in the zone at our DNS provider (RFC 8555 section 8.4).
    #[serde(rename = "dns-01", alias = "dns01")]
    Dns01,
    /// As [`Validation::Dns01`], in a zone of ours to which the customer's `_acme-challenge` name
    /// leads by a CNAME record that stays.
    #[serde(rename = "dns-01-delegated", alias = "dns01-delegated")]
    Dns01Delegated,
    /// By a file that our edge serves (RFC 8555 section 8.3). Not for wildcards.
    #[serde(rename = "http-01", alias = "http01")]
    Http01,
}

impl Validation {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::Dns01, Self::Dns01Delegated, Self::Http01];

    /// Returns the stable name, which is also how it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns01 => "dns-01",
            Self::Dns01Delegated => "dns-01-delegated",
            Self::Http01 => "http-01",
        }
    }
}

/// Where a certificate came from.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "from", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// The platform had it, and an operator handed it over.
    Adopted,
    /// An authority issued it for an order of ours.
    Issued {
        /// The authority.
        authority: String,
        /// The order.
        order: OrderId,
    },
}

/// A certificate for a domain, with its chain and a reference to its private key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Certificate {
    /// Its id.
    pub id: CertificateId,
    /// The domain that it is for.
    pub domain: DomainId,
    /// The names in it.
    pub names: Vec<DomainName>,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
    /// SHA-256 of the leaf's DER form, 64 hexadecimal characters.
    pub fingerprint: String,
    /// Where it came from.
    pub origin: Origin,
    /// The sealed private key.
    pub key: KeyId,
    /// The chain, leaf first, as PEM text.
    pub chain: String,
}

impl Certificate {
    /// Creates a certificate from a chain that was checked against the names and the key.
    pub fn new(
        id: CertificateId,
        domain: DomainId,
        chain: &Chain,
        origin: Origin,
        key: KeyId,
    ) -> Self {
        Self {
            id,
            domain,
            names: chain.names().to_vec(),
            not_before: chain.not_before(),
            not_after: chain.not_after(),
            fingerprint: chain.fingerprint(),
            origin,
            key,
            chain: chain.to_pem(),
        }
    }

    /// Returns whether it is valid at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.not_before <= now && now < self.not_after
    }

    /// Returns when it is to be renewed.
    pub fn renew_at(&self) -> Timestamp {
        renew_at(self.not_before, self.not_after)
    }
}

/// Certificates that live shorter than this are renewed at half of their life.
const SHORT_LIFE: Duration = Duration::from_secs(10 * 86_400);

/// Returns when a certificate of this validity is to be renewed: when one third of its life is
/// left, or one half if it lives shorter than ten days (Let's Encrypt's integration guide).
pub fn renew_at(not_before: Timestamp, not_after: Timestamp) -> Timestamp {
    let life = between(not_before, not_after);
    let left = if life < SHORT_LIFE { life / 2 } else { life / 3 };
    chrono::TimeDelta::from_std(left)
        .ok()
        .and_then(|left| not_after.checked_sub_signed(left))
        .unwrap_or(not_before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::after;

    #[test]
    fn a_validation_is_written_by_its_name_and_read_as_it_was_written_before() {
        for validation in Validation::ALL {
            let text = format!("\"{}\"", validation.as_str());
            assert_eq!(serde_json::to_string(&validation).unwrap(), text);
            let before = text.replacen("-01", "01", 1);
            assert_ne!(text, before);
            for text in [text, before] {
                assert_eq!(serde_json::from_str::<Validation>(&text).unwrap(), validation);
            }
        }
    }

    #[test]
    fn renewal_is_due_with_a_third_of_life_left_or_half_of_a_short_one() {
        let start = Timestamp::UNIX_EPOCH;
        let day = Duration::from_secs(86_400);
        assert_eq!(renew_at(start, after(start, day * 90)), after(start, day * 60));
        assert_eq!(renew_at(start, after(start, day * 6)), after(start, day * 3));
    }

    #[test]
    fn an_impossible_validity_is_due_at_once() {
        let end = Timestamp::UNIX_EPOCH;
        assert!(renew_at(after(end, Duration::from_secs(9)), end) <= end);
    }
}
