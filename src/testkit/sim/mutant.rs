//! Broken variants, each of which the simulator has to catch: who finds nothing has to show that
//! there was nothing to be found.

use std::fmt;

use super::{Profile, fault::FaultKind};

/// A way in which nameplate or what is plugged in could be broken.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Mutant {
    /// A notice counts as delivered before it is handed on.
    AcknowledgeFirst,
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
    /// Whoever delivers does not know how far it came.
    ForgetCursors,
    /// What happened last is left out when it is asked for.
    ForgetEntries,
    /// That the authority has lost the account is taken note of by nobody.
    ForgetLosses,
    /// Records are not removed although it is said that they are.
    ForgetRecords,
    /// What is given back as it was is not due again.
    ForgetWakes,
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
    /// A worker that stops keeps the leases of what it has not finished.
    KeepShift,
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
    /// A change leaves an item with the revision that it had.
    ReuseRevision,
    /// A server that cannot answer counts as a record that is not there.
    ServFailIsAbsence,
    /// A holder whose proof is gone has no time to bring it back.
    SkipCoolOff,
    /// The first notice of each page but the first is left out.
    SkipEdges,
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
    /// Nobody hears that there is something to be told.
    TellNobody,
    /// Old notices take all others with them when they are dropped.
    TrimAll,
    /// Who was given a name never has to prove it.
    TrustForEver,
    /// An outcome that is not known counts as a refusal.
    UnknownIsRefusal,
}

impl Mutant {
    /// Every mutant.
    pub const ALL: [Self; 41] = [
        Self::AcknowledgeFirst,
        Self::ActFirst,
        Self::AnyCode,
        Self::AnyOffer,
        Self::ClobberOthers,
        Self::DropFence,
        Self::DropWake,
        Self::FollowAnywhere,
        Self::ForgetCursors,
        Self::ForgetEntries,
        Self::ForgetLosses,
        Self::ForgetRecords,
        Self::ForgetWakes,
        Self::IgnoreCaps,
        Self::IgnoreReports,
        Self::IgnoreRetryAfter,
        Self::KeepFormer,
        Self::KeepHold,
        Self::KeepLease,
        Self::KeepShift,
        Self::LoseDeletes,
        Self::LoseHandle,
        Self::OfferForEver,
        Self::OldToken,
        Self::OtherKey,
        Self::Overwrite,
        Self::PendingBlocks,
        Self::ReusableCode,
        Self::ReuseRevision,
        Self::ServFailIsAbsence,
        Self::SkipCoolOff,
        Self::SkipEdges,
        Self::SkipLog,
        Self::SkipQuarantine,
        Self::SkipUnique,
        Self::StaleAnswers,
        Self::TakeFromProver,
        Self::TellNobody,
        Self::TrimAll,
        Self::TrustForEver,
        Self::UnknownIsRefusal,
    ];

    /// Returns the faults that bring it to light sooner than all kinds together.
    pub const fn faults(self) -> &'static [FaultKind] {
        match self {
            Self::ActFirst | Self::KeepLease => &[FaultKind::KillBefore, FaultKind::KillAfter],
            Self::AcknowledgeFirst | Self::SkipEdges => {
                &[FaultKind::KillBefore, FaultKind::SubscriberAway, FaultKind::SubscriberLost]
            }
            Self::ClobberOthers => &[FaultKind::DnsConflict],
            Self::DropFence => &[FaultKind::Stop],
            Self::ForgetLosses => &[FaultKind::AccountLost],
            Self::IgnoreRetryAfter => &[FaultKind::RetryAfter],
            Self::ForgetWakes | Self::KeepShift => &[FaultKind::HalfOpen, FaultKind::Latency],
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

    /// Returns whether it is about who is told what happens.
    pub(super) const fn is_of_audience(self) -> bool {
        matches!(
            self,
            Self::AcknowledgeFirst
                | Self::ForgetCursors
                | Self::SkipEdges
                | Self::TellNobody
                | Self::TrimAll
        )
    }

    /// Returns whether it is about workers that run until they are told to stop.
    pub(super) const fn is_of_shifts(self) -> bool {
        matches!(self, Self::ForgetWakes | Self::KeepShift)
    }

    /// Returns the name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AcknowledgeFirst => "acknowledge_first",
            Self::ActFirst => "act_first",
            Self::AnyCode => "any_code",
            Self::AnyOffer => "any_offer",
            Self::ClobberOthers => "clobber_others",
            Self::DropFence => "drop_fence",
            Self::DropWake => "drop_wake",
            Self::FollowAnywhere => "follow_anywhere",
            Self::ForgetCursors => "forget_cursors",
            Self::ForgetEntries => "forget_entries",
            Self::ForgetLosses => "forget_losses",
            Self::ForgetRecords => "forget_records",
            Self::ForgetWakes => "forget_wakes",
            Self::IgnoreCaps => "ignore_caps",
            Self::IgnoreReports => "ignore_reports",
            Self::IgnoreRetryAfter => "ignore_retry_after",
            Self::KeepFormer => "keep_former",
            Self::KeepHold => "keep_hold",
            Self::KeepLease => "keep_lease",
            Self::KeepShift => "keep_shift",
            Self::LoseDeletes => "lose_deletes",
            Self::LoseHandle => "lose_handle",
            Self::OfferForEver => "offer_for_ever",
            Self::OldToken => "old_token",
            Self::OtherKey => "other_key",
            Self::Overwrite => "overwrite",
            Self::PendingBlocks => "pending_blocks",
            Self::ReusableCode => "reusable_code",
            Self::ReuseRevision => "reuse_revision",
            Self::ServFailIsAbsence => "servfail_is_absence",
            Self::SkipCoolOff => "skip_cool_off",
            Self::SkipEdges => "skip_edges",
            Self::SkipLog => "skip_log",
            Self::SkipQuarantine => "skip_quarantine",
            Self::SkipUnique => "skip_unique",
            Self::StaleAnswers => "stale_answers",
            Self::TakeFromProver => "take_from_prover",
            Self::TellNobody => "tell_nobody",
            Self::TrimAll => "trim_all",
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
