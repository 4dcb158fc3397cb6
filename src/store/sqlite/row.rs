//! Items as rows, and back.

use rusqlite::{
    Row, ToSql,
    types::{ToSqlOutput, Value, ValueRef},
};
use sha2::{Digest, Sha256};

use super::{failure::Failure, words};
use crate::{
    clock::Timestamp,
    id::{OperationId, TenantId, digits},
    store::{Body, Header, Item, Key, Kind, Revision, UniqueKey},
};

/// The columns of an item, in the order in which [`item`] reads them.
macro_rules! columns {
    () => {
        "kind, id, counter, operation, tenant, name, status, expires, due, carries, body"
    };
}

pub(super) use columns;

/// Returns an instant as it is stored.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.timestamp_micros()
}

/// Returns a stored instant.
pub(super) fn instant(micros: i64) -> Result<Timestamp, Failure> {
    Timestamp::from_timestamp_micros(micros)
        .ok_or_else(|| Failure::Stored(format!("{micros} is not an instant")))
}

/// Returns a count that is stored as a signed number.
pub(super) fn count(number: i64) -> Result<u64, Failure> {
    u64::try_from(number).map_err(|_| Failure::Stored(format!("{number} is not a count")))
}

/// Returns a count as it is stored.
pub(super) fn number(count: u64) -> i64 {
    // No count of ours comes near: one that is asked for may.
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Returns the number of a kind, which never changes.
pub(super) const fn kind_number(kind: Kind) -> i64 {
    match kind {
        Kind::Account => 1,
        Kind::Answer => 2,
        Kind::Certificate => 3,
        Kind::Domain => 4,
        Kind::Feed => 5,
        Kind::Key => 6,
        Kind::Ledger => 7,
        Kind::Order => 8,
        Kind::Pause => 9,
        Kind::Registration => 10,
        Kind::Sealing => 11,
    }
}

fn kind(number: i64) -> Result<Kind, Failure> {
    Kind::ALL
        .into_iter()
        .find(|kind| kind_number(*kind) == number)
        .ok_or_else(|| Failure::Stored(format!("{number} is not a kind that is known here")))
}

/// The id of an item, as it is stored: an id of 16 bytes takes no more than those.
pub(super) enum Id<'a> {
    Packed([u8; 16]),
    Text(&'a str),
}

impl<'a> Id<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        packed(text).map_or(Self::Text(text), Self::Packed)
    }
}

impl ToSql for Id<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Packed(id) => ValueRef::Blob(id),
            Self::Text(id) => ValueRef::Text(id.as_bytes()),
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

const fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Returns the bytes that `text` is the hexadecimal form of, if it is that of 16.
fn packed(text: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    let plain = text.len() == 32 && text.bytes().all(is_digit);
    (plain && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}

/// Returns a stored id.
fn id(value: ValueRef<'_>) -> Result<String, Failure> {
    if let ValueRef::Blob(_) = value {
        return Ok(digits(&bytes(value)?, &mut [0; 32]).to_owned());
    }
    text(value).map(ToOwned::to_owned)
}

/// Returns the two stretches of stored ids after an id, each from its first up to its end: those
/// that are text, which sort before the others, and those of 16 bytes.
pub(super) fn after_id(after: Option<&str>) -> [(Value, Value); 2] {
    let texts = after.map_or_else(String::new, |after| format!("{after}\0"));
    let bytes = match after {
        None => Some([0; 16]),
        Some(after) => next_packed(after),
    };
    let end = vec![0xff; 17];
    [
        (Value::Text(texts), Value::Blob(Vec::new())),
        (Value::Blob(bytes.map_or_else(|| end.clone(), Vec::from)), Value::Blob(end)),
    ]
}

/// Returns the first id of 16 bytes whose text comes after `after`, if there is one.
fn next_packed(after: &str) -> Option<[u8; 16]> {
    let mut digits: Vec<u8> = after.bytes().take(32).take_while(|byte| is_digit(*byte)).collect();
    let (fill, strictly) = match after.as_bytes().get(digits.len()) {
        _ if digits.len() == 32 => (b'0', true),
        None | Some(0..b'0') => (b'0', false),
        Some(b':'..b'a') => {
            digits.push(b'a');
            (b'0', false)
        }
        Some(_) => (b'f', true),
    };
    digits.resize(32, fill);
    let mut bytes = [0; 16];
    hex::decode_to_slice(&digits, &mut bytes).ok()?;
    let number = u128::from_be_bytes(bytes);
    let next = if strictly { number.checked_add(1)? } else { number };
    Some(next.to_be_bytes())
}

/// What separates the unique keys of an item, and what stands for its tenant and its name in them:
/// keys are printable.
const SEPARATOR: char = '\n';
const TENANT: char = '\u{1}';
const NAME: char = '\u{2}';

/// Returns the unique keys of a header as they are stored beside it.
pub(super) fn carries(header: &Header) -> Option<String> {
    let (first, others) = header.unique.split_first()?;
    let length = header.unique.iter().map(|key| key.as_str().len().saturating_add(1)).sum();
    let mut text = String::with_capacity(length);
    text.push_str(first.as_str());
    for key in others {
        text.push(SEPARATOR);
        text.push_str(key.as_str());
    }
    if let Some(tenant) = header.tenant {
        text = text.replace(&tenant.to_string(), TENANT.encode_utf8(&mut [0; 4]));
    }
    // A name that is empty or not printable may stand for anything.
    let name = header.name.as_deref().unwrap_or_default();
    let plain = !name.is_empty() && name.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    Some(if plain { text.replace(name, NAME.encode_utf8(&mut [0; 4])) } else { text })
}

/// Returns what [`carries`] was made of.
pub(super) fn carried(
    carries: Option<&str>,
    tenant: Option<TenantId>,
    name: Option<&str>,
) -> Vec<UniqueKey> {
    let Some(text) = carries else { return Vec::new() };
    let mut room = [0; 32];
    let mut shown = None;
    if let Some(tenant) = tenant {
        shown = Some(digits(tenant.as_bytes(), &mut room));
    }
    let stands_for = |mark| match mark {
        TENANT => shown,
        NAME => name,
        _ => None,
    };
    text.split(SEPARATOR).map(|key| UniqueKey::from_text(filled(key, stands_for))).collect()
}

/// Puts what each character stands for in its place, if it stands for anything.
fn filled<'a>(text: &str, stands_for: impl Fn(char) -> Option<&'a str>) -> String {
    let mut whole = String::with_capacity(text.len().saturating_mul(2));
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| matches!(char::from(byte), TENANT | NAME)) {
        let (before, from) = rest.split_at(at);
        whole.push_str(before);
        let mut left = from.chars();
        if let Some(mark) = left.next() {
            match stands_for(mark) {
                Some(meant) => whole.push_str(meant),
                None => whole.push(mark),
            }
        }
        rest = left.as_str();
    }
    whole.push_str(rest);
    whole
}

/// Returns what a unique key is looked up by.
pub(super) fn digest(key: &UniqueKey) -> [u8; 16] {
    let mut start = [0; 16];
    for (byte, hashed) in start.iter_mut().zip(Sha256::digest(key.as_str())) {
        *byte = hashed;
    }
    start
}

/// Reads an item whose columns begin at `first`.
pub(super) fn item(row: &Row<'_>, first: usize) -> Result<Item, Failure> {
    let column = |index: usize| row.get_ref(first.saturating_add(index));
    let key = Key { kind: kind(integer(column(0)?)?)?, id: id(column(1)?)? };
    let operation = OperationId::from_bytes(bytes(column(3)?)?);
    let revision = Revision::new(count(integer(column(2)?)?)?, operation);
    let tenant = optional(column(4)?, bytes)?.map(TenantId::from_bytes);
    let name = optional(column(5)?, text)?;
    let header = Header {
        tenant,
        name: name.map(ToOwned::to_owned),
        status: optional(column(6)?, text)?.map(ToOwned::to_owned),
        expires: optional(column(7)?, |value| instant(integer(value)?))?,
        due: optional(column(8)?, |value| instant(integer(value)?))?,
        unique: carried(optional(column(9)?, text)?, tenant, name),
    };
    let body = Body::from(words::whole(text(column(10)?)?)?.as_ref());
    Ok(Item::new(key, revision, header, body))
}

/// Reads the id of an item, for one of which the rest cannot be read.
pub(super) fn item_id(row: &Row<'_>) -> Result<String, Failure> {
    id(row.get_ref(1)?)
}

fn optional<'row, T>(
    value: ValueRef<'row>,
    read: impl FnOnce(ValueRef<'row>) -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    if value == ValueRef::Null { Ok(None) } else { read(value).map(Some) }
}

fn integer(value: ValueRef<'_>) -> Result<i64, Failure> {
    value.as_i64().map_err(|error| Failure::Stored(error.to_string()))
}

fn text(value: ValueRef<'_>) -> Result<&str, Failure> {
    value.as_str().map_err(|error| Failure::Stored(error.to_string()))
}

fn bytes(value: ValueRef<'_>) -> Result<[u8; 16], Failure> {
    let bytes = value.as_blob().map_err(|error| Failure::Stored(error.to_string()))?;
    bytes.try_into().map_err(|_| Failure::Stored(format!("an id has {} bytes", bytes.len())))
}

#[cfg(test)]
mod tests;
