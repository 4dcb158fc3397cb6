//! What is parked: finding it, and trying it again.

use serde::Serialize;

use super::{ATTEMPTS, Operator, lost_race, not_found};
use crate::{
    clock::Timestamp,
    domain::{Failure, Setback},
    engine::{
        codec::{self, PARKED},
        each::each,
        feed::{announce, wake},
        notice::Notice,
        root::Root,
        setback::{Unreadable, retried},
        telemetry,
    },
    error::{Error, ErrorKind, Result},
    id::{DomainId, TenantId},
    store::{Commit, Filter, Item, Key, Kind, Query},
};

/// A domain, or the feed of one, that nothing is tried with any more.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Parked {
    /// The domain, also where it is its feed that is parked.
    pub domain: DomainId,
    /// Whose it is.
    pub tenant: Option<TenantId>,
    /// Its name.
    pub name: Option<String>,
    /// What happened last, and how often in a row; `None` if not even that can be read.
    pub failure: Option<Failure>,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// A page of what is parked.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ParkedPage {
    /// What is parked, by rising id.
    pub parked: Vec<Parked>,
    /// Where to continue; `None` on the last page.
    pub next: Option<String>,
}

impl Operator {
    /// Returns a page of up to 100 domains that are parked, after the id at which the last one
    /// ended.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn parked(&self, after: Option<&str>) -> Result<ParkedPage> {
        self.parked_of(Kind::Domain, after).await
    }

    /// Returns a page of up to 100 domains whose feeds are parked, as [`parked`](Self::parked) does:
    /// the subscribers are told nothing of what happens to them.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn parked_feeds(&self, after: Option<&str>) -> Result<ParkedPage> {
        self.parked_of(Kind::Feed, after).await
    }

    async fn parked_of(&self, kind: Kind, after: Option<&str>) -> Result<ParkedPage> {
        let mut query = Query::new(kind, Filter::Status(PARKED.to_owned()));
        if let Some(after) = after {
            query = query.with_after(after);
        }
        let page = self.backends.store.list(&query).await?;
        let beside: Vec<Key> = page.items.iter().map(|item| Unreadable::key(&item.key)).collect();
        let beside = each(&*self.backends.store, &beside).await?;
        let parked = page.items.iter().zip(beside).filter_map(|(item, beside)| {
            let setback = setback(item, beside.ok().flatten().as_ref());
            let (failure, since) = setback.map(|it| (it.failure, it.parked_at)).unzip();
            Some(Parked {
                domain: item.key.id.parse().ok()?,
                tenant: item.header.tenant,
                name: item.header.name.clone(),
                failure,
                since: since.flatten(),
            })
        });
        // The store cannot read these: that they are parked is all that is known.
        let unknown = page.unreadable.iter().filter_map(|id| {
            let domain = id.parse().ok()?;
            Some(Parked { domain, tenant: None, name: None, failure: None, since: None })
        });
        let mut parked: Vec<Parked> = parked.chain(unknown).collect();
        parked.sort_by_key(|it| it.domain);
        Ok(ParkedPage { parked, next: page.next })
    }

    /// Tries again what was parked.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such domain, `Precondition` if it is not parked, `Conflict` if
    /// others keep changing it, and those of the store.
    pub async fn revive(&self, domain: DomainId) -> Result<()> {
        self.revive_root(&codec::domain_key(domain)).await
    }

    /// Tells the subscribers of a domain again, whose feed was parked: what they have not had yet.
    ///
    /// # Errors
    ///
    /// As for [`revive`](Self::revive).
    pub async fn revive_feed(&self, domain: DomainId) -> Result<()> {
        self.revive_root(&codec::feed_key(domain)).await
    }

    /// Tries again to make the account at the certificate authority.
    ///
    /// # Errors
    ///
    /// As for [`revive`](Self::revive).
    pub async fn revive_account(&self) -> Result<()> {
        self.revive_root(&codec::account_key(self.backends.authority.id())).await
    }

    async fn revive_root(&self, key: &Key) -> Result<()> {
        const OPERATION: &str = "revive";
        let not_parked = || {
            let message = format!("{key} is not parked");
            Error::new(ErrorKind::Precondition, "operator", OPERATION, message)
        };
        for _ in 0..ATTEMPTS {
            let keys = [key.clone(), Unreadable::key(key)];
            let mut found = self.backends.store.get(&keys).await?.into_iter();
            let item = found.next().flatten().ok_or_else(|| not_found(OPERATION, key))?;
            let beside = found.next().flatten();
            let now = self.backends.store.now().await?;
            let mut batch = self.batch()?;
            match (codec::read_root(&item), beside) {
                (Ok(mut root), _) if root.is_parked() => {
                    *root.setback_mut() = None;
                    if let Root::Domain(root) = &mut root {
                        let known = Some(item.revision);
                        let told = announce(&self.backends, &mut root.domain, known, now).await?;
                        batch.writes.extend(told);
                    }
                    batch.writes.extend(Self::put(&root, &item, now)?);
                    if let Root::Domain(_) = root {
                        batch = batch.with_entry(codec::write_notice(key, &Notice::Revived)?);
                    }
                }
                // It can be read since, or never could, and was given up.
                (_, Some(beside)) if item.header.status.as_deref() == Some(PARKED) => {
                    batch.writes.extend(retried(item, beside, now)?);
                    batch.writes.extend(wake(key));
                    // A feed has nothing to tell of itself.
                    if key.kind != Kind::Feed {
                        batch = batch.with_entry(codec::write_notice(key, &Notice::Revived)?);
                    }
                }
                _ => return Err(not_parked()),
            }
            let is_told = !batch.log.is_empty();
            match self.commit(batch, key).await? {
                Commit::Done => {
                    if is_told {
                        telemetry::told(&Notice::Revived);
                    }
                    return Ok(());
                }
                Commit::Stale(_) => {}
                Commit::Fenced | Commit::Taken(_) => return Err(lost_race(OPERATION)),
            }
        }
        Err(lost_race(OPERATION))
    }
}

/// Returns why a root is parked.
fn setback(item: &Item, beside: Option<&Item>) -> Option<Setback> {
    if let Ok(root) = codec::read_root(item) {
        return root.setback().cloned();
    }
    codec::read_item::<Unreadable>(beside?).ok().map(|unreadable| unreadable.setback)
}
