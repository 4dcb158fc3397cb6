//! The fields of presentation text, RFC 1035 section 5.1.

use std::{
    fmt::{self, Write as _},
    str::FromStr,
};

use super::error::{Kind, Problem};
use crate::name::{DnsName, DnsNameError, unescape};

/// Longest character-string, RFC 1035 section 3.3.
pub(super) const STRING_LIMIT: usize = 255;

/// Data of one type, as presentation text.
///
/// The scanner refuses what is left over, so `scan` reads its own fields and no more.
pub(super) trait Presentation: Sized {
    /// Reads the fields.
    fn scan(fields: &mut Fields<'_>) -> Result<Self, Problem>;

    /// Writes the fields, separated by single spaces.
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl<T: Presentation> Presentation for Box<T> {
    fn scan(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        T::scan(fields).map(Self::new)
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::show(self, f)
    }
}

/// Splits text into fields: words, or strings in quotes.
pub(super) struct Fields<'a> {
    text: &'a str,
    position: usize,
    /// What relative names are relative to.
    origin: Option<&'a DnsName>,
}

/// One field as it was written.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    name: &'static str,
    offset: usize,
    /// Without the quotes, escapes as they stand.
    text: &'a str,
    quoted: bool,
    origin: Option<&'a DnsName>,
}

/// A key, and a value if there is one.
type Param<'a> = (Field<'a>, Option<Field<'a>>);

impl<'a> Fields<'a> {
    /// Splits `text`, in which names are relative to `origin` or, without one, absolute.
    pub(super) fn new(text: &'a str, origin: Option<&'a DnsName>) -> Self {
        Self { text, position: 0, origin }
    }

    /// Returns everything that is left as one field, as it was written, without blanks around it.
    pub(super) fn rest(&mut self, name: &'static str) -> Field<'a> {
        let rest = self.text.get(self.position..).unwrap_or_default();
        let text = rest.trim_matches([' ', '\t']);
        let offset = self.text.len() - rest.trim_start_matches([' ', '\t']).len();
        self.position = self.text.len();
        Field { name, offset, text, quoted: false, origin: self.origin }
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
        Ok(Some(Field { name, offset, text, quoted, origin: self.origin }))
    }

    /// Returns the next field, which is called `name`.
    pub(super) fn next(&mut self, name: &'static str) -> Result<Field<'a>, Problem> {
        self.try_next(name)?.ok_or_else(|| Problem::of(name, Kind::Missing))
    }

    /// Returns the octets of all fields that are left, which are called `name`, and the first field.
    ///
    /// They are hex digits; white space is allowed anywhere between them.
    pub(super) fn hex(&mut self, name: &'static str) -> Result<(Field<'a>, Box<[u8]>), Problem> {
        let first = self.next(name)?;
        let digits = self.joined(&first, name)?;
        let octets = hex::decode(digits).map_err(|_| first.problem(Kind::Hex))?;
        Ok((first, octets.into()))
    }

    /// Returns a word and all that are left, which are called `name`, without the white space between.
    pub(super) fn joined(
        &mut self,
        first: &Field<'_>,
        name: &'static str,
    ) -> Result<String, Problem> {
        let mut text = first.word()?.to_owned();
        while let Some(field) = self.try_next(name)? {
            text.push_str(field.word()?);
        }
        Ok(text)
    }

    /// Returns the next parameter, RFC 9460 section 2.1: its key, and its value after `=` if any.
    pub(super) fn try_param(&mut self, name: &'static str) -> Result<Option<Param<'a>>, Problem> {
        let is_blank = |c: char| matches!(c, ' ' | '\t');
        let left = self.text.get(self.position..).unwrap_or_default();
        let rest = left.trim_start_matches(is_blank);
        let offset = self.text.len() - rest.len();
        let end = rest.find(|c| c == '=' || is_blank(c)).unwrap_or(rest.len());
        let (text, rest) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let key = Field { name, offset, text, quoted: false, origin: None };
        if text.is_empty() && rest.is_empty() {
            return Ok(None);
        }
        self.position = offset + end;
        let Some(value) = rest.strip_prefix('=') else { return Ok(Some((key, None))) };
        self.position += 1;
        if value.is_empty() || value.starts_with(is_blank) {
            return Ok(Some((key, None)));
        }
        Ok(Some((key, self.try_next(name)?)))
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

    /// Returns the field as it was written, escapes and all.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// Reads a decimal number of at most `max`.
    pub(super) fn number<T: Copy + FromStr + Into<u32>>(&self, max: T) -> Result<T, Problem> {
        let text = self.word()?;
        // `parse` would take `+1`.
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let number: Option<T> = digits.then(|| text.parse().ok()).flatten();
        number
            .filter(|number| (*number).into() <= max.into())
            .ok_or_else(|| self.problem(Kind::Number { max: max.into() }))
    }

    /// Reads a number of seconds, also as BIND, Knot and NSD write it: `1h30m`.
    pub(super) fn seconds(&self) -> Result<u32, Problem> {
        let text = self.word()?;
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let seconds = if digits { text.parse().ok() } else { sum_units(text) };
        seconds.ok_or_else(|| self.problem(Kind::Period))
    }

    /// Reads a name, which without an origin is absolute with or without its final dot.
    pub(super) fn name(&self) -> Result<DnsName, Problem> {
        let word = self.word()?;
        let name = match self.origin {
            None => word.parse(),
            Some(origin) => DnsName::parse_in(word, origin),
        };
        name.map_err(|error: DnsNameError| self.problem(error.into()))
    }

    /// Reads a character-string, RFC 1035 section 3.3.
    pub(super) fn string(&self) -> Result<Box<[u8]>, Problem> {
        let octets = self.octets()?;
        if octets.len() > STRING_LIMIT {
            return Err(self.problem(Kind::StringTooLong));
        }
        Ok(octets.into())
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

/// Adds up numbers with units: weeks, days, hours, minutes and seconds, in any case.
fn sum_units(text: &str) -> Option<u32> {
    let mut sum: u32 = 0;
    let mut number: Option<u32> = None;
    for byte in text.bytes() {
        let unit = match byte.to_ascii_lowercase() {
            b'0'..=b'9' => {
                let digit = u32::from(byte - b'0');
                number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
                continue;
            }
            b'w' => 604_800,
            b'd' => 86_400,
            b'h' => 3600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        sum = sum.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    // A unit after every number: `1h30` could be meant in two ways.
    number.is_none().then_some(sum)
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
