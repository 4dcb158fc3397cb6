//! Our names and records to those of `hickory-proto`, and back. Pure.
//!
//! What comes from outside is never trusted to make sense: data that do not are [`None`].

use hickory_proto::{
    op::Edns,
    rr::{
        DNSClass, Name, RData, Record,
        rdata::opt::{EdnsCode, EdnsOption},
    },
    serialize::binary::{BinEncodable as _, BinEncoder},
};

#[cfg(feature = "rfc2136")]
use hickory_proto::{
    ProtoError,
    rr::{
        RecordType as WireType,
        rdata::{A, AAAA, CNAME, NS, NULL},
    },
};

use super::Entry;
use crate::{
    name::DnsName,
    record::{RecordData, RecordType, Txt},
};

/// Returns the name as `hickory-proto` has it.
#[cfg(feature = "rfc2136")]
pub(crate) fn to_name(name: &DnsName) -> Result<Name, ProtoError> {
    Name::from_labels(
        name.labels().map(|label| label.into_owned()).collect::<Vec<_>>().iter().map(Vec::as_slice),
    )
}

/// Returns the name as we have it, `None` if it is longer than a name can be.
pub(crate) fn from_name(name: &Name) -> Option<DnsName> {
    DnsName::from_labels(name.iter()).ok()
}

/// Returns the type as `hickory-proto` has it; fails for one that is a provider's own.
#[cfg(feature = "rfc2136")]
pub(crate) fn to_type(record_type: RecordType) -> Result<WireType, ProtoError> {
    let code = record_type.code();
    code.map(Into::into).ok_or_else(|| format!("{record_type} is no type of DNS").into())
}

/// Returns the data as `hickory-proto` has them; fails where [`to_type`] does.
///
/// Data of most types are passed on as their octets.
#[cfg(feature = "rfc2136")]
pub(crate) fn to_data(data: &RecordData) -> Result<RData, ProtoError> {
    Ok(match data {
        RecordData::A(address) => RData::A(A(*address)),
        RecordData::Aaaa(address) => RData::AAAA(AAAA(*address)),
        RecordData::Cname(target) => RData::CNAME(CNAME(to_name(target)?)),
        RecordData::Ns(target) => RData::NS(NS(to_name(target)?)),
        _ => {
            let code = to_type(data.record_type())?;
            let octets = data.to_wire().unwrap_or_default();
            if u16::try_from(octets.len()).is_err() {
                return Err("the data are longer than a record can be".into());
            }
            if octets.is_empty() {
                // `hickory-proto` refuses every answer that has them.
                return Err(format!("{code} data without octets cannot be carried").into());
            }
            RData::Unknown { code, rdata: NULL::with(octets) }
        }
    })
}

/// Returns the data as we have them, `None` for data that make no sense.
fn from_data(record_type: RecordType, data: &RData) -> Option<RecordData> {
    // The most frequent ones, without the way over their octets.
    match data {
        RData::A(address) => return Some(RecordData::A(address.0)),
        RData::AAAA(address) => return Some(RecordData::Aaaa(address.0)),
        RData::TXT(text) => return Txt::from_strings(&text.txt_data).map(RecordData::Txt),
        _ => {}
    }
    let mut octets = Vec::new();
    let mut encoder = BinEncoder::new(&mut octets);
    // Without compression.
    encoder.set_canonical_form(true);
    data.emit(&mut encoder).ok()?;
    RecordData::from_wire(record_type, &octets).ok()
}

/// Returns the records of class IN, in their order.
pub(super) fn entries(records: Vec<Record>) -> Vec<Entry> {
    let entry = |record: Record| {
        let owner = from_name(&record.name)?;
        let record_type = RecordType::from_code(record.record_type().into());
        (record.dns_class == DNSClass::IN).then(|| Entry {
            owner,
            record_type,
            ttl: if record.ttl > i32::MAX.unsigned_abs() { 0 } else { record.ttl },
            data: from_data(record_type, &record.data),
            wire: record.data,
        })
    };
    records.into_iter().filter_map(entry).collect()
}

/// Returns the data of an EDNS option that `hickory-proto` does not know.
pub(super) fn option(edns: &Edns, code: u16) -> Option<&[u8]> {
    match edns.option(EdnsCode::from(code))? {
        EdnsOption::Unknown(_, data) => Some(data),
        _ => None,
    }
}
