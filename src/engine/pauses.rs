//! What the platform's staff has stopped: tenants and services.
//!
//! Read once for all roots that are leased together. A pause that is ordered meanwhile holds for
//! what is leased later.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{backends::Backends, codec, each::each, root::Fact};
use crate::{
    clock::Timestamp,
    domain::{PauseScope, Paused},
    error::{ErrorKind, Result},
    id::TenantId,
    store::{Item, Key, Kind},
};

/// The services that can be paused.
const SERVICES: [PauseScope; 5] = [
    PauseScope::Authority,
    PauseScope::Dns,
    PauseScope::Mail,
    PauseScope::Probe,
    PauseScope::Resolver,
];

/// An operator's order to leave something alone.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Pause {
    pub(super) scope: PauseScope,
    pub(super) since: Timestamp,
    pub(super) reason: String,
}

pub(super) fn tenant_key(tenant: TenantId) -> Key {
    Key::new(Kind::Pause, format_args!("tenant/{tenant}"))
}

pub(super) fn service_key(service: PauseScope) -> Key {
    Key::new(Kind::Pause, format_args!("service/{}", service.as_str()))
}

/// The pauses that concern some roots.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    services: Vec<Paused>,
    tenants: HashMap<TenantId, Paused>,
}

impl Pauses {
    /// Reads the pauses that concern these roots, all at once.
    pub(super) async fn read<'a>(
        backends: &Backends,
        roots: impl Iterator<Item = &'a Item>,
    ) -> Result<Self> {
        let mut tenants: Vec<TenantId> = roots.filter_map(|item| item.header.tenant).collect();
        tenants.sort_unstable();
        tenants.dedup();
        let services = SERVICES.map(service_key).into_iter();
        let keys: Vec<Key> = services.chain(tenants.iter().copied().map(tenant_key)).collect();
        let mut found = each(&*backends.store, &keys).await?.into_iter();
        let mut pauses = Self::default();
        for service in SERVICES {
            pauses.services.extend(found.next().and_then(|found| paused(service, found)));
        }
        for (tenant, found) in tenants.into_iter().zip(found) {
            let paused = paused(PauseScope::Tenant, found);
            pauses.tenants.extend(paused.map(|paused| (tenant, paused)));
        }
        Ok(pauses)
    }

    /// Returns what is paused of what a root of this tenant needs.
    pub(super) fn facts(&self, tenant: Option<TenantId>) -> Vec<Fact> {
        let tenant = tenant.and_then(|tenant| self.tenants.get(&tenant));
        self.services.iter().chain(tenant).cloned().map(Fact::Paused).collect()
    }
}

/// Reads an order, if there is one; one that cannot be read, by us or by the store, stands all the
/// same for what it is about, and for nothing else.
fn paused(scope: PauseScope, found: Result<Option<Item>>) -> Option<Paused> {
    let order = found.and_then(|found| found.as_ref().map(codec::read_item::<Pause>).transpose());
    match order {
        Ok(order) => order.map(|Pause { since, reason, .. }| Paused::new(scope, since, reason)),
        Err(error) => {
            let reason = match error.kind() {
                ErrorKind::Unsupported => "by another release",
                _ => "for a reason that cannot be read",
            };
            Some(Paused::new(scope, Timestamp::UNIX_EPOCH, reason.to_owned()))
        }
    }
}
