//! The numbers by which the engine decides.

use std::time::Duration;

use super::{
    budget::{Budget, Budgets},
    builder::BuildError,
};
use crate::{certificate::Validation, challenge::Method};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// The numbers by which the engine decides, each with its reason.
///
/// Each can be changed by itself:
///
/// ```
/// # fn example(builder: nameplate::engine::Builder) {
/// use nameplate::engine::Policy;
///
/// let mut policy = Policy::new();
/// policy.max_below = Some(50);
/// let builder = builder.with_policy(policy);
/// # }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Policy {
    /// How long a token may be published in a record for the first time. 180 days: corporate IT is
    /// slow.
    pub claim_ttl: Duration,
    /// How long a token that is published in another way is good for. 29 days: certificate
    /// authorities have to stop at 30.
    pub token_ttl: Duration,
    /// How long the answer to a mail proves a name. 199 days, for as long as certificate authorities
    /// rely on one: nobody sees when somebody else begins to answer for it. A new mail goes out 30 days
    /// before.
    pub email_proof_ttl: Duration,
    /// How long after a mail was sent another one may be asked for. One hour: those who get it did not
    /// ask for any.
    pub mail_spacing: Duration,
    /// How many codes a tenant may have mailed about all names below one registered domain, each to all
    /// who are written to. 10 a day.
    pub mail_budget: Budget,
    /// How many mails with codes one address gets, whichever tenants want them. 50 a day; `None` is
    /// without limit. Who holds a name is written to at its own domain all the same. Kept by a hash of
    /// the address.
    pub recipient_budget: Option<Budget>,
    /// How many looks in a row have to see a proof before the name is held for the first time. One: a
    /// token is good for one claim, and is looked for again as long as it is held. More of them, at
    /// least [`spacing`](Self::spacing) apart, keep out who controls a zone for a moment.
    pub prove_after: u16,
    /// How long a proof has to be there before the name is held for the first time. No time.
    pub prove_over: Duration,
    /// Looks closer together than this count as one. One hour.
    pub spacing: Duration,
    /// How often a domain that is held is looked at. One day.
    pub recheck: Duration,
    /// How often a domain is looked at whose proof was gone at the last look. Twelve hours.
    pub recheck_refuted: Duration,
    /// How many looks in a row have to miss the proof before it counts as gone. Three.
    pub demote_after: u16,
    /// How long the proof has to be missing before it counts as gone. 72 hours: a weekend.
    pub demote_over: Duration,
    /// How long a holder whose proof is gone has time to bring it back, after somebody else proved the
    /// name and before it goes over to them. 24 hours: somebody reads what they are told within a day.
    pub contest_cool_off: Duration,
    /// How long a name that was held rests after it was removed: who held it can take it up again, and
    /// no wildcard of somebody else's serves it. Another proof of exactly that name ends it. 30 days.
    pub quarantine: Duration,
    /// How long an offer to hand a name over can be accepted. Seven days.
    pub transfer_ttl: Duration,
    /// How long whoever accepted a name has to prove it, before its absence counts. Seven days.
    pub transfer_grace: Duration,
    /// How long after a name came over it cannot be offered again. 30 days, as registries have it
    /// (ICANN transfer policy).
    pub transfer_cool_down: Duration,
    /// How many names a tenant may have, the pending ones included. 100,000; `None` is without limit.
    pub max_claims: Option<u32>,
    /// How many names a tenant may have that are not proved, when it adds one. 20,000; `None` is without
    /// limit. Names that were held and have to be proved again count once the names are counted anew.
    pub max_pending: Option<u32>,
    /// How many names a tenant may have below one registrable domain, itself included. Without limit:
    /// it costs one small item for each tenant and registrable domain.
    pub max_below: Option<u32>,
    /// How many names a tenant may add, and in which time. Without limit: [`pace`](Self::pace) keeps
    /// them from getting in the way of others.
    pub adds: Option<Budget>,
    /// How old evidence may be when a certificate is ordered on it. One hour.
    pub evidence_max_age: Duration,
    /// How long after an account was made it is made again at the earliest, if the authority loses it:
    /// the time doubles, up to a day, whenever it is lost that soon. One hour.
    pub account_spacing: Duration,
    /// How long after an order the next one may be opened because somebody asks. Twelve minutes:
    /// Let's Encrypt takes five failed authorizations an hour for a name, and one account is shared
    /// by all tenants.
    pub order_spacing: Duration,
    /// When an order is given up. Two hours.
    pub order_deadline: Duration,
    /// How long a record of ours may take to be visible before the order is given up. Ten minutes.
    pub visible_deadline: Duration,
    /// How many orders may fail in a row before the domain has failed. Eight: more than a week.
    pub max_failed_orders: u32,
    /// How long after a record of ours was removed it is removed once more. Must be longer than
    /// any call can take. Ten minutes.
    pub sweep_after: Duration,
    /// How long a worker holds a domain without a sign of life. One minute. A worker that lives
    /// gives one three times in that time.
    pub lease: Duration,
    /// How long a call to a backend may take. Twenty seconds: twice what a page may take to come.
    pub call_timeout: Duration,
    /// How long a call to the store may take. Ten seconds; below the lease.
    pub store_timeout: Duration,
    /// How long a worker that is told to stop goes on with what is under way, before it hands it
    /// over. Twenty seconds: what service managers wait before they kill is longer.
    pub drain: Duration,
    /// How long a subscriber may take for one notice. Ten seconds.
    pub delivery_timeout: Duration,
    /// How old a notice may be when an attempt to deliver it fails, before it is given up. Three
    /// days: a weekend, and about sixteen attempts.
    pub delivery_patience: Duration,
    /// How many domains a worker works on at a time. 32. Those that have waited for a service for two
    /// seconds do not count, up to four times as many.
    pub batch: u32,
    /// How long a worker that found nothing waits. One second.
    pub poll_interval: Duration,
    /// How many new names of one tenant are due at once, and how many in that time; those beyond it
    /// are due later, one after another, so that others have their turn in between. 600 a minute.
    pub pace: Budget,
    /// How long what happened to a domain is kept in its log. 90 days.
    pub keep_log: Duration,
    /// How long the trace of a domain that is gone is kept, with its log: no shorter than its name rests
    /// ([`quarantine`](Self::quarantine)). 30 days.
    pub keep_removed: Duration,
    /// How often a running worker deletes what is kept no longer. One hour, more or less by chance.
    pub tidy_interval: Duration,
    /// What all domains together may ask of the authority. The limits of Let's Encrypt.
    pub budgets: Budgets,
    /// How many attempts in a row to work on a domain may come to nothing (something panics, or its
    /// stored form cannot be read) before it is parked until somebody revives it. Five: with the
    /// pauses between them more than ten minutes.
    pub park_after: u32,
    /// How often a domain looks whether what it needs is still paused, more or less by chance, so
    /// that what goes on then is spread over that time. Ten minutes.
    pub pause_recheck: Duration,
    /// How many decisions about one domain are made under one lease. 64.
    pub max_rounds: u32,
    /// Whether what decisions were made on is kept in the log, to be replayed. No: a life takes ten
    /// times the room then.
    pub traces: bool,
    /// How many records a tenant may manage at a domain. 100: they are stored with it.
    pub max_records: usize,
    /// How many bytes the values and comments of these records may have together. 128 KiB: twice the
    /// longest record.
    pub max_record_bytes: usize,
    /// The names by which the authority is called in CAA records, such as `letsencrypt.org`: nothing is
    /// ordered that such records forbid. None: those that the
    /// [authority](crate::ca::CertificateAuthority::caa_identities) calls itself by. If it names none
    /// either, that is left to the authority, and a refusal of its costs an order.
    pub caa_issuers: Vec<String>,
    /// How the authority is convinced for host names, unless the tenant chooses. HTTP-01.
    pub validation: Validation,
    /// How tenants prove names, unless they choose. By a TXT record. A wildcard that the method cannot
    /// prove is refused: nothing else is chosen in its place.
    pub method: Method,
}

impl Policy {
    /// Creates the policy that the fields describe.
    pub const fn new() -> Self {
        Self {
            claim_ttl: DAY.saturating_mul(180),
            token_ttl: DAY.saturating_mul(29),
            email_proof_ttl: DAY.saturating_mul(199),
            mail_spacing: HOUR,
            mail_budget: Budget::new(10, DAY),
            recipient_budget: Some(Budget::new(50, DAY)),
            prove_after: 1,
            prove_over: Duration::ZERO,
            spacing: HOUR,
            recheck: DAY,
            recheck_refuted: HOUR.saturating_mul(12),
            demote_after: 3,
            demote_over: HOUR.saturating_mul(72),
            contest_cool_off: DAY,
            quarantine: DAY.saturating_mul(30),
            transfer_ttl: DAY.saturating_mul(7),
            transfer_grace: DAY.saturating_mul(7),
            transfer_cool_down: DAY.saturating_mul(30),
            max_claims: Some(100_000),
            max_pending: Some(20_000),
            max_below: None,
            adds: None,
            evidence_max_age: HOUR,
            account_spacing: HOUR,
            order_spacing: MINUTE.saturating_mul(12),
            order_deadline: HOUR.saturating_mul(2),
            visible_deadline: MINUTE.saturating_mul(10),
            max_failed_orders: 8,
            sweep_after: MINUTE.saturating_mul(10),
            lease: MINUTE,
            call_timeout: Duration::from_secs(20),
            store_timeout: Duration::from_secs(10),
            drain: Duration::from_secs(20),
            delivery_timeout: Duration::from_secs(10),
            delivery_patience: HOUR.saturating_mul(72),
            batch: 32,
            poll_interval: Duration::from_secs(1),
            pace: Budget::new(600, MINUTE),
            keep_log: DAY.saturating_mul(90),
            keep_removed: DAY.saturating_mul(30),
            tidy_interval: HOUR,
            budgets: Budgets::LETS_ENCRYPT,
            park_after: 5,
            pause_recheck: MINUTE.saturating_mul(10),
            max_rounds: 64,
            traces: false,
            max_records: 100,
            max_record_bytes: 1 << 17,
            caa_issuers: Vec::new(),
            validation: Validation::Http01,
            method: Method::DnsTxt,
        }
    }

    /// Makes sure that a worker can work by the numbers without turning in circles.
    ///
    /// A zero that says something stays: no spacing, no grace, no drain, no patience, nothing kept, no
    /// records.
    pub(super) fn check(&self) -> Result<(), BuildError> {
        let counts = [
            ("batch", self.batch, 1),
            ("demote_after", u32::from(self.demote_after), 1),
            ("max_failed_orders", self.max_failed_orders, 1),
            // One to decide on an effect, and one to settle it.
            ("max_rounds", self.max_rounds, 2),
            ("park_after", self.park_after, 1),
            ("prove_after", u32::from(self.prove_after), 1),
        ];
        let zero = ("zero", Duration::ZERO);
        let durations = [
            ("call_timeout", self.call_timeout, zero),
            ("claim_ttl", self.claim_ttl, zero),
            ("delivery_timeout", self.delivery_timeout, zero),
            ("evidence_max_age", self.evidence_max_age, zero),
            // Not than `call_timeout`: what takes long is held by the heartbeat.
            ("lease", self.lease, ("store_timeout", self.store_timeout)),
            ("order_deadline", self.order_deadline, zero),
            ("pause_recheck", self.pause_recheck, zero),
            ("poll_interval", self.poll_interval, zero),
            ("recheck", self.recheck, zero),
            ("recheck_refuted", self.recheck_refuted, zero),
            ("store_timeout", self.store_timeout, zero),
            ("sweep_after", self.sweep_after, ("call_timeout", self.call_timeout)),
            ("tidy_interval", self.tidy_interval, zero),
            ("token_ttl", self.token_ttl, zero),
            ("visible_deadline", self.visible_deadline, zero),
        ];
        for (field, count, least) in counts {
            if count < least {
                return Err(BuildError::TooFew { field, least });
            }
        }
        for (field, duration, (than, other)) in durations {
            if duration <= other {
                return Err(BuildError::TooShort { field, than });
            }
        }
        Ok(())
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::new()
    }
}
