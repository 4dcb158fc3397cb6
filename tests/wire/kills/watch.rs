//! Who takes notes: of leases and what is committed under them, and of notices that are delivered.

use async_trait::async_trait;
use nameplate::{
    clock::{Clock as _, SystemClock},
    engine::{Envelope, Subscriber},
    error::{Error, ErrorKind, Result},
    store::{Batch, Commit, LeaseRequest, Leased, Store},
    testkit::StoreLayer,
};

use super::platform::Place;

fn lost(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "ledger", "write", error.to_string())
}

/// A store whose leases are written down once they are given, and what is committed under them with
/// when that began.
#[derive(Debug)]
pub(super) struct Watched<S> {
    pub(super) inner: S,
    pub(super) place: Place,
}

#[async_trait]
impl<S: Store> StoreLayer for Watched<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        &self.inner
    }

    async fn lease(&self, wanted: &LeaseRequest) -> Result<Leased> {
        let leased = self.inner.lease(wanted).await?;
        for (lease, _) in &leased.leases {
            let (kind, id) = (lease.key.kind.as_str(), &lease.key.id);
            self.place.tell_of("leased", &format!("{kind}/{id} {}", lease.token)).map_err(lost)?;
        }
        Ok(leased)
    }

    async fn commit(&self, batch: Batch) -> Result<Commit> {
        let lease = batch.lease.as_ref().map(|(lease, _)| lease.clone());
        let began = SystemClock.now().timestamp_micros();
        let commit = self.inner.commit(batch).await?;
        if let (Commit::Done, Some(lease)) = (&commit, lease) {
            let (kind, id) = (lease.key.kind.as_str(), &lease.key.id);
            let line = format!("{kind}/{id} {} {began}", lease.token);
            self.place.tell_of("committed", &line).map_err(lost)?;
        }
        Ok(commit)
    }
}

/// Somebody who is told what happens, and writes it down.
#[derive(Debug)]
pub(super) struct Listener(pub(super) Place);

#[async_trait]
impl Subscriber for Listener {
    fn id(&self) -> &str {
        "listener"
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<()> {
        let line = format!("{} {}", envelope.domain, envelope.number);
        self.0.tell_of("delivered", &line).map_err(lost)
    }
}
