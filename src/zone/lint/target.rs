//! Where records point.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{
    Finding, LintCode,
    view::{Entry, Found, Node, View},
};
use crate::{
    name::DnsName,
    record::{RecordData, RecordType},
};

/// The most aliases that are followed without a finding.
const CHAIN_LIMIT: usize = 8;

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for node in view.nodes.iter().filter(|node| node.hidden_by.is_none()) {
        let is_cut = view.is_cut(node);
        for entry in &node.records {
            let Some(target) = target(entry.data()) else { continue };
            let is_server = matches!(entry.data(), RecordData::Ns(_));
            // Of a delegation only the servers are answered.
            if is_cut && !is_server {
                continue;
            }
            if is_address(target, view.origin) {
                let (name, record_type) = (node.name, entry.record_type());
                let message =
                    format!("the {record_type} record of {name} names an address, {target}");
                findings.push(Finding::new(LintCode::TargetAddress, name, [entry], message));
            } else if is_server || matches!(entry.data(), RecordData::Mx(_) | RecordData::Srv(_)) {
                host(view, node, entry, target, findings);
            }
        }
    }
    chains(view, findings);
}

/// Returns the host that a record points at, unless it says that there is none.
pub(super) fn target(data: &RecordData) -> Option<&DnsName> {
    let target = match data {
        RecordData::Ns(target)
        | RecordData::Cname(target)
        | RecordData::Alias(target)
        | RecordData::Flatten(target) => target,
        RecordData::Mx(mx) => mx.exchange(),
        RecordData::Srv(srv) => srv.target(),
        _ => return None,
    };
    (!target.is_root()).then_some(target)
}

/// Whether a name is an address that was taken for a name, with the origin behind it or not.
fn is_address(name: &DnsName, origin: &DnsName) -> bool {
    let relative = name.relative_to(origin);
    [Some(name.as_str()), relative.as_deref()]
        .into_iter()
        .flatten()
        .any(|text| text.parse::<Ipv4Addr>().is_ok() || text.parse::<Ipv6Addr>().is_ok())
}

/// Looks at the target of a record that has to be a host with an address.
fn host(
    view: &View<'_>,
    node: &Node<'_>,
    entry: &Entry<'_>,
    target: &DnsName,
    findings: &mut Vec<Finding>,
) {
    let (name, record_type) = (node.name, entry.record_type());
    let above = match view.find(target) {
        Found::Outside => return,
        Found::Hidden(above) => view.nodes.get(above),
        Found::Node(found) => {
            let Some(found) = view.nodes.get(found) else { return };
            if let Some(alias) = found.of(RecordType::Cname).first() {
                let message =
                    format!("the {record_type} record of {name} names an alias, {target}");
                findings.push(Finding::new(LintCode::TargetAlias, name, [entry, alias], message));
            } else if !found.has_address() {
                findings.push(without_address(name, entry, target));
            }
            return;
        }
        Found::Nothing => {
            findings.push(without_address(name, entry, target));
            return;
        }
    };
    let Some(above) = above else { return };
    if !view.is_cut(above) {
        let message = format!("the {record_type} record of {name} names an alias, {target}");
        let all = [entry].into_iter().chain(above.of(RecordType::Dname).first());
        findings.push(Finding::new(LintCode::TargetAlias, name, all, message));
    } else if record_type == RecordType::Ns && !view.node(target).is_some_and(Node::has_address) {
        let (code, of) = if above.name == name {
            (LintCode::GlueMissing, "its own zone")
        } else {
            (LintCode::SiblingGlueMissing, "another delegated zone")
        };
        let message = format!("{name} has a name server in {of}, {target}, without address");
        findings.push(Finding::new(code, name, [entry], message));
    }
}

fn without_address(name: &DnsName, entry: &Entry<'_>, target: &DnsName) -> Finding {
    let record_type = entry.record_type();
    let message =
        format!("the {record_type} record of {name} names a host without address, {target}");
    Finding::new(LintCode::TargetWithoutAddress, name, [entry], message)
}

/// How far the search for loops has come with a node.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Mark {
    Unseen,
    OnPath,
    /// With the number of aliases from here to the end, counted up to the limit; zero in a loop.
    Done(usize),
}

/// Follows aliases within the zone. Each node has one way on, so each is walked once.
fn chains(view: &View<'_>, findings: &mut Vec<Finding>) {
    let aliases: Vec<_> = view.nodes.iter().map(|node| alias(view, node)).collect();
    let next = |index: usize| aliases.get(index).copied().flatten().map(|(_, next)| next);
    let mut followed = vec![false; aliases.len()];
    for (_, next) in aliases.iter().flatten() {
        if let Some(followed) = next.and_then(|next| followed.get_mut(next)) {
            *followed = true;
        }
    }
    let mut marks = vec![Mark::Unseen; aliases.len()];
    for start in 0..aliases.len() {
        let mut path = Vec::new();
        let mut at = Some(start);
        let mut length = 0;
        while let Some(index) = at {
            match marks.get(index).copied() {
                Some(Mark::Unseen) if next(index).is_some() => {
                    if let Some(mark) = marks.get_mut(index) {
                        *mark = Mark::OnPath;
                    }
                    path.push(index);
                    at = next(index).flatten();
                }
                Some(Mark::OnPath) => {
                    let around = path.iter().skip_while(|on| **on != index).copied().collect();
                    findings.extend(alias_loop(view, &aliases, around));
                    break;
                }
                Some(Mark::Done(rest)) => {
                    length = rest;
                    break;
                }
                _ => break,
            }
        }
        let in_loop = at.is_some_and(|index| matches!(marks.get(index), Some(Mark::OnPath)));
        for index in path.into_iter().rev() {
            length = if in_loop { 0 } else { length + 1 };
            if let Some(mark) = marks.get_mut(index) {
                *mark = Mark::Done(length);
            }
            // Told where a chain starts, not at each alias on the way.
            if length > CHAIN_LIMIT && followed.get(index) == Some(&false) {
                findings.extend(long_chain(view, &aliases, index, length));
            }
        }
    }
}

/// An alias, and the node that it leads to in the zone, if it does.
type Step<'a> = (Entry<'a>, Option<usize>);

/// Returns the alias of a node that is answered from this zone.
fn alias<'a>(view: &View<'a>, node: &Node<'a>) -> Option<Step<'a>> {
    if node.hidden_by.is_some() || view.is_cut(node) {
        return None;
    }
    node.records.iter().find_map(|entry| match entry.data() {
        RecordData::Cname(target) | RecordData::Alias(target) | RecordData::Flatten(target) => {
            let next = match view.find(target) {
                Found::Node(next) => Some(next),
                Found::Outside | Found::Hidden(_) | Found::Nothing => None,
            };
            Some((*entry, next))
        }
        _ => None,
    })
}

fn alias_loop(
    view: &View<'_>,
    aliases: &[Option<Step<'_>>],
    around: Vec<usize>,
) -> Option<Finding> {
    let name = view.nodes.get(*around.iter().min()?)?.name;
    let records: Vec<_> = around
        .iter()
        .filter_map(|index| aliases.get(*index).copied().flatten())
        .map(|(entry, _)| entry)
        .collect();
    let message = match records.len() {
        1 => format!("{name} is an alias of itself"),
        count => format!("{name} and {} other aliases lead to each other", count - 1),
    };
    Some(Finding::new(LintCode::AliasLoop, name, &records, message))
}

fn long_chain(
    view: &View<'_>,
    aliases: &[Option<Step<'_>>],
    start: usize,
    length: usize,
) -> Option<Finding> {
    let name = view.nodes.get(start)?.name;
    let mut records = Vec::with_capacity(CHAIN_LIMIT + 1);
    let mut at = Some(start);
    // No more than show that it is too long, since many chains may share their end.
    while let Some((entry, next)) = at.and_then(|index| aliases.get(index).copied().flatten()) {
        records.push(entry);
        if records.len() > CHAIN_LIMIT {
            break;
        }
        at = next;
    }
    let message = format!("{name} starts a chain of {length} aliases");
    Some(Finding::new(LintCode::AliasChain, name, &records, message))
}
