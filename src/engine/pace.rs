//! When the new names of a tenant are looked at for the first time: one after another.
//!
//! What is due is leased by how long it has been due. A tenant that adds ten thousand names at once
//! would be before everybody else for as long as it takes to look at them all; instead their due times
//! are written down as a tenant's pace allows, and those of others lie in between.

use serde::{Deserialize, Serialize};

use super::{backends::Backends, codec};
use crate::{
    clock::Timestamp,
    error::Result,
    id::TenantId,
    store::{Expect, Header, Key, Kind, Write},
};

/// What is stored of a tenant's pace.
#[derive(Debug, Deserialize, Serialize)]
struct Pace {
    full_at: Timestamp,
}

/// When a name has its turn, and what is to be written down about it.
pub(super) struct Turn {
    pub(super) due: Timestamp,
    pub(super) write: Option<Write>,
}

/// Returns when the next new name of a tenant has its turn.
pub(super) async fn turn(backends: &Backends, tenant: TenantId, now: Timestamp) -> Result<Turn> {
    let key = Key::new(Kind::Ledger, format_args!("pace/{tenant}"));
    let found = backends.store.get(std::slice::from_ref(&key)).await?;
    let item = found.into_iter().flatten().next();
    let known = item.as_ref().map(codec::read_item::<Pace>);
    if let Some(Err(_)) = known {
        // Of another release, or broken: no reason to keep anybody from adding a name.
        return Ok(Turn { due: now, write: None });
    }
    let full_at = known.and_then(Result::ok).map(|pace| pace.full_at);
    let (due, full_at) = backends.settings.policy.pace.queue(full_at, now);
    let expect = item.map_or(Expect::Absent, |item| Expect::Revision(item.revision));
    let header = Header { tenant: Some(tenant), expires: Some(full_at), ..Header::default() };
    let body = codec::write_item(&Pace { full_at })?;
    Ok(Turn { due, write: Some(Write::Put { key, expect, header, body }) })
}
