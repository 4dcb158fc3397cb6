//! From a zone as it is to a zone as it is wanted.

mod conflict;
mod error;
mod marker;
mod owner;
mod policy;

use std::{collections::BTreeSet, fmt};

use self::{owner::Planner, policy::Kind};
use super::{ChangeSet, SetChange, Zone};
use crate::{
    name::DnsName,
    record::{DnsRecord, RecordData, RecordSet, RecordType},
};

pub use conflict::{Conflict, ConflictReason};
pub use error::PlanError;
pub use marker::{Markers, MarkersError};
pub use policy::{ChangePolicy, Ownership};

/// Compares a zone as it is with the records that are wanted, and says what is to change.
///
/// `desired` holds our records alone, and not their markers. What `current` has beyond it is deleted if
/// it is ours (see [`Ownership`]) and left alone if it is not. Sets that mean the same are no change:
/// names without case, TXT by content, data in any order. After the changes there is nothing left to
/// plan.
///
/// The result depends on the two zones and the policy alone. One pass over both sides; what does not
/// change is not copied.
///
/// ```
/// use nameplate::{
///     record::{DnsRecord, RecordData, RecordType, Ttl},
///     zone::{ChangePolicy, Ownership, Zone, changes},
/// };
///
/// let origin = || "example.com".parse();
/// let www = |address| {
///     let data = RecordData::parse(RecordType::A, address)?;
///     Ok::<_, Box<dyn std::error::Error>>(DnsRecord::new("www.example.com".parse()?, Ttl::HOUR, data))
/// };
/// let current = Zone::from_records(origin()?, [www("192.0.2.1")?])?;
/// let desired = Zone::from_records(origin()?, [www("192.0.2.2")?])?;
///
/// let plan = changes(&current, &desired, &ChangePolicy::new(Ownership::everything()))?;
/// assert_eq!(
///     plan.to_string(),
///     "~ www.example.com. 3600 IN A 192.0.2.1 -> www.example.com. 3600 IN A 192.0.2.2\n"
/// );
/// assert_eq!(current.apply(plan.changes())?, desired);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`PlanError`] if the zones are not the same zone, the plan would update or delete a larger share of
/// our sets than [`ChangePolicy::with_max_share`] allows, or a record cannot be marked.
pub fn changes(current: &Zone, desired: &Zone, policy: &ChangePolicy) -> Result<Plan, PlanError> {
    let marks = match &policy.ownership.0 {
        Kind::Markers(markers) => markers.read(current),
        Kind::Everything | Kind::Listed(_) => Vec::new(),
    };
    Planner::new(current, desired, policy)?.plan(&marks)
}

/// What is to change in a zone, and what stands in the way of the rest.
///
/// Shown with one line for each record: `+` for a new one, `~` for one that is replaced, `-` for one
/// that is deleted, `!` for a [`Conflict`].
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Plan {
    changes: ChangeSet,
    /// The owners of the sets of markers among the changes.
    marks: BTreeSet<DnsName>,
    conflicts: Vec<Conflict>,
}

/// A change of a record or of a record set.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Change<T> {
    /// It is new.
    Create(T),
    /// It takes the place of what is there.
    Update {
        /// What is there.
        before: T,
        /// What is wanted.
        after: T,
        /// Whether the TTL alone differs.
        ttl_only: bool,
    },
    /// It goes.
    Delete(T),
}

impl Plan {
    /// Returns the changes for a [`DnsProvider`](crate::dns::DnsProvider), those of markers included.
    pub fn changes(&self) -> &ChangeSet {
        &self.changes
    }

    /// Returns the changes for a [`DnsProvider`](crate::dns::DnsProvider), those of markers included.
    pub fn into_changes(self) -> ChangeSet {
        self.changes
    }

    /// Returns the changes in up to three steps, for a [`DnsProvider`](crate::dns::DnsProvider) that is
    /// not [atomic](crate::dns::Capabilities::atomic): first the markers of what is there and of what
    /// is wanted, then the records, then the markers of what is wanted alone.
    ///
    /// Wherever it is interrupted, in the middle of a step too, all records of ours have their markers.
    /// Each step expects what the one before has left.
    pub fn steps(&self) -> Vec<ChangeSet> {
        self.in_steps().into_iter().filter_map(changes_of).collect()
    }

    /// Returns the steps without the last one: markers of what goes are left standing.
    pub(crate) fn steps_that_keep_markers(&self) -> Vec<ChangeSet> {
        let [before, records, _] = self.in_steps();
        [before, records].into_iter().filter_map(changes_of).collect()
    }

    fn in_steps(&self) -> [Vec<SetChange>; 3] {
        let is_mark = |change: &&SetChange| {
            change.record_type() == RecordType::Txt && self.marks.contains(change.name())
        };
        let (marks, records): (Vec<_>, Vec<_>) = self.changes.iter().partition(is_mark);
        // Both of a set of markers: made of a valid set and data of the same type, so it is one.
        let both = |mark: &SetChange| match (mark.before(), mark.after()) {
            (Some(before), Some(after)) => {
                let data = before.data().iter().chain(after.data()).cloned();
                RecordSet::new(mark.name().clone(), after.ttl(), data).ok()
            }
            (before, after) => after.or(before).cloned(),
        };
        let step = |before: Option<RecordSet>, after: Option<RecordSet>| {
            (before != after).then(|| SetChange::new(before, after).ok()).flatten()
        };
        let before = marks.iter().filter_map(|mark| step(mark.before().cloned(), both(mark)));
        let after = marks.iter().filter_map(|mark| step(both(mark), mark.after().cloned()));
        [before.collect(), records.into_iter().cloned().collect(), after.collect()]
    }

    /// Returns the changes of sets, in the order in which to apply them.
    pub fn sets(&self) -> impl Iterator<Item = Change<&RecordSet>> {
        self.changes.iter().filter_map(of_set)
    }

    /// Returns the changes of records, for services that change one record at a time, in the order in
    /// which to apply them: deletes, updates, creates.
    ///
    /// A value that goes and one that comes in the same set are one update, in the order of the data.
    pub fn records(&self) -> Vec<Change<DnsRecord>> {
        let mut changes: Vec<_> = self.changes.iter().flat_map(of_records).collect();
        // Stable, so the order by owner stays within each rank.
        changes.sort_by_key(Change::rank);
        changes
    }

    /// Returns what is wanted and not planned, since records that are not ours stand in its way.
    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }

    /// Returns whether there is nothing to change. There may be [`conflicts`](Self::conflicts).
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl<T> Change<T> {
    /// Returns what is there; `None` for what is new.
    pub fn before(&self) -> Option<&T> {
        match self {
            Self::Create(_) => None,
            Self::Update { before, .. } | Self::Delete(before) => Some(before),
        }
    }

    /// Returns what is wanted; `None` for what goes.
    pub fn after(&self) -> Option<&T> {
        match self {
            Self::Create(after) | Self::Update { after, .. } => Some(after),
            Self::Delete(_) => None,
        }
    }

    /// Returns `create`, `update` or `delete`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Update { .. } => "update",
            Self::Delete(_) => "delete",
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Delete(_) => 0,
            Self::Update { .. } => 1,
            Self::Create(_) => 2,
        }
    }
}

fn changes_of(step: Vec<SetChange>) -> Option<ChangeSet> {
    ChangeSet::new(step).ok().filter(|changes| !changes.is_empty())
}

/// Returns the change of a set; `None` for one that changes nothing.
fn of_set(change: &SetChange) -> Option<Change<&RecordSet>> {
    match (change.before(), change.after()) {
        (Some(before), Some(after)) if before == after => None,
        (Some(before), Some(after)) => {
            Some(Change::Update { before, after, ttl_only: before.data() == after.data() })
        }
        (None, Some(after)) => Some(Change::Create(after)),
        (Some(before), None) => Some(Change::Delete(before)),
        (None, None) => None,
    }
}

/// Returns the changes of the records of a set.
fn of_records(change: &SetChange) -> Vec<Change<DnsRecord>> {
    let records = |set: Option<&RecordSet>, without: Option<&RecordSet>| {
        let there = |data: &RecordData| without.is_some_and(|set| set.contains(data));
        let (stay, differ): (Vec<_>, Vec<_>) =
            set.into_iter().flat_map(RecordSet::records).partition(|record| there(record.data()));
        (stay, differ.into_iter())
    };
    let (stay, mut gone) = records(change.before(), change.after());
    let (stayed, mut new) = records(change.after(), change.before());
    let mut changes = Vec::new();
    for (before, after) in stay.into_iter().zip(stayed) {
        if before.ttl() != after.ttl() {
            changes.push(Change::Update { before, after, ttl_only: true });
        }
    }
    loop {
        changes.push(match (gone.next(), new.next()) {
            (Some(before), Some(after)) => Change::Update { before, after, ttl_only: false },
            (Some(before), None) => Change::Delete(before),
            (None, Some(after)) => Change::Create(after),
            (None, None) => return changes,
        });
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for change in self.records() {
            match change {
                Change::Create(after) => writeln!(f, "+ {after}")?,
                Change::Update { before, after, .. } => writeln!(f, "~ {before} -> {after}")?,
                Change::Delete(before) => writeln!(f, "- {before}")?,
            }
        }
        self.conflicts.iter().try_for_each(|conflict| writeln!(f, "! {conflict}"))
    }
}

#[cfg(test)]
mod tests;
