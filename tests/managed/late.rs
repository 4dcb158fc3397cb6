//! Changes that reach the DNS provider when nobody waits for them any more.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use nameplate::{
    DnsName, DnsProvider, RecordSet, RecordType,
    dns::{Applied, Capabilities, InMemoryDns},
    domain::RecordState,
    error::{Error, ErrorKind, Result},
    record::Ttl,
    zone::ChangeSet,
};

use crate::{MINUTE, TENANT, World, create, fields, held, set, there, zone};

const API: &str = "api.shop.example.com";

/// A provider that changes sets one by one, and at which a change of a set of addresses can be held
/// up: whoever sent it hears nothing of it.
#[derive(Clone, Debug)]
struct Slow {
    inner: InMemoryDns,
    road: Arc<Mutex<Road>>,
}

#[derive(Debug, Default)]
struct Road {
    is_closed: bool,
    held_up: Option<(DnsName, ChangeSet)>,
}

impl Slow {
    fn new(inner: InMemoryDns) -> Self {
        Self { inner, road: Arc::default() }
    }

    fn close(&self) {
        self.road.lock().unwrap().is_closed = true;
    }

    /// Lets the change that was held up arrive.
    async fn arrive(&self) {
        let (zone, changes) = self.road.lock().unwrap().held_up.take().unwrap();
        let applied = self.inner.apply(&zone, &changes).await.unwrap();
        assert!(matches!(applied[..], [Applied::Done]), "{applied:?}");
    }
}

#[async_trait]
impl DnsProvider for Slow {
    async fn zone_of(&self, name: &DnsName) -> Result<Option<DnsName>> {
        self.inner.zone_of(name).await
    }

    async fn record_set(
        &self,
        zone: &DnsName,
        name: &DnsName,
        record_type: RecordType,
    ) -> Result<Option<RecordSet>> {
        self.inner.record_set(zone, name, record_type).await
    }

    async fn apply(&self, zone: &DnsName, changes: &ChangeSet) -> Result<Vec<Applied>> {
        let is_held_up = {
            let mut road = self.road.lock().unwrap();
            let is_address = changes.iter().any(|change| change.record_type() == RecordType::A);
            let is_held_up = is_address && std::mem::take(&mut road.is_closed);
            if is_held_up {
                road.held_up = Some((zone.clone(), changes.clone()));
            }
            is_held_up
        };
        if is_held_up {
            return Err(Error::new(ErrorKind::Unknown, "slow", "apply", "no answer in time"));
        }
        self.inner.apply(zone, changes).await
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}

async fn slow() -> (World, Slow, nameplate::domain::Domain) {
    let (mut world, domain) = held().await;
    world.dns = world.dns.clone().with_capabilities(Capabilities::new(false, Ttl::MINUTE));
    let slow = Slow::new(world.dns.clone());
    world.onboarding = world.process((|s| s, |r| r, |_| slow.clone(), |c| c));
    (world, slow, domain)
}

#[tokio::test]
async fn a_record_that_is_written_after_it_was_removed_goes_too() {
    let (world, slow, domain) = slow().await;
    let before = zone(&world);
    slow.close();
    let record = create(&world, &domain, &fields("A", "api", "192.0.2.7")).await.unwrap();
    assert_eq!(record.state(), RecordState::Creating);
    world.run_for(MINUTE * 2).await;
    let records = world.onboarding.records(&TENANT, domain.id());
    assert_eq!(records.get(record.id()).await.unwrap().state(), RecordState::Present);
    records.remove(record.id()).await.unwrap().apply().await.unwrap();
    assert_eq!(records.list().await.unwrap(), []);
    assert_eq!(there(&world, API, RecordType::A).await, None);

    slow.arrive().await;
    assert!(there(&world, API, RecordType::A).await.is_some());
    world.run_for(world.policy.sweep_after + MINUTE).await;
    assert_eq!(zone(&world), before);
    assert_eq!(world.get(domain.id()).await.records(), []);
}

#[tokio::test]
async fn a_record_that_was_replaced_and_is_written_late_goes_too() {
    let (world, slow, domain) = slow().await;
    let before = zone(&world);
    slow.close();
    let record = create(&world, &domain, &fields("A", "api", "192.0.2.7")).await.unwrap();
    world.run_for(MINUTE).await;
    let records = world.onboarding.records(&TENANT, domain.id());
    let change = records.update(record.id(), &fields("A", "api", "192.0.2.8")).await.unwrap();
    change.apply().await.unwrap();
    records.remove(record.id()).await.unwrap().apply().await.unwrap();

    slow.arrive().await;
    world.run_for(world.policy.sweep_after + MINUTE).await;
    assert_eq!(zone(&world), before);
}

#[tokio::test]
async fn a_record_that_is_written_late_goes_with_the_domain() {
    let (world, slow, domain) = slow().await;
    let before = zone(&world);
    slow.close();
    create(&world, &domain, &fields("A", "api", "192.0.2.7")).await.unwrap();
    world.onboarding.remove(&TENANT, domain.id()).await.unwrap();
    world.run_for(MINUTE).await;
    slow.arrive().await;
    world.run_for(world.policy.sweep_after + MINUTE).await;
    assert_eq!(zone(&world), before);
    assert_eq!(world.store.next_due(), None);
}

/// The mark of what may come late is there only where something may.
#[tokio::test]
async fn what_others_write_anew_after_ours_is_gone_stays() {
    let (world, _, domain) = slow().await;
    let record = create(&world, &domain, &fields("A", "api", "192.0.2.7")).await.unwrap();
    let records = world.onboarding.records(&TENANT, domain.id());
    records.remove(record.id()).await.unwrap().apply().await.unwrap();
    let theirs = set(API, RecordType::A, &["192.0.2.7"]);
    world.dns.set(theirs.clone()).unwrap();
    world.run_for(world.policy.sweep_after * 2).await;
    assert_eq!(there(&world, API, RecordType::A).await, Some(theirs));
}

/// The markers that stay for a while keep nobody from using the name.
#[tokio::test]
async fn a_name_in_doubt_can_be_used() {
    let (world, slow, domain) = slow().await;
    slow.close();
    let record = create(&world, &domain, &fields("A", "api", "192.0.2.7")).await.unwrap();
    let records = world.onboarding.records(&TENANT, domain.id());
    records.remove(record.id()).await.unwrap().apply().await.unwrap();
    let again = create(&world, &domain, &fields("A", "api", "192.0.2.9")).await.unwrap();
    world.run_for(world.policy.sweep_after * 2).await;
    assert_eq!(records.get(again.id()).await.unwrap().state(), RecordState::Present);
    let ours = set(API, RecordType::A, &["192.0.2.9"]);
    assert!(there(&world, API, RecordType::A).await.unwrap().data() == ours.data());
    let marks = there(&world, &format!("_plat-records.{API}"), RecordType::Txt).await.unwrap();
    assert_eq!(marks.data().len(), 1);
}
