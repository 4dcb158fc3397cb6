//! Single values that are legal and wrong in practice.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, Ipv6Addr},
};

use super::{
    Finding, LintCode,
    owner::{is_dmarc, is_version},
    target,
    view::{Entry, Node, View},
};
use crate::{
    name::DnsName,
    record::{Caa, RecordData, RecordType, Txt},
};

/// Tags of the registry of RFC 8659 section 7.2 that authorities act on.
const CAA_TAGS: &[&str] =
    &["contactemail", "contactphone", "iodef", "issue", "issuemail", "issuevmc", "issuewild"];

pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    let aliased: HashSet<&DnsName> = view
        .nodes
        .iter()
        .flat_map(|node| node.of(RecordType::Cname))
        .filter_map(|entry| target::target(entry.data()))
        .collect();
    for node in view.nodes.iter().filter(|node| node.hidden_by.is_none()) {
        host_names(node, findings);
        services(node, &aliased, findings);
        for entry in &node.records {
            let name = node.name;
            let found = match entry.data() {
                RecordData::A(address) => {
                    let why = unroutable4(*address);
                    why.map(|why| (LintCode::AddressNotPublic, format!("the {why} {address}")))
                }
                RecordData::Aaaa(address) => {
                    let why = unroutable6(*address);
                    why.map(|why| (LintCode::AddressNotPublic, format!("the {why} {address}")))
                }
                RecordData::Caa(caa) => property(caa),
                RecordData::Naptr(naptr) if !naptr.is_regexp_valid() => {
                    let what = "a NAPTR record whose substitution cannot be read".to_owned();
                    Some((LintCode::NaptrMalformed, what))
                }
                RecordData::Naptr(naptr)
                    if !naptr.regexp().is_empty() && !naptr.replacement().is_root() =>
                {
                    let what = "a NAPTR record with a substitution and a replacement".to_owned();
                    Some((LintCode::NaptrMalformed, what))
                }
                RecordData::Sshfp(sshfp) if !sshfp.is_whole() => {
                    Some((LintCode::DigestLength, "a fingerprint of the wrong length".to_owned()))
                }
                RecordData::Tlsa(tlsa) if !tlsa.is_whole() => {
                    Some((LintCode::DigestLength, "a TLSA digest of the wrong length".to_owned()))
                }
                RecordData::Svcb(svcb) | RecordData::Https(svcb)
                    if svcb.is_alias() && !svcb.params().is_empty() =>
                {
                    let what = format!("an alias of type {} with parameters", entry.record_type());
                    Some((LintCode::SvcbAliasParams, what))
                }
                RecordData::Txt(txt) if is_quoted(txt) => {
                    Some((LintCode::TextQuoted, "a text in quotes of its own".to_owned()))
                }
                _ => None,
            };
            if let Some((code, what)) = found {
                findings.push(Finding::new(code, name, [entry], format!("{name} has {what}")));
            }
        }
    }
}

/// Looks at names that have to be those of hosts.
fn host_names(node: &Node<'_>, findings: &mut Vec<Finding>) {
    let name = node.name;
    let is_owned = |entry: &&Entry<'_>| {
        matches!(entry.data(), RecordData::A(_) | RecordData::Aaaa(_) | RecordData::Mx(_))
    };
    if !is_host(name) {
        let owned: Vec<_> = node.records.iter().filter(is_owned).collect();
        if let Some(first) = owned.first() {
            let message = format!("{name} has {} records and is no host name", first.record_type());
            findings.push(Finding::new(LintCode::HostName, name, owned, message));
        }
    }
    for entry in &node.records {
        let target = match entry.data() {
            RecordData::Soa(soa) => Some(soa.mname()),
            RecordData::Ns(_) | RecordData::Mx(_) | RecordData::Srv(_) => {
                target::target(entry.data())
            }
            _ => None,
        };
        if let Some(target) = target.filter(|target| !is_host(target)) {
            let record_type = entry.record_type();
            let message = format!("the {record_type} record of {name} names no host, {target}");
            findings.push(Finding::new(LintCode::HostName, name, [entry], message));
        }
    }
}

/// Whether all labels are letters, digits and inner hyphens, but for a `*` in front.
fn is_host(name: &DnsName) -> bool {
    let labels: Vec<_> = name.labels().skip(usize::from(name.is_wildcard())).collect();
    // Active Directory has addresses there, and BIND lets them pass.
    if labels.iter().take(2).map(AsRef::as_ref).eq([b"gc".as_slice(), b"_msdcs"]) {
        return true;
    }
    labels.iter().all(|label| {
        let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        edge(label.first())
            && edge(label.last())
            && label.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
    })
}

/// Looks for what is read only at names with an underscore, or through an alias from there.
fn services(node: &Node<'_>, aliased: &HashSet<&DnsName>, findings: &mut Vec<Finding>) {
    let name = node.name;
    if aliased.contains(name) {
        return;
    }
    let has_label = |is: &dyn Fn(&[u8]) -> bool| name.labels().any(|label| is(&label));
    let underscored = has_label(&|label| label.starts_with(b"_"));
    let policy = has_label(&|label| label == b"_dmarc");
    let key = has_label(&|label| label == b"_domainkey");
    for entry in &node.records {
        let what = match entry.data() {
            RecordData::Srv(_) if !underscored => "a SRV record",
            RecordData::Tlsa(_) if !underscored => "a TLSA record",
            RecordData::Txt(txt) if !policy && is_dmarc(txt) => "a DMARC policy",
            RecordData::Txt(txt) if !key && is_version(txt, b"DKIM1") => "a DKIM key",
            _ => continue,
        };
        let message = format!("{name} has {what}, which nobody looks for there");
        findings.push(Finding::new(LintCode::ServiceName, name, [entry], message));
    }
}

fn property(caa: &Caa) -> Option<(LintCode, String)> {
    let tag = caa.tag();
    if caa.is_critical() && !CAA_TAGS.contains(&tag) {
        return Some((LintCode::CaaUnknownCritical, format!("a critical CAA property, {tag}")));
    }
    let value = caa.value().trim_ascii();
    // Without an authority the value says that there is none.
    let names_one = !value.is_empty() && !value.starts_with(b";");
    if matches!(tag, "issue" | "issuewild") && names_one && caa.issuer().is_none() {
        return Some((LintCode::CaaMalformed, format!("a CAA property {tag} that cannot be read")));
    }
    None
}

fn is_quoted(txt: &Txt) -> bool {
    let text = txt.to_bytes();
    text.len() > 1 && text.starts_with(b"\"") && text.ends_with(b"\"")
}

/// Returns why an address is not global, by the registry of RFC 6890.
fn unroutable4(address: Ipv4Addr) -> Option<&'static str> {
    Some(match address.octets() {
        [0, 0, 0, 0] => "unspecified address",
        [0, ..] | [240..=255, ..] => "reserved address",
        [127, ..] => "loopback address",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "private address",
        [100, 64..=127, ..] => "shared address",
        [169, 254, ..] => "link-local address",
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => "documentation address",
        [198, 18..=19, ..] => "benchmarking address",
        [224..=239, ..] => "multicast address",
        _ => return None,
    })
}

fn unroutable6(address: Ipv6Addr) -> Option<&'static str> {
    Some(match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => "unspecified address",
        [0, 0, 0, 0, 0, 0, 0, 1] => "loopback address",
        [0, 0, 0, 0, 0, 0xffff, ..] => "IPv4-mapped address",
        [0xfc00..=0xfdff, ..] => "private address",
        [0xfe80..=0xfebf, ..] => "link-local address",
        [0xff00..=0xffff, ..] => "multicast address",
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => "documentation address",
        _ => return None,
    })
}
