//! The public suffix list: where a registry or a company stops and an owner begins.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use chrono::DateTime;
use psl::{Info, List as Compiled, Psl as _, Type};

use self::list::List;
use super::DomainName;
use crate::clock::{Timestamp, between};

mod list;

pub use list::SuffixListError;

/// The part of the list that names a public suffix.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Section {
    /// Registries: `com`, `co.uk`.
    Icann,
    /// Companies that give names to their customers: `github.io`.
    Private,
    /// No rule of the list: its default rule makes the last label a suffix.
    Unlisted,
}

/// The public suffix of a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Suffix {
    /// Where it starts, in bytes of the name.
    pub(super) start: usize,
    /// The part of the list that names it.
    pub(super) section: Section,
}

/// A version of the [public suffix list](https://publicsuffix.org/list/), which never changes.
///
/// Both sections count, with their wildcards and exceptions; a last label that no rule names is a
/// suffix. The list changes every few days, and one that is too old lets a customer claim what has
/// become a suffix: a platform that runs for long reads it again and swaps it in with
/// [`SharedSuffixes`]. How to fetch it is the platform's business.
///
/// ```
/// use nameplate::name::{DomainName, PublicSuffixes};
///
/// let name: DomainName = "a.b.example.co.uk".parse()?;
/// assert_eq!(PublicSuffixes::compiled().registrable(&name), Some("example.co.uk"));
/// # Ok::<(), nameplate::name::DomainNameError>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct PublicSuffixes {
    /// The list that was read; none for the one that is compiled in.
    read: Option<List>,
    as_of: Timestamp,
}

impl PublicSuffixes {
    /// Fewest rules of a list that [`parse`](Self::parse) takes for whole; today there are 10,000.
    pub const MIN_RULES: usize = 5_000;

    /// Largest text of a list, in bytes; today it has 350,000.
    pub const MAX_BYTES: usize = 4 << 20;

    /// When the list of the oldest `psl` crate that can be compiled in was published, 2026-11-05.
    const COMPILED_AS_OF: i64 = 1_793_836_800;

    /// Returns the list that is compiled in, from the `psl` crate.
    ///
    /// Cargo may have resolved a newer version of that crate than this one asks for, so the list is
    /// at most as old as it [says](Self::as_of).
    pub fn compiled() -> Self {
        let as_of = DateTime::from_timestamp_secs(Self::COMPILED_AS_OF);
        Self { read: None, as_of: as_of.unwrap_or(Timestamp::UNIX_EPOCH) }
    }

    /// Reads a list in the [format of publicsuffix.org](https://github.com/publicsuffix/list/wiki/Format).
    ///
    /// `read_at` is when the text was fetched. The list is dated by its line `// VERSION:`, and by
    /// `read_at` if it has none or one that is later.
    ///
    /// # Errors
    ///
    /// [`SuffixListError`] if a line is no rule; if the text does not have all of its ICANN section,
    /// ends within a section or has rules outside of them; if it has fewer than
    /// [`MIN_RULES`](Self::MIN_RULES) rules or more than [`MAX_BYTES`](Self::MAX_BYTES) bytes. A
    /// list that was cut short would let anybody claim the suffixes that it lost, so none of it is
    /// taken.
    pub fn parse(text: &str, read_at: Timestamp) -> Result<Self, SuffixListError> {
        Self::parse_at_least(Self::MIN_RULES, text, read_at)
    }

    /// Reads a list as [`parse`](Self::parse) does, with another least number of rules.
    ///
    /// For a list of one's own: only the public one has thousands. At least one rule is needed.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_at_least(
        min_rules: usize,
        text: &str,
        read_at: Timestamp,
    ) -> Result<Self, SuffixListError> {
        let (list, version) = list::read(text, min_rules.max(1))?;
        let as_of = version.map_or(read_at, |version| version.min(read_at));
        Ok(Self { read: Some(list), as_of })
    }

    /// Returns when the list was current.
    pub fn as_of(&self) -> Timestamp {
        self.as_of
    }

    /// Returns how old the list is at `now`, zero if it is newer than that.
    pub fn age(&self, now: Timestamp) -> Duration {
        between(self.as_of, now)
    }

    /// Returns the registrable domain of `name`: its public suffix and one label more.
    ///
    /// That of the [`base`](DomainName::base) for a wildcard, and `None` if the base is itself a
    /// public suffix.
    pub fn registrable<'a>(&self, name: &'a DomainName) -> Option<&'a str> {
        self.registrable_str(name.base_str())
    }

    /// Returns the part of `name` that somebody registered: one label more than its public suffix.
    pub(super) fn registrable_str<'a>(&self, name: &'a str) -> Option<&'a str> {
        one_more(name, self.suffix(name).start)
    }

    /// Returns the public suffix of `name`.
    pub(super) fn suffix(&self, name: &str) -> Suffix {
        self.read.as_ref().map_or_else(|| compiled(name), |list| list.suffix(name))
    }

    /// Returns the section that lists `name`, or `None` if `name` is no public suffix.
    pub(super) fn section(&self, name: &str) -> Option<Section> {
        let suffix = self.suffix(name);
        (suffix.start == 0).then_some(suffix.section)
    }
}

/// Returns the registrable domain of `name` by the list that is compiled in.
pub(super) fn registrable(name: &str) -> Option<&str> {
    one_more(name, compiled(name).start)
}

/// Returns the public suffix of `name` by the list that is compiled in.
fn compiled(name: &str) -> Suffix {
    let mut labels = Labels { rest: Some(name), asked: 0 };
    let found = Compiled.find(&mut labels);
    let suffix = suffix_of(name, found);
    // Where a rule goes on below a name that a wildcard matches, as `*.ex.futurecms.at` does beside
    // `*.futurecms.at`, the crate forgets the wildcard: it has then asked for one label too many.
    let taken = name.get(suffix.start..).map_or(0, count_labels);
    if labels.asked < taken + 2 {
        return suffix;
    }
    (taken..labels.asked - 1).rev().find_map(|above| wildcard(name, above)).unwrap_or(suffix)
}

/// Returns the last `above` labels of `name` and one more, if a wildcard makes that a suffix.
fn wildcard(name: &str, above: usize) -> Option<Suffix> {
    let (dot, _) = name.rmatch_indices('.').nth(above.checked_sub(1)?)?;
    let (front, zone) = (name.get(..dot)?, name.get(dot + 1..)?);
    // No rule has this label, so only a wildcard matches it.
    let probe = zone.rsplit('.').chain(["?"]).map(str::as_bytes);
    let found = Compiled.find(probe);
    (found.len == zone.len() + 2).then(|| Suffix {
        start: front.rfind('.').map_or(0, |dot| dot + 1),
        ..suffix_of(name, found)
    })
}

/// Reads what the crate found in `name`.
fn suffix_of(name: &str, found: Info) -> Suffix {
    Suffix {
        start: name.len().saturating_sub(found.len),
        section: match found.typ {
            Some(Type::Icann) => Section::Icann,
            Some(Type::Private) => Section::Private,
            None => Section::Unlisted,
        },
    }
}

/// Returns the number of labels of a name in which no dot is escaped.
pub(super) fn count_labels(name: &str) -> usize {
    name.bytes().filter(|byte| *byte == b'.').count() + 1
}

/// The labels of a name from the last to the first, and how often one was asked for.
struct Labels<'a> {
    rest: Option<&'a str>,
    asked: usize,
}

impl<'a> Iterator for &mut Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.asked += 1;
        let rest = self.rest?;
        let dot = rest.bytes().rposition(|byte| byte == b'.');
        self.rest = dot.and_then(|dot| rest.get(..dot));
        rest.as_bytes().get(dot.map_or(0, |dot| dot + 1)..)
    }
}

/// Returns the end of `name` from one label in front of `start`, `None` if there is no label.
fn one_more(name: &str, start: usize) -> Option<&str> {
    let front = name.get(..start)?.strip_suffix('.')?;
    name.get(front.rfind('.').map_or(0, |dot| dot + 1)..)
}

impl fmt::Debug for PublicSuffixes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.read.as_ref().map(List::rules);
        f.debug_struct("PublicSuffixes").field("as_of", &self.as_of).field("rules", &rules).finish()
    }
}

/// The public suffix list that a running platform uses, to be swapped at any time.
///
/// Clones share it: give one to [`ClaimPolicy::with_suffixes`](super::ClaimPolicy::with_suffixes)
/// and keep one to [`replace`](Self::replace) the list, which the next
/// [`admit`](super::ClaimPolicy::admit) follows.
///
/// ```
/// use nameplate::{
///     clock::{Clock, SystemClock},
///     name::{ClaimPolicy, PublicSuffixes, SharedSuffixes},
/// };
///
/// let suffixes = SharedSuffixes::from(PublicSuffixes::compiled());
/// let policy = ClaimPolicy::new().with_suffixes(suffixes.clone());
/// let name = "shop.acme.app".parse()?;
/// assert!(policy.admit(&name).is_ok());
///
/// let text = "// ===BEGIN ICANN DOMAINS===\napp\n// ===END ICANN DOMAINS===\n\
///     // ===BEGIN PRIVATE DOMAINS===\n*.acme.app\n// ===END PRIVATE DOMAINS===\n";
/// suffixes.replace(PublicSuffixes::parse_at_least(2, text, SystemClock.now())?);
/// assert!(policy.admit(&name).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SharedSuffixes(Arc<RwLock<Arc<PublicSuffixes>>>);

impl SharedSuffixes {
    /// Returns the list as it is now.
    pub fn current(&self) -> Arc<PublicSuffixes> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another list in its place, for all who share it.
    pub fn replace(&self, list: impl Into<Arc<PublicSuffixes>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = list.into();
    }
}

impl<L: Into<Arc<PublicSuffixes>>> From<L> for SharedSuffixes {
    fn from(list: L) -> Self {
        Self(Arc::new(RwLock::new(list.into())))
    }
}

impl fmt::Debug for SharedSuffixes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedSuffixes").field(&self.current()).finish()
    }
}

/// Equal if the lists are.
impl PartialEq for SharedSuffixes {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.current() == other.current()
    }
}

impl Eq for SharedSuffixes {}

#[cfg(test)]
mod tests;
