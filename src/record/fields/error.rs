//! What is wrong with the fields of a record: all of it at once.

use std::{borrow::Cow, fmt};

use serde::{Serialize, Serializer};

use super::Field;

/// Most problems that are listed; of what comes after there is no more to say.
pub(super) const ERROR_LIMIT: usize = 64;

/// Longest part of the input that a message repeats, in characters.
const EXCERPT_LIMIT: usize = 40;

/// What kind of problem a field has.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum FieldCode {
    /// A field is there twice, perhaps in its two spellings.
    Duplicate,
    /// The text is not what the field or the type of the record takes.
    Malformed,
    /// The type of the record has no such field.
    NotAllowed,
    /// A number is below or above the range of the field.
    OutOfRange,
    /// The name is not in the zone.
    OutsideZone,
    /// The field is missing, or empty where it may not be.
    Required,
    /// The text is longer than the field, or a record, can be.
    TooLong,
    /// No record has a field of this name.
    UnknownField,
    /// There is no record type of this name or number.
    UnknownType,
    /// The record type exists, and cannot be written here.
    UnsupportedType,
    /// The JSON value is not of the type of the field.
    WrongType,
}

impl FieldCode {
    /// Every code.
    pub const ALL: [Self; 11] = [
        Self::Duplicate,
        Self::Malformed,
        Self::NotAllowed,
        Self::OutOfRange,
        Self::OutsideZone,
        Self::Required,
        Self::TooLong,
        Self::UnknownField,
        Self::UnknownType,
        Self::UnsupportedType,
        Self::WrongType,
    ];

    /// Returns the stable code, for APIs and metrics labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Malformed => "malformed",
            Self::NotAllowed => "not_allowed",
            Self::OutOfRange => "out_of_range",
            Self::OutsideZone => "outside_zone",
            Self::Required => "required",
            Self::TooLong => "too_long",
            Self::UnknownField => "unknown_field",
            Self::UnknownType => "unknown_type",
            Self::UnsupportedType => "unsupported_type",
            Self::WrongType => "wrong_type",
        }
    }

    /// Returns what the code means, as one sentence for documents.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Duplicate => "The field is there twice, perhaps in its two spellings.",
            Self::Malformed => "The text is not what the field or the record type takes.",
            Self::NotAllowed => "The record type has no such field.",
            Self::OutOfRange => "The number is below or above the range of the field.",
            Self::OutsideZone => "The name is not in the zone.",
            Self::Required => "The field is missing, or empty where it may not be.",
            Self::TooLong => "The text is longer than the field, or a record, can be.",
            Self::UnknownField => "No record has a field of this name.",
            Self::UnknownType => "There is no record type of this name or number.",
            Self::UnsupportedType => "The record type exists, and cannot be written here.",
            Self::WrongType => "The JSON value is not of the type of the field.",
        }
    }
}

impl fmt::Display for FieldCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for FieldCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One problem of one field.
///
/// Serialized as `{"pointer": "/ttl", "code": "out_of_range", "message": "..."}`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct FieldError {
    pointer: Cow<'static, str>,
    code: FieldCode,
    message: String,
}

impl FieldError {
    /// Creates a problem of a field.
    pub(super) fn new(field: Field, code: FieldCode, message: impl Into<String>) -> Self {
        Self { pointer: field.pointer().into(), code, message: message.into() }
    }

    /// Creates a problem of the request as a whole.
    pub(super) fn whole(code: FieldCode, message: impl Into<String>) -> Self {
        Self { pointer: "".into(), code, message: message.into() }
    }

    /// Creates a problem of a member that is no field.
    pub(super) fn member(name: &str, code: FieldCode, message: impl Into<String>) -> Self {
        // RFC 6901 section 3.
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        Self { pointer: pointer.into(), code, message: message.into() }
    }

    /// Returns the problem with the pointer of the other spelling of its field, if it has one.
    pub(super) fn in_camel_case(mut self) -> Self {
        if let Some(field) = Field::ALL.into_iter().find(|field| self.pointer == field.pointer()) {
            self.pointer = format!("/{}", field.camel_case()).into();
        }
        self
    }

    /// Returns where the problem is in the request, as a JSON pointer (RFC 6901).
    ///
    /// The field is spelled as the request spelled it. Empty for the request as a whole.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// Returns the kind of the problem.
    pub fn code(&self) -> FieldCode {
        self.code
    }

    /// Returns what is wrong, for people: one line, with what is right instead.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a request calls a field may be anything.
        if !self.pointer.is_empty() {
            write!(f, "{}: ", Excerpt(&self.pointer))?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for FieldError {}

/// Everything that is wrong with the fields of one record.
///
/// Never empty; in the order of [`Field::ALL`], then what is no field; at most 64 problems.
/// Serialized as a list of [`FieldError`].
///
/// ```
/// use nameplate::record::RecordFields;
///
/// let request = r#"{"type": "A", "name": "edge", "value": "192.0.2.300", "ttl": 5, "port": 80}"#;
/// let errors = RecordFields::read(request).unwrap_err();
/// let found: Vec<_> = errors.iter().map(|e| (e.pointer(), e.code().as_str())).collect();
/// assert_eq!(
///     found,
///     [("/value", "malformed"), ("/ttl", "out_of_range"), ("/port", "not_allowed")],
/// );
/// ```
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Returns `Ok` if there is no problem, and otherwise the problems in their order.
    pub(super) fn check(mut errors: Vec<FieldError>) -> Result<(), Self> {
        if errors.is_empty() {
            return Ok(());
        }
        let rank = |error: &FieldError| {
            Field::ALL
                .into_iter()
                .position(|field| {
                    let name = error.pointer.strip_prefix('/').unwrap_or_default();
                    name == field.as_str() || name == field.camel_case()
                })
                // The request as a whole comes first, what is no field last.
                .map_or(if error.pointer.is_empty() { 0 } else { usize::MAX }, |rank| rank + 1)
        };
        errors.sort_by_key(rank);
        errors.truncate(ERROR_LIMIT);
        Err(Self(errors))
    }

    /// Creates the list of one problem.
    pub(super) fn one(error: FieldError) -> Self {
        Self(vec![error])
    }

    /// Returns the problems; never none.
    pub fn iter(&self) -> std::slice::Iter<'_, FieldError> {
        self.0.iter()
    }

    /// Returns the number of problems; never 0.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl<'a> IntoIterator for &'a FieldErrors {
    type Item = &'a FieldError;
    type IntoIter = std::slice::Iter<'a, FieldError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for FieldErrors {
    type Item = FieldError;
    type IntoIter = std::vec::IntoIter<FieldError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for FieldErrors {}

/// The beginning of a text from outside, on one line and without control characters.
pub(super) struct Excerpt<'a>(pub(super) &'a str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.0.chars();
        for character in characters.by_ref().take(EXCERPT_LIMIT) {
            write!(f, "{}", character.escape_debug())?;
        }
        if characters.next().is_some() { f.write_str("...") } else { Ok(()) }
    }
}
