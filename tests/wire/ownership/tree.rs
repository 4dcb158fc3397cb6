//! The tree of zones that `scripts/tree` starts, as its owners change it.

use std::{
    fs,
    net::SocketAddr,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use nameplate::{
    clock::{Clock, SystemClock},
    dns::{Applied, DnsProvider, Rfc2136},
    name::DnsName,
    record::{RecordData, RecordSet, RecordType, Ttl},
    resolver::{Answer, Hickory, Limits, Lookup, Mode, Resolver, Vantages},
    zone::SetChange,
};

use crate::{rfc2136::key, servers};

/// Looks at the tree as at the world: by its delegations, and through the resolver that validates.
pub(super) fn resolver(clock: impl Clock) -> Hickory {
    resolver_at(servers::validator(), clock)
}

/// Looks at the tree as at the world from two points of it, which have to agree on what is not signed.
pub(super) fn vantages(clock: impl Clock + Clone) -> Vantages {
    let servers = [servers::validator(), servers::vantage()];
    let resolvers = servers.map(|server| resolver_at(server, clock.clone()));
    Vantages::new(resolvers.map(|resolver| Arc::new(resolver) as Arc<dyn Resolver>)).unwrap()
}

fn resolver_at(server: SocketAddr, clock: impl Clock) -> Hickory {
    let mut limits = Limits::default();
    // The servers have no rest between days that are made up.
    limits.rate = None;
    Hickory::builder([server])
        .with_trusted_ad()
        .with_private_name_servers()
        .with_name_server_port(servers::leaf().port())
        .with_clock(clock)
        .with_limits(limits)
        .build()
        .unwrap()
}

/// Asks once.
pub(super) async fn lookup(name: &DnsName, record_type: RecordType, mode: Mode) -> Answer {
    let lookup = Lookup::new(name.clone(), record_type, mode);
    resolver(SystemClock).lookup(&lookup).await.unwrap()
}

/// A zone on one of its servers.
#[derive(Debug)]
pub(super) struct Zone {
    dns: Rfc2136,
    name: DnsName,
}

impl Zone {
    /// Returns the zone of that name on `server`.
    pub(super) fn at(server: SocketAddr, name: &str) -> Self {
        let name: DnsName = name.parse().unwrap();
        Self { dns: Rfc2136::builder(server, key()).with_zones([name.clone()]).build(), name }
    }

    /// Returns a set of the zone.
    pub(super) async fn get(&self, name: &DnsName, record_type: RecordType) -> RecordSet {
        self.dns.record_set(&self.name, name, record_type).await.unwrap().unwrap()
    }

    /// Puts a set into the zone.
    pub(super) async fn put(&self, set: &RecordSet) {
        self.change(set, Some(set)).await;
    }

    /// Takes a set out of the zone.
    pub(super) async fn take(&self, set: &RecordSet) {
        self.change(set, None).await;
    }

    async fn change(&self, set: &RecordSet, after: Option<&RecordSet>) {
        let before = self.dns.record_set(&self.name, set.name(), set.record_type()).await.unwrap();
        let change = SetChange::new(before, after.cloned()).unwrap();
        let applied = self.dns.apply(&self.name, &change.into()).await.unwrap();
        assert!(matches!(applied[..], [Applied::Done]), "{applied:?}");
        forget();
    }
}

/// Has the parent of `zone` vouch for a key that the zone does not have, as after a move to another
/// provider. Returns what makes it right again.
pub(super) async fn break_trust(zone: &str) -> (Zone, RecordSet) {
    let parent = Zone::at(servers::parent(), "test");
    let name: DnsName = zone.parse().unwrap();
    let right = parent.get(&name, RecordType::Ds).await;
    let wrong = format!("1 13 2 {}", "00".repeat(32));
    let wrong = RecordData::parse(RecordType::Ds, &wrong).unwrap();
    parent.put(&RecordSet::new(name, Ttl::MINUTE, [wrong]).unwrap()).await;
    (parent, right)
}

/// The zone whose signatures are made by hand.
pub(super) const STALE: &str = "stale.test";

/// Replaces [`STALE`] by one with `sets`, with signatures that are good between two times, in the
/// format of dnssec-signzone.
pub(super) fn sign(sets: &[&RecordSet], from: &str, until: &str) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let folder = servers::leaf_folder();
    let now = u32::try_from(SystemClock.now().timestamp()).unwrap();
    let serial = now + COUNT.fetch_add(1, Ordering::Relaxed);
    let mut text = fs::read_to_string(folder.join(format!("{STALE}.unsigned"))).unwrap();
    text = text.replacen(" 1 3600 ", &format!(" {serial} 3600 "), 1);
    for set in sets {
        for data in set.data() {
            text.push_str(&format!("{}. {} {data}\n", set.name(), set.record_type()));
        }
    }
    let input = format!("{STALE}.changed");
    fs::write(folder.join(&input), text).unwrap();
    // It would not sign what is bad from the beginning, but for `-P`.
    let output = format!("{STALE}.zone");
    let times = ["-s", from, "-e", until];
    run(Command::new("dnssec-signzone")
        .args(["-P", "-z", "-S", "-K", "keys", "-d", ".", "-o", STALE])
        .args(times)
        .args(["-f", &output, &input])
        .current_dir(&folder));
    run(Command::new("knotc")
        .args(["--blocking", "--socket", "knot.sock", "zone-reload", STALE])
        .current_dir(&folder));
    forget();
}

/// Empties the caches of the resolvers.
fn forget() {
    for folder in servers::resolver_folders() {
        run(Command::new("rndc").args(["-c", "rndc.conf", "flush"]).current_dir(folder));
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&said));
}
