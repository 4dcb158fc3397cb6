//! The list of record types, and data of any of them.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{
    Caa, Ds, Loc, Mx, Naptr, ProviderValue, RecordDataError, Soa, Srv, Sshfp, Svcb, Tlsa, Txt,
    UnknownData, UnknownType,
    error::{Kind, Problem},
    other,
    scan::{Fields, Presentation as _},
    unknown::scan_generic,
    wire::{DATA_LIMIT, Reader, Wire as _},
};
use crate::name::DnsName;

/// Writes the enums, so that a type is listed once: here. Everything else about it is in the
/// [`Presentation`](super::scan::Presentation) and [`Wire`](super::wire::Wire) of its data.
macro_rules! types {
    (
        numbered {
            $($(#[$doc:meta])* $variant:ident($data:ty) = $code:literal $text:literal;)*
        }
        provider {
            $($(#[$own_doc:meta])* $own_variant:ident($own_data:ty) = $own_text:literal;)*
        }
    ) => {
        /// The type of a record.
        ///
        /// The order is that of the numbers at IANA; the types that are a provider's own come next,
        /// and then those that have no name here.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum RecordType {
            $($(#[$doc])* $variant,)*
            $($(#[$own_doc])* $own_variant,)*
            /// Any other type, by its number, RFC 3597.
            Unknown(UnknownType),
        }

        impl RecordType {
            /// Every type that has a name here.
            pub const ALL: &[Self] = &[$(Self::$variant,)* $(Self::$own_variant,)*];

            /// Returns the number at IANA; `None` for the types that are a provider's own.
            pub const fn code(self) -> Option<u16> {
                match self {
                    $(Self::$variant => Some($code),)*
                    $(Self::$own_variant)|* => None,
                    Self::Unknown(unknown) => Some(unknown.code()),
                }
            }

            /// Returns the name of the type, as `AAAA`; `None` for [`RecordType::Unknown`].
            pub const fn mnemonic(self) -> Option<&'static str> {
                match self {
                    $(Self::$variant => Some($text),)*
                    $(Self::$own_variant => Some($own_text),)*
                    Self::Unknown(_) => None,
                }
            }
        }

        /// Typed data of a record.
        ///
        /// Compared by meaning: names without case, TXT by its joined content, addresses by value,
        /// service parameters without order.
        #[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum RecordData {
            $($(#[$doc])* $variant($data),)*
            $($(#[$own_doc])* $own_variant($own_data),)*
            /// Data of any other type, by their octets, RFC 3597.
            Unknown(UnknownData),
        }

        impl RecordData {
            /// Returns the type.
            pub const fn record_type(&self) -> RecordType {
                match self {
                    $(Self::$variant(_) => RecordType::$variant,)*
                    $(Self::$own_variant(_) => RecordType::$own_variant,)*
                    Self::Unknown(data) => RecordType::Unknown(data.unknown_type()),
                }
            }

            /// Returns the data as on the wire: names uncompressed and in lower case.
            ///
            /// `None` for the types that are a provider's own. Only a [`Txt`] that was made rather
            /// than read can be longer than the 65,535 octets of a record.
            pub fn to_wire(&self) -> Option<Vec<u8>> {
                let mut wire = Vec::new();
                match self {
                    $(Self::$variant(data) => data.write(&mut wire),)*
                    $(Self::$own_variant(_))|* => return None,
                    Self::Unknown(data) => wire.extend_from_slice(data.octets()),
                }
                Some(wire)
            }

            fn scan(record_type: RecordType, fields: &mut Fields<'_>) -> Result<Self, Problem> {
                match record_type {
                    $(RecordType::$variant => <$data>::scan(fields).map(Self::$variant),)*
                    $(RecordType::$own_variant => {
                        <$own_data>::scan(fields).map(Self::$own_variant)
                    })*
                    RecordType::Unknown(unknown) => other::scan(unknown, fields).map(Self::Unknown),
                }
            }

            fn read(record_type: RecordType, wire: &mut Reader<'_>) -> Result<Self, Problem> {
                match record_type {
                    $(RecordType::$variant => <$data>::read(wire).map(Self::$variant),)*
                    $(RecordType::$own_variant)|* => Err(Problem::of("data", Kind::Unnumbered)),
                    RecordType::Unknown(unknown) => {
                        UnknownData::build(unknown, wire.rest().into()).map(Self::Unknown)
                    }
                }
            }
        }

        /// Presentation text, which reads back as the same data.
        impl fmt::Display for RecordData {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant(data) => data.show(f),)*
                    $(Self::$own_variant(data) => data.show(f),)*
                    Self::Unknown(data) => data.show(f),
                }
            }
        }
    };
}

types! {
    numbered {
        /// An IPv4 address, RFC 1035 section 3.4.1.
        A(Ipv4Addr) = 1 "A";
        /// A name server of the zone or of a delegated one, RFC 1035 section 3.3.11.
        Ns(DnsName) = 2 "NS";
        /// The name that this one is an alias of, RFC 1035 section 3.3.1.
        Cname(DnsName) = 5 "CNAME";
        /// The start of a zone, RFC 1035 section 3.3.13.
        Soa(Box<Soa>) = 6 "SOA";
        /// The name of an address, RFC 1035 section 3.3.12.
        Ptr(DnsName) = 12 "PTR";
        /// A mail server, RFC 1035 section 3.3.9.
        Mx(Mx) = 15 "MX";
        /// Text, RFC 1035 section 3.3.14.
        Txt(Txt) = 16 "TXT";
        /// An IPv6 address, RFC 3596 section 2.1.
        Aaaa(Ipv6Addr) = 28 "AAAA";
        /// A place on Earth, RFC 1876.
        Loc(Loc) = 29 "LOC";
        /// A server of a service, RFC 2782.
        Srv(Srv) = 33 "SRV";
        /// A rule that rewrites an identifier, RFC 3403.
        Naptr(Box<Naptr>) = 35 "NAPTR";
        /// The name below which this subtree is found, RFC 6672.
        Dname(DnsName) = 39 "DNAME";
        /// The digest of a key of a delegated zone, RFC 4034 section 5.
        Ds(Ds) = 43 "DS";
        /// The fingerprint of the key of an SSH server, RFC 4255.
        Sshfp(Sshfp) = 44 "SSHFP";
        /// The certificate or key of a TLS server, RFC 6698.
        Tlsa(Tlsa) = 52 "TLSA";
        /// How to reach a service, RFC 9460.
        Svcb(Box<Svcb>) = 64 "SVCB";
        /// How to reach a web server, RFC 9460 section 9.
        Https(Box<Svcb>) = 65 "HTTPS";
        /// Which certificate authorities may issue, RFC 8659.
        Caa(Caa) = 257 "CAA";
    }
    provider {
        /// The name whose addresses the provider answers with, where a CNAME cannot be.
        Alias(DnsName) = "ALIAS";
        /// The same under the name that other providers have for it.
        Flatten(DnsName) = "Flatten";
        /// A pull zone of the provider's content delivery network.
        PullZone(ProviderValue) = "PullZone";
        /// Where the provider's web servers redirect to.
        Redirect(ProviderValue) = "Redirect";
        /// A script at the provider that makes the answer.
        Script(ProviderValue) = "Script";
    }
}

impl RecordData {
    /// Reads the presentation text of data of a type, RFC 1035 section 5.
    ///
    /// Names are absolute with or without their final dot. Outside quotes `;`, `(` and `)` must be
    /// escaped: comments and groups of lines are for zone files. Data of every type with a number
    /// are also read in the generic form of RFC 3597 section 5, as `\# 4 c0000201`. Of the types that
    /// have no name here those that zones have, such as HINFO and DNSKEY, are read in the text of
    /// their RFC too, and shown in the generic form.
    ///
    /// ```
    /// use nameplate::record::{RecordData, RecordType};
    ///
    /// let data = RecordData::parse(RecordType::Mx, "10 Mail.ACME.app")?;
    /// assert_eq!(data.to_string(), "10 mail.acme.app.");
    /// # Ok::<(), nameplate::record::RecordDataError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RecordDataError`] with the field that is wrong.
    pub fn parse(record_type: RecordType, text: &str) -> Result<Self, RecordDataError> {
        Self::parse_text(record_type, text, None)
    }

    /// Reads presentation text as [`parse`](Self::parse) does, but with names relative to `origin`.
    ///
    /// As in a zone file a name is absolute only with its final dot, and `@` is the origin.
    ///
    /// # Errors
    ///
    /// [`RecordDataError`] with the field that is wrong.
    pub fn parse_in(
        record_type: RecordType,
        text: &str,
        origin: &DnsName,
    ) -> Result<Self, RecordDataError> {
        Self::parse_text(record_type, text, Some(origin))
    }

    /// Reads data of a type from their octets on the wire.
    ///
    /// Names in them are not compressed: a pointer means nothing outside its message.
    ///
    /// ```
    /// use nameplate::record::{RecordData, RecordType};
    ///
    /// let data = RecordData::from_wire(RecordType::A, &[192, 0, 2, 1])?;
    /// assert_eq!(data.to_string(), "192.0.2.1");
    /// # Ok::<(), nameplate::record::RecordDataError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RecordDataError`] if a field is malformed or cut off, if octets are left over, and for types
    /// that are a provider's own.
    pub fn from_wire(record_type: RecordType, octets: &[u8]) -> Result<Self, RecordDataError> {
        Self::decode(record_type, octets)
            .map_err(|problem| RecordDataError::new(record_type, problem))
    }

    fn parse_text(
        record_type: RecordType,
        text: &str,
        origin: Option<&DnsName>,
    ) -> Result<Self, RecordDataError> {
        let parse = || {
            if record_type.code().is_some()
                && let Some(octets) = scan_generic(text)?
            {
                // An offset in the octets would say nothing about the text.
                return Self::decode(record_type, &octets)
                    .map_err(|problem| Problem { offset: None, ..problem });
            }
            let mut fields = Fields::new(text, origin);
            let data = Self::scan(record_type, &mut fields)?;
            fields.end().map(|()| data)
        };
        parse().map_err(|problem| RecordDataError::new(record_type, problem))
    }

    fn decode(record_type: RecordType, octets: &[u8]) -> Result<Self, Problem> {
        if octets.len() > DATA_LIMIT {
            return Err(Problem::of("data", Kind::TooLong));
        }
        let mut wire = Reader::new(octets);
        let data = Self::read(record_type, &mut wire)?;
        wire.end().map(|()| data)
    }
}

/// Shows data of one type as [`RecordData`] does.
macro_rules! shown {
    ($($data:ty),*) => {$(
        impl fmt::Display for $data {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.show(f)
            }
        }
    )*};
}

shown!(Caa, Ds, Loc, Mx, Naptr, ProviderValue, Soa, Srv, Sshfp, Svcb, Tlsa, Txt, UnknownData);

/// Makes data of what is that of one type alone: a name or an SVCB could be that of several.
macro_rules! of_one_type {
    ($($variant:ident($data:ty)),*) => {$(
        impl From<$data> for RecordData {
            fn from(data: $data) -> Self {
                Self::$variant(data.into())
            }
        }
    )*};
}

of_one_type!(
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Caa(Caa),
    Ds(Ds),
    Loc(Loc),
    Mx(Mx),
    Naptr(Naptr),
    Soa(Soa),
    Srv(Srv),
    Sshfp(Sshfp),
    Tlsa(Tlsa),
    Txt(Txt),
    Unknown(UnknownData)
);

impl From<IpAddr> for RecordData {
    /// Makes A or AAAA.
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::A(address),
            IpAddr::V6(address) => Self::Aaaa(address),
        }
    }
}

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
