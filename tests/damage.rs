//! What a store itself cannot read holds up nobody else.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

mod common;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use common::{DAY, MINUTE, OTHER, TENANT, World, run_until};
use nameplate::{
    clock::{Clock, Timestamp, after},
    domain::{PauseScope, Reason, Status},
    engine::{Inspection, Onboarding, Pausable},
    error::{Error, ErrorKind, Result},
    id::{DomainId, TenantId},
    seal::SealingKeyId,
    store::{
        Batch, Commit, Entry, Filter, InMemoryStore, Item, Key, Kind, Lease, LeaseRequest, Leased,
        Page, Query, Store, Switch, UniqueKey,
    },
};

/// A store in which some rows are damaged.
#[derive(Clone, Debug)]
struct Damaged {
    inner: InMemoryStore,
    items: Arc<Mutex<BTreeSet<Key>>>,
    logs: Arc<Mutex<BTreeSet<Key>>>,
}

impl Damaged {
    fn over(inner: &InMemoryStore) -> Self {
        Self { inner: inner.clone(), items: Arc::default(), logs: Arc::default() }
    }

    fn damage(&self, key: Key) {
        self.items.lock().unwrap().insert(key);
    }

    fn damage_log(&self, key: Key) {
        self.logs.lock().unwrap().insert(key);
    }

    fn is_damaged(&self, key: &Key) -> bool {
        self.items.lock().unwrap().contains(key)
    }

    fn readable(&self, keys: &[&Key]) -> Result<()> {
        if keys.iter().any(|key| self.is_damaged(key)) {
            return Err(Error::new(ErrorKind::Malformed, "damaged store", "read", "a row"));
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Damaged {
    async fn now(&self) -> Result<Timestamp> {
        self.inner.now().await
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>> {
        self.readable(&keys.iter().collect::<Vec<_>>())?;
        self.inner.get(keys).await
    }

    async fn find(&self, unique: &[UniqueKey]) -> Result<Vec<Option<Item>>> {
        let found = self.inner.find(unique).await?;
        self.readable(&found.iter().flatten().map(|item| &item.key).collect::<Vec<_>>())?;
        Ok(found)
    }

    async fn list(&self, query: &Query) -> Result<Page> {
        let page = self.inner.list(query).await?;
        let (bad, good): (Vec<Item>, _) =
            page.items.into_iter().partition(|item| self.is_damaged(&item.key));
        let unreadable = bad.into_iter().map(|item| item.key.id).collect();
        Ok(Page::new(good, page.next).with_unreadable(unreadable))
    }

    async fn commit(&self, batch: Batch) -> Result<Commit> {
        self.inner.commit(batch).await
    }

    async fn lease(&self, wanted: &LeaseRequest) -> Result<Leased> {
        let mut leased = self.inner.lease(wanted).await?;
        let all = leased.leases.len();
        leased.leases.retain(|(lease, _)| !self.is_damaged(&lease.key));
        let damaged = all - leased.leases.len();
        Ok(leased.with_unreadable(damaged))
    }

    async fn extend(&self, leases: &[Lease], by: Duration) -> Result<Vec<Option<Lease>>> {
        self.inner.extend(leases, by).await
    }

    async fn entries(&self, of: &Key, after: u64, limit: u32) -> Result<Vec<Entry>> {
        if self.logs.lock().unwrap().contains(of) {
            return Err(Error::new(ErrorKind::Malformed, "damaged store", "entries", "a row"));
        }
        self.inner.entries(of, after, limit).await
    }

    async fn trim(&self, of: &Key, through: u64) -> Result<()> {
        self.inner.trim(of, through).await
    }

    async fn restore(&self, item: &Item, log: &[Entry]) -> Result<Commit> {
        self.inner.restore(item, log).await
    }
}

fn damaged(world: &World) -> (Damaged, Onboarding) {
    let store = Damaged::over(&world.store);
    let onboarding = world.process((|_| store.clone(), |resolver| resolver, |dns| dns, |ca| ca));
    (store, onboarding)
}

async fn added(world: &World, tenant: &TenantId, name: &str) -> DomainId {
    let id = world.add_with(tenant, name.parse().unwrap()).await.id();
    for instruction in world.onboarding.instructions(tenant, id).await.unwrap() {
        world.publish_one(&instruction);
    }
    id
}

/// Runs for some minutes.
async fn work(world: &World, onboarding: &Onboarding) {
    for _ in 0..20 {
        onboarding.worker().step().await.unwrap();
        world.clock.advance(Duration::from_secs(60));
    }
}

#[tokio::test]
async fn a_domain_that_the_store_cannot_read_is_named_among_the_others() {
    let world = World::new();
    let mut ids = Vec::new();
    for name in ["one.example.com", "two.example.com", "three.example.com"] {
        ids.push(world.active(name).await.id());
    }
    let (store, onboarding) = damaged(&world);
    let broken = ids.remove(1);
    store.damage(Key::new(Kind::Domain, broken));
    let page = onboarding.list(&TENANT, None).await.unwrap();
    let mut read: Vec<DomainId> = page.domains.iter().map(|domain| domain.id()).collect();
    ids.sort_unstable();
    read.sort_unstable();
    assert_eq!((read, page.unreadable), (ids, vec![broken]));
    // The tenant goes on adding names, and staff hears of it.
    onboarding.add(&TENANT, "four.example.com".parse().unwrap()).await.unwrap();
    let (operator, domain) = (onboarding.operator(), "example.com".parse().unwrap());
    let now = world.clock.now();
    let change = operator.registration_changed(&TENANT, &domain, now, "another registrar");
    let change = change.await.unwrap();
    assert_eq!((change.reset.len(), change.unreadable), (2, vec![broken]));
}

#[tokio::test]
async fn what_the_store_cannot_read_is_left_out_of_an_export_which_says_so() {
    let world = World::new();
    let mut ids = Vec::new();
    for name in ["one.example.com", "two.example.com", "three.example.com"] {
        ids.push(world.active(name).await.id());
    }
    let (store, onboarding) = damaged(&world);
    let (item, log) = (Key::new(Kind::Domain, ids[0]), Key::new(Kind::Domain, ids[1]));
    store.damage(item.clone());
    store.damage_log(log.clone());
    let mut export = onboarding.operator().export();
    let mut file = String::new();
    while let Some(lines) = export.chunk().await.unwrap() {
        file.push_str(&lines);
    }
    assert_eq!(export.left_out(), 2);
    for key in [&item, &log] {
        let line = format!("{{\"left_out\":{{\"kind\":\"domain\",\"id\":\"{}\"}}}}\n", key.id);
        assert_eq!(file.matches(&line).count(), 1, "{line}");
    }
    let mut inspection = Inspection::new();
    file.lines().try_for_each(|line| inspection.line(line)).unwrap();
    let manifest = inspection.finish().unwrap();
    assert_eq!(manifest.left_out, 2);

    // All the rest is in it.
    let there = InMemoryStore::new(Arc::new(world.clock.clone()));
    let moved = world.process((|_| there.clone(), |resolver| resolver, |dns| dns, |ca| ca));
    let mut import = moved.operator().import(manifest);
    for line in file.lines() {
        import.line(line).await.unwrap();
    }
    let report = import.finish().await.unwrap();
    assert_eq!((report.present, report.refused), (0, 0));
    for kind in Kind::ALL {
        let query = Query::new(kind, Filter::All);
        let mut here = world.store.list(&query).await.unwrap().items;
        here.retain(|it| it.key != item);
        assert_eq!(there.list(&query).await.unwrap().items, here, "{kind}");
        for it in here.iter().filter(|it| it.key != log) {
            let entries = world.store.entries(&it.key, 0, 1000).await.unwrap();
            assert_eq!(there.entries(&it.key, 0, 1000).await.unwrap(), entries);
        }
    }
}

#[tokio::test]
async fn a_store_is_not_moved_while_it_cannot_read_something() {
    let world = World::new();
    let id = world.active("one.example.com").await.id();
    let (store, _) = damaged(&world);
    store.damage(Key::new(Kind::Domain, id));
    let there = InMemoryStore::new(Arc::new(world.clock.clone()));
    let switch = Switch::new(Arc::new(store));
    let mut moving = switch.relocate(Arc::new(there)).unwrap();
    let error = moving.copy().await.unwrap_err();
    assert_eq!((error.kind(), error.subject()), (ErrorKind::Malformed, Some(&*id.to_string())));
}

#[tokio::test]
async fn what_is_behind_a_row_that_the_store_cannot_read_is_tidied_too() {
    let world = World::new();
    let mut ids = Vec::new();
    for name in ["one.example.com", "two.example.com", "three.example.com"] {
        ids.push(world.active(name).await.id());
    }
    for id in &ids {
        world.onboarding.remove(&TENANT, *id).await.unwrap();
    }
    world.run_for(DAY * 40).await;
    ids.sort_unstable();
    let (store, onboarding) = damaged(&world);
    // One domain, and what is beside another one.
    store.damage(Key::new(Kind::Domain, ids[0]));
    store.damage(Key::new(Kind::Feed, ids[1]));
    onboarding.worker().tidy().await.unwrap();
    let left = async |kind| {
        let items = world.store.list(&Query::new(kind, Filter::All)).await.unwrap().items;
        items.into_iter().map(|item| item.key.id).collect::<Vec<_>>()
    };
    assert_eq!(left(Kind::Domain).await, [ids[0].to_string(), ids[1].to_string()]);
    let expired = Query::new(Kind::Ledger, Filter::ExpiresBy(world.clock.now()));
    assert_eq!(world.store.list(&expired).await.unwrap().items, []);
}

#[tokio::test]
async fn an_order_that_the_store_cannot_read_stands_for_what_it_is_about_only() {
    let world = World::new();
    let operator = world.onboarding.operator();
    operator.pause(Pausable::Tenant(TENANT), "unpaid").await.unwrap();
    operator.pause(Pausable::Mail, "too many").await.unwrap();
    let one = added(&world, &TENANT, "one.example.com").await;
    let two = added(&world, &OTHER, "two.example.com").await;
    let (store, onboarding) = damaged(&world);
    for order in world.store.list(&Query::new(Kind::Pause, Filter::All)).await.unwrap().items {
        store.damage(order.key);
    }
    work(&world, &onboarding).await;
    assert_eq!(onboarding.get(&OTHER, two).await.unwrap().status(), Status::Active);
    let waits = onboarding.get(&TENANT, one).await.unwrap();
    assert_eq!(waits.status(), Status::Pending);
    let reason = waits.waiting_on().reason;
    assert!(matches!(reason, Reason::Paused { scope: PauseScope::Tenant, .. }), "{reason:?}");
}

#[tokio::test]
async fn a_sealing_key_is_needed_while_what_it_may_have_sealed_cannot_be_read() {
    let mut world = World::new();
    world.active("one.example.com").await;
    world.sealer = world.sealer.clone().with_key(SealingKeyId::new("second").unwrap());
    let (store, onboarding) = damaged(&world);
    let key = world.store.list(&Query::new(Kind::Key, Filter::All)).await.unwrap().items.remove(0);
    store.damage(key.key.clone());
    let operator = onboarding.operator();
    let (mut cursor, mut failed) = (None, Vec::new());
    loop {
        let page = operator.reseal(cursor.as_ref()).await.unwrap();
        failed.extend(page.failed.into_iter().map(|(key, error)| (key, error.kind())));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(failed, [(key.key, ErrorKind::Malformed)]);
    // The account is sealed anew: nothing but the damaged row needs the first key.
    let keys = operator.sealing_keys().await.unwrap();
    assert!(keys.len() == 2 && keys.iter().all(|key| key.is_needed), "{keys:?}");
    let accounts = world.store.list(&Query::new(Kind::Account, Filter::All)).await.unwrap();
    store.damage(accounts.items[0].key.clone());
    let error = operator.sealing_keys().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

#[tokio::test]
async fn a_name_is_served_though_the_wildcard_above_it_cannot_be_read() {
    let world = World::new();
    let wildcard = world.active("*.example.com").await.id();
    world.active("shop.example.com").await;
    let (store, onboarding) = damaged(&world);
    store.damage(Key::new(Kind::Domain, wildcard));
    let edge = onboarding.edge();
    let shop = "shop.example.com".parse().unwrap();
    assert!(edge.serves(&shop).await.unwrap().is_some());
    assert!(edge.identity(&shop).await.unwrap().is_some());
    // What only the wildcard covers is nobody's for sure, and no one else's either.
    let error = edge.serves(&"www.example.com".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

#[tokio::test]
async fn budgets_that_cannot_be_read_stop_no_order() {
    let world = World::new();
    world.active("one.example.com").await;
    let (store, onboarding) = damaged(&world);
    let ledgers = world.store.list(&Query::new(Kind::Ledger, Filter::All)).await.unwrap().items;
    assert!(!ledgers.is_empty());
    ledgers.into_iter().for_each(|ledger| store.damage(ledger.key));
    let id = added(&world, &TENANT, "two.example.com").await;
    world.publish(id).await;
    let end = after(world.clock.now(), MINUTE);
    run_until(&onboarding, &world.store, &world.clock, end).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
}
