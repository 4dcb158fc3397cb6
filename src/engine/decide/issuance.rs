//! From a name that is held to a certificate that serves, and again before it expires.

use super::{Draft, clamp, pause::pause_of};
use crate::{
    ca::{Authorization, AuthorizationStatus, ChallengeType, OrderState, Progress, Publication},
    certificate::{
        Certificate, Chain, Handle, Order, OrderEvent, OrderKey, OrderStatus, Origin, Problem,
        Validation,
    },
    clock::{Timestamp, after, whole_second},
    domain::{Domain, Event, Issuance, PauseScope, Placed, Placement, Served, Status},
    engine::{
        notice::Notice,
        root::{
            AccountRoot, AccountState, Answer, DomainRoot, Effect, Fact, Question, Satellite,
            SealedKey, Trouble,
        },
    },
    error::ErrorKind,
    evidence::{Topic, Verdict},
    id::{CertificateId, OrderId},
    name::{DnsName, DomainName},
    retry::Backoff,
};

/// How many answers an authority may ask for in one order: one for each name and once more for each
/// time that it changes its mind.
const MAX_ANSWERS: usize = 8;

/// The label under which DNS challenges are looked for (RFC 8555 section 8.4).
const ACME_LABEL: &str = "_acme-challenge";

pub(super) fn questions(root: &DomainRoot, now: Timestamp) -> Vec<Question> {
    let domain = &root.domain;
    if is_hushed(domain, now) {
        return Vec::new();
    }
    let Some(order) = &root.order else {
        return if wants_order(domain, now) {
            vec![Question::Account, Question::Caa]
        } else {
            Vec::new()
        };
    };
    if !domain.status.holds() || root.intent.is_some() {
        return Vec::new();
    }
    let look = |handle: &Handle| Question::Order {
        order: order.id,
        handle: handle.clone(),
        account: order.account.clone(),
    };
    match (order.status, &order.handle) {
        (OrderStatus::Pending, Some(handle)) => {
            let ours = |placed: &&Placed| {
                placed.order == order.id && placed.placement == Placement::Present
            };
            let visible = domain.placed.iter().filter(ours).map(|placed| Question::Visible {
                owner: challenge_name(&domain.name).unwrap_or_else(|| placed.owner.clone()),
                value: placed.value.clone(),
            });
            std::iter::once(look(handle)).chain(visible).collect()
        }
        (OrderStatus::Ready, Some(handle)) if order.key.is_none() => {
            vec![look(handle), Question::OrderKey { order: order.id, names: order.names.clone() }]
        }
        (OrderStatus::Ready | OrderStatus::Processing, Some(handle)) => vec![look(handle)],
        (OrderStatus::Planned, _) => vec![Question::Account],
        _ => Vec::new(),
    }
}

/// Returns the name at which the authority looks for the answer to a DNS challenge.
fn challenge_name(name: &DomainName) -> Option<DnsName> {
    DnsName::from(name.base()).child(ACME_LABEL).ok()
}

/// Returns whether the authority does not want to be asked now.
fn is_hushed(domain: &Domain, now: Timestamp) -> bool {
    domain.authority_hushed_until.is_some_and(|until| until > now)
}

/// Returns whether an order is to be opened now, as far as the domain itself is concerned.
fn wants_order(domain: &Domain, now: Timestamp) -> bool {
    wants_certificate(domain, now) && domain.next_order_at.is_none_or(|at| at <= now)
}

/// Returns whether the domain is without a certificate that will do, and without an order for one.
fn wants_certificate(domain: &Domain, now: Timestamp) -> bool {
    let held =
        matches!(domain.status, Status::Verified | Status::CertificatePending | Status::Active);
    let due = match &domain.certificate {
        Some(served) => served.renew_at <= now || !served.is_valid(now),
        None => true,
    };
    held && due && domain.issuance.is_none()
}

impl Draft<'_> {
    /// Activates a certificate that is there, and notices when it has run out.
    pub(super) fn certificate_in_use(&mut self) {
        let now = self.now();
        if self.root.domain.is_on_trust() {
            return;
        }
        let Some(served) = &self.root.domain.certificate else { return };
        match (self.root.domain.status, served.is_valid(now)) {
            (Status::Verified | Status::CertificatePending | Status::Failed, true) => {
                self.event(Event::CertificateActivated);
            }
            (Status::Active, false) => self.event(Event::CertificateLost),
            _ => {}
        }
    }

    /// Opens an order when one is due, and takes the one that is under way a step further.
    pub(super) fn issue(&mut self) {
        if !self.root.domain.status.holds() {
            // What was to be repeated was decided on when the name was still held.
            if self.effect.as_ref().is_some_and(|intent| !self.is_wanted(&intent.effect)) {
                self.effect = None;
            }
            self.drop_order();
            return;
        }
        if self.effect.is_some() || self.root.intent.is_some() {
            return;
        }
        if self.root.order.is_none() && self.root.domain.issuance.is_some() {
            // The store has lost it: another one takes its place.
            self.drop_order();
        }
        if let Some(until) = self.root.domain.authority_hushed_until {
            if is_hushed(&self.root.domain, self.now()) {
                return self.be_patient(until);
            }
            self.root.domain.authority_hushed_until = None;
        }
        let is_wanted = self.root.order.is_some() || wants_order(&self.root.domain, self.now());
        if is_wanted && (self.holds_up(PauseScope::Authority) || self.is_spent()) {
            return;
        }
        if self.root.order.is_some() {
            self.advance();
        } else if wants_order(&self.root.domain, self.now())
            && self.evidence_allows()
            && self.caa_allows()
        {
            self.open();
        }
    }

    /// Leaves the authority alone as it asked for, and gives up what takes too long all the same.
    fn be_patient(&mut self, until: Timestamp) {
        match &self.root.order {
            Some(order) if self.now() >= order.deadline => {
                let message = format!("the order was {} for too long", order.status);
                self.order_failed(&Trouble::new(ErrorKind::Unavailable, message));
            }
            Some(_) => self.wait_until(until),
            None if wants_certificate(&self.root.domain, self.now()) => self.wait_until(until),
            None => {}
        }
    }

    /// Returns whether a certificate is wanted and something has to be seen before it is ordered.
    pub(super) fn is_waiting_for_evidence(&self) -> bool {
        wants_certificate(&self.root.domain, self.now()) && self.missing_evidence().is_some()
    }

    /// Returns the first topic of which there is no fresh evidence that an order needs.
    fn missing_evidence(&self) -> Option<Topic> {
        let max_age = self.policy().evidence_max_age;
        self.needed_topics().find(|topic| {
            self.root.domain.evidence(*topic).as_of(self.now(), max_age) != Verdict::Confirmed
        })
    }

    /// Returns what has to be seen before a certificate is ordered.
    fn needed_topics(&self) -> impl Iterator<Item = Topic> + use<> {
        let by_method = match self.root.domain.validation {
            Validation::Http01 => Some(Topic::Routing),
            Validation::Dns01Delegated => Some(Topic::Delegation),
            Validation::Dns01 => None,
        };
        std::iter::once(Topic::Ownership).chain(by_method)
    }

    /// Returns whether fresh evidence allows an order; asks for a look if it is merely old.
    fn evidence_allows(&mut self) -> bool {
        let Some(topic) = self.missing_evidence() else { return true };
        if !self.looked_at(topic) {
            self.root.domain.next_check_at = Some(self.now());
            self.again = true;
        }
        false
    }

    fn open(&mut self) {
        let account = self.facts.iter().find_map(|fact| match fact {
            Fact::Account(state) => Some(*state),
            _ => None,
        });
        let now = self.now();
        match account {
            // Whether one is needed became known only in this decision.
            None => {
                if self.wait.is_none() {
                    self.again = true;
                }
            }
            Some(AccountState::Absent) => {
                let account = AccountRoot::new(self.settings.authority.clone());
                self.satellites.push(Satellite::WantAccount(Box::new(account)));
                self.wait_until(after(now, Backoff::POLL.base(0)));
            }
            Some(AccountState::Enrolling) => self.await_account(),
            Some(AccountState::Ready) => {
                let domain = &mut self.root.domain;
                domain.account_polls = 0;
                let id = OrderId::from_bytes(self.moment.bytes("order"));
                self.root.order = Some(Order {
                    id,
                    domain: domain.id,
                    names: vec![domain.name.clone()],
                    validation: domain.validation,
                    authority: self.settings.authority.clone(),
                    status: OrderStatus::Planned,
                    planned_at: now,
                    deadline: after(now, self.settings.policy.order_deadline),
                    handle: None,
                    account: None,
                    key: None,
                    told: Vec::new(),
                    polls: 0,
                });
                domain.issuance = Some(Issuance { order: id, stage: OrderStatus::Planned });
                // Finer than what depends on it, and longer to store, it need not be.
                domain.last_order_at = Some(whole_second(now));
                if domain.status == Status::Verified {
                    self.event(Event::CertificateRequested);
                }
                self.notices.push(Notice::OrderOpened { order: id });
                self.act(Effect::OpenOrder { order: id });
            }
        }
    }

    /// Changes the status of the order that is under way. Says whether the table allowed it.
    pub(super) fn order_event(&mut self, event: OrderEvent) -> bool {
        let Some(order) = &mut self.root.order else { return false };
        let Some(status) = order.status.on(event) else { return false };
        order.status = status;
        order.polls = 0;
        if let Some(issuance) = &mut self.root.domain.issuance {
            issuance.stage = status;
        }
        true
    }

    fn advance(&mut self) {
        let now = self.now();
        let facts = self.facts;
        let Some(order) = self.root.order.clone() else { return };
        let late = now >= order.deadline;
        let given_up = Trouble::new(
            ErrorKind::Unavailable,
            format!("the order was {} for too long", order.status),
        );
        let is_enrolling =
            facts.iter().any(|fact| matches!(fact, Fact::Account(AccountState::Enrolling)));
        if is_enrolling {
            // Nothing is known of it, and nobody waits for longer.
            return if late { self.order_failed(&given_up) } else { self.await_account() };
        }
        if order.status == OrderStatus::Planned {
            if late {
                self.order_failed(&given_up);
            } else if self.wait.is_none() {
                self.act(Effect::OpenOrder { order: order.id });
            }
            return;
        }
        let is_of_it =
            |fact: &Fact| matches!(fact, Fact::Orphaned { order: id } if *id == order.id);
        if facts.iter().any(is_of_it) {
            return self.start_over(&order);
        }
        let report = facts.iter().find_map(|fact| match fact {
            Fact::Order { order: id, progress, chain } if *id == order.id => {
                Some((progress, chain))
            }
            _ => None,
        });
        let Some((progress, chain)) = report else {
            if late && self.wait.is_some() {
                return self.order_failed(&given_up);
            }
            // Not asked in this round, or no answer: `again` or a wait stands.
            self.again |= self.wait.is_none();
            return;
        };
        // A certificate that was made meanwhile is not thrown away.
        if late && progress.state != OrderState::Valid {
            return self.order_failed(&given_up);
        }
        match (order.status, progress.state) {
            (_, OrderState::Invalid) => self.invalid(progress),
            (OrderStatus::Pending, OrderState::Pending) => self.authorize(&order, progress),
            (OrderStatus::Pending, OrderState::Ready) => {
                self.order_event(OrderEvent::Authorized);
                self.again = true;
            }
            (OrderStatus::Ready, OrderState::Ready) => self.finalize(&order),
            // The answer to the request was lost: the same key, the same request.
            (OrderStatus::Processing, OrderState::Ready)
                if order.handle.as_ref().is_none_or(|handle| !is_told(&order, handle)) =>
            {
                self.act(Effect::Finalize { order: order.id });
            }
            (OrderStatus::Processing, OrderState::Valid) => match chain {
                Some(chain) => self.activate(&order, chain),
                None => self.poll(progress),
            },
            (OrderStatus::Processing, OrderState::Processing) => self.poll(progress),
            // Nobody but us has the key that an order is finalized with.
            (
                OrderStatus::Pending | OrderStatus::Ready,
                OrderState::Processing | OrderState::Valid,
            ) => {
                let trouble = Trouble::new(
                    ErrorKind::Malformed,
                    "the authority finalized an order that we had not",
                );
                self.order_failed(&trouble);
            }
            _ => self.poll(progress),
        }
    }

    /// Looks at the order again after a while.
    fn poll(&mut self, progress: &Progress) {
        let Some(order) = &mut self.root.order else { return };
        let delay = Backoff::POLL.delay(order.polls, self.moment.number("poll"));
        order.polls = order.polls.saturating_add(1);
        let at = after(self.now(), delay.max(clamp(progress.retry_after)));
        self.wait_until(at);
    }

    fn invalid(&mut self, progress: &Progress) {
        let problem = progress
            .authorizations
            .iter()
            .find_map(|authorization| authorization.problem.clone())
            .or_else(|| progress.problem.clone())
            .unwrap_or_else(|| Problem::new("", "the order is invalid, without a reason"));
        let trouble = Trouble {
            kind: ErrorKind::Refused,
            code: Some(problem.code.clone()),
            message: format!("the certificate authority said: {problem}"),
            retry_after: None,
            missed: None,
        };
        self.order_failed(&trouble);
    }

    /// Publishes what the authority wants to see and tells it so, one authorization at a time.
    fn authorize(&mut self, order: &Order, progress: &Progress) {
        for authorization in &progress.authorizations {
            // Whoever speaks for the authority does not choose where we publish.
            if !order.names.iter().any(|name| name.base() == authorization.name.base()) {
                let trouble = Trouble::new(
                    ErrorKind::Malformed,
                    format!(
                        "the authority asks about {}, which was not ordered",
                        authorization.name
                    ),
                );
                return self.order_failed(&trouble);
            }
            match authorization.status {
                AuthorizationStatus::Valid => {}
                AuthorizationStatus::Invalid => return self.invalid(progress),
                AuthorizationStatus::Processing => return self.poll(progress),
                // Let's Encrypt shows an answered challenge as pending until it has looked.
                AuthorizationStatus::Pending if is_told(order, &authorization.handle) => {
                    return self.poll(progress);
                }
                AuthorizationStatus::Pending => {
                    return self.answer(order, authorization, progress);
                }
            }
        }
        // All are valid, and the order does not say so yet.
        self.poll(progress);
    }

    fn answer(&mut self, order: &Order, authorization: &Authorization, progress: &Progress) {
        let wanted = match order.validation {
            Validation::Http01 => ChallengeType::Http01,
            Validation::Dns01 | Validation::Dns01Delegated => ChallengeType::Dns01,
        };
        let publication = authorization
            .publications
            .iter()
            .find(|publication| publication.challenge_type() == wanted);
        let respond = Effect::Respond {
            order: order.id,
            authorization: authorization.handle.clone(),
            challenge: wanted,
        };
        match publication {
            Some(Publication::Http01 { token, body }) => {
                let answer = Answer::new(authorization.name.clone(), token.clone(), body.clone());
                if !self.root.domain.answers.contains(&answer.id) {
                    if self.root.domain.answers.len() >= MAX_ANSWERS {
                        return self.never_content();
                    }
                    self.root.domain.answers.push(answer.id.clone());
                    self.satellites.push(Satellite::PutAnswer(answer));
                }
                self.act(respond);
            }
            Some(Publication::Dns01 { value }) => {
                self.answer_in_dns(order, authorization, value, respond, progress);
            }
            None => {
                let trouble = Trouble::new(
                    ErrorKind::Unsupported,
                    format!(
                        "the authority offers no {} for {}",
                        wanted.as_str(),
                        authorization.name
                    ),
                );
                self.order_failed(&trouble);
            }
        }
    }

    /// Gives up an order whose authority asks for something else whenever it is answered.
    fn never_content(&mut self) {
        let trouble = Trouble::new(
            ErrorKind::Malformed,
            "the authority asks for another answer whenever it is answered",
        );
        self.order_failed(&trouble);
    }

    fn answer_in_dns(
        &mut self,
        order: &Order,
        authorization: &Authorization,
        value: &str,
        respond: Effect,
        progress: &Progress,
    ) {
        let asked = challenge_name(&authorization.name);
        let owner = match (&self.root.domain.delegation, order.validation) {
            (Some(delegation), Validation::Dns01Delegated) => Some(delegation.target.clone()),
            _ => asked.clone(),
        };
        let (Some(owner), Some(asked)) = (owner, asked) else {
            let trouble =
                Trouble::new(ErrorKind::Invalid, "the name is too long for a DNS challenge");
            return self.order_failed(&trouble);
        };
        let now = self.now();
        let is_hushed = self.dns_hushed_until().is_some();
        let placed = self.root.domain.placed.iter_mut().find(|placed| {
            placed.order == order.id && placed.owner == owner && placed.value == value
        });
        let Some(placed) = placed else {
            let of_order = self.root.domain.placed.iter().filter(|placed| placed.order == order.id);
            if of_order.count() >= MAX_ANSWERS {
                return self.never_content();
            }
            // The same value may be left from an order before: it is in use again, and not to be
            // swept away.
            self.root.domain.placed.retain(|old| old.owner != owner || old.value != value);
            let placed = Placed::new(owner.clone(), value.to_owned(), order.id, now);
            self.root.domain.placed.push(placed);
            return self.act(Effect::Publish { owner, value: value.to_owned() });
        };
        if placed.placement != Placement::Present {
            placed.placement = Placement::Publishing;
            if pause_of(self.facts, PauseScope::Dns).is_some() || is_hushed {
                // Nobody can have seen it yet.
                placed.since = now;
            }
            if self.wait.is_none() {
                self.act(Effect::Publish { owner, value: value.to_owned() });
            }
            return;
        }
        let since = placed.since;
        let visible = self.facts.iter().find_map(|fact| match fact {
            Fact::Visible { owner, value: seen, verdict } if *owner == asked && seen == value => {
                Some(*verdict)
            }
            _ => None,
        });
        match visible {
            Some(Verdict::Confirmed) => self.act(respond),
            None if self.holds_up(PauseScope::Resolver) => {}
            None => self.again = true,
            Some(_) if now >= after(since, self.policy().visible_deadline) => {
                let trouble = Trouble::new(
                    ErrorKind::Unavailable,
                    format!("the record at {asked} was published but never seen"),
                );
                self.order_failed(&trouble);
            }
            Some(_) => self.poll(progress),
        }
    }

    /// Stores the key and asks for the certificate, in this order.
    fn finalize(&mut self, order: &Order) {
        if order.key.is_none() {
            let key = self.facts.iter().find_map(|fact| match fact {
                Fact::OrderKey { order: id, id: key, sealed, public_key, request }
                    if *id == order.id =>
                {
                    Some((
                        SealedKey::new(*key, sealed.clone()),
                        OrderKey::new(*key, public_key.clone(), request.clone()),
                    ))
                }
                _ => None,
            });
            let Some((sealed, key)) = key else {
                self.again |= self.wait.is_none();
                return;
            };
            self.satellites.push(Satellite::PutKey(sealed));
            if let Some(order) = &mut self.root.order {
                order.key = Some(key);
            }
        }
        self.order_event(OrderEvent::Finalized);
        self.act(Effect::Finalize { order: order.id });
    }

    /// Puts a certificate into use, if it is the one that was wanted; the old one stays until then.
    fn activate(&mut self, order: &Order, chain: &str) {
        let now = self.now();
        let Some(key) = &order.key else { return };
        let checked = chain.parse::<Chain>().and_then(|chain| {
            chain.check(&order.names, &key.public_key, now)?;
            Ok(chain)
        });
        let chain = match checked {
            Ok(chain) => chain,
            Err(error) => {
                let trouble = Trouble::new(ErrorKind::Malformed, error.to_string());
                return self.order_failed(&trouble);
            }
        };
        let certificate = Certificate::new(
            // As unique as its key, which is drawn for it alone; and domains are stored shorter.
            CertificateId::from_bytes(*key.id.as_bytes()),
            order.domain,
            &chain,
            Origin::Issued { authority: order.authority.clone(), order: order.id },
            key.id,
        );
        let served = Served {
            id: certificate.id,
            key: certificate.key,
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            renew_at: certificate.renew_at(),
        };
        let old = self.root.domain.certificate.replace(served);
        self.notices.push(Notice::CertificateActivated {
            certificate: certificate.id,
            not_after: certificate.not_after,
            renewal: old.as_ref().is_some_and(|old| old.is_valid(now)),
        });
        self.satellites.push(Satellite::PutCertificate(certificate));
        if let Some(old) = old {
            self.satellites.push(Satellite::DeleteCertificate(old.id));
            self.satellites.push(Satellite::DeleteKey(old.key));
        }
        self.order_event(OrderEvent::Issued);
        self.root.order = None;
        self.retire_publications();
        let domain = &mut self.root.domain;
        domain.issuance = None;
        domain.failed_orders = 0;
        domain.next_order_at = None;
        domain.last_failure = None;
        self.event(Event::CertificateActivated);
    }

    /// Ends the order that is under way without a certificate, and decides when to try again.
    pub(super) fn order_failed(&mut self, trouble: &Trouble) {
        let Some(order) = self.root.order.clone() else { return };
        // Whether the old certificate still serves decides on what follows.
        self.certificate_in_use();
        self.drop_order();
        let failed = self.root.domain.failed_orders;
        self.root.domain.failed_orders = failed.saturating_add(1);
        self.root.domain.service_failures = 0;
        let failure = self.fail(trouble, failed.saturating_add(1));
        let serves =
            self.root.domain.certificate.as_ref().is_some_and(|old| old.is_valid(self.now()));
        // A service that is away for long has refused nothing.
        let exhausted = !trouble.kind.is_transient()
            && failed.saturating_add(1) >= self.policy().max_failed_orders;
        let hopeless = is_definitive(trouble) || exhausted;
        let retry_at = if !self.root.domain.status.holds() {
            None
        } else if hopeless && !serves {
            self.root.domain.next_order_at = None;
            self.event(Event::Failed);
            None
        } else {
            let delay = Backoff::ORDER.delay(failed, self.moment.number("order failed"));
            let at = after(self.now(), delay.max(clamp(trouble.retry_after)));
            self.root.domain.next_order_at = Some(at);
            Some(at)
        };
        self.wait = None;
        self.notices.push(Notice::OrderFailed { order: order.id, failure, retry_at });
    }

    /// Forgets the order that is under way, with its key and what was published for it.
    pub(super) fn drop_order(&mut self) {
        self.retire_publications();
        if self.order_event(OrderEvent::Failed)
            && let Some(key) = self.root.order.as_ref().and_then(|order| order.key.as_ref())
        {
            self.satellites.push(Satellite::DeleteKey(key.id));
        }
        self.root.order = None;
        self.root.domain.issuance = None;
    }
}

/// Returns whether the authority has taken note of what it was told.
fn is_told(order: &Order, what: &Handle) -> bool {
    order.told.contains(what)
}

/// Returns whether a refusal stands until somebody changes something.
///
/// A failed validation is not one of them: records and firewalls are mended.
fn is_definitive(trouble: &Trouble) -> bool {
    let code = trouble.code.as_deref().unwrap_or_default();
    matches!(code, "caa" | "rejectedIdentifier" | "unsupportedIdentifier")
        || matches!(trouble.kind, ErrorKind::Invalid | ErrorKind::Unsupported)
}
