//! Every backend with faults on the way to it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{
    dice::Dice,
    fault::{Backend, FaultKind, Site},
    link::{Fate, Faulty},
    truth::Hush,
};
use crate::{
    ca::{
        Account, CertificateAuthority, ChallengeType, NO_ACCOUNT, OrderState, Progress, Signer,
        SigningRequest, UnsignedSigner,
    },
    certificate::{Chain, Handle},
    clock::Timestamp,
    dns::{Applied, Capabilities, DnsProvider},
    error::{Error, ErrorKind, Result},
    name::{DnsName, DomainName},
    record::{RecordData, RecordSet, RecordType, Ttl, Txt},
    resolver::{Answer, Failure, Lookup, Outcome, Resolver},
    seal::{Context, Sealed, Sealer, SealingKeyId},
    secret::Secret,
    store::{
        Batch, Commit, Entry, Expect, Item, Key, Lease, LeaseRequest, Leased, Page, Query, Store,
        UniqueKey, Write,
    },
    zone::{ChangeSet, SetChange},
};

/// How long a change may take to be seen by the world.
const DELAY: Duration = Duration::from_secs(600);

/// The same for the provider's own answers: what is removed is looked after once more at
/// `Policy::sweep_after`, which has to be longer.
const STALE: Duration = Duration::from_secs(300);

/// How many records others put into a set that is ours: a set that is longer than a resolver reads
/// shows nothing.
const INTRUDERS: usize = 16;

/// The longest wait that the engine grants, whatever is asked for.
const LONGEST: Duration = Duration::from_secs(86_400);

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Store + ?Sized> Store for Faulty<S> {
    async fn now(&self) -> Result<Timestamp> {
        let site = Site::new(Backend::Store, "now");
        let inner = Arc::clone(&self.inner);
        let fate = self.link.draw(site);
        self.link.call(site, fate, || async move { inner.now().await }).await
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>> {
        let site = Site::new(Backend::Store, "get");
        let (inner, keys) = (Arc::clone(&self.inner), keys.to_vec());
        let fate = self.link.draw(site);
        self.link.call(site, fate, || async move { inner.get(&keys).await }).await
    }

    async fn find(&self, unique: &[UniqueKey]) -> Result<Vec<Option<Item>>> {
        let site = Site::new(Backend::Store, "find");
        let (inner, unique) = (Arc::clone(&self.inner), unique.to_vec());
        let fate = self.link.draw(site);
        self.link.call(site, fate, || async move { inner.find(&unique).await }).await
    }

    async fn list(&self, query: &Query) -> Result<Page> {
        let site = Site::new(Backend::Store, "list");
        let (inner, query) = (Arc::clone(&self.inner), query.clone());
        let fate = self.link.draw(site);
        self.link.call(site, fate, || async move { inner.list(&query).await }).await
    }

    async fn commit(&self, batch: Batch) -> Result<Commit> {
        let site = Site::new(Backend::Store, "commit");
        let inner = Arc::clone(&self.inner);
        self.link.gives_back(&batch);
        let fate = self.link.draw(site);
        match fate {
            Fate::Special(FaultKind::Contention, _) => self.touch(batch.writes.iter()).await?,
            // The other one began at the other end.
            Fate::Undone(_) => self.touch(batch.writes.iter().rev()).await?,
            _ => {}
        }
        self.link.call(site, fate, || async move { inner.commit(batch).await }).await
    }

    async fn lease(&self, wanted: &LeaseRequest) -> Result<Leased> {
        let site = Site::new(Backend::Store, "lease");
        let (inner, asked) = (Arc::clone(&self.inner), wanted.clone());
        self.link.asks_for_work(wanted);
        let fate = self.link.draw(site);
        let link = self.link.clone();
        let call = || async move {
            let done = inner.lease(&asked).await;
            link.got_work(&asked, &done);
            done
        };
        self.link.call(site, fate, call).await
    }

    async fn extend(&self, leases: &[Lease], by: Duration) -> Result<Vec<Option<Lease>>> {
        let site = Site::new(Backend::Store, "extend");
        let (inner, leases) = (Arc::clone(&self.inner), leases.to_vec());
        self.link.puts_off(&leases, by);
        let fate = self.link.draw(site);
        self.link.call(site, fate, || async move { inner.extend(&leases, by).await }).await
    }

    async fn entries(&self, of: &Key, after: u64, limit: u32) -> Result<Vec<Entry>> {
        let site = Site::new(Backend::Store, "entries");
        let (inner, of) = (Arc::clone(&self.inner), of.clone());
        let fate = self.link.draw(site);
        self.link.call(site, fate, || async move { inner.entries(&of, after, limit).await }).await
    }

    async fn trim(&self, of: &Key, through: u64) -> Result<()> {
        let site = Site::new(Backend::Store, "trim");
        let (inner, of) = (Arc::clone(&self.inner), of.clone());
        let fate = self.link.draw(site);
        self.link.call(site, fate, || async move { inner.trim(&of, through).await }).await
    }

    async fn restore(&self, item: &Item, log: &[Entry]) -> Result<Commit> {
        let site = Site::new(Backend::Store, "restore");
        let (inner, item, log) = (Arc::clone(&self.inner), item.clone(), log.to_vec());
        let fate = self.link.draw(site);
        self.link.call(site, fate, || async move { inner.restore(&item, &log).await }).await
    }
}

impl<S: Store + ?Sized> Faulty<S> {
    /// Writes the first item of some writes as it is, so that its revision is another.
    async fn touch<'a>(&self, mut writes: impl Iterator<Item = &'a Write> + Send) -> Result<()> {
        let put = writes.find_map(|write| match write {
            Write::Put { key, .. } => Some(key.clone()),
            _ => None,
        });
        let Some(key) = put else { return Ok(()) };
        let found = self.inner.get(std::slice::from_ref(&key)).await?;
        let Some(item) = found.into_iter().flatten().next() else { return Ok(()) };
        let operation = self.link.core.with(|state| {
            let mut bytes = [0; 16];
            for block in bytes.chunks_mut(8) {
                block.copy_from_slice(&state.dice.number().to_le_bytes());
            }
            crate::id::OperationId::from_bytes(bytes)
        });
        let expect = Expect::Revision(item.revision);
        let again = Batch::new(operation).with(Write::Put {
            key,
            expect,
            header: item.header,
            body: item.body,
        });
        self.inner.commit(again).await.map(|_| ())
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<R: Resolver + ?Sized> Resolver for Faulty<R> {
    async fn lookup(&self, lookup: &Lookup) -> Result<Answer> {
        let site = Site::new(Backend::Resolver, "lookup");
        let (inner, lookup) = (Arc::clone(&self.inner), lookup.clone());
        let fate = self.link.draw(site);
        let failed = |outcome| Ok(Answer::new(outcome));
        if let Fate::Special(kind, _) = &fate {
            match kind {
                FaultKind::DnsTimeout => return failed(Outcome::Timeout),
                FaultKind::DnsServFail => return failed(Outcome::Failed(Failure::ServFail)),
                FaultKind::DnsBogus => return failed(Outcome::Failed(Failure::Bogus)),
                FaultKind::DnsDisagreement => {
                    return failed(Outcome::Failed(Failure::Disagreement));
                }
                FaultKind::DnsUnavailable => {
                    let message = "no socket could be had";
                    return Err(Error::new(
                        ErrorKind::Unavailable,
                        "simulation",
                        "lookup",
                        message,
                    ));
                }
                _ => {}
            }
        }
        self.link.call(site, fate, || async move { inner.lookup(&lookup).await }).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<D: DnsProvider + ?Sized> DnsProvider for Faulty<D> {
    async fn zone_of(&self, name: &DnsName) -> Result<Option<DnsName>> {
        let site = Site::new(Backend::Dns, "zone_of");
        let (inner, asked) = (Arc::clone(&self.inner), name.clone());
        let fate = self.link.draw(site);
        let found = self.link.call(site, fate, || async move { inner.zone_of(&asked).await }).await;
        if matches!(found, Ok(None)) {
            self.link.core.with(|state| state.truth.excuse_all());
        }
        found
    }

    async fn record_set(
        &self,
        zone: &DnsName,
        name: &DnsName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>> {
        let site = Site::new(Backend::Dns, "record_set");
        let (inner, zone, of) =
            (Arc::clone(&self.inner), zone.clone(), (name.clone(), record_type));
        let fate = self.link.draw(site);
        let stale = self.link.core.with(|state| {
            let now = state.now;
            state.truth.overlaid(&of, now, false)
        });
        let call = || async move {
            match stale {
                Some(set) => Ok(set),
                None => inner.record_set(&zone, &of.0, of.1).await,
            }
        };
        let found = self.link.call(site, fate, call).await;
        // The zone may have gone since it was looked for.
        if found.as_ref().is_err_and(|error| !error.kind().is_transient()) {
            self.link.core.with(|state| state.truth.excuse_all());
        }
        found
    }

    async fn apply(&self, zone: &DnsName, changes: &ChangeSet) -> Result<Vec<Applied>> {
        let site = Site::new(Backend::Dns, "apply");
        let (inner, zone, wanted) = (Arc::clone(&self.inner), zone.clone(), changes.clone());
        let fate = self.link.draw(site);
        if let Fate::Special(kind, dice) = &fate {
            match kind {
                FaultKind::DnsConflict => self.interfere(&zone, changes, *dice).await?,
                FaultKind::DnsRefused => {
                    self.link.core.with(|state| state.truth.excuse_all());
                    let refuse = |index| match index {
                        0 => Applied::Refused(Error::new(
                            ErrorKind::Refused,
                            "simulation",
                            "apply",
                            "the provider does not take that",
                        )),
                        _ => Applied::Skipped,
                    };
                    return Ok((0..changes.len()).map(refuse).collect());
                }
                FaultKind::DnsUnpublished | FaultKind::DnsStale => {
                    let is_whole = *kind == FaultKind::DnsUnpublished || is_seen_together(changes);
                    for change in changes.iter().filter(|_| is_whole) {
                        self.overlay(&zone, change, *kind, *dice).await?;
                    }
                }
                FaultKind::DnsTwice => {
                    let _ = inner.apply(&zone, &wanted).await?;
                }
                _ => {}
            }
        }
        let done =
            self.link.call(site, fate, || async move { inner.apply(&zone, &wanted).await }).await;
        let broken = self.link.core.with(|state| {
            let refused = |one: &Applied| matches!(one, Applied::Refused(_));
            let is_refused = match &done {
                Ok(done) => done.iter().any(refused),
                Err(error) => !error.kind().is_transient(),
            };
            if is_refused {
                state.truth.excuse_all();
            }
            state.truth.damage()
        });
        self.link.no_damage(&broken);
        done
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}

/// Returns whether stale answers about these sets are stale about markers as well.
///
/// A provider that shows a marker and not yet the record that it marks is more than markers can take:
/// the record seems to be gone, and what is left of it is nobody's.
fn is_seen_together(changes: &ChangeSet) -> bool {
    let is_kept_apart = |change: &SetChange| {
        let name = change.name().as_str();
        name.starts_with("_plat-records") || name.contains("acme")
    };
    changes.iter().any(is_kept_apart)
}

impl<D: DnsProvider + ?Sized> Faulty<D> {
    /// Changes a set that is about to be changed.
    async fn interfere(&self, zone: &DnsName, changes: &ChangeSet, mut dice: Dice) -> Result<()> {
        let Some(change) = changes.iter().next() else { return Ok(()) };
        let (name, record_type) = (change.name(), change.record_type());
        let number = dice.below(250);
        let data = match record_type {
            RecordType::Txt => RecordData::Txt(Txt::from_text(&format!("theirs-{number}"))),
            RecordType::A => {
                RecordData::A([198, 51, 100, u8::try_from(number).unwrap_or(1)].into())
            }
            _ => return Ok(()),
        };
        let before = self.inner.record_set(zone, name, record_type).await?;
        let after = match &before {
            Some(set) if set.contains(&data) || set.data().len() > INTRUDERS => return Ok(()),
            Some(set) => set.with(data.clone()),
            None => RecordSet::new(name.clone(), their_ttl(), [data.clone()]),
        };
        let Ok(after) = after.map(|set| set.with_ttl(their_ttl())) else { return Ok(()) };
        let Ok(change) = SetChange::new(before, Some(after)) else { return Ok(()) };
        let done = self.inner.apply(zone, &change.into()).await?;
        if matches!(done.first(), Some(Applied::Done)) {
            self.link.core.with(|state| state.truth.adopt(name, data));
        }
        Ok(())
    }

    /// Lets a set be seen as it is now for a while.
    async fn overlay(
        &self,
        zone: &DnsName,
        change: &SetChange,
        kind: FaultKind,
        mut dice: Dice,
    ) -> Result<()> {
        let of = (change.name().clone(), change.record_type());
        let before = self.inner.record_set(zone, &of.0, of.1).await?;
        let longest = if kind == FaultKind::DnsStale { STALE } else { DELAY };
        let delay = Duration::from_secs(1 + dice.below(longest.as_secs()));
        self.link.core.with(|state| {
            let until = state.now.saturating_add(delay);
            state.truth.overlay(before, of, until, kind == FaultKind::DnsUnpublished);
        });
        Ok(())
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<C: CertificateAuthority + ?Sized> CertificateAuthority for Faulty<C> {
    fn id(&self) -> &str {
        self.inner.id()
    }

    async fn caa_identities(&self) -> Result<Vec<String>> {
        self.inner.caa_identities().await
    }

    async fn enroll(&self, key: &Secret) -> Result<Handle> {
        let site = Site::new(Backend::Ca, "enroll");
        let (inner, key) = (Arc::clone(&self.inner), key.clone());
        let fate = self.link.draw(site);
        self.link.call(site, fate, || async move { inner.enroll(&key).await }).await
    }

    async fn open(&self, account: &Account, names: &[DomainName]) -> Result<Handle> {
        let site = Site::new(Backend::Ca, "open");
        let (inner, account, wanted) = (Arc::clone(&self.inner), account.clone(), names.to_vec());
        self.link.asks(names.first(), site.method);
        let fate = self.link.draw(site);
        let core = self.link.core.clone();
        let call = || async move {
            let order = inner.open(&account, &wanted).await?;
            if let Some(name) = wanted.first() {
                core.with(|state| state.ordered(&order, name));
            }
            Ok(order)
        };
        let done = self.link.call(site, fate, call).await;
        self.link.answered(names.first(), site.method, &done);
        done
    }

    async fn progress(&self, account: &Account, order: &Handle) -> Result<Progress> {
        let site = Site::new(Backend::Ca, "progress");
        let (inner, account, asked) = (Arc::clone(&self.inner), account.clone(), order.clone());
        let fate = self.link.draw(site);
        match &fate {
            Fate::Special(FaultKind::StuckProcessing, _) => {
                let stuck = order.as_bytes().to_vec();
                self.link.core.with(|state| state.truth.stuck.insert(stuck));
            }
            Fate::Special(FaultKind::OrderInvalid, _) => {
                self.link.core.with(|state| state.truth.excuse(order));
                self.link.core.with(|state| state.truth.spoil(order));
            }
            _ => {}
        }
        let mut done = self
            .link
            .call(site, fate, || async move { inner.progress(&account, &asked).await })
            .await;
        if let Ok(progress) = &mut done {
            self.link.core.with(|state| {
                if progress.state == OrderState::Invalid {
                    state.truth.excuse(order);
                }
                if progress.state == OrderState::Ready
                    && state.truth.answered.insert(order.as_bytes().to_vec())
                {
                    state.coverage.fault(FaultKind::AuthorizationReused);
                }
                let is_stuck = state.truth.stuck.contains(order.as_bytes());
                if is_stuck && progress.state == OrderState::Valid {
                    progress.state = OrderState::Processing;
                }
            });
        }
        done
    }

    async fn respond(
        &self,
        account: &Account,
        order: &Handle,
        authorization: &Handle,
        challenge: ChallengeType,
    ) -> Result<()> {
        let site = Site::new(Backend::Ca, "respond");
        let name = self.link.name_of(order);
        self.link.asks(name.as_ref(), site.method);
        let (inner, account) = (Arc::clone(&self.inner), account.clone());
        let (order, authorization) = (order.clone(), authorization.clone());
        let answered = order.as_bytes().to_vec();
        self.link.core.with(|state| state.truth.answered.insert(answered));
        let fate = self.link.draw(site);
        let call =
            || async move { inner.respond(&account, &order, &authorization, challenge).await };
        let done = self.link.call(site, fate, call).await;
        self.link.answered(name.as_ref(), site.method, &done);
        done
    }

    async fn finalize(&self, account: &Account, order: &Handle, csr: &[u8]) -> Result<()> {
        let site = Site::new(Backend::Ca, "finalize");
        let name = self.link.name_of(order);
        self.link.asks(name.as_ref(), site.method);
        let (inner, account) = (Arc::clone(&self.inner), account.clone());
        let (order, csr) = (order.clone(), csr.to_vec());
        let fate = self.link.draw(site);
        if let Fate::Special(FaultKind::AuthorizationDeactivated, _) = fate {
            self.link.core.with(|state| {
                state.truth.excuse(&order);
                state.truth.spoil(&order);
            });
        }
        if let Fate::Special(FaultKind::FinalizeTwice, _) = fate {
            let _ = inner.finalize(&account, &order, &csr).await;
        }
        let call = || async move { inner.finalize(&account, &order, &csr).await };
        let done = self.link.call(site, fate, call).await;
        self.link.answered(name.as_ref(), site.method, &done);
        done
    }

    async fn certificate(&self, account: &Account, order: &Handle) -> Result<String> {
        let site = Site::new(Backend::Ca, "certificate");
        let (inner, account, asked) = (Arc::clone(&self.inner), account.clone(), order.clone());
        let fate = self.link.draw(site);
        let wrong = match fate {
            Fate::Special(kind @ (FaultKind::WrongChain | FaultKind::WrongKey), _) => Some(kind),
            _ => None,
        };
        let done = self
            .link
            .call(site, fate, || async move { inner.certificate(&account, &asked).await })
            .await;
        match (done, wrong) {
            (Ok(chain), Some(kind)) => {
                self.link.core.with(|state| state.truth.excuse(order));
                forge(&chain, kind)
            }
            (done, _) => done,
        }
    }
}

/// Makes a chain that is not the one that was wanted.
fn forge(chain: &str, kind: FaultKind) -> Result<String> {
    let nonsense = |cause| {
        Error::new(ErrorKind::Internal, "simulation", "certificate", "a chain that cannot be read")
            .with_source(cause)
    };
    let real: Chain = chain.parse().map_err(nonsense)?;
    let mut public_key = real.public_key().to_vec();
    let mut names = real.names().to_vec();
    if kind == FaultKind::WrongKey {
        if let Some(last) = public_key.last_mut() {
            *last ^= 1;
        }
    } else {
        names = "other.example.com".parse().into_iter().collect();
    }
    let signed = UnsignedSigner.sign(&SigningRequest {
        csr: Vec::new(),
        public_key,
        names,
        not_before: real.not_before(),
        not_after: real.not_after(),
        serial: [0x41; 16],
    })?;
    Ok(Chain::from_der(signed).map_err(nonsense)?.to_pem())
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Sealer + ?Sized> Sealer for Faulty<S> {
    fn keys(&self) -> Vec<SealingKeyId> {
        self.inner.keys()
    }

    async fn seal(&self, context: &Context, secret: &Secret) -> Result<Sealed> {
        let site = Site::new(Backend::Sealer, "seal");
        let (inner, context, secret) = (Arc::clone(&self.inner), context.clone(), secret.clone());
        let fate = self.link.draw(site);
        self.link.call(site, fate, || async move { inner.seal(&context, &secret).await }).await
    }

    async fn open(&self, context: &Context, sealed: &Sealed) -> Result<Secret> {
        let site = Site::new(Backend::Sealer, "open");
        let (inner, context, sealed) = (Arc::clone(&self.inner), context.clone(), sealed.clone());
        let fate = self.link.draw(site);
        self.link.call(site, fate, || async move { inner.open(&context, &sealed).await }).await
    }
}

impl super::link::Link {
    /// Returns the name that an order at the authority is for.
    fn name_of(&self, order: &Handle) -> Option<DomainName> {
        self.core.with(|state| state.truth.orders.get(order.as_bytes()).cloned())
    }

    /// Takes note of what the authority answered.
    fn answered<T>(&self, name: Option<&DomainName>, method: &'static str, done: &Result<T>) {
        let (Some(name), Err(error)) = (name, done) else { return };
        self.core.with(|state| {
            if !error.kind().is_transient() && error.code() != Some(NO_ACCOUNT) {
                state.truth.excused.insert(name.clone());
            }
            if let (ErrorKind::RateLimited, Some(wait)) = (error.kind(), error.retry_after()) {
                let until = state.now.saturating_add(wait.min(LONGEST));
                state.truth.hushed.insert((name.clone(), method), Hush { until, known: false });
            }
        });
    }
}

fn their_ttl() -> Ttl {
    Ttl::from_secs(super::truth::THEIRS).unwrap_or(Ttl::HOUR)
}
