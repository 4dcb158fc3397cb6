//! The body of a domain: short, for there are many, and still text that a person can read.
//!
//! What the header says is not said again, and what can be told from the rest is left out: a field
//! that is missing is as its comment says. Instants are seconds since 1970.
//!
//! Version 2 is read as well: it leaves out less, and what it leaves out of the evidence beside that
//! of the ownership is not as there.

use std::borrow::Cow;

use chrono::TimeDelta;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde::{Deserialize, Deserializer, Serialize};

use super::at::{At, instant};
use crate::{
    certificate::{Validation, renew_at},
    challenge::{Challenge, Method, Scope, email::Correspondence},
    clock::Timestamp,
    domain::{
        Delegation, Domain, Failure, Issuance, ManagedRecord, Paused, Placed, Served, Setback,
        Status, Sweep, Throttled, Title,
    },
    engine::root::Intent,
    error::{Error, ErrorKind, Result},
    evidence::{Evidence, Found, Seen, Verdict},
    id::{CertificateId, KeyId},
    name::{DnsName, DomainName},
    store::{Header, Item},
};

/// The version of this form.
pub(super) const VERSION: u32 = 3;

/// The first version that is read here.
pub(super) const OLDEST: u32 = 2;

/// How long most challenges last. Part of the form: it stays as it is, whatever a policy says.
const USUAL_VALIDITY: TimeDelta = TimeDelta::days(180);

/// The label under which a customer hands certificate challenges over (RFC 8555 section 8.4).
const DELEGATED: &str = "_acme-challenge";

/// What is asked about a field before it is written.
fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

/// Reads a field that is there, so that `null` is not the same as missing.
fn there<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// Returns `value` if it has to be written, since it is not as it would be taken to be.
fn unless<T: PartialEq>(value: T, taken: &T) -> Option<T> {
    (value != *taken).then_some(value)
}

/// The body of a domain.
#[derive(Deserialize, Serialize)]
pub(super) struct Stored<'a> {
    v: u32,
    created: At,
    /// As the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    submitted: Option<Cow<'a, str>>,
    /// Here too: that of the header is for searching, and may be another word.
    status: Status,
    challenge: Proof<'a>,
    /// `dns-01-delegated` with a delegation, and `http-01` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    via: Option<Validation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delegation: Option<Handover<'a>>,
    /// Of each, that nobody has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ownership: Option<Looks<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    routing: Option<Looks<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delegated: Option<Looks<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contested: Option<At>,
    /// That there is nothing beside the proof.
    #[serde(default, skip_serializing_if = "is_zero")]
    title: Cow<'a, Title>,
    #[serde(default, skip_serializing_if = "is_zero")]
    checks: u32,
    /// As the due time in the header.
    #[serde(default, deserialize_with = "there", skip_serializing_if = "Option::is_none")]
    next_check: Option<Option<At>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grace: Option<At>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issuance: Option<Cow<'a, Issuance>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate: Option<Serving>,
    #[serde(default, skip_serializing_if = "is_zero")]
    failed_orders: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ordered: Option<At>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_order: Option<At>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hushed: Option<At>,
    #[serde(default, skip_serializing_if = "is_zero")]
    account_polls: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dns_hushed: Option<At>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<Cow<'a, Failure>>,
    #[serde(default, skip_serializing_if = "<[Placed]>::is_empty")]
    placed: Cow<'a, [Placed]>,
    #[serde(default, skip_serializing_if = "<[String]>::is_empty")]
    answers: Cow<'a, [String]>,
    #[serde(default, skip_serializing_if = "<[ManagedRecord]>::is_empty")]
    records: Cow<'a, [ManagedRecord]>,
    #[serde(default, skip_serializing_if = "is_zero")]
    record_version: u64,
    #[serde(default, skip_serializing_if = "<[Sweep]>::is_empty")]
    sweeps: Cow<'a, [Sweep]>,
    #[serde(default, skip_serializing_if = "is_zero")]
    service_failures: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    removed: Option<At>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    setback: Option<Cow<'a, Setback>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paused: Option<Cow<'a, Paused>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    throttled: Option<Cow<'a, Throttled>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mail: Option<Cow<'a, Correspondence>>,
    /// That nobody is told.
    #[serde(default, skip_serializing_if = "is_zero")]
    feed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    intent: Option<Cow<'a, Intent>>,
}

/// The proof that is wanted.
#[derive(Deserialize, Serialize)]
struct Proof<'a> {
    /// In front of the name, without a final dot; or a whole name, with one.
    at: Cow<'a, str>,
    /// The hexadecimal digits of `digest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<Cow<'a, str>>,
    /// 32 bytes, base64url; `token` says it in another way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<Cow<'a, str>>,
    /// `dns-txt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    method: Option<Method>,
    /// As the name says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<Scope>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<Cow<'a, DnsName>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<Cow<'a, str>>,
    /// 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    generation: Option<u32>,
    /// When the domain was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issued: Option<At>,
    /// 180 days after it was issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<At>,
}

/// Where challenges are handed over to.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Handover<'a> {
    /// From the usual label in front of the name.
    Target(Cow<'a, DnsName>),
    Whole(Cow<'a, Delegation>),
}

/// Evidence. Most is looked for together: what is missing of the fields with a star is as in that of
/// the ownership, and in that itself as if nobody had looked.
#[derive(Deserialize, Serialize)]
struct Looks<'a> {
    /// `confirmed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<Verdict>,
    /// *
    #[serde(default, deserialize_with = "there", skip_serializing_if = "Option::is_none")]
    at: Option<Option<At>>,
    /// As `last`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<Verdict>,
    /// *
    #[serde(default, deserialize_with = "there", skip_serializing_if = "Option::is_none")]
    since: Option<Option<At>>,
    /// *
    #[serde(default, skip_serializing_if = "Option::is_none")]
    count: Option<u16>,
    /// Of each of these, as in that of the ownership if `at` is, too, and otherwise as `at`.
    #[serde(default, deserialize_with = "there", skip_serializing_if = "Option::is_none")]
    confirmed: Option<Option<At>>,
    #[serde(default, deserialize_with = "there", skip_serializing_if = "Option::is_none")]
    counted: Option<Option<At>>,
    #[serde(default, deserialize_with = "there", skip_serializing_if = "Option::is_none")]
    definite: Option<Option<At>>,
    /// `values`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    found: Option<Found>,
    /// None with `found`, and without it the one that says yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen: Option<Cow<'a, [String]>>,
}

/// The certificate that serves.
#[derive(Deserialize, Serialize)]
struct Serving {
    id: CertificateId,
    /// As `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<KeyId>,
    from: At,
    /// When the item expires, by its header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<At>,
    /// When it usually is, by its validity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    renew: Option<At>,
}

impl<'a> Stored<'a> {
    /// Writes a domain down that is stored under `header`.
    pub(super) fn of(domain: &'a Domain, intent: Option<&'a Intent>, header: &Header) -> Self {
        // Without `..`: what is added to a domain has to be added here.
        let Domain {
            id: _,
            tenant: _,
            name,
            submitted,
            status,
            created_at,
            challenge,
            validation,
            delegation,
            ownership,
            routing,
            delegated,
            contested_at,
            title,
            checks,
            next_check_at,
            grace_until,
            issuance,
            certificate,
            failed_orders,
            last_order_at,
            next_order_at,
            authority_hushed_until,
            account_polls,
            dns_hushed_until,
            last_failure,
            placed,
            answers,
            records,
            record_version,
            sweeps,
            service_failures,
            removed_at,
            setback,
            paused,
            throttled,
            mail,
            has_feed,
        } = domain;
        let base = name.base();
        let nobody_looked = Evidence::default();
        Self {
            v: VERSION,
            created: At(*created_at),
            submitted: (submitted != name.as_str()).then(|| submitted.into()),
            status: *status,
            challenge: Proof::of(challenge, name, *created_at),
            via: unless(*validation, &usual_validation(delegation.is_some())),
            delegation: delegation.as_ref().map(|delegation| Handover::of(delegation, &base)),
            ownership: Looks::of(ownership, &nobody_looked, |one| challenge.value() == one),
            routing: Looks::of(routing, ownership, |_| false),
            delegated: Looks::of(delegated, ownership, |one| {
                delegation.as_ref().is_some_and(|it| it.target.as_str() == one)
            }),
            contested: contested_at.map(At),
            title: Cow::Borrowed(title),
            checks: *checks,
            next_check: unless(next_check_at.map(At), &header.due.map(At)),
            grace: grace_until.map(At),
            issuance: issuance.as_ref().map(Cow::Borrowed),
            certificate: certificate.as_ref().map(|served| Serving::of(served, header)),
            failed_orders: *failed_orders,
            ordered: last_order_at.map(At),
            next_order: next_order_at.map(At),
            hushed: authority_hushed_until.map(At),
            account_polls: *account_polls,
            dns_hushed: dns_hushed_until.map(At),
            failure: last_failure.as_ref().map(Cow::Borrowed),
            placed: placed.into(),
            answers: answers.into(),
            records: records.into(),
            record_version: *record_version,
            sweeps: sweeps.into(),
            service_failures: *service_failures,
            removed: removed_at.map(At),
            setback: setback.as_ref().map(Cow::Borrowed),
            paused: paused.as_ref().map(Cow::Borrowed),
            throttled: throttled.as_ref().map(Cow::Borrowed),
            mail: mail.as_deref().map(Cow::Borrowed),
            feed: *has_feed,
            intent: intent.map(Cow::Borrowed),
        }
    }

    /// Puts a domain together again, and what is under way.
    pub(super) fn into_domain(self, item: &Item) -> Result<(Domain, Option<Intent>)> {
        let Item { key, header, .. } = item;
        let missing = |what: &str| {
            let message = format!("{key} cannot be read: {what}");
            Error::new(ErrorKind::Malformed, "engine", "read", message)
        };
        let name: DomainName = header
            .name
            .as_deref()
            .and_then(|name| name.parse().ok())
            .ok_or_else(|| missing("there is no name in its header"))?;
        let base = name.base();
        let created_at = self.created.0;
        let challenge = self
            .challenge
            .into_challenge(&name, created_at)
            .ok_or_else(|| missing("its challenge is nowhere"))?;
        let delegation = match self.delegation {
            None => None,
            Some(delegation) => Some(
                delegation
                    .into_delegation(&base)
                    .ok_or_else(|| missing("its delegation is nowhere"))?,
            ),
        };
        let certificate = match self.certificate {
            None => None,
            Some(serving) => Some(
                serving
                    .into_served(header)
                    .ok_or_else(|| missing("its certificate never expires"))?,
            ),
        };
        let looks = |looks: Option<Looks<'_>>, beside: &Evidence, wanted: Option<&str>| {
            looks.map(|looks| looks.into_evidence(beside, wanted)).unwrap_or_default()
        };
        let nobody_looked = Evidence::default();
        let ownership = looks(self.ownership, &nobody_looked, Some(&challenge.value()));
        let beside = if self.v < VERSION { &nobody_looked } else { &ownership };
        let target = delegation.as_ref().map(|delegation| delegation.target.as_str());
        let domain = Domain {
            id: key.id.parse().map_err(|_| missing("its key is no id"))?,
            tenant: header.tenant.ok_or_else(|| missing("there is no tenant in its header"))?,
            submitted: self.submitted.map_or_else(|| name.to_string(), Cow::into_owned),
            status: self.status,
            created_at,
            validation: self.via.unwrap_or_else(|| usual_validation(delegation.is_some())),
            routing: looks(self.routing, beside, None),
            delegated: looks(self.delegated, beside, target),
            ownership,
            delegation,
            contested_at: instant(self.contested),
            title: self.title.into_owned(),
            checks: self.checks,
            next_check_at: self.next_check.map_or(header.due, instant),
            grace_until: instant(self.grace),
            issuance: self.issuance.map(Cow::into_owned),
            certificate,
            failed_orders: self.failed_orders,
            last_order_at: instant(self.ordered),
            next_order_at: instant(self.next_order),
            authority_hushed_until: instant(self.hushed),
            account_polls: self.account_polls,
            dns_hushed_until: instant(self.dns_hushed),
            last_failure: self.failure.map(Cow::into_owned),
            placed: self.placed.into_owned(),
            answers: self.answers.into_owned(),
            records: self.records.into_owned(),
            record_version: self.record_version,
            sweeps: self.sweeps.into_owned(),
            service_failures: self.service_failures,
            removed_at: instant(self.removed),
            setback: self.setback.map(Cow::into_owned),
            paused: self.paused.map(Cow::into_owned),
            throttled: self.throttled.map(Cow::into_owned),
            mail: self.mail.map(|mail| Box::new(mail.into_owned())),
            has_feed: self.feed,
            name,
            challenge,
        };
        Ok((domain, self.intent.map(Cow::into_owned)))
    }
}

/// Returns how most domains prove themselves to the authority.
const fn usual_validation(is_delegated: bool) -> Validation {
    if is_delegated { Validation::Dns01Delegated } else { Validation::Http01 }
}

/// Returns the bytes that a token is the hexadecimal digits of, if it is that of 32.
fn digest(token: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if token.len() != 2 * bytes.len() {
        return None;
    }
    // Capitals would come back as small letters.
    HEXLOWER.decode_mut(token.as_bytes(), &mut bytes).ok()?;
    Some(bytes)
}

impl<'a> Proof<'a> {
    fn of(challenge: &'a Challenge, name: &DomainName, created_at: Timestamp) -> Self {
        let Challenge {
            method,
            scope,
            owner,
            token,
            target,
            path,
            generation,
            issued_at,
            expires_at,
        } = challenge;
        let base = name.base();
        let front = owner.as_str().strip_suffix(base.as_str());
        let digest = digest(token).map(|bytes| BASE64URL_NOPAD.encode(&bytes));
        Self {
            at: match front.and_then(|front| front.strip_suffix('.')) {
                Some(label) if !label.is_empty() => label.into(),
                _ => absolute(owner).into(),
            },
            token: digest.is_none().then(|| token.into()),
            digest: digest.map(Cow::Owned),
            method: unless(*method, &Method::DnsTxt),
            scope: unless(*scope, &Scope::of(name)),
            target: target.as_ref().map(Cow::Borrowed),
            path: path.as_deref().map(Cow::Borrowed),
            generation: unless(*generation, &1),
            issued: unless(At(*issued_at), &At(created_at)),
            until: unless(At(*expires_at), &At(usual_end(*issued_at))),
        }
    }

    fn into_challenge(self, name: &DomainName, created_at: Timestamp) -> Option<Challenge> {
        let base = name.base();
        let owner = if self.at.ends_with('.') {
            self.at.parse()
        } else {
            [&self.at, ".", base.as_str()].concat().parse()
        };
        let issued_at = self.issued.map_or(created_at, |at| at.0);
        let token = match (self.token, self.digest) {
            (Some(token), _) => token.into_owned(),
            (None, digest) => HEXLOWER.encode(&BASE64URL_NOPAD.decode(digest?.as_bytes()).ok()?),
        };
        Some(Challenge {
            method: self.method.unwrap_or(Method::DnsTxt),
            scope: self.scope.unwrap_or_else(|| Scope::of(name)),
            target: self.target.map(Cow::into_owned),
            path: self.path.map(Cow::into_owned),
            owner: owner.ok()?,
            token,
            generation: self.generation.unwrap_or(1),
            issued_at,
            expires_at: self.until.map_or_else(|| usual_end(issued_at), |at| at.0),
        })
    }
}

/// Returns when most challenges end.
fn usual_end(issued_at: Timestamp) -> Timestamp {
    issued_at.checked_add_signed(USUAL_VALIDITY).unwrap_or(Timestamp::MAX_UTC)
}

/// Returns a name with a final dot.
fn absolute(name: &DnsName) -> String {
    let text = name.as_str();
    if text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}

impl<'a> Handover<'a> {
    fn of(delegation: &'a Delegation, base: &DomainName) -> Self {
        let front = delegation.owner.as_str().strip_suffix(base.as_str());
        match front.and_then(|front| front.strip_suffix('.')) {
            Some(DELEGATED) => Self::Target(Cow::Borrowed(&delegation.target)),
            _ => Self::Whole(Cow::Borrowed(delegation)),
        }
    }

    fn into_delegation(self, base: &DomainName) -> Option<Delegation> {
        Some(match self {
            Self::Target(target) => {
                let owner = [DELEGATED, ".", base.as_str()].concat().parse().ok()?;
                Delegation::new(owner, target.into_owned())
            }
            Self::Whole(delegation) => delegation.into_owned(),
        })
    }
}

impl<'a> Looks<'a> {
    /// Writes evidence down beside other; `is_wanted` knows the value that says yes.
    fn of(
        evidence: &'a Evidence,
        beside: &Evidence,
        is_wanted: impl FnOnce(&str) -> bool,
    ) -> Option<Self> {
        if *evidence == Evidence::default() {
            return None;
        }
        let Evidence {
            last,
            at,
            confirmed_at,
            run,
            run_since,
            run_count,
            counted_at,
            definite_at,
            seen: Seen { found, values },
        } = evidence;
        let usual = |there: Option<Timestamp>| if *at == beside.at { there } else { *at }.map(At);
        let (found, seen) = match (found, values.as_slice()) {
            (Found::Values, [one]) if is_wanted(one) => (None, None),
            (Found::Values, values) => (None, Some(values.into())),
            (found, []) => (Some(*found), None),
            (found, values) => (Some(*found), Some(values.into())),
        };
        Some(Self {
            last: unless(*last, &Verdict::Confirmed),
            at: unless(at.map(At), &beside.at.map(At)),
            run: unless(*run, last),
            since: unless(run_since.map(At), &beside.run_since.map(At)),
            count: unless(*run_count, &beside.run_count),
            confirmed: unless(confirmed_at.map(At), &usual(beside.confirmed_at)),
            counted: unless(counted_at.map(At), &usual(beside.counted_at)),
            definite: unless(definite_at.map(At), &usual(beside.definite_at)),
            found,
            seen,
        })
    }

    fn into_evidence(self, beside: &Evidence, wanted: Option<&str>) -> Evidence {
        let at = self.at.map_or(beside.at, instant);
        let usual = |there: Option<Timestamp>| if at == beside.at { there } else { at };
        let last = self.last.unwrap_or(Verdict::Confirmed);
        let values = match (self.found, self.seen) {
            (_, Some(seen)) => seen.into_owned(),
            (Some(_), None) => Vec::new(),
            (None, None) => wanted.map(ToOwned::to_owned).into_iter().collect(),
        };
        Evidence {
            last,
            at,
            confirmed_at: self.confirmed.map_or_else(|| usual(beside.confirmed_at), instant),
            run: self.run.unwrap_or(last),
            run_since: self.since.map_or(beside.run_since, instant),
            run_count: self.count.unwrap_or(beside.run_count),
            counted_at: self.counted.map_or_else(|| usual(beside.counted_at), instant),
            definite_at: self.definite.map_or_else(|| usual(beside.definite_at), instant),
            seen: Seen { found: self.found.unwrap_or(Found::Values), values },
        }
    }
}

/// Returns the key of most certificates: the one whose id they took.
const fn key_of(id: CertificateId) -> KeyId {
    KeyId::from_bytes(*id.as_bytes())
}

impl Serving {
    fn of(served: &Served, header: &Header) -> Self {
        let Served { id, key, not_before, not_after, renew_at: renew } = served;
        Self {
            id: *id,
            key: unless(*key, &key_of(*id)),
            from: At(*not_before),
            to: (header.expires != Some(*not_after)).then_some(At(*not_after)),
            renew: unless(At(*renew), &At(renew_at(*not_before, *not_after))),
        }
    }

    fn into_served(self, header: &Header) -> Option<Served> {
        let (not_before, not_after) = (self.from.0, instant(self.to).or(header.expires)?);
        Some(Served {
            id: self.id,
            key: self.key.unwrap_or_else(|| key_of(self.id)),
            not_before,
            not_after,
            renew_at: self.renew.map_or_else(|| renew_at(not_before, not_after), |at| at.0),
        })
    }
}
