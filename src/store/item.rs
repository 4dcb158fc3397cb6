//! What a store keeps: an item under its key, with the part of it that can be searched.

use std::{
    fmt::{self, Write as _},
    str::FromStr,
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{OperationId, TenantId},
};

/// The kinds of items.
///
/// *Roots* have a due time and take leases. *Satellites* belong to a root and are written only
/// together with it or under its lease. The engine keeps that rule; a store treats all alike.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// Root: an account at a certificate authority.
    Account,
    /// Satellite: what a validation server is told over HTTP.
    Answer,
    /// Satellite: a certificate.
    Certificate,
    /// Root: a tenant's claim on a name.
    Domain,
    /// Root: how far what happened to a domain was told to those who subscribed.
    Feed,
    /// Satellite: a sealed private key.
    Key,
    /// Neither: what was spent of a budget that many roots share. Compared and set.
    Ledger,
    /// Satellite: a certificate order.
    Order,
    /// Neither: an operator's order to leave a tenant or a service alone.
    Pause,
    /// Root: a purchase at a registrar.
    Registration,
    /// Neither: by which keys secrets are sealed. Compared and set.
    Sealing,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Account,
        Self::Answer,
        Self::Certificate,
        Self::Domain,
        Self::Feed,
        Self::Key,
        Self::Ledger,
        Self::Order,
        Self::Pause,
        Self::Registration,
        Self::Sealing,
    ];

    /// Returns whether it is a root: with a due time, and worked on under a lease.
    pub const fn is_root(self) -> bool {
        matches!(self, Self::Account | Self::Domain | Self::Feed | Self::Registration)
    }

    /// Returns all kinds, roots last: what is copied in this order and interrupted has no root without
    /// what belongs to it.
    pub(crate) fn roots_last() -> impl Iterator<Item = Self> {
        let (roots, satellites): (Vec<_>, Vec<_>) =
            Self::ALL.into_iter().partition(|it| it.is_root());
        satellites.into_iter().chain(roots)
    }

    /// Returns the stored name, which never changes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Answer => "answer",
            Self::Certificate => "certificate",
            Self::Domain => "domain",
            Self::Feed => "feed",
            Self::Key => "key",
            Self::Ledger => "ledger",
            Self::Order => "order",
            Self::Pause => "pause",
            Self::Registration => "registration",
            Self::Sealing => "sealing",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            Error::new(ErrorKind::Malformed, "store", "read", format!("unknown kind `{text}`"))
        })
    }
}

/// What an item is called: its kind, and an id that is unique within the kind.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[non_exhaustive]
pub struct Key {
    /// The kind.
    pub kind: Kind,
    /// The id: 1 to 200 printable ASCII characters.
    pub id: String,
}

impl Key {
    /// Longest id, in bytes.
    pub const MAX_ID: usize = 200;

    /// Creates a key.
    pub fn new(kind: Kind, id: impl fmt::Display) -> Self {
        // Room for an id, which most are made of.
        let mut text = String::with_capacity(32);
        // Cannot fail: a string grows.
        let _ = write!(text, "{id}");
        Self { kind, id: text }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.id)
    }
}

/// Which state of an item was seen.
///
/// The counter rises by one with every put. The operation id says which batch wrote it: it
/// resolves a commit whose answer was lost, and tells an item from another one that was deleted
/// and created again under the same key.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Revision {
    /// 1 for a new item.
    pub counter: u64,
    /// The batch that wrote it.
    pub operation: OperationId,
}

impl Revision {
    /// Creates a revision, as a store reads it back.
    pub const fn new(counter: u64, operation: OperationId) -> Self {
        Self { counter, operation }
    }
}

/// A value that at most one item may carry, such as "the holder of this name".
///
/// Compared by bytes. 1 to 600 bytes of printable ASCII.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct UniqueKey(String);

impl UniqueKey {
    /// Longest key, in bytes.
    pub const MAX: usize = 600;

    /// Creates a key of a named space and the parts that identify the thing in it.
    ///
    /// The parts are joined with `/`; a part must not contain one unless it is the last.
    pub fn new(space: &str, parts: &[&str]) -> Self {
        let length: usize = parts.iter().map(|part| part.len() + 1).sum();
        let mut text = String::with_capacity(space.len() + length);
        text.push_str(space);
        for part in parts {
            text.push('/');
            text.push_str(part);
        }
        Self(text)
    }

    /// Takes over what [`as_str`](Self::as_str) has returned.
    #[cfg(feature = "sqlite")]
    pub(crate) const fn from_text(text: String) -> Self {
        Self(text)
    }

    /// Returns the text, as a store keeps it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The part of an item that a store can search.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Header {
    /// Whose it is; `None` for what belongs to the platform.
    pub tenant: Option<TenantId>,
    /// The name it is about.
    pub name: Option<String>,
    /// A short state.
    pub status: Option<String>,
    /// When it stops being good.
    pub expires: Option<Timestamp>,
    /// When it wants attention: roots only. `None` is never.
    pub due: Option<Timestamp>,
    /// The unique keys that it carries, each once. A put replaces the whole list.
    pub unique: Vec<UniqueKey>,
}

/// What an item holds: versioned JSON text, opaque to the store, readable to an operator.
///
/// Clones share the text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Body(Arc<str>);

impl Body {
    /// Longest body, in bytes. A store must take this much.
    pub const MAX: usize = 256 * 1024;

    /// Takes the text over.
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// A stored item.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Item {
    /// What it is called.
    pub key: Key,
    /// Which state this is.
    pub revision: Revision,
    /// What can be searched.
    pub header: Header,
    /// What it holds.
    pub body: Body,
}

impl Item {
    /// Creates an item, as a store reads it back.
    pub const fn new(key: Key, revision: Revision, header: Header, body: Body) -> Self {
        Self { key, revision, header, body }
    }
}
