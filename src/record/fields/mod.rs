//! The flat form of a record, as forms and APIs have it, and everything that can be wrong with it.
//!
//! [`RecordFields`] has one member per field, each of them optional; [`Profile`] is the matrix of which
//! type takes which field; [`FieldErrors`] is all that is wrong with one request. How the data of a
//! type is spread over the fields stands in `value.rs`.

mod error;
mod json;
mod profile;
mod reply;
mod schema;
mod value;

use std::fmt;

use super::{DnsRecord, Monitor, RecordType, Ttl};
use crate::name::DnsName;

use error::Excerpt;
pub use error::{FieldCode, FieldError, FieldErrors};
pub use profile::{Field, FieldRule, Profile, Row};
pub use reply::{RecordReply, ReplyId, ReplyIdError};
use value::Parts;

/// Longest value, in bytes: data of 65535 octets, each as `\DDD`, and what goes between.
const VALUE_LIMIT: usize = 266_240;

/// The type of a record as a request states it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum TypeField {
    /// A mnemonic in any case, as `MX`, or a type by RFC 3597, as `TYPE65280`.
    Name(String),
    /// A number of the [`Profile`], which is not the one of IANA. Kept even if it means nothing.
    Number(i64),
}

impl From<RecordType> for TypeField {
    fn from(record_type: RecordType) -> Self {
        Self::Name(record_type.to_string())
    }
}

impl From<&str> for TypeField {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for TypeField {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl From<i64> for TypeField {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl fmt::Display for TypeField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => Excerpt(name).fmt(f),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// A record as the flat form of a dashboard or an API.
///
/// Every field may be absent, and numbers may be out of range, so that
/// [`validate`](Self::validate) can tell all that is wrong at once. In JSON absent fields are left
/// out, `null` is absent, and names are in snake case; camel case is read too.
///
/// ```
/// use nameplate::{name::DnsName, record::{Profile, RecordFields}};
///
/// let zone: DnsName = "example.com".parse()?;
/// let fields = RecordFields::from_json(
///     r#"{"type": "MX", "name": "@", "value": "mail.example.com", "priority": 10}"#,
/// )?;
/// let record = fields.validate_in(&zone, &Profile::PUBLISHED)?;
/// assert_eq!(record.to_string(), "example.com. 3600 IN MX 10 mail.example.com.");
/// assert_eq!(RecordFields::of(&record, &zone), fields.with_ttl(3600));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Values
///
/// * **Names** (`CNAME`, `NS`, `PTR`, the host of `MX` and `SRV`, the target of `SVCB` and `HTTPS`)
///   are absolute with or without a final dot, and written without; `.` is the root.
/// * **`TXT`** and the value of **`CAA`** are the text itself, byte for byte: neither quotes nor
///   escapes. A value that starts with `"` is presentation text instead (RFC 1035 section 5.1) and has
///   to be well formed; that is how text is written that is empty, starts with `"`, has control
///   characters or is not UTF-8. Where the strings of a `TXT` end is not kept.
/// * **`SVCB`** and **`HTTPS`** have the target and the parameters, as `svc.example.com alpn=h2`, in
///   quotes only where it matters.
/// * **`Redirect`, `PullZone`** and **`Script`** are as given.
/// * All other types have their presentation text, as `3 1 1 d2ab...` for `TLSA`.
///
/// # Identity
///
/// Fields, validated and turned back by [`of`](Self::of) in the same zone, are the same but for
/// spelling: a type is upper case, a name lower case and relative to the zone, which is `@`; `ttl` is
/// stated, and so are the `priority`, `weight`, `port` and `flags` of data, which are 0 if absent. A
/// record turned to fields and back is the same.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct RecordFields {
    /// The type; `type` in JSON.
    pub record_type: Option<TypeField>,
    /// The owner, relative to the zone; `@` or empty for the zone itself, and absolute with a final dot.
    pub name: Option<String>,
    /// The data, but for what has a field of its own.
    pub value: Option<String>,
    /// Seconds that the record may be cached.
    pub ttl: Option<i64>,
    /// Preference of an MX, priority of SRV, SVCB and HTTPS.
    pub priority: Option<i64>,
    /// Share of the answers.
    pub weight: Option<i64>,
    /// Port of the service of an SRV record.
    pub port: Option<i64>,
    /// Flags of a CAA property.
    pub flags: Option<i64>,
    /// Tag of a CAA property.
    pub tag: Option<String>,
    /// A remark for people.
    pub comment: Option<String>,
    /// The number of a [`Monitor`].
    pub monitor_type: Option<i64>,
}

impl RecordFields {
    /// Creates the fields that every record needs.
    pub fn new(
        record_type: impl Into<TypeField>,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        Self {
            record_type: Some(record_type.into()),
            name: Some(name.into()),
            value: Some(value.into()),
            ..Self::default()
        }
    }

    /// Sets `ttl`.
    #[must_use]
    pub fn with_ttl(mut self, ttl: i64) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Sets `priority`.
    #[must_use]
    pub fn with_priority(mut self, priority: i64) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Sets `weight`.
    #[must_use]
    pub fn with_weight(mut self, weight: i64) -> Self {
        self.weight = Some(weight);
        self
    }

    /// Sets `port`.
    #[must_use]
    pub fn with_port(mut self, port: i64) -> Self {
        self.port = Some(port);
        self
    }

    /// Sets `flags`.
    #[must_use]
    pub fn with_flags(mut self, flags: i64) -> Self {
        self.flags = Some(flags);
        self
    }

    /// Sets `tag`.
    #[must_use]
    pub fn with_tag(mut self, tag: impl Into<String>) -> Self {
        self.tag = Some(tag.into());
        self
    }

    /// Sets `comment`.
    #[must_use]
    pub fn with_comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// Sets `monitor_type`.
    #[must_use]
    pub fn with_monitor_type(mut self, number: i64) -> Self {
        self.monitor_type = Some(number);
        self
    }

    /// Returns the fields of a record of the zone `origin`.
    ///
    /// The name of a record that is not in the zone is absolute, with a final dot.
    pub fn of(record: &DnsRecord, origin: &DnsName) -> Self {
        let Parts { priority, weight, port, flags, tag, value } = Parts::of(record.data());
        let name = record.name();
        Self {
            record_type: Some(record.record_type().into()),
            name: Some(name.relative_to(origin).unwrap_or_else(|| format!("{name}."))),
            value: Some(value),
            ttl: Some(record.ttl().as_secs().into()),
            priority,
            weight: weight.or_else(|| record.weight().map(i64::from)),
            port,
            flags,
            tag,
            comment: record.comment().map(ToOwned::to_owned),
            monitor_type: record.monitor().map(|monitor| monitor.number().into()),
        }
    }

    /// Turns the fields into a record by [`Profile::PUBLISHED`], of a zone that is not known.
    ///
    /// The name is kept as it is: it is the owner up to the zone. The zone itself is the root.
    ///
    /// # Errors
    ///
    /// [`FieldErrors`] with all that is wrong.
    pub fn validate(&self) -> Result<DnsRecord, FieldErrors> {
        self.validate_with(&Profile::PUBLISHED)
    }

    /// Turns the fields into a record by the rules of a profile, of a zone that is not known.
    ///
    /// # Errors
    ///
    /// [`FieldErrors`] with all that is wrong.
    pub fn validate_with(&self, profile: &Profile) -> Result<DnsRecord, FieldErrors> {
        self.validate_in(&DnsName::root(), profile)
    }

    /// Turns the fields into a record of the zone `origin` by the rules of a profile.
    ///
    /// The name is relative to the zone unless it ends with a dot, as in a zone file (RFC 1035 section
    /// 5.1): `www.example.com` in `example.com` is `www.example.com.example.com`.
    ///
    /// # Errors
    ///
    /// [`FieldErrors`] with all that is wrong.
    pub fn validate_in(
        &self,
        origin: &DnsName,
        profile: &Profile,
    ) -> Result<DnsRecord, FieldErrors> {
        let mut check = Check::new(self, profile);
        let record = check.record(origin);
        finish(record, check.errors)
    }
}

impl From<&DnsRecord> for RecordFields {
    /// Returns the fields of a record of a zone that is not known: the name is the whole owner.
    fn from(record: &DnsRecord) -> Self {
        Self::of(record, &DnsName::root())
    }
}

/// Returns the record if nothing is wrong.
fn finish(record: Option<DnsRecord>, errors: Vec<FieldError>) -> Result<DnsRecord, FieldErrors> {
    FieldErrors::check(errors)?;
    record.ok_or_else(|| {
        FieldErrors::one(FieldError::whole(
            FieldCode::Malformed,
            "the record cannot be read, and this is an error of nameplate: please report it",
        ))
    })
}

/// The fields of one request under the rules of a profile, and what was found wrong so far.
struct Check<'a> {
    fields: &'a RecordFields,
    profile: &'a Profile,
    /// Those of the shape of the request to begin with.
    errors: Vec<FieldError>,
    /// Whether a service stated the fields, and may have types that it does not let us write.
    is_reply: bool,
}

impl<'a> Check<'a> {
    fn new(fields: &'a RecordFields, profile: &'a Profile) -> Self {
        Self { fields, profile, errors: Vec::new(), is_reply: false }
    }

    /// Looks at every field; there is a record only if nothing was found wrong.
    fn record(&mut self, origin: &DnsName) -> Option<DnsRecord> {
        let row = self.row();
        let name = self.name(origin);
        let ttl = self.ttl();
        let [priority, weight, port, flags, monitor_type] =
            [Field::Priority, Field::Weight, Field::Port, Field::Flags, Field::MonitorType]
                .map(|field| self.number(row, field));
        self.tag(row);
        self.comment();
        self.value(row);

        let row = row?;
        let value = self.fields.value.as_deref().filter(|value| value.len() <= VALUE_LIMIT)?;
        let parts = Parts {
            priority,
            weight,
            port,
            flags,
            tag: self.fields.tag.clone(),
            value: value.to_owned(),
        };
        let data = match parts.data(row) {
            Ok(data) => data,
            Err(errors) => {
                for error in errors {
                    // A field that is known to be wrong is wrong for one reason.
                    if !self.is_wrong(&error) {
                        self.errors.push(error);
                    }
                }
                return None;
            }
        };
        if !self.errors.is_empty() {
            return None;
        }
        let mut record = DnsRecord::new(name?, ttl?, data);
        // The weight of SRV is in its data.
        if let Some(weight) = weight
            && !value::has_weight(row.record_type())
        {
            record = record.with_weight(u16::try_from(weight).ok()?);
        }
        if let Some(monitor) = monitor_type.and_then(Monitor::from_number) {
            record = record.with_monitor(monitor);
        }
        if let Some(comment) = self.fields.comment.as_deref() {
            record = record.with_comment(comment);
        }
        Some(record)
    }

    fn push(&mut self, field: Field, code: FieldCode, message: impl Into<String>) {
        self.errors.push(FieldError::new(field, code, message));
    }

    /// Returns whether there is a problem at the same place.
    fn is_wrong(&self, error: &FieldError) -> bool {
        self.errors.iter().any(|other| other.pointer() == error.pointer())
    }

    /// Says that a field is needed, unless it was there with another problem.
    fn require(&mut self, field: Field) {
        let error = FieldError::new(field, FieldCode::Required, format!("{field} is required"));
        if !self.is_wrong(&error) {
            self.errors.push(error);
        }
    }

    fn row(&mut self) -> Option<Row> {
        let profile = self.profile;
        let stated = match &self.fields.record_type {
            None => {
                self.require(Field::Type);
                return None;
            }
            Some(TypeField::Number(number)) => profile
                .numbered(*number)
                .ok_or_else(|| (FieldCode::UnknownType, number.to_string())),
            Some(TypeField::Name(name)) => match name.parse::<RecordType>() {
                Ok(record_type) => profile
                    .row(record_type)
                    .ok_or_else(|| (FieldCode::UnsupportedType, record_type.to_string())),
                Err(_) => Err((FieldCode::UnknownType, format!("`{}`", Excerpt(name)))),
            },
        };
        let stated = stated.and_then(|row| {
            if row.is_read_only() && !self.is_reply {
                return Err((FieldCode::UnsupportedType, row.record_type().to_string()));
            }
            Ok(row)
        });
        stated
            .map_err(|(code, what)| {
                let known = if code == FieldCode::UnknownType {
                    "is not a record type that is known here"
                } else {
                    "records cannot be written here"
                };
                let types: Vec<_> = profile
                    .rows()
                    .iter()
                    .filter(|row| !row.is_read_only())
                    .map(|row| row.record_type().to_string())
                    .collect();
                self.push(
                    Field::Type,
                    code,
                    format!("{what} {known}; the types are {}", types.join(", ")),
                );
            })
            .ok()
    }

    fn name(&mut self, origin: &DnsName) -> Option<DnsName> {
        let Some(name) = self.fields.name.as_deref() else {
            self.require(Field::Name);
            return None;
        };
        let read = match name {
            "" => Ok(origin.clone()),
            name => DnsName::parse_in(name, origin),
        };
        match read {
            Ok(name) if name.is_within(origin) => return Some(name),
            Ok(name) => self.push(
                Field::Name,
                FieldCode::OutsideZone,
                format!("{name} is not in the zone {origin}; a name without a final dot is relative to it"),
            ),
            Err(error) => self.push(Field::Name, FieldCode::Malformed, error.to_string()),
        }
        None
    }

    fn ttl(&mut self) -> Option<Ttl> {
        let Some(ttl) = self.fields.ttl else { return Some(self.profile.default_ttl()) };
        let range = self.profile.ttl();
        let secs = u32::try_from(ttl).ok().filter(|secs| range.contains(secs));
        let read = secs.and_then(|secs| Ttl::from_secs(secs).ok());
        if read.is_none() {
            let (min, max) = range.into_inner();
            self.push(
                Field::Ttl,
                FieldCode::OutOfRange,
                format!("ttl is a number of seconds from {min} to {max}"),
            );
        }
        read
    }

    /// Returns a number if the field is there and right.
    fn number(&mut self, row: Option<Row>, field: Field) -> Option<i64> {
        let fields = self.fields;
        let number = match field {
            Field::Priority => fields.priority,
            Field::Weight => fields.weight,
            Field::Port => fields.port,
            Field::Flags => fields.flags,
            _ => fields.monitor_type,
        };
        let rule = self.allowed(row, field, number.is_some())?;
        let Some(number) = number else {
            if rule.is_required() {
                self.require(field);
            }
            return None;
        };
        let range = rule.range().unwrap_or(0..=u16::MAX);
        let (min, max) = (i64::from(*range.start()), i64::from(*range.end()));
        if (min..=max).contains(&number) {
            return Some(number);
        }
        let message = if field == Field::MonitorType {
            let known = Monitor::ALL.map(|one| format!("{} ({one})", one.number()));
            format!("{field} is one of {}", known.join(", "))
        } else {
            format!("{field} is a number from {min} to {max}")
        };
        self.push(field, FieldCode::OutOfRange, message);
        None
    }

    /// Returns the rule of a field that is not common, and says if it is there and must not be.
    fn allowed(&mut self, row: Option<Row>, field: Field, is_there: bool) -> Option<FieldRule> {
        // Of a type that is not known only the widest rule cannot be wrong.
        let Some(row) = row else { return Some(FieldRule::number(field, field.limit())) };
        let rule = row.rule(field);
        let pointer = field.pointer();
        let is_there = is_there || self.errors.iter().any(|error| error.pointer() == pointer);
        if rule.is_none() && is_there {
            // That it is there at all is what is wrong with it.
            self.errors.retain(|error| error.pointer() != pointer);
            let message = format!("{} records have no {field}", row.record_type());
            self.push(field, FieldCode::NotAllowed, message);
        }
        rule
    }

    fn tag(&mut self, row: Option<Row>) {
        let is_there = self.fields.tag.is_some();
        let rule = self.allowed(row, Field::Tag, is_there);
        if rule.is_some_and(FieldRule::is_required) && !is_there {
            self.require(Field::Tag);
        }
    }

    fn comment(&mut self) {
        let Some(comment) = self.fields.comment.as_deref() else { return };
        let limit = self.profile.comment_limit();
        if comment.chars().nth(limit).is_some() {
            self.push(
                Field::Comment,
                FieldCode::TooLong,
                format!("comment has at most {limit} characters"),
            );
        } else if comment.chars().any(char::is_control) {
            self.push(
                Field::Comment,
                FieldCode::Malformed,
                "comment is one line without control characters",
            );
        }
    }

    /// Checks what does not depend on the type, and whether the value may be empty.
    fn value(&mut self, row: Option<Row>) {
        match self.fields.value.as_deref() {
            None => self.require(Field::Value),
            Some("") if row.is_some_and(|row| !row.allows_empty_value()) => {
                self.push(Field::Value, FieldCode::Required, "value must not be empty");
            }
            Some(value) if value.len() > VALUE_LIMIT => self.push(
                Field::Value,
                FieldCode::TooLong,
                format!("value has at most {VALUE_LIMIT} bytes"),
            ),
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
