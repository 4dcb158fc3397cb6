//! Names: what a customer may claim, and what DNS can hold.
//!
//! [`DomainName`] is a host name in the one form that is stored and compared. Whether it may be
//! claimed is another question, which [`ClaimPolicy::admit`] answers. [`DnsName`] is any owner or
//! target of a record: `_acme-challenge.example.com` is one, and is no host name.

mod claim;
mod dns;
mod domain;
mod error;
mod overlap;
mod profile;
mod scan;
mod suffix;
mod syntax;

pub use claim::{AdmitError, ClaimPolicy, ClaimRule};
pub use dns::{DnsName, DnsNameError};
pub use domain::DomainName;
pub use error::{DomainNameError, NameRule};
pub use overlap::Overlap;
pub use profile::NameProfile;
pub use suffix::{PublicSuffixes, SharedSuffixes, SuffixListError};

/// Serializes a type as its text, which the method gives that is named, and validates the text when
/// it is read back.
macro_rules! serde_as_text {
    ($name:ty, $text:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.$text())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <std::borrow::Cow<'de, str>>::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use dns::{canonical_order, unescape};
pub(crate) use serde_as_text;
