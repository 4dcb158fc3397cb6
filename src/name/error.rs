//! Why a text is no domain name.

use std::fmt::{self, Write as _};

use serde::Serialize;

use super::syntax::Label;

/// The rules of a [`DomainName`](super::DomainName).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NameRule {
    /// An IP address, in any spelling that some program accepts, is not a name.
    Address,
    /// Labels of right-to-left scripts follow RFC 5893 section 2.
    Bidi,
    /// Letters, digits and hyphens, and what UTS #46 maps to them or allows beside them.
    Character,
    /// There is a name.
    Empty,
    /// No label is empty, RFC 1034 section 3.1.
    EmptyLabel,
    /// No hyphen is first, last, or third and fourth, RFC 5891 section 4.2.3.1.
    Hyphen,
    /// A label is valid under UTS #46 in ways that have no rule of their own here.
    Idna,
    /// A joiner stands only where its script needs it, RFC 5892 appendix A.
    Joiner,
    /// A label has at most 63 octets, RFC 1035 section 2.3.4.
    LabelTooLong,
    /// The top-level domain is not a number (RFC 3696 section 2; WHATWG URL section 3.5).
    NumericTld,
    /// `xn--` stands before the punycode of a valid label, RFC 5890 section 2.3.2.1.
    Punycode,
    /// A name has at least two labels.
    SingleLabel,
    /// A name has at most 253 octets, RFC 1035 section 2.3.4.
    TooLong,
    /// A host name has no scheme, user, port, path or query.
    Url,
    /// `*` is the whole first label or absent, RFC 6125 section 6.4.3.
    Wildcard,
}

impl NameRule {
    /// Every rule.
    pub const ALL: [Self; 15] = [
        Self::Address,
        Self::Bidi,
        Self::Character,
        Self::Empty,
        Self::EmptyLabel,
        Self::Hyphen,
        Self::Idna,
        Self::Joiner,
        Self::LabelTooLong,
        Self::NumericTld,
        Self::Punycode,
        Self::SingleLabel,
        Self::TooLong,
        Self::Url,
        Self::Wildcard,
    ];

    /// Returns the stable code, for APIs and metrics labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Bidi => "bidi",
            Self::Character => "character",
            Self::Empty => "empty",
            Self::EmptyLabel => "empty_label",
            Self::Hyphen => "hyphen",
            Self::Idna => "idna",
            Self::Joiner => "joiner",
            Self::LabelTooLong => "label_too_long",
            Self::NumericTld => "numeric_tld",
            Self::Punycode => "punycode",
            Self::SingleLabel => "single_label",
            Self::TooLong => "too_long",
            Self::Url => "url",
            Self::Wildcard => "wildcard",
        }
    }
}

/// What is wrong with the text of a domain name: which label, which character, which rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DomainNameError {
    rule: NameRule,
    label: Option<u16>,
    offset: Option<u16>,
    character: Option<char>,
    excerpt: Excerpt,
}

impl DomainNameError {
    /// Creates an error about the whole text.
    pub(super) fn whole(rule: NameRule, input: &str) -> Self {
        Self { rule, label: None, offset: None, character: None, excerpt: Excerpt::new(input) }
    }

    /// Creates an error about a label.
    pub(super) fn label_of(rule: NameRule, label: Label<'_>) -> Self {
        Self {
            rule,
            label: u16::try_from(label.index + 1).ok(),
            offset: u16::try_from(label.start).ok(),
            character: None,
            excerpt: Excerpt::new(label.text),
        }
    }

    /// Creates an error about the character number `position` of a label, counted from 0.
    pub(super) fn at(rule: NameRule, label: Label<'_>, position: usize) -> Self {
        Self {
            offset: u16::try_from(label.start + position).ok(),
            character: label.text.chars().nth(position),
            ..Self::label_of(rule, label)
        }
    }

    /// Returns the rule that is broken.
    pub fn rule(&self) -> NameRule {
        self.rule
    }

    /// Returns the number of the label, counted from 1, unless it is about the whole name.
    pub fn label(&self) -> Option<usize> {
        self.label.map(usize::from)
    }

    /// Returns where it is wrong: the character of the input, counted from 0.
    ///
    /// The start of the label where no single character is to blame.
    pub fn offset(&self) -> Option<usize> {
        self.offset.map(usize::from)
    }
}

impl fmt::Display for DomainNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, label, offset, character, excerpt } = self;
        match rule {
            NameRule::Address => {
                return write!(f, "`{excerpt}` is an address: give a domain name");
            }
            NameRule::Idna if label.is_none() => {
                return write!(f, "`{excerpt}` is not a valid name (UTS #46)");
            }
            NameRule::Empty => return f.write_str("the name is empty"),
            NameRule::SingleLabel => {
                return write!(f, "`{excerpt}` is one label: give a full name such as example.com");
            }
            NameRule::TooLong => {
                return f.write_str("the name is longer than 253 octets in its A-label form");
            }
            _ => {}
        }
        if let Some(label) = label {
            write!(f, "label {label}")?;
            if *rule == NameRule::EmptyLabel {
                return write!(f, " is empty, at offset {}", offset.unwrap_or_default());
            }
            write!(f, " `{excerpt}`: ")?;
        }
        if let (Some(character), Some(offset)) = (character, offset) {
            write!(f, "character `{}` at offset {offset} ", Shown(*character))?;
        }
        f.write_str(match (rule, character) {
            (NameRule::Character, Some('_')) => "is not allowed in a host name",
            (NameRule::Character, Some(_)) => "is not allowed",
            (NameRule::Hyphen, Some(_)) => "may not be first, last, or third and fourth",
            (NameRule::Joiner, Some(_)) => "is a joiner where its script needs none",
            (NameRule::Url, _) => "belongs to a URL or an address: give the host name only",
            (NameRule::Wildcard, _) => "is allowed only as the whole first label, as in *.shop.com",
            (NameRule::Bidi, _) => "against the rules of right-to-left names (RFC 5893)",
            (NameRule::LabelTooLong, _) => "longer than 63 octets in its A-label form",
            (NameRule::NumericTld, _) => "the last label may not be a number",
            (NameRule::Punycode, _) => "not the punycode of a valid label",
            _ => "not a valid label (UTS #46)",
        })
    }
}

impl std::error::Error for DomainNameError {}

/// A character as it is safe to print: control and format characters are escaped.
struct Shown(char);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            c @ ('\'' | '"') => f.write_char(c),
            c => write!(f, "{}", c.escape_debug()),
        }
    }
}

/// The beginning of a text, kept without allocating.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Excerpt {
    bytes: [u8; Self::LIMIT],
    len: u8,
    cut: bool,
}

impl Excerpt {
    /// Longest text that is kept, in bytes.
    const LIMIT: usize = 64;

    fn new(text: &str) -> Self {
        let len = text.floor_char_boundary(Self::LIMIT);
        let mut bytes = [0; Self::LIMIT];
        if let (Some(to), Some(from)) = (bytes.get_mut(..len), text.as_bytes().get(..len)) {
            to.copy_from_slice(from);
        }
        Self { bytes, len: u8::try_from(len).unwrap_or_default(), cut: len < text.len() }
    }

    fn as_str(&self) -> &str {
        let kept = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        std::str::from_utf8(kept).unwrap_or_default()
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.as_str().chars() {
            write!(f, "{}", Shown(c))?;
        }
        if self.cut { f.write_str("..") } else { Ok(()) }
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
