//! Which other names a name overlaps with, as far as its tenant may know.

use serde::Serialize;

use super::{
    codec::{self, REMOVED},
    onboarding::Onboarding,
};
use crate::{
    domain::Status,
    error::Result,
    id::{DomainId, TenantId},
    name::{DomainName, Overlap},
    store::{Filter, Item, Kind, Query},
};

/// Which other names a name overlaps with. See [`Onboarding::conflicts`].
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Conflicts {
    /// Claims of the same tenant, by rising id.
    pub own: Vec<Conflict>,
    /// How many names above this one, or wildcards that cover it, somebody else holds. Always none
    /// while the tenant does not hold this one.
    pub others: u32,
}

/// A claim that another one of the same tenant overlaps with.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Conflict {
    /// The other claim.
    pub domain: DomainId,
    /// Its name.
    pub name: DomainName,
    /// Where it is.
    pub status: Status,
    /// How the name that was asked about relates to it.
    pub overlap: Overlap,
}

impl Onboarding {
    /// Returns which other names a domain overlaps with.
    ///
    /// An overlap is no fault: each name is proved for itself, and the most specific one is served
    /// (see [`DomainName::serving_names`]). It explains why a wildcard does not serve a name below
    /// it. Reads all domains of the tenant: for a page that a person looks at.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such domain, also if it is another tenant's; those of the store.
    pub async fn conflicts(&self, tenant: &TenantId, id: DomainId) -> Result<Conflicts> {
        let domain = self.get(tenant, id).await?;
        let store = &self.backends().store;
        let mut conflicts = Conflicts::default();
        let mut query =
            Query::new(Kind::Domain, Filter::Tenant(*tenant)).with_limit(Query::MAX_LIMIT);
        loop {
            let page = store.list(&query).await?;
            let is_there = |item: &&Item| item.header.status.as_deref() != Some(REMOVED);
            for item in page.items.iter().filter(is_there) {
                let name = item.header.name.as_deref().and_then(|name| name.parse().ok());
                let overlap = name.and_then(|name| Overlap::between(domain.name(), &name));
                let Some(overlap) = overlap else { continue };
                // What cannot be read overlaps with nothing that anybody could explain.
                let Ok(other) = codec::read_domain(item) else { continue };
                if !other.is_removed() {
                    conflicts.own.push(Conflict {
                        domain: other.id(),
                        name: other.name().clone(),
                        status: other.status(),
                        overlap,
                    });
                }
            }
            let Some(next) = page.next else { break };
            query = query.with_after(next);
        }
        if domain.status().holds() {
            let mut above = domain.name().names_above();
            above.extend(domain.name().covering_wildcard());
            above.sort_unstable();
            above.dedup();
            let keys: Vec<_> = above.iter().map(codec::hold).collect();
            let found = store.find(&keys).await?;
            let others = found.iter().flatten().filter(|item| {
                item.header.tenant != Some(*tenant)
                    && codec::read_domain(item).is_ok_and(|other| other.status().holds())
            });
            conflicts.others = u32::try_from(others.count()).unwrap_or(u32::MAX);
        }
        Ok(conflicts)
    }
}
