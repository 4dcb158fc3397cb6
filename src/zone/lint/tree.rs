//! What is below delegations and DNAMEs.

use std::collections::{BTreeMap, HashSet};

use super::{
    Finding, LintCode,
    view::{Entry, Node, View, types},
};
use crate::{
    name::DnsName,
    record::{RecordData, RecordType},
};

/// RRSIG and NSEC, which the zone above has at a delegation: RFC 4035 section 2.
const SIGNED: &[u16] = &[46, 47];

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    let servers: HashSet<&DnsName> = view
        .nodes
        .iter()
        .flat_map(|node| node.of(RecordType::Ns))
        .filter_map(|entry| match entry.data() {
            RecordData::Ns(server) => Some(server),
            _ => None,
        })
        .collect();
    // By what hides them.
    let mut hidden: BTreeMap<usize, Vec<Entry<'_>>> = BTreeMap::new();
    for (index, node) in view.nodes.iter().enumerate() {
        let is_cut = view.is_cut(node);
        let above = if is_cut { Some(index) } else { node.hidden_by };
        let Some(above) = above else { continue };
        let below_cut = view.nodes.get(above).is_some_and(|above| view.is_cut(above));
        let found = node.records.iter().filter(|entry| {
            !below_cut || !(is_kept(node, entry, &servers) || (is_cut && belongs_to_cut(entry)))
        });
        hidden.entry(above).or_default().extend(found);
    }
    for (above, records) in hidden {
        let Some(node) = view.nodes.get(above).filter(|_| !records.is_empty()) else { continue };
        let (name, types) = (node.name, types(&records));
        if view.is_cut(node) {
            let message = format!("{name} is delegated, and this zone has {types} there");
            let all = node.of(RecordType::Ns).iter().chain(&records);
            findings.push(Finding::new(LintCode::Occluded, name, all, message));
        } else {
            let message = format!("{name} has a DNAME, and {types} below it");
            let all = node.of(RecordType::Dname).iter().chain(&records);
            findings.push(Finding::new(LintCode::BelowDname, name, all, message));
        }
    }
}

/// Whether a record is the address of a name server, or is told of elsewhere.
fn is_kept(node: &Node<'_>, entry: &Entry<'_>, servers: &HashSet<&DnsName>) -> bool {
    match entry.data() {
        RecordData::A(_) | RecordData::Aaaa(_) => servers.contains(node.name),
        RecordData::Soa(_) => true,
        _ => false,
    }
}

/// Whether a record of a delegation belongs to the zone above, or is told of elsewhere.
fn belongs_to_cut(entry: &Entry<'_>) -> bool {
    let record_type = entry.record_type();
    matches!(record_type, RecordType::Ns | RecordType::Ds | RecordType::Cname | RecordType::Dname)
        || record_type.code().is_some_and(|code| SIGNED.contains(&code))
}
