//! A platform with its customers' zones, and processes that reach it on faulty ways.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;

use super::{
    Profile, Scenario,
    broken::Broken,
    core::{Core, Skewed},
    dice::{Dice, DiceRandom},
    hearing::Audience,
    letters::Postman,
    link::{self, Faulty},
    listener::{Hasty, Listener},
    mutant::Mutant,
    pages::Web,
    plan::Plan,
    truth::{Caps, Claim, Truth},
    vault::Vault,
    view::View,
    watch::{Make, Watched},
};
use crate::{
    ca::{CertificateAuthority, InMemoryCa, UnsignedSigner},
    certificate::Validation,
    challenge::email::{Link, MailWish},
    clock::{Clock, Timestamp},
    dns::{Capabilities, DnsProvider, InMemoryDns},
    domain::{NewDomain, Targets},
    engine::{Budget, Edge, Onboarding, Policy, Subscriber},
    error::{Error, Result},
    id::TenantId,
    keys::InMemoryKeys,
    mail::Mailer,
    name::{ClaimPolicy, DnsName},
    probe::{Fetch, Fetched, InMemoryProbe, Probe},
    record::{RecordData, RecordSet, Ttl},
    resolver::{InMemoryResolver, Resolver},
    seal::{InMemorySealer, Sealer, SealingKeyId},
    store::{InMemoryStore, Store},
    testkit::Layered,
};

/// When histories start.
const START: i64 = 1_800_000_000;
/// The zone in which the platform places answers to DNS challenges.
const DELEGATION: &str = "acme.platform.test";
/// The platform's edge.
const EDGE: &str = "edge.platform.test";
/// Where records of the platform's lead that are proofs.
const PROOFS: &str = "proofs.platform.test";
/// The customers' zones.
const ZONES: [&str; 2] = ["example.com", "example.net"];

/// Who claims what, and how the authority is convinced unless it follows from the name.
const CLAIMS: [(u8, &str, Option<Validation>); 4] = [
    (1, "shop.example.com", None),
    (2, "shop.example.com", None),
    (1, "*.wild.example.com", None),
    (2, "www.example.net", Some(Validation::Dns01)),
];

/// Most claims that a history may have.
pub(super) const MOST_CLAIMS: usize = CLAIMS.len();

/// The same for histories about claims: three tenants, and names that all of them want.
const TITLES: [(u8, &str, Option<Validation>); 8] = [
    (1, SHOP, None),
    (2, SHOP, None),
    (3, SHOP, None),
    (2, "*.example.com", None),
    (1, "*.wild.example.com", None),
    (3, "*.wild.example.com", None),
    (2, "www.example.net", Some(Validation::Dns01)),
    (1, "www.example.net", Some(Validation::Dns01)),
];

const SHOP: &str = "shop.example.com";

/// Returns whether a claim of a history about claims is on a wildcard.
pub(super) fn is_wildcard(claim: usize) -> bool {
    TITLES.get(claim).is_some_and(|(_, name, _)| name.starts_with("*."))
}

/// Numbers of claims in such histories that are on one name.
pub(super) const RIVALS: [&[usize]; 3] = [&[0, 1, 2, 3], &[4, 5], &[6, 7]];

const HOUR: Duration = Duration::from_secs(3600);

/// `Policy::contest_cool_off` in these histories.
pub(super) const COOL_OFF: Duration = HOUR.saturating_mul(6);

/// `Policy::transfer_ttl` in these histories.
pub(super) const OFFER: Duration = HOUR.saturating_mul(4);

/// `Policy::quarantine` in all histories.
pub(super) const QUARANTINE: Duration = HOUR.saturating_mul(24 * 30);

/// How many names a tenant may have in some of these histories.
const CAPS: Caps = Caps { total: 3, pending: 2, below: 3 };

/// A platform with its customers' zones.
pub(super) struct World {
    pub(super) core: Core,
    pub(super) store: Watched,
    pub(super) vault: Vault,
    processes: Vec<Onboarding>,
    /// The same, as they are when they were started anew.
    anew: Vec<Onboarding>,
    is_anew: AtomicBool,
    /// A process to which nothing ever happens, for looking at things.
    pub(super) observer: Onboarding,
    pub(super) edge: Edge,
    pub(super) targets: Targets,
    pub(super) zones: Vec<DnsName>,
    reports: Vec<Arc<AtomicBool>>,
}

impl World {
    pub(super) fn new(
        scenario: &Scenario,
        plan: &Plan,
        seed: u64,
        muted: &BTreeSet<u64>,
    ) -> Result<Self> {
        let names = |names: &[&str]| -> Result<Vec<DnsName>> {
            names.iter().map(|name| name.parse().map_err(broken)).collect()
        };
        let random = Arc::new(DiceRandom::new(Dice::new(seed, 2)));
        let mut claims = Vec::new();
        let is_of_claims = plan.profile == Profile::Claims;
        let cast: &[_] = if is_of_claims { &TITLES } else { &CLAIMS };
        let mut owners = BTreeMap::new();
        for (number, method) in &plan.claims {
            let Some((tenant, name, validation)) = cast.get(*number) else { continue };
            let mut wanted: NewDomain = name.parse().map_err(broken)?;
            if let Some(validation) = validation {
                wanted = wanted.with_validation(*validation);
            }
            if let Some(method) = method {
                let whom = whom(&wanted);
                wanted = wanted.with_method(*method).with_mail(whom);
            }
            let tenant = TenantId::from_bytes([*tenant; 16]);
            if let Some(zone) = wanted.name().registrable() {
                owners.entry(zone.to_owned()).or_insert(tenant);
            }
            claims.push(Claim::new(tenant, wanted));
        }
        let mut hosted = names(&ZONES)?;
        let customers = hosted.clone();
        hosted.extend(names(&["platform.test", DELEGATION])?);
        let second = Ttl::from_secs(1).unwrap_or(Ttl::MINUTE);
        let zones =
            InMemoryDns::new(hosted).with_capabilities(Capabilities::new(plan.atomic, second));
        let address = RecordData::A([203, 0, 113, 10].into());
        let edge = RecordSet::new(EDGE.parse().map_err(broken)?, Ttl::HOUR, [address]);
        zones.set(edge.map_err(broken)?)?;

        let start = Timestamp::from_timestamp(START, 0).unwrap_or_default();
        let mut truth = Truth::new(zones.clone(), claims);
        truth.titles.owners = owners;
        truth.caps = plan.caps.then_some(CAPS);
        truth.outbox = plan.outbox();
        let core = Core::new(start, Dice::new(seed, 3), plan.weather(seed, muted), truth);
        let clock: Arc<dyn Clock> = Arc::new(core.clock().clone());
        let view = View { core: core.clone(), zones: zones.clone() };
        let resolver = InMemoryResolver::over(Arc::new(view));
        let probe = EdgeProbe::default();
        let skewed = Skewed { clock: core.clock().clone(), ahead: plan.skew };
        let ca = InMemoryCa::new(Arc::new(skewed), Arc::new(UnsignedSigner))
            .with_random(random.clone())
            .with_resolver(Arc::new(resolver.clone()))
            .with_probe(Arc::new(probe.clone()))
            .with_processing_time(plan.processing)
            .with_authorization_reuse(plan.reuse)
            .with_validity(plan.validity);
        core.with(|state| state.truth.ca = Some(ca.clone()));
        let keys = InMemoryKeys::new().with_random(random.clone());
        let sealer = InMemorySealer::new().with_random(random.clone());
        let next = SealingKeyId::new("second").map(|key| sealer.clone().with_key(key));
        let next = next.map_err(broken)?;
        let vault = Vault::new(Arc::new(keys), Arc::new(sealer)).with_next(Arc::new(next));
        let mutant = scenario.mutant;
        let below = mutant.filter(|mutant| is_of_store(*mutant));
        let theirs = scenario.store.clone();
        let make = Make(Arc::new(move || {
            let store = match &theirs {
                Some(make) => make(clock.clone()),
                None => Arc::new(InMemoryStore::new(clock.clone())),
            };
            Arc::new(Layered::new(Broken::new(store, below)))
        }));
        let store = Watched::new(make, core.clone(), vault.clone());

        let mut targets = Targets::cname(EDGE);
        targets = targets.with_addresses([[203, 0, 113, 10].into()], []);
        let policy = policy(plan, mutant);
        let parts = Parts {
            core: &core,
            random: &random,
            vault: &vault,
            policy,
            targets: &targets,
            mutant,
            has_log: plan.audience.is_some_and(|audience| audience.log),
        };
        let web = Arc::new(Web { core: core.clone() });
        let pages = InMemoryProbe::new().with_fallback(web);
        let observer = parts.build(Ways {
            store: Arc::new(store.clone()),
            resolver: Arc::new(resolver.clone()),
            probe: Arc::new(pages.clone()),
            zones: Arc::new(zones.clone()),
            ca: Arc::new(ca.clone()),
            sealer: Arc::new(vault.clone()),
            mailer: Arc::new(Postman { core: core.clone() }),
            subscribers: Vec::new(),
        })?;
        let _ = probe.0.set(observer.edge());
        let mut processes = Vec::new();
        for number in (0..plan.processes).chain(0..plan.processes) {
            let link = link::Link::new(core.clone(), number);
            let zones: Arc<dyn DnsProvider> = Arc::new(zones.clone());
            let ca: Arc<dyn CertificateAuthority> = Arc::new(ca.clone());
            let resolver: Arc<dyn Resolver> = Arc::new(resolver.clone());
            let pages: Arc<dyn Probe> = Arc::new(pages.clone());
            let sealer: Arc<dyn Sealer> = Arc::new(vault.clone());
            let listeners = plan.audience.iter().flat_map(Audience::ids);
            let subscribers = listeners.map(|id| {
                let listener = Listener { id, core: core.clone(), store: store.clone() };
                let listener = Faulty::new(Arc::new(listener), link.clone());
                Arc::new(Hasty::new(listener, mutant)) as Arc<dyn Subscriber>
            });
            let subscribers = subscribers.collect();
            let store = Faulty::new(Arc::new(store.clone()), link.clone());
            let postman = Arc::new(Postman { core: core.clone() });
            let mailer = Faulty::new(postman, link.clone());
            let zones = spoiled(Faulty::new(zones, link.clone()), mutant);
            let ca = spoiled(Faulty::new(ca, link.clone()), mutant);
            processes.push(parts.build(Ways {
                store: Arc::new(Layered::new(spoiled(store, mutant))),
                resolver: Arc::new(spoiled(Faulty::new(resolver, link.clone()), mutant)),
                probe: Arc::new(spoiled(Faulty::new(pages, link.clone()), mutant)),
                zones: Arc::new(Layered::new(zones)),
                ca: Arc::new(Layered::new(ca)),
                sealer: Arc::new(Faulty::new(sealer, link)),
                mailer: Arc::new(mailer),
                subscribers,
            })?);
        }
        let anew = processes.split_off(plan.processes);
        let reports = processes.iter().map(|_| Arc::default()).collect();
        let mut all = customers;
        all.extend(names(&[DELEGATION])?);
        let edge = observer.edge();
        Ok(Self {
            core,
            store,
            vault,
            processes,
            anew,
            is_anew: AtomicBool::new(false),
            observer,
            edge,
            targets,
            zones: all,
            reports,
        })
    }

    /// Returns how many processes there are.
    pub(super) const fn count(&self) -> usize {
        self.processes.len()
    }

    /// Returns a process.
    pub(super) fn process(&self, number: usize) -> Option<Onboarding> {
        let processes =
            if self.is_anew.load(Ordering::Relaxed) { &self.anew } else { &self.processes };
        processes.get(number).cloned()
    }

    /// Starts all processes anew, so that none remembers anything.
    pub(super) fn start_anew(&self) {
        self.is_anew.store(true, Ordering::Relaxed);
    }

    /// Returns where a step of a process says that it found nothing.
    pub(super) fn report(&self, process: usize) -> Arc<AtomicBool> {
        self.reports.get(process).cloned().unwrap_or_default()
    }
}

/// Returns what a process uses: the mutant, if there is one, comes between it and its backend.
fn spoiled<T>(backend: T, mutant: Option<Mutant>) -> Broken<T> {
    // What is broken about the store itself is below what watches it.
    let above = mutant.filter(|mutant| !is_of_store(*mutant));
    Broken::new(Arc::new(backend), above)
}

const fn is_of_store(mutant: Mutant) -> bool {
    matches!(
        mutant,
        Mutant::DropFence | Mutant::DropWake | Mutant::Overwrite | Mutant::ReuseRevision
    )
}

/// The numbers of the engine, so that much happens in a few days.
fn policy(plan: &Plan, mutant: Option<Mutant>) -> Policy {
    let mut policy = Policy::new();
    policy.demote_over = HOUR * 36;
    policy.recheck_refuted = HOUR * 6;
    policy.recheck = HOUR * 48;
    policy.max_failed_orders = 3;
    policy.batch = plan.batch;
    policy.quarantine = QUARANTINE;
    if plan.profile == Profile::Claims {
        policy.contest_cool_off = COOL_OFF;
        policy.transfer_ttl = OFFER;
        policy.transfer_grace = HOUR * 4;
        policy.transfer_cool_down = HOUR * 2;
        policy.mail_spacing = Duration::from_secs(600);
        policy.mail_budget = Budget::new(10, HOUR * 6);
    }
    if plan.caps {
        let count = |count| u32::try_from(count).ok();
        policy.max_claims = count(CAPS.total);
        policy.max_pending = count(CAPS.pending);
        policy.max_below = count(CAPS.below);
        policy.adds = Some(Budget::new(6, HOUR));
    }
    if plan.is_tight {
        policy.budgets.certificates = Some(Budget::new(3, HOUR * 6));
        policy.budgets.duplicates = Some(Budget::new(2, HOUR * 6));
        policy.budgets.orders = Some(Budget::new(6, HOUR));
    }
    if let Some(audience) = plan.audience {
        policy.keep_log = audience.keep;
        policy.delivery_patience = audience.patience;
    }
    if let Some(pace) = plan.pace {
        policy.poll_interval = pace.poll;
        policy.drain = pace.drain;
    }
    if let Some(mutant) = mutant {
        mutant.spoil_policy(&mut policy);
    }
    policy
}

/// Has one person written to, and not five.
fn whom(wanted: &NewDomain) -> MailWish {
    let zone = wanted.name().registrable().unwrap_or_default();
    MailWish::new().with_addresses([format!("hostmaster@{zone}")])
}

/// What all processes have in common.
struct Parts<'a> {
    core: &'a Core,
    random: &'a DiceRandom,
    vault: &'a Vault,
    policy: Policy,
    targets: &'a Targets,
    mutant: Option<Mutant>,
    /// Whether what happens to the domains of a tenant is written into one log.
    has_log: bool,
}

/// The ways from one process to its backends.
struct Ways {
    store: Arc<dyn Store>,
    resolver: Arc<dyn Resolver>,
    probe: Arc<dyn Probe>,
    zones: Arc<dyn DnsProvider>,
    ca: Arc<dyn CertificateAuthority>,
    sealer: Arc<dyn Sealer>,
    mailer: Arc<dyn Mailer>,
    subscribers: Vec<Arc<dyn Subscriber>>,
}

impl Parts<'_> {
    fn build(&self, ways: Ways) -> Result<Onboarding> {
        let link = Link::new("https://plat.test/confirm")?;
        let allowed: Vec<DnsName> = ZONES.iter().filter_map(|zone| zone.parse().ok()).collect();
        let delegation: DnsName = DELEGATION.parse().map_err(broken)?;
        let is_told = !ways.subscribers.is_empty();
        let mut builder = Onboarding::builder(ways.store);
        for subscriber in ways.subscribers {
            builder = builder.with_subscriber(subscriber);
        }
        if is_told && self.has_log {
            builder = builder.with_tenant_log();
        }
        builder
            .with_brand("plat")
            .with_targets(self.targets.clone())
            .with_resolver(ways.resolver)
            .with_probe(ways.probe)
            .with_dns(ways.zones)
            .with_authority(ways.ca)
            .with_keys(Broken::new(Arc::new(self.vault.clone()), self.mutant))
            .with_sealer(ways.sealer)
            .with_timer(self.core.clone())
            .with_random(self.random.clone())
            .with_claims(ClaimPolicy::new().with_allowed(allowed))
            .with_delegation_zone(delegation)
            .with_proof_target(PROOFS.parse().map_err(broken)?)
            .with_mailer(ways.mailer, link)
            .with_policy(self.policy.clone())
            .build()
            .map_err(broken)
    }
}

fn broken(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(crate::error::ErrorKind::Internal, "simulation", "build", cause.to_string())
        .with_source(cause)
}

/// What a validation server sees over HTTP: the platform's edge, wherever a name leads.
#[derive(Clone, Default)]
struct EdgeProbe(Arc<OnceLock<Edge>>);

impl fmt::Debug for EdgeProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EdgeProbe")
    }
}

#[async_trait]
impl Probe for EdgeProbe {
    async fn fetch(&self, fetch: &Fetch) -> Result<Fetched> {
        let token = fetch.path.strip_prefix("/.well-known/acme-challenge/");
        let (Some(edge), Some(token)) = (self.0.get(), token) else {
            return Ok(Fetched::Unreachable);
        };
        Ok(match edge.answer(&fetch.host, token).await? {
            Some(body) => Fetched::response(200, body),
            None => Fetched::response(404, ""),
        })
    }
}
