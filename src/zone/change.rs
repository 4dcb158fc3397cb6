//! Changes of record sets, each with the value that is expected before it.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::{
    name::DnsName,
    record::{RecordSet, RecordType},
};

/// A change of the record set of one owner and type.
///
/// It applies only where the set is as [`before`](Self::before) says, so that what somebody else
/// changed in between is not lost.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct SetChange {
    name: DnsName,
    record_type: RecordType,
    before: Option<RecordSet>,
    after: Option<RecordSet>,
}

/// Changes that belong together, at most one for each owner and type.
///
/// Sorted so that applying them one by one is safe: first what is deleted, then what is replaced,
/// then what is new, since a CNAME and other data exclude each other (RFC 1034 section 3.6.2), and
/// so do a DNAME and names below it (RFC 6672 section 2.4). Within each by owner, in the canonical
/// order of DNS, and by type; what is new in the opposite order, so that what is below a name (glue
/// of a delegation, a marker) comes before it as it goes after it.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(try_from = "Vec<SetChange>", into = "Vec<SetChange>")]
pub struct ChangeSet(Vec<SetChange>);

/// Why this is not a change.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(transparent)]
pub struct ChangeError(#[from] Problem);

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
enum Problem {
    #[error("a change has a set before or after it")]
    Nothing,
    #[error("a change keeps owner and type, not {} {} and {} {}", .0.0, .0.1, .0.2, .0.3)]
    Other(Box<(DnsName, RecordType, DnsName, RecordType)>),
    #[error("{} {} is changed twice", .0.0, .0.1)]
    Twice(Box<(DnsName, RecordType)>),
}

impl SetChange {
    /// Creates a change from what is expected to what is wanted; `None` stands for no set.
    ///
    /// The same set twice is a change that asserts and changes nothing.
    ///
    /// # Errors
    ///
    /// [`ChangeError`] if both are `None`, or they differ in owner or type.
    pub fn new(before: Option<RecordSet>, after: Option<RecordSet>) -> Result<Self, ChangeError> {
        let one = after.as_ref().or(before.as_ref()).ok_or(Problem::Nothing)?;
        let (name, record_type) = (one.name().clone(), one.record_type());
        if let Some(before) = &before
            && (*before.name() != name || before.record_type() != record_type)
        {
            let other = (before.name().clone(), before.record_type(), name, record_type);
            return Err(Problem::Other(Box::new(other)).into());
        }
        Ok(Self { name, record_type, before, after })
    }

    /// Returns the owner.
    pub fn name(&self) -> &DnsName {
        &self.name
    }

    /// Returns the type.
    pub fn record_type(&self) -> RecordType {
        self.record_type
    }

    /// Returns the set that is expected; `None` if there must be none.
    pub fn before(&self) -> Option<&RecordSet> {
        self.before.as_ref()
    }

    /// Returns the set that is wanted; `None` if there is to be none.
    pub fn after(&self) -> Option<&RecordSet> {
        self.after.as_ref()
    }

    /// Returns the change back.
    #[must_use]
    pub fn inverse(self) -> Self {
        Self { before: self.after, after: self.before, ..self }
    }

    /// Returns the place of the change among others.
    fn rank(&self) -> u8 {
        match (&self.before, &self.after) {
            (_, None) => 0,
            (Some(_), Some(_)) => 1,
            (None, Some(_)) => 2,
        }
    }

    fn same_set(&self, other: &Self) -> bool {
        self.name == other.name && self.record_type == other.record_type
    }
}

impl ChangeSet {
    /// Creates a set of changes; none at all is fine.
    ///
    /// # Errors
    ///
    /// [`ChangeError`] if two changes are about the same owner and type.
    pub fn new(changes: impl IntoIterator<Item = SetChange>) -> Result<Self, ChangeError> {
        let mut changes: Vec<_> = changes.into_iter().collect();
        changes.sort_by(by_owner);
        if let Some([twice, _]) = changes.array_windows().find(|[a, b]| a.same_set(b)) {
            let twice = (twice.name.clone(), twice.record_type);
            return Err(Problem::Twice(Box::new(twice)).into());
        }
        Ok(Self(ranked(changes)))
    }

    /// Returns the changes in the order in which to apply them.
    pub fn changes(&self) -> &[SetChange] {
        &self.0
    }

    /// Returns whether there is no change.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of changes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the changes in the order in which to apply them.
    pub fn iter(&self) -> std::slice::Iter<'_, SetChange> {
        self.0.iter()
    }

    /// Returns the changes back, in the order in which to apply them.
    #[must_use]
    pub fn inverse(self) -> Self {
        let mut changes: Vec<_> = self.0.into_iter().map(SetChange::inverse).collect();
        changes.sort_by(by_owner);
        Self(ranked(changes))
    }
}

/// Sorts changes that are sorted by owner and type into the order in which to apply them.
fn ranked(mut changes: Vec<SetChange>) -> Vec<SetChange> {
    // Stable, so the order by owner stays within each rank.
    changes.sort_by_key(SetChange::rank);
    let new = changes.partition_point(|change| change.rank() < 2);
    changes.get_mut(new..).unwrap_or_default().reverse();
    changes
}

fn by_owner(a: &SetChange, b: &SetChange) -> Ordering {
    a.name.cmp(&b.name).then_with(|| a.record_type.cmp(&b.record_type))
}

impl From<SetChange> for ChangeSet {
    fn from(change: SetChange) -> Self {
        Self(vec![change])
    }
}

impl<'a> IntoIterator for &'a ChangeSet {
    type Item = &'a SetChange;
    type IntoIter = std::slice::Iter<'a, SetChange>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for ChangeSet {
    type Item = SetChange;
    type IntoIter = std::vec::IntoIter<SetChange>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl TryFrom<Vec<SetChange>> for ChangeSet {
    type Error = ChangeError;

    fn try_from(changes: Vec<SetChange>) -> Result<Self, ChangeError> {
        Self::new(changes)
    }
}

impl From<ChangeSet> for Vec<SetChange> {
    fn from(changes: ChangeSet) -> Self {
        changes.0
    }
}

/// The stored form: owner and type are in the sets.
#[derive(Deserialize, Serialize)]
struct Stored {
    before: Option<RecordSet>,
    after: Option<RecordSet>,
}

impl TryFrom<Stored> for SetChange {
    type Error = ChangeError;

    fn try_from(stored: Stored) -> Result<Self, ChangeError> {
        Self::new(stored.before, stored.after)
    }
}

impl From<SetChange> for Stored {
    fn from(change: SetChange) -> Self {
        Self { before: change.before, after: change.after }
    }
}

#[cfg(test)]
mod tests;
