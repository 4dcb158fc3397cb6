//! Zone files in and out: the master files of RFC 1035 section 5.

mod error;
mod read;
mod token;
mod write;

use std::{fmt, str::FromStr};

use crate::{name::DnsName, record::DnsRecord};

pub use error::{ZoneFileError, ZoneFileErrors, ZoneFileRule, ZoneFileTypeError};

/// The records of a zone as a master file has them, RFC 1035 section 5.
///
/// # Reading
///
/// To the letter of RFC 1035 section 5.1: `$ORIGIN`, `@` and relative names, an owner that a line
/// inherits by starting with white space, TTL and class in either order, parentheses over ends of
/// lines, comments, escapes, and strings in quotes, which may hold ends of lines too. Types and data
/// may have the general form of RFC 3597 (`TYPE731 \# 6 abcdef 012345`), and so may the class. Types
/// that have no name here and that zones have, such as HINFO and DNSKEY, are read in the text of
/// their RFC, and written in the general form.
///
/// Beyond that, as BIND and Knot DNS do: directives and mnemonics in any case, lines that end in
/// CR LF, a byte order mark, a last line without its end, and times with units in TTLs and in the
/// SOA (`1h30m`).
///
/// A record without TTL has that of the last `$TTL` (RFC 2308 section 4), else the last one stated
/// (RFC 1035 section 5.1). A SOA that has neither has its own minimum, which is the default from
/// there on.
///
/// Refused are classes other than `IN`, `$INCLUDE` and `$GENERATE`, parentheses in parentheses,
/// octets above 127 in names, and types of providers, such as [`RecordType::Alias`](crate::record::RecordType::Alias). What the
/// records mean together is for [`lint`](fn@super::lint): a file may hold records outside its zone,
/// and no SOA.
///
/// # Writing
///
/// [`Display`](fmt::Display) writes `$ORIGIN`, `$TTL`, the SOA, and the other records in canonical
/// order (RFC 4034 section 6) by owner, type and data: one line each, names in the data absolute.
/// The same records give the same file, which BIND and Knot DNS read. It has no place for the comment, weight and monitor of a
/// record.
///
/// ```
/// use nameplate::zone::ZoneFile;
///
/// let file: ZoneFile = "
/// $ORIGIN example.com.
/// $TTL 1h
/// @    SOA ns1 hostmaster (
///          2026010100 ; serial
///          1d 2h 4w 5m )
///      NS  ns1
/// ns1  A   192.0.2.1
/// "
/// .parse()?;
/// assert_eq!(file.origin().as_str(), "example.com");
/// assert_eq!(
///     file.to_string(),
///     "\
/// $ORIGIN example.com.
/// $TTL 3600
/// @ 3600 IN SOA ns1.example.com. hostmaster.example.com. 2026010100 86400 7200 2419200 300
/// @ 3600 IN NS ns1.example.com.
/// ns1 3600 IN A 192.0.2.1
/// "
/// );
/// # Ok::<(), nameplate::zone::ZoneFileErrors>(())
/// ```
#[derive(Clone, Debug)]
pub struct ZoneFile {
    origin: DnsName,
    records: Vec<DnsRecord>,
    /// The line of each record; empty if they were not read.
    lines: Vec<u32>,
}

impl ZoneFile {
    /// The most bytes that are read: 64 MiB.
    pub const BYTE_LIMIT: usize = 64 * 1024 * 1024;

    /// The most records that are read: 2^20.
    pub const RECORD_LIMIT: usize = 1 << 20;

    /// Creates a file of records, to write it.
    ///
    /// # Errors
    ///
    /// [`ZoneFileTypeError`] if a record has a type of providers, which no server reads.
    pub fn new(
        origin: DnsName,
        records: impl IntoIterator<Item = DnsRecord>,
    ) -> Result<Self, ZoneFileTypeError> {
        let records: Vec<_> = records.into_iter().collect();
        if let Some(record) = records.iter().find(|record| record.record_type().code().is_none()) {
            let (name, record_type) = (record.name().clone(), record.record_type());
            return Err(ZoneFileTypeError { name, record_type });
        }
        Ok(Self { origin, records, lines: Vec::new() })
    }

    /// Reads the file of the zone `origin`, which is the origin until the first `$ORIGIN`.
    ///
    /// [`FromStr`] takes the owner of the first SOA for the zone: such a file starts with `$ORIGIN`, or
    /// with a SOA whose owner is absolute.
    ///
    /// # Errors
    ///
    /// [`ZoneFileErrors`] with line and column of each mistake.
    pub fn parse(text: impl AsRef<[u8]>, origin: &DnsName) -> Result<Self, ZoneFileErrors> {
        read::read(text.as_ref(), Some(origin), Self::RECORD_LIMIT)
    }

    /// Returns the name of the zone.
    pub fn origin(&self) -> &DnsName {
        &self.origin
    }

    /// Returns the records in the order of the file.
    pub fn records(&self) -> &[DnsRecord] {
        &self.records
    }

    /// Returns the line, counted from 1, on which a record starts, by its index in the records.
    ///
    /// `None` if there is no such record, or the file was not read but made.
    pub fn line(&self, index: usize) -> Option<u32> {
        self.lines.get(index).copied()
    }

    /// Takes the records.
    pub fn into_records(self) -> Vec<DnsRecord> {
        self.records
    }
}

impl FromStr for ZoneFile {
    type Err = ZoneFileErrors;

    fn from_str(text: &str) -> Result<Self, ZoneFileErrors> {
        read::read(text.as_bytes(), None, Self::RECORD_LIMIT)
    }
}

impl fmt::Display for ZoneFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write::write(&self.origin, &self.records, f)
    }
}

#[cfg(test)]
mod tests;
