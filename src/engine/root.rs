//! The words in which the engine thinks: roots, questions, facts, effects and decisions.

mod effect;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::notice::Notice;
use crate::{
    ca::Progress,
    certificate::{Certificate, Handle, Order, Permission},
    challenge::email::MailAddress,
    clock::Timestamp,
    domain::{Domain, PauseScope, Paused, Setback, Throttled},
    encoding::hex_text,
    error::{Error, ErrorKind},
    evidence::{Evidence, Found, Observation, Seen, Subject, Topic, Verdict},
    id::{CertificateId, EffectId, KeyId, OrderId},
    name::{DnsName, DomainName},
    seal::Sealed,
    store::UniqueKey,
};

pub use effect::{Effect, EffectKind, Intent, Outcome, Receipt, Redo};

/// Something that has a life of its own: due times, leases, decisions.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Root {
    /// An account at a certificate authority.
    Account(Box<AccountRoot>),
    /// A tenant's claim on a name.
    Domain(Box<DomainRoot>),
}

impl Root {
    /// Returns the effect that was decided on and whose outcome is not known yet.
    pub const fn intent(&self) -> Option<&Intent> {
        match self {
            Self::Account(root) => root.intent.as_ref(),
            Self::Domain(root) => root.intent.as_ref(),
        }
    }

    /// Returns the attempts in a row that came to nothing.
    pub const fn setback(&self) -> Option<&Setback> {
        match self {
            Self::Account(root) => root.setback.as_ref(),
            Self::Domain(root) => root.domain.setback.as_ref(),
        }
    }

    /// Returns whether nothing is tried any more until somebody says so.
    pub fn is_parked(&self) -> bool {
        self.setback().is_some_and(|setback| setback.parked_at.is_some())
    }

    pub(super) const fn setback_mut(&mut self) -> &mut Option<Setback> {
        match self {
            Self::Account(root) => &mut root.setback,
            Self::Domain(root) => &mut root.domain.setback,
        }
    }
}

/// A domain with what belongs to its next decision.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DomainRoot {
    /// The domain.
    pub domain: Domain,
    /// The order that is under way.
    pub order: Option<Order>,
    /// The effect that is under way.
    pub intent: Option<Intent>,
}

impl DomainRoot {
    /// Creates the root of a domain with nothing under way.
    pub const fn new(domain: Domain) -> Self {
        Self { domain, order: None, intent: None }
    }
}

/// An account at a certificate authority.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AccountRoot {
    /// The authority.
    pub authority: String,
    /// The sealed private key.
    pub key: Option<Sealed>,
    /// What the authority calls the account.
    pub handle: Option<Handle>,
    /// The effect that is under way.
    pub intent: Option<Intent>,
    /// Failures in a row.
    pub failures: u32,
    /// What went wrong last.
    pub trouble: Option<Trouble>,
    /// When to try again.
    pub next_at: Option<Timestamp>,
    /// Attempts in a row that came to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setback: Option<Setback>,
    /// The account that the authority said it does not have, until that is decided on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<Handle>,
    /// When the account was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolled_at: Option<Timestamp>,
    /// How often in a row the authority lost the account soon after it was made.
    #[serde(default)]
    pub losses: u32,
    /// Before when an account that was lost is not made again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
}

impl AccountRoot {
    /// Creates an account that is wanted.
    pub const fn new(authority: String) -> Self {
        Self {
            authority,
            key: None,
            handle: None,
            intent: None,
            failures: 0,
            trouble: None,
            next_at: None,
            setback: None,
            missed: None,
            enrolled_at: None,
            losses: 0,
            not_before: None,
        }
    }
}

/// Something to look at before deciding: the only way in which a decision can look.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Question {
    /// A fresh key for an account.
    AccountKey,
    /// Whether the account at the authority can be used.
    Account,
    /// What the outside world shows.
    Look(Subject),
    /// How far the order is at the authority, and the chain if there is one.
    Order {
        /// The order.
        order: OrderId,
        /// What the authority calls it.
        handle: Handle,
        /// The account that it was opened under; `None` if an earlier release opened it.
        account: Option<Handle>,
    },
    /// A fresh key, and a request for these names.
    OrderKey {
        /// The order.
        order: OrderId,
        /// The names.
        names: Vec<DomainName>,
    },
    /// At which of these names records are another tenant's business by now.
    Barred {
        /// The names at which there are records of ours.
        owners: Vec<DnsName>,
    },
    /// Whether CAA records let the authority issue a certificate for the name.
    Caa,
    /// A fresh code to mail, and whom the zone wants to be written to.
    MailCode {
        /// Of which round.
        round: u64,
    },
    /// Whether a record of ours can be seen where the authority will look.
    Visible {
        /// The name that the authority will ask for.
        owner: DnsName,
        /// The value.
        value: String,
    },
}

impl Question {
    /// Returns the service that is asked; `None` if it is only us.
    pub const fn service(&self) -> Option<PauseScope> {
        match self {
            Self::AccountKey | Self::Barred { .. } => None,
            // No code is drawn that would be too old by the time it goes out.
            Self::MailCode { .. } => Some(PauseScope::Mail),
            Self::Account | Self::Order { .. } | Self::OrderKey { .. } => {
                Some(PauseScope::Authority)
            }
            Self::Caa | Self::Look(_) | Self::Visible { .. } => Some(PauseScope::Resolver),
        }
    }

    /// Returns what is known when no answer came in time: about the outside world, that nothing is.
    pub fn unanswered(&self, now: Timestamp) -> Fact {
        match self {
            Self::Look(subject) => Fact::Observed(Observation::new(
                subject.clone(),
                Verdict::Unknown,
                now,
                Seen::of(Found::Timeout),
            )),
            Self::Visible { owner, value } => Fact::Visible {
                owner: owner.clone(),
                value: value.clone(),
                verdict: Verdict::Unknown,
            },
            Self::Barred { .. } => Fact::Barred { owners: Vec::new() },
            Self::Caa => Fact::Caa(Permission::Unknown),
            Self::Account
            | Self::AccountKey
            | Self::MailCode { .. }
            | Self::Order { .. }
            | Self::OrderKey { .. } => Fact::Unanswered(Trouble::new(
                ErrorKind::Unavailable,
                "engine: observe: no answer in time",
            )),
        }
    }
}

/// What was found.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fact {
    /// A fresh key for an account, sealed.
    AccountKey(Sealed),
    /// The state of the account.
    Account(AccountState),
    /// What the outside world showed.
    Observed(Observation),
    /// How far the order is.
    Order {
        /// The order.
        order: OrderId,
        /// What the authority said.
        progress: Progress,
        /// The chain as PEM text, if the order is valid.
        chain: Option<String>,
    },
    /// The order went with the account that it was opened under: the authority lost that one.
    Orphaned {
        /// The order.
        order: OrderId,
    },
    /// A fresh key for an order.
    OrderKey {
        /// The order.
        order: OrderId,
        /// Its id.
        id: KeyId,
        /// The private key, sealed.
        sealed: Sealed,
        /// The public half, SubjectPublicKeyInfo DER.
        #[serde(with = "hex_text")]
        public_key: Vec<u8>,
        /// The certificate signing request, PKCS #10 DER.
        #[serde(with = "hex_text")]
        request: Vec<u8>,
    },
    /// Where records are another tenant's business by now.
    Barred {
        /// The names, as far as it is known.
        owners: Vec<DnsName>,
    },
    /// What CAA records say.
    Caa(Permission),
    /// A fresh code to mail.
    MailCode {
        /// Of which round.
        round: u64,
        /// The code, sealed.
        sealed: Sealed,
        /// The SHA-256 of the code, in hexadecimal digits.
        digest: String,
        /// At which name people are written to; `None` if at none by the list of public suffixes.
        #[serde(default)]
        scope: Option<DomainName>,
        /// Whom the zone wants to be written to.
        published: Vec<MailAddress>,
    },
    /// Whether a record of ours can be seen.
    Visible {
        /// The name that was asked for.
        owner: DnsName,
        /// The value.
        value: String,
        /// What came of it.
        verdict: Verdict,
    },
    /// What came of the effect that was under way.
    Outcome {
        /// The effect's id.
        id: EffectId,
        /// What came of it.
        outcome: Outcome,
    },
    /// Somebody of the platform's has stopped something that this root needs.
    Paused(Paused),
    /// The last decision would have cost more than what is left of a budget.
    Spent(Throttled),
    /// The store refused the last decision: somebody else has these unique keys.
    Taken(Vec<UniqueKey>),
    /// Who has the name that the last decision would have taken.
    Holder(Holder),
    /// A question could not be answered, for a reason of our own or of a service of ours.
    Unanswered(Trouble),
}

/// Who has a name that somebody else has proved, as far as it matters to that one.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Holder {
    /// Tells this holder from another one, and says nothing of either.
    pub mark: String,
    /// Whether nobody holds the name any more: it rests since it was removed.
    pub is_resting: bool,
    /// What the last look at the holder's proof says; unknown while that is not to count.
    pub verdict: Verdict,
    /// When that was.
    pub looked_at: Option<Timestamp>,
    /// Whether it is about to be looked at.
    pub is_due: bool,
    /// When the holder was last told that somebody else has proved the name.
    pub challenged_at: Option<Timestamp>,
}

impl Holder {
    /// Describes a claim that has the name.
    pub fn of(domain: &Domain, now: Timestamp) -> Self {
        let Evidence { last, at, .. } = *domain.evidence(Topic::Ownership);
        let title = &domain.title;
        // The operator's word stands for the proof until then; a transfer's does not.
        let in_grace = domain.grace_until.is_some_and(|until| now < until);
        let is_adopted = in_grace && title.acquired_at.is_none();
        Self {
            mark: domain.mark(),
            is_resting: !domain.status().holds(),
            verdict: if is_adopted { Verdict::Unknown } else { last },
            looked_at: at,
            is_due: domain.next_check_at().is_some_and(|at| at <= now),
            challenged_at: title.challenged_at,
        }
    }
}

/// What a decision does to whoever has the name, in the same commit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Toward {
    /// The holder's proof is looked at now.
    Look {
        /// Whether the holder is told that somebody else has proved the name.
        tell: bool,
    },
    /// The claim of the holder, whose proof is gone, starts anew.
    Reset,
    /// The name, which nobody holds any more, rests no longer.
    Release,
}

/// The state of an account at an authority.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccountState {
    /// There is none.
    Absent,
    /// It is being made.
    Enrolling,
    /// It can be used.
    Ready,
}

/// What went wrong in a call, in storable form.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Trouble {
    /// The outcome.
    pub kind: ErrorKind,
    /// The service's own code.
    pub code: Option<String>,
    /// One line.
    pub message: String,
    /// How long the service asks to wait.
    pub retry_after: Option<Duration>,
    /// The account of ours that the authority says it does not have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<Handle>,
}

impl Trouble {
    /// Creates a note of something that went wrong here.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, code: None, message: message.into(), retry_after: None, missed: None }
    }
}

impl From<&Error> for Trouble {
    fn from(error: &Error) -> Self {
        Self {
            kind: error.kind(),
            code: error.code().map(str::to_owned),
            message: error.to_string(),
            retry_after: error.retry_after(),
            missed: None,
        }
    }
}

/// When and by what chance a decision is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Moment {
    /// The store's time.
    pub now: Timestamp,
    /// Chance: 32 random bytes.
    pub seed: [u8; 32],
}

impl Moment {
    /// Creates a moment.
    pub const fn new(now: Timestamp, seed: [u8; 32]) -> Self {
        Self { now, seed }
    }

    /// Returns 16 bytes of chance for one use, which `label` names.
    pub fn bytes(&self, label: &str) -> [u8; 16] {
        let digest = Sha256::new().chain_update(self.seed).chain_update(label).finalize();
        let mut bytes = [0; 16];
        for (byte, chance) in bytes.iter_mut().zip(digest) {
            *byte = chance;
        }
        bytes
    }

    /// Returns a number of chance for one use, which `label` names.
    pub fn number(&self, label: &str) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.bytes(label);
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// A change to something that belongs to a root.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Satellite {
    /// Asks for an account at the authority.
    WantAccount(Box<AccountRoot>),
    /// Reports that the authority does not have this account of ours any more.
    MissAccount(Handle),
    /// Stores what a validation server is told over HTTP.
    PutAnswer(Answer),
    /// Forgets an answer.
    DeleteAnswer(String),
    /// Stores a certificate.
    PutCertificate(Certificate),
    /// Forgets a certificate.
    DeleteCertificate(CertificateId),
    /// Stores a sealed private key.
    PutKey(SealedKey),
    /// Forgets a private key.
    DeleteKey(KeyId),
}

/// What a validation server is told over HTTP.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Answer {
    /// Its id: derived from host and token.
    pub id: String,
    /// The host.
    pub host: DomainName,
    /// The last part of the path.
    pub token: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// Creates an answer.
    pub fn new(host: DomainName, token: String, body: String) -> Self {
        let digest =
            Sha256::new().chain_update(host.as_str()).chain_update("/").chain_update(&token);
        Self { id: hex::encode(digest.finalize()), host, token, body }
    }
}

/// A private key as it is stored.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SealedKey {
    /// Its id.
    pub id: KeyId,
    /// The sealed bytes.
    pub sealed: Sealed,
}

impl SealedKey {
    /// Creates it from its parts.
    pub const fn new(id: KeyId, sealed: Sealed) -> Self {
        Self { id, sealed }
    }
}

/// What is to happen next.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Decision {
    /// The root as it is to be stored, the intent included.
    pub root: Root,
    /// Changes to what belongs to it.
    pub satellites: Vec<Satellite>,
    /// What is to be told.
    pub notices: Vec<Notice>,
    /// What becomes of whoever has the name: the decision stands only together with that.
    pub toward: Option<Toward>,
    /// What to do once this is stored.
    pub effect: Option<Intent>,
    /// When to decide again. Now means at once, under the same lease.
    pub due: Option<Timestamp>,
}

impl Decision {
    /// Creates the decision to do nothing until `due`.
    pub(super) const fn idle(root: Root, due: Option<Timestamp>) -> Self {
        Self { root, satellites: Vec::new(), notices: Vec::new(), toward: None, effect: None, due }
    }
}
