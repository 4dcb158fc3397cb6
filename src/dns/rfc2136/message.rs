//! What goes into the messages. Pure.

use hickory_proto::{
    ProtoError,
    op::{Message, MessageType, OpCode, Query},
    rr::{DNSClass, Name, RData, Record, RecordType as WireType},
};

use crate::{
    name::DnsName,
    record::{RecordSet, RecordType},
    transport::dns::{to_data, to_name, to_type},
    zone::{ChangeSet, SetChange},
};

/// Begins an UPDATE of `zone` (RFC 2136 section 2) or, with [`OpCode::Query`], a question.
fn begin(op_code: OpCode, name: &DnsName, record_type: WireType) -> Result<Message, ProtoError> {
    let mut message = Message::new(Message::query().metadata.id, MessageType::Query, op_code);
    message.add_query(Query::query(to_name(name)?, record_type));
    Ok(message)
}

/// Returns a question for what the server itself has.
pub(super) fn question(name: &DnsName, record_type: RecordType) -> Result<Message, ProtoError> {
    begin(OpCode::Query, name, to_type(record_type)?)
}

/// Returns an update that changes nothing, and to which prerequisites can be added.
pub(super) fn no_change(zone: &DnsName) -> Result<Message, ProtoError> {
    begin(OpCode::Update, zone, WireType::SOA)
}

/// Returns one update for all changes. `presumed` has the data of the set before each.
pub(super) fn update(
    zone: &DnsName,
    changes: &ChangeSet,
    presumed: &[Vec<RData>],
) -> Result<Message, ProtoError> {
    let mut message = no_change(zone)?;
    for (change, presumed) in changes.iter().zip(presumed) {
        presume(&mut message, change.name(), change.record_type(), presumed)?;
        presume_apart(&mut message, change, changes)?;
    }
    for (change, presumed) in changes.iter().zip(presumed) {
        if change.before() != change.after() {
            add_change(&mut message, zone, change, presumed)?;
        }
    }
    Ok(message)
}

/// Adds a record with a class and without data.
fn bare(name: Name, record_type: WireType, class: DNSClass) -> Record {
    let mut record = Record::update0(name, 0, record_type);
    record.dns_class = class;
    record
}

/// Demands that the set consists of exactly these data; none stand for no set (RFC 2136 sections
/// 2.4.2 and 2.4.3). In the message the prerequisites are the answers.
pub(super) fn presume(
    message: &mut Message,
    name: &DnsName,
    record_type: RecordType,
    data: &[RData],
) -> Result<(), ProtoError> {
    let name = to_name(name)?;
    if data.is_empty() {
        message.add_answer(bare(name, to_type(record_type)?, DNSClass::NONE));
        return Ok(());
    }
    message.add_answers(data.iter().map(|data| Record::from_rdata(name.clone(), 0, data.clone())));
    Ok(())
}

/// Demands that the set exists (RFC 2136 section 2.4.1), as stored: a wildcard does not count.
pub(super) fn presume_exists(
    message: &mut Message,
    name: &DnsName,
    record_type: RecordType,
) -> Result<(), ProtoError> {
    message.add_answer(bare(to_name(name)?, to_type(record_type)?, DNSClass::ANY));
    Ok(())
}

/// Demands that a CNAME and other data do not meet, since a server would drop the newcomer without
/// a word (RFC 2136 section 3.4.2.2).
///
/// What the same changes take away may be there.
pub(super) fn presume_apart(
    message: &mut Message,
    change: &SetChange,
    changes: &ChangeSet,
) -> Result<(), ProtoError> {
    if change.before().is_some() || change.after().is_none() {
        return Ok(());
    }
    let name = to_name(change.name())?;
    let there: Vec<_> = changes
        .iter()
        .filter(|other| other.name() == change.name() && other.before().is_some())
        .map(SetChange::record_type)
        .collect();
    if change.record_type() != RecordType::Cname {
        if !there.contains(&RecordType::Cname) {
            message.add_answer(bare(name, WireType::CNAME, DNSClass::NONE));
        }
    } else if there.is_empty() {
        // RFC 2136 section 2.4.5: the name is not in use.
        message.add_answer(bare(name, WireType::ANY, DNSClass::NONE));
    } else {
        // Something is in use, so each other type has to be named.
        let is_absent = |other: &RecordType| *other != RecordType::Cname && !there.contains(other);
        for other in data_types().map(RecordType::from_code).filter(is_absent) {
            message.add_answer(bare(name.clone(), to_type(other)?, DNSClass::NONE));
        }
    }
    Ok(())
}

/// Returns the numbers of the types that carry data (IANA, Domain Name System Parameters), without
/// those of DNSSEC that stand beside a CNAME (RFC 4034) and those that are only for messages.
fn data_types() -> impl Iterator<Item = u16> {
    const BESIDE_CNAME: [u16; 8] = [24, 25, 30, 41, 46, 47, 50, 51];
    (1..=66)
        .chain(99..=109)
        .chain(256..=263)
        .chain(32_768..=32_770)
        .filter(|code| !BESIDE_CNAME.contains(code))
}

/// Adds what makes one set what it is to be (RFC 2136 section 2.5). In the message these are the
/// authorities.
fn add_change(
    message: &mut Message,
    zone: &DnsName,
    change: &SetChange,
    presumed: &[RData],
) -> Result<(), ProtoError> {
    let name = to_name(change.name())?;
    let wanted = change.after().map(wire_data).transpose()?.unwrap_or_default();
    let ttl = change.after().map_or(0, |set| set.ttl().as_secs());
    // The servers of the zone cannot be deleted as a set (RFC 2136 section 3.4.2.3), so the old
    // ones go one by one, once the new ones are there.
    let one_by_one = change.record_type() == RecordType::Ns && change.name() == zone;
    if !one_by_one {
        let all = bare(name.clone(), to_type(change.record_type())?, DNSClass::ANY);
        message.add_authority(all);
    }
    message.add_authorities(
        wanted.iter().map(|data| Record::from_rdata(name.clone(), ttl, data.clone())),
    );
    if one_by_one {
        for old in presumed.iter().filter(|old| !wanted.contains(old)) {
            let mut record = Record::from_rdata(name.clone(), 0, old.clone());
            record.dns_class = DNSClass::NONE;
            message.add_authority(record);
        }
    }
    Ok(())
}

/// Returns the data of a set as they are sent.
pub(super) fn wire_data(set: &RecordSet) -> Result<Vec<RData>, ProtoError> {
    set.data().iter().map(to_data).collect()
}
