//! Redirect, PullZone and Script: data that only a DNS provider can read.

use std::fmt;

use super::{
    RecordDataError, RecordType,
    error::{Kind, Problem},
    scan::{Fields, Presentation},
    wire::DATA_LIMIT,
};

/// A value of a type that is a provider's own: an address, a number or a name of something there.
///
/// Printable text, kept as it was given. Not empty, at most 65,535 bytes, without white space at
/// its ends.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ProviderValue(Box<str>);

impl ProviderValue {
    /// Creates a value.
    ///
    /// # Errors
    ///
    /// [`RecordDataError`] if the text is empty, too long, begins or ends with white space, or has a
    /// character that cannot be printed. Its type is [`RecordType::Redirect`], whatever the value is
    /// meant for.
    pub fn new(text: &str) -> Result<Self, RecordDataError> {
        Self::build(text)
            .map_err(|kind| RecordDataError::new(RecordType::Redirect, Problem::of("value", kind)))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn build(text: &str) -> Result<Self, Kind> {
        // Line and paragraph separators break lines, and are no control characters.
        let hidden = |c: &char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        if text.is_empty() {
            return Err(Kind::Missing);
        }
        if text.len() > DATA_LIMIT {
            return Err(Kind::TooLong);
        }
        if let Some(character) = text.chars().find(hidden) {
            return Err(Kind::Printable(character));
        }
        if text.trim() != text {
            return Err(Kind::Surrounded);
        }
        Ok(Self(text.into()))
    }
}

impl Presentation for ProviderValue {
    /// No RFC gives these types a presentation, so the whole text is the value.
    fn scan(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        let field = fields.rest("value");
        Self::build(field.text()).map_err(|kind| match kind {
            Kind::Missing => Problem::of("value", kind),
            _ => field.problem(kind),
        })
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
