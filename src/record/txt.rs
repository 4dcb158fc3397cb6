//! TXT: data that is text.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
};

use super::{
    error::{Kind, Problem},
    scan::{Fields, Presentation, STRING_LIMIT, write_quoted},
    wire::{DATA_LIMIT, Reader, Wire, write_string},
};

/// One or more character-strings of at most 255 octets each, RFC 1035 section 3.3.14.
///
/// Where the strings end means nothing to what reads them (SPF, RFC 7208 section 3.3, joins them
/// and so do the others), so comparison is by the joined content. The strings are kept for
/// [`Display`](fmt::Display).
///
/// What is made here rather than parsed may exceed what a record can hold;
/// [`RecordSet::new`](super::RecordSet::new) refuses that.
#[derive(Clone)]
pub struct Txt {
    /// Never empty.
    strings: Vec<Box<[u8]>>,
}

impl Txt {
    /// Creates text, split after every 255 octets.
    pub fn from_text(text: &str) -> Self {
        Self::from_bytes(text.as_bytes())
    }

    /// Creates text from octets, split after every 255.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut strings: Vec<Box<[u8]>> = bytes.chunks(STRING_LIMIT).map(Into::into).collect();
        if strings.is_empty() {
            strings.push(Box::default());
        }
        Self { strings }
    }

    /// Creates text from its character-strings, as read from the wire.
    ///
    /// `None` if there is no string or one is longer than 255 octets.
    pub fn from_strings<S: AsRef<[u8]>>(strings: impl IntoIterator<Item = S>) -> Option<Self> {
        let strings: Vec<Box<[u8]>> =
            strings.into_iter().map(|string| string.as_ref().into()).collect();
        let valid =
            !strings.is_empty() && strings.iter().all(|string| string.len() <= STRING_LIMIT);
        valid.then_some(Self { strings })
    }

    /// Returns the character-strings.
    pub fn strings(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.strings.iter().map(AsRef::as_ref)
    }

    /// Returns the joined content.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.strings.concat()
    }

    /// Returns the joined content as text; what is not UTF-8 becomes replacement characters.
    pub fn to_text(&self) -> String {
        String::from_utf8_lossy(&self.to_bytes()).into_owned()
    }

    /// Returns the number of octets of the data on the wire.
    pub(super) fn wire_len(&self) -> usize {
        self.strings.iter().map(|string| string.len() + 1).sum()
    }

    /// Returns the octets of the joined content.
    fn octets(&self) -> impl Iterator<Item = &u8> {
        self.strings.iter().flatten()
    }
}

impl Presentation for Txt {
    fn scan(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        let mut strings = Vec::new();
        let mut wire_len = 0;
        while let Some(field) = fields.try_next("text")? {
            let string = field.string()?;
            wire_len += string.len() + 1;
            if wire_len > DATA_LIMIT {
                return Err(field.problem(Kind::TooLong));
            }
            strings.push(string);
        }
        if strings.is_empty() {
            return Err(Problem::of("text", Kind::Missing));
        }
        Ok(Self { strings })
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, string) in self.strings.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            write_quoted(string, f)?;
        }
        Ok(())
    }
}

impl Wire for Txt {
    fn read(wire: &mut Reader<'_>) -> Result<Self, Problem> {
        let mut strings = vec![wire.string("text")?.into()];
        while !wire.is_empty() {
            strings.push(wire.string("text")?.into());
        }
        Ok(Self { strings })
    }

    fn write(&self, wire: &mut Vec<u8>) {
        for string in self.strings() {
            write_string(string, wire);
        }
    }
}

impl fmt::Debug for Txt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Txt({self})")
    }
}

impl PartialEq for Txt {
    fn eq(&self, other: &Self) -> bool {
        // The same strings are the same content, and cheaper to compare.
        self.strings == other.strings || self.octets().eq(other.octets())
    }
}

impl Eq for Txt {}

impl Hash for Txt {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_bytes().hash(state);
    }
}

impl Ord for Txt {
    fn cmp(&self, other: &Self) -> Ordering {
        self.octets().cmp(other.octets())
    }
}

impl PartialOrd for Txt {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
