//! What the platform's own people can see of deliveries, and do about them.

use std::sync::Arc;

use serde::Serialize;

use super::{
    cursor::{DEAD, DeadLetter, Feed},
    subscriber::Seat,
};
use crate::{
    clock::Timestamp,
    engine::{backends::Backends, codec, held::commit, operator::Operator, root::Trouble},
    error::{Error, ErrorKind, Result},
    id::{DomainId, OperationId, TenantId},
    name::DomainName,
    store::{Batch, Commit, Expect, Filter, Item, Kind, Query, Write},
};

/// How often a command is tried again when a worker changes the same feed at the same time.
const ATTEMPTS: usize = 8;

/// How far one subscriber was told of a domain.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Delivery {
    /// The subscriber.
    pub subscriber: String,
    /// The number up to which every notice was delivered or given up.
    pub after: u64,
    /// Failed attempts at the next one.
    pub failures: u32,
    /// When it is tried next, if it failed.
    pub next_at: Option<Timestamp>,
    /// What went wrong last, until something is delivered.
    pub trouble: Option<Trouble>,
    /// Since when nobody is there who wants anything of this domain.
    pub gone_at: Option<Timestamp>,
    /// What was given up: the latest 32.
    pub dead: Vec<DeadLetter>,
    /// How many more were given up and are no longer listed: a [replay](Deliveries::replay) finds them.
    pub unlisted: u64,
}

/// A domain with dead letters.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Undelivered {
    /// The domain.
    pub domain: DomainId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name.
    pub name: DomainName,
    /// The deliveries to subscribers that have dead letters.
    pub deliveries: Vec<Delivery>,
}

/// A page of domains with dead letters.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DeadLetters {
    /// The domains, by rising id.
    pub domains: Vec<Undelivered>,
    /// Where to continue; `None` on the last page.
    pub next: Option<String>,
}

impl Operator {
    /// Returns the deliveries of what happens to a domain.
    pub fn deliveries(&self, domain: DomainId) -> Deliveries {
        Deliveries { backends: self.backends.clone(), domain }
    }

    /// Returns a page of up to 100 domains with dead letters, after the id at which the last one ended.
    ///
    /// # Errors
    ///
    /// Those of the store. What cannot be read is left out: the worker that was to deliver it says so.
    pub async fn dead_letters(&self, after: Option<&str>) -> Result<DeadLetters> {
        let mut query = Query::new(Kind::Feed, Filter::Status(DEAD.to_owned()));
        if let Some(after) = after {
            query = query.with_after(after);
        }
        let page = self.backends.store.list(&query).await?;
        let mut domains = Vec::with_capacity(page.items.len());
        for item in &page.items {
            // One that cannot be read must not hide the others.
            let Ok(feed) = codec::read_item::<Feed>(item) else { continue };
            let mut deliveries = deliveries(&feed);
            deliveries.retain(|delivery| !delivery.dead.is_empty());
            let Feed { domain, tenant, name, .. } = feed;
            domains.push(Undelivered { domain, tenant, name, deliveries });
        }
        Ok(DeadLetters { domains, next: page.next })
    }
}

/// The deliveries of one domain's notices to those who subscribed.
#[derive(Clone, Debug)]
pub struct Deliveries {
    backends: Arc<Backends>,
    domain: DomainId,
}

impl Deliveries {
    /// Returns how far each subscriber was told: nothing if nothing was to be told yet.
    ///
    /// # Errors
    ///
    /// Those of the store; `Malformed` and `Unsupported` for what cannot be read.
    pub async fn list(&self) -> Result<Vec<Delivery>> {
        Ok(self.find().await?.map(|(_, feed)| deliveries(&feed)).unwrap_or_default())
    }

    /// Tells a subscriber everything again that happened after the notice with this number; from the
    /// beginning for 0.
    ///
    /// In order, with the ids that they had, as far back as the log is kept. Dead letters after the
    /// number are part of it, and a subscriber that was gone is asked again.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such subscriber, or it was never to be told of this domain;
    /// `Conflict` if others keep changing it; those of the store.
    pub async fn replay(&self, subscriber: &str, after: u64) -> Result<()> {
        self.change("replay", subscriber, |feed, now| feed.replay(subscriber, after, now)).await
    }

    /// Tries again what was given up, as far back as the log is kept
    /// ([`Policy::keep_log`](crate::engine::Policy::keep_log)): the dead letters come before whatever is
    /// next.
    ///
    /// Receivers get them after notices that followed them. To repeat those as well, in order, use
    /// [`replay`](Self::replay).
    ///
    /// # Errors
    ///
    /// As for [`replay`](Self::replay).
    pub async fn revive(&self, subscriber: &str) -> Result<()> {
        self.change("revive", subscriber, |feed, now| feed.revive(subscriber, now)).await
    }

    async fn find(&self) -> Result<Option<(Item, Feed)>> {
        let key = codec::feed_key(self.domain);
        let found = self.backends.store.get(std::slice::from_ref(&key)).await?;
        let Some(item) = found.into_iter().flatten().next() else { return Ok(None) };
        let feed = codec::read_item(&item)?;
        Ok(Some((item, feed)))
    }

    async fn change(
        &self,
        operation: &'static str,
        subscriber: &str,
        change: impl Fn(&mut Feed, Timestamp) -> bool + Send + Sync,
    ) -> Result<()> {
        let backends = &*self.backends;
        let fail =
            |kind, message| Error::new(kind, "feed", operation, message).with_subject(self.domain);
        for _ in 0..ATTEMPTS {
            let Some((item, mut feed)) = self.find().await? else {
                let message = format!("nobody was told of domain {}", self.domain);
                return Err(fail(ErrorKind::NotFound, message));
            };
            let plugged: Vec<&str> = backends.subscribers.iter().map(Seat::id).collect();
            feed.admit(&plugged);
            let now = backends.store.now().await?;
            if !change(&mut feed, now) {
                return Err(fail(
                    ErrorKind::NotFound,
                    format!("there is no subscriber {subscriber:?} of domain {}", self.domain),
                ));
            }
            let (key, header, body) = codec::write_feed(&feed, Some(now))?;
            let batch = Batch::new(OperationId::random(&*backends.random)?)
                .with(Write::Put {
                    key: key.clone(),
                    expect: Expect::Revision(item.revision),
                    header,
                    body,
                })
                .with(Write::Wake { key: key.clone() });
            match commit(backends, batch, &key).await? {
                Commit::Done => return Ok(()),
                Commit::Stale(_) => {}
                Commit::Fenced | Commit::Taken(_) => break,
            }
        }
        Err(fail(
            ErrorKind::Conflict,
            format!("others keep changing the deliveries of domain {}", self.domain),
        ))
    }
}

/// Returns what is stored of each subscriber, as others may see it.
fn deliveries(feed: &Feed) -> Vec<Delivery> {
    feed.cursors
        .iter()
        .map(|(subscriber, cursor)| Delivery {
            subscriber: subscriber.clone(),
            after: cursor.after,
            failures: cursor.failures,
            next_at: cursor.next_at,
            trouble: cursor.trouble.clone(),
            gone_at: cursor.gone_at,
            dead: cursor.dead.clone(),
            unlisted: cursor.lost,
        })
        .collect()
}
