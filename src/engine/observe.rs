//! Answering questions by asking the backends, and judging what they say.

use std::{net::IpAddr, sync::PoisonError};

use super::{
    backends::Backends,
    codec, loss,
    root::{AccountRoot, AccountState, Fact, Question, Trouble},
};
use crate::{
    ca::{Account, OrderState},
    certificate::Handle,
    clock::Timestamp,
    domain::Domain,
    error::{Error, ErrorKind, Result},
    evidence::{Found, Observation, Seen, Subject, Topic, Verdict},
    id::{KeyId, OrderId, TenantId},
    name::{DnsName, DomainName},
    record::{RecordData, RecordType},
    resolver::{Answer, Failure, Lookup, Mode, Outcome},
    seal::Context,
};

/// What a sealed certificate key is bound to.
pub(super) const CERTIFICATE_KEY: &str = "certificate key";
/// What a sealed account key is bound to.
pub(super) const ACCOUNT_KEY: &str = "account key";

impl Backends {
    /// Answers one question about `domain`; `None` for questions about an account.
    pub(super) async fn answer(
        &self,
        question: &Question,
        domain: Option<&Domain>,
        now: Timestamp,
    ) -> Fact {
        let answer = match question {
            Question::Account => self.account_state().await.map(Fact::Account),
            Question::AccountKey => self.account_key().await,
            Question::Caa => match domain {
                Some(domain) => self.caa(domain).await,
                None => Err(misplaced()),
            },
            Question::Look(subject) => match domain {
                Some(domain) => Ok(Fact::Observed(self.look(subject, domain, now).await)),
                None => Err(misplaced()),
            },
            Question::Order { order, handle, account } => {
                self.order(*order, handle, account.as_ref()).await
            }
            Question::OrderKey { order, names } => match domain {
                Some(domain) => self.order_key(*order, names, domain.tenant()).await,
                None => Err(misplaced()),
            },
            Question::MailCode { round } => match domain {
                Some(domain) => self.mail_code(domain, *round).await,
                None => Err(misplaced()),
            },
            Question::Barred { owners } => {
                let owners: Vec<_> = owners.iter().collect();
                let barred = match domain {
                    Some(domain) => self.held_by_others(domain, &owners).await,
                    None => Err(misplaced()),
                };
                // It is asked again at every visit: nothing waits for it.
                Ok(Fact::Barred { owners: barred.unwrap_or_default().barred })
            }
            Question::Visible { owner, value } => Ok(self.visible(owner, value).await),
        };
        answer.unwrap_or_else(|error| Fact::Unanswered(Trouble::from(&error)))
    }

    pub(super) async fn account_root(&self) -> Result<Option<AccountRoot>> {
        let key = codec::account_key(self.authority.id());
        let found = self.store.get(&[key]).await?;
        let Some(item) = found.into_iter().flatten().next() else { return Ok(None) };
        // Nothing panics in between: every use is one statement.
        let last = || self.last_account.lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            last().as_ref().filter(|(at, _)| *at == item.revision).map(|(_, it)| it.clone());
        if known.is_some() {
            return Ok(known);
        }
        let root: AccountRoot = codec::read_item(&item)?;
        *last() = Some((item.revision, root.clone()));
        Ok(Some(root))
    }

    async fn account_state(&self) -> Result<AccountState> {
        Ok(match self.account_root().await? {
            None => AccountState::Absent,
            // No order is planned that could not be opened for want of a sealing key.
            Some(root) if root.handle.is_some() && root.missed.is_none() => {
                self.opened(root).await?;
                AccountState::Ready
            }
            Some(AccountRoot { trouble: Some(trouble), .. }) => {
                return Err(Error::new(
                    trouble.kind,
                    "engine",
                    "enroll",
                    format!("no account at the certificate authority: {}", trouble.message),
                ));
            }
            Some(_) => AccountState::Enrolling,
        })
    }

    /// Returns the account with its key opened.
    pub(super) async fn account(&self) -> Result<Account> {
        self.opened(self.account_root().await?.ok_or_else(no_account)?).await
    }

    async fn opened(&self, root: AccountRoot) -> Result<Account> {
        let (Some(sealed), Some(handle)) = (&root.key, root.handle) else {
            return Err(no_account());
        };
        let key = self.sealer.open(&self.account_context(), sealed).await?;
        Ok(Account::new(key, handle))
    }

    pub(super) fn account_context(&self) -> Context {
        Context::new(None, codec::account_key(self.authority.id()), ACCOUNT_KEY)
    }

    async fn account_key(&self) -> Result<Fact> {
        self.ready_to_seal().await?;
        let key = self.keys.generate()?;
        Ok(Fact::AccountKey(self.sealer.seal(&self.account_context(), &key).await?))
    }

    async fn order_key(
        &self,
        order: OrderId,
        names: &[DomainName],
        tenant: TenantId,
    ) -> Result<Fact> {
        self.ready_to_seal().await?;
        let id = KeyId::random(&*self.random)?;
        let key = self.keys.generate()?;
        let public_key = self.keys.public_key(&key)?;
        let request = self.keys.request(&key, names)?;
        let context = Context::new(Some(tenant), codec::key_key(id), CERTIFICATE_KEY);
        let sealed = self.sealer.seal(&context, &key).await?;
        Ok(Fact::OrderKey { order, id, sealed, public_key, request })
    }

    async fn order(
        &self,
        order: OrderId,
        handle: &Handle,
        opened_under: Option<&Handle>,
    ) -> Result<Fact> {
        let Some(account) = self.account_root().await? else { return Err(no_account()) };
        if account.handle.is_none() && account.trouble.is_none() {
            return Ok(Fact::Account(AccountState::Enrolling));
        }
        let account = self.opened(account).await?;
        if opened_under.is_some_and(|opened_under| *opened_under != account.handle) {
            return Ok(Fact::Orphaned { order });
        }
        let read = async {
            let progress = self.authority.progress(&account, handle).await?;
            let chain = match progress.state {
                OrderState::Valid => Some(self.authority.certificate(&account, handle).await?),
                _ => None,
            };
            Ok(Fact::Order { order, progress, chain })
        };
        read.await.or_else(|error| Ok(Fact::Unanswered(loss::trouble(&error, &account))))
    }

    pub(super) async fn lookup(
        &self,
        name: &DnsName,
        record_type: RecordType,
        mode: Mode,
    ) -> Answer {
        let lookup = Lookup::new(name.clone(), record_type, mode);
        match self.resolver.lookup(&lookup).await {
            Ok(answer) => answer,
            // A fault of our own says nothing about the zone.
            Err(_) => Answer::new(Outcome::Failed(Failure::ServFail)),
        }
    }

    /// Looks the way that the world would, but asks caches only for what is there.
    ///
    /// A resolver that is asked for a record that does not exist yet remembers that it does not.
    /// What the servers of the zone do not have is therefore not looked for anywhere else, unless a
    /// name would be taken away for it: anybody on the way to a server can say that a record is gone,
    /// and only a resolver that validates can tell.
    pub(super) async fn judge(
        &self,
        domain: &Domain,
        name: &DnsName,
        record_type: RecordType,
        judge: impl Fn(&Answer) -> (Verdict, Seen) + Send + Sync,
    ) -> (Verdict, Seen) {
        let (verdict, seen) = judge(&self.lookup(name, record_type, Mode::Authoritative).await);
        let matters = match verdict {
            Verdict::Confirmed => true,
            Verdict::Refuted => domain.status().holds(),
            Verdict::Unknown => false,
        };
        if !matters {
            return (verdict, seen);
        }
        match judge(&self.lookup(name, record_type, Mode::Recursive).await) {
            (second, seen) if second == verdict => (verdict, seen),
            // The two disagree: a cache, or a lie.
            (_, seen) => (Verdict::Unknown, seen),
        }
    }

    async fn look(&self, subject: &Subject, domain: &Domain, now: Timestamp) -> Observation {
        let (verdict, seen) = match subject.topic {
            Topic::Ownership => self.proof(domain, now).await,
            Topic::Delegation => match domain.delegation() {
                Some(delegation) => {
                    let leads = |answer: &Answer| leads_to(answer, &delegation.target);
                    self.judge(domain, &subject.name, RecordType::Cname, leads).await
                }
                None => (Verdict::Unknown, Seen::default()),
            },
            Topic::Routing => self.routing(domain).await,
        };
        Observation::new(subject.clone(), verdict, now, seen)
    }

    /// Judges by addresses, never by the text of a CNAME record: a name may be flattened, and a
    /// CNAME may lead nowhere.
    async fn routing(&self, domain: &Domain) -> (Verdict, Seen) {
        let name = routed_name(domain.name());
        let found = self.addresses(&name, Mode::Authoritative).await;
        let mut wanted: Vec<IpAddr> = Vec::new();
        wanted.extend(self.targets.a().iter().copied().map(IpAddr::V4));
        wanted.extend(self.targets.aaaa().iter().copied().map(IpAddr::V6));
        match (self.targets.host(), &found) {
            (None, _) => {}
            // What our own host leads to by the servers of its zone, which were asked on the way.
            (Some(host), Ok(found)) if found.chain.contains(host) => {
                wanted.extend(&found.addresses);
            }
            // Every look asks for this, those of claims that prove nothing among them: a cache has
            // it, and the servers of the zone, which all tenants need, are left alone.
            (Some(host), _) => match self.addresses(host, Mode::Recursive).await {
                Ok(ours) => wanted.extend(ours.addresses),
                // Its zone is asked below.
                Err(_) if domain.status().holds() => {}
                // Our own edge cannot be found: that says nothing about the customer.
                Err(_) => return (Verdict::Unknown, Seen::of(Found::Failed)),
            },
        }
        let found = match found {
            Ok(found) => found.addresses,
            Err(Missing::Absent(found)) => return (Verdict::Refuted, Seen::of(found)),
            Err(Missing::Unknown(found)) => return (Verdict::Unknown, Seen::of(found)),
        };
        let seen = sorted(found.iter().map(ToString::to_string));
        let all = |wanted: &[IpAddr]| {
            !found.is_empty() && found.iter().all(|address| wanted.contains(address))
        };
        // A cache may be late, or show our own network something else: nobody's certificate waits for
        // that.
        if let Some(host) = self.targets.host()
            && domain.status().holds()
            && !all(&wanted)
        {
            match self.addresses(host, Mode::Authoritative).await {
                Ok(ours) => wanted.extend(ours.addresses),
                Err(_) => return (Verdict::Unknown, Seen::of(Found::Failed)),
            }
        }
        (if all(&wanted) { Verdict::Confirmed } else { Verdict::Refuted }, seen)
    }

    /// Returns all addresses of a name, of both families.
    async fn addresses(&self, name: &DnsName, mode: Mode) -> Result<Addresses, Missing> {
        let mut found: Option<Addresses> = None;
        let mut absent = None;
        for record_type in [RecordType::A, RecordType::Aaaa] {
            let answer = self.lookup(name, record_type, mode).await;
            match answer.outcome {
                Outcome::Answer(records) => {
                    let addresses = records.iter().filter_map(|record| match record.data() {
                        RecordData::A(address) => Some(IpAddr::V4(*address)),
                        RecordData::Aaaa(address) => Some(IpAddr::V6(*address)),
                        _ => None,
                    });
                    let (addresses, chain) = (addresses.collect(), answer.chain);
                    match &mut found {
                        None => found = Some(Addresses { addresses, chain }),
                        Some(found) => {
                            found.addresses.extend(addresses);
                            // What only one of the two led over is not where the name leads.
                            found.chain.retain(|over| chain.contains(over));
                        }
                    }
                }
                outcome => match absence(&outcome) {
                    Missing::Absent(found) => absent = Some(found),
                    unknown @ Missing::Unknown(_) => return Err(unknown),
                },
            }
        }
        match (found, absent) {
            (Some(found), _) if !found.addresses.is_empty() => Ok(found),
            (_, Some(absent)) => Err(Missing::Absent(absent)),
            (found, None) => Ok(found.unwrap_or_default()),
        }
    }

    async fn visible(&self, owner: &DnsName, value: &str) -> Fact {
        let answer = self.lookup(owner, RecordType::Txt, Mode::Authoritative).await;
        let verdict = match &answer.outcome {
            Outcome::Answer(records) => {
                let there = records.iter().any(|record| match record.data() {
                    RecordData::Txt(text) => text.to_bytes() == value.as_bytes(),
                    _ => false,
                });
                if there { Verdict::Confirmed } else { Verdict::Refuted }
            }
            outcome => match absence(outcome) {
                Missing::Absent(_) => Verdict::Refuted,
                Missing::Unknown(_) => Verdict::Unknown,
            },
        };
        Fact::Visible { owner: owner.clone(), value: value.to_owned(), verdict }
    }
}

/// Where a name leads.
#[derive(Default)]
struct Addresses {
    addresses: Vec<IpAddr>,
    /// The names over which all of them were found.
    chain: Vec<DnsName>,
}

/// Why there are no records.
enum Missing {
    /// There certainly are none.
    Absent(Found),
    /// Nobody knows.
    Unknown(Found),
}

fn absence(outcome: &Outcome) -> Missing {
    match outcome {
        Outcome::NxDomain { .. } => Missing::Absent(Found::NxDomain),
        Outcome::NoData { .. } | Outcome::Answer(_) => Missing::Absent(Found::NoData),
        Outcome::Failed(Failure::Bogus) => Missing::Unknown(Found::Bogus),
        Outcome::Failed(_) => Missing::Unknown(Found::Failed),
        Outcome::Timeout => Missing::Unknown(Found::Timeout),
    }
}

pub(super) fn not_there(answer: &Answer) -> (Verdict, Seen) {
    match absence(&answer.outcome) {
        Missing::Absent(found) => (Verdict::Refuted, Seen::of(found)),
        Missing::Unknown(_) if let Some(owner) = &answer.renamed => {
            let note = format!("a DNAME record at {owner}, which renames every name below it");
            (Verdict::Unknown, Seen { found: Found::Renamed, ..Seen::values([note]) })
        }
        Missing::Unknown(found) => (Verdict::Unknown, Seen::of(found)),
    }
}

/// Notes values in an order of their own: servers turn theirs, which is no news.
pub(super) fn sorted(values: impl Iterator<Item = impl Into<String>>) -> Seen {
    let mut values: Vec<String> = values.map(Into::into).collect();
    values.sort_unstable();
    Seen::values(values)
}

/// Judges an answer to the question for a CNAME record.
fn leads_to(answer: &Answer, target: &DnsName) -> (Verdict, Seen) {
    let Outcome::Answer(records) = &answer.outcome else { return not_there(answer) };
    let targets = records.iter().filter_map(|record| match record.data() {
        RecordData::Cname(name) => Some(name),
        _ => None,
    });
    let there = targets.clone().any(|name| name == target);
    let seen = Seen::values(targets.map(ToString::to_string));
    (if there { Verdict::Confirmed } else { Verdict::Refuted }, seen)
}

/// Returns the name whose addresses show where a domain leads: for a wildcard, one below it.
fn routed_name(name: &DomainName) -> DnsName {
    let base = DnsName::from(name.base());
    if name.is_wildcard() { base.child("nameplate-probe").unwrap_or(base) } else { base }
}

fn no_account() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "engine",
        "account",
        "there is no account at the certificate authority yet",
    )
}

fn misplaced() -> Error {
    Error::new(ErrorKind::Internal, "engine", "observe", "a question about a domain without one")
}
