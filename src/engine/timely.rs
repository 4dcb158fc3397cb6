//! A deadline for every call of the store.

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    clock::{Timer, Timestamp},
    error::{Error, ErrorKind, Result},
    store::{
        Batch, Commit, Entry, Item, Key, Lease, LeaseRequest, Leased, Page, Query, Store, UniqueKey,
    },
    together::within,
};

/// A store that answers in time, or says that the one within did not.
///
/// Reading failed then; whether a change was made is unknown.
#[derive(Debug)]
pub(super) struct Timely {
    inner: Arc<dyn Store>,
    timer: Arc<dyn Timer>,
    limit: Duration,
}

impl Timely {
    pub(super) const fn new(inner: Arc<dyn Store>, timer: Arc<dyn Timer>, limit: Duration) -> Self {
        Self { inner, timer, limit }
    }

    /// Returns the store itself, not the pointer, which would put every answer in one more box.
    fn inner(&self) -> &dyn Store {
        &*self.inner
    }

    async fn call<T>(
        &self,
        operation: &'static str,
        otherwise: ErrorKind,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let answer = within(&*self.timer, self.limit, call).await;
        answer
            .unwrap_or_else(|| Err(Error::new(otherwise, "store", operation, "no answer in time")))
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Store for Timely {
    async fn now(&self) -> Result<Timestamp> {
        self.call("now", ErrorKind::Unavailable, self.inner().now()).await
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>> {
        self.call("get", ErrorKind::Unavailable, self.inner().get(keys)).await
    }

    async fn find(&self, unique: &[UniqueKey]) -> Result<Vec<Option<Item>>> {
        self.call("find", ErrorKind::Unavailable, self.inner().find(unique)).await
    }

    async fn list(&self, query: &Query) -> Result<Page> {
        self.call("list", ErrorKind::Unavailable, self.inner().list(query)).await
    }

    async fn commit(&self, batch: Batch) -> Result<Commit> {
        self.call("commit", ErrorKind::Unknown, self.inner().commit(batch)).await
    }

    async fn lease(&self, wanted: &LeaseRequest) -> Result<Leased> {
        self.call("lease", ErrorKind::Unknown, self.inner().lease(wanted)).await
    }

    async fn extend(&self, leases: &[Lease], by: Duration) -> Result<Vec<Option<Lease>>> {
        self.call("extend", ErrorKind::Unknown, self.inner().extend(leases, by)).await
    }

    async fn entries(&self, of: &Key, after: u64, limit: u32) -> Result<Vec<Entry>> {
        self.call("entries", ErrorKind::Unavailable, self.inner().entries(of, after, limit)).await
    }

    async fn trim(&self, of: &Key, through: u64) -> Result<()> {
        self.call("trim", ErrorKind::Unknown, self.inner().trim(of, through)).await
    }

    async fn restore(&self, item: &Item, log: &[Entry]) -> Result<Commit> {
        self.call("restore", ErrorKind::Unknown, self.inner().restore(item, log)).await
    }
}
