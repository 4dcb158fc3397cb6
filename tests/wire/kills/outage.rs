//! What happens to everybody: servers that stop, and a network that fails.

use std::{
    collections::BTreeMap,
    env,
    fs::OpenOptions,
    io::Write as _,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{task::JoinHandle, time::sleep};

use super::{
    base::psql,
    dice::Dice,
    link::Link,
    platform::{LEASE, Place},
    proxy::{AtCommit, Proxy},
};
use crate::{acme, scratch::Scratch, servers};

/// What happens.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Outage {
    /// The certificate authority is killed or stopped, and started again: it has forgotten everything.
    AuthorityForgets,
    /// The certificate authority does not answer for a while.
    AuthorityStops,
    /// All sessions of the database are ended.
    AllSessionsEnded,
    /// The next commit of a worker is lost on the way.
    CommitLost,
    /// The answer to the next commit of a worker is lost on the way.
    CommitUnanswered,
    /// The session of a worker is ended at its next commit.
    CommitEnded,
    /// The database is killed, and is started again.
    DatabaseKilled,
    /// The database is stopped, and is started again.
    DatabaseStopped,
    /// The DNS server is killed, and is started again.
    DnsKilled,
    /// The DNS server is stopped, and is started again.
    DnsStopped,
    /// A worker and the database hear nothing of each other, until its leases are somebody else's; then
    /// what was said in between arrives.
    PartitionHeals,
    /// The same, and what was said in between is lost.
    PartitionCuts,
}

impl Outage {
    pub(super) const ALL: [Self; 12] = [
        Self::AuthorityForgets,
        Self::AuthorityStops,
        Self::AllSessionsEnded,
        Self::CommitLost,
        Self::CommitUnanswered,
        Self::CommitEnded,
        Self::DatabaseKilled,
        Self::DatabaseStopped,
        Self::DnsKilled,
        Self::DnsStopped,
        Self::PartitionHeals,
        Self::PartitionCuts,
    ];
}

/// What a worker is to the network: its process, and its way to the database.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) process: Arc<Mutex<Option<u32>>>,
    pub(super) proxy: Proxy,
    /// What is between the worker and the proxy, if the system lets us have it.
    pub(super) link: Option<Link>,
}

impl Slot {
    /// Returns where the worker finds the database.
    pub(super) fn address(&self) -> SocketAddr {
        self.link.as_ref().map_or_else(|| self.proxy.address(), Link::address)
    }

    /// Lets nothing through from now on, in either direction, or everything again.
    fn part(&self, is_parted: bool) {
        match &self.link {
            Some(link) => link.lose(is_parted),
            None => self.proxy.hold(is_parted),
        }
    }
}

/// Outages, one after the other.
pub(super) struct Outages {
    counts: Arc<Mutex<BTreeMap<Outage, usize>>>,
    is_over: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Outages {
    /// Begins them, in an order that follows from the dice.
    pub(super) fn begin(dice: Dice, place: Place, slots: Vec<Slot>) -> Self {
        let (counts, is_over) = (Arc::default(), Arc::default());
        let servers = Servers::of_our_own();
        let world = World { dice, place, slots, servers };
        let task = tokio::spawn(world.suffer(Arc::clone(&counts), Arc::clone(&is_over)));
        Self { counts, is_over, task }
    }

    /// Returns how often each has happened.
    pub(super) fn counts(&self) -> BTreeMap<Outage, usize> {
        self.counts.lock().unwrap().clone()
    }

    /// Returns once everything works again.
    pub(super) async fn end(self) -> BTreeMap<Outage, usize> {
        self.is_over.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        self.counts.lock().unwrap().clone()
    }
}

struct World {
    dice: Dice,
    place: Place,
    slots: Vec<Slot>,
    servers: Servers,
}

impl World {
    async fn suffer(
        mut self,
        counts: Arc<Mutex<BTreeMap<Outage, usize>>>,
        is_over: Arc<AtomicBool>,
    ) {
        let mut ahead = Vec::new();
        while !is_over.load(Ordering::Relaxed) {
            self.pause(500, 3000).await;
            if ahead.is_empty() {
                ahead.extend(Outage::ALL);
            }
            let next = ahead.swap_remove(self.choose(ahead.len()));
            self.strike(next).await;
            *counts.lock().unwrap().entry(next).or_default() += 1;
        }
        for slot in &self.slots {
            slot.proxy.clear();
        }
    }

    fn choose(&mut self, among: usize) -> usize {
        usize::try_from(self.dice.below(among as u64)).unwrap()
    }

    async fn pause(&mut self, least: u64, more: u64) {
        sleep(Duration::from_millis(least + self.dice.below(more))).await;
    }

    /// Lets one happen, and ends it.
    async fn strike(&mut self, outage: Outage) {
        let choice = self.choose(self.slots.len());
        let slot = self.slots[choice].clone();
        let worker = slot.process.lock().unwrap().unwrap_or_default();
        self.place.note("fault", worker, &format!("{outage:?}")).unwrap();
        match outage {
            Outage::AuthorityForgets => self.forget().await,
            Outage::AuthorityStops => {
                self.servers.request("signal", "pebble", "STOP").await;
                self.pause(500, 3000).await;
                self.servers.request("signal", "pebble", "CONT").await;
            }
            Outage::AllSessionsEnded => {
                let everybody = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                                 WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";
                psql(&servers::postgres(), everybody).unwrap();
            }
            Outage::CommitLost => self.at_commit(&slot, AtCommit::CutBefore).await,
            Outage::CommitUnanswered => self.at_commit(&slot, AtCommit::CutAfter).await,
            Outage::CommitEnded => self.at_commit(&slot, AtCommit::Ended).await,
            Outage::DatabaseKilled => self.restart("postgres", "QUIT").await,
            Outage::DatabaseStopped => self.restart("postgres", "INT").await,
            Outage::DnsKilled => self.restart("knot", "KILL").await,
            Outage::DnsStopped => self.restart("knot", "TERM").await,
            Outage::PartitionHeals | Outage::PartitionCuts => {
                slot.part(true);
                sleep(LEASE).await;
                self.pause(300, 700).await;
                if outage == Outage::PartitionCuts {
                    slot.proxy.cut();
                }
                slot.part(false);
            }
        }
        self.place.note("fault", worker, "is over").unwrap();
    }

    /// Has the authority start anew.
    async fn forget(&mut self) {
        let signal = ["KILL", "TERM"][self.choose(2)];
        let wait = Duration::from_millis(100 + self.dice.below(1500));
        self.servers.forget(&self.place, signal, wait).await;
    }

    async fn restart(&mut self, server: &str, signal: &str) {
        self.servers.request("halt", server, signal).await;
        self.pause(100, 1500).await;
        self.servers.request("resume", server, "-").await;
        while server == "postgres" && psql(&servers::postgres(), "SELECT 1").is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until it has happened, unless nothing is committed there.
    async fn at_commit(&self, slot: &Slot, what: AtCommit) {
        slot.proxy.at_commit(what);
        for _ in 0..100 {
            if slot.proxy.has_happened() {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
        slot.proxy.clear();
    }
}

/// Ends the session of the database with a client at this port, as an administrator does.
pub(super) fn end_session(port: u16) {
    let statement = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_port = {port}"
    );
    // The database may be away.
    let _ = psql(&servers::postgres(), &statement);
}

/// The servers of `scripts/servers`, which does what it is asked for.
pub(super) struct Servers {
    control: String,
    folder: Scratch,
    requests: usize,
}

impl Servers {
    pub(super) fn of_our_own() -> Self {
        let control = env::var("NAMEPLATE_TEST_CONTROL").unwrap();
        Self { control, folder: Scratch::new(), requests: 0 }
    }

    /// Kills or stops the authority, starts it again after a while, and waits until it answers.
    pub(super) async fn forget(&mut self, place: &Place, signal: &str, wait: Duration) {
        let root = acme::root().await.unwrap();
        place.keep_root(&root).unwrap();
        self.request("halt", "pebble", signal).await;
        sleep(wait).await;
        self.request("resume", "pebble", "-").await;
        while acme::root().await.is_none() {
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn request(&mut self, what: &str, server: &str, signal: &str) {
        self.requests += 1;
        let done = self.folder.file(&self.requests.to_string());
        let line = format!("{what} {server} {signal} {}\n", done.display());
        let mut control = OpenOptions::new().append(true).open(&self.control).unwrap();
        control.write_all(line.as_bytes()).unwrap();
        // 20 seconds, far more than it takes.
        for _ in 0..1000 {
            if done.exists() {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
        panic!("{what} {server} {signal}: not done");
    }
}
