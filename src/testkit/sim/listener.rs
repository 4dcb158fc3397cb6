//! Those who are told what happens, and faults on the way to them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    core::Core,
    coverage::Occurrence,
    fault::{Backend, FaultKind, Site},
    link::{Fate, Faulty},
    mutant::Mutant,
    watch::Watched,
};
use crate::{
    clock::Clock,
    engine::{Envelope, Subscriber},
    error::{Error, ErrorKind, Result},
};

/// The ids of those who may be there.
pub(super) const LISTENERS: [&str; 2] = ["audit", "hook"];

/// How long a slow one takes: just short of what is granted.
const SLOW: Duration = Duration::from_secs(8);

/// Somebody outside who is told, wherever the processes are. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    pub(super) id: &'static str,
    pub(super) core: Core,
    pub(super) store: Watched,
}

impl Listener {
    /// Takes note that it will never take a notice, and says so.
    fn refuse(&self, envelope: &Envelope, kind: ErrorKind, message: &str) -> Result<()> {
        let is_gone = kind == ErrorKind::NotFound;
        self.core.with(|state| state.truth.outbox.refuses(self.id, envelope, is_gone));
        Err(Error::new(kind, "simulation", "deliver", message))
    }
}

#[async_trait]
impl Subscriber for Listener {
    fn id(&self) -> &str {
        self.id
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<()> {
        self.core.note(|| format!("{} is told {}", self.id, envelope.id));
        let told = {
            let model = self.store.model();
            let clock = self.core.clock().now();
            self.core.with(|state| {
                let at = state.instant(clock);
                let told = state.truth.outbox.arrives(&model, self.id, envelope, at);
                let what = match told {
                    Ok(true) => Occurrence::Repeated,
                    _ => Occurrence::Delivered,
                };
                state.coverage.occurred(what);
                told
            })
        };
        if let Err(breach) = told {
            self.core.breach(breach);
        }
        Ok(())
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Subscriber for Faulty<Listener> {
    fn id(&self) -> &str {
        self.inner.id
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<()> {
        let site = Site::new(Backend::Subscriber, "deliver");
        let (inner, told) = (Arc::clone(&self.inner), envelope.clone());
        let fate = self.link.draw(site);
        match fate {
            Fate::Special(FaultKind::SubscriberGone, _) => {
                return inner.refuse(envelope, ErrorKind::NotFound, "nobody is there");
            }
            Fate::Special(FaultKind::SubscriberRefuses, _) => {
                return inner.refuse(envelope, ErrorKind::Refused, "it will not be taken");
            }
            Fate::Special(FaultKind::SubscriberSlow, _) => self.link.core.sleep(SLOW).await,
            _ => {}
        }
        self.link.call(site, fate, || async move { inner.deliver(&told).await }).await
    }
}

/// One that says it has a notice and hands it on later, if it is a mutant.
#[derive(Debug)]
pub(super) struct Hasty<S> {
    inner: S,
    is_hasty: bool,
    last: Mutex<Option<Envelope>>,
}

impl<S> Hasty<S> {
    pub(super) fn new(inner: S, mutant: Option<Mutant>) -> Self {
        let is_hasty = mutant == Some(Mutant::AcknowledgeFirst);
        Self { inner, is_hasty, last: Mutex::default() }
    }
}

#[async_trait]
impl<S: Subscriber> Subscriber for Hasty<S> {
    fn id(&self) -> &str {
        self.inner.id()
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<()> {
        if !self.is_hasty {
            return self.inner.deliver(envelope).await;
        }
        let last =
            self.last.lock().unwrap_or_else(PoisonError::into_inner).replace(envelope.clone());
        match last {
            Some(last) => self.inner.deliver(&last).await,
            None => Ok(()),
        }
    }
}
