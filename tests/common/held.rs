//! Domains as they are stored when they have been active for some time.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

use nameplate::{
    id::{DomainId, OperationId, OsRandom, TenantId},
    store::{Expect, Header, Item, Key, Kind, Store, UniqueKey, Write},
};

use crate::common::{DAY, World};

/// The names that [`held`] and [`another`] know: seven digits are replaced.
pub const NAME: &str = "shop0000000.example.com";
pub const WILDCARD: &str = "*.shop0000000.example.com";

/// Returns a domain that has been active for some time, and looked at once a day.
pub async fn held(name: &str) -> Item {
    let world = World::new();
    let domain = world.active(name).await;
    world.run_for(DAY * 40).await;
    let key = Key::new(Kind::Domain, domain.id());
    world.store.get(&[key]).await.unwrap().remove(0).unwrap()
}

/// Returns the same domain under another id, of another tenant, with another number in its name.
pub fn another(item: &Item, number: u32) -> (Key, Header) {
    let former = item.header.name.clone().unwrap();
    let name = former.replace("0000000", &format!("{number:07}"));
    let tenant = TenantId::random(&OsRandom).unwrap();
    let mut header = item.header.clone();
    for unique in &mut header.unique {
        let text = unique.as_str().replace(&former, &name);
        let text = text.replace(&item.header.tenant.unwrap().to_string(), &tenant.to_string());
        *unique = UniqueKey::new(&text, &[]);
    }
    (header.tenant, header.name) = (Some(tenant), Some(name));
    (Key::new(Kind::Domain, DomainId::random(&OsRandom).unwrap()), header)
}

/// Returns what stores it.
pub fn put(item: &Item, number: u32) -> Write {
    let (key, header) = another(item, number);
    Write::Put { key, expect: Expect::Absent, header, body: item.body.clone() }
}

pub fn operation() -> OperationId {
    OperationId::random(&OsRandom).unwrap()
}
