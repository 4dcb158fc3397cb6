//! Record types as numbers and as text. Their list stands in `data.rs`.

use std::{fmt, str::FromStr};

use super::{RecordType, other};
use crate::name::serde_as_text;

/// The number of a type that has no [`RecordType`] of its own.
///
/// Made by [`RecordType::from_code`], which never makes one of a known number.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UnknownType(u16);

impl UnknownType {
    /// Returns the number.
    pub const fn code(self) -> u16 {
        self.0
    }
}

/// What is wrong with the name of a record type.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a supported record type")]
pub struct RecordTypeError(());

impl RecordType {
    /// Returns the type with this number at IANA, [`RecordType::Unknown`] if it is not supported.
    pub fn from_code(code: u16) -> Self {
        let known = Self::ALL.iter().copied().find(|known| known.code() == Some(code));
        known.unwrap_or(Self::Unknown(UnknownType(code)))
    }
}

impl FromStr for RecordType {
    type Err = RecordTypeError;

    /// Reads a mnemonic in any case, or the number of any type as `TYPE731` (RFC 3597 section 5).
    ///
    /// Mnemonics of types that zones have and that have no name here, such as `HINFO`, give
    /// [`RecordType::Unknown`].
    fn from_str(text: &str) -> Result<Self, RecordTypeError> {
        let is_same = |known: &Self| {
            known.mnemonic().is_some_and(|mnemonic| mnemonic.eq_ignore_ascii_case(text))
        };
        if let Some(known) = Self::ALL.iter().copied().find(is_same) {
            return Ok(known);
        }
        if let Some(code) = other::code(text) {
            return Ok(Self::from_code(code));
        }
        let digits = text
            .split_at_checked(4)
            .filter(|(word, _)| word.eq_ignore_ascii_case("type"))
            .map(|(_, digits)| digits)
            // `parse` would take `+1`.
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let code = digits.and_then(|digits| digits.parse().ok()).ok_or(RecordTypeError(()))?;
        Ok(Self::from_code(code))
    }
}

/// The mnemonic, or `TYPE` and the number.
impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(unknown) => f.pad(&format!("TYPE{}", unknown.code())),
            known => f.pad(known.mnemonic().unwrap_or_default()),
        }
    }
}

serde_as_text!(RecordType, to_string);
