//! The owner or target of a record.

use std::{borrow::Cow, cmp::Ordering, fmt, str::FromStr};

use super::{
    DomainName,
    scan::{LIMIT, Marks},
    serde_as_text,
};

/// Longest label, in octets, RFC 1035 section 2.3.4.
const LABEL_LIMIT: usize = 63;

/// Longest name on the wire, in octets, RFC 1035 section 2.3.4.
const WIRE_LIMIT: usize = 255;

/// Longest input that is looked at: a full name with every octet as `\DDD` has about 1,000 bytes.
const INPUT_LIMIT: usize = 1024;

/// A name as DNS has it: any octets in labels of at most 63, at most 255 octets on the wire.
///
/// The name is absolute; the final dot is optional in text. It is kept in lower case with one
/// spelling for each octet, so that equality and hash are those of RFC 4343: without ASCII case.
/// The order is the canonical one of RFC 4034 section 6.1: by labels from the right.
///
/// ```
/// use nameplate::name::DnsName;
///
/// let zone: DnsName = "example.com".parse()?;
/// let owner: DnsName = "_acme-challenge.WWW.example.com.".parse()?;
/// assert_eq!(owner.relative_to(&zone).as_deref(), Some("_acme-challenge.www"));
/// assert!(!"notexample.com".parse::<DnsName>()?.is_within(&zone));
/// # Ok::<(), nameplate::name::DnsNameError>(())
/// ```
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct DnsName(Box<str>);

/// What is wrong with the text of a DNS name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(transparent)]
pub struct DnsNameError(#[from] Problem);

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
enum Problem {
    #[error("character `{}` at offset {offset} is not allowed in a DNS name", .character.escape_debug())]
    Character { character: char, offset: usize },
    #[error("the name is empty; the root is `.`")]
    Empty,
    #[error("label {label} is empty")]
    EmptyLabel { label: usize },
    #[error("the escape at offset {offset} is not `\\DDD` up to 255 or `\\` and a character")]
    Escape { offset: usize },
    #[error("label {label} is longer than 63 octets")]
    LabelTooLong { label: usize },
    #[error("one label is needed, not several")]
    OneLabel,
    #[error("`@` stands for an origin, which is not known here")]
    Origin,
    #[error("the name is longer than 255 octets")]
    TooLong,
}

impl DnsName {
    /// Returns the root of DNS, written `.`.
    pub fn root() -> Self {
        Self(".".into())
    }

    /// Builds a name from the octets of its labels, from left to right, as read from the wire.
    ///
    /// # Errors
    ///
    /// [`DnsNameError`] if a label is empty or too long, or the name is.
    pub fn from_labels<L: AsRef<[u8]>>(
        labels: impl IntoIterator<Item = L>,
    ) -> Result<Self, DnsNameError> {
        // Room for most names, so that it does not grow.
        let mut builder = Builder { text: String::with_capacity(64), ..Builder::default() };
        for label in labels {
            for octet in label.as_ref() {
                builder.push(*octet)?;
            }
            builder.end_label()?;
        }
        Ok(builder.finish())
    }

    /// Reads a name as master files have it, RFC 1035 section 5.1.
    ///
    /// `@` is `origin`, a name without final dot is relative to it, and one with it is absolute.
    /// [`FromStr`] differs in that it knows no origin and takes every name as absolute.
    ///
    /// ```
    /// use nameplate::name::DnsName;
    ///
    /// let origin: DnsName = "example.com".parse()?;
    /// for (text, name) in [
    ///     ("www", "www.example.com"),
    ///     ("www.example.com", "www.example.com.example.com"),
    ///     ("www.example.net.", "www.example.net"),
    ///     ("@", "example.com"),
    /// ] {
    ///     assert_eq!(DnsName::parse_in(text, &origin)?.as_str(), name);
    /// }
    /// # Ok::<(), nameplate::name::DnsNameError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`DnsNameError`] as from [`FromStr`], and if the name with its origin is too long.
    pub fn parse_in(text: &str, origin: &Self) -> Result<Self, DnsNameError> {
        if text == "@" {
            return Ok(origin.clone());
        }
        if text.strip_suffix('.').is_some_and(ends_plain) {
            return text.parse();
        }
        Ok(read(text, Some(origin))?)
    }

    /// Returns the canonical presentation text without the final dot; the root is `.`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether this is the root.
    pub fn is_root(&self) -> bool {
        &*self.0 == "."
    }

    /// Returns whether the first label is `*`, RFC 4592 section 2.1.1.
    pub fn is_wildcard(&self) -> bool {
        &*self.0 == "*" || self.0.starts_with("*.")
    }

    /// Returns the octets of the labels, from left to right; none for the root.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = Cow<'_, [u8]>> {
        self.label_texts().map(octets)
    }

    /// Returns the name without its first label, or `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let first = self.label_texts().next()?;
        Some(match self.0.get(first.len() + 1..) {
            Some(rest) => Self(rest.into()),
            None => Self::root(),
        })
    }

    /// Returns the name with one label in front, which may use the escapes of RFC 1035.
    ///
    /// # Errors
    ///
    /// [`DnsNameError`] if `label` is not one valid label, or the name becomes too long.
    pub fn child(&self, label: &str) -> Result<Self, DnsNameError> {
        let label: Self = label.parse()?;
        if label.label_texts().count() != 1 {
            return Err(Problem::OneLabel.into());
        }
        label.join(self)
    }

    /// Returns the name with the labels of `origin` behind its own.
    ///
    /// # Errors
    ///
    /// [`DnsNameError`] if the name becomes too long.
    pub fn join(&self, origin: &Self) -> Result<Self, DnsNameError> {
        // Both end in the root, which is there once in what is made of them.
        if self.wire_len() - 1 + origin.wire_len() > WIRE_LIMIT {
            return Err(Problem::TooLong.into());
        }
        Ok(match (self.is_root(), origin.is_root()) {
            (true, _) => origin.clone(),
            (_, true) => self.clone(),
            _ => Self([&*self.0, ".", &*origin.0].concat().into()),
        })
    }

    /// Returns whether this is `zone` or below it. Compares whole labels.
    pub fn is_within(&self, zone: &Self) -> bool {
        self.before(zone).is_some()
    }

    /// Returns the part in front of `origin` without the dot between, `@` if they are equal.
    ///
    /// `None` if this is not in `origin`: `notexample.com` is not in `example.com`.
    pub fn relative_to(&self, origin: &Self) -> Option<String> {
        self.before(origin).map(|part| if part.is_empty() { "@" } else { part }.to_owned())
    }

    /// Returns the number of octets of the name on the wire, uncompressed.
    pub fn wire_len(&self) -> usize {
        if self.is_root() {
            return 1;
        }
        let mut octets = 0;
        let mut rest = self.0.as_bytes();
        while let Some((_, tail)) = unescape(rest) {
            octets += 1;
            rest = tail;
        }
        // A dot stands where a length is on the wire; the first label and the root have no dot.
        octets + 2
    }

    /// Returns the name as on the wire, uncompressed and in lower case (RFC 4034 section 6.2).
    pub fn to_wire(&self) -> Vec<u8> {
        let mut wire = Vec::with_capacity(self.0.len() + 2);
        for label in self.labels() {
            // At most 63 by construction.
            wire.push(u8::try_from(label.len()).unwrap_or_default());
            wire.extend_from_slice(&label);
        }
        wire.push(0);
        wire
    }

    /// Returns the text in front of `zone`, empty if they are equal.
    fn before(&self, zone: &Self) -> Option<&str> {
        if self == zone {
            return Some("");
        }
        if zone.is_root() {
            return Some(&self.0);
        }
        let front = self.0.strip_suffix(&*zone.0)?.strip_suffix('.')?;
        ends_plain(front).then_some(front)
    }

    /// Returns the texts of the labels, from left to right.
    fn label_texts(&self) -> LabelTexts<'_> {
        LabelTexts::new(&self.0)
    }
}

/// The labels of a canonical text: cut at dots that no backslash escapes.
struct LabelTexts<'a> {
    rest: Option<&'a str>,
}

impl<'a> LabelTexts<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: (text != ".").then_some(text) }
    }

    /// Cuts what is left at the first or last dot that separates labels.
    fn cut(&mut self, mut dots: impl Iterator<Item = usize>) -> Option<(&'a str, Option<&'a str>)> {
        let rest = self.rest?;
        let separates = |at: &usize| rest.get(..*at).is_some_and(ends_plain);
        let Some(at) = dots.find(separates) else { return Some((rest, None)) };
        Some((rest.get(..at)?, rest.get(at + 1..)))
    }
}

impl<'a> Iterator for LabelTexts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let dots = self.rest?.match_indices('.').map(|(at, _)| at);
        let (label, rest) = self.cut(dots)?;
        self.rest = rest;
        Some(label)
    }
}

impl DoubleEndedIterator for LabelTexts<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let dots = self.rest?.rmatch_indices('.').map(|(at, _)| at);
        let (front, label) = self.cut(dots)?;
        self.rest = label.and(Some(front));
        label.or(Some(front))
    }
}

/// Compares canonical texts of names by labels from the right, RFC 4034 section 6.1.
///
/// A label that ends sooner sorts first, and so does a name with fewer labels.
pub(crate) fn canonical_order(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    // An escape hides a dot, or spells an octet that sorts elsewhere; the root has no label.
    let special = |text: &str| text == "." || text.as_bytes().contains(&b'\\');
    if special(a) || special(b) {
        let labels = |text| LabelTexts::new(text).rev().map(octets);
        return labels(a).cmp(labels(b));
    }
    // The labels that differ end at the leftmost dot of what both names end with.
    let tail = shared_tail(a.as_bytes(), b.as_bytes());
    let tail = tail.iter().position(|b| *b == b'.').map_or(0, |dot| tail.len() - dot);
    let (label_a, label_b) = (last_label(a, tail), last_label(b, tail));
    // The same label twice: one of the names has no more of them.
    label_a.cmp(label_b).then(a.len().cmp(&b.len()))
}

/// Returns the octets that `a` and `b` both end with.
fn shared_tail<'a>(a: &'a [u8], b: &[u8]) -> &'a [u8] {
    let (mut front_a, mut front_b) = (a, b);
    // Eight at a time: names of one zone end alike.
    while let (Some((rest_a, eight_a)), Some((rest_b, eight_b))) =
        (front_a.split_last_chunk::<8>(), front_b.split_last_chunk::<8>())
        && eight_a == eight_b
    {
        (front_a, front_b) = (rest_a, rest_b);
    }
    while let (Some((last_a, rest_a)), Some((last_b, rest_b))) =
        (front_a.split_last(), front_b.split_last())
        && last_a == last_b
    {
        (front_a, front_b) = (rest_a, rest_b);
    }
    a.get(front_a.len()..).unwrap_or_default()
}

/// Returns the octets of the last label in front of the `tail` octets at the end of a text without
/// escapes.
fn last_label(text: &str, tail: usize) -> &[u8] {
    let front = text.len().checked_sub(tail).and_then(|end| text.as_bytes().get(..end));
    front.and_then(|front| front.rsplit(|b| *b == b'.').next()).unwrap_or_default()
}

/// Returns whether a character after `text` is not escaped by a backslash at its end.
fn ends_plain(text: &str) -> bool {
    text.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 0
}

/// Returns the octets that the canonical text of a label stands for.
fn octets(label: &str) -> Cow<'_, [u8]> {
    if !label.contains('\\') {
        return Cow::Borrowed(label.as_bytes());
    }
    let mut octets = Vec::with_capacity(label.len());
    let mut rest = label.as_bytes();
    while let Some((octet, tail)) = unescape(rest) {
        octets.push(octet);
        rest = tail;
    }
    Cow::Owned(octets)
}

/// Splits the octet that `text` starts with from the rest, RFC 1035 section 5.1.
///
/// `None` at the end, and for an escape that stands for nothing.
pub(crate) fn unescape(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [b'\\', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] => {
            let digit = |d: &u8| u16::from(d - b'0');
            let value = digit(a) * 100 + digit(b) * 10 + digit(c);
            Some((u8::try_from(value).ok()?, rest))
        }
        [b'\\', b'0'..=b'9', ..] | [b'\\'] | [] => None,
        [b'\\', octet @ b' '..=b'~', rest @ ..] => Some((*octet, rest)),
        [b'\\', ..] => None,
        [octet, rest @ ..] => Some((*octet, rest)),
    }
}

/// Collects octets into the canonical text, and checks the lengths.
#[derive(Default)]
struct Builder {
    text: String,
    labels: usize,
    label_len: usize,
    wire_len: usize,
}

impl Builder {
    fn push(&mut self, octet: u8) -> Result<(), Problem> {
        if self.label_len == 0 && self.labels > 0 {
            self.text.push('.');
        }
        self.label_len += 1;
        if self.label_len > LABEL_LIMIT {
            return Err(Problem::LabelTooLong { label: self.labels + 1 });
        }
        match octet.to_ascii_lowercase() {
            // Those that mean something in a zone file.
            c @ (b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$') => {
                self.text.push('\\');
                self.text.push(char::from(c));
            }
            c @ b'!'..=b'~' => self.text.push(char::from(c)),
            c => self.text.push_str(&format!("\\{c:03}")),
        }
        Ok(())
    }

    fn end_label(&mut self) -> Result<(), Problem> {
        if self.label_len == 0 {
            return Err(Problem::EmptyLabel { label: self.labels + 1 });
        }
        self.labels += 1;
        self.wire_len += self.label_len + 1;
        self.label_len = 0;
        // One octet more for the root.
        if self.wire_len + 1 > WIRE_LIMIT { Err(Problem::TooLong) } else { Ok(()) }
    }

    fn finish(self) -> DnsName {
        if self.labels == 0 { DnsName::root() } else { DnsName(self.text.into()) }
    }
}

impl FromStr for DnsName {
    type Err = DnsNameError;

    fn from_str(text: &str) -> Result<Self, DnsNameError> {
        match text {
            "." => Ok(Self::root()),
            "@" => Err(Problem::Origin.into()),
            _ => Ok(read(text, None)?),
        }
    }
}

/// Reads a name of at least one label, which `origin` follows if there is one.
fn read(text: &str, origin: Option<&DnsName>) -> Result<DnsName, Problem> {
    match (plain(text), origin) {
        (Some(name), None) => Ok(DnsName(name.to_ascii_lowercase().into())),
        (Some(name), Some(origin)) => {
            if name.len() + 1 + origin.wire_len() > WIRE_LIMIT {
                return Err(Problem::TooLong);
            }
            let mut text = String::with_capacity(name.len() + 1 + origin.0.len());
            text.push_str(name);
            text.make_ascii_lowercase();
            if !origin.is_root() {
                text.push('.');
                text.push_str(&origin.0);
            }
            Ok(DnsName(text.into()))
        }
        (None, _) => {
            let name = read_slowly(text)?;
            match origin {
                Some(origin) => name.join(origin).map_err(|error| error.0),
                None => Ok(name),
            }
        }
    }
}

/// Returns `text` without a final dot if it is a name whose canonical text differs in case alone.
///
/// Nearly every name is. What is not, or is no name at all, is for [`read_slowly`].
fn plain(text: &str) -> Option<&str> {
    let name = text.strip_suffix('.').unwrap_or(text);
    match Marks::of_any(name) {
        // No label can be too long.
        Some(marks) => (!marks.has_empty_label()).then_some(name),
        None if name.len() <= LIMIT || name.len() + 2 > WIRE_LIMIT => None,
        None => {
            let is_plain = |label: &str| Marks::of_any(label).is_some();
            name.split('.').all(is_plain).then_some(name)
        }
    }
}

/// Reads a name octet by octet, RFC 1035 section 5.1.
fn read_slowly(text: &str) -> Result<DnsName, Problem> {
    if text.is_empty() {
        return Err(Problem::Empty);
    }
    if text.len() > INPUT_LIMIT {
        return Err(Problem::TooLong);
    }
    if let Some((offset, character)) =
        text.chars().enumerate().find(|(_, c)| !matches!(c, '!'..='~' | ' '))
    {
        return Err(Problem::Character { character, offset });
    }
    let mut builder = Builder { text: String::with_capacity(text.len()), ..Builder::default() };
    let mut rest = text.as_bytes();
    while let Some(first) = rest.first() {
        let offset = text.len() - rest.len();
        match first {
            b'.' => {
                builder.end_label()?;
                rest = rest.get(1..).unwrap_or_default();
            }
            b' ' => return Err(Problem::Character { character: ' ', offset }),
            _ => {
                let (octet, tail) = unescape(rest).ok_or(Problem::Escape { offset })?;
                builder.push(octet)?;
                rest = tail;
            }
        }
    }
    if builder.label_len > 0 {
        builder.end_label()?;
    }
    Ok(builder.finish())
}

impl Ord for DnsName {
    fn cmp(&self, other: &Self) -> Ordering {
        canonical_order(&self.0, &other.0)
    }
}

impl PartialOrd for DnsName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<&DomainName> for DnsName {
    fn from(name: &DomainName) -> Self {
        Self(name.as_str().into())
    }
}

impl From<DomainName> for DnsName {
    fn from(name: DomainName) -> Self {
        Self::from(&name)
    }
}

impl AsRef<str> for DnsName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DnsName({self})")
    }
}

serde_as_text!(DnsName, as_str);

#[cfg(test)]
mod tests;
