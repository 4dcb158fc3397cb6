//! CAA: data that says who may issue certificates.

use std::{fmt, sync::LazyLock};

use regex::Regex;

use super::{
    RecordDataError, RecordType,
    error::{Kind, Problem},
    scan::{Fields, Presentation, write_quoted},
    wire::{DATA_LIMIT, Reader, Wire, write_string},
};

/// The grammar of `issue-value`, RFC 8659 section 4.2, with the groups `issuer` and `parameters`.
static ISSUE_VALUE: LazyLock<Regex> = LazyLock::new(|| {
    const PATTERN: &str = r"(?x)
        ^ [\ \t]*
        (?: (?<issuer> [0-9A-Za-z]+ (?: -+ [0-9A-Za-z]+ )*
                (?: \. [0-9A-Za-z]+ (?: -+ [0-9A-Za-z]+ )* )* ) [\ \t]* )?
        (?: ; [\ \t]*
            (?<parameters>
                [0-9A-Za-z]+ (?: -+ [0-9A-Za-z]+ )* [\ \t]* = [\ \t]* [\x21-\x3A\x3C-\x7E]*
                (?: [\ \t]* ; [\ \t]*
                    [0-9A-Za-z]+ (?: -+ [0-9A-Za-z]+ )* [\ \t]* = [\ \t]* [\x21-\x3A\x3C-\x7E]* )*
                [\ \t]* )? )?
        $";
    Regex::new(PATTERN).expect("the pattern is a literal, and a test compiles it")
});

/// A property for certificate authorities, RFC 8659 section 4.1.
///
/// The tag is kept in lower case, since it is matched without case.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Caa {
    flags: u8,
    /// The number of octets of the tag.
    tag_len: u8,
    /// The tag, letters and digits, then the value: one allocation, and an order that is canonical.
    octets: Box<[u8]>,
}

impl Caa {
    /// Creates a property, such as `0 issue "letsencrypt.org"`.
    ///
    /// A value that the grammar of its tag refuses is kept: RFC 8659 gives it a meaning (see
    /// [`issuer`](Self::issuer)).
    ///
    /// # Errors
    ///
    /// [`RecordDataError`] if the tag is not 1 to 255 letters and digits, or the value does not fit
    /// a record.
    pub fn new(flags: u8, tag: &str, value: impl AsRef<[u8]>) -> Result<Self, RecordDataError> {
        Self::build(flags, tag, value.as_ref()).map_err(|(field, kind)| {
            RecordDataError::new(RecordType::Caa, Problem::of(field, kind))
        })
    }

    /// Returns the flags.
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// Returns whether an authority that does not know the tag must not issue: the first bit.
    pub fn is_critical(&self) -> bool {
        self.flags & 0x80 != 0
    }

    /// Returns the tag in lower case.
    pub fn tag(&self) -> &str {
        let tag = self.octets.get(..self.tag_len.into()).unwrap_or_default();
        std::str::from_utf8(tag).unwrap_or_default()
    }

    /// Returns the value.
    pub fn value(&self) -> &[u8] {
        self.octets.get(self.tag_len.into()..).unwrap_or_default()
    }

    /// Returns the authority that an `issue` or `issuewild` property names, RFC 8659 section 4.2.
    ///
    /// `None` where it names none, as in `issue ";"`, and where the value is malformed, which counts
    /// as the same: such a property forbids everybody. `None` for other tags too.
    pub fn issuer(&self) -> Option<&str> {
        let captures = ISSUE_VALUE.captures(self.issue_value()?)?;
        captures.name("issuer").map(|issuer| issuer.as_str())
    }

    /// Returns the parameters of an `issue` or `issuewild` property, as `accounturi` of RFC 8657.
    ///
    /// None where the value is malformed, and for other tags.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.issue_value()
            .and_then(|value| ISSUE_VALUE.captures(value)?.name("parameters"))
            .into_iter()
            .flat_map(|parameters| parameters.as_str().split(';'))
            .filter_map(|parameter| parameter.split_once('='))
            .map(|(tag, value)| (tag.trim_ascii(), value.trim_ascii()))
    }

    fn issue_value(&self) -> Option<&str> {
        let applies = matches!(self.tag(), "issue" | "issuewild");
        applies.then(|| std::str::from_utf8(self.value()).ok()).flatten()
    }

    fn build(flags: u8, tag: &str, value: &[u8]) -> Result<Self, (&'static str, Kind)> {
        let letters = !tag.is_empty() && tag.bytes().all(|b| b.is_ascii_alphanumeric());
        // Its length is one octet.
        let tag_len = u8::try_from(tag.len()).ok().filter(|_| letters).ok_or(("tag", Kind::Tag))?;
        if 2 + tag.len() + value.len() > DATA_LIMIT {
            return Err(("value", Kind::TooLong));
        }
        let octets = [tag.to_ascii_lowercase().as_bytes(), value].concat().into();
        Ok(Self { flags, tag_len, octets })
    }
}

impl Presentation for Caa {
    fn scan(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        let flags = fields.next("flags")?.number(u8::MAX)?;
        let tag = fields.next("tag")?;
        let text = tag.word()?;
        let value = fields.next("value")?;
        Self::build(flags, text, &value.octets()?).map_err(|(field, kind)| {
            if field == "tag" { tag.problem(kind) } else { value.problem(kind) }
        })
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.flags, self.tag())?;
        write_quoted(self.value(), f)
    }
}

impl Wire for Caa {
    fn read(wire: &mut Reader<'_>) -> Result<Self, Problem> {
        let flags = wire.u8("flags")?;
        let start = wire.position();
        let tag = wire.string("tag")?;
        let value_start = wire.position();
        let value = wire.rest();
        // What is not ASCII is no tag either.
        Self::build(flags, std::str::from_utf8(tag).unwrap_or_default(), value).map_err(
            |(field, kind)| {
                Reader::problem(field, if field == "tag" { start } else { value_start }, kind)
            },
        )
    }

    fn write(&self, wire: &mut Vec<u8>) {
        wire.push(self.flags);
        write_string(self.tag().as_bytes(), wire);
        wire.extend_from_slice(self.value());
    }
}

impl fmt::Debug for Caa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Caa(")?;
        self.show(f)?;
        f.write_str(")")
    }
}
