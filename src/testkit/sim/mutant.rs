//! Broken variants, each of which the simulator has to catch: who finds nothing has to show that
//! there was nothing to be found.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    Profile,
    fault::FaultKind,
    guard::{is_dropped, misread},
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

/// A way in which nameplate or what is plugged in could be broken.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Mutant {
    /// An effect is carried out before its intent is stored.
    ActFirst,
    /// A wrong code proves a name as the one that was mailed does.
    AnyCode,
    /// A wrong code takes a name that is offered.
    AnyOffer,
    /// The DNS provider is told to write whatever others have written meanwhile.
    ClobberOthers,
    /// The store takes commits under leases that have ended.
    DropFence,
    /// The store forgets wakes.
    DropWake,
    /// A redirection to a page of another host is followed.
    FollowAnywhere,
    /// What happened last is left out when it is asked for.
    ForgetEntries,
    /// That the authority has lost the account is taken note of by nobody.
    ForgetLosses,
    /// Records are not removed although it is said that they are.
    ForgetRecords,
    /// A tenant may have as many names as it wants.
    IgnoreCaps,
    /// That a registration has changed is taken note of, and nothing follows.
    IgnoreReports,
    /// The wait that the authority asks for is not heard.
    IgnoreRetryAfter,
    /// What was made for an earlier generation is not given up.
    KeepFormer,
    /// Who has lost or removed a name keeps it from others.
    KeepHold,
    /// A lease is taken for a year.
    KeepLease,
    /// What belongs to a domain is not deleted with it.
    LoseDeletes,
    /// What the authority calls an order is not stored.
    LoseHandle,
    /// An offer never ends.
    OfferForEver,
    /// The next generation of a claim has the token of the one before.
    OldToken,
    /// Another private key is stored than the one that was certified.
    OtherKey,
    /// A change overwrites one that came in between.
    Overwrite,
    /// A claim that nobody has proved keeps others from holding the name.
    PendingBlocks,
    /// A code proves a name as often as it is given back.
    ReusableCode,
    /// A server that cannot answer counts as a record that is not there.
    ServFailIsAbsence,
    /// A holder whose proof is gone has no time to bring it back.
    SkipCoolOff,
    /// What happens to a domain is not told.
    SkipLog,
    /// A name that was removed does not rest.
    SkipQuarantine,
    /// Two tenants may hold one name.
    SkipUnique,
    /// What was seen once is believed for ever.
    StaleAnswers,
    /// In a contest the proof of the holder counts as gone.
    TakeFromProver,
    /// Who was given a name never has to prove it.
    TrustForEver,
    /// An outcome that is not known counts as a refusal.
    UnknownIsRefusal,
}

impl Mutant {
    /// Every mutant.
    pub const ALL: [Self; 33] = [
        Self::ActFirst,
        Self::AnyCode,
        Self::AnyOffer,
        Self::ClobberOthers,
        Self::DropFence,
        Self::DropWake,
        Self::FollowAnywhere,
        Self::ForgetEntries,
        Self::ForgetLosses,
        Self::ForgetRecords,
        Self::IgnoreCaps,
        Self::IgnoreReports,
        Self::IgnoreRetryAfter,
        Self::KeepFormer,
        Self::KeepHold,
        Self::KeepLease,
        Self::LoseDeletes,
        Self::LoseHandle,
        Self::OfferForEver,
        Self::OldToken,
        Self::OtherKey,
        Self::Overwrite,
        Self::PendingBlocks,
        Self::ReusableCode,
        Self::ServFailIsAbsence,
        Self::SkipCoolOff,
        Self::SkipLog,
        Self::SkipQuarantine,
        Self::SkipUnique,
        Self::StaleAnswers,
        Self::TakeFromProver,
        Self::TrustForEver,
        Self::UnknownIsRefusal,
    ];

    /// Returns the faults that bring it to light sooner than all kinds together.
    pub const fn faults(self) -> &'static [FaultKind] {
        match self {
            Self::ActFirst | Self::KeepLease => &[FaultKind::KillBefore, FaultKind::KillAfter],
            Self::ClobberOthers => &[FaultKind::DnsConflict],
            Self::DropFence => &[FaultKind::Stop],
            Self::ForgetLosses => &[FaultKind::AccountLost],
            Self::IgnoreRetryAfter => &[FaultKind::RetryAfter],
            Self::Overwrite => &[FaultKind::Contention],
            Self::ServFailIsAbsence => &[FaultKind::DnsDisagreement, FaultKind::DnsServFail],
            Self::UnknownIsRefusal => &[FaultKind::FinalizeLost],
            _ => &[],
        }
    }

    /// Returns what the histories are about in which it shows.
    pub const fn profile(self) -> Profile {
        match self {
            Self::AnyCode
            | Self::AnyOffer
            | Self::FollowAnywhere
            | Self::ForgetEntries
            | Self::IgnoreCaps
            | Self::IgnoreReports
            | Self::KeepFormer
            | Self::KeepHold
            | Self::OfferForEver
            | Self::OldToken
            | Self::PendingBlocks
            | Self::ReusableCode
            | Self::SkipCoolOff
            | Self::SkipQuarantine
            | Self::TakeFromProver
            | Self::TrustForEver => Profile::Claims,
            _ => Profile::Certificates,
        }
    }

    /// Returns the name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ActFirst => "act_first",
            Self::AnyCode => "any_code",
            Self::AnyOffer => "any_offer",
            Self::ClobberOthers => "clobber_others",
            Self::DropFence => "drop_fence",
            Self::DropWake => "drop_wake",
            Self::FollowAnywhere => "follow_anywhere",
            Self::ForgetEntries => "forget_entries",
            Self::ForgetLosses => "forget_losses",
            Self::ForgetRecords => "forget_records",
            Self::IgnoreCaps => "ignore_caps",
            Self::IgnoreReports => "ignore_reports",
            Self::IgnoreRetryAfter => "ignore_retry_after",
            Self::KeepFormer => "keep_former",
            Self::KeepHold => "keep_hold",
            Self::KeepLease => "keep_lease",
            Self::LoseDeletes => "lose_deletes",
            Self::LoseHandle => "lose_handle",
            Self::OfferForEver => "offer_for_ever",
            Self::OldToken => "old_token",
            Self::OtherKey => "other_key",
            Self::Overwrite => "overwrite",
            Self::PendingBlocks => "pending_blocks",
            Self::ReusableCode => "reusable_code",
            Self::ServFailIsAbsence => "servfail_is_absence",
            Self::SkipCoolOff => "skip_cool_off",
            Self::SkipLog => "skip_log",
            Self::SkipQuarantine => "skip_quarantine",
            Self::SkipUnique => "skip_unique",
            Self::StaleAnswers => "stale_answers",
            Self::TakeFromProver => "take_from_prover",
            Self::TrustForEver => "trust_for_ever",
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
    pub(super) mutant: Option<Mutant>,
    held: Mutex<BTreeMap<Key, Batch>>,
    answers: Mutex<Vec<(Lookup, Answer)>>,
    pub(super) inner: Arc<T>,
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
            Some(Mutant::ForgetLosses) => batch.writes.retain(|write| {
                !matches!(write, Write::Put { body, .. } if body.as_str().contains("\"missed\":"))
            }),
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
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>> {
        let mut found = self.inner.get(keys).await?;
        if self.is(Mutant::AnyCode) {
            misread(self.mutant, &mut found);
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
        Ok(entries)
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
