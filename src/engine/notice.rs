//! What happened to a domain, for those who want to know.

use serde::{Deserialize, Serialize};

use super::refusal::Rule;
use crate::{
    challenge::{Method, email::MailAddress},
    clock::Timestamp,
    domain::{Event, Failure, ResetCause, Status},
    evidence::{Seen, Topic, Verdict},
    id::{CertificateId, OrderId, RecordId},
};

/// Something that happened to a domain.
///
/// Stored in the same commit as the change itself: what is told has happened, and what has happened
/// is told, at least once and in order.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Notice {
    /// A tenant added it.
    Added,
    /// An operator said that the tenant holds the name already, and handed over the certificate that
    /// serves it. Nobody has proved it to us.
    Adopted {
        /// What the operator relies on.
        basis: String,
        /// The certificate.
        certificate: CertificateId,
        /// Until when it is valid.
        not_after: Timestamp,
    },
    /// Of an account, not of a domain: the authority does not have it any more. It is made again.
    AccountLost {
        /// What the authority called it.
        account: String,
        /// Before when that does not happen.
        enroll_at: Timestamp,
    },
    /// It is in another status.
    StatusChanged {
        /// Before.
        from: Status,
        /// Now.
        to: Status,
        /// Why.
        event: Event,
    },
    /// A look at the outside world said something else than the one before.
    Observed {
        /// About what.
        topic: Topic,
        /// What it says.
        verdict: Verdict,
        /// What was there.
        seen: Seen,
    },
    /// Another proof is asked for: that of any generation before proves nothing any more.
    ChallengeIssued {
        /// How it is published.
        method: Method,
        /// Its generation.
        generation: u32,
        /// Until when publishing it proves anything.
        expires_at: Timestamp,
    },
    /// The tenant proved ownership while somebody else held the name.
    Contested,
    /// A code that somebody gave is not the one that was mailed, or is too old.
    CodeRefused,
    /// One of those who answer for the name was written to.
    Mailed {
        /// Who.
        to: MailAddress,
    },
    /// A mail server does not take the mail to one of those who answer for the name.
    MailRefused {
        /// Who would have got it.
        to: MailAddress,
        /// Why.
        failure: Failure,
    },
    /// The holder's proof is gone: unless it comes back, the name comes over to this tenant.
    CoolingOff {
        /// When that is decided.
        until: Timestamp,
    },
    /// The tenant's own proof is gone again, and nothing is contested any more.
    ContestEnded,
    /// Somebody else proved ownership of the name that this tenant holds. The tenant's proof is
    /// looked at: while it is there, nothing changes.
    Challenged,
    /// The claim starts anew: what was proved and made before is worth nothing any more.
    OwnershipReset {
        /// Why.
        #[serde(flatten)]
        cause: ResetCause,
        /// The generation of the challenge that is wanted from now on.
        generation: u32,
    },
    /// The tenant offers the name to another one.
    TransferOffered {
        /// Until when it can be accepted.
        expires_at: Timestamp,
    },
    /// The tenant took the offer back.
    TransferCanceled,
    /// The name came over from a tenant who offered it. It has yet to be proved.
    TransferAccepted {
        /// Until when the proof may be missing.
        grace_until: Timestamp,
    },
    /// Something that the tenant wanted, or that was seen, was refused by a rule.
    Refused {
        /// Which.
        rule: Rule,
    },
    /// A certificate was ordered.
    OrderOpened {
        /// The order.
        order: OrderId,
    },
    /// An order came to nothing.
    OrderFailed {
        /// The order.
        order: OrderId,
        /// Why.
        failure: Failure,
        /// When the next one is opened, if one is.
        retry_at: Option<Timestamp>,
    },
    /// No order is opened, since CAA records forbid the authority to issue.
    OrderBlocked {
        /// Which record, and what would help.
        failure: Failure,
        /// When it is looked at again.
        retry_at: Timestamp,
    },
    /// A certificate serves.
    CertificateActivated {
        /// The certificate.
        certificate: CertificateId,
        /// Until when it is valid.
        not_after: Timestamp,
        /// Whether it took the place of one that was still valid.
        renewal: bool,
    },
    /// Work on it failed again and again, and is not tried any more until it is revived.
    Parked {
        /// What happened last, and how often in a row.
        failure: Failure,
    },
    /// Somebody of the platform's stopped all work on it.
    Paused {
        /// Why.
        reason: String,
    },
    /// It goes on after it was paused.
    Resumed,
    /// Somebody of the platform's revived it.
    Revived,
    /// A service of the platform's failed for now.
    ServiceFailed {
        /// What went wrong.
        failure: Failure,
    },
    /// The DNS provider does not take a record that the tenant wanted, or not as it was to be.
    RecordRefused {
        /// The record.
        record: RecordId,
        /// Why.
        failure: Failure,
    },
    /// A record that the tenant managed is gone from the zone.
    RecordRemoved {
        /// The record.
        record: RecordId,
    },
    /// The zone has a record as the tenant wants it.
    RecordWritten {
        /// The record.
        record: RecordId,
    },
    /// It is gone, and what was made for it is cleaned up.
    Removed,
}

impl Notice {
    /// Returns the stored name, which never changes.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Adopted { .. } => "adopted",
            Self::AccountLost { .. } => "account_lost",
            Self::StatusChanged { .. } => "status_changed",
            Self::Observed { .. } => "observed",
            Self::ChallengeIssued { .. } => "challenge_issued",
            Self::Contested => "contested",
            Self::CodeRefused => "code_refused",
            Self::Mailed { .. } => "mailed",
            Self::MailRefused { .. } => "mail_refused",
            Self::CoolingOff { .. } => "cooling_off",
            Self::ContestEnded => "contest_ended",
            Self::Challenged => "challenged",
            Self::OwnershipReset { .. } => "ownership_reset",
            Self::TransferOffered { .. } => "transfer_offered",
            Self::TransferCanceled => "transfer_canceled",
            Self::TransferAccepted { .. } => "transfer_accepted",
            Self::Refused { .. } => "refused",
            Self::OrderOpened { .. } => "order_opened",
            Self::OrderFailed { .. } => "order_failed",
            Self::OrderBlocked { .. } => "order_blocked",
            Self::CertificateActivated { .. } => "certificate_activated",
            Self::ServiceFailed { .. } => "service_failed",
            Self::Parked { .. } => "parked",
            Self::Paused { .. } => "paused",
            Self::Resumed => "resumed",
            Self::Revived => "revived",
            Self::RecordRefused { .. } => "record_refused",
            Self::RecordRemoved { .. } => "record_removed",
            Self::RecordWritten { .. } => "record_written",
            Self::Removed => "removed",
        }
    }
}

/// A notice with its place in the history of its domain.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Numbered {
    /// Rises within a domain, with gaps.
    pub number: u64,
    /// When it was stored, by the store's time.
    pub at: Timestamp,
    /// What happened.
    pub notice: Notice,
}

impl Numbered {
    /// Puts a notice at its place, as a feed does.
    pub const fn new(number: u64, at: Timestamp, notice: Notice) -> Self {
        Self { number, at, notice }
    }
}
