//! The records that a tenant manages in the zone of a domain that it holds.

use std::fmt;

use super::{
    arrange::Arrangement,
    backends::Backends,
    codec::{self, hold},
    onboarding::Onboarding,
    policy::Policy,
    refusal::{Refusal, Rule},
};
use crate::{
    challenge::Challenge,
    domain::{Domain, ManagedRecord},
    error::{Error, ErrorKind, Result},
    id::{DomainId, RecordId, TenantId},
    name::{DnsName, DomainName},
    record::{DnsRecord, FieldErrors, RecordData, RecordFields, RecordType},
    store::Item,
    zone::{Finding, Plan},
};

/// The records that a tenant manages at a name it holds and below it, at the plugged-in DNS provider.
///
/// Every command is planned first and carried out when its [`RecordChange`] is applied. What others
/// have put into the zone is never touched: records of ours are told by markers beside them (see
/// [`Ownership`](crate::zone::Ownership)).
///
/// ```no_run
/// # async fn run(nameplate: nameplate::Onboarding, tenant: nameplate::id::TenantId,
/// #     domain: nameplate::id::DomainId) -> Result<(), Box<dyn std::error::Error>> {
/// let records = nameplate.records(&tenant, domain);
/// let json = r#"{"type":"MX","name":"@","value":"mx.example.net","priority":10}"#;
/// let fields = records.read_json(json).await?;
/// let change = records.create(&fields).await?;
/// println!("{change}"); // what is going to happen, and what is unwise about it
/// let created = change.apply().await?;
/// println!("{} {}", created.id(), created.state());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Records<'a> {
    onboarding: &'a Onboarding,
    tenant: TenantId,
    domain: DomainId,
}

/// A change of one record, planned and not yet carried out.
///
/// Dropping it changes nothing.
#[derive(Debug)]
#[must_use = "nothing happens until it is applied"]
pub struct RecordChange<'a> {
    records: Records<'a>,
    command: Command,
    arrangement: Arrangement,
}

/// What is to become of a record.
#[derive(Clone, Debug)]
enum Command {
    Create(RecordId, DnsRecord),
    Update(RecordId, DnsRecord),
    Remove(RecordId),
}

impl Onboarding {
    /// Returns the records of a domain of a tenant.
    pub const fn records<'a>(&'a self, tenant: &TenantId, domain: DomainId) -> Records<'a> {
        Records { onboarding: self, tenant: *tenant, domain }
    }
}

impl<'a> Records<'a> {
    /// Returns the records, in the order in which they were created, those that are being removed
    /// included.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such domain, also if it is another tenant's; those of the store.
    pub async fn list(&self) -> Result<Vec<ManagedRecord>> {
        Ok(self.onboarding.get(&self.tenant, self.domain).await?.records().to_vec())
    }

    /// Returns one record.
    ///
    /// # Errors
    ///
    /// As for [`list`](Self::list), and `NotFound` if there is no such record.
    pub async fn get(&self, id: RecordId) -> Result<ManagedRecord> {
        let domain = self.onboarding.get(&self.tenant, self.domain).await?;
        record_of(&domain, id).cloned()
    }

    /// Reads the fields of a record of this domain from JSON, for [`create`](Self::create) and
    /// [`update`](Self::update).
    ///
    /// Here all that is wrong is told at once: members that are no fields, values of the wrong type,
    /// and what the record type does not take.
    ///
    /// ```
    /// # async fn run(records: nameplate::engine::Records<'_>, body: &str) -> Result<(), nameplate::Error> {
    /// use std::error::Error as _;
    /// use nameplate::record::FieldErrors;
    ///
    /// match records.read_json(body).await {
    ///     Ok(fields) => println!("{}", records.create(&fields).await?),
    ///     Err(error) => match error.source().and_then(|source| source.downcast_ref()) {
    ///         // Of HTTP status 422, say; with a pointer, a code and a message for each problem.
    ///         Some::<&FieldErrors>(problems) => println!("{}", serde_json::json!({ "errors": problems })),
    ///         None => return Err(error),
    ///     },
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `Invalid` for fields that make no record (the source is [`FieldErrors`]); as for
    /// [`list`](Self::list).
    pub async fn read_json(&self, json: &str) -> Result<RecordFields> {
        let domain = self.onboarding.get(&self.tenant, self.domain).await?;
        let origin = DnsName::from(domain.name().base());
        let profile = &self.onboarding.backends().record_profile;
        let record = RecordFields::read_in(json, &origin, profile);
        Ok(RecordFields::of(&record.map_err(|errors| wrong("read", errors))?, &origin))
    }

    /// Plans a new record.
    ///
    /// A relative name is one below the domain, and `@` is the domain itself.
    ///
    /// # Errors
    ///
    /// `Invalid` for fields that make no record (the source is [`FieldErrors`]), for a name outside
    /// the domain or kept for proofs, and for a record that cannot be marked as ours; `Precondition` if the tenant does not
    /// hold the domain or no zone at the DNS provider has it; `AlreadyExists` if there is such a
    /// record, with its id; `Refused` if somebody else holds the name, the platform keeps it, or it is
    /// in another zone than the domain; `Quota` if there are too many records or they are too large;
    /// `RateLimited` if too many were removed just now; `Unsupported` without a DNS provider; and
    /// those of the store and of the DNS provider. Nothing has changed then.
    pub async fn create(&self, fields: &RecordFields) -> Result<RecordChange<'a>> {
        let backends = self.onboarding.backends();
        let id = RecordId::random(&*backends.random)?;
        let domain = self.onboarding.get(&self.tenant, self.domain).await?;
        let record = self.record(&domain, fields, "create")?;
        self.plan(domain, Command::Create(id, record)).await
    }

    /// Plans another record in the place of one, of the same name and type.
    ///
    /// # Errors
    ///
    /// As for [`create`](Self::create); `NotFound` if there is no such record; `Precondition` if it
    /// is being removed.
    pub async fn update(&self, id: RecordId, fields: &RecordFields) -> Result<RecordChange<'a>> {
        let domain = self.onboarding.get(&self.tenant, self.domain).await?;
        let record = self.record(&domain, fields, "update")?;
        let old = record_of(&domain, id)?;
        if old.record().name() != record.name()
            || old.record().record_type() != record.record_type()
        {
            let message = format!(
                "a record keeps its name and type, {} {}: remove it and create another",
                old.record().name(),
                old.record().record_type()
            );
            return Err(invalid("update", message));
        }
        self.plan(domain, Command::Update(id, record)).await
    }

    /// Plans that a record goes away.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get), and those of the DNS provider.
    pub async fn remove(&self, id: RecordId) -> Result<RecordChange<'a>> {
        let domain = self.onboarding.get(&self.tenant, self.domain).await?;
        record_of(&domain, id)?;
        self.plan(domain, Command::Remove(id)).await
    }

    /// Reads the fields of a record of the domain.
    fn record(
        &self,
        domain: &Domain,
        fields: &RecordFields,
        operation: &'static str,
    ) -> Result<DnsRecord> {
        let origin = DnsName::from(domain.name().base());
        let profile = &self.onboarding.backends().record_profile;
        fields.validate_in(&origin, profile).map_err(|errors| wrong(operation, errors))
    }

    async fn plan(&self, mut domain: Domain, command: Command) -> Result<RecordChange<'a>> {
        let backends = self.onboarding.backends();
        let owner = command.owner(&domain)?.clone();
        // Who holds nothing is told nothing of who does.
        command.check(&domain, &backends.settings.policy)?;
        if let Command::Create(_, record) | Command::Update(_, record) = &command {
            admit(backends, &domain, record, command.operation()).await?;
        }
        command.carry_out(&mut domain);
        let wanted: Vec<_> = domain.wanted_at(&owner).cloned().collect();
        let arrangement =
            backends.arrangement(&domain, &owner, &wanted, command.operation()).await?;
        Ok(RecordChange { records: *self, command, arrangement })
    }
}

impl RecordChange<'_> {
    /// Returns what is going to change in the zone, markers included.
    pub const fn plan(&self) -> &Plan {
        self.arrangement.plan()
    }

    /// Returns the records at that name after the change, those of others included as far as they
    /// were looked at: of the types that are ours, and all where a CNAME is wanted.
    pub fn records(&self) -> &[DnsRecord] {
        self.arrangement.records()
    }

    /// Returns what is wrong with [`records`](Self::records) together, by their indexes.
    ///
    /// One of [`Severity::Error`](crate::zone::Severity::Error) keeps a change that is part of it from
    /// being applied.
    pub fn findings(&self) -> &[Finding] {
        self.arrangement.findings()
    }

    /// Carries the change out, and returns the record as it is then.
    ///
    /// What is wanted is stored first, so that a crash loses nothing. A record whose
    /// [`state`](ManagedRecord::state) is not yet `present` is carried on by a worker, with the
    /// [`failure`](ManagedRecord::failure) that keeps it from being there; a removed one is returned
    /// as `removing`. What changed in the zone meanwhile is taken into account: records of
    /// others are not touched now either.
    ///
    /// # Errors
    ///
    /// `Refused` if records of others are in the way, or the records at the name would break each
    /// other, with the code of the [`ConflictReason`](crate::zone::ConflictReason) or
    /// [`LintCode`](crate::zone::LintCode); `Conflict` if the same domain is changed at the same time;
    /// those of the DNS provider if it refuses the change, which is given up then; and as for
    /// [`Records::create`].
    pub async fn apply(self) -> Result<ManagedRecord> {
        let Self { records, command, arrangement } = self;
        let Records { onboarding, tenant, domain } = records;
        let types = command.record_type();
        // What stands in the way of other records is no reason to keep one that is to go.
        if types.is_some() {
            arrangement.check(types.as_slice(), command.operation())?;
        }
        let policy = &onboarding.backends().settings.policy;
        let operation = command.operation();
        let changed = onboarding
            .change(&tenant, domain, operation, |domain, _| {
                command.check(domain, policy)?;
                let owner = command.owner(domain)?.clone();
                command.carry_out(domain);
                arrangement.check_again(domain, &owner, types.as_slice(), operation)
            })
            .await?;
        let id = command.id();
        let planned = record_of(&changed, id).cloned();
        onboarding.worker().step_one(codec::domain_key(domain)).await?;
        let now = onboarding.get(&tenant, domain).await?;
        match (now.records().iter().find(|managed| managed.id() == id), planned) {
            (Some(managed), Ok(planned)) => command.outcome(managed, &planned).cloned(),
            // It is gone, as was asked.
            (None, Ok(planned)) if matches!(command, Command::Remove(_)) => Ok(planned),
            (_, _) => Err(not_there(operation, id)),
        }
    }
}

impl fmt::Display for RecordChange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.arrangement, f)
    }
}

impl Command {
    const fn id(&self) -> RecordId {
        match self {
            Self::Create(id, _) | Self::Update(id, _) | Self::Remove(id) => *id,
        }
    }

    const fn operation(&self) -> &'static str {
        match self {
            Self::Create(..) => "create",
            Self::Update(..) => "update",
            Self::Remove(_) => "remove",
        }
    }

    /// Returns the type of the record that is wanted.
    fn record_type(&self) -> Option<RecordType> {
        match self {
            Self::Create(_, record) | Self::Update(_, record) => Some(record.record_type()),
            Self::Remove(_) => None,
        }
    }

    /// Returns the name that it is about.
    fn owner<'a>(&'a self, domain: &'a Domain) -> Result<&'a DnsName> {
        match self {
            Self::Create(_, record) | Self::Update(_, record) => Ok(record.name()),
            Self::Remove(id) => Ok(record_of(domain, *id)?.record().name()),
        }
    }

    /// Checks that the command makes sense now.
    fn check(&self, domain: &Domain, policy: &Policy) -> Result<()> {
        let operation = self.operation();
        let refuse = |kind, message: String| {
            Error::new(kind, "records", operation, message).with_subject(domain.id())
        };
        let (id, record) = match self {
            Self::Create(id, record) => {
                let limit = policy.max_records;
                if domain.records().len() >= limit {
                    let message = format!("{} has {limit} records already", domain.name());
                    return Err(refuse(ErrorKind::Quota, message));
                }
                // Names that are still looked after are stored with the domain too.
                if domain.sweeps() >= limit {
                    let message =
                        format!("{limit} records of {} were removed just now", domain.name());
                    return Err(refuse(ErrorKind::RateLimited, message)
                        .with_retry_after(policy.sweep_after));
                }
                (*id, record)
            }
            Self::Update(id, record) => {
                if !record_of(domain, *id)?.state().is_wanted() {
                    let message = format!("record {id} is being removed");
                    return Err(Error::new(ErrorKind::Precondition, "records", operation, message)
                        .with_subject(id));
                }
                (*id, record)
            }
            Self::Remove(id) => return record_of(domain, *id).map(|_| ()),
        };
        if !domain.status().holds() {
            let message = format!(
                "{} is {}: records can be added while it is held",
                domain.name(),
                domain.status()
            );
            return Err(refuse(ErrorKind::Precondition, message));
        }
        let others = domain.records().iter().filter(|managed| managed.id() != id);
        let size = others.map(|managed| size(managed.record())).sum::<usize>() + size(record);
        let limit = policy.max_record_bytes;
        if size > limit {
            let message = format!("the records of {} take more than {limit} bytes", domain.name());
            return Err(refuse(ErrorKind::Quota, message));
        }
        let same = |other: &&ManagedRecord| {
            other.id() != id
                && other.state().is_wanted()
                && other.record().name() == record.name()
                && other.record().data() == record.data()
        };
        if let Some(other) = domain.records().iter().find(same) {
            let message =
                format!("{} {} {} is there", record.name(), record.record_type(), record.data());
            return Err(Error::new(ErrorKind::AlreadyExists, "records", operation, message)
                .with_subject(other.id()));
        }
        Ok(())
    }

    fn carry_out(&self, domain: &mut Domain) {
        match self {
            Self::Create(id, record) => domain.create_record(*id, record.clone()),
            Self::Update(id, record) => domain.update_record(*id, record.clone()),
            Self::Remove(id) => domain.remove_record(*id),
        }
    }

    /// Returns what came of it: an error if the provider said no.
    fn outcome<'a>(
        &self,
        managed: &'a ManagedRecord,
        planned: &ManagedRecord,
    ) -> Result<&'a ManagedRecord> {
        let given_up = match self {
            Self::Create(..) => !managed.state().is_wanted(),
            Self::Update(..) => managed.record() != planned.record(),
            Self::Remove(_) => false,
        };
        match managed.failure() {
            Some(failure) if given_up => {
                let error =
                    Error::new(failure.kind, "records", self.operation(), failure.message.clone())
                        .with_subject(managed.id());
                Err(match &failure.code {
                    Some(code) => error.with_code(code.clone()),
                    None => error,
                })
            }
            None if given_up => {
                let message = format!("record {} was changed again at the same time", managed.id());
                Err(Error::new(ErrorKind::Conflict, "records", self.operation(), message)
                    .with_subject(managed.id()))
            }
            _ => Ok(managed),
        }
    }
}

/// Checks that the tenant may have records at `owner`.
///
/// The domain is theirs, but somebody else may hold a name below it, or run a zone there.
async fn admit(
    backends: &Backends,
    domain: &Domain,
    record: &DnsRecord,
    operation: &'static str,
) -> Result<()> {
    let owner = record.name();
    let base = DnsName::from(domain.name().base());
    let refusal = |rule: Rule| {
        Refusal::new(rule, operation, domain.tenant())
            .with_name(domain.name().clone())
            .with_domain(domain.id())
    };
    // A proof that we write ourselves proves nothing, also not of a name below, where a wildcard
    // may be the one to answer (RFC 4592).
    let is_proof = match record.data() {
        RecordData::Txt(txt) => owner.is_wildcard() && Challenge::is_like_proof(&txt.to_bytes()),
        RecordData::Cname(to) => owner.is_wildcard() && backends.terms.target() == Some(to),
        _ => false,
    };
    if is_proof
        || backends.terms.is_proof_name(owner)
        || domain.delegation().is_some_and(|delegation| *owner == delegation.owner)
    {
        let error = invalid(operation, format!("{owner} is kept for proofs"));
        return Err(backends.deny(&refusal(Rule::Reserved), error));
    }
    let host = host_of(owner, &base);
    let is_wildcard = domain.name().is_wildcard();
    if is_wildcard && host == base {
        let message = format!("{owner} is not covered by {}", domain.name());
        return Err(backends.deny(&refusal(Rule::ScopeTooNarrow), invalid(operation, message)));
    }
    let error = |message| Error::new(ErrorKind::Refused, "records", operation, message);
    // By which rule is not told: it would say whose the name is.
    let not_available = |rule: Rule| {
        backends.refuse(&refusal(rule));
        Err(error(format!("{owner} is not available for records of {}", domain.name())))
    };
    let zones = backends.delegation_zone.iter();
    if zones.chain(backends.claims.reserved()).any(|ours| host.is_within(ours)) {
        return not_available(Rule::Reserved);
    }
    // What cannot be read may be held.
    if !backends.held_by_others(domain, &[owner]).await?.is_empty() {
        return not_available(Rule::HeldByOther);
    }
    // Who runs a zone may run no zone below it (RFC 1034 section 4.2).
    let [zone, above] = [owner, &base].map(|name| backends.zone_of(name, operation));
    if let (Some(zone), above) = (zone.await?, above.await?)
        && above.as_ref() != Some(&zone)
    {
        let error = error(format!("{owner} is in another zone than {base}: add {zone} itself"));
        return Err(backends.deny(&refusal(Rule::ScopeTooNarrow), error));
    }
    Ok(())
}

/// Returns the name that records at `owner`, at `base` or below it, say something about.
///
/// What is at `_dmarc.example.com` or below it, and its like, says something about `example.com`.
fn host_of(owner: &DnsName, base: &DnsName) -> DnsName {
    let above: Vec<_> = names_from(owner, base).collect();
    let host = above.iter().rfind(|name| name.as_str().starts_with('_')).and_then(DnsName::parent);
    host.unwrap_or_else(|| owner.clone())
}

/// Returns `owner` and the names above it, up to `base`.
fn names_from(owner: &DnsName, base: &DnsName) -> impl Iterator<Item = DnsName> {
    let base = base.clone();
    std::iter::successors(Some(owner.clone()), DnsName::parent)
        .take_while(move |name| name.is_within(&base))
}

/// At which names records are another tenant's business.
#[derive(Debug, Default)]
pub(super) struct HeldByOthers {
    /// For certain.
    pub(super) barred: Vec<DnsName>,
    /// As it may be: who holds them cannot be read, now or by this release. Nothing is written there,
    /// and what is there stays.
    pub(super) unreadable: Vec<DnsName>,
}

impl HeldByOthers {
    pub(super) const fn is_empty(&self) -> bool {
        self.barred.is_empty() && self.unreadable.is_empty()
    }
}

impl Backends {
    /// Returns at which of these names, at a domain or below it, records are another tenant's
    /// business: it holds a name between, or one that covers it, or such a name rests with it.
    pub(super) async fn held_by_others(
        &self,
        domain: &Domain,
        owners: &[&DnsName],
    ) -> Result<HeldByOthers> {
        let base = DnsName::from(domain.name().base());
        let is_wildcard = domain.name().is_wildcard();
        let mut asked = Vec::new();
        for owner in owners {
            let host = host_of(owner, &base);
            for at in names_from(&host, &base) {
                // A wildcard covers what is below its base, and not the base.
                let own = (at != base || !is_wildcard).then(|| at.to_string());
                let below = (at != host).then(|| format!("*.{at}"));
                let names = own.into_iter().chain(below).filter_map(|name| name.parse().ok());
                asked.extend(names.map(|name: DomainName| (hold(&name), *owner)));
            }
        }
        let keys: Vec<_> = asked.iter().map(|(key, _)| key.clone()).collect();
        if keys.is_empty() {
            return Ok(HeldByOthers::default());
        }
        let found = self.store.find(&keys).await?;
        let others = |item: &Item| item.header.tenant != Some(domain.tenant());
        let held: Vec<_> = found
            .into_iter()
            .zip(asked)
            .filter_map(|(item, (_, owner))| Some((item.filter(others)?, owner)))
            .collect();
        if held.is_empty() {
            return Ok(HeldByOthers::default());
        }
        let now = self.store.now().await?;
        let mut others = HeldByOthers::default();
        for (item, owner) in held {
            match codec::read_domain(&item) {
                Ok(other) if other.bars(now) => others.barred.push(owner.clone()),
                Ok(_) => {}
                Err(_) => others.unreadable.push(owner.clone()),
            }
        }
        others.barred.dedup();
        Ok(others)
    }
}

/// Returns about how much a record takes in the store, in bytes.
fn size(record: &DnsRecord) -> usize {
    record.data().to_string().len() + record.comment().map_or(0, str::len)
}

fn record_of(domain: &Domain, id: RecordId) -> Result<&ManagedRecord> {
    let found = domain.records().iter().find(|managed| managed.id() == id);
    found.ok_or_else(|| not_there("get", id))
}

fn not_there(operation: &'static str, id: RecordId) -> Error {
    Error::new(ErrorKind::NotFound, "records", operation, format!("there is no record {id}"))
        .with_subject(id)
}

fn wrong(operation: &'static str, errors: FieldErrors) -> Error {
    invalid(operation, errors.to_string()).with_source(errors)
}

fn invalid(operation: &'static str, message: String) -> Error {
    Error::new(ErrorKind::Invalid, "records", operation, message)
}
