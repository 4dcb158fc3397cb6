//! Items as rows, and back.

use std::time::Duration;

use bytes::BytesMut;
use tokio_postgres::{
    Row,
    types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked},
};

use super::failure::Failure;
use crate::{
    clock::Timestamp,
    id::{OperationId, TenantId},
    store::{Body, Header, Item, Key, Kind, Revision, UniqueKey},
};

/// What separates the unique keys of an item: they are printable.
const SEPARATOR: char = '\n';

/// 16 bytes, as the type `uuid` has them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Uuid(pub(super) [u8; 16]);

impl ToSql for Uuid {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    accepts!(UUID);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Uuid {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw.try_into()?))
    }

    accepts!(UUID);
}

/// Returns an instant as it is stored: in microseconds since 1970.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.timestamp_micros()
}

/// Returns a stored instant.
pub(super) fn instant(micros: i64) -> Result<Timestamp, Failure> {
    Timestamp::from_timestamp_micros(micros)
        .ok_or_else(|| Failure::Stored(format!("{micros} is not an instant")))
}

/// Returns a duration in microseconds that the database can add to its time.
pub(super) fn length(of: Duration) -> i64 {
    // The last instant that can be expressed is 8.21e18 microseconds after 1970.
    const LONGEST: i64 = 8_200_000_000_000_000_000;
    i64::try_from(of.as_micros()).unwrap_or(LONGEST).min(LONGEST)
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
    let length = unique.iter().fold(0_usize, |length, key| {
        length.saturating_add(key.as_str().len()).saturating_add(SEPARATOR.len_utf8())
    });
    let mut text = String::with_capacity(length);
    text.push_str(first.as_str());
    for key in others {
        text.push(SEPARATOR);
        text.push_str(key.as_str());
    }
    Some(text)
}

/// Returns what [`carries`] was made of.
pub(super) fn carried(carries: Option<&str>) -> Vec<UniqueKey> {
    let keys = carries.map(|text| text.split(SEPARATOR));
    keys.into_iter().flatten().map(|key| UniqueKey::new(key, &[])).collect()
}

/// Reads a column.
pub(super) fn column<'row, T: FromSql<'row>>(row: &'row Row, index: usize) -> Result<T, Failure> {
    row.try_get(index).map_err(|error| Failure::Stored(format!("a column cannot be read: {error}")))
}

/// Reads a key whose columns begin at `first`.
pub(super) fn key(row: &Row, first: usize) -> Result<Key, Failure> {
    let (kind, id) = text_key(row, first)?;
    Ok(Key { kind: self::kind(kind)?, id: id.to_owned() })
}

/// Reads the two texts of a key whose columns begin at `first`.
pub(super) fn text_key(row: &Row, first: usize) -> Result<(&str, &str), Failure> {
    Ok((column(row, first)?, column(row, first.saturating_add(1))?))
}

/// Returns the kind of a stored name.
pub(super) fn kind(text: &str) -> Result<Kind, Failure> {
    text.parse().map_err(|_| Failure::Stored(format!("`{text}` is not a kind that is known here")))
}

/// Reads an item whose columns begin at `first`.
pub(super) fn item(row: &Row, first: usize) -> Result<Item, Failure> {
    let at = |offset: usize| first.saturating_add(offset);
    let key = key(row, first)?;
    let revision = revision(row, at(2))?;
    let header = Header {
        tenant: column::<Option<Uuid>>(row, at(4))?.map(|Uuid(id)| TenantId::from_bytes(id)),
        name: column(row, at(5))?,
        status: column(row, at(6))?,
        expires: column::<Option<i64>>(row, at(7))?.map(instant).transpose()?,
        due: column::<Option<i64>>(row, at(8))?.map(instant).transpose()?,
        unique: carried(column(row, at(9))?),
    };
    Ok(Item::new(key, revision, header, Body::new(column(row, at(10))?)))
}

/// Reads a revision whose columns begin at `first`.
pub(super) fn revision(row: &Row, first: usize) -> Result<Revision, Failure> {
    let Uuid(operation) = column(row, first.saturating_add(1))?;
    Ok(Revision::new(count(column(row, first)?)?, OperationId::from_bytes(operation)))
}
