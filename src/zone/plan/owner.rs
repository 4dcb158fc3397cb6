//! The pass over both sides of a plan, one owner after the other.

use std::collections::BTreeSet;

use super::{
    ChangePolicy, Conflict, ConflictReason, Plan, PlanError,
    error::Problem,
    marker::{Mark, Markers, Says},
    policy::Kind,
};
use crate::{
    name::{DnsName, canonical_order},
    record::{RecordData, RecordSet, RecordType, Ttl},
    zone::{ChangeSet, SetChange, Zone, sets::split_owner},
};

/// A plan in the making.
pub(super) struct Planner<'a> {
    current: &'a Zone,
    desired: &'a Zone,
    policy: &'a ChangePolicy,
    changes: Vec<SetChange>,
    conflicts: Vec<Conflict>,
    /// Our sets: how many there are, are updated and are deleted.
    managed: usize,
    updated: usize,
    deleted: usize,
    /// The last DNAME or NS set that is not ours, and allows nothing below it.
    above: Option<&'a RecordSet>,
    /// The owners of the sets of markers that change.
    marks: BTreeSet<DnsName>,
}

/// All there is about one owner.
#[derive(Clone, Copy)]
struct Owner<'a> {
    name: &'a DnsName,
    current: &'a [RecordSet],
    desired: &'a [RecordSet],
    marks: &'a [Mark<'a>],
    /// The sets of the owners behind this one.
    behind: &'a [RecordSet],
}

/// All there is about one owner and type.
struct Part<'a> {
    record_type: RecordType,
    current: Option<&'a RecordSet>,
    desired: Option<&'a RecordSet>,
    /// How many of the records that are there are ours, and which are not.
    ours: usize,
    foreign: Vec<&'a RecordData>,
}

/// Which wanted type is not planned, why, and the set in its way.
type Obstacle<'a> = (RecordType, ConflictReason, &'a RecordSet);

impl<'a> Planner<'a> {
    pub(super) fn new(
        current: &'a Zone,
        desired: &'a Zone,
        policy: &'a ChangePolicy,
    ) -> Result<Self, PlanError> {
        if current.origin() != desired.origin() {
            let both = (current.origin().clone(), desired.origin().clone());
            return Err(Problem::Origins(Box::new(both)).into());
        }
        Ok(Self {
            current,
            desired,
            policy,
            changes: Vec::new(),
            conflicts: Vec::new(),
            managed: 0,
            updated: 0,
            deleted: 0,
            above: None,
            marks: BTreeSet::new(),
        })
    }

    /// Makes the plan. `marks` are the markers in the current zone.
    pub(super) fn plan(mut self, marks: &'a [Mark<'a>]) -> Result<Plan, PlanError> {
        let (mut current, mut desired) = (self.current.sets(), self.desired.sets());
        let mut marks = marks;
        loop {
            let same = self.same_at_front(current, desired);
            self.managed += same;
            (current, desired) = (current.split_at(same).1, desired.split_at(same).1);
            let Some(name) = first_owner(current, desired) else { break };
            let (here, behind) = split_owner(current, name);
            let (wanted, rest) = split_owner(desired, name);
            (current, desired) = (behind, rest);
            let before = |mark: &&Mark<'_>| canonical_order(&mark.owner, name.as_str()).is_lt();
            let (stale, rest) = marks.split_at(marks.iter().take_while(before).count());
            self.forget(stale)?;
            let of_name = |mark: &&Mark<'_>| *mark.owner == *name.as_str();
            let (own, rest) = rest.split_at(rest.iter().take_while(of_name).count());
            marks = rest;
            let owner = Owner { name, current: here, desired: wanted, marks: own, behind };
            if !self.is_settled(owner) {
                self.settle(owner)?;
            }
        }
        self.forget(marks)?;
        self.guard()?;
        let changes = ChangeSet::new(self.changes).map_err(Problem::Change)?;
        Ok(Plan { changes, marks: self.marks, conflicts: self.conflicts })
    }

    fn markers(&self) -> Option<&'a Markers> {
        match &self.policy.ownership.0 {
            Kind::Markers(markers) => Some(markers),
            Kind::Everything | Kind::Listed(_) => None,
        }
    }

    /// Returns how many sets at the front of both sides are ours and are as they are wanted, up to the
    /// first owner at which there is something to look at.
    ///
    /// Most sets are, so this is where the time goes.
    fn same_at_front(&self, current: &[RecordSet], desired: &[RecordSet]) -> usize {
        let everything = matches!(self.policy.ownership.0, Kind::Everything);
        let first = current.first().filter(|set| everything && set.name() != self.current.origin());
        if first.is_none() {
            return 0;
        }
        let same = |(a, b): &(&RecordSet, &RecordSet)| a.name() == b.name() && self.is_same(a, b);
        let count = current.iter().zip(desired).take_while(same).count();
        // Owners are looked at as a whole.
        let differ = [current.get(count), desired.get(count)].map(|set| set.map(RecordSet::name));
        let started = current.get(..count).unwrap_or_default().iter().rev();
        count - started.take_while(|set| differ.contains(&Some(set.name()))).count()
    }

    /// Returns whether nothing changes at an owner, and counts its sets then.
    fn is_settled(&mut self, owner: Owner<'a>) -> bool {
        let Owner { name, current, desired, marks, .. } = owner;
        // What others have may matter for the owners below; sets at the top may be protected.
        if name == self.current.origin()
            || current.iter().any(|set| self.ends_here(name, set.record_type()))
        {
            return false;
        }
        let same = || {
            current.len() == desired.len()
                && current.iter().zip(desired).all(|(one, other)| self.is_same(one, other))
        };
        let ours = match &self.policy.ownership.0 {
            Kind::Everything => same().then_some(current.len()),
            Kind::Listed(_) => match current.iter().filter(|set| self.is_listed(set)).count() {
                0 => desired.is_empty().then_some(0),
                listed => (listed == current.len() && same()).then_some(listed),
            },
            Kind::Markers(_) if marks.is_empty() => desired.is_empty().then_some(0),
            Kind::Markers(markers) => {
                let records: usize = current.iter().map(|set| set.data().len()).sum();
                let mut data = current.iter().flat_map(RecordSet::data);
                let settled = marks.len() == records
                    && markers.marked(name).is_none()
                    && same()
                    && data.all(|data| is_marked(marks, &Says::of(data)));
                settled.then_some(current.len())
            }
        };
        self.managed += ours.unwrap_or_default();
        ours.is_some()
    }

    /// Plans what changes at an owner.
    fn settle(&mut self, owner: Owner<'a>) -> Result<(), PlanError> {
        let parts = self.parts(owner);
        self.managed += parts.iter().filter(|part| part.ours > 0).count();
        let obstacle = self.obstacle(owner, &parts)?;
        let inside = self.above.is_some_and(|above| owner.name.is_within(above.name()));
        let ends =
            |part: &&Part<'_>| part.is_mixed() && self.ends_here(owner.name, part.record_type);
        if let Some(end) = parts.iter().find(ends).filter(|_| !inside) {
            self.above = end.current;
        }
        if let Some((record_type, reason, found)) = obstacle {
            self.conflict(owner.name, record_type, reason, Some(found));
            return Ok(());
        }
        let mut marked = Vec::new();
        for part in &parts {
            self.part(owner, part, &mut marked)?;
        }
        marked.sort_unstable();
        self.mark(owner.marks, owner.name, &marked)
    }

    /// Returns what there is about each type of an owner.
    fn parts(&self, owner: Owner<'a>) -> Vec<Part<'a>> {
        let (mut current, mut desired) = (owner.current, owner.desired);
        let mut parts = Vec::with_capacity(current.len().max(desired.len()));
        loop {
            let next = |sets: &[RecordSet]| sets.first().map(RecordSet::record_type);
            let record_type = match (next(current), next(desired)) {
                (Some(current), Some(desired)) => current.min(desired),
                (one, other) => match one.or(other) {
                    Some(record_type) => record_type,
                    None => return parts,
                },
            };
            let current = take_type(&mut current, record_type);
            let desired = take_type(&mut desired, record_type);
            parts.push(self.divide(owner, record_type, current, desired));
        }
    }

    /// Tells the records that are ours from those that are not.
    fn divide(
        &self,
        owner: Owner<'a>,
        record_type: RecordType,
        current: Option<&'a RecordSet>,
        desired: Option<&'a RecordSet>,
    ) -> Part<'a> {
        let data = current.map(RecordSet::data).unwrap_or_default();
        let all_ours = match &self.policy.ownership.0 {
            Kind::Listed(_) => current.is_some_and(|set| self.is_listed(set)),
            _ if self.is_protected(owner.name, record_type) => false,
            Kind::Everything => true,
            Kind::Markers(_) => {
                let marks = marks_of(owner.marks, record_type);
                let says: Vec<_> = data.iter().map(Says::of).collect();
                // A marker that stands for no record: a change was interrupted.
                let takes =
                    self.policy.adopts || marks.iter().any(|mark| !says.contains(&mark.says));
                let marked = says.iter().map(|says| is_marked(marks, says));
                let wanted = |data| takes && desired.is_some_and(|set| set.contains(data));
                let foreign: Vec<_> = data
                    .iter()
                    .zip(marked)
                    .filter(|(data, marked)| !marked && !wanted(data))
                    .map(|(data, _)| data)
                    .collect();
                let ours = data.len() - foreign.len();
                return Part { record_type, current, desired, ours, foreign };
            }
        };
        let (ours, foreign) =
            if all_ours { (data.len(), Vec::new()) } else { (0, data.iter().collect()) };
        Part { record_type, current, desired, ours, foreign }
    }

    /// Returns what keeps everything at an owner as it is.
    fn obstacle(
        &self,
        owner: Owner<'a>,
        parts: &[Part<'a>],
    ) -> Result<Option<Obstacle<'a>>, PlanError> {
        let Owner { name, desired, .. } = owner;
        let Some(first) = desired.first().map(RecordSet::record_type) else { return Ok(None) };
        let ends = |record_type: &RecordType| self.ends_here(name, *record_type);
        if let Some(markers) = self.markers() {
            // Wrong whatever is there, so it does not wait until what is there has gone.
            if markers.marked(name).is_some() {
                return Err(Problem::Reserved(Box::new(name.clone())).into());
            }
            if let Some(end) = desired.iter().map(RecordSet::record_type).find(ends) {
                return Err(Problem::Unmarkable(Box::new((name.clone(), end))).into());
            }
        }
        let foreign = |wanted: fn(RecordType) -> bool| {
            let mut parts = parts.iter().filter(|part| part.is_mixed());
            parts.find(|part| wanted(part.record_type)).and_then(|part| part.current)
        };
        let wants = |wanted: fn(RecordType) -> bool| {
            desired.iter().map(RecordSet::record_type).find(|record_type| wanted(*record_type))
        };
        if let (Some(wanted), Some(cname)) = (wants(excludes_cname), foreign(is_cname)) {
            return Ok(Some((wanted, ConflictReason::BesideCname, cname)));
        }
        if let (Some(wanted), Some(other)) = (wants(is_cname), foreign(excludes_cname)) {
            return Ok(Some((wanted, ConflictReason::CnameBeside, other)));
        }
        let below = |above: &RecordSet| match above.record_type() {
            RecordType::Dname => ConflictReason::BelowDname,
            _ => ConflictReason::BelowDelegation,
        };
        if let Some(above) = self.above.filter(|above| name.is_within(above.name())) {
            return Ok(Some((first, below(above), above)));
        }
        if let Some(wanted) = wants(is_dname) {
            let mut below = owner.behind.iter().take_while(|set| set.name().is_within(name));
            if let Some(set) = below.find(|set| self.is_foreign(set)) {
                return Ok(Some((wanted, ConflictReason::DnameAbove, set)));
            }
        }
        let Some(markers) = self.markers() else { return Ok(None) };
        let mut mixed = parts.iter().filter(|part| part.is_mixed());
        let foreign_end = mixed.find(|part| ends(&part.record_type)).and_then(|part| part.current);
        // The markers would be below it.
        if let Some(end) = foreign_end {
            return Ok(Some((first, below(end), end)));
        }
        if !owner.marks.is_empty() {
            return Ok(None);
        }
        let cname = self.current.get(&marker_name(markers, name)?, RecordType::Cname);
        Ok(cname.map(|cname| (first, ConflictReason::MarkerTaken, cname)))
    }

    /// Plans what changes in a set, and adds to `marked` which records have a marker then.
    fn part(
        &mut self,
        owner: Owner<'a>,
        part: &Part<'a>,
        marked: &mut Vec<Says>,
    ) -> Result<(), PlanError> {
        let Owner { name, .. } = owner;
        let Part { record_type, current, desired, ours, ref foreign } = *part;
        if let Some(desired) = desired
            && let Some(reason) = self.keeps(name, part, desired)
        {
            let same = current.is_some_and(|current| self.is_same(current, desired));
            if !same || reason == ConflictReason::Unmanaged {
                self.conflict(name, record_type, reason, current);
            }
            marked.extend(marks_of(owner.marks, record_type).iter().map(|mark| mark.says));
            return Ok(());
        }
        if desired.is_none() && ours == 0 {
            return Ok(());
        }
        let wanted = desired.map(RecordSet::data).unwrap_or_default();
        // Data of both are sorted.
        let theirs = |data: &RecordData| foreign.binary_search(&data).is_ok();
        if wanted.iter().any(theirs) {
            self.conflict(name, record_type, ConflictReason::Unmanaged, current);
        }
        if self.markers().is_some() {
            marked.extend(wanted.iter().filter(|data| !theirs(data)).map(Says::of));
        }
        let after =
            match current.filter(|_| part.is_mixed()) {
                Some(current) => {
                    let data = foreign.iter().copied().chain(wanted).cloned();
                    let set = RecordSet::new(name.clone(), current.ttl(), data);
                    Some(set.map_err(|error| {
                        Problem::Set(Box::new((name.clone(), record_type, error)))
                    })?)
                }
                None => desired.map(|set| set.clone().with_ttl(self.ttl(set))),
            };
        if after.as_ref() == current {
            return Ok(());
        }
        if ours > 0 {
            let deleted = wanted.iter().all(theirs);
            *(if deleted { &mut self.deleted } else { &mut self.updated }) += 1;
        }
        self.change(current.cloned(), after)
    }

    /// Returns why a set that has records of others stays as it is, although another is wanted.
    fn keeps(
        &self,
        name: &DnsName,
        part: &Part<'_>,
        desired: &RecordSet,
    ) -> Option<ConflictReason> {
        match &self.policy.ownership.0 {
            Kind::Listed(_) => (!self.is_listed(desired)).then_some(ConflictReason::Unlisted),
            _ if self.is_protected(name, part.record_type) => Some(ConflictReason::Protected),
            Kind::Everything => None,
            Kind::Markers(markers) => {
                let alone = !part.is_mixed() || part.ours > 0 || markers.joins(part.record_type);
                let there = |data: &RecordData| part.foreign.binary_search(&data).is_ok();
                match desired.data().iter().all(there) {
                    _ if alone => None,
                    true => Some(ConflictReason::Unmanaged),
                    false => Some(ConflictReason::Foreign),
                }
            }
        }
    }

    /// Plans that the markers of an owner say what is in `wanted`, sorted, and nothing else.
    fn mark(
        &mut self,
        marks: &[Mark<'a>],
        name: &DnsName,
        wanted: &[Says],
    ) -> Result<(), PlanError> {
        let Some(markers) = self.markers() else { return Ok(()) };
        let new: Vec<_> = wanted.iter().filter(|says| !is_marked(marks, says)).collect();
        let goes = |data: &RecordData| {
            let mark = marks.iter().find(|mark| mark.data == data);
            mark.is_some_and(|mark| wanted.binary_search(&mark.says).is_err())
        };
        if new.is_empty() && !marks.iter().any(|mark| goes(mark.data)) {
            return Ok(());
        }
        let current = match marks.first() {
            Some(mark) => Some(mark.set),
            None => self.current.get(&marker_name(markers, name)?, RecordType::Txt),
        };
        let owner = match current {
            Some(set) => set.name().clone(),
            None => marker_name(markers, name)?,
        };
        self.marks.insert(owner.clone());
        let stay =
            current.map(RecordSet::data).unwrap_or_default().iter().filter(|data| !goes(data));
        let data: Vec<_> =
            stay.cloned().chain(new.into_iter().map(|says| markers.text(says))).collect();
        if data.is_empty() {
            return self.change(current.cloned(), None);
        }
        let ttl = current.map_or_else(|| self.floor(markers.ttl), RecordSet::ttl);
        let after = RecordSet::new(owner.clone(), ttl, data)
            .map_err(|error| Problem::Set(Box::new((owner, RecordType::Txt, error))))?;
        self.change(current.cloned(), Some(after))
    }

    /// Plans that markers go whose owners have nothing.
    fn forget(&mut self, marks: &[Mark<'a>]) -> Result<(), PlanError> {
        for of_owner in marks.chunk_by(|a, b| a.owner == b.owner) {
            if let Some(mark) = of_owner.first() {
                self.mark(of_owner, mark.set.name(), &[])?;
            }
        }
        Ok(())
    }

    fn change(
        &mut self,
        before: Option<RecordSet>,
        after: Option<RecordSet>,
    ) -> Result<(), PlanError> {
        self.changes.push(SetChange::new(before, after).map_err(Problem::Change)?);
        Ok(())
    }

    fn conflict(
        &mut self,
        name: &DnsName,
        record_type: RecordType,
        reason: ConflictReason,
        found: Option<&RecordSet>,
    ) {
        let (name, found) = (name.clone(), found.cloned());
        self.conflicts.push(Conflict { name, record_type, reason, found });
    }

    /// Refuses a plan that changes more of what is ours than the policy allows.
    fn guard(&self) -> Result<(), PlanError> {
        let Some(max_share) = self.policy.max_share else { return Ok(()) };
        let managed = self.managed;
        if managed < ChangePolicy::GUARDED_SETS {
            return Ok(());
        }
        for (what, changes) in [("deleted", self.deleted), ("updated", self.updated)] {
            if changes.saturating_mul(100) > managed.saturating_mul(max_share.into()) {
                return Err(Problem::Share { what, changes, managed, max_share }.into());
            }
        }
        Ok(())
    }

    /// Returns the TTL to plan for one that is wanted.
    fn floor(&self, ttl: Ttl) -> Ttl {
        self.policy.min_ttl.map_or(ttl, |floor| floor.max(ttl))
    }

    fn ttl(&self, desired: &RecordSet) -> Ttl {
        self.floor(desired.ttl())
    }

    fn is_same(&self, current: &RecordSet, desired: &RecordSet) -> bool {
        current.data() == desired.data() && current.ttl() == self.ttl(desired)
    }

    /// Returns whether this is a set that the policy does not name: at the top of the zone, or made by
    /// who signs it.
    fn is_protected(&self, name: &DnsName, record_type: RecordType) -> bool {
        let named = match record_type {
            RecordType::Soa => self.policy.soa,
            RecordType::Ns => self.policy.apex_ns,
            _ => return is_of_signer(record_type),
        };
        !named && name == self.current.origin()
    }

    /// Returns whether a set of this type allows nothing below it: a DNAME (RFC 6672 section 2.4), and
    /// where we put markers below each owner, a delegation too, since what is below it is in another
    /// zone (RFC 1034 section 4.2.1).
    fn ends_here(&self, name: &DnsName, record_type: RecordType) -> bool {
        match record_type {
            RecordType::Dname => true,
            RecordType::Ns => name != self.current.origin() && self.markers().is_some(),
            _ => false,
        }
    }

    fn is_listed(&self, set: &RecordSet) -> bool {
        let Kind::Listed(listed) = &self.policy.ownership.0 else { return false };
        let order = |(name, record_type): &(DnsName, RecordType)| {
            name.cmp(set.name()).then_with(|| record_type.cmp(&set.record_type()))
        };
        listed.binary_search_by(order).is_ok()
    }

    /// Returns whether nothing in a set below the top is ours, as far as that is to be seen without
    /// markers.
    fn is_foreign(&self, set: &RecordSet) -> bool {
        matches!(self.policy.ownership.0, Kind::Listed(_)) && !self.is_listed(set)
    }
}

impl Part<'_> {
    /// Returns whether records of others are in the set.
    fn is_mixed(&self) -> bool {
        !self.foreign.is_empty()
    }
}

fn is_cname(record_type: RecordType) -> bool {
    record_type == RecordType::Cname
}

fn is_dname(record_type: RecordType) -> bool {
    record_type == RecordType::Dname
}

/// Returns whether a CNAME and a set of this type exclude each other.
///
/// All do but those of DNSSEC: SIG, KEY and NXT (RFC 2181 section 10.1), and RRSIG and NSEC (RFC 4034
/// sections 3 and 4).
fn excludes_cname(record_type: RecordType) -> bool {
    !is_cname(record_type) && !matches!(record_type.code(), Some(24 | 25 | 30 | 46 | 47))
}

/// Returns whether the sets of this type are made by who signs the zone: RRSIG, NSEC, DNSKEY, NSEC3,
/// NSEC3PARAM (RFC 4034, RFC 5155), CDS, CDNSKEY (RFC 7344) and ZONEMD (RFC 8976).
fn is_of_signer(record_type: RecordType) -> bool {
    matches!(record_type.code(), Some(46 | 47 | 48 | 50 | 51 | 59 | 60 | 63))
}

/// Returns the owner that comes first on either side.
fn first_owner<'a>(current: &'a [RecordSet], desired: &'a [RecordSet]) -> Option<&'a DnsName> {
    match (current.first().map(RecordSet::name), desired.first().map(RecordSet::name)) {
        (Some(current), Some(desired)) => Some(current.min(desired)),
        (one, other) => one.or(other),
    }
}

/// Takes the first set if it has this type.
fn take_type<'a>(sets: &mut &'a [RecordSet], record_type: RecordType) -> Option<&'a RecordSet> {
    let (first, rest) = sets.split_first().filter(|(set, _)| set.record_type() == record_type)?;
    *sets = rest;
    Some(first)
}

/// Returns the markers of a type, among those of an owner.
fn marks_of<'a, 'b>(marks: &'b [Mark<'a>], record_type: RecordType) -> &'b [Mark<'a>] {
    let of_type = |mark: &Mark<'_>| mark.says.record_type;
    let start = marks.partition_point(|mark| of_type(mark) < record_type);
    let rest = marks.get(start..).unwrap_or_default();
    rest.get(..rest.partition_point(|mark| of_type(mark) == record_type)).unwrap_or_default()
}

/// Returns whether one of the markers, sorted, says this.
fn is_marked(marks: &[Mark<'_>], says: &Says) -> bool {
    marks.binary_search_by(|mark| mark.says.cmp(says)).is_ok()
}

fn marker_name(markers: &Markers, name: &DnsName) -> Result<DnsName, PlanError> {
    let problem = |error| Problem::MarkerName(Box::new((name.clone(), error)));
    Ok(markers.name_for(name).map_err(problem)?)
}
