//! The list of record types, and data of any of them.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{
    Caa, Soa, Txt,
    scan::{Fields, Presentation as _, RecordDataError},
};
use crate::name::{DnsName, serde_as_text};

/// Writes the enums, so that a type is listed once: here. Everything else about it is in the
/// [`Presentation`](super::scan::Presentation) of its data.
macro_rules! types {
    ($($(#[$doc:meta])* $variant:ident($data:ty) = $code:literal $text:literal;)*) => {
        /// The type of a record.
        ///
        /// The order is that of the numbers at IANA.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum RecordType {
            $($(#[$doc])* $variant = $code,)*
        }

        impl RecordType {
            /// Every type.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the number at IANA.
            pub const fn code(self) -> u16 {
                match self {
                    $(Self::$variant => $code,)*
                }
            }

            /// Returns the mnemonic in upper case, as in a zone file.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        /// Typed data of a record.
        ///
        /// Compared by meaning: names without case, TXT by its joined content.
        #[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum RecordData {
            $($(#[$doc])* $variant($data),)*
        }

        impl RecordData {
            /// Returns the type.
            pub const fn record_type(&self) -> RecordType {
                match self {
                    $(Self::$variant(_) => RecordType::$variant,)*
                }
            }

            /// Reads the presentation text of data of a type, RFC 1035 section 5.
            ///
            /// Names are absolute with or without their final dot. Outside quotes `;`, `(` and `)`
            /// must be escaped: comments and groups of lines are for zone files.
            ///
            /// ```
            /// use nameplate::record::{RecordData, RecordType};
            ///
            /// let data = RecordData::parse(RecordType::Cname, "Edge.ACME.app")?;
            /// assert_eq!(data.to_string(), "edge.acme.app.");
            /// # Ok::<(), nameplate::record::RecordDataError>(())
            /// ```
            ///
            /// # Errors
            ///
            /// [`RecordDataError`] with the field that is wrong.
            pub fn parse(record_type: RecordType, text: &str) -> Result<Self, RecordDataError> {
                let mut fields = Fields::new(text);
                let data = match record_type {
                    $(RecordType::$variant => <$data>::scan(&mut fields).map(Self::$variant),)*
                };
                data.and_then(|data| fields.end().map(|()| data))
                    .map_err(|problem| RecordDataError::new(record_type, problem))
            }
        }

        impl fmt::Display for RecordData {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant(data) => data.show(f),)*
                }
            }
        }
    };
}

types! {
    /// An IPv4 address, RFC 1035 section 3.4.1.
    A(Ipv4Addr) = 1 "A";
    /// A name server of the zone or of a delegated one, RFC 1035 section 3.3.11.
    Ns(DnsName) = 2 "NS";
    /// The name that this one is an alias of, RFC 1035 section 3.3.1.
    Cname(DnsName) = 5 "CNAME";
    /// The start of a zone, RFC 1035 section 3.3.13.
    Soa(Soa) = 6 "SOA";
    /// Text, RFC 1035 section 3.3.14.
    Txt(Txt) = 16 "TXT";
    /// An IPv6 address, RFC 3596 section 2.1.
    Aaaa(Ipv6Addr) = 28 "AAAA";
    /// Which certificate authorities may issue, RFC 8659.
    Caa(Caa) = 257 "CAA";
}

/// What is wrong with the name of a record type.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a supported record type")]
pub struct RecordTypeError(());

impl RecordType {
    /// Returns the type with this number at IANA, if it is supported.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|record_type| record_type.code() == code)
    }
}

impl FromStr for RecordType {
    type Err = RecordTypeError;

    /// Reads a mnemonic in any case.
    fn from_str(text: &str) -> Result<Self, RecordTypeError> {
        Self::ALL
            .iter()
            .copied()
            .find(|record_type| record_type.as_str().eq_ignore_ascii_case(text))
            .ok_or(RecordTypeError(()))
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

serde_as_text!(RecordType);

impl fmt::Debug for RecordData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordData({} {self})", self.record_type())
    }
}

/// The stored form: the type, and presentation text.
#[derive(Deserialize, Serialize)]
struct Stored {
    r#type: RecordType,
    value: String,
}

impl Serialize for RecordData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Stored { r#type: self.record_type(), value: self.to_string() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RecordData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        Self::parse(stored.r#type, &stored.value).map_err(D::Error::custom)
    }
}
