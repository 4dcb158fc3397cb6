//! What an API answers when a record was created: the reply side of the published API.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value};

use super::{
    Check, Field, FieldCode, FieldError, FieldErrors, Profile, RecordFields, TypeField, finish,
};
use crate::{
    name::{DnsName, serde_as_text},
    record::{DnsRecord, MonitorStatus, RecordType},
};

/// Longest id of a domain, in bytes.
const DOMAIN_ID_LIMIT: usize = 255;

/// The id of a record at a service: `domainId:recordId`.
///
/// ```
/// use nameplate::record::ReplyId;
///
/// let id: ReplyId = "35f4e574-a545-4cd2-b131-76f7c9a64a35:730915".parse()?;
/// assert_eq!(id.domain_id(), "35f4e574-a545-4cd2-b131-76f7c9a64a35");
/// assert_eq!(id.record_id(), 730_915);
/// # Ok::<(), nameplate::record::ReplyIdError>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ReplyId {
    domain_id: Box<str>,
    record_id: u64,
}

/// What is wrong with the text of the id of a record.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the id of a record is the id of its domain, a colon, and a number")]
pub struct ReplyIdError(());

impl ReplyId {
    /// Creates an id.
    ///
    /// # Errors
    ///
    /// [`ReplyIdError`] if the id of the domain is empty, longer than 255 bytes, or has a colon, white
    /// space or control characters.
    pub fn new(domain_id: &str, record_id: u64) -> Result<Self, ReplyIdError> {
        let right = |c: char| c != ':' && !c.is_whitespace() && !c.is_control();
        if domain_id.is_empty()
            || domain_id.len() > DOMAIN_ID_LIMIT
            || !domain_id.chars().all(right)
        {
            return Err(ReplyIdError(()));
        }
        Ok(Self { domain_id: domain_id.into(), record_id })
    }

    /// Returns the id of the domain.
    pub fn domain_id(&self) -> &str {
        &self.domain_id
    }

    /// Returns the number of the record.
    pub fn record_id(&self) -> u64 {
        self.record_id
    }
}

impl FromStr for ReplyId {
    type Err = ReplyIdError;

    fn from_str(text: &str) -> Result<Self, ReplyIdError> {
        let (domain_id, number) = text.split_once(':').ok_or(ReplyIdError(()))?;
        let record_id = number.parse().map_err(|_| ReplyIdError(()))?;
        let id = Self::new(domain_id, record_id)?;
        // One spelling: neither `+1` nor `01`.
        if id.record_id.to_string() == number { Ok(id) } else { Err(ReplyIdError(())) }
    }
}

impl fmt::Display for ReplyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.domain_id, self.record_id)
    }
}

serde_as_text!(ReplyId, to_string);

/// A record as the published API answers with it.
///
/// In JSON: `recordId`, `domainId` and both as `id`; the type as `type`, a number of the [`Profile`],
/// and as `typeString`; every field of every type, numbers 0 and the tag empty where the type has
/// none; `monitorStatus`. A type, monitor or status with a number that is not known is kept, and so is
/// what else there is, as `@context`: a reply that was read is written as it came, but for what it left
/// out, which is 0 or empty.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordReply {
    id: ReplyId,
    /// With every number stated, and the type as a number.
    fields: RecordFields,
    number: i64,
    type_string: Box<str>,
    monitor_status: MonitorStatus,
    other: Map<String, Value>,
}

impl RecordReply {
    /// Creates the reply to the creation of a record of the zone `origin`.
    ///
    /// # Errors
    ///
    /// [`FieldErrors`] if the type has no number in the profile.
    pub fn new(
        id: ReplyId,
        record: &DnsRecord,
        origin: &DnsName,
        profile: &Profile,
    ) -> Result<Self, FieldErrors> {
        let record_type = record.record_type();
        let number = profile.row(record_type).and_then(|row| row.number()).ok_or_else(|| {
            FieldErrors::one(FieldError::new(
                Field::Type,
                FieldCode::UnsupportedType,
                format!("{record_type} has no number in the {} profile", profile.name()),
            ))
        })?;
        Ok(Self {
            id,
            fields: RecordFields::of(record, origin),
            number: number.into(),
            type_string: record_type.to_string().into(),
            monitor_status: MonitorStatus::Unknown,
            other: Map::new(),
        })
    }

    /// Sets what the service found when it last checked the host.
    #[must_use]
    pub fn with_monitor_status(mut self, status: MonitorStatus) -> Self {
        self.monitor_status = status;
        self
    }

    /// Returns the id.
    pub fn id(&self) -> &ReplyId {
        &self.id
    }

    /// Returns the number of the type, also one that means nothing to us.
    pub fn type_number(&self) -> i64 {
        self.number
    }

    /// Returns the name of the type as the service wrote it; empty if it did not.
    pub fn type_string(&self) -> &str {
        &self.type_string
    }

    /// Returns the type, or `None` if its number is not one of the profile.
    pub fn record_type(&self, profile: &Profile) -> Option<RecordType> {
        profile.numbered(self.number).map(|row| row.record_type())
    }

    /// Returns what the service found when it last checked the host.
    pub fn monitor_status(&self) -> MonitorStatus {
        self.monitor_status
    }

    /// Returns the fields without those that the type does not have, which a reply states as 0.
    ///
    /// Of a type that is not known the number is kept, with all fields; it is refused when it is to be
    /// written. A field that the type has and the service does not use is 0, not absent. A TTL of 0 is absent
    /// where the profile has no such TTL: it stands for the default.
    pub fn fields(&self, profile: &Profile) -> RecordFields {
        let fields = self.fields.clone();
        let Some(row) = profile.numbered(self.number) else {
            return RecordFields { record_type: Some(TypeField::Number(self.number)), ..fields };
        };
        let stated =
            |field, number: Option<i64>| row.allows(field).then(|| number.unwrap_or_default());
        RecordFields {
            record_type: Some(row.record_type().into()),
            priority: stated(Field::Priority, fields.priority),
            weight: stated(Field::Weight, fields.weight),
            port: stated(Field::Port, fields.port),
            flags: stated(Field::Flags, fields.flags),
            monitor_type: stated(Field::MonitorType, fields.monitor_type),
            tag: fields.tag.filter(|_| row.allows(Field::Tag)),
            ttl: fields.ttl.filter(|ttl| *ttl != 0 || profile.ttl().contains(&0)),
            ..fields
        }
    }

    /// Turns the reply into a record of the zone `origin` by the rules of a profile.
    ///
    /// Types that the profile reads and does not write are taken too.
    ///
    /// # Errors
    ///
    /// [`FieldErrors`] if the type, the monitor or the data is not known here.
    pub fn record(&self, origin: &DnsName, profile: &Profile) -> Result<DnsRecord, FieldErrors> {
        let fields = self.fields(profile);
        let mut check = Check { is_reply: true, ..Check::new(&fields, profile) };
        let record = check.record(origin);
        finish(record, check.errors)
    }
}

/// The reply in JSON. Services leave out what does not apply, or write `null`.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    id: Option<ReplyId>,
    record_id: u64,
    domain_id: Box<str>,
    r#type: i64,
    type_string: Option<Box<str>>,
    name: Option<String>,
    value: Option<String>,
    ttl: Option<i64>,
    priority: Option<i64>,
    weight: Option<i64>,
    port: Option<i64>,
    flags: Option<i64>,
    tag: Option<String>,
    comment: Option<String>,
    monitor_type: Option<i64>,
    monitor_status: Option<i64>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

impl Serialize for RecordReply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { id, fields, number, type_string, monitor_status, other } = self.clone();
        let stated = |number: Option<i64>| Some(number.unwrap_or_default());
        Wire {
            record_id: id.record_id,
            domain_id: id.domain_id.clone(),
            id: Some(id),
            r#type: number,
            type_string: Some(type_string),
            name: Some(fields.name.unwrap_or_default()),
            value: Some(fields.value.unwrap_or_default()),
            ttl: stated(fields.ttl),
            priority: stated(fields.priority),
            weight: stated(fields.weight),
            port: stated(fields.port),
            flags: stated(fields.flags),
            tag: Some(fields.tag.unwrap_or_default()),
            comment: fields.comment,
            monitor_type: stated(fields.monitor_type),
            monitor_status: Some(monitor_status.number()),
            other,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RecordReply {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        let id = ReplyId::new(&wire.domain_id, wire.record_id).map_err(D::Error::custom)?;
        if wire.id.is_some_and(|stated| stated != id) {
            return Err(D::Error::custom("id is not domainId and recordId"));
        }
        Ok(Self {
            id,
            fields: RecordFields {
                record_type: Some(TypeField::Number(wire.r#type)),
                name: Some(wire.name.unwrap_or_default()),
                value: Some(wire.value.unwrap_or_default()),
                ttl: wire.ttl,
                priority: wire.priority,
                weight: wire.weight,
                port: wire.port,
                flags: wire.flags,
                tag: wire.tag,
                comment: wire.comment,
                monitor_type: wire.monitor_type,
            },
            number: wire.r#type,
            type_string: wire.type_string.unwrap_or_default(),
            monitor_status: MonitorStatus::from_number(wire.monitor_status.unwrap_or_default()),
            other: wire.other,
        })
    }
}

#[cfg(test)]
mod tests;
