//! Every path through the decisions, up to what makes no difference to them.
//!
//! From a domain that was just added, breadth first: all answers that the questions may get, all
//! outcomes that an effect may have, facts that nobody asked for, all commands, and steps of time.
//! Two situations are the same if they have the same [`Key`].

use std::{
    collections::{BTreeSet, HashSet, VecDeque},
    time::Duration,
};

use nameplate::{
    ca::{Authorization, AuthorizationStatus, OrderState, Progress, Publication},
    certificate::{Chain, Handle, OrderStatus, Permission, Problem},
    clock::{Clock, Timestamp, after},
    domain::{Domain, Event, Placed, Placement, Status},
    engine::{
        AccountRoot, AccountState, Decision, DomainRoot, Effect, EffectKind, Fact, Moment, Notice,
        Outcome, Policy, Question, Receipt, Root, Satellite, Settings, Trouble, decide, questions,
    },
    error::ErrorKind,
    evidence::{Evidence, Found, Observation, Seen, Subject, Topic, Verdict},
    id::{EffectId, KeyId},
    name::DomainName,
    seal::Sealed,
};

use crate::common::{DAY, HOUR, World};

/// Most situations that are looked at, so that a mistake in [`Key`] fails instead of going on.
const MOST: usize = 30_000;

/// Most decisions in a row at one instant: more is going in circles.
const RESTLESS: u32 = 24;

/// Steps of time beside the one to the next due time.
const JUMPS: [Duration; 3] =
    [HOUR.saturating_mul(2), DAY.saturating_mul(4), DAY.saturating_mul(61)];

/// How far a clock is set back.
const SET_BACK: Duration = DAY.saturating_mul(40);

/// Where the search is.
#[derive(Clone)]
struct Node {
    root: DomainRoot,
    now: Timestamp,
}

/// What of a situation makes a difference.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Key {
    status: Status,
    /// The stage, whether it is overdue, whether it has a key, whether the authority was told.
    order: Option<(OrderStatus, bool, bool, bool)>,
    intent: Option<EffectKind>,
    /// Whether it is valid, and whether it is due for renewal.
    certificate: Option<(bool, bool)>,
    /// The run, how far it is, whether it is long enough, whether it is fresh.
    ownership: (Verdict, u16, bool, bool),
    other: Verdict,
    next_check: Option<bool>,
    next_order: Option<bool>,
    attempts: u32,
    placed: BTreeSet<&'static str>,
    expired: bool,
    removed: bool,
    gives_up: bool,
}

/// What was reached.
#[derive(Default)]
struct Reached {
    statuses: BTreeSet<Status>,
    stages: BTreeSet<OrderStatus>,
    effects: BTreeSet<EffectKind>,
    cells: BTreeSet<(Status, Event)>,
    /// Other things that a search which covers must have come across.
    sights: BTreeSet<&'static str>,
    nodes: usize,
    decisions: usize,
}

/// A state in which nothing is due: status, stage of the order, effect under way, and what is
/// known of the certificate.
type Rest = (Status, Option<OrderStatus>, Option<EffectKind>, Option<bool>);

/// A key pair of which a chain exists, and when the chain is valid.
struct Issued {
    public_key: Vec<u8>,
    pem: String,
    not_before: Timestamp,
    not_after: Timestamp,
}

struct Search {
    settings: Settings,
    issued: Vec<Issued>,
    /// The topic that matters beside ownership.
    other: Topic,
    seen: HashSet<Key>,
    /// Situations from which it was tried whether the machine comes to rest.
    rested: HashSet<Rest>,
    queue: VecDeque<Node>,
    reached: Reached,
    draws: u64,
}

/// The numbers of the platform, with shorter ways.
fn policy() -> Policy {
    let mut policy = Policy::new();
    policy.claim_ttl = DAY * 10;
    policy.demote_after = 2;
    policy.max_failed_orders = 2;
    policy
}

impl Search {
    /// Prepares a search from a claim on `name`, with certificates that a real life has brought.
    async fn from(name: &str, host: &str, other: Topic) -> Self {
        let world = World::new();
        let host: DomainName = host.parse().unwrap();
        let first = Node { root: DomainRoot::new(world.add(name).await), now: world.clock.now() };
        let id = first.root.domain.id();
        world.publish(id).await;
        let mut issued: Vec<Issued> = Vec::new();
        for _ in 0..8 {
            world.run_for(HOUR).await;
            let identity = world.onboarding.edge().identity(&host).await.unwrap().unwrap();
            let chain = Chain::from_der(identity.chain).unwrap();
            issued.push(Issued {
                public_key: chain.public_key().to_vec(),
                pem: chain.to_pem(),
                not_before: chain.not_before(),
                not_after: chain.not_after(),
            });
            world.run_for(DAY * 61).await;
        }
        let mut search = Self {
            settings: Settings::new(policy(), "ca.test".into()),
            issued,
            other,
            seen: HashSet::new(),
            rested: HashSet::new(),
            queue: VecDeque::new(),
            reached: Reached::default(),
            draws: 0,
        };
        search.visit(&first.root, first.now);
        search
    }

    fn run(mut self) -> Reached {
        while let Some(node) = self.queue.pop_front() {
            self.reached.nodes += 1;
            assert!(self.reached.nodes < MOST, "the search does not end");
            self.settles(&node);
            for facts in self.facts(&node) {
                let next = self.step(&node, &facts);
                self.spread(next, node.now);
            }
            for (event, domain) in self.commands(&node) {
                if let Some(event) = event {
                    self.reached.cells.insert((node.root.domain.status(), event));
                }
                let mut root = node.root.clone();
                root.domain = domain;
                self.visit(&root, node.now);
            }
            if node.root.domain.status() == Status::Failed {
                let earlier = node.now - SET_BACK;
                if earlier > node.root.domain.created_at() {
                    self.visit(&node.root, earlier);
                }
            }
        }
        self.reached
    }

    /// Queues what follows from a decision, at the times at which it may be looked at.
    fn spread(&mut self, decision: Decision, now: Timestamp) {
        let due = decision.due;
        let Root::Domain(root) = decision.root else { panic!("a domain became something else") };
        let mut times = vec![now];
        times.extend(due.filter(|due| *due > now));
        times.extend(JUMPS.map(|jump| after(now, jump)));
        for now in times {
            self.visit(&root, now);
        }
    }

    fn visit(&mut self, root: &DomainRoot, now: Timestamp) {
        let key = self.key(root, now);
        self.reached.statuses.insert(key.status);
        self.reached.stages.extend(key.order.map(|(stage, ..)| stage));
        if self.seen.insert(key) {
            self.queue.push_back(Node { root: root.clone(), now });
        }
    }

    fn key(&self, root: &DomainRoot, now: Timestamp) -> Key {
        let DomainRoot { domain, order, intent, .. } = root;
        let policy = &self.settings.policy;
        let fresh = |evidence: &Evidence| evidence.as_of(now, policy.evidence_max_age);
        let own = domain.evidence(Topic::Ownership);
        let due = |at: Timestamp| at <= now;
        let status = domain.status();
        // What is left out where it is not looked at is left out here, too.
        let alive = status != Status::Removing;
        let orders = status.holds() && status != Status::Failed && order.is_none();
        let refuted = own.run == Verdict::Refuted;
        let long = |since| due(after(since, policy.demote_over));
        Key {
            status,
            order: order.as_ref().map(|order| {
                (order.status, due(order.deadline), order.key.is_some(), !order.told.is_empty())
            }),
            intent: intent.as_ref().map(|intent| intent.effect.kind()),
            certificate: domain
                .certificate()
                .filter(|_| alive)
                .map(|served| (served.is_valid(now), orders && due(served.renew_at))),
            ownership: if status.holds() {
                let count = if refuted { own.run_count.min(policy.demote_after) } else { 0 };
                let fresh = orders && fresh(own) == own.run;
                (own.run, count, refuted && own.run_since.is_some_and(long), fresh)
            } else {
                (Verdict::Unknown, 0, false, false)
            },
            other: if orders { fresh(domain.evidence(self.other)) } else { Verdict::Unknown },
            next_check: domain.next_check_at().filter(|_| alive).map(due),
            next_order: domain.next_order_at().filter(|_| orders).map(due),
            attempts: domain
                .last_failure()
                .filter(|_| status.holds() && status != Status::Failed)
                .map_or(0, |failure| failure.attempts.min(policy.max_failed_orders)),
            placed: domain
                .placed()
                .iter()
                .filter_map(|placed| match placed.placement {
                    Placement::Publishing => Some("publishing"),
                    Placement::Present => Some("present"),
                    Placement::Leaving => Some("leaving"),
                    Placement::Swept { again_at } => due(again_at).then_some("to be swept"),
                    _ => None,
                })
                .collect(),
            expired: status == Status::Pending && domain.challenge().expires_at < now,
            removed: domain.is_removed(),
            gives_up: domain.gives_up(),
        }
    }

    fn moment(&mut self, now: Timestamp) -> Moment {
        self.draws += 1;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.draws.to_be_bytes());
        Moment::new(now, seed)
    }

    /// Decides, and holds the decision against everything that must be true of each one.
    fn step(&mut self, node: &Node, facts: &[Fact]) -> Decision {
        let moment = self.moment(node.now);
        let before = Root::Domain(Box::new(node.root.clone()));
        let decision = decide(&before, facts, &self.settings, moment);
        self.reached.decisions += 1;
        if self.reached.decisions.is_multiple_of(16) {
            assert_eq!(decide(&before, facts, &self.settings, moment), decision, "not a function");
        }
        self.check(node, facts, &decision);
        decision
    }

    fn check(&mut self, Node { root, now }: &Node, facts: &[Fact], decision: &Decision) {
        let told = || format!("{root:#?}\n{facts:#?}\n{decision:#?}");
        let Root::Domain(after) = &decision.root else { panic!("{}", told()) };
        let (from, to) = (root.domain.status(), after.domain.status());

        // Only a proof seen in this very step leads to a status that holds.
        if (to.holds() && !from.holds()) || (to == Status::Verified && from != to) {
            let subject = root.domain.subject(Topic::Ownership);
            let proved = facts.iter().any(|fact| {
                matches!(fact, Fact::Observed(look)
                    if look.subject == subject && look.verdict == Verdict::Confirmed)
            });
            let taken = facts.iter().any(|fact| matches!(fact, Fact::Taken(_)));
            assert!(proved && !taken, "held without a proof: {}", told());
            assert!(*now <= root.domain.challenge().expires_at, "too late: {}", told());
        }
        if from == Status::Removing {
            assert_eq!(to, Status::Removing, "{}", told());
        }

        // Who does not hold the name orders nothing and publishes nothing.
        let effect = decision.effect.as_ref().map(|intent| &intent.effect);
        if !to.holds() {
            let harmless = matches!(effect, None | Some(Effect::Unpublish { .. }));
            assert!(harmless, "an effect for a name that is not held: {}", told());
            assert!(after.order.is_none(), "an order for a name that is not held: {}", told());
            let wanted =
                |it: &Placed| matches!(it.placement, Placement::Publishing | Placement::Present);
            assert!(!after.domain.placed().iter().any(wanted), "a record stays: {}", told());
        }
        if let Some(Effect::Finalize { .. }) = effect {
            let key = after.order.as_ref().and_then(|order| order.key.as_ref());
            assert!(key.is_some(), "finalized without a stored key: {}", told());
        }
        if let Some(Effect::OpenOrder { order }) = effect {
            let ours = after.order.as_ref().is_some_and(|planned| planned.id == *order);
            assert!(ours, "opened without an order that is stored: {}", told());
        }
        assert_eq!(after.order.is_some(), after.domain.issuance().is_some(), "{}", told());

        // The intent is stored, and nothing is left lying that has no time.
        if decision.effect.is_some() {
            assert_eq!(decision.effect, after.intent, "an effect without an intent: {}", told());
        }
        let dormant = to == Status::Pending && after.domain.next_check_at().is_none();
        if dormant {
            assert!(*now > root.domain.challenge().expires_at, "dormant too early: {}", told());
            self.reached.sights.insert("dormant");
        }
        let at_rest = (dormant || after.domain.is_removed())
            && after.domain.placed().is_empty()
            && decision.effect.is_none();
        assert!(decision.due.is_some() || at_rest, "a due time is missing: {}", told());

        // A certificate that serves goes for removal or for a better one only.
        if let Some(old) = root.domain.certificate()
            && old.is_valid(*now)
        {
            match after.domain.certificate() {
                None => assert!(to == Status::Removing || root.domain.gives_up(), "{}", told()),
                Some(new) if new.id != old.id => {
                    assert!(new.is_valid(*now) && new.not_after > old.not_after, "{}", told());
                    self.reached.sights.insert("renewed");
                }
                Some(_) => {}
            }
        }
        if to == Status::Active {
            let served = after.domain.certificate();
            assert!(served.is_some_and(|served| served.is_valid(*now)), "{}", told());
        }
        assert_eq!(after.domain.waiting_on().is_nothing(), to == Status::Active, "{}", told());

        // What is stored beside the domain belongs to it, before and after.
        let (mut had, mut has) = (belongings(root), belongings(after));
        for satellite in &decision.satellites {
            match satellite {
                Satellite::PutCertificate(it) => had.insert(it.id.to_string()),
                Satellite::PutKey(key) => had.insert(key.id.to_string()),
                Satellite::DeleteCertificate(id) => has.insert(id.to_string()),
                Satellite::DeleteKey(id) => has.insert(id.to_string()),
                _ => true,
            };
        }
        assert_eq!(had, has, "{}", told());
        let is_there = |old: &Placed| {
            after.domain.placed().iter().any(|it| it.owner == old.owner && it.value == old.value)
        };
        for old in root.domain.placed() {
            let swept = matches!(old.placement, Placement::Swept { again_at } if again_at <= *now);
            assert!(swept || is_there(old), "a record is forgotten: {}", told());
        }

        self.notices(from, to, decision, &told);
        self.reached.effects.extend(effect.map(Effect::kind));
    }

    /// Notices tell the way from one status to the other, by cells of the table.
    fn notices(
        &mut self,
        from: Status,
        to: Status,
        decision: &Decision,
        told: &impl Fn() -> String,
    ) {
        let mut status = from;
        for notice in &decision.notices {
            match notice {
                Notice::StatusChanged { from, to, event } => {
                    assert_eq!(*from, status, "{}", told());
                    assert_eq!(from.on(*event), Some(*to), "{}", told());
                    self.reached.cells.insert((*from, *event));
                    status = *to;
                }
                Notice::OrderFailed { retry_at, .. } => {
                    let over = to == Status::Failed || !to.holds();
                    assert_eq!(retry_at.is_none(), over, "{}", told());
                    self.reached.stages.insert(OrderStatus::Failed);
                }
                Notice::CertificateActivated { .. } => {
                    self.reached.stages.insert(OrderStatus::Issued);
                }
                Notice::Contested => {
                    self.reached.sights.insert("contested");
                }
                Notice::Removed => {
                    self.reached.sights.insert("removed");
                }
                _ => {}
            }
        }
        assert_eq!(status, to, "{}", told());
    }

    /// All that a worker, or a worker that went wrong, may come with.
    fn facts(&self, node: &Node) -> Vec<Vec<Fact>> {
        let mut all = Vec::new();
        // The outcome of the effect comes alone.
        if let Some(intent) = &node.root.intent {
            let outcomes = outcomes(intent.effect.kind());
            all.extend(
                outcomes.into_iter().map(|it| vec![Fact::Outcome { id: intent.id, outcome: it }]),
            );
            let id = EffectId::from_bytes([9; 16]);
            all.push(vec![Fact::Outcome { id, outcome: Outcome::Done(Receipt::Done) }]);
        }
        // Or the effect was another worker's, and the questions are asked anew.
        let root = Root::Domain(Box::new(node.root.clone()));
        let asked = questions(&root, node.now);
        let mut answers = vec![Vec::new()];
        for question in &asked {
            let mut options = self.answers(question, node);
            if node.root.order.is_some() && matches!(question, Question::Look(_)) {
                // What is seen of the topics makes a difference before an order, not to it.
                options.truncate(2);
            }
            answers = answers
                .iter()
                .flat_map(|facts: &Vec<Fact>| {
                    options
                        .iter()
                        .map(move |fact| facts.iter().chain([fact]).cloned().collect::<Vec<Fact>>())
                })
                .collect();
        }
        if let Some(some) = answers.first().filter(|facts| !facts.is_empty()).cloned() {
            // One question without an answer, whichever it is.
            for index in 0..some.len() {
                let mut facts = some.clone();
                facts[index] = Fact::Unanswered(trouble(ErrorKind::Unavailable));
                all.push(facts);
            }
        }
        if !node.root.domain.status().holds() {
            // What proves nothing: for another generation, for another name, in another topic, and
            // what the store says somebody else has proved.
            let Subject { topic, generation, name, .. } =
                node.root.domain.subject(Topic::Ownership);
            let wrong = [
                Subject::new(topic, generation + 1, name.clone()),
                Subject::new(topic, generation, "_plat-challenge.example.org".parse().unwrap()),
                Subject::new(Topic::Routing, generation, name.clone()),
            ];
            for subject in wrong {
                let mut facts = answers.last().cloned().unwrap_or_default();
                facts.push(look(&subject, Verdict::Confirmed, node.now));
                all.push(facts);
            }
            let right = Subject::new(topic, generation, name);
            for mut facts in answers.clone() {
                facts.push(look(&right, Verdict::Confirmed, node.now));
                facts.push(Fact::Taken(Vec::new()));
                all.push(facts);
            }
        }
        all.extend(answers);
        all
    }

    /// What may be answered, what refutes last.
    fn answers(&self, question: &Question, node: &Node) -> Vec<Fact> {
        match question {
            Question::Look(subject) => {
                let mut verdicts = vec![Verdict::Confirmed, Verdict::Refuted];
                if subject.topic == Topic::Ownership {
                    verdicts.push(Verdict::Unknown);
                } else if subject.topic != self.other {
                    verdicts.truncate(1);
                }
                verdicts.into_iter().map(|verdict| look(subject, verdict, node.now)).collect()
            }
            Question::Account => {
                [AccountState::Ready, AccountState::Enrolling, AccountState::Absent]
                    .map(Fact::Account)
                    .to_vec()
            }
            Question::Order { order, .. } => self
                .progress(node)
                .into_iter()
                .map(|(progress, chain)| Fact::Order { order: *order, progress, chain })
                .collect(),
            Question::OrderKey { order, .. } => {
                let valid = |it: &&Issued| it.not_before <= node.now && node.now < it.not_after;
                let issued = self.issued.iter().rfind(valid).unwrap_or(&self.issued[0]);
                vec![Fact::OrderKey {
                    order: *order,
                    id: KeyId::from_bytes(i128::from(node.now.timestamp()).to_be_bytes()),
                    sealed: Sealed::new("sealed".into()),
                    public_key: issued.public_key.clone(),
                    request: vec![1],
                }]
            }
            Question::Caa => {
                let (at, record) = ("example.com".parse().unwrap(), "0 issue \";\"".to_owned());
                let forbidden = Permission::Forbidden { at, record, add: None };
                [Permission::Allowed, forbidden].map(Fact::Caa).to_vec()
            }
            Question::Visible { owner, value } => [Verdict::Confirmed, Verdict::Refuted]
                .map(|verdict| Fact::Visible {
                    owner: owner.clone(),
                    value: value.clone(),
                    verdict,
                })
                .to_vec(),
            other => panic!("a question that a domain does not have: {other:?}"),
        }
    }

    fn progress(&self, Node { root, .. }: &Node) -> Vec<(Progress, Option<String>)> {
        let authorization = |status| {
            let publications = vec![
                Publication::Http01 { token: "token".into(), body: "body".into() },
                Publication::Dns01 { value: "value".into() },
            ];
            let name = root.domain.name().base();
            Authorization::new(Handle::new("authorization"), name, status, publications)
        };
        let one = |status| Progress::new(OrderState::Pending, vec![authorization(status)]);
        let mut unsupported = authorization(AuthorizationStatus::Pending);
        unsupported.publications.clear();
        let caa = Some(Problem::new("caa", "not for you"));
        let state = |state| Progress::new(state, Vec::new());
        let mut all = vec![
            (one(AuthorizationStatus::Pending), None),
            (one(AuthorizationStatus::Processing), None),
            (one(AuthorizationStatus::Valid), None),
            (one(AuthorizationStatus::Invalid), None),
            (Progress::new(OrderState::Pending, vec![unsupported]), None),
            (state(OrderState::Ready), None),
            (state(OrderState::Processing), None),
            (state(OrderState::Valid), None),
            (state(OrderState::Valid), Some("no chain".into())),
            (state(OrderState::Invalid), None),
            (state(OrderState::Invalid).with_problem(caa), None),
        ];
        let key = root.order.as_ref().and_then(|order| order.key.as_ref());
        let chain = key
            .and_then(|key| self.issued.iter().find(|issued| issued.public_key == key.public_key));
        all.extend(chain.map(|issued| (state(OrderState::Valid), Some(issued.pem.clone()))));
        all
    }

    /// What people may ask for, as the commands change a domain.
    fn commands(&self, Node { root, now }: &Node) -> Vec<(Option<Event>, Domain)> {
        let mut all = Vec::new();
        let domain = &root.domain;
        if domain.is_removed() {
            return all;
        }
        let mut removed = domain.clone();
        removed.apply(Event::RemovalRequested).unwrap();
        all.push((Some(Event::RemovalRequested), removed));
        let until = after(*now, self.settings.policy.claim_ttl).max(domain.challenge().expires_at);
        let mut retried = domain.clone();
        if retried.apply(Event::Retried).is_ok() {
            assert!(!retried.status().holds(), "a command proves nothing");
            let retried = edit(&retried, |json| {
                json["next_check_at"] = serde_json::to_value(now).unwrap();
                json["next_order_at"] = serde_json::Value::Null;
                json["challenge"]["expires_at"] = serde_json::to_value(until).unwrap();
                json["failed_orders"] = 0.into();
            });
            all.push((Some(Event::Retried), retried));
        }
        if domain.status().holds() {
            let mut reset = domain.clone();
            reset.apply(Event::OwnershipReset).unwrap();
            let reset = edit(&reset, |json| {
                let generation = domain.challenge().generation + 1;
                json["challenge"]["generation"] = generation.into();
                json["challenge"]["expires_at"] = serde_json::to_value(until).unwrap();
                for topic in ["ownership", "routing", "delegated"] {
                    json[topic] = serde_json::to_value(Evidence::default()).unwrap();
                }
                json["title"]["gives_up"] = true.into();
                json["next_check_at"] = serde_json::to_value(now).unwrap();
                json["next_order_at"] = serde_json::Value::Null;
                json["failed_orders"] = 0.into();
            });
            all.push((Some(Event::OwnershipReset), reset));
        }
        if domain.status() != Status::Removing {
            let checked = edit(domain, |json| {
                json["next_check_at"] = serde_json::to_value(now).unwrap();
                if domain.status() == Status::Pending && *now > domain.challenge().expires_at {
                    json["challenge"]["expires_at"] = serde_json::to_value(until).unwrap();
                }
            });
            all.push((None, checked));
        }
        all
    }

    /// Whatever the world answers, as long as it stays the same: the machine comes to rest.
    fn settles(&mut self, node: &Node) {
        let DomainRoot { domain, order, intent, .. } = &node.root;
        let stage = order.as_ref().map(|order| order.status);
        let effect = intent.as_ref().map(|intent| intent.effect.kind());
        let check = domain.next_check_at().map(|at| at <= node.now);
        if !self.rested.insert((domain.status(), stage, effect, check)) {
            return;
        }
        let progress = self.progress(node).len();
        for answer in 0..progress.max(3) {
            for outcome in 0..outcomes(EffectKind::Finalize).len() {
                self.rest(node.clone(), answer, outcome);
            }
        }
        self.rest(node.clone(), usize::MAX, 0);
    }

    fn rest(&mut self, mut node: Node, answer: usize, outcome: usize) {
        let mut outcomes_so_far = None;
        for _ in 0..RESTLESS {
            let facts = match outcomes_so_far.take() {
                Some(fact) => vec![fact],
                None => {
                    let root = Root::Domain(Box::new(node.root.clone()));
                    let asked = questions(&root, node.now);
                    asked
                        .iter()
                        .map(|question| {
                            let options = self.answers(question, &node);
                            options
                                .get(answer.min(options.len().saturating_sub(1)))
                                .filter(|_| answer != usize::MAX)
                                .cloned()
                                .unwrap_or_else(|| {
                                    Fact::Unanswered(trouble(ErrorKind::Unavailable))
                                })
                        })
                        .collect()
                }
            };
            let decision = self.step(&node, &facts);
            let Root::Domain(root) = decision.root else {
                panic!("a domain became something else")
            };
            node.root = *root;
            if let Some(intent) = decision.effect {
                let outcome = outcomes(intent.effect.kind()).swap_remove(outcome);
                outcomes_so_far = Some(Fact::Outcome { id: intent.id, outcome });
            } else if decision.due.is_none_or(|due| due > node.now) {
                return;
            }
        }
        panic!("it never comes to rest with answer {answer}, outcome {outcome}: {:#?}", node.root);
    }
}

/// Returns the ids of the certificates and keys that are stored for a domain.
fn belongings(root: &DomainRoot) -> BTreeSet<String> {
    let order = root.order.as_ref().and_then(|order| order.key.as_ref());
    let served = root.domain.certificate();
    let keys = order.map(|key| key.id).into_iter().chain(served.map(|served| served.key));
    keys.map(|id| id.to_string()).chain(served.map(|served| served.id.to_string())).collect()
}

/// What may come of an effect: done, not yet, unknown first.
fn outcomes(kind: EffectKind) -> Vec<Outcome> {
    let receipt = match kind {
        EffectKind::Enroll => Receipt::Handle(Handle::new("made")),
        EffectKind::OpenOrder => {
            Receipt::Opened { order: Handle::new("made"), account: Handle::new("ours") }
        }
        _ => Receipt::Done,
    };
    let mut rejected = trouble(ErrorKind::Refused);
    rejected.code = Some("rejectedIdentifier".into());
    vec![
        Outcome::Done(receipt),
        Outcome::NotYet(trouble(ErrorKind::RateLimited)),
        Outcome::Unknown(trouble(ErrorKind::Unknown)),
        Outcome::Refused(trouble(ErrorKind::Denied)),
        Outcome::Refused(trouble(ErrorKind::Precondition)),
        Outcome::Refused(trouble(ErrorKind::NotFound)),
        Outcome::Refused(rejected),
    ]
}

fn trouble(kind: ErrorKind) -> Trouble {
    Trouble::new(kind, "on request")
}

fn look(subject: &Subject, verdict: Verdict, now: Timestamp) -> Fact {
    let found = match verdict {
        Verdict::Confirmed => Found::Values,
        Verdict::Refuted => Found::NxDomain,
        _ => Found::Timeout,
    };
    Fact::Observed(Observation::new(subject.clone(), verdict, now, Seen::of(found)))
}

fn edit(domain: &Domain, change: impl FnOnce(&mut serde_json::Value)) -> Domain {
    let mut json = serde_json::to_value(domain).unwrap();
    change(&mut json);
    serde_json::from_value(json).unwrap()
}

/// The cells that change the status and that the engine never uses.
fn unused(status: Status, event: Event) -> bool {
    match (status, event) {
        // An order makes it `certificate_pending` before it can fail.
        (Status::Verified, Event::Failed) => true,
        _ => false,
    }
}

fn assert_covered(reached: &Reached, effects: &[EffectKind]) {
    assert_eq!(reached.statuses, BTreeSet::from(Status::ALL));
    assert_eq!(reached.stages, BTreeSet::from(OrderStatus::ALL));
    assert_eq!(reached.effects, effects.iter().copied().collect());
    let mut cells = BTreeSet::new();
    for status in Status::ALL {
        for event in Event::ALL {
            // What changes nothing is not told, except by who asks for removal twice.
            let changes = status.on(event).is_some_and(|next| next != status)
                || (status, event) == (Status::Removing, Event::RemovalRequested);
            if changes && !unused(status, event) {
                cells.insert((status, event));
            }
        }
    }
    assert_eq!(reached.cells, cells);
    assert_eq!(reached.sights, BTreeSet::from(["contested", "dormant", "removed", "renewed"]));
}

#[tokio::test]
async fn no_path_leads_to_a_name_that_is_held_without_a_fresh_proof() {
    let search = Search::from("shop.example.com", "shop.example.com", Topic::Routing).await;
    let reached = search.run();
    println!("{} situations, {} decisions", reached.nodes, reached.decisions);
    let effects = [EffectKind::Finalize, EffectKind::OpenOrder, EffectKind::Respond];
    assert_covered(&reached, &effects);
}

#[tokio::test]
async fn no_path_publishes_for_a_name_that_is_not_held() {
    let search = Search::from("*.example.com", "any.example.com", Topic::Delegation).await;
    let reached = search.run();
    println!("{} situations, {} decisions", reached.nodes, reached.decisions);
    let effects = [
        EffectKind::Finalize,
        EffectKind::OpenOrder,
        EffectKind::Publish,
        EffectKind::Respond,
        EffectKind::Unpublish,
    ];
    assert_covered(&reached, &effects);
}

/// An account is made once, however often the answer is lost, and then it rests.
#[test]
fn every_path_of_an_account_ends_with_one_account_or_a_due_time() {
    let settings = Settings::new(policy(), "ca.test".into());
    let now = Timestamp::from_timestamp(1_800_000_000, 0).unwrap();
    let mut queue = VecDeque::from([(AccountRoot::new("ca.test".into()), now, 0_u8)]);
    let mut ready = 0;
    while let Some((root, now, depth)) = queue.pop_front() {
        let before = Root::Account(Box::new(root.clone()));
        let mut all = vec![Vec::new()];
        match &root.intent {
            Some(intent) => all.extend(
                outcomes(EffectKind::Enroll)
                    .into_iter()
                    .map(|outcome| vec![Fact::Outcome { id: intent.id, outcome }]),
            ),
            None if !questions(&before, now).is_empty() => {
                assert_eq!(questions(&before, now), [Question::AccountKey]);
                all.push(vec![Fact::AccountKey(Sealed::new(format!("key {depth}")))]);
                all.push(vec![Fact::Unanswered(trouble(ErrorKind::Unavailable))]);
            }
            None => {}
        }
        for facts in all {
            let moment = Moment::new(now, [depth; 32]);
            let decision = decide(&before, &facts, &settings, moment);
            assert_eq!(decide(&before, &facts, &settings, moment), decision);
            let Root::Account(after) = &decision.root else { panic!("{decision:?}") };
            assert!(root.key.is_none() || after.key == root.key, "the key is the account");
            assert!(root.handle.is_none() || after.handle == root.handle);
            assert_eq!(decision.due.is_none(), after.handle.is_some(), "{decision:?}");
            if let Some(intent) = &decision.effect {
                assert_eq!(intent.effect, Effect::Enroll);
                assert!(after.key.is_some() && after.intent.as_ref() == Some(intent));
                if let Some(old) = &root.intent {
                    assert_eq!(old.id, intent.id, "another id for the same wish");
                }
            }
            ready += usize::from(after.handle.is_some());
            if depth < 6 && after.handle.is_none() {
                let then = decision.due.unwrap().max(now);
                queue.push_back(((**after).clone(), then, depth + 1));
            }
        }
    }
    assert!(ready > 0);
}
