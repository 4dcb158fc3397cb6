//! What the world sees of the zones, which may be later than what was written.

use async_trait::async_trait;

use super::core::Core;
use crate::{
    dns::{Applied, Capabilities, DnsProvider, InMemoryDns},
    error::Result,
    name::DnsName,
    record::{RecordSet, RecordType},
    zone::ChangeSet,
};

/// The zones as servers show them.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) core: Core,
    pub(super) zones: InMemoryDns,
}

#[async_trait]
impl DnsProvider for View {
    async fn zone_of(&self, name: &DnsName) -> Result<Option<DnsName>> {
        self.zones.zone_of(name).await
    }

    async fn record_set(
        &self,
        zone: &DnsName,
        name: &DnsName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>> {
        let of = (name.clone(), record_type);
        let seen = self.core.with(|state| {
            let now = state.now;
            state.truth.overlaid(&of, now, true)
        });
        match seen {
            Some(set) => Ok(set),
            None => self.zones.record_set(zone, name, record_type).await,
        }
    }

    async fn apply(&self, zone: &DnsName, changes: &ChangeSet) -> Result<Vec<Applied>> {
        self.zones.apply(zone, changes).await
    }

    fn capabilities(&self) -> Capabilities {
        self.zones.capabilities()
    }
}
