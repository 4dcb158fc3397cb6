//! Backends that are used or work in a broken way, by mutant.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    guard::{forget_cursors, is_dropped, misread},
    mutant::Mutant,
    revision::Reused,
    shift::given_back,
};
use crate::{
    ca::{Account, CertificateAuthority, ChallengeType},
    certificate::Handle,
    dns::{Applied, DnsProvider},
    error::{Error, ErrorKind, Result},
    keys::Keys,
    name::{DnsName, DomainName},
    probe::{Fetch, Fetched, Probe},
    record::RecordSet,
    resolver::{Answer, Lookup, Outcome, Resolver},
    secret::Secret,
    store::{
        Batch, Body, Commit, Entry, Expect, Header, Item, Key, Kind, LeaseRequest, Leased, Store,
        UniqueKey, Write,
    },
    testkit::{AuthorityLayer, DnsLayer, StoreLayer},
    zone::{ChangeSet, SetChange},
};

/// A backend that is used or works in a broken way.
#[derive(Debug)]
pub(super) struct Broken<T: ?Sized> {
    pub(super) mutant: Option<Mutant>,
    held: Mutex<BTreeMap<Key, Batch>>,
    answers: Mutex<Vec<(Lookup, Answer)>>,
    reused: Reused,
    pub(super) inner: Arc<T>,
}

impl<T: ?Sized> Broken<T> {
    pub(super) fn new(inner: Arc<T>, mutant: Option<Mutant>) -> Self {
        let (held, answers, reused) = Default::default();
        Self { mutant, held, answers, reused, inner }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<Key, Batch>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Store + ?Sized> Broken<S> {
    /// Spoils what a batch writes.
    fn spoil(&self, batch: &mut Batch) {
        match self.mutant {
            Some(Mutant::DropWake) => {
                batch.writes.retain(|write| !matches!(write, Write::Wake { .. }));
            }
            Some(Mutant::ForgetLosses) => batch.writes.retain(|write| {
                !matches!(write, Write::Put { body, .. } if body.as_str().contains("\"missed\":"))
            }),
            Some(Mutant::LoseDeletes) => {
                batch.writes.retain(|write| !matches!(write, Write::Delete { .. }));
            }
            Some(Mutant::ForgetWakes) if given_back(batch).is_some() => batch.writes.clear(),
            Some(Mutant::SkipLog) => batch.log.clear(),
            Some(Mutant::SkipUnique) => batch.writes.iter_mut().for_each(skip_unique),
            Some(Mutant::TellNobody) => batch.writes.retain(|write| {
                !matches!(write, Write::Wake { key } if key.kind == Kind::Feed)
            }),
            Some(Mutant::LoseHandle) => batch.writes.iter_mut().for_each(lose_handle),
            _ => {}
        }
    }

    /// Commits what was held back for a root.
    async fn catch_up(&self, key: &Key) -> Result<()> {
        let held = self.held().remove(key);
        if let Some(batch) = held {
            self.inner.commit(batch).await?;
        }
        Ok(())
    }

    async fn overwrite(&self, mut batch: Batch) -> Result<Commit> {
        for write in &mut batch.writes {
            let (Write::Put { key, expect, .. } | Write::Delete { key, expect }) = write else {
                continue;
            };
            let found = self.inner.get(std::slice::from_ref(key)).await?;
            let item = found.into_iter().flatten().next();
            *expect = item.map_or(Expect::Absent, |item| Expect::Revision(item.revision));
        }
        self.inner.commit(batch).await
    }
}

fn skip_unique(write: &mut Write) {
    if let Write::Put { header: Header { unique, .. }, .. } = write {
        unique.retain(|unique| !unique.as_str().starts_with("hold/"));
    }
}

fn lose_handle(write: &mut Write) {
    let Write::Put { key: Key { kind: Kind::Order, .. }, body, .. } = write else { return };
    let text = body.as_str();
    let Some((front, rest)) = text.split_once("\"handle\":\"") else { return };
    let Some((_, back)) = rest.split_once('"') else { return };
    *body = Body::new(format!("{front}\"handle\":null{back}"));
}

#[async_trait]
impl<S: Store + ?Sized> StoreLayer for Broken<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        &self.inner
    }
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>> {
        let mut found = self.inner.get(keys).await?;
        if self.is(Mutant::AnyCode) {
            misread(self.mutant, &mut found);
        }
        if self.is(Mutant::ReuseRevision) {
            found.iter_mut().flatten().for_each(|item| self.reused.show(item));
        }
        Ok(found)
    }

    async fn find(&self, unique: &[UniqueKey]) -> Result<Vec<Option<Item>>> {
        let mut found = self.inner.find(unique).await?;
        misread(self.mutant, &mut found);
        Ok(found)
    }

    async fn commit(&self, mut batch: Batch) -> Result<Commit> {
        self.spoil(&mut batch);
        self.spoil_titles(&mut batch).await?;
        if self.is(Mutant::KeepShift) && given_back(&batch).is_some() {
            return Ok(Commit::Done);
        }
        if is_dropped(self.mutant, &batch) {
            return Ok(Commit::Done);
        }
        match self.mutant {
            Some(Mutant::ActFirst) => {
                let Some((lease, _)) = &batch.lease else { return self.inner.commit(batch).await };
                let key = lease.key.clone();
                self.catch_up(&key).await?;
                let opens = batch.writes.iter().any(|write| match write {
                    Write::Put { body, .. } => body.as_str().contains("\"intent\":{"),
                    _ => false,
                });
                if opens {
                    self.held().insert(key, batch);
                    return Ok(Commit::Done);
                }
                self.inner.commit(batch).await
            }
            Some(Mutant::DropFence) => {
                let mut late = batch.clone();
                match self.inner.commit(batch).await? {
                    Commit::Fenced => {
                        late.lease = None;
                        self.inner.commit(late).await
                    }
                    done => Ok(done),
                }
            }
            Some(Mutant::ReuseRevision) => self.reused.commit(&*self.inner, batch).await,
            Some(Mutant::Overwrite) => {
                let late = batch.clone();
                match self.inner.commit(batch).await? {
                    Commit::Stale(_) => self.overwrite(late).await,
                    done => Ok(done),
                }
            }
            _ => self.inner.commit(batch).await,
        }
    }

    async fn entries(&self, of: &Key, after: u64, limit: u32) -> Result<Vec<Entry>> {
        let mut entries = self.inner.entries(of, after, limit).await?;
        if self.is(Mutant::ForgetEntries) {
            entries.pop();
        }
        if self.is(Mutant::SkipEdges) && after > 0 && !entries.is_empty() {
            entries.remove(0);
        }
        Ok(entries)
    }

    async fn trim(&self, of: &Key, through: u64) -> Result<()> {
        let is_all = self.is(Mutant::TrimAll) && of.kind == Kind::Domain;
        let through = if is_all { u64::MAX } else { through };
        self.inner.trim(of, through).await
    }

    async fn lease(&self, wanted: &LeaseRequest) -> Result<Leased> {
        let mut wanted = wanted.clone();
        if self.is(Mutant::KeepLease) {
            wanted.duration = Duration::from_secs(365 * 86_400);
        }
        // What a process that is gone has held back is lost.
        self.held().clear();
        let mut leased = self.inner.lease(&wanted).await?;
        if self.is(Mutant::ForgetCursors) {
            leased.leases.iter_mut().for_each(|(_, item)| forget_cursors(item));
        }
        Ok(leased)
    }
}

#[async_trait]
impl<R: Resolver + ?Sized> Resolver for Broken<R> {
    async fn lookup(&self, lookup: &Lookup) -> Result<Answer> {
        let remembered = |answers: &Vec<(Lookup, Answer)>| {
            let found = answers.iter().find(|(asked, _)| asked == lookup);
            found.map(|(_, answer)| answer.clone())
        };
        if self.is(Mutant::StaleAnswers) {
            let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(answer) = remembered(&answers) {
                return Ok(answer);
            }
        }
        let mut answer = self.inner.lookup(lookup).await?;
        if self.is(Mutant::ServFailIsAbsence) && matches!(answer.outcome, Outcome::Failed(_)) {
            answer.outcome = Outcome::NxDomain { negative_ttl: None };
        }
        if self.is(Mutant::StaleAnswers) && matches!(answer.outcome, Outcome::Answer(_)) {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.push((lookup.clone(), answer.clone()));
        }
        Ok(answer)
    }
}

#[async_trait]
impl<D: DnsProvider + ?Sized> DnsLayer for Broken<D> {
    type Inner = D;

    fn inner(&self) -> &D {
        &self.inner
    }
    async fn apply(&self, zone: &DnsName, changes: &ChangeSet) -> Result<Vec<Applied>> {
        let count = |set: Option<&RecordSet>| set.map_or(0, |set| set.data().len());
        let shrinks = |change: &SetChange| count(change.after()) < count(change.before());
        if self.is(Mutant::ForgetRecords) && changes.iter().all(shrinks) {
            return Ok(changes.iter().map(|_| Applied::Done).collect());
        }
        let applied = self.inner.apply(zone, changes).await?;
        let is_conflict = |one: &Applied| matches!(one, Applied::Conflict(_));
        if !self.is(Mutant::ClobberOthers) || !applied.iter().any(is_conflict) {
            return Ok(applied);
        }
        let mut blind = Vec::new();
        for change in changes {
            let (name, record_type) = (change.name(), change.record_type());
            let there = self.inner.record_set(zone, name, record_type).await?;
            blind.extend(SetChange::new(there, change.after().cloned()));
        }
        match ChangeSet::new(blind) {
            Ok(blind) => self.inner.apply(zone, &blind).await,
            Err(_) => Ok(applied),
        }
    }
}

impl<C: CertificateAuthority + ?Sized> Broken<C> {
    fn heard<T>(&self, done: Result<T>) -> Result<T> {
        let error = match done {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let again = |kind| Error::new(kind, "mutant", error.operation(), error.message());
        match self.mutant {
            Some(Mutant::UnknownIsRefusal) if error.kind() == ErrorKind::Unknown => {
                Err(again(ErrorKind::Refused))
            }
            Some(Mutant::IgnoreRetryAfter) => Err(again(error.kind())),
            _ => Err(error),
        }
    }
}

#[async_trait]
impl<C: CertificateAuthority + ?Sized> AuthorityLayer for Broken<C> {
    type Inner = C;

    fn inner(&self) -> &C {
        &self.inner
    }
    async fn open(&self, account: &Account, names: &[DomainName]) -> Result<Handle> {
        self.heard(self.inner.open(account, names).await)
    }

    async fn respond(
        &self,
        account: &Account,
        order: &Handle,
        authorization: &Handle,
        challenge: ChallengeType,
    ) -> Result<()> {
        self.heard(self.inner.respond(account, order, authorization, challenge).await)
    }

    async fn finalize(&self, account: &Account, order: &Handle, csr: &[u8]) -> Result<()> {
        self.heard(self.inner.finalize(account, order, csr).await)
    }
}

#[async_trait]
impl<P: Probe + ?Sized> Probe for Broken<P> {
    async fn fetch(&self, fetch: &Fetch) -> Result<Fetched> {
        let fetched = self.inner.fetch(fetch).await?;
        if let Fetched::Response(response) = &fetched
            && self.is(Mutant::FollowAnywhere)
            && let Some(url) =
                response.location.as_deref().and_then(|to| to.strip_prefix("http://"))
            && let Some((host, path)) = url.split_once('/')
            && let Ok(host) = host.parse()
        {
            return self.inner.fetch(&Fetch::new(host, format!("/{path}"))).await;
        }
        Ok(fetched)
    }
}

impl<K: Keys + ?Sized> Broken<K> {
    /// Returns the key that is used in the place of one.
    fn other(&self, key: &Secret) -> Secret {
        let mut bytes = key.expose().to_vec();
        if let Some(last) = bytes.last_mut()
            && self.is(Mutant::OtherKey)
        {
            *last ^= 1;
        }
        Secret::new(bytes)
    }
}

impl<K: Keys + ?Sized> Keys for Broken<K> {
    fn generate(&self) -> Result<Secret> {
        self.inner.generate()
    }

    fn public_key(&self, key: &Secret) -> Result<Vec<u8>> {
        self.inner.public_key(&self.other(key))
    }

    fn request(&self, key: &Secret, names: &[DomainName]) -> Result<Vec<u8>> {
        self.inner.request(&self.other(key), names)
    }
}
