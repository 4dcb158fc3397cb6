//! Items as rows, and back.

use rusqlite::{Row, types::ValueRef};

use super::failure::Failure;
use crate::{
    clock::Timestamp,
    id::{OperationId, TenantId},
    store::{Body, Header, Item, Key, Revision, UniqueKey},
};

/// The columns of an item, in the order in which [`item`] reads them.
macro_rules! columns {
    () => {
        "kind, id, counter, operation, tenant, name, status, expires, due, carries, body"
    };
}

pub(super) use columns;

/// What separates the unique keys of an item: they are printable.
const SEPARATOR: char = '\n';

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

/// Returns the unique keys of a header as they are stored beside it.
pub(super) fn carries(unique: &[UniqueKey]) -> Option<String> {
    let (first, others) = unique.split_first()?;
    let mut text = first.as_str().to_owned();
    for key in others {
        text.push(SEPARATOR);
        text.push_str(key.as_str());
    }
    Some(text)
}

/// Returns the unique keys in what [`carries`] made.
pub(super) fn carried(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.into_iter().flat_map(|text| text.split(SEPARATOR))
}

/// Reads an item whose columns begin at `first`.
pub(super) fn item(row: &Row<'_>, first: usize) -> Result<Item, Failure> {
    let column = |index: usize| row.get_ref(first.saturating_add(index));
    let kind = text(column(0)?)?;
    let kind = kind
        .parse()
        .map_err(|_| Failure::Stored(format!("`{kind}` is not a kind that is known here")))?;
    let key = Key::new(kind, text(column(1)?)?);
    let operation = OperationId::from_bytes(bytes(column(3)?)?);
    let revision = Revision::new(count(integer(column(2)?)?)?, operation);
    let header = Header {
        tenant: optional(column(4)?, bytes)?.map(TenantId::from_bytes),
        name: optional(column(5)?, text)?.map(ToOwned::to_owned),
        status: optional(column(6)?, text)?.map(ToOwned::to_owned),
        expires: optional(column(7)?, |value| instant(integer(value)?))?,
        due: optional(column(8)?, |value| instant(integer(value)?))?,
        unique: carried(optional(column(9)?, text)?).map(|key| UniqueKey::new(key, &[])).collect(),
    };
    let body = Body::new(text(column(10)?)?.to_owned());
    Ok(Item::new(key, revision, header, body))
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
