//! The rules of a batch's own types.

use std::collections::{BTreeMap, BTreeSet};

use super::{Batch, Body, Entry, Expect, Item, Key, UniqueKey, Write};
use crate::error::{Error, ErrorKind, Result};

impl Batch {
    /// Refuses a batch that breaks the rules of its types, whatever is stored.
    ///
    /// For implementers of [`Store`](super::Store): the first thing that a commit does. `component`
    /// is the store's name in the error.
    ///
    /// # Errors
    ///
    /// `Invalid`: two puts or deletes of one key; an entry of an item that the batch does not put;
    /// a unique key twice in one header; an id, a unique key, a body or an entry that is too long;
    /// an id or a unique key that is empty or not printable ASCII; more than [`Entry::PER_BATCH`]
    /// entries of one item.
    pub fn check(&self, component: &'static str) -> Result<()> {
        let invalid =
            |message: String| Err(Error::new(ErrorKind::Invalid, component, "commit", message));
        let mut written: Vec<(&Key, bool)> = Vec::with_capacity(self.writes.len());
        for write in &self.writes {
            match write {
                Write::Put { key, header, body, .. } => {
                    written.push((key, true));
                    if !printable(&key.id, Key::MAX_ID) {
                        return invalid(format!(
                            "the id of {key} is not 1 to {} printable ASCII characters",
                            Key::MAX_ID
                        ));
                    }
                    if body.as_str().len() > Body::MAX {
                        return invalid(format!("the body of {key} is over {} bytes", Body::MAX));
                    }
                    let is_printable = |it: &UniqueKey| printable(it.as_str(), UniqueKey::MAX);
                    if !header.unique.iter().all(is_printable) {
                        return invalid(format!(
                            "a unique key of {key} is not 1 to {} printable ASCII characters",
                            UniqueKey::MAX
                        ));
                    }
                    if has_twice(&header.unique) {
                        return invalid(format!("two times the same unique key of {key}"));
                    }
                }
                Write::Delete { key, .. } => written.push((key, false)),
                Write::Wake { .. } => {}
            }
        }
        written.sort_unstable();
        let twice = written.iter().zip(written.iter().skip(1)).find(|(one, next)| one.0 == next.0);
        if let Some(((key, _), _)) = twice {
            return invalid(format!("two writes of {key}"));
        }
        let mut entries: BTreeMap<&Key, usize> = BTreeMap::new();
        for entry in &self.log {
            if written.binary_search(&(&entry.of, true)).is_err() {
                return invalid(format!("an entry of {}, which the batch does not put", entry.of));
            }
            if entry.body.len() > Body::MAX {
                return invalid(format!("an entry of {} is over {} bytes", entry.of, Body::MAX));
            }
            let count = entries.entry(&entry.of).or_default();
            *count += 1;
            if *count > Entry::PER_BATCH {
                return invalid(format!("more than {} entries of {}", Entry::PER_BATCH, entry.of));
            }
        }
        Ok(())
    }
}

impl Item {
    /// Refuses a log that cannot be this item's.
    ///
    /// For implementers of [`Store::restore`](super::Store::restore), beside [`Batch::check`] of
    /// [`Item::restoring`]. `component` is the store's name in the error.
    ///
    /// # Errors
    ///
    /// `Invalid`: numbers that do not rise, or are above those that the item's revision gives; an
    /// entry that is too long; a revision that is none, or the last one.
    pub fn check_log(&self, log: &[Entry], component: &'static str) -> Result<()> {
        let invalid =
            |message: String| Err(Error::new(ErrorKind::Invalid, component, "restore", message));
        // The next put needs a number too that a signed 64-bit integer holds.
        if !(1..(1 << 47) - 1).contains(&self.revision.counter) {
            return invalid(format!("{} has a revision that no put gives or can follow", self.key));
        }
        let mut last = None;
        for entry in log {
            let known = entry.number >> 16 <= self.revision.counter && entry.number >> 16 > 0;
            if !known || last.is_some_and(|last| last >= entry.number) {
                return invalid(format!("{} has no place for entry {}", self.key, entry.number));
            }
            if entry.body.len() > Body::MAX {
                return invalid(format!("an entry of {} is over {} bytes", self.key, Body::MAX));
            }
            last = Some(entry.number);
        }
        Ok(())
    }

    /// Returns the batch that creates this item, but for its counter and its log.
    ///
    /// For implementers of [`Store::restore`](super::Store::restore).
    pub fn restoring(&self) -> Batch {
        Batch::new(self.revision.operation).with(Write::Put {
            key: self.key.clone(),
            expect: Expect::Absent,
            header: self.header.clone(),
            body: self.body.clone(),
        })
    }
}

/// Returns whether a key stands in a list twice.
fn has_twice(unique: &[UniqueKey]) -> bool {
    // An item carries a few, which are compared sooner than sorted.
    if let [] | [_] | [_, _] | [_, _, _] = unique {
        let mut each = unique.iter().enumerate();
        return each.any(|(at, one)| unique.iter().skip(at + 1).any(|it| it == one));
    }
    let mut seen = BTreeSet::new();
    !unique.iter().all(|one| seen.insert(one))
}

/// Returns whether `text` is 1 to `limit` printable ASCII characters.
fn printable(text: &str, limit: usize) -> bool {
    (1..=limit).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}
