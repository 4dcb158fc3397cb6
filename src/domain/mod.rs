//! A tenant's claim on a name, and all that followed from it.

mod instruction;
mod managed;
mod placed;
mod standing;
mod status;
mod targets;
mod title;
mod waiting;

use serde::{Deserialize, Serialize};

use crate::{
    certificate::{OrderStatus, Validation},
    challenge::{
        Challenge, ChallengeEvent, Method, State,
        email::{Correspondence, MailWish},
    },
    clock::{Timestamp, after},
    error::{Error, ErrorKind, Result},
    evidence::{Evidence, Found, Observation, Subject, Topic, Verdict},
    id::{CertificateId, DomainId, KeyId, OrderId, TenantId},
    name::{DnsName, DomainName, DomainNameError},
};

pub use instruction::{Instruction, Lifetime, NeededBy, Purpose, Step, instructions, steps};
pub(crate) use managed::Sweep;
pub use managed::{ManagedRecord, RecordState};
pub use placed::{Placed, Placement};
pub use standing::{BudgetKind, PauseScope, Paused, Setback, Throttled};
pub use status::{Event, Status};
pub use targets::{Targets, TargetsError};
pub use title::{Contest, Offer, ResetCause};
pub(crate) use title::{Fresh, Title};
pub use waiting::{Party, Reason, WaitingOn};

/// What a tenant asks for when adding a domain.
///
/// Parsed from what the customer typed, which is kept beside the canonical name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewDomain {
    pub(crate) name: DomainName,
    pub(crate) submitted: String,
    pub(crate) validation: Option<Validation>,
    pub(crate) method: Option<Method>,
    pub(crate) mail: MailWish,
}

impl NewDomain {
    /// Chooses how the tenant proves the name, instead of the platform's default.
    #[must_use]
    pub const fn with_method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// Chooses how the certificate authority is convinced, instead of the platform's default.
    #[must_use]
    pub const fn with_validation(mut self, validation: Validation) -> Self {
        self.validation = Some(validation);
        self
    }

    /// Chooses whom is written to, and in which language. Only [`Method::Email`] writes to anybody.
    #[must_use]
    pub fn with_mail(mut self, wish: MailWish) -> Self {
        self.mail = wish;
        self
    }

    /// Returns the canonical name.
    pub const fn name(&self) -> &DomainName {
        &self.name
    }
}

impl From<DomainName> for NewDomain {
    fn from(name: DomainName) -> Self {
        let submitted = name.to_string();
        Self { name, submitted, validation: None, method: None, mail: MailWish::new() }
    }
}

impl std::str::FromStr for NewDomain {
    type Err = DomainNameError;

    fn from_str(text: &str) -> Result<Self, DomainNameError> {
        Ok(Self { submitted: text.to_owned(), ..Self::from(text.parse::<DomainName>()?) })
    }
}

/// The name at which the customer hands certificate challenges over to us, for good.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Delegation {
    /// The customer's `_acme-challenge` name, which gets a CNAME record.
    pub owner: DnsName,
    /// Where the record leads: a name that belongs to this claim alone.
    pub target: DnsName,
}

impl Delegation {
    /// Creates a delegation.
    pub const fn new(owner: DnsName, target: DnsName) -> Self {
        Self { owner, target }
    }
}

/// An order that is under way.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Issuance {
    /// The order.
    pub order: OrderId,
    /// Where it is.
    pub stage: OrderStatus,
}

/// The certificate that serves, in short.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Served {
    /// The certificate.
    pub id: CertificateId,
    /// Its sealed private key.
    pub key: KeyId,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
    /// When it is to be renewed.
    pub renew_at: Timestamp,
}

impl Served {
    /// Returns whether it is valid at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.not_before <= now && now < self.not_after
    }
}

/// Why something went wrong last.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Failure {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// The service's own code.
    pub code: Option<String>,
    /// What went wrong, in one line.
    pub message: String,
    /// When.
    pub at: Timestamp,
    /// How often in a row.
    pub attempts: u32,
}

/// A tenant's claim on a name.
///
/// A value: changing it changes nothing stored. It is made by `Onboarding::add` and changed by
/// commands and workers only.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Domain {
    pub(crate) id: DomainId,
    pub(crate) tenant: TenantId,
    pub(crate) name: DomainName,
    pub(crate) submitted: String,
    pub(crate) status: Status,
    pub(crate) created_at: Timestamp,
    pub(crate) challenge: Challenge,
    pub(crate) validation: Validation,
    pub(crate) delegation: Option<Delegation>,
    pub(crate) ownership: Evidence,
    pub(crate) routing: Evidence,
    pub(crate) delegated: Evidence,
    /// Somebody else held the name when this tenant proved it.
    pub(crate) contested_at: Option<Timestamp>,
    /// What the title rests on beside the proof.
    #[serde(default)]
    pub(crate) title: Title,
    /// Looks without success in a row.
    pub(crate) checks: u32,
    /// When to look at the outside world again; `None` is when somebody asks.
    pub(crate) next_check_at: Option<Timestamp>,
    /// Until when a proof that is not there counts for nothing: the name was adopted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) grace_until: Option<Timestamp>,
    pub(crate) issuance: Option<Issuance>,
    pub(crate) certificate: Option<Served>,
    /// Orders that failed in a row.
    pub(crate) failed_orders: u32,
    /// When an order was last decided on.
    #[serde(default)]
    pub(crate) last_order_at: Option<Timestamp>,
    /// No order before this.
    pub(crate) next_order_at: Option<Timestamp>,
    /// The authority asked not to be called before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) authority_hushed_until: Option<Timestamp>,
    /// Looks at an account that was still being made, in a row.
    #[serde(default)]
    pub(crate) account_polls: u32,
    /// The DNS provider asked not to be given challenge records before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dns_hushed_until: Option<Timestamp>,
    pub(crate) last_failure: Option<Failure>,
    pub(crate) placed: Vec<Placed>,
    /// Stored answers to HTTP challenges.
    pub(crate) answers: Vec<String>,
    /// What the tenant manages in the zone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) records: Vec<ManagedRecord>,
    /// Rises with every command about records.
    #[serde(default)]
    pub(crate) record_version: u64,
    /// Names at which managed records were removed not long ago.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) sweeps: Vec<Sweep>,
    /// Calls to services that failed for now, in a row.
    pub(crate) service_failures: u32,
    pub(crate) removed_at: Option<Timestamp>,
    /// Attempts in a row that came to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) setback: Option<Setback>,
    /// Who has stopped work on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) paused: Option<Paused>,
    /// Which budget it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) throttled: Option<Throttled>,
    /// What was mailed about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mail: Option<Box<Correspondence>>,
    /// Whether somebody is told what happens to it: there is a feed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) has_feed: bool,
}

/// What is decided about a domain when it is added.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Founding {
    /// Its id.
    pub id: DomainId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The proof that is wanted.
    pub challenge: Challenge,
    /// How the authority is convinced.
    pub validation: Validation,
    /// Where challenges are handed over to.
    pub delegation: Option<Delegation>,
}

impl Founding {
    /// Puts the parts together.
    pub const fn new(
        id: DomainId,
        tenant: TenantId,
        challenge: Challenge,
        validation: Validation,
        delegation: Option<Delegation>,
    ) -> Self {
        Self { id, tenant, challenge, validation, delegation }
    }

    /// Takes up what the same tenant removed: what is published for it is good for this claim too, in
    /// a generation of its own. Only for the first one: what that one asked for may have been renewed.
    pub(crate) fn take_up(&mut self, former: &Domain) {
        let (old, new) = (&former.challenge, &self.challenge);
        let is_same = old.method == new.method && old.scope == new.scope;
        let is_published = match new.method {
            Method::DnsTxt => old.owner == new.owner,
            // The token is the first label.
            Method::DnsCname => {
                old.owner.parent() == new.owner.parent() && old.target == new.target
            }
            // Tokens of these have their time, which a removal does not prolong.
            Method::Http | Method::Email => false,
        };
        let generation = old.generation.saturating_add(1);
        let mut challenge = new.clone();
        if is_same && is_published && !former.title.taken_up {
            challenge.token.clone_from(&old.token);
            challenge.owner.clone_from(&old.owner);
            // What is published may be from before the registration changed.
            challenge.issued_at = old.issued_at;
        }
        self.challenge = Challenge { generation, ..challenge };
        if let (Some(new), Some(old)) = (&mut self.delegation, &former.delegation)
            && new.owner == old.owner
        {
            new.target.clone_from(&old.target);
        }
    }
}

impl Domain {
    /// Creates a claim that nothing is known about.
    pub fn new(wanted: NewDomain, founding: Founding, now: Timestamp) -> Self {
        let Founding { id, tenant, challenge, validation, delegation } = founding;
        let mail =
            (challenge.method == Method::Email).then(|| Box::new(Correspondence::new(wanted.mail)));
        Self {
            id,
            tenant,
            name: wanted.name,
            submitted: wanted.submitted,
            status: Status::Pending,
            created_at: now,
            challenge,
            validation,
            delegation,
            ownership: Evidence::default(),
            routing: Evidence::default(),
            delegated: Evidence::default(),
            contested_at: None,
            title: Title::default(),
            checks: 0,
            next_check_at: Some(now),
            grace_until: None,
            issuance: None,
            certificate: None,
            failed_orders: 0,
            last_order_at: None,
            next_order_at: None,
            authority_hushed_until: None,
            account_polls: 0,
            dns_hushed_until: None,
            last_failure: None,
            placed: Vec::new(),
            answers: Vec::new(),
            records: Vec::new(),
            record_version: 0,
            sweeps: Vec::new(),
            service_failures: 0,
            removed_at: None,
            setback: None,
            paused: None,
            throttled: None,
            mail,
            has_feed: false,
        }
    }

    /// Returns the id.
    pub const fn id(&self) -> DomainId {
        self.id
    }

    /// Returns whose claim it is.
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Returns the canonical name.
    pub const fn name(&self) -> &DomainName {
        &self.name
    }

    /// Returns the name as the customer typed it.
    pub fn submitted(&self) -> &str {
        &self.submitted
    }

    /// Returns where it is in its life.
    pub const fn status(&self) -> Status {
        self.status
    }

    /// Returns when it was added.
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Returns the proof that is wanted.
    pub const fn challenge(&self) -> &Challenge {
        &self.challenge
    }

    /// Returns where its challenge is in its life.
    ///
    /// One of an earlier generation is [`State::Superseded`].
    pub fn challenge_state(&self, now: Timestamp) -> State {
        let Evidence { last, confirmed_at, seen, .. } = &self.ownership;
        let holds = self.status.holds();
        let is_there = match self.challenge.method {
            Method::Http => seen.values.first().is_some_and(|status| status == "status 200"),
            _ => matches!(seen.found, Found::Values | Found::Wildcard),
        };
        // Whoever holds a name that is looked at in vain holds it until that was often enough.
        let is_seen = *last == Verdict::Confirmed || (holds && confirmed_at.is_some());
        let events = [
            is_there.then_some(ChallengeEvent::Published),
            is_seen.then_some(ChallengeEvent::Observed),
            holds.then_some(ChallengeEvent::Accepted),
            (now > self.challenge.expires_at).then_some(ChallengeEvent::Expired),
            (self.status == Status::Removing).then_some(ChallengeEvent::Rejected),
        ];
        let next = |state: State, event| state.on(event).unwrap_or(state);
        events.into_iter().flatten().fold(State::Issued, next)
    }

    /// Returns what was mailed about it; `None` if it is proved in another way.
    pub fn correspondence(&self) -> Option<&Correspondence> {
        self.mail.as_deref()
    }

    /// Returns how the certificate authority is convinced.
    pub const fn validation(&self) -> Validation {
        self.validation
    }

    /// Returns where certificate challenges are handed over to, if they are.
    pub const fn delegation(&self) -> Option<&Delegation> {
        self.delegation.as_ref()
    }

    /// Returns what has been seen of a topic.
    pub const fn evidence(&self, topic: Topic) -> &Evidence {
        match topic {
            Topic::Delegation => &self.delegated,
            Topic::Ownership => &self.ownership,
            Topic::Routing => &self.routing,
        }
    }

    /// Returns the order that is under way.
    pub const fn issuance(&self) -> Option<&Issuance> {
        self.issuance.as_ref()
    }

    /// Returns the certificate, in short. It serves only while the tenant holds the name.
    pub const fn certificate(&self) -> Option<&Served> {
        self.certificate.as_ref()
    }

    /// Returns why something went wrong last.
    pub const fn last_failure(&self) -> Option<&Failure> {
        self.last_failure.as_ref()
    }

    /// Returns when it will be looked at again without anybody asking.
    pub const fn next_check_at(&self) -> Option<Timestamp> {
        self.next_check_at
    }

    /// Returns before when no certificate is ordered, after one that came to nothing.
    pub const fn next_order_at(&self) -> Option<Timestamp> {
        self.next_order_at
    }

    /// Returns the records of ours that are in zones, or may be.
    pub fn placed(&self) -> &[Placed] {
        &self.placed
    }

    /// Returns whether a stored answer is one that is given out for it.
    pub(crate) fn has_answer(&self, id: &str) -> bool {
        self.status.holds() && self.answers.iter().any(|answer| answer == id)
    }

    /// Returns whether it is gone but for the trace that it leaves.
    pub const fn is_removed(&self) -> bool {
        self.removed_at.is_some()
    }

    /// Returns why it is parked: work on it failed again and again, and is not tried any more until
    /// somebody of the platform's revives it.
    pub fn parked(&self) -> Option<&Setback> {
        self.setback.as_ref().filter(|setback| setback.parked_at.is_some())
    }

    /// Returns who has stopped work on it. What was paused for many domains at once shows here when
    /// it is next looked at.
    pub const fn paused(&self) -> Option<&Paused> {
        self.paused.as_ref()
    }

    /// Returns which budget it waits for, shared with other domains.
    pub const fn throttled(&self) -> Option<&Throttled> {
        self.throttled.as_ref()
    }

    /// Returns what exactly is looked for, for one topic.
    pub fn subject(&self, topic: Topic) -> Subject {
        let name = match (topic, &self.delegation) {
            (Topic::Ownership, _) => self.challenge.owner.clone(),
            (Topic::Delegation, Some(delegation)) => delegation.owner.clone(),
            (Topic::Delegation | Topic::Routing, _) => DnsName::from(self.name.clone()),
        };
        Subject::new(topic, self.challenge.generation, name)
    }

    /// Adds an observation to the evidence, if it is about this claim in its present generation.
    pub fn observe(&mut self, look: &Observation, spacing: std::time::Duration) {
        if look.subject != self.subject(look.subject.topic) {
            return;
        }
        let evidence = match look.subject.topic {
            Topic::Delegation => &mut self.delegated,
            Topic::Ownership => &mut self.ownership,
            Topic::Routing => &mut self.routing,
        };
        *evidence = evidence.fold(look, spacing);
    }

    /// Puts a challenge in the place of the one there is: what was seen of that one is nothing any more.
    pub(crate) fn supersede(&mut self, challenge: Challenge, now: Timestamp) {
        self.challenge = challenge;
        self.ownership = Evidence::default();
        self.end_contest();
        self.checks = 0;
        self.next_check_at = Some(now);
    }

    /// Lets the next order be opened as soon as somebody may ask for it: `spacing` after the last one,
    /// or earlier if it was due earlier.
    pub(crate) fn hasten_order(&mut self, now: Timestamp, spacing: std::time::Duration) {
        let asked = self.last_order_at.map_or(now, |last| after(last, spacing)).max(now);
        let at = self.next_order_at.map_or(asked, |planned| planned.min(asked));
        self.next_order_at = (at > now).then_some(at);
    }

    /// Writes down that a record of ours may be in a zone although it is of no use any more. Returns
    /// whether that is news.
    pub(crate) fn note_stray(&mut self, owner: &DnsName, value: &str, now: Timestamp) -> bool {
        let known =
            self.placed.iter_mut().find(|placed| placed.owner == *owner && placed.value == value);
        match known {
            Some(Placed { placement: Placement::Swept { again_at }, .. }) if *again_at > now => {
                *again_at = now;
                true
            }
            // In use, or about to be removed.
            Some(_) => false,
            None => {
                let order = OrderId::from_bytes([0; 16]);
                let mut placed = Placed::new(owner.clone(), value.to_owned(), order, now);
                placed.placement = Placement::Leaving;
                self.placed.push(placed);
                true
            }
        }
    }

    /// Applies an event to the status.
    ///
    /// # Errors
    ///
    /// `Precondition` if the event does not apply in this status; nothing changes.
    pub fn apply(&mut self, event: Event) -> Result<()> {
        match self.status.on(event) {
            Some(status) => {
                self.status = status;
                Ok(())
            }
            None => Err(Error::new(
                ErrorKind::Precondition,
                "domain",
                event.as_str(),
                format!("{} is {}, in which this does not apply", self.name, self.status),
            )
            .with_subject(self.id)),
        }
    }
}
