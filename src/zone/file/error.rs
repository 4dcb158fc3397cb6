//! What can be wrong with a zone file, and where.

use std::fmt;

use crate::{
    name::{DnsName, DnsNameError},
    record::{RecordDataError, RecordType},
};

/// A place in a zone file.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Position {
    /// Counted from 1.
    pub(super) line: u32,
    /// In bytes of the line, counted from 1.
    pub(super) column: u32,
}

/// The rules of a zone file.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum ZoneFileRule {
    /// The class is `IN`, RFC 1035 section 5.2: all records of a file have one class.
    Class,
    /// Outside quotes there are no control characters but white space and ends of lines.
    Control,
    /// The data is that of its type.
    Data,
    /// A directive is `$ORIGIN` with a name, or `$TTL` (RFC 2308 section 4) with a time.
    Directive,
    /// An entry has at most 512 KiB.
    EntryTooLong,
    /// A backslash is followed by a character or by three digits, RFC 1035 section 5.1.
    Escape,
    /// A file has at most [`ZoneFile::BYTE_LIMIT`](super::ZoneFile::BYTE_LIMIT) bytes.
    FileTooLong,
    /// No other file is read, and no record is made up: `$INCLUDE` and `$GENERATE` are refused.
    Include,
    /// A name is valid.
    Name,
    /// The first record names its owner, RFC 1035 section 5.1.
    OwnerMissing,
    /// A relative name has an origin to be relative to.
    OriginMissing,
    /// Parentheses come in pairs and not in parentheses.
    Parenthesis,
    /// Quotes are closed, begin a string, and white space follows.
    Quote,
    /// A file has at most [`ZoneFile::RECORD_LIMIT`](super::ZoneFile::RECORD_LIMIT) records.
    TooManyRecords,
    /// A TTL is stated or inherited, at most 2^31 - 1 seconds.
    Ttl,
    /// The type is there, is known or written `TYPE123` (RFC 3597 section 5), and has a number.
    Type,
}

impl ZoneFileRule {
    /// Every rule.
    pub const ALL: [Self; 16] = [
        Self::Class,
        Self::Control,
        Self::Data,
        Self::Directive,
        Self::EntryTooLong,
        Self::Escape,
        Self::FileTooLong,
        Self::Include,
        Self::Name,
        Self::OwnerMissing,
        Self::OriginMissing,
        Self::Parenthesis,
        Self::Quote,
        Self::TooManyRecords,
        Self::Ttl,
        Self::Type,
    ];

    /// Returns the stable code, for APIs and metrics labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::Control => "control",
            Self::Data => "data",
            Self::Directive => "directive",
            Self::EntryTooLong => "entry_too_long",
            Self::Escape => "escape",
            Self::FileTooLong => "file_too_long",
            Self::Include => "include",
            Self::Name => "name",
            Self::OwnerMissing => "owner_missing",
            Self::OriginMissing => "origin_missing",
            Self::Parenthesis => "parenthesis",
            Self::Quote => "quote",
            Self::TooManyRecords => "too_many_records",
            Self::Ttl => "ttl",
            Self::Type => "type",
        }
    }
}

impl fmt::Display for ZoneFileRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One mistake in a zone file: where, which rule, and what to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ZoneFileError {
    position: Position,
    problem: Problem,
}

impl ZoneFileError {
    pub(super) fn new(position: Position, problem: Problem) -> Self {
        Self { position, problem }
    }

    /// Returns the line, counted from 1.
    pub fn line(&self) -> u32 {
        self.position.line
    }

    /// Returns where in the line, in bytes counted from 1; a tab is one.
    ///
    /// What is missing would have stood there.
    pub fn column(&self) -> u32 {
        self.position.column
    }

    /// Returns the rule that is broken.
    pub fn rule(&self) -> ZoneFileRule {
        self.problem.rule()
    }
}

impl fmt::Display for ZoneFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.position;
        write!(f, "line {line}, column {column}: {}", self.problem)
    }
}

impl std::error::Error for ZoneFileError {}

/// The mistakes in a zone file, in the order of the file.
///
/// At least one, at most [`ZoneFileErrors::LIMIT`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ZoneFileErrors {
    first: ZoneFileError,
    others: Vec<ZoneFileError>,
}

impl ZoneFileErrors {
    /// The number of mistakes after which reading stops.
    pub const LIMIT: usize = 20;

    /// Returns the errors, or `None` if there are none.
    pub(super) fn from_all(all: impl IntoIterator<Item = ZoneFileError>) -> Option<Self> {
        let mut all = all.into_iter();
        let first = all.next()?;
        Some(Self { first, others: all.collect() })
    }

    /// Returns one error.
    pub(super) fn of(first: ZoneFileError) -> Self {
        Self { first, others: Vec::new() }
    }

    /// Returns the first error.
    pub fn first(&self) -> &ZoneFileError {
        &self.first
    }

    /// Returns the errors in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &ZoneFileError> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl fmt::Display for ZoneFileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        match self.others.len() {
            0 => Ok(()),
            1 => f.write_str(" (and 1 more error)"),
            more => write!(f, " (and {more} more errors)"),
        }
    }
}

impl std::error::Error for ZoneFileErrors {}

/// Why records make no zone file: their type exists at a provider alone.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{name} {record_type}: a type without a number at IANA cannot stand in a zone file")]
pub struct ZoneFileTypeError {
    pub(super) name: DnsName,
    pub(super) record_type: RecordType,
}

impl ZoneFileTypeError {
    /// Returns the owner of the first such record.
    pub fn name(&self) -> &DnsName {
        &self.name
    }

    /// Returns the type.
    pub fn record_type(&self) -> RecordType {
        self.record_type
    }
}

/// Longest excerpt of the file in a message, in characters.
const EXCERPT_LIMIT: usize = 40;

/// A piece of the file as it is told: without control characters, and short.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Excerpt(Box<str>);

impl Excerpt {
    pub(super) fn new(text: &[u8]) -> Self {
        // Four bytes a character at most.
        let start = text.get(..EXCERPT_LIMIT * 4).unwrap_or(text);
        let shown: String = String::from_utf8_lossy(start)
            .chars()
            .take(EXCERPT_LIMIT)
            .flat_map(char::escape_debug)
            .collect();
        let more = if start.len() < text.len() || start.len() > EXCERPT_LIMIT { ".." } else { "" };
        Self((shown + more).into())
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Problem {
    #[error("class {0} is refused; every record of a zone is of class IN")]
    Class(Excerpt),
    #[error("control character {0:#04x} outside quotes")]
    Control(u8),
    #[error("{0}")]
    Data(RecordDataError),
    #[error("{0} is followed by one item, and this is another")]
    DirectiveLong(&'static str),
    #[error("{0} is followed by {1}, which is missing")]
    DirectiveShort(&'static str, &'static str),
    #[error("no directive `{0}`; there are $ORIGIN and $TTL")]
    DirectiveUnknown(Excerpt),
    #[error("the entry is longer than 512 KiB; is a parenthesis or a quote not closed?")]
    EntryTooLong,
    #[error("a backslash is followed by a character or by three digits up to 255")]
    Escape,
    #[error("the file is longer than {0} bytes")]
    FileTooLong(usize),
    #[error("{0} is refused: write its records into this file")]
    Include(&'static str),
    #[error("{0}")]
    Name(DnsNameError),
    #[error("`{0}` is no name: names are printable ASCII, other octets are written as \\DDD")]
    NameText(Excerpt),
    #[error("the first record names its owner, at the start of the line")]
    OwnerMissing,
    #[error(
        "no origin is known; start with `$ORIGIN example.com.` or a SOA with an absolute owner"
    )]
    OriginMissing,
    #[error("no parenthesis is open here")]
    ParenthesisClosed,
    #[error("a parenthesis stands in another one")]
    ParenthesisNested,
    #[error("the parenthesis is not closed")]
    ParenthesisOpen,
    #[error(
        "the quotes that open here close on line {0}, before more text; were they to close earlier?"
    )]
    QuoteClosedAt(u32),
    #[error("quotes in the middle of a word; a quote that is meant is written \\\"")]
    QuoteInWord,
    #[error("the quotes are not closed")]
    QuoteOpen,
    #[error("quotes are not expected here")]
    Quoted,
    #[error("white space is missing after the quotes")]
    Separator,
    #[error("the file has more than {0} records")]
    TooManyRecords(usize),
    #[error("no TTL is known; state one, or a default with $TTL")]
    TtlMissing,
    #[error("`{0}` is no TTL: seconds from 0 to 2147483647, or a sum such as 1h30m")]
    Ttl(Excerpt),
    #[error("the type is missing")]
    TypeMissing,
    #[error("{0} is a type of providers and cannot stand in a zone file")]
    TypeOfProvider(RecordType),
    #[error("`{0}` is no known type; a line that continues an owner starts with white space")]
    TypeUnknown(Excerpt),
    #[error("text that is not UTF-8 must be in quotes or written as \\DDD")]
    Utf8,
}

impl Problem {
    fn rule(&self) -> ZoneFileRule {
        match self {
            Self::Class(_) => ZoneFileRule::Class,
            Self::Control(_) | Self::Utf8 => ZoneFileRule::Control,
            Self::Data(_) => ZoneFileRule::Data,
            Self::DirectiveLong(_) | Self::DirectiveShort(..) | Self::DirectiveUnknown(_) => {
                ZoneFileRule::Directive
            }
            Self::EntryTooLong => ZoneFileRule::EntryTooLong,
            Self::Escape => ZoneFileRule::Escape,
            Self::FileTooLong(_) => ZoneFileRule::FileTooLong,
            Self::Include(_) => ZoneFileRule::Include,
            Self::Name(_) | Self::NameText(_) => ZoneFileRule::Name,
            Self::OwnerMissing => ZoneFileRule::OwnerMissing,
            Self::OriginMissing => ZoneFileRule::OriginMissing,
            Self::ParenthesisClosed | Self::ParenthesisNested | Self::ParenthesisOpen => {
                ZoneFileRule::Parenthesis
            }
            Self::QuoteClosedAt(_)
            | Self::QuoteInWord
            | Self::QuoteOpen
            | Self::Quoted
            | Self::Separator => ZoneFileRule::Quote,
            Self::TooManyRecords(_) => ZoneFileRule::TooManyRecords,
            Self::Ttl(_) | Self::TtlMissing => ZoneFileRule::Ttl,
            Self::TypeMissing | Self::TypeOfProvider(_) | Self::TypeUnknown(_) => {
                ZoneFileRule::Type
            }
        }
    }
}
