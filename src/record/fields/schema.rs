//! A profile as a JSON Schema, for API documents and forms.

use serde_json::{Map, Value, json};

use super::{Field, Profile, Row, VALUE_LIMIT};
use crate::record::Monitor;

impl Profile {
    /// Returns a JSON Schema (draft 2020-12) of the requests that the profile takes, in snake case.
    ///
    /// One alternative for each type, in the order of the rows. The schema knows the matrix and the
    /// ranges; that a value is data of its type is more than a schema can say. In OpenAPI 3.1 it is a
    /// schema object as it stands.
    ///
    /// ```
    /// use nameplate::record::Profile;
    ///
    /// let schema = Profile::PUBLISHED.json_schema();
    /// let mx = &schema["oneOf"][4];
    /// assert_eq!(mx["properties"]["type"]["enum"], serde_json::json!(["MX", 4]));
    /// assert_eq!(mx["properties"]["priority"]["maximum"], 65535);
    /// assert!(mx["properties"]["weight"].is_null());
    /// ```
    pub fn json_schema(&self) -> Value {
        let rows: Vec<_> = self
            .rows()
            .iter()
            .filter(|row| !row.is_read_only())
            .map(|row| self.row_schema(row))
            .collect();
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": format!("record ({})", self.name()),
            "oneOf": rows,
        })
    }

    fn row_schema(&self, row: &Row) -> Value {
        let fields = Field::ALL.into_iter().filter(|field| row.allows(*field));
        let properties: Map<_, _> = fields
            .clone()
            .map(|field| {
                let mut schema = self.field_schema(row, field);
                schema["description"] = field.meaning().into();
                (field.as_str().to_owned(), schema)
            })
            .collect();
        let required: Vec<_> = fields.filter(|field| row.requires(*field)).collect();
        json!({
            "title": row.record_type(),
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    }

    fn field_schema(&self, row: &Row, field: Field) -> Value {
        match field {
            Field::Type => {
                let mut names = vec![json!(row.record_type())];
                names.extend(row.number().map(|number| json!(number)));
                json!({ "enum": names })
            }
            Field::Name => json!({ "type": "string", "maxLength": 1024 }),
            Field::Value => {
                let shortest = usize::from(!row.allows_empty_value());
                json!({ "type": "string", "minLength": shortest, "maxLength": VALUE_LIMIT })
            }
            Field::Ttl => {
                let (min, max) = self.ttl().into_inner();
                let default = self.default_ttl().as_secs();
                json!({ "type": "integer", "minimum": min, "maximum": max, "default": default })
            }
            Field::Comment => json!({ "type": "string", "maxLength": self.comment_limit() }),
            Field::Tag => json!({ "type": "string", "pattern": "^[0-9A-Za-z]{1,255}$" }),
            Field::MonitorType => {
                json!({ "type": "integer", "enum": Monitor::ALL.map(Monitor::number) })
            }
            Field::Priority | Field::Weight | Field::Port | Field::Flags => {
                let range = row.rule(field).and_then(|rule| rule.range()).unwrap_or(0..=u16::MAX);
                json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() })
            }
        }
    }
}

#[cfg(test)]
mod tests;
