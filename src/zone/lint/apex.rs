//! The apex: SOA, name servers, and what belongs to the zone above.

use super::{Finding, LintCode, view::View};
use crate::record::RecordType;

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    let origin = view.origin;
    let apex = view.apex();
    let soas = apex.map(|apex| apex.distinct(RecordType::Soa)).unwrap_or_default();
    if soas.is_empty() {
        let message = format!("{origin} has no SOA");
        findings.push(Finding::new(LintCode::SoaMissing, origin, [], message));
    }
    if soas.len() > 1 {
        let message = format!("{origin} has {} SOA records", soas.len());
        findings.push(Finding::new(LintCode::SoaMultiple, origin, &soas, message));
    }
    if !apex.is_some_and(|apex| apex.has(RecordType::Ns)) {
        let message = format!("{origin} has no name servers");
        findings.push(Finding::new(LintCode::NsMissing, origin, [], message));
    }
    if let Some(apex) = apex
        && apex.has(RecordType::Ds)
    {
        let message = format!("{origin} has a DS record in its own zone");
        findings.push(Finding::new(LintCode::DsAtApex, origin, apex.of(RecordType::Ds), message));
    }
    if let Some(apex) = apex
        && apex.has(RecordType::Cname)
    {
        let message = format!("{origin} has a CNAME, and is the apex of the zone");
        let records = apex.of(RecordType::Cname);
        findings.push(Finding::new(LintCode::CnameAtApex, origin, records, message));
    }
    for node in view.nodes.iter().filter(|node| node.name != origin) {
        let name = node.name;
        if node.has(RecordType::Soa) {
            let message = format!("{name} has an SOA record, and the zone is {origin}");
            let records = node.of(RecordType::Soa);
            findings.push(Finding::new(LintCode::SoaBelowApex, name, records, message));
        }
        if node.has(RecordType::Ds) && !node.has(RecordType::Ns) && node.hidden_by.is_none() {
            let message = format!("{name} has a DS record and is not delegated");
            let records = node.of(RecordType::Ds);
            findings.push(Finding::new(LintCode::DsWithoutNs, name, records, message));
        }
    }
}
