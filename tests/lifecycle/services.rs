//! Services that ask for time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use nameplate::{
    certificate::Validation,
    clock::{Clock, after},
    dns::{Applied, DnsProvider, InMemoryDns},
    domain::{NewDomain, Status},
    error::{Error, ErrorKind, Result},
    name::DnsName,
    testkit::{DnsLayer, Layered},
    zone::ChangeSet,
};

use crate::common::{HOUR, MINUTE, TENANT, World, run_until};

/// A DNS provider that refuses its first change for now and asks for an hour.
#[derive(Clone, Debug)]
struct Busy {
    inner: InMemoryDns,
    changes: Arc<AtomicUsize>,
}

#[async_trait]
impl DnsLayer for Busy {
    type Inner = InMemoryDns;

    fn inner(&self) -> &InMemoryDns {
        &self.inner
    }
    async fn apply(&self, zone: &DnsName, changes: &ChangeSet) -> Result<Vec<Applied>> {
        if self.changes.fetch_add(1, Ordering::Relaxed) == 0 {
            let busy = Error::new(ErrorKind::RateLimited, "busy", "apply", "too many changes");
            return Err(busy.with_retry_after(HOUR));
        }
        self.inner.apply(zone, changes).await
    }
}

#[tokio::test]
async fn a_dns_provider_that_asks_for_time_has_it_whoever_asks_for_a_look() {
    let world = World::new();
    let busy = Busy { inner: world.dns.clone(), changes: Arc::default() };
    let theirs = Layered::new(busy.clone());
    let process = world.process((|it| it, |it| it, move |_| theirs, |it| it));
    let wanted: NewDomain = "shop.example.com".parse().unwrap();
    let id = world.add_with(&TENANT, wanted.with_validation(Validation::Dns01)).await.id();
    world.publish(id).await;
    let run = async |time| {
        let end = after(world.clock.now(), time);
        run_until(&process, &world.store, &world.clock, end).await;
        world.clock.set(end);
    };
    run(MINUTE).await;
    assert_eq!(busy.changes.load(Ordering::Relaxed), 1);

    for _ in 0..5 {
        process.check(&TENANT, id).await.unwrap();
        run(MINUTE * 10).await;
    }
    assert_eq!(busy.changes.load(Ordering::Relaxed), 1);
    // Nobody can have seen the record before it was there: the order goes on.
    run(MINUTE * 20).await;
    assert!(busy.changes.load(Ordering::Relaxed) > 1);
    assert_eq!(world.get(id).await.status(), Status::Active);
    assert_eq!(world.ca.orders(), 1);
}
