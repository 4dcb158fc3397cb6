//! Writes records as both BIND and Knot DNS read them.

use std::fmt;

use crate::{
    name::DnsName,
    record::{DnsRecord, RecordType, Ttl, write_escaped},
};

/// Writes the directives, the SOA, and the other records in canonical order, one line each.
pub(super) fn write(
    origin: &DnsName,
    records: &[DnsRecord],
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let mut sorted: Vec<_> = records.iter().collect();
    sorted.sort_by_key(|record| (record.record_type() != RecordType::Soa, *record));
    f.write_str("$ORIGIN ")?;
    write_escaped(origin.as_str(), f)?;
    f.write_str(if origin.is_root() { "\n" } else { ".\n" })?;
    writeln!(f, "$TTL {}", sorted.first().map_or(Ttl::HOUR, |record| record.ttl()))?;
    for record in sorted {
        match record.name().relative_to(origin).as_deref() {
            // The mark of the origin, which is no name.
            Some("@") => f.write_str("@")?,
            Some(owner) => write_escaped(owner, f)?,
            None => {
                writeln!(f, "{record}")?;
                continue;
            }
        }
        let (ttl, record_type) = (record.ttl(), record.record_type());
        writeln!(f, " {ttl} IN {record_type} {}", record.data())?;
    }
    Ok(())
}
