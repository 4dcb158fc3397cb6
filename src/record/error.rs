//! What can be wrong with the data of a record: which field, where, and why.

use std::fmt;

use super::{RecordType, SvcParamKey, svcb::ParamRule};
use crate::name::DnsNameError;

/// What is wrong with the data of a record: which field, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordDataError {
    record_type: RecordType,
    problem: Problem,
}

impl RecordDataError {
    pub(super) fn new(record_type: RecordType, problem: Problem) -> Self {
        Self { record_type, problem }
    }

    /// Returns the type whose data was to be read.
    pub fn record_type(&self) -> RecordType {
        self.record_type
    }

    /// Returns the name of the field in the RFC of the type, as `serial`.
    pub fn field(&self) -> &'static str {
        self.problem.field
    }

    /// Returns where the field starts, in bytes of the text or of the wire form.
    ///
    /// `None` if it is missing, and for a value that was read from neither.
    pub fn offset(&self) -> Option<usize> {
        self.problem.offset
    }

    /// Returns whether there is nothing where the field should be.
    pub(super) fn is_missing(&self) -> bool {
        self.problem.kind == Kind::Missing
    }

    /// Returns whether the data are longer than a record can be.
    pub(super) fn is_too_long(&self) -> bool {
        self.problem.kind == Kind::TooLong
    }
}

impl fmt::Display for RecordDataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.record_type, self.problem.field, self.problem.kind)
    }
}

impl std::error::Error for RecordDataError {}

/// What is wrong with which field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Problem {
    pub(super) field: &'static str,
    pub(super) offset: Option<usize>,
    pub(super) kind: Kind,
}

impl Problem {
    /// Creates a problem of a value that was not read from anywhere, or is missing.
    pub(super) fn of(field: &'static str, kind: Kind) -> Self {
        Self { field, offset: None, kind }
    }
}

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Kind {
    #[error("an IPv4 address is four numbers from 0 to 255, as in 192.0.2.1")]
    Address4,
    #[error("not an IPv6 address, as in 2001:db8::1")]
    Address6,
    #[error("not meters from -100000.00m to 42849672.95m, with at most two decimals")]
    Altitude,
    #[error("not base32 with the digits 0 to 9 and A to V, without padding")]
    Base32,
    #[error("not base64 with its padding")]
    Base64,
    #[error("a control character must be escaped, as in \\009")]
    Control,
    #[error("a digest of its type has {expected} octets")]
    DigestLength { expected: usize },
    #[error("a backslash is followed by a character or by three digits up to 255")]
    Escape,
    #[error("not {len} pairs of hex digits with hyphens between")]
    Eui { len: usize },
    #[error("data of an unknown type are written `\\# 3 abcdef`: length and hex digits")]
    Generic,
    #[error("pairs of hex digits")]
    Hex,
    #[error("words of an even number of hex digits")]
    HexWords,
    #[error("not degrees, minutes, seconds and N or S, up to 90 degrees, as in 42 21 54.5 N")]
    Latitude,
    #[error("{found} octets follow")]
    Length { found: usize },
    #[error("not four groups of four hex digits with colons between")]
    Locator,
    #[error("not degrees, minutes, seconds and E or W, up to 180 degrees, as in 71 6 18 W")]
    Longitude,
    #[error("the type is for questions and messages, and never has data in a zone")]
    Meta,
    #[error("missing")]
    Missing,
    #[error("{0}")]
    Name(#[from] DnsNameError),
    #[error("not a number from 0 to {max}")]
    Number { max: u32 },
    #[error("{key}: {rule}")]
    Param { key: SvcParamKey, rule: ParamRule },
    #[error("a parameter is a key, as `alpn` or `key667`, and perhaps `=` and a value")]
    ParamKey,
    #[error("not a number of seconds up to 4294967295, as in 3600 or 1h")]
    Period,
    #[error("a name on the wire consists of labels of at most 63 octets, uncompressed")]
    PlainName,
    #[error("the character `{}` cannot be printed", .0.escape_default())]
    Printable(char),
    #[error("text after the last field")]
    Rest,
    #[error("not meters from 0 to 90000000.00m, with at most two decimals")]
    Size,
    #[error("`{0}` must be in quotes or escaped")]
    Special(char),
    #[error("longer than 255 octets")]
    StringTooLong,
    #[error("white space at the start or the end")]
    Surrounded,
    #[error("letters and digits, at most 255")]
    Tag,
    #[error("not a time as 20261231235959, nor a number of seconds up to 4294967295")]
    Time,
    #[error("longer than the 65535 octets of a record")]
    TooLong,
    #[error("not a type of record, as AAAA or TYPE731")]
    Type,
    #[error("the type has no form on the wire")]
    Unnumbered,
    #[error("the quotes are not closed")]
    Unclosed,
    #[error("quotes are not expected here")]
    Unquoted,
    #[error("not 0")]
    Version,
    #[error("the data end within the field")]
    WireEnd,
    #[error("octets after the last field")]
    WireRest,
}
