//! Following what happens, page by page, from a place that survives restarts.

use std::{fmt, str::FromStr, sync::Arc};

use async_trait::async_trait;
use serde::{Serialize, Serializer};

use super::subscriber::{Envelope, Subscriber};
use crate::{
    engine::{codec, onboarding::Onboarding},
    error::{Error, ErrorKind, Result},
    id::{DomainId, OperationId, Random, TenantId},
    store::{Batch, Body, Commit, Expect, Header, Key, Kind, NewEntry, Store, Write},
};

/// The id under which is stored how far the logs of tenants were written.
const ID: &str = "tenant-log";

/// How often an entry is appended again when others append to the same log at the same time.
const ATTEMPTS: usize = 16;

/// Most notices on a page.
const PAGE: u32 = 100;

/// From where to follow what happens.
///
/// Its text, as `Display` writes it and `FromStr` reads it, is what a reader keeps over a restart.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Since {
    /// What happened to a domain after the notice with this number.
    Domain(DomainId, u64),
    /// What happened to all domains of a tenant, after a place in the tenant's log.
    Tenant(u64),
}

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain, after) => write!(f, "domain/{domain}/{after}"),
            Self::Tenant(after) => write!(f, "tenant/{after}"),
        }
    }
}

impl Serialize for Since {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Since {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let read = || {
            let (kind, rest) = text.split_once('/')?;
            match kind {
                "domain" => {
                    let (domain, after) = rest.split_once('/')?;
                    Some(Self::Domain(domain.parse().ok()?, after.parse().ok()?))
                }
                "tenant" => Some(Self::Tenant(rest.parse().ok()?)),
                _ => None,
            }
        };
        read().ok_or_else(|| {
            let message = "a place is `domain/<id>/<number>` or `tenant/<number>`";
            Error::new(ErrorKind::Invalid, "feed", "read", message)
        })
    }
}

/// A page of what happened.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Followed {
    /// Up to 100 notices, oldest first. None, and nothing unreadable either, means that nothing more
    /// has happened yet.
    pub envelopes: Vec<Envelope>,
    /// The numbers, or places in the tenant's log, of what this release cannot read, rising. What a
    /// later release logged can be followed again from the number before it once that is in use.
    pub unreadable: Vec<u64>,
    /// From where to go on.
    pub next: Since,
}

impl Onboarding {
    /// Returns what happened to a tenant's domains since a place, oldest first.
    ///
    /// Costs one or two reads, however many domains the tenant has and however much happened before.
    /// [`Since::Tenant`] reads the log that workers write if the platform was built
    /// [with it](crate::engine::Builder::with_tenant_log): each notice is in it at least once, those
    /// of one domain in order, a moment after it happened.
    ///
    /// # Errors
    ///
    /// `NotFound` if the domain is not the tenant's; `Malformed` and `Unsupported` for a domain that
    /// cannot be read, while what cannot be read of what happened is passed over; those of the store.
    pub async fn follow(&self, tenant: &TenantId, since: Since) -> Result<Followed> {
        let store = &self.backends().store;
        let mut envelopes = Vec::new();
        let mut unreadable = Vec::new();
        let mut last = 0;
        let next = match since {
            Since::Domain(domain, after) => {
                let key = codec::domain_key(domain);
                let found = store.get(std::slice::from_ref(&key)).await?;
                let item = found.into_iter().flatten().next();
                let Some(item) = self.backends().own(item, *tenant, "follow", domain) else {
                    let message = format!("there is no domain {domain}");
                    return Err(Error::new(ErrorKind::NotFound, "onboarding", "follow", message)
                        .with_subject(domain));
                };
                let name = codec::read_domain(&item)?.name().clone();
                // Nothing to tell among as many entries is not the end.
                while envelopes.is_empty() && unreadable.is_empty() {
                    let entries = store.entries(&key, after.max(last), PAGE).await?;
                    let Some(end) = entries.last() else { break };
                    last = end.number;
                    for entry in &entries {
                        match codec::read_entry(entry) {
                            Ok(None) => {}
                            Ok(Some(notice)) => {
                                let name = name.clone();
                                envelopes.push(Envelope::new(*tenant, domain, name, notice));
                            }
                            Err(_) => unreadable.push(entry.number),
                        }
                    }
                }
                Since::Domain(domain, after.max(last))
            }
            Since::Tenant(after) => {
                for entry in store.entries(&log_key(*tenant), after, PAGE).await? {
                    last = entry.number;
                    match Envelope::from_json(entry.body.as_bytes()) {
                        Ok(envelope) => envelopes.push(envelope),
                        Err(_) => unreadable.push(entry.number),
                    }
                }
                Since::Tenant(after.max(last))
            }
        };
        Ok(Followed { envelopes, unreadable, next })
    }

    /// Drops from a tenant's log what every reader has had; the histories of the domains stay.
    ///
    /// A log is kept until somebody does this.
    ///
    /// # Errors
    ///
    /// `Invalid` for a place that is not one of a tenant's log; those of the store.
    pub async fn forget(&self, tenant: &TenantId, through: Since) -> Result<()> {
        let Since::Tenant(through) = through else {
            let message = format!("{through} is no place in the log of a tenant");
            return Err(Error::new(ErrorKind::Invalid, "onboarding", "forget", message));
        };
        self.backends().store.trim(&log_key(*tenant), through).await
    }
}

/// The subscriber that writes the logs of tenants.
#[derive(Debug)]
pub(in crate::engine) struct TenantLog {
    store: Arc<dyn Store>,
    random: Arc<dyn Random>,
}

impl TenantLog {
    pub(in crate::engine) const fn new(store: Arc<dyn Store>, random: Arc<dyn Random>) -> Self {
        Self { store, random }
    }
}

#[async_trait]
impl Subscriber for TenantLog {
    fn id(&self) -> &str {
        ID
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<()> {
        let key = log_key(envelope.tenant);
        let body = envelope.to_json()?;
        for _ in 0..ATTEMPTS {
            let found = self.store.get(std::slice::from_ref(&key)).await?;
            let known = found.into_iter().flatten().next();
            let expect = known.map_or(Expect::Absent, |item| Expect::Revision(item.revision));
            let header = Header { tenant: Some(envelope.tenant), ..Header::default() };
            let text = Body::new(r#"{"v":1}"#.to_owned());
            let batch = Batch::new(OperationId::random(&*self.random)?)
                .with(Write::Put { key: key.clone(), expect, header, body: text })
                .with_entry(NewEntry::new(key.clone(), body.clone()));
            match self.store.commit(batch).await? {
                Commit::Done => return Ok(()),
                Commit::Stale(_) => {}
                Commit::Fenced | Commit::Taken(_) => break,
            }
        }
        let message = "others keep writing to the log of the tenant";
        Err(Error::new(ErrorKind::Conflict, "feed", "deliver", message))
    }
}

/// The item whose log is what happened to a tenant's domains. It is never due.
fn log_key(tenant: TenantId) -> Key {
    Key::new(Kind::Feed, format_args!("tenant-{tenant}"))
}
