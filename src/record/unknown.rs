//! Data of unknown types, and the generic text for data of every type: RFC 3597 section 5.

use std::fmt::{self, Write as _};

use super::{
    RecordDataError, RecordType, UnknownType,
    error::{Kind, Problem},
    scan::Fields,
    wire::DATA_LIMIT,
};

/// Data of a type that has no [`RecordType`] of its own: its octets, RFC 3597 section 3.
///
/// Shown in the generic form, as `\# 3 abcdef`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UnknownData {
    record_type: UnknownType,
    octets: Box<[u8]>,
}

impl UnknownData {
    /// Creates data from their octets on the wire.
    ///
    /// # Errors
    ///
    /// [`RecordDataError`] if there are more than 65,535 octets, or the type is only for questions
    /// and messages and never in a zone (RFC 6895 section 3.1): 0, 41, and 128 to 255.
    pub fn new(
        record_type: UnknownType,
        octets: impl Into<Box<[u8]>>,
    ) -> Result<Self, RecordDataError> {
        Self::build(record_type, octets.into())
            .map_err(|problem| RecordDataError::new(RecordType::Unknown(record_type), problem))
    }

    /// Returns the type.
    pub const fn unknown_type(&self) -> UnknownType {
        self.record_type
    }

    /// Returns the octets.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    pub(super) fn build(record_type: UnknownType, octets: Box<[u8]>) -> Result<Self, Problem> {
        if matches!(record_type.code(), 0 | 41 | 128..=255) {
            return Err(Problem::of("data", Kind::Meta));
        }
        if octets.len() > DATA_LIMIT {
            return Err(Problem::of("data", Kind::TooLong));
        }
        Ok(Self { record_type, octets })
    }
}

impl UnknownData {
    /// Writes the generic text.
    pub(super) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\\# {}", self.octets.len())?;
        if self.octets.is_empty() {
            return Ok(());
        }
        f.write_char(' ')?;
        write_hex(&self.octets, f)
    }
}

/// Reads the generic text, if it is one: the mark `\#`, the length, and words of hex digits.
pub(super) fn scan_generic(text: &str) -> Result<Option<Vec<u8>>, Problem> {
    let mut fields = Fields::new(text, None);
    match fields.try_next("data") {
        Ok(Some(mark)) if mark.word() == Ok(r"\#") => {}
        // What is wrong with another field is for the type to say.
        _ => return Ok(None),
    }
    let length = fields.next("length")?;
    let limit: u16 = length.number(u16::MAX)?;
    let mut octets = Vec::new();
    while let Some(word) = fields.try_next("data")? {
        // "Each containing an even number of hexadecimal digits."
        let decoded = hex::decode(word.word()?).map_err(|_| word.problem(Kind::HexWords))?;
        octets.extend(decoded);
    }
    if octets.len() != usize::from(limit) {
        return Err(length.problem(Kind::Length { found: octets.len() }));
    }
    Ok(Some(octets))
}

/// Writes octets as hex digits in lower case.
pub(super) fn write_hex(octets: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
}

#[cfg(test)]
mod tests;
