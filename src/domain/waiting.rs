//! Who has to act next, what they have to do, and until when waiting is right.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{BudgetKind, Domain, Failure, PauseScope, Status};
use crate::{
    certificate::{OrderStatus, Validation},
    challenge::Method,
    clock::Timestamp,
    evidence::{Evidence, Found, Seen, Topic, Verdict},
    name::DnsName,
    record::RecordType,
};

/// Who has to act.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Party {
    /// The certificate authority.
    CertificateAuthority,
    /// Time has to pass.
    Clock,
    /// The customer, in their zone.
    Customer,
    /// The service that answers for the customer's zone.
    DnsProvider,
    /// Nobody: all is well.
    Nobody,
    /// The platform, or its services.
    Platform,
    /// The registrar.
    Registrar,
}

impl Party {
    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CertificateAuthority => "certificate_authority",
            Self::Clock => "clock",
            Self::Customer => "customer",
            Self::DnsProvider => "dns_provider",
            Self::Nobody => "nobody",
            Self::Platform => "platform",
            Self::Registrar => "registrar",
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_str().replace('_', " "))
    }
}

/// What is awaited.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// Nobody has looked yet.
    FirstLook,
    /// A record is not there.
    RecordMissing {
        /// What it is for.
        topic: Topic,
        /// Its type; for routing see the instructions.
        #[serde(default)]
        record_type: Option<RecordType>,
        /// Where it should be.
        name: DnsName,
        /// What it should say; for routing see the instructions.
        value: Option<String>,
    },
    /// There is something else than what is wanted.
    RecordDiffers {
        /// What it is for.
        topic: Topic,
        /// Its type; for routing see the instructions.
        #[serde(default)]
        record_type: Option<RecordType>,
        /// Where it is.
        name: DnsName,
        /// What it should say; for routing see the instructions.
        value: Option<String>,
        /// What is there.
        seen: Seen,
    },
    /// A page that proves the name is not there.
    PageMissing {
        /// Where it should be.
        url: String,
        /// What it should say, and nothing else.
        body: String,
        /// What is there.
        seen: Seen,
    },
    /// A mail has not been answered.
    MailUnanswered {
        /// The name that it is about.
        name: DnsName,
    },
    /// The servers of the zone, or of the host, give no usable answer.
    NoAnswer {
        /// What was asked for.
        name: DnsName,
        /// What came instead.
        found: Found,
    },
    /// It is proved, but the name cannot be handed over now.
    Unavailable,
    /// The claim was not proved in time; asking wakes it up.
    Dormant,
    /// The certificate is on its way.
    Order {
        /// How far it is.
        stage: OrderStatus,
    },
    /// Something failed for now, and will be tried again.
    Retry {
        /// What went wrong.
        failure: Failure,
    },
    /// Something was refused for good.
    Failed {
        /// What went wrong.
        failure: Option<Failure>,
    },
    /// Work on it failed again and again, and is not tried any more until it is revived.
    Parked {
        /// What happened last, and how often.
        failure: Failure,
    },
    /// Somebody of the platform's has stopped work on it, or on what it needs.
    Paused {
        /// What was stopped.
        scope: PauseScope,
        /// Why.
        reason: String,
    },
    /// A budget that it shares with other domains is spent.
    Budget {
        /// Which one.
        budget: BudgetKind,
    },
    /// What we made is being cleaned up.
    CleanUp,
    /// Nothing is awaited.
    Nothing,
}

/// Who has to act, what is awaited, and until when waiting is right.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WaitingOn {
    /// Who.
    pub party: Party,
    /// What.
    pub reason: Reason,
    /// When it is looked at again without anybody asking.
    pub until: Option<Timestamp>,
}

impl WaitingOn {
    const fn new(party: Party, reason: Reason, until: Option<Timestamp>) -> Self {
        Self { party, reason, until }
    }

    /// Returns whether all is well.
    pub const fn is_nothing(&self) -> bool {
        matches!(self.reason, Reason::Nothing)
    }
}

impl Domain {
    /// Returns who has to act next. [`Reason::Nothing`] only if the domain is active.
    pub fn waiting_on(&self) -> WaitingOn {
        if let Some(setback) = self.parked() {
            let failure = setback.failure.clone();
            return WaitingOn::new(Party::Platform, Reason::Parked { failure }, None);
        }
        if let Some(paused) = &self.paused {
            let reason = Reason::Paused { scope: paused.scope, reason: paused.reason.clone() };
            return WaitingOn::new(Party::Platform, reason, None);
        }
        let next = self.next_check_at;
        match self.status {
            Status::Active => WaitingOn::new(Party::Nobody, Reason::Nothing, next),
            Status::Removing => WaitingOn::new(Party::Platform, Reason::CleanUp, next),
            Status::Failed => {
                let failure = self.last_failure.clone();
                WaitingOn::new(Party::Platform, Reason::Failed { failure }, None)
            }
            Status::Pending => self.waiting_on_ownership(),
            Status::Verified | Status::CertificatePending => self.waiting_on_certificate(),
        }
    }

    fn waiting_on_ownership(&self) -> WaitingOn {
        if self.ownership.last == Verdict::Confirmed && self.contested_at.is_some() {
            return WaitingOn::new(Party::Platform, Reason::Unavailable, self.next_check_at);
        }
        if self.next_check_at.is_none() {
            return WaitingOn::new(Party::Customer, Reason::Dormant, None);
        }
        self.waiting_on_record(Topic::Ownership)
    }

    fn waiting_on_certificate(&self) -> WaitingOn {
        if let Some(throttled) = &self.throttled {
            let reason = Reason::Budget { budget: throttled.budget };
            return WaitingOn::new(Party::Clock, reason, Some(throttled.until));
        }
        let stage = self.issuance.as_ref().map(|issuance| issuance.stage);
        let party = match stage {
            None | Some(OrderStatus::Planned) => Party::Platform,
            Some(_) => Party::CertificateAuthority,
        };
        if let Some(failure) = &self.last_failure
            && self.service_failures > 0
        {
            return WaitingOn::new(party, Reason::Retry { failure: failure.clone() }, None);
        }
        if let Some(stage) = stage {
            return WaitingOn::new(party, Reason::Order { stage }, None);
        }
        if let (Some(failure), Some(at)) = (&self.last_failure, self.next_order_at) {
            // What forbids our authority is in the customer's zone.
            let party = match failure.code.as_deref() {
                Some("caa") => Party::Customer,
                _ => Party::Clock,
            };
            return WaitingOn::new(party, Reason::Retry { failure: failure.clone() }, Some(at));
        }
        // Nothing is ordered while the proof is missing.
        if self.ownership.run != Verdict::Confirmed {
            return self.waiting_on_record(Topic::Ownership);
        }
        let awaited = match self.validation {
            Validation::Http01 => Some((Topic::Routing, &self.routing)),
            Validation::Dns01Delegated => Some((Topic::Delegation, &self.delegated)),
            Validation::Dns01 => None,
        };
        match awaited {
            Some((topic, evidence)) if evidence.run != Verdict::Confirmed => {
                self.waiting_on_record(topic)
            }
            _ => WaitingOn::new(
                Party::Platform,
                Reason::Order { stage: OrderStatus::Planned },
                self.next_check_at,
            ),
        }
    }

    fn waiting_on_record(&self, topic: Topic) -> WaitingOn {
        let Evidence { last, seen, .. } = self.evidence(topic);
        let next = self.next_check_at;
        let name = self.subject(topic).name;
        let method = self.challenge.method;
        if topic == Topic::Ownership && method == Method::Email && *last != Verdict::Confirmed {
            return WaitingOn::new(Party::Customer, Reason::MailUnanswered { name }, next);
        }
        let (record_type, value) = match topic {
            Topic::Ownership => (self.challenge.record_type(), Some(self.challenge.value())),
            Topic::Delegation => {
                let target = self.delegation.as_ref().map(|delegation| &delegation.target);
                (Some(RecordType::Cname), target.map(ToString::to_string))
            }
            Topic::Routing => (None, None),
        };
        let page = self.challenge.page().filter(|_| topic == Topic::Ownership);
        match (last, seen.found) {
            (_, Found::Nothing) => WaitingOn::new(Party::Platform, Reason::FirstLook, next),
            (Verdict::Refuted, _) if let Some(page) = page => WaitingOn::new(
                Party::Customer,
                Reason::PageMissing {
                    url: page.url(),
                    body: page.body().to_owned(),
                    seen: seen.clone(),
                },
                next,
            ),
            (Verdict::Unknown, found @ Found::Renamed) => {
                WaitingOn::new(Party::Customer, Reason::NoAnswer { name, found }, next)
            }
            // Whoever runs the host is not who runs the zone.
            (Verdict::Unknown, found) if page.is_some() => {
                WaitingOn::new(Party::Customer, Reason::NoAnswer { name, found }, next)
            }
            (Verdict::Refuted, Found::Values | Found::Wildcard) => WaitingOn::new(
                Party::Customer,
                Reason::RecordDiffers { topic, record_type, name, value, seen: seen.clone() },
                next,
            ),
            (Verdict::Refuted, _) => WaitingOn::new(
                Party::Customer,
                Reason::RecordMissing { topic, record_type, name, value },
                next,
            ),
            (Verdict::Unknown, found) => {
                WaitingOn::new(Party::DnsProvider, Reason::NoAnswer { name, found }, next)
            }
            // Seen just now; what follows from it is under way.
            (Verdict::Confirmed, _) => WaitingOn::new(Party::Platform, Reason::FirstLook, next),
        }
    }
}

impl fmt::Display for WaitingOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = |record_type: &Option<RecordType>| match record_type {
            Some(record_type) => format!("{record_type} record"),
            None => "address of the edge".to_owned(),
        };
        if !matches!(self.party, Party::Nobody) {
            write!(f, "{}: ", self.party)?;
        }
        match &self.reason {
            Reason::FirstLook => f.write_str("has yet to look")?,
            Reason::RecordMissing { record_type, name, value, .. } => {
                write!(f, "add the {} at {name}", record(record_type))?;
                if let Some(value) = value {
                    write!(f, " with the value {value}")?;
                }
                f.write_str("; there is none")?;
            }
            Reason::RecordDiffers { record_type, name, value, seen, .. } => {
                write!(f, "change the {} at {name}", record(record_type))?;
                if let Some(value) = value {
                    write!(f, " to {value}")?;
                }
                write!(f, "; there is {}", seen.values.join(", "))?;
            }
            Reason::PageMissing { url, body, seen } => {
                write!(f, "put a page at {url} that says {body}")?;
                match seen.values.as_slice() {
                    [] => f.write_str("; there is none")?,
                    values => write!(f, "; there is {}", values.join(", "))?,
                }
            }
            Reason::MailUnanswered { name } => {
                write!(f, "follow the link in the mail about {name}")?;
            }
            Reason::NoAnswer { name, found } => {
                let what = match found {
                    Found::Renamed => {
                        "rename it by a DNAME record: take that away, or prove another name"
                    }
                    Found::Bogus => "fail DNSSEC validation",
                    Found::Timeout => "do not answer in time",
                    _ => "give no usable answer",
                };
                write!(f, "the servers for {name} {what}")?;
            }
            Reason::Unavailable => f.write_str("the name is proved but cannot be handed over")?,
            Reason::Dormant => f.write_str("publish the proof, then ask for a check")?,
            Reason::Order { stage } => write!(f, "the certificate order is {stage}")?,
            Reason::Retry { failure } => write!(f, "will try again after: {}", failure.message)?,
            Reason::Failed { failure: Some(failure) } => write!(f, "{}", failure.message)?,
            Reason::Failed { failure: None } => f.write_str("was refused")?,
            Reason::Parked { failure } => {
                let Failure { attempts, message, .. } = failure;
                write!(f, "gave up after {attempts} attempts, until it is revived: {message}")?;
            }
            Reason::Paused { scope, reason } => {
                let what = match scope {
                    PauseScope::Authority => "the certificate authority is",
                    PauseScope::Dns => "changes of DNS records are",
                    PauseScope::Domain => "work on it is",
                    PauseScope::Mail => "sending mail is",
                    PauseScope::Probe => "looking at pages is",
                    PauseScope::Resolver => "looking up names is",
                    PauseScope::Tenant => "work on all domains of the tenant is",
                };
                write!(f, "{what} paused: {reason}")?;
            }
            Reason::Budget { budget } => f.write_str(match budget {
                BudgetKind::Certificates => {
                    "enough certificates were made for this registered domain for now"
                }
                BudgetKind::Duplicates => "enough certificates were made for this name for now",
                BudgetKind::Orders => "enough certificates were ordered for now",
            })?,
            Reason::CleanUp => f.write_str("cleaning up")?,
            Reason::Nothing => f.write_str("nothing to do")?,
        }
        match self.until {
            Some(until) => write!(f, " (next look {})", until.format("%Y-%m-%d %H:%M:%S UTC")),
            None => Ok(()),
        }
    }
}
