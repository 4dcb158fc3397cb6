//! What stays true of managed records whatever happens, by chance.

use std::{collections::BTreeMap, time::Duration};

use nameplate::{
    DnsProvider, RecordData, RecordSet, RecordType,
    clock::{Clock, after},
    dns::Capabilities,
    domain::{Domain, ManagedRecord, NewDomain, RecordState, Status},
    engine::{Onboarding, RecordChange},
    error::{Error, ErrorKind},
    id::{DomainId, TenantId},
    name::DnsName,
    record::{DnsRecord, RecordFields, Ttl, Txt},
    store::Store,
    zone::{ChangePolicy, Markers, Ownership, Zone, changes},
};
use proptest::{prelude::*, test_runner::TestCaseResult};

use crate::common::{DAY, HOUR, MINUTE, OTHER, TENANT, World, dns};

const ZONE: &str = "example.com";

/// A name and one below it, of two tenants.
const CLAIMS: [(TenantId, &str); 2] =
    [(TENANT, "shop.example.com"), (OTHER, "pay.shop.example.com")];

const NAMES: [&str; 6] = ["@", "api", "pay", "*.api", "_dmarc", "x.pay"];

const TYPES: [(RecordType, &str); 4] = [
    (RecordType::A, "192.0.2."),
    (RecordType::Txt, "text-"),
    (RecordType::Cname, "target-"),
    (RecordType::Mx, "mail-"),
];

/// The TTL of everything that others write.
const THEIRS: u32 = 7200;

/// `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_happens_the_zone_has_what_is_listed_and_what_is_of_others(
        atomic in any::<bool>(),
        both in any::<bool>(),
        start in proptest::collection::vec(create(), 0..6),
        deeds in proptest::collection::vec(deed(), 1..24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut life = Life::new(atomic, both).await;
            let start = start.into_iter().map(|(claim, command)| Deed::Order(vec![(0, claim, command)]));
            for deed in start.chain(deeds) {
                life.happen(&deed).await;
                life.others_keep_theirs()?;
            }
            life.rest().await?;
            life.end().await
        })?;
    }
}

/// What may happen. Claims and processes by their number.
#[derive(Clone, Debug)]
enum Deed {
    Advance(Duration),
    /// As often as this, before or after the call took effect.
    Fail(ErrorKind, bool, usize),
    /// Others add a value to a set, or take theirs out of it.
    Foreign(usize, usize, u8, bool),
    /// Commands are planned, and then carried out, each in a process.
    Order(Vec<(usize, usize, Command)>),
    Prove(usize, bool),
    /// A domain goes, and comes back.
    Remove(usize),
    /// A worker does what is due.
    Step(usize),
    /// Somebody takes a record of ours out of the zone, by its number, and leaves the marker.
    Vandal(usize),
}

#[derive(Clone, Copy, Debug)]
enum Command {
    Create(usize, usize, u8, u32),
    Update(usize, u8, u32),
    Remove(usize),
}

fn ttl() -> impl Strategy<Value = u32> {
    prop_oneof![Just(3600_u32), Just(60)]
}

fn create() -> impl Strategy<Value = (usize, Command)> {
    let command = (0..NAMES.len(), 0..TYPES.len(), 0_u8..3, ttl())
        .prop_map(|(name, of, value, ttl)| Command::Create(name, of, value, ttl));
    (0..CLAIMS.len(), command)
}

fn deed() -> impl Strategy<Value = Deed> {
    let times = [MINUTE, MINUTE, MINUTE * 12, HOUR * 2, DAY * 4];
    let kinds = [
        ErrorKind::Conflict,
        ErrorKind::Denied,
        ErrorKind::Malformed,
        ErrorKind::NotFound,
        ErrorKind::RateLimited,
        ErrorKind::Refused,
        ErrorKind::Unavailable,
        ErrorKind::Unknown,
    ];
    let (name, record_type) = (0..NAMES.len(), 0..TYPES.len());
    let command = prop_oneof![
        3 => create().prop_map(|(_, command)| command),
        2 => (0_usize..6, 0_u8..3, ttl()).prop_map(|(nth, value, ttl)| Command::Update(nth, value, ttl)),
        1 => (0_usize..6).prop_map(Command::Remove),
    ];
    let order = (0_usize..2, 0_usize..2, command);
    prop_oneof![
        3 => proptest::sample::select(times.to_vec()).prop_map(Deed::Advance),
        5 => (proptest::sample::select(kinds.to_vec()), any::<bool>(), 1_usize..6)
            .prop_map(|(kind, after, times)| Deed::Fail(kind, after, times)),
        3 => (name, record_type, 0_u8..2, any::<bool>())
            .prop_map(|(name, of, value, add)| Deed::Foreign(name, of, value, add)),
        12 => proptest::collection::vec(order, 1..4).prop_map(Deed::Order),
        1 => (0_usize..2, any::<bool>()).prop_map(|(claim, there)| Deed::Prove(claim, there)),
        1 => (0_usize..2).prop_map(Deed::Remove),
        3 => (0_usize..2).prop_map(Deed::Step),
        1 => (0_usize..6).prop_map(Deed::Vandal),
    ]
}

/// The records of others, by owner and type.
type Theirs = BTreeMap<(DnsName, RecordType), Vec<RecordData>>;

struct Life {
    world: World,
    processes: [Onboarding; 2],
    /// The last claim on each name, and all that there ever were.
    claims: Vec<Domain>,
    ids: Vec<DomainId>,
    theirs: Theirs,
    /// Whether a record of ours was taken out by hand.
    spoiled: bool,
}

impl Life {
    async fn new(atomic: bool, both: bool) -> Self {
        let mut world = World::new();
        world.dns = world.dns.clone().with_capabilities(Capabilities::new(atomic, Ttl::MINUTE));
        let process = || world.process((|s| s, |r| r, |d| d, |c| c));
        let processes = [process(), process()];
        let (claims, ids, theirs) = (Vec::new(), Vec::new(), Theirs::new());
        let mut life = Self { world, processes, claims, ids, theirs, spoiled: false };
        for (tenant, name) in CLAIMS {
            let wanted: NewDomain = name.parse().unwrap();
            let domain = life.world.onboarding.add(&tenant, wanted).await.unwrap();
            life.ids.push(domain.id());
            life.claims.push(domain);
        }
        life.prove(0, true);
        life.prove(1, both);
        life.work(MINUTE).await;
        life
    }

    async fn happen(&mut self, deed: &Deed) {
        match deed {
            Deed::Advance(time) => self.work(*time).await,
            Deed::Fail(kind, after, times) => {
                // What failed with any other kind did not take effect.
                let after = *after && *kind == ErrorKind::Unknown;
                for _ in 0..*times {
                    match after {
                        true => self.world.dns.fail_next_after(*kind),
                        false => self.world.dns.fail_next(*kind),
                    }
                }
            }
            Deed::Foreign(name, of, value, add) => self.foreign(*name, *of, *value, *add),
            Deed::Order(commands) => {
                let mut planned = Vec::new();
                for (process, claim, command) in commands {
                    planned.extend(self.plan(*process, *claim, *command).await);
                }
                for change in planned {
                    let _ = change.apply().await;
                }
            }
            Deed::Prove(claim, there) => self.prove(*claim, *there),
            Deed::Remove(claim) => self.again(*claim).await,
            Deed::Step(process) => {
                let _ = self.processes[*process].worker().step().await;
            }
            Deed::Vandal(nth) => self.vandal(*nth),
        }
    }

    async fn plan(
        &self,
        process: usize,
        claim: usize,
        command: Command,
    ) -> Result<RecordChange<'_>, Error> {
        let domain = &self.claims[claim];
        let records = self.processes[process].records(&CLAIMS[claim].0, domain.id());
        let nth = |nth: usize, list: Vec<ManagedRecord>| list.into_iter().cycle().nth(nth);
        let gone = || Error::new(ErrorKind::NotFound, "test", "nth", "there are no records");
        match command {
            Command::Create(name, of, value, ttl) => {
                let (record_type, front) = TYPES[of];
                let fields = RecordFields::new(record_type, NAMES[name], format!("{front}{value}"));
                records.create(&fields.with_ttl(ttl.into())).await
            }
            Command::Update(at, value, ttl) => {
                let list = records.list().await?;
                let old = nth(at, list).ok_or_else(gone)?;
                let of = old.record().record_type();
                let front = TYPES.iter().find(|(one, _)| *one == of).unwrap().1;
                let name = format!("{}.", old.record().name());
                let fields = RecordFields::new(of, name, format!("{front}{value}"));
                records.update(old.id(), &fields.with_ttl(ttl.into())).await
            }
            Command::Remove(at) => {
                let list = records.list().await?;
                records.remove(nth(at, list).ok_or_else(gone)?.id()).await
            }
        }
    }

    fn prove(&mut self, claim: usize, there: bool) {
        let challenge = self.claims[claim].challenge();
        let data = RecordData::Txt(Txt::from_text(&challenge.value()));
        self.edit(&challenge.owner.clone(), data, there);
    }

    fn foreign(&mut self, name: usize, of: usize, value: u8, add: bool) {
        let data = match TYPES[of].0 {
            RecordType::A => format!("198.51.100.{value}"),
            RecordType::Txt => format!("theirs-{value}"),
            RecordType::Cname => "theirs.example.net.".to_owned(),
            _ => format!("10 theirs-{value}.example.net."),
        };
        let data = RecordData::parse(TYPES[of].0, &data).unwrap();
        let origin = dns(CLAIMS[0].1);
        self.edit(&DnsName::parse_in(NAMES[name], &origin).unwrap(), data, add);
    }

    fn edit(&mut self, name: &DnsName, data: RecordData, add: bool) {
        let of = data.record_type();
        let sets = self.world.dns.records(&dns(ZONE));
        let there = sets.iter().find(|set| set.name() == name && set.record_type() == of);
        let key = (name.clone(), of);
        if add {
            let set = match there {
                Some(set) if set.contains(&data) => return,
                Some(set) => set.with(data.clone()),
                None => RecordSet::new(name.clone(), Ttl::HOUR, [data.clone()]),
            };
            let Ok(set) = set else { return };
            let set = set.with_ttl(Ttl::from_secs(THEIRS).unwrap());
            if self.world.dns.set(set).is_ok() {
                self.theirs.entry(key).or_default().push(data);
            }
        } else if self.theirs.get(&key).is_some_and(|theirs| theirs.contains(&data)) {
            match there.and_then(|set| set.without(&data)) {
                Some(set) => self.world.dns.set(set).unwrap(),
                None => drop(self.world.dns.remove(name, of)),
            }
            let theirs = self.theirs.get_mut(&key).unwrap();
            theirs.retain(|one| *one != data);
            if theirs.is_empty() {
                self.theirs.remove(&key);
            }
        }
    }

    fn vandal(&mut self, nth: usize) {
        let sets = self.world.dns.records(&dns(ZONE));
        let is_ours = |set: &&RecordSet| {
            let label = set.name().as_str();
            let key = (set.name().clone(), set.record_type());
            !label.starts_with("_plat-") && !self.theirs.contains_key(&key)
        };
        if let Some(set) = sets.iter().filter(is_ours).cycle().nth(nth) {
            self.world.dns.remove(set.name(), set.record_type());
            self.spoiled = true;
        }
    }

    async fn again(&mut self, claim: usize) {
        let (tenant, name) = CLAIMS[claim];
        let onboarding = &self.processes[0];
        let _ = onboarding.remove(&tenant, self.claims[claim].id()).await;
        self.prove(claim, false);
        self.work(HOUR * 3).await;
        // It may still be there: its records could not be removed yet.
        let wanted: NewDomain = name.parse().unwrap();
        if let Ok(domain) = self.processes[0].add(&tenant, wanted).await {
            self.ids.push(domain.id());
            self.claims[claim] = domain;
            self.prove(claim, true);
            self.work(MINUTE).await;
        }
    }

    /// Lets the worker do what is due within `time`, whatever fails.
    async fn work(&self, time: Duration) {
        let World { clock, store, .. } = &self.world;
        let end = after(clock.now(), time);
        let worker = self.processes[0].worker();
        for _ in 0..10_000 {
            match store.next_due() {
                Some(due) if due <= end => {
                    clock.set(clock.now().max(due));
                    let _ = worker.step().await;
                }
                _ => return clock.set(end),
            }
        }
        panic!("it never comes to rest");
    }

    fn zone(&self) -> Zone {
        Zone::new(dns(ZONE), self.world.dns.records(&dns(ZONE))).unwrap()
    }

    fn policy(id: DomainId) -> ChangePolicy {
        let markers = Markers::new(&id.to_string()).unwrap().with_label("_plat-records").unwrap();
        ChangePolicy::new(Ownership::markers(markers)).without_guard()
    }

    /// Without what is marked as ours the zone is as others have written it: nothing of theirs is
    /// gone or changed, and nothing of ours is without its marker.
    fn others_keep_theirs(&self) -> TestCaseResult {
        let nothing = Zone::new(dns(ZONE), []).unwrap();
        let mut zone = self.zone();
        for id in &self.ids {
            let plan = changes(&zone, &nothing, &Self::policy(*id)).unwrap();
            zone = zone.apply(plan.changes()).unwrap();
        }
        let theirs = self.theirs.iter().map(|((name, _), data)| {
            RecordSet::new(name.clone(), Ttl::from_secs(THEIRS).unwrap(), data.clone()).unwrap()
        });
        let theirs = Zone::new(dns(ZONE), theirs).unwrap();
        prop_assert_eq!(lines(&zone), lines(&theirs));
        Ok(())
    }

    /// When all is done the zone has what is listed, and nothing else of ours.
    async fn rest(&mut self) -> TestCaseResult {
        while self.world.dns.zone_of(&dns(ZONE)).await.is_err() {}
        for (claim, (tenant, _)) in CLAIMS.iter().enumerate() {
            let domain = &self.claims[claim];
            let now = self.processes[0].get(tenant, domain.id()).await;
            if now.is_ok_and(|domain| domain.status().holds()) {
                self.prove(claim, true);
            }
        }
        self.work(HOUR * 4).await;
        self.others_keep_theirs()?;
        for (claim, domain) in self.claims.iter().enumerate() {
            let onboarding = &self.processes[1];
            let Ok(domain) = onboarding.get(&CLAIMS[claim].0, domain.id()).await else { continue };
            let listed = domain.records();
            if !domain.status().holds() && domain.status() != Status::Removing {
                continue;
            }
            let present = |managed: &&ManagedRecord| managed.state() == RecordState::Present;
            let unfinished: Vec<_> = listed.iter().filter(|one| !present(one)).collect();
            prop_assert!(unfinished.is_empty(), "{:?} {:#?}", domain.status(), unfinished);
            let wanted: Vec<DnsRecord> =
                listed.iter().map(|managed| managed.record().clone()).collect();
            let wanted = Zone::from_records(dns(ZONE), wanted).unwrap();
            let plan = changes(&self.zone(), &wanted, &Self::policy(domain.id())).unwrap();
            prop_assert!(plan.to_string().is_empty() || self.spoiled, "{}", plan);
        }
        Ok(())
    }

    /// Removes everything, and looks for what is left.
    async fn end(&mut self) -> TestCaseResult {
        for ((tenant, _), domain) in CLAIMS.iter().zip(&self.claims) {
            let _ = self.processes[1].remove(tenant, domain.id()).await;
        }
        self.work(DAY * 2).await;
        prop_assert_eq!(self.world.store.next_due(), None);
        prop_assert!(self.world.store.now().await.is_ok());
        let theirs: usize = self.theirs.values().map(Vec::len).sum();
        prop_assert_eq!(self.zone().records().count(), theirs, "{:?}", lines(&self.zone()));
        self.others_keep_theirs()
    }
}

fn lines(zone: &Zone) -> Vec<String> {
    zone.records().map(|record| record.to_string()).collect()
}
