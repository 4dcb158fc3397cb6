//! Our names and records to those of `hickory-proto`, and back. Pure.
//!
//! What comes from outside is never trusted to make sense: data that do not are [`None`].

use hickory_proto::{
    op::Edns,
    rr::{
        DNSClass, Name, RData, Record, RecordType as WireType,
        rdata::{
            A, AAAA, CNAME, NS,
            opt::{EdnsCode, EdnsOption},
        },
    },
};

#[cfg(feature = "rfc2136")]
use hickory_proto::rr::rdata;

use super::Entry;
use crate::{
    name::DnsName,
    record::{Caa, RecordData, RecordType, Soa, Txt},
};

/// Returns the name as `hickory-proto` has it.
pub(crate) fn to_name(name: &DnsName) -> Result<Name, hickory_proto::ProtoError> {
    Name::from_labels(
        name.labels().map(|label| label.into_owned()).collect::<Vec<_>>().iter().map(Vec::as_slice),
    )
}

/// Returns the name as we have it, `None` if it is longer than a name can be.
pub(crate) fn from_name(name: &Name) -> Option<DnsName> {
    DnsName::from_labels(name.iter()).ok()
}

/// Returns the type as `hickory-proto` has it.
pub(crate) fn to_type(record_type: RecordType) -> WireType {
    record_type.code().into()
}

/// Returns the data as `hickory-proto` has them.
#[cfg(feature = "rfc2136")]
pub(crate) fn to_data(data: &RecordData) -> Result<RData, hickory_proto::ProtoError> {
    Ok(match data {
        RecordData::A(address) => RData::A(A(*address)),
        RecordData::Aaaa(address) => RData::AAAA(AAAA(*address)),
        RecordData::Caa(caa) => {
            // The parts of the data are public, but not the way to put them together.
            let mut data = rdata::CAA::new_issue(caa.is_critical(), None, Vec::new());
            data.reserved_flags = caa.flags() & 0x7f;
            data.tag = caa.tag().to_owned();
            data.value = caa.value().to_vec();
            RData::CAA(data)
        }
        RecordData::Cname(target) => RData::CNAME(CNAME(to_name(target)?)),
        RecordData::Ns(target) => RData::NS(NS(to_name(target)?)),
        RecordData::Soa(soa) => RData::SOA(rdata::SOA::new(
            to_name(soa.mname())?,
            to_name(soa.rname())?,
            soa.serial(),
            soa.refresh().cast_signed(),
            soa.retry().cast_signed(),
            soa.expire().cast_signed(),
            soa.minimum(),
        )),
        RecordData::Txt(txt) => RData::TXT(rdata::TXT::from_bytes(txt.strings().collect())),
    })
}

/// Returns the data as we have them, `None` for other types and for data that make no sense.
fn from_data(data: &RData) -> Option<RecordData> {
    Some(match data {
        RData::A(A(address)) => RecordData::A(*address),
        RData::AAAA(AAAA(address)) => RecordData::Aaaa(*address),
        RData::CAA(caa) => {
            let flags = (u8::from(caa.issuer_critical) << 7) | (caa.reserved_flags & 0x7f);
            RecordData::Caa(Caa::new(flags, &caa.tag, &caa.value).ok()?)
        }
        RData::CNAME(CNAME(target)) => RecordData::Cname(from_name(target)?),
        RData::NS(NS(target)) => RecordData::Ns(from_name(target)?),
        RData::SOA(soa) => RecordData::Soa(Soa::new(
            from_name(&soa.mname)?,
            from_name(&soa.rname)?,
            soa.serial,
            soa.refresh.cast_unsigned(),
            soa.retry.cast_unsigned(),
            soa.expire.cast_unsigned(),
            soa.minimum,
        )),
        RData::TXT(txt) => RecordData::Txt(Txt::from_strings(txt.txt_data.iter())?),
        _ => return None,
    })
}

/// Returns the records of class IN, in their order.
pub(super) fn entries(records: &[Record]) -> Vec<Entry> {
    let entry = |record: &Record| {
        let owner = from_name(&record.name)?;
        (record.dns_class == DNSClass::IN).then(|| Entry {
            owner,
            code: record.record_type().into(),
            ttl: if record.ttl > i32::MAX.unsigned_abs() { 0 } else { record.ttl },
            data: from_data(&record.data),
            wire: record.data.clone(),
        })
    };
    records.iter().filter_map(entry).collect()
}

/// Returns the data of an EDNS option that `hickory-proto` does not know.
pub(super) fn option(edns: &Edns, code: u16) -> Option<&[u8]> {
    match edns.option(EdnsCode::from(code))? {
        EdnsOption::Unknown(_, data) => Some(data),
        _ => None,
    }
}
