//! The fields of presentation text, RFC 1035 section 5.1, and what can be wrong with them.

use std::{
    fmt::{self, Write as _},
    str::FromStr,
};

use super::RecordType;
use crate::name::{DnsName, DnsNameError, unescape};

/// What is wrong with the text of a record's data: which field, and where.
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

    /// Returns where the field starts, in bytes of the text, unless it is missing.
    pub fn offset(&self) -> Option<usize> {
        self.problem.offset
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
    /// Creates a problem of a value that was not read from text.
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
    #[error("a control character must be escaped, as in \\009")]
    Control,
    #[error("a backslash is followed by a character or by three digits up to 255")]
    Escape,
    #[error("missing")]
    Missing,
    #[error("{0}")]
    Name(#[from] DnsNameError),
    #[error("not a number from 0 to {max}")]
    Number { max: u32 },
    #[error("text after the last field")]
    Rest,
    #[error("`{0}` must be in quotes or escaped")]
    Special(char),
    #[error("longer than 255 octets")]
    StringTooLong,
    #[error("letters and digits, at most 255")]
    Tag,
    #[error("longer than the 65535 octets of a record")]
    TooLong,
    #[error("the quotes are not closed")]
    Unclosed,
    #[error("quotes are not expected here")]
    Unquoted,
}

/// Data of one type, as presentation text.
///
/// The scanner refuses what is left over, so `scan` reads its own fields and no more.
pub(super) trait Presentation: Sized {
    /// Reads the fields.
    fn scan(fields: &mut Fields<'_>) -> Result<Self, Problem>;

    /// Writes the fields, separated by single spaces.
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// Splits text into fields: words, or strings in quotes.
pub(super) struct Fields<'a> {
    text: &'a str,
    position: usize,
}

/// One field as it was written.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    name: &'static str,
    offset: usize,
    /// Without the quotes, escapes as they stand.
    text: &'a str,
    quoted: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, position: 0 }
    }

    /// Returns the next field, which is called `name`, or `None` at the end.
    pub(super) fn try_next(&mut self, name: &'static str) -> Result<Option<Field<'a>>, Problem> {
        let rest = self.text.get(self.position..).unwrap_or_default();
        let blank = rest.bytes().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let offset = self.position + blank;
        let rest = rest.get(blank..).unwrap_or_default();
        let problem = |at: usize, kind| Problem { field: name, offset: Some(offset + at), kind };
        let quoted = rest.starts_with('"');
        let start = usize::from(quoted);
        let mut bytes = rest.bytes().enumerate().skip(start);
        let end = loop {
            match bytes.next() {
                None if quoted => return Err(problem(0, Kind::Unclosed)),
                None => break rest.len(),
                Some((at, b'"')) if quoted => break at,
                Some((at, b' ' | b'\t')) if !quoted => break at,
                Some((at, b'\\')) => match bytes.next() {
                    Some((_, b' '..=b'~')) => {}
                    _ => return Err(problem(at, Kind::Escape)),
                },
                Some((at, b)) if b.is_ascii_control() && b != b'\t' => {
                    return Err(problem(at, Kind::Control));
                }
                // In a zone file these are a comment and a group of lines: nothing is lost quietly.
                Some((at, b @ (b'"' | b';' | b'(' | b')'))) if !quoted => {
                    return Err(problem(at, Kind::Special(char::from(b))));
                }
                Some(_) => {}
            }
        };
        if rest.is_empty() {
            return Ok(None);
        }
        self.position = offset + end + start;
        if quoted
            && let Some(after) = self.text.get(self.position..).and_then(|rest| rest.bytes().next())
            && !matches!(after, b' ' | b'\t')
        {
            return Err(problem(end + 1, Kind::Rest));
        }
        let text = rest.get(start..end).unwrap_or_default();
        Ok(Some(Field { name, offset, text, quoted }))
    }

    /// Returns the next field, which is called `name`.
    pub(super) fn next(&mut self, name: &'static str) -> Result<Field<'a>, Problem> {
        self.try_next(name)?.ok_or_else(|| Problem::of(name, Kind::Missing))
    }

    /// Checks that nothing is left.
    pub(super) fn end(mut self) -> Result<(), Problem> {
        match self.try_next("data")? {
            Some(field) => Err(field.problem(Kind::Rest)),
            None => Ok(()),
        }
    }
}

impl<'a> Field<'a> {
    pub(super) fn problem(&self, kind: Kind) -> Problem {
        Problem { field: self.name, offset: Some(self.offset), kind }
    }

    /// Returns a field that is never in quotes, as it was written.
    pub(super) fn word(&self) -> Result<&'a str, Problem> {
        if self.quoted { Err(self.problem(Kind::Unquoted)) } else { Ok(self.text) }
    }

    /// Reads a decimal number.
    pub(super) fn number<T: FromStr + Into<u32>>(&self, max: T) -> Result<T, Problem> {
        let text = self.word()?;
        // `parse` would take `+1`.
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten();
        number.ok_or_else(|| self.problem(Kind::Number { max: max.into() }))
    }

    /// Reads a name, which is absolute with or without its final dot.
    pub(super) fn name(&self) -> Result<DnsName, Problem> {
        self.word()?.parse().map_err(|error: DnsNameError| self.problem(error.into()))
    }

    /// Reads the octets of a character-string of any length.
    pub(super) fn octets(&self) -> Result<Vec<u8>, Problem> {
        let mut octets = Vec::with_capacity(self.text.len());
        let mut rest = self.text.as_bytes();
        while !rest.is_empty() {
            let Some((octet, tail)) = unescape(rest) else {
                return Err(self.problem(Kind::Escape));
            };
            octets.push(octet);
            rest = tail;
        }
        Ok(octets)
    }
}

/// Writes octets as a character-string in quotes.
pub(super) fn write_quoted(octets: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for octet in octets {
        match octet {
            b'"' | b'\\' => write!(f, "\\{}", char::from(*octet))?,
            b' '..=b'~' => f.write_char(char::from(*octet))?,
            _ => write!(f, "\\{octet:03}")?,
        }
    }
    f.write_char('"')
}
