//! Broken variants, each of which the simulator has to catch: who finds nothing has to show that
//! there was nothing to be found.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::fault::FaultKind;
use crate::{
    ca::{Account, CertificateAuthority, ChallengeType},
    certificate::Handle,
    dns::{Applied, DnsProvider},
    error::{Error, ErrorKind, Result},
    keys::Keys,
    name::{DnsName, DomainName},
    record::RecordSet,
    resolver::{Answer, Lookup, Outcome, Resolver},
    secret::Secret,
    store::{Batch, Body, Commit, Expect, Header, Key, Kind, LeaseRequest, Leased, Store, Write},
    testkit::{AuthorityLayer, DnsLayer, StoreLayer},
    zone::{ChangeSet, SetChange},
};

/// A way in which nameplate or what is plugged in could be broken.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Mutant {
    /// An effect is carried out before its intent is stored.
    ActFirst,
    /// The DNS provider is told to write whatever others have written meanwhile.
    ClobberOthers,
    /// The store takes commits under leases that have ended.
    DropFence,
    /// The store forgets wakes.
    DropWake,
    /// Records are not removed although it is said that they are.
    ForgetRecords,
    /// The wait that the authority asks for is not heard.
    IgnoreRetryAfter,
    /// A lease is taken for a year.
    KeepLease,
    /// What belongs to a domain is not deleted with it.
    LoseDeletes,
    /// What the authority calls an order is not stored.
    LoseHandle,
    /// Another private key is stored than the one that was certified.
    OtherKey,
    /// A change overwrites one that came in between.
    Overwrite,
    /// A server that cannot answer counts as a record that is not there.
    ServFailIsAbsence,
    /// What happens to a domain is not told.
    SkipLog,
    /// Two tenants may hold one name.
    SkipUnique,
    /// What was seen once is believed for ever.
    StaleAnswers,
    /// An outcome that is not known counts as a refusal.
    UnknownIsRefusal,
}

impl Mutant {
    /// Every mutant.
    pub const ALL: [Self; 16] = [
        Self::ActFirst,
        Self::ClobberOthers,
        Self::DropFence,
        Self::DropWake,
        Self::ForgetRecords,
        Self::IgnoreRetryAfter,
        Self::KeepLease,
        Self::LoseDeletes,
        Self::LoseHandle,
        Self::OtherKey,
        Self::Overwrite,
        Self::ServFailIsAbsence,
        Self::SkipLog,
        Self::SkipUnique,
        Self::StaleAnswers,
        Self::UnknownIsRefusal,
    ];

    /// Returns the faults that bring it to light sooner than all kinds together.
    pub const fn faults(self) -> &'static [FaultKind] {
        match self {
            Self::ActFirst | Self::KeepLease => &[FaultKind::KillBefore, FaultKind::KillAfter],
            Self::ClobberOthers => &[FaultKind::DnsConflict],
            Self::DropFence => &[FaultKind::Stop],
            Self::IgnoreRetryAfter => &[FaultKind::RetryAfter],
            Self::Overwrite => &[FaultKind::Contention],
            Self::ServFailIsAbsence => &[FaultKind::DnsDisagreement, FaultKind::DnsServFail],
            Self::UnknownIsRefusal => &[FaultKind::FinalizeLost],
            Self::DropWake
            | Self::ForgetRecords
            | Self::LoseDeletes
            | Self::LoseHandle
            | Self::OtherKey
            | Self::SkipLog
            | Self::SkipUnique
            | Self::StaleAnswers => &[],
        }
    }

    /// Returns the name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ActFirst => "act_first",
            Self::ClobberOthers => "clobber_others",
            Self::DropFence => "drop_fence",
            Self::DropWake => "drop_wake",
            Self::ForgetRecords => "forget_records",
            Self::IgnoreRetryAfter => "ignore_retry_after",
            Self::KeepLease => "keep_lease",
            Self::LoseDeletes => "lose_deletes",
            Self::LoseHandle => "lose_handle",
            Self::OtherKey => "other_key",
            Self::Overwrite => "overwrite",
            Self::ServFailIsAbsence => "servfail_is_absence",
            Self::SkipLog => "skip_log",
            Self::SkipUnique => "skip_unique",
            Self::StaleAnswers => "stale_answers",
            Self::UnknownIsRefusal => "unknown_is_refusal",
        }
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A backend that is used or works in a broken way.
#[derive(Debug)]
pub(super) struct Broken<T: ?Sized> {
    mutant: Option<Mutant>,
    held: Mutex<BTreeMap<Key, Batch>>,
    answers: Mutex<Vec<(Lookup, Answer)>>,
    inner: Arc<T>,
}

impl<T: ?Sized> Broken<T> {
    pub(super) fn new(inner: Arc<T>, mutant: Option<Mutant>) -> Self {
        Self { mutant, held: Mutex::default(), answers: Mutex::default(), inner }
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
            Some(Mutant::LoseDeletes) => {
                batch.writes.retain(|write| !matches!(write, Write::Delete { .. }));
            }
            Some(Mutant::SkipLog) => batch.log.clear(),
            Some(Mutant::SkipUnique) => batch.writes.iter_mut().for_each(skip_unique),
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
    async fn commit(&self, mut batch: Batch) -> Result<Commit> {
        self.spoil(&mut batch);
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

    async fn lease(&self, wanted: &LeaseRequest) -> Result<Leased> {
        let mut wanted = wanted.clone();
        if self.is(Mutant::KeepLease) {
            wanted.duration = Duration::from_secs(365 * 86_400);
        }
        // What a process that is gone has held back is lost.
        self.held().clear();
        self.inner.lease(&wanted).await
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
