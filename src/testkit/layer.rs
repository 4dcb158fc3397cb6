//! Wrappers that change a few calls of a backend and pass the others on.

use std::{fmt, time::Duration};

use async_trait::async_trait;

use crate::{
    ca::{Account, CertificateAuthority, ChallengeType, Progress},
    certificate::Handle,
    clock::Timestamp,
    dns::{Applied, Capabilities, DnsProvider},
    error::Result,
    name::{DnsName, DomainName},
    record::{RecordSet, RecordType},
    secret::Secret,
    store::{
        Batch, Commit, Entry, Item, Key, Lease, LeaseRequest, Leased, Page, Query, Store, UniqueKey,
    },
    zone::ChangeSet,
};

/// A backend under a layer: a [`Store`] if the layer is a [`StoreLayer`], and so on.
///
/// ```
/// use async_trait::async_trait;
/// use nameplate::{
///     Result,
///     clock::{Timestamp, after},
///     store::{InMemoryStore, Store},
///     testkit::{Layered, StoreLayer},
/// };
///
/// /// A store whose clock is an hour ahead.
/// #[derive(Debug)]
/// struct Ahead(InMemoryStore);
///
/// #[async_trait]
/// impl StoreLayer for Ahead {
///     type Inner = InMemoryStore;
///
///     fn inner(&self) -> &InMemoryStore {
///         &self.0
///     }
///
///     async fn now(&self) -> Result<Timestamp> {
///         Ok(after(self.0.now().await?, std::time::Duration::from_secs(3600)))
///     }
/// }
///
/// fn ahead(store: InMemoryStore) -> impl Store {
///     Layered::new(Ahead(store))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Layered<L>(L);

impl<L> Layered<L> {
    /// Lays a layer over the backend that it holds.
    pub const fn new(layer: L) -> Self {
        Self(layer)
    }

    /// Returns the layer.
    pub const fn layer(&self) -> &L {
        &self.0
    }
}

/// A layer over a store: every call that it does not change is passed on.
#[async_trait]
pub trait StoreLayer: fmt::Debug + Send + Sync + 'static {
    /// What is below.
    type Inner: Store + ?Sized;

    /// Returns the store below.
    fn inner(&self) -> &Self::Inner;

    /// See [`Store::now`].
    async fn now(&self) -> Result<Timestamp> {
        self.inner().now().await
    }

    /// See [`Store::get`].
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>> {
        self.inner().get(keys).await
    }

    /// See [`Store::find`].
    async fn find(&self, unique: &[UniqueKey]) -> Result<Vec<Option<Item>>> {
        self.inner().find(unique).await
    }

    /// See [`Store::list`].
    async fn list(&self, query: &Query) -> Result<Page> {
        self.inner().list(query).await
    }

    /// See [`Store::commit`].
    async fn commit(&self, batch: Batch) -> Result<Commit> {
        self.inner().commit(batch).await
    }

    /// See [`Store::lease`].
    async fn lease(&self, wanted: &LeaseRequest) -> Result<Leased> {
        self.inner().lease(wanted).await
    }

    /// See [`Store::extend`].
    async fn extend(&self, leases: &[Lease], by: Duration) -> Result<Vec<Option<Lease>>> {
        self.inner().extend(leases, by).await
    }

    /// See [`Store::entries`].
    async fn entries(&self, of: &Key, after: u64, limit: u32) -> Result<Vec<Entry>> {
        self.inner().entries(of, after, limit).await
    }

    /// See [`Store::trim`].
    async fn trim(&self, of: &Key, through: u64) -> Result<()> {
        self.inner().trim(of, through).await
    }

    /// See [`Store::restore`].
    async fn restore(&self, item: &Item, log: &[Entry]) -> Result<Commit> {
        self.inner().restore(item, log).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<L: StoreLayer> Store for Layered<L> {
    async fn now(&self) -> Result<Timestamp> {
        self.0.now().await
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>> {
        self.0.get(keys).await
    }

    async fn find(&self, unique: &[UniqueKey]) -> Result<Vec<Option<Item>>> {
        self.0.find(unique).await
    }

    async fn list(&self, query: &Query) -> Result<Page> {
        self.0.list(query).await
    }

    async fn commit(&self, batch: Batch) -> Result<Commit> {
        self.0.commit(batch).await
    }

    async fn lease(&self, wanted: &LeaseRequest) -> Result<Leased> {
        self.0.lease(wanted).await
    }

    async fn extend(&self, leases: &[Lease], by: Duration) -> Result<Vec<Option<Lease>>> {
        self.0.extend(leases, by).await
    }

    async fn entries(&self, of: &Key, after: u64, limit: u32) -> Result<Vec<Entry>> {
        self.0.entries(of, after, limit).await
    }

    async fn trim(&self, of: &Key, through: u64) -> Result<()> {
        self.0.trim(of, through).await
    }

    async fn restore(&self, item: &Item, log: &[Entry]) -> Result<Commit> {
        self.0.restore(item, log).await
    }
}

/// A layer over a DNS provider: every call that it does not change is passed on.
#[async_trait]
pub trait DnsLayer: fmt::Debug + Send + Sync + 'static {
    /// What is below.
    type Inner: DnsProvider + ?Sized;

    /// Returns the provider below.
    fn inner(&self) -> &Self::Inner;

    /// See [`DnsProvider::zone_of`].
    async fn zone_of(&self, name: &DnsName) -> Result<Option<DnsName>> {
        self.inner().zone_of(name).await
    }

    /// See [`DnsProvider::record_set`].
    async fn record_set(
        &self,
        zone: &DnsName,
        name: &DnsName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>> {
        self.inner().record_set(zone, name, record_type).await
    }

    /// See [`DnsProvider::apply`].
    async fn apply(&self, zone: &DnsName, changes: &ChangeSet) -> Result<Vec<Applied>> {
        self.inner().apply(zone, changes).await
    }

    /// See [`DnsProvider::capabilities`].
    fn capabilities(&self) -> Capabilities {
        self.inner().capabilities()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<L: DnsLayer> DnsProvider for Layered<L> {
    async fn zone_of(&self, name: &DnsName) -> Result<Option<DnsName>> {
        self.0.zone_of(name).await
    }

    async fn record_set(
        &self,
        zone: &DnsName,
        name: &DnsName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>> {
        self.0.record_set(zone, name, record_type).await
    }

    async fn apply(&self, zone: &DnsName, changes: &ChangeSet) -> Result<Vec<Applied>> {
        self.0.apply(zone, changes).await
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
}

/// A layer over a certificate authority: every call that it does not change is passed on.
#[async_trait]
pub trait AuthorityLayer: fmt::Debug + Send + Sync + 'static {
    /// What is below.
    type Inner: CertificateAuthority + ?Sized;

    /// Returns the authority below.
    fn inner(&self) -> &Self::Inner;

    /// See [`CertificateAuthority::id`].
    fn id(&self) -> &str {
        self.inner().id()
    }

    /// See [`CertificateAuthority::caa_identities`].
    async fn caa_identities(&self) -> Result<Vec<String>> {
        self.inner().caa_identities().await
    }

    /// See [`CertificateAuthority::enroll`].
    async fn enroll(&self, key: &Secret) -> Result<Handle> {
        self.inner().enroll(key).await
    }

    /// See [`CertificateAuthority::open`].
    async fn open(&self, account: &Account, names: &[DomainName]) -> Result<Handle> {
        self.inner().open(account, names).await
    }

    /// See [`CertificateAuthority::progress`].
    async fn progress(&self, account: &Account, order: &Handle) -> Result<Progress> {
        self.inner().progress(account, order).await
    }

    /// See [`CertificateAuthority::respond`].
    async fn respond(
        &self,
        account: &Account,
        order: &Handle,
        authorization: &Handle,
        challenge: ChallengeType,
    ) -> Result<()> {
        self.inner().respond(account, order, authorization, challenge).await
    }

    /// See [`CertificateAuthority::finalize`].
    async fn finalize(&self, account: &Account, order: &Handle, csr: &[u8]) -> Result<()> {
        self.inner().finalize(account, order, csr).await
    }

    /// See [`CertificateAuthority::certificate`].
    async fn certificate(&self, account: &Account, order: &Handle) -> Result<String> {
        self.inner().certificate(account, order).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<L: AuthorityLayer> CertificateAuthority for Layered<L> {
    fn id(&self) -> &str {
        self.0.id()
    }

    async fn caa_identities(&self) -> Result<Vec<String>> {
        self.0.caa_identities().await
    }

    async fn enroll(&self, key: &Secret) -> Result<Handle> {
        self.0.enroll(key).await
    }

    async fn open(&self, account: &Account, names: &[DomainName]) -> Result<Handle> {
        self.0.open(account, names).await
    }

    async fn progress(&self, account: &Account, order: &Handle) -> Result<Progress> {
        self.0.progress(account, order).await
    }

    async fn respond(
        &self,
        account: &Account,
        order: &Handle,
        authorization: &Handle,
        challenge: ChallengeType,
    ) -> Result<()> {
        self.0.respond(account, order, authorization, challenge).await
    }

    async fn finalize(&self, account: &Account, order: &Handle, csr: &[u8]) -> Result<()> {
        self.0.finalize(account, order, csr).await
    }

    async fn certificate(&self, account: &Account, order: &Handle) -> Result<String> {
        self.0.certificate(account, order).await
    }
}
