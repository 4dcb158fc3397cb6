//! How the data of a type is spread over the fields.

use super::{Field, FieldCode, FieldError, Row};
use crate::record::{Caa, RecordData, RecordDataError, RecordType, Txt, wire::DATA_LIMIT};

/// A tag that is right, to look at the value where the tag is wrong.
const ANY_TAG: &str = "issue";

/// What the presentation text of a type starts with, and what follows.
struct Layout {
    /// Numbers with fields of their own, in the order of the text.
    numbers: &'static [Field],
    rest: Rest,
}

/// What the value is.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Rest {
    /// A name, and perhaps more: the name is written without its final dot.
    Host,
    /// The rest of the presentation text.
    Presentation,
    /// Of a CAA property: after the tag, text.
    Property,
    /// Text itself.
    Text,
}

impl Layout {
    const fn of(record_type: RecordType) -> Self {
        use Field::{Flags, Port, Priority, Weight};
        use RecordType as T;
        let (numbers, rest): (&'static [Field], Rest) = match record_type {
            T::Alias | T::Cname | T::Dname | T::Flatten | T::Ns | T::Ptr => (&[], Rest::Host),
            T::Https | T::Mx | T::Svcb => (&[Priority], Rest::Host),
            T::Srv => (&[Priority, Weight, Port], Rest::Host),
            T::Caa => (&[Flags], Rest::Property),
            T::Txt => (&[], Rest::Text),
            T::A
            | T::Aaaa
            | T::Ds
            | T::Loc
            | T::Naptr
            | T::PullZone
            | T::Redirect
            | T::Script
            | T::Soa
            | T::Sshfp
            | T::Tlsa
            | T::Unknown(_) => (&[], Rest::Presentation),
        };
        Self { numbers, rest }
    }
}

/// Returns whether the weight is part of the data of the type.
pub(super) fn has_weight(record_type: RecordType) -> bool {
    Layout::of(record_type).numbers.contains(&Field::Weight)
}

/// The fields that the data of a record is spread over. Numbers that are absent are 0.
pub(super) struct Parts {
    pub(super) priority: Option<i64>,
    pub(super) weight: Option<i64>,
    pub(super) port: Option<i64>,
    pub(super) flags: Option<i64>,
    pub(super) tag: Option<String>,
    pub(super) value: String,
}

impl Parts {
    /// Takes data apart.
    pub(super) fn of(data: &RecordData) -> Self {
        let mut parts = Self {
            priority: None,
            weight: None,
            port: None,
            flags: None,
            tag: None,
            value: String::new(),
        };
        let text = data.to_string();
        let mut rest = text.as_str();
        let Layout { numbers, rest: kind } = Layout::of(data.record_type());
        for field in numbers {
            let (number, after) = rest.split_once(' ').unwrap_or((rest, ""));
            rest = after;
            if let Some(slot) = parts.number(*field) {
                *slot = number.parse().ok();
            }
        }
        parts.value = match (kind, data) {
            (Rest::Host, _) => {
                let (host, more) = rest.split_once(' ').unwrap_or((rest, ""));
                let host = if host == "." { host } else { host.strip_suffix('.').unwrap_or(host) };
                if more.is_empty() { host.to_owned() } else { format!("{host} {}", unquoted(more)) }
            }
            (_, RecordData::Txt(txt)) => plain(&txt.to_bytes()).unwrap_or_else(|| rest.to_owned()),
            (_, RecordData::Caa(caa)) => {
                let (tag, quoted) = rest.split_once(' ').unwrap_or((rest, ""));
                parts.tag = Some(tag.to_owned());
                plain(caa.value()).unwrap_or_else(|| quoted.to_owned())
            }
            _ => rest.to_owned(),
        };
        parts
    }

    /// Puts data together, or says what is wrong with the tag and the value.
    pub(super) fn data(mut self, row: Row) -> Result<RecordData, Vec<FieldError>> {
        let record_type = row.record_type();
        let Layout { numbers, rest } = Layout::of(record_type);
        let mut text = String::new();
        for field in numbers {
            let number = self.number(*field).and_then(|slot| *slot).unwrap_or_default();
            text.push_str(&format!("{number} "));
        }
        let value = self.value.as_str();
        let data = match rest {
            Rest::Property => return self.property(),
            Rest::Text if !value.starts_with('"') => {
                return text_data(value);
            }
            Rest::Host | Rest::Presentation | Rest::Text => {
                text.push_str(value);
                RecordData::parse(record_type, &text)
            }
        };
        data.map_err(|error| {
            let has_words = value.split_whitespace().nth(1).is_some();
            if has_words && matches!(record_type, RecordType::Mx | RecordType::Srv) {
                return vec![with_numbers(record_type, numbers)];
            }
            vec![refusal(Field::Value, &error)]
        })
    }

    fn property(&self) -> Result<RecordData, Vec<FieldError>> {
        let flags = u8::try_from(self.flags.unwrap_or_default()).unwrap_or_default();
        let read = |tag: &str| {
            if self.value.starts_with('"') {
                let text = format!("{flags} {tag} {}", self.value);
                return RecordData::parse(RecordType::Caa, &text)
                    .map_err(|error| vec![refusal(Field::Value, &error)]);
            }
            Caa::new(flags, tag, raw(&self.value)?)
                .map(RecordData::Caa)
                .map_err(|error| vec![refusal(Field::Value, &error)])
        };
        let wrong_tag = match self.tag.as_deref() {
            None => FieldError::new(Field::Tag, FieldCode::Required, "tag is required"),
            Some(tag) => match Caa::new(flags, tag, "") {
                Ok(_) => return read(tag),
                Err(error) => refusal(Field::Tag, &error),
            },
        };
        let mut errors = vec![wrong_tag];
        errors.extend(read(ANY_TAG).err().into_iter().flatten());
        Err(errors)
    }

    fn number(&mut self, field: Field) -> Option<&mut Option<i64>> {
        match field {
            Field::Priority => Some(&mut self.priority),
            Field::Weight => Some(&mut self.weight),
            Field::Port => Some(&mut self.port),
            Field::Flags => Some(&mut self.flags),
            _ => None,
        }
    }
}

/// Returns parameters without the quotes that say nothing, as `alpn=h2,h3`.
fn unquoted(parameters: &str) -> String {
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b';' | b'(' | b')' | b'\\');
    let mut text = String::with_capacity(parameters.len());
    let mut rest = parameters;
    while let Some((before, after)) = rest.split_once('"') {
        let end = end_of_quotes(after);
        let (inside, tail) = after.split_at_checked(end).unwrap_or((after, ""));
        text.push_str(before);
        if !inside.is_empty() && inside.bytes().all(plain) {
            text.push_str(inside);
        } else {
            text.push('"');
            text.push_str(inside);
            text.push('"');
        }
        rest = tail.strip_prefix('"').unwrap_or(tail);
    }
    text.push_str(rest);
    text
}

/// Returns where the quotes close that `text` starts within.
fn end_of_quotes(text: &str) -> usize {
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return at,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
    text.len()
}

/// Returns octets as they are, if they read back so.
fn plain(octets: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(octets).ok()?;
    // An empty value is taken for none in some profiles.
    let reads_back =
        !text.is_empty() && !text.starts_with('"') && !text.chars().any(char::is_control);
    reads_back.then(|| text.to_owned())
}

/// Returns text that stands for itself.
fn raw(value: &str) -> Result<&str, Vec<FieldError>> {
    if value.chars().any(char::is_control) {
        return Err(vec![FieldError::new(
            Field::Value,
            FieldCode::Malformed,
            r#"value has a control character; text with one is written in quotes, as in "a\009b""#,
        )]);
    }
    Ok(value)
}

/// Returns a text record of text that stands for itself.
fn text_data(value: &str) -> Result<RecordData, Vec<FieldError>> {
    let text = Txt::from_text(raw(value)?);
    if text.wire_len() > DATA_LIMIT {
        let message = format!("value is longer than the {DATA_LIMIT} octets of a record");
        return Err(vec![FieldError::new(Field::Value, FieldCode::TooLong, message)]);
    }
    Ok(RecordData::Txt(text))
}

/// Refuses a value that is the whole presentation text, as `10 mail.example.com`.
fn with_numbers(record_type: RecordType, numbers: &[Field]) -> FieldError {
    let numbers: Vec<_> = numbers.iter().map(|field| field.as_str()).collect();
    let message = format!(
        "{record_type} value is the name of a host alone; {} goes into a field of its own",
        numbers.join(", ")
    );
    FieldError::new(Field::Value, FieldCode::Malformed, message)
}

fn refusal(field: Field, error: &RecordDataError) -> FieldError {
    let code = if error.is_missing() {
        FieldCode::Required
    } else if error.is_too_long() {
        FieldCode::TooLong
    } else {
        FieldCode::Malformed
    };
    FieldError::new(field, code, error.to_string())
}

#[cfg(test)]
mod tests;
