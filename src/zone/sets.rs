//! The record sets of a zone, sorted.

use std::cmp::Ordering;

use super::{ChangeSet, SetChange};
use crate::{
    name::DnsName,
    record::{DnsRecord, RecordSet, RecordSetError, RecordType},
};

/// A zone: the name at its top, and its record sets.
///
/// Sorted by owner, in the canonical order of DNS (RFC 4034 section 6.1), and by type; one set for
/// each owner and type. Whether the sets may stand beside each other is not asked here.
///
/// ```
/// use nameplate::{
///     record::{DnsRecord, RecordData, RecordType, Ttl},
///     zone::Zone,
/// };
///
/// let address = RecordData::parse(RecordType::A, "192.0.2.1")?;
/// let record = DnsRecord::new("www.example.com".parse()?, Ttl::HOUR, address);
/// let zone = Zone::from_records("example.com".parse()?, [record])?;
/// assert!(zone.get(&"WWW.example.com".parse()?, RecordType::A).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Zone {
    origin: DnsName,
    sets: Vec<RecordSet>,
}

/// Why record sets are no zone, or changes do not apply to one.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(transparent)]
pub struct ZoneError(#[from] Problem);

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
enum Problem {
    #[error("{} is not in zone {}", .0.0, .0.1)]
    Outside(Box<(DnsName, DnsName)>),
    #[error("there are two sets of {} {}", .0.0, .0.1)]
    Twice(Box<(DnsName, RecordType)>),
    #[error("the records of {} {} are no set: {}", .0.0, .0.1, .0.2)]
    Set(Box<(DnsName, RecordType, RecordSetError)>),
    #[error("{} {} is not as the change expects it", .0.0, .0.1)]
    Conflict(Box<(DnsName, RecordType)>),
}

impl Zone {
    /// Creates a zone from its sets, in any order; none at all is fine.
    ///
    /// # Errors
    ///
    /// [`ZoneError`] if an owner is not `origin` or below it, or two sets have the same owner and
    /// type.
    pub fn new(
        origin: DnsName,
        sets: impl IntoIterator<Item = RecordSet>,
    ) -> Result<Self, ZoneError> {
        let mut sets: Vec<_> = sets.into_iter().collect();
        if let Some(outside) = sets.iter().find(|set| !set.name().is_within(&origin)) {
            return Err(Problem::Outside(Box::new((outside.name().clone(), origin))).into());
        }
        sets.sort_by(by_owner);
        if let Some([set, _]) = sets.array_windows().find(|[a, b]| by_owner(a, b).is_eq()) {
            let twice = (set.name().clone(), set.record_type());
            return Err(Problem::Twice(Box::new(twice)).into());
        }
        sets.shrink_to_fit();
        Ok(Self { origin, sets })
    }

    /// Creates a zone from its records, in any order; what is there twice counts once.
    ///
    /// Records of one set have one TTL. Where they differ, which RFC 2181 section 5.2 calls an error,
    /// the smallest counts, so that nothing is cached longer than one of them allows.
    ///
    /// # Errors
    ///
    /// [`ZoneError`] if an owner is not `origin` or below it, or the records of one owner and type
    /// make no set (see [`RecordSet::new`]).
    pub fn from_records(
        origin: DnsName,
        records: impl IntoIterator<Item = DnsRecord>,
    ) -> Result<Self, ZoneError> {
        let mut records: Vec<_> = records.into_iter().collect();
        let key = |record: &DnsRecord| (record.record_type(), record.ttl());
        records.sort_by(|a, b| a.name().cmp(b.name()).then_with(|| key(a).cmp(&key(b))));
        let mut sets = Vec::new();
        let mut records = records.into_iter().map(DnsRecord::into_parts).peekable();
        while let Some((name, ttl, first)) = records.next() {
            let record_type = first.record_type();
            let mut data = vec![first];
            while let Some((_, _, next)) = records
                .next_if(|(owner, _, data)| *owner == name && data.record_type() == record_type)
            {
                data.push(next);
            }
            let set = RecordSet::new(name.clone(), ttl, data)
                .map_err(|error| Problem::Set(Box::new((name, record_type, error))))?;
            sets.push(set);
        }
        Self::new(origin, sets)
    }

    /// Returns the name at the top.
    pub fn origin(&self) -> &DnsName {
        &self.origin
    }

    /// Returns the sets, sorted by owner and type.
    pub fn sets(&self) -> &[RecordSet] {
        &self.sets
    }

    /// Takes the zone apart: the name at the top, and the sets, sorted by owner and type.
    pub fn into_parts(self) -> (DnsName, Vec<RecordSet>) {
        (self.origin, self.sets)
    }

    /// Returns the set of an owner and a type.
    ///
    /// What is stored, not what a wildcard would synthesize.
    pub fn get(&self, name: &DnsName, record_type: RecordType) -> Option<&RecordSet> {
        let sets = self.at(name);
        let at = sets.binary_search_by_key(&record_type, RecordSet::record_type).ok()?;
        sets.get(at)
    }

    /// Returns the sets of an owner, sorted by type.
    pub fn at(&self, name: &DnsName) -> &[RecordSet] {
        let start = self.sets.partition_point(|set| set.name() < name);
        let rest = self.sets.get(start..).unwrap_or_default();
        split_owner(rest, name).0
    }

    /// Returns the records, in the order of the sets.
    pub fn records(&self) -> impl Iterator<Item = DnsRecord> {
        self.sets.iter().flat_map(RecordSet::records)
    }

    /// Returns the zone as it is after the changes.
    ///
    /// Expectations are those of a [`DnsProvider`](crate::dns::DnsProvider): data count, TTLs do not.
    ///
    /// # Errors
    ///
    /// [`ZoneError`] if a set is not as a change expects it, or the owner of a change is not in the
    /// zone.
    pub fn apply(&self, changes: &ChangeSet) -> Result<Self, ZoneError> {
        let mut changes: Vec<&SetChange> = changes.iter().collect();
        changes.sort_by(|a, b| {
            a.name().cmp(b.name()).then_with(|| a.record_type().cmp(&b.record_type()))
        });
        let mut sets = Vec::with_capacity(self.sets.len());
        let mut rest = self.sets.as_slice();
        for change in changes {
            let before = |set: &RecordSet| {
                let owners = set.name().cmp(change.name());
                owners.then_with(|| set.record_type().cmp(&change.record_type()))
            };
            let (kept, tail) = rest.split_at(rest.partition_point(|set| before(set).is_lt()));
            sets.extend_from_slice(kept);
            let found = tail.split_first().filter(|(set, _)| before(set).is_eq());
            let expected = change.before().map(RecordSet::data);
            if found.map(|(set, _)| set.data()) != expected {
                let conflict = (change.name().clone(), change.record_type());
                return Err(Problem::Conflict(Box::new(conflict)).into());
            }
            sets.extend(change.after().cloned());
            rest = found.map_or(tail, |(_, tail)| tail);
        }
        sets.extend_from_slice(rest);
        Self::new(self.origin.clone(), sets)
    }
}

/// Splits the sets of an owner from those that follow.
pub(super) fn split_owner<'a>(
    sets: &'a [RecordSet],
    name: &DnsName,
) -> (&'a [RecordSet], &'a [RecordSet]) {
    // An owner has few sets, so this is faster than to search.
    sets.split_at(sets.iter().take_while(|set| set.name() == name).count())
}

fn by_owner(a: &RecordSet, b: &RecordSet) -> Ordering {
    a.name().cmp(b.name()).then_with(|| a.record_type().cmp(&b.record_type()))
}

#[cfg(test)]
mod tests;
