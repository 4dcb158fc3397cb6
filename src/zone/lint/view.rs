//! The records of a zone by name: what exists, and what is hidden by delegations and DNAMEs.

use std::collections::{BTreeSet, HashMap};

use super::{Finding, LintCode};
use crate::{
    name::DnsName,
    record::{DnsRecord, RecordData, RecordType},
};

/// The records that have one owner.
pub(super) struct Node<'a> {
    pub(super) name: &'a DnsName,
    /// Sorted by type and data.
    pub(super) records: Vec<Entry<'a>>,
    /// The delegation or DNAME above that hides the node, as the index of its node.
    pub(super) hidden_by: Option<usize>,
}

/// A record and its index in what is looked at.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) index: usize,
    pub(super) record: &'a DnsRecord,
}

impl<'a> Entry<'a> {
    pub(super) fn data(&self) -> &'a RecordData {
        self.record.data()
    }

    pub(super) fn record_type(&self) -> RecordType {
        self.record.record_type()
    }
}

impl<'a> Node<'a> {
    /// Returns the records of a type.
    pub(super) fn of(&self, record_type: RecordType) -> &[Entry<'a>] {
        let start = self.records.partition_point(|entry| entry.record_type() < record_type);
        let rest = self.records.get(start..).unwrap_or_default();
        let len = rest.partition_point(|entry| entry.record_type() == record_type);
        rest.get(..len).unwrap_or_default()
    }

    /// Returns the records of a type, without those whose data are there already.
    pub(super) fn distinct(&self, record_type: RecordType) -> Vec<Entry<'a>> {
        let mut records = self.of(record_type).to_vec();
        records.dedup_by(|a, b| a.data() == b.data());
        records
    }

    pub(super) fn has(&self, record_type: RecordType) -> bool {
        !self.of(record_type).is_empty()
    }

    /// Returns the sets of records, one for each type.
    pub(super) fn sets(&self) -> impl Iterator<Item = &[Entry<'a>]> {
        self.records.chunk_by(|a, b| a.record_type() == b.record_type())
    }

    /// Returns whether the name has addresses, or a type of providers that makes some.
    pub(super) fn has_address(&self) -> bool {
        self.records.iter().any(|entry| {
            matches!(
                entry.data(),
                RecordData::A(_)
                    | RecordData::Aaaa(_)
                    | RecordData::Alias(_)
                    | RecordData::Flatten(_)
                    | RecordData::PullZone(_)
                    | RecordData::Redirect(_)
                    | RecordData::Script(_)
            )
        })
    }
}

/// Where a name leads in the zone.
pub(super) enum Found {
    /// Not in the zone.
    Outside,
    /// At or below a delegation, or below a DNAME: the index of its node.
    Hidden(usize),
    /// The node of the name itself, or of the wildcard that answers for it.
    Node(usize),
    /// In the zone, and not there.
    Nothing,
}

/// The records of a zone by name.
pub(super) struct View<'a> {
    pub(super) origin: &'a DnsName,
    /// Those in the zone, in canonical order, so that what is below a name follows it.
    pub(super) nodes: Vec<Node<'a>>,
    by_name: HashMap<&'a DnsName, usize>,
}

impl<'a> View<'a> {
    /// Sorts the records; those outside the zone become findings.
    pub(super) fn new(
        origin: &'a DnsName,
        records: &'a [DnsRecord],
        findings: &mut Vec<Finding>,
    ) -> Self {
        let mut groups: HashMap<&DnsName, Vec<Entry<'_>>> = HashMap::new();
        for (index, record) in records.iter().enumerate() {
            groups.entry(record.name()).or_default().push(Entry { index, record });
        }
        let mut nodes = Vec::with_capacity(groups.len());
        for (name, mut records) in groups {
            if !name.is_within(origin) {
                let message = format!("{name} is not in {origin}");
                findings.push(Finding::new(LintCode::OutsideZone, name, &records, message));
                continue;
            }
            records.sort_by(|a, b| {
                let types = a.record_type().cmp(&b.record_type());
                types.then_with(|| a.data().cmp(b.data())).then(a.index.cmp(&b.index))
            });
            nodes.push(Node { name, records, hidden_by: None });
        }
        nodes.sort_by(|a, b| a.name.cmp(b.name));
        let by_name = nodes.iter().enumerate().map(|(index, node)| (node.name, index)).collect();
        let mut view = Self { origin, nodes, by_name };
        view.hide();
        view
    }

    /// Marks the nodes below delegations and DNAMEs. What is below a name follows it.
    fn hide(&mut self) {
        let mut cover: Option<(usize, &DnsName)> = None;
        for (index, node) in self.nodes.iter_mut().enumerate() {
            if let Some((above, name)) = cover
                && node.name.is_within(name)
            {
                node.hidden_by = Some(above);
                continue;
            }
            let hides = node.has(RecordType::Dname)
                || (node.name != self.origin && node.has(RecordType::Ns));
            cover = hides.then_some((index, node.name));
        }
    }

    /// Returns the node of a name.
    pub(super) fn node(&self, name: &DnsName) -> Option<&Node<'a>> {
        self.nodes.get(*self.by_name.get(name)?)
    }

    /// Returns the node of the apex.
    pub(super) fn apex(&self) -> Option<&Node<'a>> {
        self.node(self.origin)
    }

    /// Whether a node is that of a delegation.
    pub(super) fn is_cut(&self, node: &Node<'_>) -> bool {
        node.hidden_by.is_none() && node.name != self.origin && node.has(RecordType::Ns)
    }

    /// Follows a name as a server of the zone does, RFC 1034 section 4.3.2 and RFC 4592.
    pub(super) fn find(&self, name: &DnsName) -> Found {
        if !name.is_within(self.origin) {
            return Found::Outside;
        }
        if let Some(index) = self.by_name.get(name).copied()
            && let Some(node) = self.nodes.get(index)
        {
            return match node.hidden_by {
                Some(above) => Found::Hidden(above),
                None if self.is_cut(node) => Found::Hidden(index),
                None => Found::Node(index),
            };
        }
        // What is below a name follows it: only the node before the place where the name would be can
        // hide it, or what hides that node.
        let place = self.nodes.partition_point(|node| node.name < name);
        let before = place.checked_sub(1);
        if let Some(before) = before
            && let Some(node) = self.nodes.get(before)
        {
            let above = node.hidden_by.unwrap_or(before);
            if self.hides(above, name) {
                return Found::Hidden(above);
            }
        }
        // The closest name above that exists, with records or with names below it, is above one of the
        // neighbors.
        let mut closest = self.origin.clone();
        for neighbor in [before, Some(place)].into_iter().flatten() {
            let Some(node) = self.nodes.get(neighbor) else { continue };
            let shared = shared_parent(name, node.name);
            if shared.wire_len() > closest.wire_len() {
                closest = shared;
            }
        }
        if closest == *name {
            return Found::Nothing;
        }
        let wildcard = closest.child("*").ok().and_then(|name| self.by_name.get(&name).copied());
        wildcard.map_or(Found::Nothing, Found::Node)
    }

    /// Whether a node hides `name` below it.
    fn hides(&self, index: usize, name: &DnsName) -> bool {
        self.nodes.get(index).is_some_and(|node| {
            let hides = node.has(RecordType::Dname) || self.is_cut(node);
            hides && node.hidden_by.is_none() && name.is_within(node.name)
        })
    }
}

/// Returns the lowest name that both names are within.
fn shared_parent(a: &DnsName, b: &DnsName) -> DnsName {
    let shared: Vec<_> = a
        .labels()
        .rev()
        .zip(b.labels().rev())
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a)
        .collect();
    // Labels of a valid name make a valid name.
    DnsName::from_labels(shared.iter().rev()).unwrap_or_else(|_| DnsName::root())
}

/// Writes the types of records, each once.
pub(super) fn types(records: &[Entry<'_>]) -> String {
    const SHOWN: usize = 5;
    let types: BTreeSet<_> = records.iter().map(Entry::record_type).collect();
    let mut shown: Vec<_> = types.iter().take(SHOWN).map(ToString::to_string).collect();
    if types.len() > SHOWN {
        shown.push("others".to_owned());
    }
    shown.join(", ")
}
