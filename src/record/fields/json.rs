//! Fields as JSON: what the shape of a request can have wrong, and both spellings on the way out.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, Visitor},
    ser::SerializeMap as _,
};
use serde_json::Value;

use super::{
    Check, Field, FieldCode, FieldError, FieldErrors, Profile, RecordFields, TypeField,
    error::{ERROR_LIMIT, Excerpt},
    finish,
};
use crate::{name::DnsName, record::DnsRecord};

/// Longest request that is read, in bytes.
const JSON_LIMIT: usize = 1 << 20;

/// Fields with what the shape of the request has wrong.
struct Shape {
    fields: RecordFields,
    errors: Vec<FieldError>,
    /// Whether the request spells a field in camel case.
    camel_case: bool,
}

impl Shape {
    /// Reads JSON text.
    fn read(json: &str) -> Self {
        if json.len() > JSON_LIMIT {
            let message = format!("a record has at most {JSON_LIMIT} bytes of JSON");
            return Self::refused(FieldCode::TooLong, message);
        }
        match serde_json::from_str::<Members>(json) {
            Ok(Members(members)) => {
                Self::of(members.iter().map(|(name, value)| (name.as_str(), value)))
            }
            Err(error) if error.is_data() => Self::no_object(),
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                let message = format!("not JSON at line {line}, column {column}");
                Self::refused(FieldCode::Malformed, message)
            }
        }
    }

    fn value(json: &Value) -> Self {
        let members = json.as_object().map(|map| map.iter().map(|(name, value)| (&**name, value)));
        members.map_or_else(Self::no_object, Self::of)
    }

    fn no_object() -> Self {
        Self::refused(FieldCode::WrongType, "a record is a JSON object")
    }

    fn refused(code: FieldCode, message: impl Into<String>) -> Self {
        let errors = vec![FieldError::whole(code, message)];
        Self { fields: RecordFields::default(), errors, camel_case: false }
    }

    fn of<'a>(members: impl Iterator<Item = (&'a str, &'a Value)>) -> Self {
        let mut shape =
            Self { fields: RecordFields::default(), errors: Vec::new(), camel_case: false };
        let mut seen: Vec<Field> = Vec::new();
        for (name, value) in members {
            let Some(field) = Field::named(name) else {
                if shape.errors.len() < ERROR_LIMIT {
                    let message = format!("no record has a field `{}`", Excerpt(name));
                    shape.errors.push(FieldError::member(name, FieldCode::UnknownField, message));
                }
                continue;
            };
            if seen.contains(&field) {
                shape.push(field, FieldCode::Duplicate, format!("{field} is there more than once"));
                continue;
            }
            seen.push(field);
            shape.camel_case |= name != field.as_str();
            if !value.is_null() {
                shape.take(field, value);
            }
        }
        shape
    }

    fn push(&mut self, field: Field, code: FieldCode, message: String) {
        let error = FieldError::new(field, code, message);
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    fn take(&mut self, field: Field, value: &Value) {
        if field == Field::Type {
            self.fields.record_type = match value {
                Value::String(name) => Some(TypeField::Name(name.clone())),
                Value::Number(_) => self.number(field, value).map(TypeField::Number),
                _ => {
                    let message = "type is a mnemonic, as \"A\", or a number".to_owned();
                    self.push(field, FieldCode::WrongType, message);
                    None
                }
            };
            return;
        }
        let fields = &mut self.fields;
        let text = match field {
            Field::Name => &mut fields.name,
            Field::Value => &mut fields.value,
            Field::Tag => &mut fields.tag,
            Field::Comment => &mut fields.comment,
            _ => {
                let number = self.number(field, value);
                let fields = &mut self.fields;
                let slot = match field {
                    Field::Ttl => &mut fields.ttl,
                    Field::Priority => &mut fields.priority,
                    Field::Weight => &mut fields.weight,
                    Field::Port => &mut fields.port,
                    Field::Flags => &mut fields.flags,
                    _ => &mut fields.monitor_type,
                };
                *slot = number;
                return;
            }
        };
        match value {
            Value::String(value) => *text = Some(value.clone()),
            _ => self.push(field, FieldCode::WrongType, format!("{field} is a text")),
        }
    }

    fn number(&mut self, field: Field, value: &Value) -> Option<i64> {
        let number = value.as_i64();
        if number.is_none() {
            // What is too large for 64 bits is a number all the same; 1.5, 1.0 and "1" are not.
            let is_large = |number: f64| number.abs() >= 9_223_372_036_854_775_808.0;
            let (code, message) = match value.as_f64().filter(|number| is_large(*number)) {
                Some(_) if field == Field::Type => {
                    (FieldCode::UnknownType, "no record type has a number this large".to_owned())
                }
                Some(_) => (FieldCode::OutOfRange, format!("{field} is out of range")),
                None => (FieldCode::WrongType, format!("{field} is a whole number")),
            };
            self.push(field, code, message);
        }
        number
    }

    /// Returns the fields if their shape is right.
    fn fields(self) -> Result<RecordFields, FieldErrors> {
        FieldErrors::check(spelled(self.errors, self.camel_case))?;
        Ok(self.fields)
    }

    /// Returns the record if shape and fields are right, and all that is wrong otherwise.
    fn record(self, origin: &DnsName, profile: &Profile) -> Result<DnsRecord, FieldErrors> {
        let Self { fields, errors, camel_case } = self;
        // Of a request that is no object there is nothing else to say.
        if errors.iter().any(|error| error.pointer().is_empty()) {
            return finish(None, errors);
        }
        let mut check = Check { errors, ..Check::new(&fields, profile) };
        let record = check.record(origin);
        finish(record, spelled(check.errors, camel_case))
    }
}

/// Returns the problems with the fields spelled as in the request.
fn spelled(errors: Vec<FieldError>, camel_case: bool) -> Vec<FieldError> {
    if !camel_case {
        return errors;
    }
    errors.into_iter().map(FieldError::in_camel_case).collect()
}

/// The members of an object in their order, also those that are there twice.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with the fields of a record")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

impl RecordFields {
    /// Reads fields from JSON text, in snake case or camel case.
    ///
    /// # Errors
    ///
    /// [`FieldErrors`] with all that is wrong with the shape: text that is not JSON or longer than
    /// 1 MiB, values of a wrong type, fields that are not known or there twice. Whether the fields
    /// make a record is what [`validate`](Self::validate) tells; [`read`](Self::read) does both.
    pub fn from_json(json: &str) -> Result<Self, FieldErrors> {
        Shape::read(json).fields()
    }

    /// Reads fields from a JSON value: see [`from_json`](Self::from_json).
    ///
    /// # Errors
    ///
    /// [`FieldErrors`] with all that is wrong with the shape.
    pub fn from_value(json: &Value) -> Result<Self, FieldErrors> {
        Shape::value(json).fields()
    }

    /// Reads a request to create a record, by [`Profile::PUBLISHED`], of a zone that is not known.
    ///
    /// # Errors
    ///
    /// [`FieldErrors`] with all that is wrong, with its shape and with its fields.
    pub fn read(json: &str) -> Result<DnsRecord, FieldErrors> {
        Self::read_in(json, &DnsName::root(), &Profile::PUBLISHED)
    }

    /// Reads a request to create a record of the zone `origin` by the rules of a profile.
    ///
    /// # Errors
    ///
    /// [`FieldErrors`] with all that is wrong, with its shape and with its fields.
    pub fn read_in(
        json: &str,
        origin: &DnsName,
        profile: &Profile,
    ) -> Result<DnsRecord, FieldErrors> {
        Shape::read(json).record(origin, profile)
    }

    /// Reads a request that is a JSON value: see [`read_in`](Self::read_in).
    ///
    /// # Errors
    ///
    /// [`FieldErrors`] with all that is wrong, with its shape and with its fields.
    pub fn read_value_in(
        json: &Value,
        origin: &DnsName,
        profile: &Profile,
    ) -> Result<DnsRecord, FieldErrors> {
        Shape::value(json).record(origin, profile)
    }

    /// Returns the fields as the published API writes them: in camel case, the type as a number.
    ///
    /// A type without a number in the profile stays a mnemonic.
    ///
    /// ```
    /// use nameplate::record::{Profile, RecordFields};
    ///
    /// let fields = RecordFields::new("cname", "www", "edge.example.net").with_monitor_type(2);
    /// let json = serde_json::to_value(fields.published(&Profile::PUBLISHED))?;
    /// assert_eq!(
    ///     json,
    ///     serde_json::json!({
    ///         "type": 2, "name": "www", "value": "edge.example.net", "monitorType": 2,
    ///     }),
    /// );
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn published(&self, profile: &Profile) -> impl Serialize + use<> {
        let number = match &self.record_type {
            Some(TypeField::Name(name)) => {
                name.parse().ok().and_then(|record_type| profile.row(record_type)?.number())
            }
            _ => None,
        };
        let record_type = number.map(|number| TypeField::Number(number.into()));
        Published(Self {
            record_type: record_type.or_else(|| self.record_type.clone()),
            ..self.clone()
        })
    }

    fn write<S: Serializer>(
        &self,
        serializer: S,
        name: impl Fn(Field) -> &'static str,
    ) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(record_type) = &self.record_type {
            map.serialize_entry(name(Field::Type), record_type)?;
        }
        for field in Field::ALL {
            let text = match field {
                Field::Name => &self.name,
                Field::Value => &self.value,
                Field::Tag => &self.tag,
                Field::Comment => &self.comment,
                _ => &None,
            };
            let number = match field {
                Field::Ttl => self.ttl,
                Field::Priority => self.priority,
                Field::Weight => self.weight,
                Field::Port => self.port,
                Field::Flags => self.flags,
                Field::MonitorType => self.monitor_type,
                _ => None,
            };
            if let Some(text) = text {
                map.serialize_entry(name(field), text)?;
            }
            if let Some(number) = number {
                map.serialize_entry(name(field), &number)?;
            }
        }
        map.end()
    }
}

impl Serialize for TypeField {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Name(name) => serializer.serialize_str(name),
            Self::Number(number) => serializer.serialize_i64(*number),
        }
    }
}

impl Serialize for RecordFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.write(serializer, Field::as_str)
    }
}

impl<'de> Deserialize<'de> for RecordFields {
    /// Reads an object; the error names all that is wrong with its shape.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Members(members) = Members::deserialize(deserializer)?;
        Shape::of(members.iter().map(|(name, value)| (name.as_str(), value)))
            .fields()
            .map_err(D::Error::custom)
    }
}

/// Fields as the published API writes them.
struct Published(RecordFields);

impl Serialize for Published {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(serializer, Field::camel_case)
    }
}
