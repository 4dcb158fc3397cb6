//! The records of one owner beside each other.

use super::{
    Finding, LintCode,
    view::{Entry, Node, View, types},
};
use crate::record::{RecordData, RecordType, Ttl, Txt};

/// Types that may stand beside a CNAME: SIG, KEY and NXT (RFC 2181 section 10.1), and what took their
/// place, RRSIG and NSEC (RFC 4035 section 2.5).
const BESIDE_CNAME: &[u16] = &[24, 25, 30, 46, 47];

/// RRSIG, whose TTLs are those of the sets that are signed, RFC 4034 section 3.
const RRSIG: u16 = 46;

/// The longest TTL that is no finding: one week.
const LONG_TTL: u32 = 7 * 86_400;

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for node in &view.nodes {
        sets(node, findings);
        // What else is there is told once, by what hides it.
        if node.hidden_by.is_none() {
            aliases(view, node, findings);
            wildcards(node, findings);
            if !view.is_cut(node) {
                mail(node, findings);
                services(node, findings);
            }
        }
    }
}

/// Looks at each set alone.
fn sets(node: &Node<'_>, findings: &mut Vec<Finding>) {
    let name = node.name;
    for set in node.sets() {
        let Some(first) = set.first() else { continue };
        let record_type = first.record_type();
        for same in set.chunk_by(|a, b| a.data() == b.data()).filter(|same| same.len() > 1) {
            let message = format!("{name} has the same {record_type} record {} times", same.len());
            findings.push(Finding::new(LintCode::Duplicate, name, same, message));
        }
        let ttls = || set.iter().map(|entry| entry.record.ttl());
        let (least, most) = (ttls().min().unwrap_or(Ttl::MAX), ttls().max().unwrap_or(Ttl::MAX));
        if least != most && record_type.code() != Some(RRSIG) {
            let message =
                format!("the {record_type} records of {name} have TTLs from {least} to {most}");
            findings.push(Finding::new(LintCode::TtlDiffers, name, set, message));
        }
        if least.as_secs() == 0 {
            let message = format!("the {record_type} records of {name} have a TTL of 0");
            let zero = set.iter().filter(|entry| entry.record.ttl() == least);
            findings.push(Finding::new(LintCode::TtlZero, name, zero, message));
        }
        if most.as_secs() > LONG_TTL {
            let message = format!("the {record_type} records of {name} have a TTL of {most} s");
            let long = set.iter().filter(|entry| entry.record.ttl().as_secs() > LONG_TTL);
            findings.push(Finding::new(LintCode::TtlLong, name, long, message));
        }
    }
}

/// Looks at CNAME, DNAME and the aliases of providers.
fn aliases(view: &View<'_>, node: &Node<'_>, findings: &mut Vec<Finding>) {
    let name = node.name;
    let cnames = node.distinct(RecordType::Cname);
    if cnames.len() > 1 {
        let message = format!("{name} has {} CNAME records", cnames.len());
        findings.push(Finding::new(LintCode::CnameMultiple, name, &cnames, message));
    }
    if !cnames.is_empty() {
        let at_apex = name == view.origin;
        let is_other = |entry: &&Entry<'_>| {
            let record_type = entry.record_type();
            // At the apex these are not what is too much.
            let required = matches!(record_type, RecordType::Soa | RecordType::Ns) && at_apex;
            let code = record_type.code();
            record_type != RecordType::Cname
                && !required
                && !code.is_some_and(|code| BESIDE_CNAME.contains(&code))
        };
        let others: Vec<_> = node.records.iter().filter(is_other).copied().collect();
        if !others.is_empty() {
            let message = format!("{name} has a CNAME and also {}", types(&others));
            let all = node.of(RecordType::Cname).iter().chain(&others);
            findings.push(Finding::new(LintCode::CnameWithOtherData, name, all, message));
        }
    }
    let dnames = node.distinct(RecordType::Dname);
    if dnames.len() > 1 {
        let message = format!("{name} has {} DNAME records", dnames.len());
        findings.push(Finding::new(LintCode::DnameMultiple, name, &dnames, message));
    }
    if !dnames.is_empty() && node.has(RecordType::Ns) && name != view.origin {
        let message = format!("{name} has a DNAME and is delegated");
        let all = dnames.iter().chain(node.of(RecordType::Ns));
        findings.push(Finding::new(LintCode::DnameWithNs, name, all, message));
    }
    let is_alias =
        |entry: &&Entry<'_>| matches!(entry.data(), RecordData::Alias(_) | RecordData::Flatten(_));
    if node.records.iter().any(|entry| is_alias(&entry)) {
        let is_address =
            |entry: &&Entry<'_>| matches!(entry.data(), RecordData::A(_) | RecordData::Aaaa(_));
        let addresses: Vec<_> = node.records.iter().filter(is_address).copied().collect();
        if !addresses.is_empty() {
            let message = format!("{name} has an alias and also {}", types(&addresses));
            let all = addresses.iter().chain(node.records.iter().filter(is_alias));
            findings.push(Finding::new(LintCode::AliasWithAddress, name, all, message));
        }
    }
}

/// Looks at SVCB and HTTPS records, of which those in AliasMode stand alone.
fn services(node: &Node<'_>, findings: &mut Vec<Finding>) {
    let name = node.name;
    for record_type in [RecordType::Svcb, RecordType::Https] {
        let records = node.distinct(record_type);
        let is_alias = |entry: &&Entry<'_>| {
            matches!(
                entry.data(),
                RecordData::Svcb(svcb) | RecordData::Https(svcb) if svcb.is_alias()
            )
        };
        if records.len() > 1 && records.iter().any(|entry| is_alias(&entry)) {
            let message = format!(
                "{name} has an alias of type {record_type} and other {record_type} records"
            );
            let code = LintCode::SvcbAliasBesideOthers;
            findings.push(Finding::new(code, name, &records, message));
        }
        let is_own = |entry: &&Entry<'_>| {
            matches!(
                entry.data(),
                RecordData::Svcb(svcb) | RecordData::Https(svcb)
                    if svcb.is_alias() && svcb.target() == name
            )
        };
        let own: Vec<_> = records.iter().filter(is_own).collect();
        if !own.is_empty() {
            let message = format!("{name} is an alias of itself by its {record_type} record");
            findings.push(Finding::new(LintCode::AliasLoop, name, own, message));
        }
    }
}

/// Looks at what says where mail goes, and who may send it.
fn mail(node: &Node<'_>, findings: &mut Vec<Finding>) {
    let name = node.name;
    let mails = node.distinct(RecordType::Mx);
    let is_null =
        |entry: &&Entry<'_>| matches!(entry.data(), RecordData::Mx(mx) if mx.exchange().is_root());
    if mails.len() > 1 && mails.iter().any(|entry| is_null(&entry)) {
        let message = format!("{name} accepts no mail by one MX, and has others");
        findings.push(Finding::new(LintCode::NullMxWithOthers, name, &mails, message));
    }
    let odd: Vec<_> = mails
        .iter()
        .filter(is_null)
        .filter(|entry| matches!(entry.data(), RecordData::Mx(mx) if !mx.is_null()))
        .collect();
    if !odd.is_empty() {
        let message = format!("{name} accepts no mail, with a preference that is not 0");
        findings.push(Finding::new(LintCode::NullMxPreference, name, odd, message));
    }
    let texts = node.distinct(RecordType::Txt);
    let those = |is: fn(&Txt) -> bool| {
        let chosen =
            texts.iter().filter(|entry| matches!(entry.data(), RecordData::Txt(txt) if is(txt)));
        chosen.copied().collect::<Vec<_>>()
    };
    let policies = those(is_spf);
    if policies.len() > 1 {
        let message = format!("{name} has {} SPF records", policies.len());
        findings.push(Finding::new(LintCode::SpfMultiple, name, &policies, message));
    }
    if name.labels().next().as_deref() == Some(b"_dmarc") {
        let policies = those(is_dmarc);
        if policies.len() > 1 {
            let message = format!("{name} has {} DMARC policies", policies.len());
            findings.push(Finding::new(LintCode::DmarcMultiple, name, &policies, message));
        }
    }
}

/// Whether a text starts with `v=spf1` and then a space or nothing, RFC 7208 section 4.5.
fn is_spf(txt: &Txt) -> bool {
    let text = txt.to_bytes();
    text.split(|b| *b == b' ').next().is_some_and(|first| first.eq_ignore_ascii_case(b"v=spf1"))
}

/// Whether a text starts with the tag `v=DMARC1`, RFC 7489 section 6.4.
pub(super) fn is_dmarc(txt: &Txt) -> bool {
    is_version(txt, b"DMARC1")
}

/// Whether a text is a list of tags of which the first is `v` with this value.
pub(super) fn is_version(txt: &Txt, version: &[u8]) -> bool {
    let text = txt.to_bytes();
    let first = text.split(|b| *b == b';').next().unwrap_or_default();
    let mut parts = first.splitn(2, |b| *b == b'=').map(<[u8]>::trim_ascii);
    parts.next().is_some_and(|tag| tag.eq_ignore_ascii_case(b"v")) && parts.next() == Some(version)
}

/// Looks at what does not work at a wildcard.
fn wildcards(node: &Node<'_>, findings: &mut Vec<Finding>) {
    let name = node.name;
    if !name.is_wildcard() {
        return;
    }
    for (record_type, code) in
        [(RecordType::Ns, LintCode::NsAtWildcard), (RecordType::Dname, LintCode::DnameAtWildcard)]
    {
        if node.has(record_type) {
            let message = format!("{name} is a wildcard with {record_type} records");
            findings.push(Finding::new(code, name, node.of(record_type), message));
        }
    }
}
