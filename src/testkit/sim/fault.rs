//! The kinds of faults, by their numbers in the durability reference.

use std::fmt;

/// A backend of a process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Backend {
    /// The certificate authority.
    Ca,
    /// The DNS provider.
    Dns,
    /// What sends mail.
    Mail,
    /// What fetches pages.
    Probe,
    /// What looks names up.
    Resolver,
    /// What makes secrets storable.
    Sealer,
    /// The store.
    Store,
    /// Somebody who is told what happens.
    Subscriber,
}

/// One method of one backend, at which a fault may strike.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Site {
    /// The backend.
    pub(super) backend: Backend,
    /// The method.
    pub(super) method: &'static str,
}

impl Site {
    /// Creates a site.
    pub(super) const fn new(backend: Backend, method: &'static str) -> Self {
        Self { backend, method }
    }

    /// Returns whether the method changes something outside.
    fn is_write(self) -> bool {
        matches!(
            self.method,
            "apply"
                | "commit"
                | "deliver"
                | "enroll"
                | "extend"
                | "finalize"
                | "lease"
                | "open"
                | "respond"
                | "send"
                | "trim"
        )
    }
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal, $text:literal;)+) => {
        /// A kind of fault. The number is its group in the durability reference, FK01 to FK52; FK53
        /// is mail and FK54 those who are told what happens, which have none there.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum FaultKind {
            $($(#[doc = $doc])+ $name,)+
        }

        impl FaultKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Returns the number of its group: 1 for FK01.
            pub const fn number(self) -> u8 {
                match self {
                    $(Self::$name => $number,)+
                }
            }

            /// Returns the stable name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

kinds! {
    /// FK01: the process is killed just before a call, and started again.
    KillBefore = 1, "kill_before";
    /// FK01: the process is killed when a call has taken effect and before it hears of it.
    KillAfter = 1, "kill_after";
    /// FK02: the process is stopped before or after a call, for longer than its lease, and goes on.
    Stop = 2, "stop";
    /// FK03: the store's clock jumps forward, by up to 25 hours.
    ClockForward = 3, "clock_forward";
    /// FK04: the store's clock jumps back, by up to six hours.
    ClockBack = 4, "clock_back";
    /// FK05: the clock of the certificate authority is ahead of the store's, by up to 30 minutes.
    Skew = 5, "skew";
    /// FK06: all processes are suspended for up to two days.
    Suspend = 6, "suspend";
    /// FK07: one process of several is killed and does not come back.
    OutOfMemory = 7, "out_of_memory";
    /// FK08: two processes work at the same time.
    TwoEngines = 8, "two_engines";
    /// FK09: rows of a later version of the engine are in the store.
    NewerRows = 9, "newer_rows";
    /// FK09: a later version of the engine has told something that this one cannot read.
    NewerNotices = 9, "newer_notices";
    /// FK10: the connection is cut before the commit: `Unavailable`, several times in a row.
    CommitCut = 10, "commit_cut";
    /// FK11: the commit has happened, and the store cannot say so.
    CommitDoneUnknown = 11, "commit_done_unknown";
    /// FK11: the commit has not happened, and the store cannot say so.
    CommitLostUnknown = 11, "commit_lost_unknown";
    /// FK12: somebody else writes the same row just before the commit.
    Contention = 12, "contention";
    /// FK13: two commits wait for each other: after a second one of them is undone, and the other has
    /// changed what both wanted.
    Deadlock = 13, "deadlock";
    /// FK14: no connection to the store can be had.
    StoreExhausted = 14, "store_exhausted";
    /// FK15: a statement takes half a minute and is given up.
    StatementTimeout = 15, "statement_timeout";
    /// FK16: the store can only be read, for a while.
    ReadOnly = 16, "read_only";
    /// FK17: the disk of the store is full, for a while: leases fit, commits do not.
    DiskFull = 17, "disk_full";
    /// FK18: each call to the store takes eight seconds, for a while.
    SlowStore = 18, "slow_store";
    /// FK19: all processes stop, and go on from a backup of the store, up to an hour old.
    Restored = 19, "restored";
    /// FK21: lookups run into their timeout, for a while.
    DnsTimeout = 21, "dns_timeout";
    /// FK21: lookups end with SERVFAIL, for a while.
    DnsServFail = 21, "dns_servfail";
    /// FK21: the answers fail DNSSEC validation, for a while.
    DnsBogus = 21, "dns_bogus";
    /// FK21: the servers of a zone disagree.
    DnsDisagreement = 21, "dns_disagreement";
    /// FK21: the resolver has no socket.
    DnsUnavailable = 21, "dns_unavailable";
    /// FK22: the certificate authority cannot be reached, for a while.
    CaPartition = 22, "ca_partition";
    /// FK23: the store cannot be reached, for a while; commits on the way have an unknown outcome.
    StorePartition = 23, "store_partition";
    /// FK24: half of all requests to services or their answers are lost, for a while.
    Loss = 24, "loss";
    /// FK25: a request arrives after 30 seconds, when nobody waits for the answer any more.
    Latency = 25, "latency";
    /// FK26: a call never ends; it may have taken effect.
    HalfOpen = 26, "half_open";
    /// FK27: no service shows a certificate that can be trusted, for a while.
    TlsFailure = 27, "tls_failure";
    /// FK28: 429 without `Retry-After`.
    RateLimited = 28, "rate_limited";
    /// FK28: 429 with `Retry-After`.
    RetryAfter = 28, "retry_after";
    /// FK29: 429 with a `Retry-After` of 0 or of ten years.
    AbsurdRetryAfter = 29, "absurd_retry_after";
    /// FK30: 503.
    Unavailable = 30, "unavailable";
    /// FK31: the authority takes no nonce, its own newest included, for a while.
    BadNonce = 31, "bad_nonce";
    /// FK32: the order is in processing for ever.
    StuckProcessing = 32, "stuck_processing";
    /// FK33: the order becomes invalid.
    OrderInvalid = 33, "order_invalid";
    /// FK34: authorizations that are valid are used again, so that orders start as ready.
    AuthorizationReused = 34, "authorization_reused";
    /// FK35: authorizations that were valid are deactivated when the order is about to be finalized.
    AuthorizationDeactivated = 35, "authorization_deactivated";
    /// FK36: the request to finalize is accepted and the reply is lost.
    FinalizeLost = 36, "finalize_lost";
    /// FK37: the request to finalize arrives twice, and the second answer is the one that is heard.
    FinalizeTwice = 37, "finalize_twice";
    /// FK38: the certificate cannot be downloaded at first.
    CertificateMissing = 38, "certificate_missing";
    /// FK39: the chain is that of another name, or no chain.
    WrongChain = 39, "wrong_chain";
    /// FK40: the certificate is for another key.
    WrongKey = 40, "wrong_key";
    /// FK44: the authority does not know the account, for a while.
    AccountGone = 44, "account_gone";
    /// FK44: the authority has lost the account for good, and the orders with it.
    AccountLost = 44, "account_lost";
    /// FK45: the authority opens no order before somebody has agreed to its new terms.
    TermsChanged = 45, "terms_changed";
    /// FK48: a page in HTML with status 200 comes instead of an answer.
    Maintenance = 48, "maintenance";
    /// FK51a: the DNS provider accepts a change and publishes it ten minutes later.
    DnsUnpublished = 51, "dns_unpublished";
    /// FK51b: the DNS provider shows an old record set for a while after a change.
    DnsStale = 51, "dns_stale";
    /// FK51c: the change arrives twice, and the second answer, a conflict, is the one that is heard.
    DnsTwice = 51, "dns_twice";
    /// FK51: the DNS provider makes a change, and the reply is lost.
    DnsReplyLost = 51, "dns_reply_lost";
    /// FK51: somebody else changes the same set just before.
    DnsConflict = 51, "dns_conflict";
    /// FK51: the DNS provider refuses a change.
    DnsRefused = 51, "dns_refused";
    /// FK51: a customer's zone leaves the DNS provider with all that is in it, and comes back empty.
    ZoneGone = 51, "zone_gone";
    /// FK53: the mail server takes a mail that nobody ever gets.
    MailLost = 53, "mail_lost";
    /// FK53: the mail server takes a mail, and the reply is lost: it is sent again.
    MailTwice = 53, "mail_twice";
    /// FK53: the mail server knows no such mailbox.
    MailRefused = 53, "mail_refused";
    /// FK53: the mail server takes nothing from us, for a while.
    MailClosed = 53, "mail_closed";
    /// FK54: a subscriber cannot be reached, for hours.
    SubscriberAway = 54, "subscriber_away";
    /// FK54: a subscriber says that nobody is there any more.
    SubscriberGone = 54, "subscriber_gone";
    /// FK54: a subscriber takes a notice in, and is gone before it has said so.
    SubscriberLost = 54, "subscriber_lost";
    /// FK54: a subscriber says that it will never take a notice.
    SubscriberRefuses = 54, "subscriber_refuses";
    /// FK54: a subscriber takes nearly as long as it is given.
    SubscriberSlow = 54, "subscriber_slow";
}

impl FaultKind {
    /// Returns whether it can strike there.
    pub(super) fn strikes(self, site: Site) -> bool {
        let Site { backend, method } = site;
        let is_service = !matches!(backend, Backend::Sealer | Backend::Store);
        match self {
            Self::KillBefore | Self::KillAfter | Self::Stop | Self::OutOfMemory => true,
            Self::ClockForward | Self::ClockBack | Self::Suspend => backend == Backend::Store,
            // Of the whole history, not of a call.
            Self::AuthorizationReused
            | Self::NewerNotices
            | Self::NewerRows
            | Self::Restored
            | Self::Skew
            | Self::TwoEngines
            | Self::ZoneGone => false,
            Self::CommitCut
            | Self::CommitDoneUnknown
            | Self::CommitLostUnknown
            | Self::Contention
            | Self::Deadlock
            | Self::DiskFull => backend == Backend::Store && method == "commit",
            Self::ReadOnly => backend == Backend::Store && site.is_write(),
            Self::StoreExhausted
            | Self::StatementTimeout
            | Self::SlowStore
            | Self::StorePartition => backend == Backend::Store,
            Self::DnsTimeout
            | Self::DnsServFail
            | Self::DnsBogus
            | Self::DnsDisagreement
            | Self::DnsUnavailable => backend == Backend::Resolver,
            Self::CaPartition | Self::BadNonce => backend == Backend::Ca,
            Self::AccountGone | Self::AccountLost => backend == Backend::Ca && method != "enroll",
            Self::TermsChanged => backend == Backend::Ca && method == "open",
            Self::TlsFailure => {
                matches!(backend, Backend::Ca | Backend::Dns | Backend::Mail | Backend::Subscriber)
            }
            Self::MailLost | Self::MailTwice | Self::MailRefused | Self::MailClosed => {
                backend == Backend::Mail
            }
            Self::SubscriberAway
            | Self::SubscriberGone
            | Self::SubscriberLost
            | Self::SubscriberRefuses
            | Self::SubscriberSlow => backend == Backend::Subscriber,
            Self::HalfOpen => is_service || backend == Backend::Store,
            Self::Loss => is_service,
            Self::Latency => is_service && site.is_write(),
            Self::RateLimited | Self::RetryAfter | Self::AbsurdRetryAfter | Self::Unavailable => {
                matches!(backend, Backend::Ca | Backend::Dns | Backend::Subscriber)
            }
            Self::Maintenance => backend == Backend::Ca,
            Self::StuckProcessing | Self::OrderInvalid => {
                backend == Backend::Ca && method == "progress"
            }
            Self::AuthorizationDeactivated | Self::FinalizeLost | Self::FinalizeTwice => {
                backend == Backend::Ca && method == "finalize"
            }
            Self::CertificateMissing | Self::WrongChain | Self::WrongKey => {
                backend == Backend::Ca && method == "certificate"
            }
            Self::DnsUnpublished
            | Self::DnsStale
            | Self::DnsTwice
            | Self::DnsReplyLost
            | Self::DnsConflict
            | Self::DnsRefused => backend == Backend::Dns && method == "apply",
        }
    }

    /// Returns whether it is about those who are told what happens only.
    pub(super) const fn is_of_subscribers(self) -> bool {
        self.number() == 54
    }

    /// Returns whether it lasts for a while and then ends.
    pub(super) const fn lasts(self) -> bool {
        matches!(
            self,
            Self::ReadOnly
                | Self::AccountGone
                | Self::BadNonce
                | Self::DiskFull
                | Self::MailClosed
                | Self::SlowStore
                | Self::SubscriberAway
                | Self::TlsFailure
                | Self::DnsTimeout
                | Self::DnsServFail
                | Self::DnsBogus
                | Self::CaPartition
                | Self::StorePartition
                | Self::Loss
                | Self::ZoneGone
        )
    }

    /// Returns in how many of a thousand calls it strikes, where it can.
    pub(super) const fn rate(self) -> u64 {
        match self {
            Self::KillBefore | Self::KillAfter => 12,
            Self::Stop => 10,
            Self::AccountLost => 40,
            Self::OutOfMemory | Self::Suspend | Self::ClockForward | Self::ClockBack => 4,
            Self::CommitCut
            | Self::CommitDoneUnknown
            | Self::CommitLostUnknown
            | Self::Deadlock => 100,
            Self::Contention | Self::Loss => 400,
            Self::StoreExhausted | Self::StatementTimeout => 30,
            Self::ReadOnly
            | Self::AccountGone
            | Self::BadNonce
            | Self::DiskFull
            | Self::MailClosed
            | Self::TlsFailure
            | Self::SlowStore
            | Self::SubscriberAway
            | Self::CaPartition
            | Self::StorePartition
            | Self::DnsTimeout
            | Self::DnsServFail
            | Self::DnsBogus => 1000,
            Self::DnsDisagreement | Self::DnsUnavailable | Self::SubscriberGone => 100,
            Self::Latency | Self::HalfOpen => 40,
            Self::RateLimited
            | Self::RetryAfter
            | Self::AbsurdRetryAfter
            | Self::Unavailable
            | Self::Maintenance => 120,
            Self::StuckProcessing | Self::OrderInvalid => 80,
            _ => 300,
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FK{:02} {}", self.number(), self.as_str())
    }
}
