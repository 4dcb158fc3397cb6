//! Some workers that are killed and stopped while tenants come, change their minds and go.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io::{self, BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Command},
    sync::Arc,
    time::Duration,
};

use nameplate::{
    Onboarding, RecordData, RecordSet, RecordType,
    certificate::Validation,
    clock::{Clock as _, SystemClock},
    dns::Rfc2136,
    domain::{Domain, NewDomain, Status},
    error::{ErrorKind, Result},
    id::DomainId,
    record::Ttl,
    testkit::Tape,
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{Instant, timeout},
};

use super::{
    base::{self, Base, Due},
    check,
    dice::Dice,
    outage::{self, Outage, Outages, Slot},
    plan::{Fault, Plan},
    platform::{LEASE, Place, TENANT, add, asked},
    proxy::Proxy,
    worker::{Role, Said, command},
};
use crate::{acme, rfc2136::provider, scratch::Scratch, servers};

/// How often a point is waited for.
const TRIES: u32 = 8;

/// How long a point is waited for at first; each time that much longer.
const WAIT: Duration = Duration::from_secs(6);

/// What is still to be done to some process at one point.
#[derive(Clone, Debug)]
struct Target {
    point: String,
    fault: Fault,
    tries: u32,
}

/// A worker.
struct Process {
    number: usize,
    child: Child,
    input: ChildStdin,
    /// Its way to the database.
    slot: Option<Slot>,
    target: Option<Target>,
    started: Instant,
    /// What happens to it next, and when.
    next: (Next, Instant),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    /// A fault, wherever it is.
    Fault(Fault),
    /// It can write again.
    Recover,
    /// It goes on.
    Resume,
    /// Nothing.
    Rest,
}

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
    faults: BTreeMap<(String, Fault), usize>,
    missed: Vec<Target>,
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
                slots.push(Slot { process: Arc::default(), proxy });
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
            // These are passed once in the life of a store.
            targets: ["before ca.enroll", "after ca.enroll"]
                .into_iter()
                .filter(|_| plan.at_points.contains(&Fault::Kill))
                .map(|point| Target { point: point.to_owned(), fault: Fault::Kill, tries: 0 })
                .collect(),
            points: BTreeSet::new(),
            faults: BTreeMap::new(),
            missed: Vec::new(),
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
        if siege.plan.outages {
            let dice = Dice::new(siege.dice.draw());
            siege.outages = Some(Outages::begin(dice, siege.place.clone(), siege.slots.clone()));
        }
        siege
    }

    /// Goes on until every point was hit, at least `faults` faults and every outage happened, and `until`
    /// is over.
    pub(super) async fn run(&mut self, faults: usize, until: Instant) {
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
            // Another worker would do what happens only once where nothing happens to it.
            let workers = if self.awaits_enrollment() { 1 } else { self.plan.workers };
            while self.processes.len() < workers && Instant::now() >= self.start_at {
                self.start_besieged();
            }
            self.listen(Duration::from_millis(20)).await;
            self.strike();
            self.feed().await;
        }
    }

    /// Returns whether something is yet to happen to a worker that enrolls.
    fn awaits_enrollment(&self) -> bool {
        let besieged = self.processes.iter().filter_map(|process| process.target.as_ref());
        self.targets.iter().chain(besieged).any(|target| target.point.ends_with("ca.enroll"))
    }

    /// Starts a worker that something is going to happen to.
    fn start_besieged(&mut self) {
        let target = self.targets.pop_front();
        let at = target.as_ref().map(|target| {
            // What happens once in the life of a store, or was waited for in vain, happens at once.
            let is_rare = target.tries > 0 || target.point.ends_with("enroll");
            let passes = if is_rare { 0 } else { self.dice.below(3) };
            (target.point.clone(), usize::try_from(passes).unwrap())
        });
        let drags = target.as_ref().is_some_and(|target| target.tries > 0);
        let next = match &target {
            Some(target) => (Next::Fault(Fault::Kill), WAIT * (target.tries + 1)),
            None => {
                let choice = self.dice.below(self.plan.anywhere.len() as u64);
                let fault = self.plan.anywhere.get(usize::try_from(choice).unwrap());
                let wait = Duration::from_millis(300 + self.dice.below(2500));
                (Next::Fault(fault.copied().unwrap_or(Fault::Kill)), wait)
            }
        };
        let tenants = Some(self.dice.draw());
        // A write that is too long is an error then, and not the end of the process.
        let script = Some("trap '' XFSZ; exec \"$@\"".to_owned());
        let slot = self.free_slot();
        let through = slot.as_ref().map(|slot| slot.proxy.port());
        let role = Role { at, drags, tenants, through, script };
        self.start(&role, slot, target, (next.0, Instant::now() + next.1));
    }

    /// Returns a way to the database that nobody uses, if there is a database.
    fn free_slot(&self) -> Option<Slot> {
        let is_free = |slot: &&Slot| {
            let used = self.processes.iter().filter_map(|process| process.slot.as_ref());
            !used.map(|used| used.proxy.port()).any(|port| port == slot.proxy.port())
        };
        self.slots.iter().find(is_free).cloned()
    }

    fn start(
        &mut self,
        role: &Role,
        slot: Option<Slot>,
        target: Option<Target>,
        next: (Next, Instant),
    ) {
        let mut child = command(&self.place, role).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        self.started += 1;
        let number = self.started;
        let say = self.say.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(io::Result::ok) {
                if let Some(said) = Said::read(&line) {
                    let _ = say.send((number, Some(said)));
                }
            }
            let _ = say.send((number, None));
        });
        if let Some(slot) = &slot {
            *slot.process.lock().unwrap() = Some(child.id());
        }
        self.processes.push(Process {
            number,
            child,
            input,
            slot,
            target,
            started: Instant::now(),
            next,
        });
    }

    /// Takes note of what processes say, for a while.
    async fn listen(&mut self, wait: Duration) {
        let Ok(Some(first)) = timeout(wait, self.said.recv()).await else { return };
        let mut next = Some(first);
        while let Some((number, said)) = next {
            self.heard(number, said);
            next = self.said.try_recv().ok();
        }
    }

    fn heard(&mut self, number: usize, said: Option<Said>) {
        let place = self.processes.iter().position(|process| process.number == number);
        match said {
            Some(Said::Started) => {
                // What happens to it is counted from here, however long it took to start.
                let Some(place) = place else { return };
                let process = &mut self.processes[place];
                process.next.1 += process.started.elapsed();
            }
            Some(Said::Failed(why)) => {
                self.failed.insert(why);
            }
            Some(Said::Wrong(what)) => panic!("a tenant was told: {what}"),
            Some(Said::Passed(point)) => self.found(point),
            Some(Said::Halted) => {
                let Some(place) = place else { return };
                let Some(target) = self.processes[place].target.take() else { return };
                self.hit(place, &target.point, target.fault);
            }
            Some(Said::Refused(why)) => {
                // One that is stopped in the middle of a commit holds up all that write.
                let is_stopped = |process: &Process| process.next.0 == Next::Resume;
                let is_locked = why.contains("locked") && self.processes.iter().any(is_stopped);
                assert!(is_locked || self.outages.is_some(), "a worker cannot start: {why}");
                let Some(place) = place else { return };
                let mut process = self.processes.remove(place);
                process.child.kill().unwrap();
                process.child.wait().unwrap();
                self.targets.extend(process.target);
                // As a service manager does, which tries again after a while.
                self.start_at = Instant::now() + Duration::from_millis(200);
            }
            None => {
                let Some(place) = place else { return };
                let status = self.processes[place].child.wait().unwrap();
                panic!("a worker ended by itself: {status}");
            }
        }
    }

    /// Plans what is to happen at a point that was not known yet.
    fn found(&mut self, point: String) {
        if !self.points.insert(point.clone()) || point.ends_with("ca.enroll") {
            return;
        }
        for fault in self.plan.at_points.clone() {
            if fault != Fault::Stop || self.dice.below(self.plan.stop_each) == 0 {
                self.targets.push_back(Target { point: point.clone(), fault, tries: 0 });
            }
        }
    }

    /// Does what is due to the processes.
    fn strike(&mut self) {
        let now = Instant::now();
        for place in (0..self.processes.len()).rev() {
            let process = &mut self.processes[place];
            if process.next.1 > now {
                continue;
            }
            if let Some(mut target) = process.target.take() {
                target.tries += 1;
                match target.tries {
                    TRIES => self.missed.push(target),
                    _ => self.targets.push_back(target),
                }
            }
            let process = &mut self.processes[place];
            match process.next.0 {
                Next::Fault(fault) => self.hit(place, "anywhere", fault),
                Next::Recover => {
                    let _ = self.place.note("fault", process.child.id(), "is over");
                    limit(&process.child, "unlimited");
                    self.kill_soon(place);
                }
                Next::Resume => {
                    let _ = self.place.note("fault", process.child.id(), "is over");
                    signal(&process.child, "CONT");
                    // A kill may have come in between.
                    let _ = writeln!(process.input, "go");
                    self.kill_soon(place);
                }
                Next::Rest => process.next.1 = now + Duration::from_secs(3600),
            }
        }
    }

    fn kill_soon(&mut self, place: usize) {
        let wait = Duration::from_millis(500 + self.dice.below(1500));
        self.processes[place].next = (Next::Fault(Fault::Kill), Instant::now() + wait);
    }

    /// Lets something happen to a process.
    fn hit(&mut self, place: usize, point: &str, fault: Fault) {
        *self.faults.entry((point.to_owned(), fault)).or_default() += 1;
        let process = self.processes[place].child.id();
        self.place.note("fault", process, &format!("{fault:?} {point}")).unwrap();
        match fault {
            Fault::Kill => {
                let mut process = self.processes.remove(place);
                process.child.kill().unwrap();
                process.child.wait().unwrap();
            }
            Fault::Stop => {
                let process = &mut self.processes[place];
                signal(&process.child, "STOP");
                self.stopped.insert(process.child.id());
                process.next = (Next::Resume, Instant::now() + LEASE + Duration::from_millis(500));
            }
            Fault::Disk => {
                let process = &mut self.processes[place];
                limit(&process.child, "0:unlimited");
                let wait = Duration::from_millis(300 + self.dice.below(1200));
                process.next = (Next::Recover, Instant::now() + wait);
            }
        }
    }

    /// Lets tenants come and go.
    async fn feed(&mut self) {
        if Instant::now() < self.feed_at {
            return;
        }
        self.feed_at = Instant::now() + Duration::from_millis(300);
        // A store that is locked or full is tried again.
        let Ok(mut there) = check::domains(&self.nameplate).await else { return };
        there.retain(|domain| domain.status() != Status::Removing);
        for domain in &there {
            self.come(domain).await;
        }
        if there.len() < self.plan.domains {
            // No more than a few, since others are waited for as well.
            for _ in (there.len()..self.plan.domains).take(12) {
                let name = self.next_name();
                let _ = self.nameplate.add(&TENANT, name).await;
            }
        } else if self.dice.below(6) == 0 {
            let choice = usize::try_from(self.dice.below(there.len() as u64)).unwrap();
            let _ = self.nameplate.remove(&TENANT, there[choice].id()).await;
        }
    }

    /// Returns a name that was never claimed, by each way of validation in turn.
    fn next_name(&mut self) -> NewDomain {
        self.names += 1;
        let (front, validation) = match self.names % 4 {
            0 => ("*.", Validation::Dns01Delegated),
            1 if self.plan.http => ("", Validation::Http01),
            2 => ("", Validation::Dns01),
            _ => ("", Validation::Dns01Delegated),
        };
        let name = format!("{front}n{}.{}", self.names, self.place.suffix);
        name.parse::<NewDomain>().unwrap().with_validation(validation)
    }

    /// Publishes what a customer is asked for, and something of their own.
    async fn come(&mut self, domain: &Domain) {
        if self.all.contains_key(&domain.id()) {
            return;
        }
        let Ok(steps) = self.nameplate.instructions(&TENANT, domain.id()).await else { return };
        self.all.insert(domain.id(), domain.clone());
        for step in steps {
            self.publish(asked(&step)).await;
        }
        let www = nameplate::DnsName::from(domain.name().base()).child("www").unwrap();
        let theirs = RecordData::parse(RecordType::Txt, "theirs").unwrap();
        self.publish(RecordSet::new(www, Ttl::MINUTE, [theirs]).unwrap()).await;
    }

    async fn publish(&mut self, set: RecordSet) {
        self.foreign.extend(check::lines(&set));
        add(&self.dns, set, self.plan.outages).await;
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
        Ok(restless)
    }

    /// Removes all domains.
    pub(super) async fn remove_all(&self) {
        for domain in check::domains(&self.nameplate).await.unwrap() {
            if domain.status() != Status::Removing {
                self.nameplate.remove(&TENANT, domain.id()).await.unwrap();
            }
        }
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
        for (outage, count) in &self.suffered {
            println!("  {outage:?}: {count}");
        }
        for target in self.missed.iter().chain(&self.targets) {
            println!("  {:?} {}: not reached", target.fault, target.point);
        }
        // Where everything else stops as well, some are not reached in time.
        assert!(self.missed.is_empty() || self.has_suffered(), "not reached: {:?}", self.missed);
    }
}

impl Drop for Siege {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}

/// Sends a signal by its name.
fn signal(child: &Child, name: &str) {
    let script = format!("kill -{name} {}", child.id());
    assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success(), "{script}");
}

/// Limits how long the files are that a process may write.
fn limit(child: &Child, bytes: &str) {
    let mut command = Command::new("prlimit");
    command.args(["--pid", &child.id().to_string(), &format!("--fsize={bytes}")]);
    assert!(command.status().unwrap().success(), "{command:?}");
}
