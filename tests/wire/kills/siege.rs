//! Some workers that are killed and stopped while tenants come, change their minds and go.

mod process;
mod tenants;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use nameplate::{
    Onboarding, RecordData, RecordSet,
    clock::{Clock as _, SystemClock},
    dns::Rfc2136,
    domain::{Domain, Status},
    error::{ErrorKind, Result},
    id::DomainId,
    record::Ttl,
    testkit::Tape,
};
use process::{Next, Process, Target};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::Instant,
};

use super::{
    base::{self, Base, Due},
    check,
    dice::Dice,
    link::Link,
    outage::{self, Outage, Outages, Slot},
    plan::{Fault, Plan},
    platform::{Place, TENANT},
    points,
    proxy::Proxy,
    worker::{Role, Said},
};
use crate::{acme, rfc2136::provider, scratch::Scratch, servers};

/// How long it may take to kill a worker at every point. It takes less than a minute on two processors that
/// have nothing else to do.
const WALK: Duration = Duration::from_secs(1200);

/// How many domains there are meanwhile, at most: enough for three workers.
const WALKED: usize = 24;

pub(super) struct Siege {
    pub(super) place: Place,
    pub(super) nameplate: Onboarding,
    /// The ids of the processes that were stopped, so that what they did later may be late.
    pub(super) stopped: BTreeSet<u32>,
    /// What is in the zone that is not ours: owner, type, data.
    pub(super) foreign: BTreeSet<String>,
    /// Every domain that there was.
    pub(super) all: BTreeMap<DomainId, Domain>,
    /// What was said of the store by those who could not write.
    pub(super) failed: BTreeSet<String>,
    plan: Plan,
    dice: Dice,
    dns: Rfc2136,
    processes: Vec<Process>,
    started: usize,
    said: UnboundedReceiver<(usize, Option<Said>)>,
    say: UnboundedSender<(usize, Option<Said>)>,
    targets: VecDeque<Target>,
    points: BTreeSet<String>,
    /// Whether a process is to be stopped at some point, or was.
    plans_a_stop: bool,
    faults: BTreeMap<(String, Fault), usize>,
    missed: Vec<Target>,
    /// What has to wait until a worker was killed at every point, while that is what happens.
    later: Option<Vec<Target>>,
    names: usize,
    feed_at: Instant,
    start_at: Instant,
    /// The ways to the database, if it is one, and what is to be removed of it.
    slots: Vec<Slot>,
    outages: Option<Outages>,
    suffered: BTreeMap<Outage, usize>,
    _folder: Scratch,
}

impl Siege {
    /// Prepares a siege, with the file of the store in `folder` or in one of its own.
    pub(super) async fn on_a_file(plan: Plan, folder: Option<&std::path::Path>) -> Self {
        let own = Scratch::new();
        let file = folder.unwrap_or_else(|| own.path()).join("store.db");
        Self::new(plan, Base::Sqlite(file), own).await
    }

    /// Prepares a siege on PostgreSQL.
    pub(super) async fn on_postgres(plan: Plan) -> Self {
        let schema = format!("kills_{}_{}", std::process::id(), plan.seed);
        Self::new(plan, Base::Postgres { url: servers::postgres(), schema }, Scratch::new()).await
    }

    async fn new(plan: Plan, base: Base, own: Scratch) -> Self {
        let seed = plan.seed;
        // The servers may outlive this process, and others may use them.
        let suffix = format!("k{}-{seed}.{}", std::process::id(), servers::zones()[0]);
        let place = Place { base, ledger: own.file("ledger"), suffix };
        println!("{} by seed {seed}", place.suffix);
        let store = place.base.open(Duration::from_secs(20)).await.unwrap();
        let nameplate = place.platform(&store, &Tape::new());
        let mut slots = Vec::new();
        if let Base::Postgres { url, .. } = &place.base {
            for _ in 0..plan.workers {
                let proxy = Proxy::open(base::port(url), outage::end_session).await;
                let number = slots.len();
                let socket = own.file(&format!("proxy{number}"));
                proxy.also_at(&socket);
                let link = Link::open(number, &socket).await;
                slots.push(Slot { process: Arc::default(), proxy, link });
            }
        }
        if plan.http {
            let (edge, runtime) = (nameplate.edge(), tokio::runtime::Handle::current());
            let suffix = format!(".{}", place.suffix);
            acme::answer_too(move |host, token| {
                // After its test nobody asks for these names, and its runtime answers nobody.
                let host = host.ends_with(&suffix).then(|| host.parse().ok())??;
                runtime.block_on(edge.answer(&host, token)).ok()?
            });
        }
        let (say, said) = unbounded_channel();
        let mut siege = Self {
            dice: Dice::new(seed),
            dns: provider(servers::knot()),
            nameplate,
            stopped: BTreeSet::new(),
            foreign: BTreeSet::new(),
            all: BTreeMap::new(),
            failed: BTreeSet::new(),
            processes: Vec::new(),
            started: 0,
            said,
            say,
            targets: points::all()
                // Those of an account are passed once in the life of most stores.
                .filter(|point| {
                    let kills = plan.at_points.contains(&Fault::Kill);
                    plan.walks || kills && point.ends_with("ca.enroll")
                })
                .map(|point| Target { point, fault: Fault::Kill, tries: 0 })
                .collect(),
            points: BTreeSet::new(),
            plans_a_stop: false,
            faults: BTreeMap::new(),
            missed: Vec::new(),
            later: None,
            names: 0,
            feed_at: Instant::now(),
            start_at: Instant::now(),
            slots,
            outages: None,
            suffered: BTreeMap::new(),
            _folder: own,
            place,
            plan,
        };
        let address = RecordData::A([127, 0, 0, 1].into());
        let edge = RecordSet::new(siege.place.edge(), Ttl::MINUTE, [address]).unwrap();
        siege.publish(edge).await;
        siege
    }

    /// Kills a worker at every point that there is, one point after the other, while everything else
    /// works; says how long that took.
    pub(super) async fn walk(&mut self) -> Duration {
        let start = Instant::now();
        self.later = Some(Vec::new());
        let missing = |siege: &Self| -> Vec<String> {
            let is_missing =
                |point: &String| !siege.faults.contains_key(&(point.clone(), Fault::Kill));
            points::all().filter(is_missing).collect()
        };
        loop {
            let missing = missing(self);
            if missing.is_empty() {
                println!("  killed at every point after {} s", start.elapsed().as_secs());
                self.targets.extend(self.later.take().into_iter().flatten());
                return start.elapsed();
            }
            assert!(start.elapsed() < WALK && self.missed.is_empty(), "not reached: {missing:?}");
            self.turn(self.plan.domains.min(WALKED)).await;
        }
    }

    /// Goes on until every point was hit, at least `faults` faults and every outage happened, and `until`
    /// is over.
    pub(super) async fn run(&mut self, faults: usize, until: Instant) {
        if self.plan.outages && self.outages.is_none() {
            let dice = Dice::new(self.dice.draw());
            self.outages = Some(Outages::begin(dice, self.place.clone(), self.slots.clone()));
        }
        let start = Instant::now();
        loop {
            let done = self.faults.values().sum::<usize>() >= faults
                && Instant::now() >= until
                && (self.outages.is_none() || self.has_seen_every_outage());
            let hit = self.targets.is_empty()
                && self.processes.iter().all(|process| process.target.is_none())
                && (self.plan.at_points.is_empty() || !self.points.is_empty());
            // A long one ends when it is told to.
            let is_over = self.outages.is_some() && until > start && Instant::now() >= until;
            if done && hit || is_over {
                println!("  besieged for {} s", start.elapsed().as_secs());
                return;
            }
            self.turn(self.plan.domains).await;
        }
    }

    /// Returns whether a worker is being killed at every point, and nothing else happens.
    const fn is_walking(&self) -> bool {
        self.later.is_some()
    }

    /// Lets everybody go on for a moment.
    async fn turn(&mut self, domains: usize) {
        // Another worker would do what happens only once where nothing happens to it.
        let workers = match &self.later {
            _ if self.awaits_enrollment() => 1,
            // Nor does it leave the others what is rare.
            Some(_) => self.processes.len() + self.targets.len().min(1),
            None => self.plan.workers,
        };
        let workers = workers.min(self.plan.workers);
        let is_again = |next: &Target| next.point.ends_with("ca.enroll") && next.tries > 0;
        if self.is_walking() && self.targets.front().is_some_and(is_again) {
            // There is an account by now: it has to be lost first, and nobody else to make it again.
            if self.processes.is_empty() {
                let wait = Duration::from_millis(100);
                outage::Servers::of_our_own().forget(&self.place, "KILL", wait).await;
                self.start_besieged();
            }
        } else {
            while self.processes.len() < workers && Instant::now() >= self.start_at {
                self.start_besieged();
            }
        }
        self.listen(Duration::from_millis(20)).await;
        self.strike();
        self.feed(domains).await;
    }

    /// Kills every worker.
    pub(super) fn kill_all(&mut self) {
        for mut process in std::mem::take(&mut self.processes) {
            process.child.kill().unwrap();
            process.child.wait().unwrap();
        }
    }

    /// Ends everything that happens, lets healthy workers go on, and waits until nothing is due.
    pub(super) async fn settle(&mut self) {
        if let Some(outages) = self.outages.take() {
            self.suffered = outages.end().await;
        }
        self.kill_all();
        let rest = (Next::Rest, Instant::now() + Duration::from_secs(3600));
        for _ in 0..self.plan.workers {
            let role = Role { at: None, drags: false, tenants: None, through: None, script: None };
            self.start(&role, None, None, rest);
        }
        let patience = Duration::from_secs(300 + 2 * self.plan.domains as u64);
        let (start, end) = (Instant::now(), Instant::now() + patience);
        let mut restless = Vec::new();
        while Instant::now() < end {
            self.listen(Duration::from_millis(500)).await;
            restless = self.restless().await.unwrap();
            if restless.is_empty() {
                println!("  at rest after {} s", start.elapsed().as_secs());
                return;
            }
        }
        panic!("not at rest in time: {restless:#?}");
    }

    /// Returns what is still due, and sees to it that nothing waits long.
    async fn restless(&mut self) -> Result<Vec<String>> {
        let mut restless = Vec::new();
        let now = SystemClock.now();
        let dues = self.place.base.dues();
        let domains = dues.iter().filter(|due| !due.is_feed).count();
        assert!(domains >= self.all.len(), "{domains} of {} domains", self.all.len());
        for Due { is_feed, id, at } in dues {
            let Some(wait) = at.map(|at| at - now).filter(|wait| wait.num_minutes() < 10) else {
                continue;
            };
            if is_feed {
                restless.push(format!("the feed of {id}, {wait}"));
                continue;
            }
            let id: DomainId = id.parse().unwrap();
            match self.nameplate.get(&TENANT, id).await {
                Ok(domain) => {
                    restless.push(format!(
                        "{} {} {wait}: {}",
                        domain.name(),
                        domain.status(),
                        domain.waiting_on()
                    ));
                    self.come(&domain).await;
                    // As a person would who does not want to wait.
                    if wait.num_seconds() > 1 && domain.next_order_at().is_some() {
                        self.nameplate.retry(&TENANT, id).await?;
                    } else if wait.num_seconds() > 4 {
                        self.nameplate.check(&TENANT, id).await?;
                    }
                }
                // What failed to be swept once more is tried again after two minutes.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    restless.push(format!("{id} is gone, {wait}"));
                }
                Err(error) => return Err(error),
            }
        }
        if restless.is_empty() {
            // Nor does a person wait for an hour because the authority was away.
            for domain in check::domains(&self.nameplate).await? {
                if domain.status() == Status::CertificatePending {
                    restless.push(format!("{}: {}", domain.name(), domain.waiting_on()));
                    self.nameplate.check(&TENANT, domain.id()).await?;
                }
            }
        }
        Ok(restless)
    }

    /// Returns whether all has happened that can happen to everybody.
    fn has_seen_every_outage(&self) -> bool {
        let counts = self.outages.as_ref().map(Outages::counts).unwrap_or_default();
        Outage::ALL.iter().all(|outage| counts.contains_key(outage))
    }

    /// Returns whether servers have stopped, and the network has failed.
    pub(super) fn has_suffered(&self) -> bool {
        !self.suffered.is_empty()
    }

    /// Returns whether those who could not write were told why.
    pub(super) fn has_failed(&self, why: &str) -> bool {
        self.failed.iter().any(|failed| failed.contains(why))
    }

    /// Prints what happened, and asserts that every point was hit.
    pub(super) fn report(&self) {
        println!(
            "{} processes, {} domains, {} points",
            self.started,
            self.all.len(),
            self.points.len()
        );
        for ((point, fault), count) in &self.faults {
            println!("  {fault:?} {point}: {count}");
        }
        if self.plan.walks {
            let kills = |point: &String| self.faults.get(&(point.clone(), Fault::Kill)).copied();
            let never: Vec<_> = points::all().filter(|point| kills(point).is_none()).collect();
            assert_eq!(never, Vec::<String>::new(), "nobody was killed there");
        }
        for (outage, count) in &self.suffered {
            println!("  {outage:?}: {count}");
        }
        for target in self.missed.iter().chain(&self.targets) {
            println!("  {:?} {}: not reached", target.fault, target.point);
        }
        let is_to_stop = self.plan.at_points.contains(&Fault::Stop);
        let has_stopped = self.faults.keys().any(|(_, fault)| *fault == Fault::Stop);
        assert!(has_stopped || !is_to_stop || self.has_suffered(), "nobody was stopped");
        // Where everything else stops as well, some are not reached in time.
        assert!(self.missed.is_empty() || self.has_suffered(), "not reached: {:?}", self.missed);
    }
}
