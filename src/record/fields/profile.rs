//! Which type of record takes which fields: data.

use std::{fmt, ops::RangeInclusive};

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap as _, SerializeStruct as _},
};

use crate::record::{RecordType, Ttl};

/// A field of the flat form.
///
/// The order is that in which a form asks for them, and in which problems are listed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Field {
    /// The type: a mnemonic in any case, or a published number.
    Type,
    /// The owner, relative to the zone; `@` is the zone itself.
    Name,
    /// The data, but for what has a field of its own.
    Value,
    /// Seconds that the record may be cached.
    Ttl,
    /// Preference of an MX (RFC 5321 section 5.1), priority of SRV, SVCB and HTTPS.
    Priority,
    /// Share of the answers among records of one priority.
    Weight,
    /// Port of the service of an SRV record, RFC 2782.
    Port,
    /// Flags of a CAA property; 128 is "critical", RFC 8659 section 4.1.
    Flags,
    /// Tag of a CAA property, as `issue`.
    Tag,
    /// A remark for people.
    Comment,
    /// How the host behind the record is checked: see [`Monitor`](crate::record::Monitor).
    MonitorType,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 11] = [
        Self::Type,
        Self::Name,
        Self::Value,
        Self::Ttl,
        Self::Priority,
        Self::Weight,
        Self::Port,
        Self::Flags,
        Self::Tag,
        Self::Comment,
        Self::MonitorType,
    ];

    /// Returns the name of the field in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Name => "name",
            Self::Value => "value",
            Self::Ttl => "ttl",
            Self::Priority => "priority",
            Self::Weight => "weight",
            Self::Port => "port",
            Self::Flags => "flags",
            Self::Tag => "tag",
            Self::Comment => "comment",
            Self::MonitorType => "monitor_type",
        }
    }

    /// Returns the name of the field in JSON that is written in camel case; both are read.
    pub const fn camel_case(self) -> &'static str {
        match self {
            Self::MonitorType => "monitorType",
            field => field.as_str(),
        }
    }

    /// Returns what the field is, as one sentence for documents and forms.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Type => "The record type: a mnemonic in any case, or a number of the profile.",
            Self::Name => "The owner, relative to the zone; `@` or empty is the zone itself.",
            Self::Value => "The data, but for what has a field of its own.",
            Self::Ttl => "Seconds that the record may be cached.",
            Self::Priority => "Which record is tried first: the one with the lowest number.",
            Self::Weight => "The share of the answers among records of one name and priority.",
            Self::Port => "The port of the service.",
            Self::Flags => "The flags of the property; 128 is critical.",
            Self::Tag => "The tag of the property, as `issue`: 1 to 255 letters and digits.",
            Self::Comment => "A remark for people: one line without control characters.",
            Self::MonitorType => "How the host is checked: 0 none, 1 ping, 2 http, 3 monitor.",
        }
    }

    /// Returns the largest number that the field can hold.
    pub(super) const fn limit(self) -> u16 {
        match self {
            Self::Flags => 255,
            Self::MonitorType => 3,
            _ => u16::MAX,
        }
    }

    /// Returns the JSON pointer to the field.
    pub(super) const fn pointer(self) -> &'static str {
        match self {
            Self::Type => "/type",
            Self::Name => "/name",
            Self::Value => "/value",
            Self::Ttl => "/ttl",
            Self::Priority => "/priority",
            Self::Weight => "/weight",
            Self::Port => "/port",
            Self::Flags => "/flags",
            Self::Tag => "/tag",
            Self::Comment => "/comment",
            Self::MonitorType => "/monitor_type",
        }
    }

    /// Returns the field of this name, in either spelling.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| name == field.as_str() || name == field.camel_case())
    }

    /// Returns whether records of every type have the field.
    pub const fn is_common(self) -> bool {
        matches!(self, Self::Type | Self::Name | Self::Value | Self::Ttl | Self::Comment)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A field that some types of record have, with its range.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FieldRule {
    field: Field,
    /// `None` for text.
    max: Option<u16>,
    required: bool,
}

impl FieldRule {
    /// Allows a number from 0 to `max`, and no more than the field can hold; absent it is 0.
    pub const fn number(field: Field, max: u16) -> Self {
        Self { field, max: Some(max), required: false }
    }

    /// Allows a text.
    pub const fn text(field: Field) -> Self {
        Self { field, max: None, required: false }
    }

    /// Asks for the field: it may not be absent.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Returns the field.
    pub const fn field(self) -> Field {
        self.field
    }

    /// Returns the numbers that are allowed, or `None` if the field is text.
    pub fn range(self) -> Option<RangeInclusive<u16>> {
        let widest = self.field.limit();
        self.max.map(|max| 0..=max.min(widest))
    }

    /// Returns whether the field may not be absent.
    pub const fn is_required(self) -> bool {
        self.required
    }
}

/// What a [`Profile`] says of one type of record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Row {
    record_type: RecordType,
    number: Option<u16>,
    rules: &'static [FieldRule],
    empty_value: bool,
    read_only: bool,
}

impl Row {
    /// Creates a row: the type takes the common fields and those of `rules`.
    pub const fn new(record_type: RecordType, rules: &'static [FieldRule]) -> Self {
        Self { record_type, number: None, rules, empty_value: false, read_only: false }
    }

    /// Sets the number that the type has in requests and replies; it is not the one of IANA.
    #[must_use]
    pub const fn with_number(mut self, number: u16) -> Self {
        self.number = Some(number);
        self
    }

    /// Allows a value that is empty.
    #[must_use]
    pub const fn with_empty_value(mut self) -> Self {
        self.empty_value = true;
        self
    }

    /// Makes the type one that is read in replies and cannot be written.
    #[must_use]
    pub const fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Returns the type.
    pub const fn record_type(&self) -> RecordType {
        self.record_type
    }

    /// Returns the number that the type has in requests and replies.
    pub const fn number(&self) -> Option<u16> {
        self.number
    }

    /// Returns the fields beside the common ones.
    pub const fn rules(&self) -> &'static [FieldRule] {
        self.rules
    }

    /// Returns the rule of a field, if it is one beside the common ones and allowed.
    pub fn rule(&self, field: Field) -> Option<FieldRule> {
        self.rules.iter().copied().find(|rule| rule.field == field)
    }

    /// Returns whether a record of the type may have the field.
    pub fn allows(&self, field: Field) -> bool {
        field.is_common() || self.rule(field).is_some()
    }

    /// Returns whether a record of the type must have the field.
    pub fn requires(&self, field: Field) -> bool {
        matches!(field, Field::Type | Field::Name | Field::Value)
            || self.rule(field).is_some_and(FieldRule::is_required)
    }

    /// Returns whether the value may be empty.
    pub const fn allows_empty_value(&self) -> bool {
        self.empty_value
    }

    /// Returns whether the type is read in replies and cannot be written.
    pub const fn is_read_only(&self) -> bool {
        self.read_only
    }
}

/// The fields and ranges that an API or a form has for each type of record.
///
/// A profile is data: it can be read, serialized, and made from constants.
///
/// ```
/// use nameplate::record::{Field, FieldRule, Profile, RecordFields, RecordType, Row};
///
/// // Addresses only, and a weight of at most 10.
/// const ROWS: &[Row] = &[
///     Row::new(RecordType::A, &[FieldRule::number(Field::Weight, 10)]),
///     Row::new(RecordType::Aaaa, &[]),
/// ];
/// const PROFILE: Profile = Profile::new("addresses", ROWS).with_ttl(60, 3600, 300);
///
/// let fields = RecordFields::new("A", "edge", "192.0.2.44").with_weight(11);
/// let errors = fields.validate_with(&PROFILE).unwrap_err();
/// assert_eq!(errors.to_string(), "/weight: weight is a number from 0 to 10");
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Profile {
    name: &'static str,
    rows: &'static [Row],
    ttl: (u32, u32),
    default_ttl: u32,
    comment_limit: usize,
    unknown_types: bool,
}

/// Any number that the field can hold.
const fn any(field: Field) -> FieldRule {
    FieldRule::number(field, field.limit())
}

const WEIGHED: &[FieldRule] = &[any(Field::Weight), any(Field::MonitorType)];
const PREFERRED: &[FieldRule] = &[any(Field::Priority)];
const SERVICE: &[FieldRule] = &[any(Field::Priority), any(Field::Weight), any(Field::Port)];
const PROPERTY: &[FieldRule] = &[any(Field::Flags), FieldRule::text(Field::Tag).required()];

/// The rows of the published API.
const PUBLISHED: &[Row] = &[
    Row::new(RecordType::A, WEIGHED).with_number(0),
    Row::new(RecordType::Aaaa, WEIGHED).with_number(1),
    Row::new(RecordType::Cname, WEIGHED).with_number(2),
    Row::new(RecordType::Txt, &[]).with_number(3),
    Row::new(RecordType::Mx, PREFERRED).with_number(4),
    Row::new(RecordType::Redirect, &[]).with_number(5),
    Row::new(RecordType::Flatten, &[]).with_number(6),
    Row::new(RecordType::PullZone, &[]).with_number(7),
    Row::new(RecordType::Srv, SERVICE).with_number(8),
    Row::new(RecordType::Caa, PROPERTY).with_number(9),
    Row::new(RecordType::Ptr, &[]).with_number(10),
    Row::new(RecordType::Script, &[]).with_number(11),
    Row::new(RecordType::Ns, &[]).with_number(12),
    Row::new(RecordType::Svcb, PREFERRED).with_number(13),
    Row::new(RecordType::Https, PREFERRED).with_number(14),
];

/// Weights of bunny.net's addresses are shares of a hundred.
const BUNNY_ADDRESS: &[FieldRule] =
    &[FieldRule::number(Field::Weight, 100), any(Field::MonitorType)];

const BUNNY: &[Row] = &[
    Row::new(RecordType::A, BUNNY_ADDRESS).with_number(0),
    Row::new(RecordType::Aaaa, BUNNY_ADDRESS).with_number(1),
    Row::new(RecordType::Cname, &[any(Field::MonitorType)]).with_number(2),
    Row::new(RecordType::Txt, &[]).with_number(3),
    Row::new(RecordType::Mx, PREFERRED).with_number(4),
    Row::new(RecordType::Redirect, &[]).with_number(5),
    Row::new(RecordType::Flatten, &[]).with_number(6).read_only(),
    Row::new(RecordType::PullZone, &[]).with_number(7),
    Row::new(RecordType::Srv, SERVICE).with_number(8),
    Row::new(RecordType::Caa, PROPERTY).with_number(9),
    Row::new(RecordType::Ptr, &[]).with_number(10),
    Row::new(RecordType::Script, &[]).with_number(11),
    Row::new(RecordType::Ns, &[]).with_number(12),
    Row::new(RecordType::Svcb, PREFERRED).with_number(13),
    Row::new(RecordType::Https, PREFERRED).with_number(14),
    Row::new(RecordType::Tlsa, &[]).with_number(15),
    Row::new(RecordType::Soa, &[]).with_number(16).read_only(),
];

const FULL: &[Row] = &[
    Row::new(RecordType::A, WEIGHED).with_number(0),
    Row::new(RecordType::Aaaa, WEIGHED).with_number(1),
    Row::new(RecordType::Cname, WEIGHED).with_number(2),
    Row::new(RecordType::Txt, &[]).with_number(3).with_empty_value(),
    Row::new(RecordType::Mx, PREFERRED).with_number(4),
    Row::new(RecordType::Redirect, &[]).with_number(5),
    Row::new(RecordType::Flatten, &[]).with_number(6),
    Row::new(RecordType::PullZone, &[]).with_number(7),
    Row::new(RecordType::Srv, SERVICE).with_number(8),
    Row::new(RecordType::Caa, PROPERTY).with_number(9).with_empty_value(),
    Row::new(RecordType::Ptr, &[]).with_number(10),
    Row::new(RecordType::Script, &[]).with_number(11),
    Row::new(RecordType::Ns, &[]).with_number(12),
    Row::new(RecordType::Svcb, PREFERRED).with_number(13),
    Row::new(RecordType::Https, PREFERRED).with_number(14),
    Row::new(RecordType::Tlsa, &[]).with_number(15),
    Row::new(RecordType::Soa, &[]).with_number(16),
    Row::new(RecordType::Loc, &[]),
    Row::new(RecordType::Naptr, &[]),
    Row::new(RecordType::Dname, &[]),
    Row::new(RecordType::Ds, &[]),
    Row::new(RecordType::Sshfp, &[]),
    Row::new(RecordType::Alias, &[]),
];

impl Profile {
    /// The published API that nameplate's record commands reproduce, and the default.
    ///
    /// Its document (`POST .../domains/{domainId}/dns-records`) has the types with the numbers 0 to
    /// 14, TTLs from 15 to 86400, and refuses a field that the type does not have.
    pub const PUBLISHED: Self = Self::new("published", PUBLISHED);

    /// bunny.net DNS, whose rules are stricter: weights up to 100, no weight of a CNAME, no empty text.
    ///
    /// From its OpenAPI document, and the default TTL from its Terraform provider, July 2026. TLSA has the
    /// number 15. SOA, which only its scans report, and Flatten, which is discontinued, are read and not
    /// written. The range of TTLs is that of [`Profile::PUBLISHED`], as its document states none.
    pub const BUNNY: Self = Self::new("bunny", BUNNY).with_ttl(15, 86_400, 300);

    /// Every type that nameplate knows, any other one as RFC 3597 has it, and any TTL.
    ///
    /// Where a type has no fields of its own, the value is its presentation text.
    pub const FULL: Self =
        Self { unknown_types: true, ..Self::new("full", FULL).with_ttl(0, i32::MAX as u32, 3600) };

    /// The profiles that come with the crate.
    pub const ALL: [Self; 3] = [Self::PUBLISHED, Self::BUNNY, Self::FULL];

    /// Creates a profile with TTLs from 15 to 86400, by default 3600, and comments of 500 characters.
    pub const fn new(name: &'static str, rows: &'static [Row]) -> Self {
        Self {
            name,
            rows,
            ttl: (15, 86_400),
            default_ttl: 3600,
            comment_limit: 500,
            unknown_types: false,
        }
    }

    /// Sets the range of TTLs, in seconds, and the TTL of a record that states none.
    #[must_use]
    pub const fn with_ttl(mut self, min: u32, max: u32, default: u32) -> Self {
        self.ttl = (min, max);
        self.default_ttl = default;
        self
    }

    /// Sets how many characters a comment may have.
    #[must_use]
    pub const fn with_comment_limit(mut self, characters: usize) -> Self {
        self.comment_limit = characters;
        self
    }

    /// Returns the name of the profile, for messages and documents.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns what is said of each type.
    pub const fn rows(&self) -> &'static [Row] {
        self.rows
    }

    /// Returns what is said of a type.
    ///
    /// A type without a mnemonic has the common fields, if the profile takes such types.
    pub fn row(&self, record_type: RecordType) -> Option<Row> {
        let row = self.rows.iter().copied().find(|row| row.record_type == record_type);
        let unknown = self.unknown_types && matches!(record_type, RecordType::Unknown(_));
        row.or_else(|| unknown.then(|| Row::new(record_type, &[])))
    }

    /// Returns what is said of the type with a number, which is not the one of IANA.
    pub fn numbered(&self, number: i64) -> Option<Row> {
        self.rows.iter().copied().find(|row| row.number.map(i64::from) == Some(number))
    }

    /// Returns the TTLs that are allowed, in seconds.
    pub const fn ttl(&self) -> RangeInclusive<u32> {
        self.ttl.0..=self.ttl.1
    }

    /// Returns the TTL of a record that states none.
    pub fn default_ttl(&self) -> Ttl {
        Ttl::from_secs(self.default_ttl).unwrap_or(Ttl::MAX)
    }

    /// Returns how many characters a comment may have.
    pub const fn comment_limit(&self) -> usize {
        self.comment_limit
    }

    /// Returns whether types without a mnemonic are taken, as RFC 3597 has them.
    pub const fn allows_unknown_types(&self) -> bool {
        self.unknown_types
    }
}

impl Default for Profile {
    /// Returns [`Profile::PUBLISHED`].
    fn default() -> Self {
        Self::PUBLISHED
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// `{"min": 0, "max": 65535}`.
#[derive(Serialize)]
struct Range {
    min: u32,
    max: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<u32>,
}

impl Serialize for FieldRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(range) = self.range() {
            map.serialize_entry("min", range.start())?;
            map.serialize_entry("max", range.end())?;
        }
        map.serialize_entry("required", &self.required)?;
        map.end()
    }
}

/// The rules of a row by the names of their fields.
struct Rules(&'static [FieldRule]);

impl Serialize for Rules {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|rule| (rule.field, rule)))
    }
}

impl Serialize for Row {
    /// Writes `{"type": "MX", "number": 4, "fields": {"priority": {"min": 0, ..}}, ..}`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_struct("Row", 5)?;
        row.serialize_field("type", &self.record_type)?;
        row.serialize_field("number", &self.number)?;
        row.serialize_field("fields", &Rules(self.rules))?;
        row.serialize_field("empty_value", &self.empty_value)?;
        row.serialize_field("read_only", &self.read_only)?;
        row.end()
    }
}

impl Serialize for Profile {
    /// Writes the whole matrix, from which a form can be built.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (min, max) = self.ttl;
        let mut profile = serializer.serialize_struct("Profile", 5)?;
        profile.serialize_field("name", self.name)?;
        profile.serialize_field("ttl", &Range { min, max, default: Some(self.default_ttl) })?;
        profile.serialize_field("comment_limit", &self.comment_limit)?;
        profile.serialize_field("unknown_types", &self.unknown_types)?;
        profile.serialize_field("types", &self.rows)?;
        profile.end()
    }
}

#[cfg(test)]
mod tests;
