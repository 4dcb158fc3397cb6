//! Writes records as both BIND and Knot DNS read them.

use std::{borrow::Cow, fmt};

use super::token::{Entries, Entry};
use crate::{
    name::DnsName,
    record::{DnsRecord, RecordType, Ttl},
};

/// Writes the directives, the SOA, and the other records in canonical order, one line each.
pub(super) fn write(
    origin: &DnsName,
    records: &[DnsRecord],
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let mut sorted: Vec<_> = records.iter().collect();
    sorted.sort_by_key(|record| (record.record_type() != RecordType::Soa, *record));
    writeln!(f, "$ORIGIN {}", absolute(origin))?;
    writeln!(f, "$TTL {}", sorted.first().map_or(Ttl::HOUR, |record| record.ttl()))?;
    for record in sorted {
        let owner = match record.name().relative_to(origin) {
            // The mark for the origin is no name.
            Some(owner) if owner == "@" => owner,
            Some(owner) => escape(&owner).into_owned(),
            None => absolute(record.name()),
        };
        let (ttl, record_type) = (record.ttl(), record.record_type());
        writeln!(f, "{owner} {ttl} IN {record_type} {}", data(record))?;
    }
    Ok(())
}

fn absolute(name: &DnsName) -> String {
    let dot = if name.is_root() { "" } else { "." };
    format!("{}{dot}", escape(name.as_str()))
}

/// Returns the data with the names in them escaped.
fn data(record: &DnsRecord) -> String {
    let text = record.data().to_string();
    let names: &[usize] = match record.record_type() {
        RecordType::Ns | RecordType::Cname | RecordType::Ptr | RecordType::Dname => &[0],
        RecordType::Soa => &[0, 1],
        RecordType::Mx | RecordType::Svcb | RecordType::Https => &[1],
        RecordType::Srv => &[3],
        RecordType::Naptr => &[5],
        _ => return text,
    };
    if !text.bytes().any(is_special) {
        return text;
    }
    let mut entry = Entry::default();
    let Some(Ok(())) = Entries::new(text.as_bytes()).read(&mut entry) else { return text };
    let escaped = entry.items.iter().enumerate().map(|(index, item)| {
        let item = item.presentation().unwrap_or_default();
        if names.contains(&index) { escape(&item).into_owned() } else { item.into_owned() }
    });
    escaped.collect::<Vec<_>>().join(" ")
}

/// Writes as `\DDD` what Knot takes in a name in no other way than escaped.
///
/// RFC 1035 section 5.1 allows a mere backslash too, but BIND takes `\[` for a label of bits.
fn escape(name: &str) -> Cow<'_, str> {
    if !name.bytes().any(is_special) {
        return Cow::Borrowed(name);
    }
    let mut escaped = String::with_capacity(name.len() + 8);
    let mut after_backslash = false;
    for c in name.chars() {
        match u8::try_from(c) {
            Ok(octet) if is_special(octet) && !after_backslash => {
                escaped.push_str(&format!("\\{octet:03}"));
            }
            _ => escaped.push(c),
        }
        after_backslash = c == '\\' && !after_backslash;
    }
    Cow::Owned(escaped)
}

/// Whether Knot wants a character of a name to be escaped.
fn is_special(octet: u8) -> bool {
    octet.is_ascii_punctuation() && !matches!(octet, b'-' | b'_' | b'*' | b'/' | b'.' | b'\\')
}
