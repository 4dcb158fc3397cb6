//! Proof of ownership by mail: codes are drawn, mailed, and given back by who got them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    backends::Backends,
    codec,
    feed::announce,
    held::commit,
    notice::Notice,
    onboarding::{Onboarding, lost_race},
    policy::Policy,
    refusal::{Refusal, Rule},
    root::{Fact, Outcome, Receipt, Root, Trouble},
    telemetry,
};
use crate::{
    challenge::{
        Method,
        email::{
            Claim, Contacts, Correspondence, Letter, Link, MailAddress, MailWish, SealedCode,
            scopes_by,
        },
    },
    clock::{Timestamp, after, whole_second},
    domain::{Domain, Status},
    error::{Error, ErrorKind, Result},
    evidence::{Found, Seen, Verdict},
    id::{DomainId, OperationId, TenantId},
    mail::{Mailer, Message},
    name::{DnsName, DomainName, PublicSuffixes},
    record::{RecordData, RecordType},
    resolver::{Answer, Mode, Outcome as Answered},
    seal::{Context, MissingKey, Sealed},
    secret::Secret,
    store::{Batch, Commit, Expect, Header, Key, Kind, Write},
};

/// The code of the trouble that a code which was to be mailed cannot be opened any more.
pub(super) const LOST_CODE: &str = "lost_code";

/// What a sealed code is bound to.
const MAIL_CODE: &str = "mail code";

/// How often a command is tried again when a worker changes the same domain at the same time.
const ATTEMPTS: usize = 8;

/// What is stored of what a tenant had mailed.
#[derive(Debug, Deserialize, Serialize)]
struct Mailed {
    /// Below which domain, for whoever looks into the store.
    below: String,
    full_at: Timestamp,
}

/// What is stored of what an address was mailed.
#[derive(Debug, Deserialize, Serialize)]
struct Received {
    full_at: Timestamp,
}

/// What mails codes, and where the links in the mails lead.
#[derive(Clone, Debug)]
pub(super) struct Post {
    mailer: Arc<dyn Mailer>,
    link: Link,
}

impl Post {
    pub(super) const fn new(mailer: Arc<dyn Mailer>, link: Link) -> Self {
        Self { mailer, link }
    }
}

impl Backends {
    fn post(&self) -> Result<&Post> {
        self.post.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Unavailable, "engine", "mail", "no mailer is plugged in")
        })
    }

    fn code_context(domain: &Domain, round: u64) -> Context {
        Context::new(Some(domain.tenant()), codec::domain_key(domain.id()), MAIL_CODE)
            .with_revision(round)
    }

    /// Draws a code of 256 bits, and looks whom the zone wants to be written to.
    pub(super) async fn mail_code(&self, domain: &Domain, round: u64) -> Result<Fact> {
        self.post()?;
        self.ready_to_seal().await?;
        self.spend_mail(domain).await?;
        let mut chance = [0; 32];
        self.random.fill(&mut chance)?;
        let code = hex::encode(chance);
        let digest = Correspondence::digest(&code);
        let context = Self::code_context(domain, round);
        let sealed = self.sealer.seal(&context, &Secret::new(code.into_bytes())).await?;
        let wanted = domain.mail.as_ref().and_then(|mail| mail.wish.scope.as_ref());
        let suffixes = self.claims.suffixes();
        let contacts = Contacts::by(&suffixes, domain.name(), wanted).ok();
        let published = match &contacts {
            Some(contacts) => self.published(&suffixes, contacts).await,
            None => Vec::new(),
        };
        let scope = contacts.map(|contacts| contacts.scope().clone());
        Ok(Fact::MailCode { round, sealed, digest, scope, published })
    }

    /// Spends one round of what a tenant may have mailed about the names below a registered domain.
    ///
    /// A round that is lost to a crash is spent all the same.
    async fn spend_mail(&self, domain: &Domain) -> Result<()> {
        let suffixes = self.claims.suffixes();
        let registrable = suffixes.registrable(domain.name());
        let below = registrable.unwrap_or_else(|| domain.name().as_str()).to_owned();
        let of =
            Sha256::new().chain_update(domain.tenant().as_bytes()).chain_update(&below).finalize();
        let key = Key::new(Kind::Ledger, format_args!("mail/{}", hex::encode(of)));
        for _ in 0..ATTEMPTS {
            let now = self.store.now().await?;
            let found = self.store.get(std::slice::from_ref(&key)).await?;
            let item = found.into_iter().flatten().next();
            // What is not readable here is of another release, or broken: no reason to write more.
            let known = item.as_ref().map(codec::read_item::<Mailed>).transpose()?;
            let full_at = known.map(|mailed| mailed.full_at);
            let budget = self.settings.policy.mail_budget;
            let Ok(full_at) = budget.take(full_at, now) else {
                let message = format!("enough was mailed about names below {below} for now");
                return Err(Error::new(ErrorKind::RateLimited, "engine", "mail", message));
            };
            let expect = item.map_or(Expect::Absent, |item| Expect::Revision(item.revision));
            let header = Header {
                tenant: Some(domain.tenant()),
                expires: Some(full_at),
                ..Header::default()
            };
            let body = codec::write_item(&Mailed { below: below.clone(), full_at })?;
            let batch = Batch::new(OperationId::random(&*self.random)?).with(Write::Put {
                key: key.clone(),
                expect,
                header,
                body,
            });
            if commit(self, batch, &key).await? == Commit::Done {
                return Ok(());
            }
        }
        Err(lost_race("mail"))
    }

    /// Returns whether an address is at the registered domain of a claim.
    fn is_at_home(&self, domain: &Domain, to: &MailAddress) -> bool {
        let suffixes = self.claims.suffixes();
        let host = to.host().parse::<DomainName>().ok();
        let home = suffixes.registrable(domain.name());
        home.is_some() && host.as_ref().and_then(|host| suffixes.registrable(host)) == home
    }

    /// Returns the addresses that a zone publishes for this; none if it cannot be asked.
    ///
    /// Whoever has one of them gets the name: what is published counts as a proof in a record does.
    async fn published(&self, suffixes: &PublicSuffixes, contacts: &Contacts) -> Vec<MailAddress> {
        let mut records = match contacts.published_at() {
            Some(name) => {
                let found = self.own_records(&name, RecordType::Txt).await.unwrap_or_default();
                self.by_no_wildcard(&name, RecordType::Txt, found).await
            }
            None => Vec::new(),
        };
        // The first set from there to the registrable domain is the one that holds. Whether there is
        // one where nobody answers is not known, and so not which that is.
        for above in scopes_by(suffixes, contacts.scope()) {
            let above = DnsName::from(above);
            match self.own_records(&above, RecordType::Caa).await {
                Some(found) if found.is_empty() => {}
                Some(found) => {
                    records.extend(self.by_no_wildcard(&above, RecordType::Caa, found).await);
                    break;
                }
                None => break,
            }
        }
        Contacts::read(&records)
    }

    /// Returns those of the records of a name that it has by no wildcard: that one was written for other
    /// names, and perhaps by somebody who has a say in those alone.
    async fn by_no_wildcard(
        &self,
        name: &DnsName,
        record_type: RecordType,
        mut records: Vec<RecordData>,
    ) -> Vec<RecordData> {
        if records.is_empty() {
            return records;
        }
        let mut chance = [0; 16];
        let drawn = self.random.fill(&mut chance).ok().and_then(|()| name.parent());
        let beside = drawn.and_then(|it| it.child(&format!("_{}", hex::encode(chance))).ok());
        let Some(beside) = beside else { return Vec::new() };
        let answer = self.lookup(&beside, record_type, Mode::Recursive).await;
        match answer.outcome {
            Answered::NxDomain { .. } | Answered::NoData { .. } => records,
            Answered::Answer(shown) => {
                records.retain(|it| !shown.iter().any(|other| other.data() == it));
                records
            }
            _ => Vec::new(),
        }
    }

    /// Returns the records of a name that are its own: what a CNAME record leads to is somebody
    /// else's. `None` if the servers of the zone and a recursive one do not say the same.
    async fn own_records(
        &self,
        name: &DnsName,
        record_type: RecordType,
    ) -> Option<Vec<RecordData>> {
        let own = |answer: Answer| match answer.outcome {
            Answered::Answer(records) if answer.chain.is_empty() => {
                Some(records.iter().map(|record| record.data().clone()).collect())
            }
            Answered::NxDomain { .. } | Answered::NoData { .. } => Some(Vec::new()),
            _ => None,
        };
        let at_zone = own(self.lookup(name, record_type, Mode::Authoritative).await)?;
        // No cache is made to remember that there is nothing.
        if at_zone.is_empty() {
            return Some(at_zone);
        }
        let cached: Vec<_> = own(self.lookup(name, record_type, Mode::Recursive).await)?;
        let same = at_zone.len() == cached.len() && at_zone.iter().all(|it| cached.contains(it));
        same.then_some(at_zone)
    }

    /// Mails the code of the present round to one address.
    pub(super) async fn mail(&self, domain: &Domain, to: &MailAddress) -> Outcome {
        let letter = match self.letter(domain).await {
            Ok(letter) => letter,
            Err(error) if MissingKey::of(&error).is_none() => {
                return Outcome::NotYet(Trouble::from(&error));
            }
            Err(error) => return self.unopened(domain, &error).await,
        };
        match self.spend_recipient(to).await {
            Ok(true) => {}
            // Nobody loses a name because others used up what its people are written; but a zone can
            // publish anybody's address.
            Ok(false) if domain.status().holds() && self.is_at_home(domain, to) => {}
            Ok(false) => {
                // Who else wants to have it written to is nobody's business.
                let message = "engine: mail: this address cannot be written to now";
                return Outcome::Refused(Trouble::new(ErrorKind::Refused, message));
            }
            Err(error) => return Outcome::NotYet(Trouble::from(&error)),
        }
        let message = Message::new(to.as_str(), letter.subject, letter.body);
        let sent = match self.post() {
            Ok(post) => post.mailer.send(&message).await,
            Err(error) => Err(error),
        };
        match sent {
            Ok(()) => Outcome::Done(Receipt::Done),
            Err(error) => Outcome::of(&error),
        }
    }

    /// Returns what becomes of a mail whose code this process has no key for.
    ///
    /// Another process may have it. Once another round could begin nobody has it, as far as anybody
    /// can tell: a code is not sealed anew when the keys are changed.
    async fn unopened(&self, domain: &Domain, error: &Error) -> Outcome {
        let trouble = Trouble::from(error);
        let now = match self.store.now().await {
            Ok(now) => now,
            Err(error) => return Outcome::NotYet(Trouble::from(&error)),
        };
        let next = domain.mail.as_ref().and_then(|mail| mail.not_before);
        if next.is_some_and(|next| now < next) {
            return Outcome::NotYet(trouble);
        }
        Outcome::Refused(Trouble { code: Some(LOST_CODE.to_owned()), ..trouble })
    }

    /// Spends one mail of what an address gets, whoever wants it; `false` if there is none left.
    ///
    /// A mail that could not be sent, or is sent again, is spent all the same.
    async fn spend_recipient(&self, to: &MailAddress) -> Result<bool> {
        let Some(budget) = self.settings.policy.recipient_budget else { return Ok(true) };
        let digest = hex::encode(Sha256::digest(to.as_str().to_ascii_lowercase()));
        let key = Key::new(Kind::Ledger, format_args!("recipient/{digest}"));
        for _ in 0..ATTEMPTS {
            let now = self.store.now().await?;
            let found = self.store.get(std::slice::from_ref(&key)).await?;
            let item = found.into_iter().flatten().next();
            let known = item.as_ref().map(codec::read_item::<Received>).transpose()?;
            let Ok(full_at) = budget.take(known.map(|received| received.full_at), now) else {
                return Ok(false);
            };
            let expect = item.map_or(Expect::Absent, |item| Expect::Revision(item.revision));
            let header = Header { expires: Some(full_at), ..Header::default() };
            let body = codec::write_item(&Received { full_at })?;
            let put = Write::Put { key: key.clone(), expect, header, body };
            let batch = Batch::new(OperationId::random(&*self.random)?).with(put);
            if commit(self, batch, &key).await? == Commit::Done {
                return Ok(true);
            }
        }
        Err(lost_race("mail"))
    }

    async fn letter(&self, domain: &Domain) -> Result<Letter> {
        let none = || Error::new(ErrorKind::Internal, "engine", "mail", "there is no code to mail");
        let mail = domain.mail.as_ref().ok_or_else(none)?;
        let SealedCode(sealed) = mail.sealed.clone().ok_or_else(none)?;
        let until = mail.expires_at.ok_or_else(none)?;
        let context = Self::code_context(domain, mail.round);
        let code = self.sealer.open(&context, &Sealed::new(sealed)).await?;
        let code = std::str::from_utf8(code.expose()).map_err(|_| none())?;
        let link = self.post()?.link.with_code(domain.id(), code);
        Ok(Letter::new(mail.wish.locale, domain.name(), &link, until))
    }

    /// Returns what was answered to the mails about a domain.
    pub(super) fn answered(&self, domain: &Domain, now: Timestamp) -> (Verdict, Seen) {
        let of = claim(domain, &self.settings.policy);
        let verdict = domain.mail.as_ref().map_or(Verdict::Refuted, |mail| mail.verdict(of, now));
        let found = match verdict {
            Verdict::Confirmed => Found::Values,
            Verdict::Refuted | Verdict::Unknown => Found::NoData,
        };
        (verdict, Seen::of(found))
    }
}

impl Onboarding {
    /// Proves a name by the code that was mailed about it, and returns the domain as it is then.
    ///
    /// **Call this for a `POST` of the tenant that is signed in, and never for a page that is merely
    /// opened**: mail scanners open links before anybody reads them. What the page behind the link has
    /// to do says [`Link`]. The code proves the claim of that tenant on that name, and nothing
    /// else. Giving the same code again changes nothing.
    ///
    /// Every wrong code is counted, told ([`Notice::CodeRefused`]) and stored with the domain, whatever
    /// process it came to.
    ///
    /// ```
    /// # use nameplate::{DomainName, Onboarding, Result, domain::{Domain, Status}, id::{DomainId, TenantId}};
    /// /// What the form behind the link posts to.
    /// async fn confirmed(
    ///     onboarding: &Onboarding,
    ///     session: &TenantId,
    ///     domain: DomainId,
    ///     code: &str,
    /// ) -> Result<bool> {
    ///     let domain = onboarding.confirm(session, domain, code).await?;
    ///     Ok(domain.status().holds())
    /// }
    /// ```
    ///
    /// # Cancellation
    ///
    /// As for [`check`](Self::check): spawn it where a handler can be dropped.
    ///
    /// # Errors
    ///
    /// `Refused` for a code that is not the one that was mailed last, or is too old; `RateLimited` after
    /// ten of them, with the time until one is looked at again; `Precondition` if the name is not
    /// proved by mail; and as for [`check`](Self::check).
    pub async fn confirm(&self, tenant: &TenantId, id: DomainId, code: &str) -> Result<Domain> {
        let backends = self.backends();
        let key = codec::domain_key(id);
        for _ in 0..ATTEMPTS {
            let (item, mut root) = self.find(tenant, id, "confirm").await?;
            let now = backends.store.now().await?;
            let of = claim(&root.domain, &backends.settings.policy);
            let refusal = |rule: Rule, domain: &Domain| {
                Refusal::new(rule, "confirm", *tenant)
                    .with_name(domain.name().clone())
                    .with_domain(id)
            };
            let mail = by_mail(backends, &mut root.domain, "confirm")?;
            let judged = match mail.confirm(code, of, now) {
                // Nothing has changed: whoever goes on trying costs a read.
                Err(error) if error.kind() == ErrorKind::RateLimited => {
                    return Err(backends.deny(&refusal(Rule::TooSoon, &root.domain), error));
                }
                judged => judged,
            };
            let confirmed_at = mail.confirmed_at();
            let wrong = refusal(Rule::WrongCode, &root.domain);
            let mut batch = Batch::new(OperationId::random(&*backends.random)?);
            if judged.is_ok() {
                // What was answered in time is not over with the code.
                if let Some(at) = confirmed_at {
                    let until = after(at, of.ttl);
                    let challenge = &mut root.domain.challenge;
                    challenge.expires_at = challenge.expires_at.max(until);
                }
                root.domain.next_check_at = Some(now);
                root.domain.checks = 0;
            } else {
                let known = Some(item.revision);
                let told = announce(backends, &mut root.domain, known, now).await?;
                batch = batch.with_entry(codec::write_notice(&key, &Notice::CodeRefused)?);
                batch = told.into_iter().fold(batch, Batch::with);
            }
            // What a wrong code costs is no look at the name.
            let due = if judged.is_ok() { Some(now) } else { item.header.due };
            let (key, header, body) = codec::write_root(&Root::Domain(root), due)?;
            let expect = Expect::Revision(item.revision);
            batch = batch.with(Write::Put { key: key.clone(), expect, header, body });
            if judged.is_ok() {
                batch = batch.with(Write::Wake { key: key.clone() });
            }
            match self.commit(batch, &key).await? {
                Commit::Done => {
                    if judged.is_err() {
                        telemetry::told(&Notice::CodeRefused);
                    }
                    judged.map_err(|error| backends.deny(&wrong, error))?;
                    self.worker().step_one(key).await?;
                    return self.get(tenant, id).await;
                }
                Commit::Stale(_) => {}
                Commit::Fenced | Commit::Taken(_) => return Err(lost_race("confirm")),
            }
        }
        Err(lost_race("confirm"))
    }

    /// Mails another code, which takes the place of the one before, to those who answer for a name.
    ///
    /// # Errors
    ///
    /// `RateLimited` within [`Policy::mail_spacing`](super::Policy::mail_spacing) of the last one, with
    /// the time to wait; `Precondition` if the name is not proved by mail or is being removed; and
    /// as for [`check`](Self::check).
    pub async fn resend(&self, tenant: &TenantId, id: DomainId) -> Result<Domain> {
        self.ask_for_mail(tenant, id, None).await
    }

    /// Mails another code as [`resend`](Self::resend) does, to whom the tenant wants from now on.
    ///
    /// # Errors
    ///
    /// As for [`resend`](Self::resend), and `Invalid` for a scope that is none of the name's.
    pub async fn resend_to(
        &self,
        tenant: &TenantId,
        id: DomainId,
        wish: MailWish,
    ) -> Result<Domain> {
        self.ask_for_mail(tenant, id, Some(wish)).await
    }

    async fn ask_for_mail(
        &self,
        tenant: &TenantId,
        id: DomainId,
        wish: Option<MailWish>,
    ) -> Result<Domain> {
        let backends = self.backends();
        let suffixes = backends.claims.suffixes();
        self.change(tenant, id, "resend", |domain, now| {
            let name = domain.name.clone();
            let refusal = |rule: Rule| {
                Refusal::new(rule, "resend", *tenant).with_name(name.clone()).with_domain(id)
            };
            if let Some(wish) = &wish {
                Contacts::by(&suffixes, &name, wish.scope.as_ref())
                    .map_err(|error| backends.deny(&refusal(Rule::ScopeTooNarrow), error))?;
            }
            let mail = by_mail(backends, domain, "resend")?;
            mail.ask(now).map_err(|error| backends.deny(&refusal(Rule::TooSoon), error))?;
            if let Some(wish) = &wish {
                mail.wish = wish.clone();
            }
            domain.next_check_at = Some(now);
            domain.checks = 0;
            Ok(())
        })
        .await
    }
}

/// Returns what an answer has to be good for.
///
/// Whoever answered for the name half a year ago does not keep it from who proves it now: a contest
/// asks the holder to answer once more.
pub(super) fn claim(domain: &Domain, policy: &Policy) -> Claim {
    Claim {
        generation: domain.challenge.generation,
        ttl: policy.email_proof_ttl,
        // What it is compared with is kept to the second.
        doubted_at: domain.title.challenged_at.map(whole_second),
    }
}

/// Returns the correspondence about a domain that is proved by mail.
fn by_mail<'a>(
    backends: &Backends,
    domain: &'a mut Domain,
    operation: &'static str,
) -> Result<&'a mut Correspondence> {
    let is_it = domain.challenge.method == Method::Email && domain.status != Status::Removing;
    let (name, id) = (domain.name.to_string(), domain.id);
    let refusal = Refusal::new(Rule::NotNow, operation, domain.tenant)
        .with_name(domain.name.clone())
        .with_domain(domain.id);
    domain.mail.as_deref_mut().filter(|_| is_it).ok_or_else(|| {
        let message = format!("{name} is not proved by mail, or is being removed");
        let error = Error::new(ErrorKind::Precondition, "onboarding", operation, message);
        backends.deny(&refusal, error).with_subject(id)
    })
}
