//! TXT records that say which other records are ours.

use std::{borrow::Cow, cmp::Ordering, collections::BTreeSet, fmt::Write as _};

use sha2::{Digest as _, Sha256};

use crate::{
    name::{DnsName, DnsNameError, canonical_order},
    record::{RecordData, RecordSet, RecordType, Ttl, Txt},
    zone::Zone,
};

/// Longest name of who owns records, so that a marker is one string of a TXT record.
const OWNER_LIMIT: usize = 64;

/// What follows the label where the marked owner is a wildcard.
const WILDCARD: &str = "-wildcard";

/// Longest label in front of [`WILDCARD`], RFC 1035 section 2.3.4.
const LABEL_LIMIT: usize = 63 - WILDCARD.len();

/// TXT records that say which other records of a zone are ours.
///
/// The records of `www.example.com` have their markers in the TXT set of
/// `_nameplate.www.example.com`, those of the wildcard `*.example.com` in that of
/// `_nameplate-wildcard.example.com` (many services refuse a `*` that is not the first label). Each
/// record has one, such as
///
/// ```text
/// heritage=nameplate,owner=acme-production,type=A,data=4b8feb9364512928546debfc76c9ecc0
/// ```
///
/// with the first 16 octets of the SHA-256 of the data: the RDATA on the wire, uncompressed and with
/// names in lower case, as in RFC 4034 section 6.2; for TXT the joined content, since a service may
/// split it anew; for types without a number at IANA the text.
///
/// * A record is ours if a marker with its type and its data stands beside it. Other records of the
///   same set are not, and stay as they are. A set with records of others keeps its TTL too.
/// * A record that somebody changed is theirs: its marker stands for nothing and is deleted.
/// * A desired record that is there, beside a marker of ours that stands for no record of the same
///   type, is ours: that is what an interrupted change leaves behind.
/// * Markers of other owners, and whatever else is in their set, stay.
///
/// Changes are sorted so that an interrupted one loses no record of ours, with one gap: a service that
/// is not atomic may delete the last marker of an owner and be interrupted before it takes the record
/// out of a set with records of others. [`Plan::steps`](super::Plan::steps) leaves no gap.
///
/// A marker is a name below the one that it marks, so a DNAME cannot be marked (RFC 6672 section 2.4
/// allows nothing below it), and no NS below the top of the zone (what is below a delegation is in
/// another zone, RFC 1034 section 4.2.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Markers {
    label: Box<str>,
    wildcard: Box<str>,
    /// What each of our markers starts with.
    front: Box<str>,
    pub(super) ttl: Ttl,
    joined: BTreeSet<RecordType>,
}

/// What is wrong with a setting of [`Markers`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(transparent)]
pub struct MarkersError(#[from] Problem);

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
enum Problem {
    #[error("the owner of records is 1 to {OWNER_LIMIT} letters, digits, `.`, `-` and `_`")]
    Owner,
    #[error("the label of markers is `_` and 1 to {} letters, digits, `-` and `_`", LABEL_LIMIT - 1)]
    Label,
}

impl Markers {
    /// The label of markers unless another is given.
    pub const LABEL: &str = "_nameplate";

    /// Creates markers for the records of `owner`: 1 to 64 letters, digits, `.`, `-` and `_`.
    ///
    /// It is compared with case. Two installations that change the same zones need two owners.
    ///
    /// # Errors
    ///
    /// [`MarkersError`] if `owner` is anything else.
    pub fn new(owner: &str) -> Result<Self, MarkersError> {
        let valid = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if owner.is_empty() || owner.len() > OWNER_LIMIT || !owner.bytes().all(valid) {
            return Err(Problem::Owner.into());
        }
        Ok(Self {
            label: Self::LABEL.into(),
            wildcard: [Self::LABEL, WILDCARD].concat().into(),
            front: format!("heritage=nameplate,owner={owner},type=").into(),
            ttl: Ttl::HOUR,
            joined: BTreeSet::new(),
        })
    }

    /// Changes the label in front of the marked owner: `_` and up to 53 letters, digits, `-` and `_`.
    ///
    /// Markers with the former label are not seen any more, and what they mark is not ours any more.
    ///
    /// # Errors
    ///
    /// [`MarkersError`] if `label` is anything else.
    pub fn with_label(self, label: &str) -> Result<Self, MarkersError> {
        let valid = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
        let length = 2..=LABEL_LIMIT;
        if !label.starts_with('_') || !length.contains(&label.len()) || !label.bytes().all(valid) {
            return Err(Problem::Label.into());
        }
        let label = label.to_ascii_lowercase();
        let wildcard = [&label, WILDCARD].concat().into();
        Ok(Self { label: label.into(), wildcard, ..self })
    }

    /// Changes the TTL of markers that are created: one hour unless it is set.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = ttl;
        self
    }

    /// Lets a record of this type join a set in which all records are of others.
    ///
    /// Records of TXT, CAA, DS, SSHFP and TLSA stand each for itself and join such a set anyway. With
    /// others (A, MX, SRV) traffic would go to both, so the set of the others is a
    /// [`Conflict`](super::Conflict) unless this is said.
    #[must_use]
    pub fn joining(mut self, record_type: RecordType) -> Self {
        self.joined.insert(record_type);
        self
    }

    /// Returns the owner of the markers for the records of `name`.
    ///
    /// # Errors
    ///
    /// [`DnsNameError`] if that is too long for a name.
    pub fn name_for(&self, name: &DnsName) -> Result<DnsName, DnsNameError> {
        match name.parent().filter(|_| name.is_wildcard()) {
            Some(parent) => parent.child(&self.wildcard),
            None => name.child(&self.label),
        }
    }

    /// Returns the types of the records that our markers in a set stand for, or stood for; each once.
    pub fn types(&self, set: &RecordSet) -> Vec<RecordType> {
        let says = set.data().iter().filter_map(|data| match data {
            RecordData::Txt(txt) => self.parse(txt),
            _ => None,
        });
        let mut types: Vec<_> = says.map(|says| says.record_type).collect();
        types.sort();
        types.dedup();
        types
    }

    /// Returns the owner that the markers at `name` are for; `None` if it is no place for markers.
    pub(super) fn marked<'a>(&self, name: &'a DnsName) -> Option<Cow<'a, str>> {
        let behind = |label: &str| {
            let rest = name.as_str().strip_prefix(label)?;
            if rest.is_empty() { Some(".") } else { rest.strip_prefix('.') }
        };
        if let Some(owner) = behind(&self.label) {
            return Some(Cow::Borrowed(owner));
        }
        let parent = behind(&self.wildcard)?;
        Some(if parent == "." { "*".into() } else { format!("*.{parent}").into() })
    }

    /// Returns whether a record of this type may join a set of others.
    pub(super) fn joins(&self, record_type: RecordType) -> bool {
        // TXT, DS, SSHFP, TLSA and CAA.
        matches!(record_type.code(), Some(16 | 43 | 44 | 52 | 257))
            || self.joined.contains(&record_type)
    }

    /// Returns the markers in a zone, sorted by what they mark.
    pub(super) fn read<'a>(&self, zone: &'a Zone) -> Vec<Mark<'a>> {
        let mut marks = Vec::new();
        for set in zone.sets().iter().filter(|set| set.record_type() == RecordType::Txt) {
            let Some(owner) = self.marked(set.name()) else { continue };
            for data in set.data() {
                let RecordData::Txt(txt) = data else { continue };
                let Some(says) = self.parse(txt) else { continue };
                marks.push(Mark { owner: owner.clone(), says, set, data });
            }
        }
        marks.sort_by(|a, b| a.order(b));
        marks
    }

    /// Returns the text of a marker.
    pub(super) fn text(&self, says: &Says) -> RecordData {
        let mut text = format!("{}{},data=", self.front, says.record_type);
        for octet in says.digest {
            // Writing to a string does not fail.
            let _ = write!(text, "{octet:02x}");
        }
        RecordData::Txt(Txt::from_text(&text))
    }

    /// Reads a marker, as [`text`](Self::text) writes it; `None` for anything else.
    fn parse(&self, txt: &Txt) -> Option<Says> {
        let mut strings = txt.strings();
        let text = match (strings.next(), strings.next()) {
            (Some(one), None) => Cow::Borrowed(one),
            _ => Cow::Owned(txt.to_bytes()),
        };
        let text = std::str::from_utf8(&text).ok()?;
        let (record_type, digest) = text.strip_prefix(&*self.front)?.split_once(",data=")?;
        let mut says = Says { record_type: record_type.parse().ok()?, digest: [0; 16] };
        hex::decode_to_slice(digest, &mut says.digest).ok()?;
        Some(says)
    }
}

/// What a marker says: that the record of this type with this data is ours.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Says {
    pub(super) record_type: RecordType,
    digest: [u8; 16],
}

impl Says {
    /// Returns what the marker of a record says.
    pub(super) fn of(data: &RecordData) -> Self {
        let hash = match data {
            RecordData::Txt(txt) => {
                let mut hash = Sha256::new();
                txt.strings().for_each(|string| hash.update(string));
                hash.finalize()
            }
            other => match other.to_wire() {
                Some(wire) => Sha256::digest(wire),
                None => Sha256::digest(other.to_string()),
            },
        };
        let digest = hash.first_chunk().copied().unwrap_or_default();
        Self { record_type: data.record_type(), digest }
    }
}

/// A marker that is in a zone.
#[derive(Clone, Debug)]
pub(super) struct Mark<'a> {
    /// The canonical text of the owner that is marked.
    pub(super) owner: Cow<'a, str>,
    pub(super) says: Says,
    /// The set that it is in, and which of its data it is.
    pub(super) set: &'a RecordSet,
    pub(super) data: &'a RecordData,
}

impl Mark<'_> {
    fn order(&self, other: &Self) -> Ordering {
        canonical_order(&self.owner, &other.owner).then_with(|| self.says.cmp(&other.says))
    }
}

#[cfg(test)]
mod tests;
