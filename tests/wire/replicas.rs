//! Several replicas on PostgreSQL, each with connections of its own: what they share, and what they
//! hand over. Everything else is in memory.

use std::{future::pending, sync::Arc, time::Duration};

use async_trait::async_trait;
use nameplate::{
    Onboarding,
    certificate::Validation,
    clock::TokioTimer,
    domain::Status,
    engine::{Budget, Budgets, Policy},
    error::Result,
    id::DomainId,
    resolver::{Answer, InMemoryResolver, Lookup, Resolver},
    store::{Postgres, Store as _},
    testkit::EndlessTimer,
};
use tokio::sync::{Notify, oneshot};

use crate::{
    common::{DAY, HOUR, TENANT, World},
    postgres::database::Database,
    servers,
};

/// Three replicas of one platform, and the world around them.
struct Fleet {
    world: World,
    stores: [Postgres; 3],
    replicas: [Onboarding; 3],
    database: Database,
}

impl Fleet {
    async fn new(change: impl FnOnce(&mut Policy)) -> Self {
        let mut policy = Policy::new();
        policy.validation = Validation::Dns01Delegated;
        policy.budgets = Budgets::UNLIMITED;
        change(&mut policy);
        let world = World::with_policy(policy);
        let database = Database::new(servers::postgres());
        let open = async || database.builder().open().await.unwrap();
        // All of them make the tables, as after a deployment.
        let (first, second, third) = tokio::join!(open(), open(), open());
        let stores = [first, second, third];
        world.clock.set(stores[0].now().await.unwrap());
        let replicas = stores.clone().map(|store| {
            let resolver = InMemoryResolver::over(Arc::new(world.dns.clone()));
            world.replica(store, resolver, EndlessTimer)
        });
        Self { world, stores, replicas, database }
    }

    /// Adds names whose customers do what they are asked to.
    async fn add(&self, count: usize) -> Vec<DomainId> {
        let mut ids = Vec::new();
        for number in 0..count {
            let replica = &self.replicas[number % 3];
            let name = format!("shop{number}.example.com").parse().unwrap();
            let id = replica.add(&TENANT, name).await.unwrap().id();
            for step in replica.instructions(&TENANT, id).await.unwrap() {
                self.world.publish_one(&step);
            }
            ids.push(id);
        }
        ids
    }

    /// Lets all of them work at the same time, and returns how much each leased.
    async fn step(&self) -> [usize; 3] {
        let [first, second, third] = self.replicas.each_ref().map(Onboarding::worker);
        let (first, second, third) = tokio::join!(first.step(), second.step(), third.step());
        [first, second, third].map(|step| step.unwrap().leased)
    }

    fn wait(&self, time: Duration) {
        self.world.clock.advance(time);
        for store in &self.stores {
            store.advance(time);
        }
    }

    async fn active(&self, ids: &[DomainId]) -> usize {
        let mut count = 0;
        for id in ids {
            let domain = self.replicas[0].get(&TENANT, *id).await.unwrap();
            count += usize::from(domain.status() == Status::Active);
        }
        count
    }
}

#[tokio::test]
async fn replicas_that_look_for_work_together_share_it() {
    let fleet = Fleet::new(|policy| policy.batch = 8).await;
    fleet.add(24).await;
    // Nobody has what somebody else has, and nobody waits for the others.
    assert_eq!(fleet.step().await, [8, 8, 8]);
}

#[tokio::test]
async fn replicas_order_no_more_than_their_common_budget() {
    let fleet = Fleet::new(|policy| {
        policy.budgets.orders = Some(Budget::new(6, DAY * 50));
        policy.recheck = DAY * 80;
    })
    .await;
    let ids = fleet.add(18).await;
    for _ in 0..60 {
        if fleet.step().await == [0; 3] && fleet.active(&ids).await == 6 {
            break;
        }
        fleet.wait(Duration::from_secs(1));
    }
    // However long they go on trying.
    fleet.wait(HOUR * 2);
    fleet.step().await;
    assert_eq!((fleet.world.ca.orders(), fleet.active(&ids).await), (6, 6));
}

/// A resolver that never answers, and tells when it is asked.
#[derive(Clone, Debug)]
struct Silent(Arc<Notify>);

#[async_trait]
impl Resolver for Silent {
    async fn lookup(&self, _: &Lookup) -> Result<Answer> {
        self.0.notify_one();
        pending().await
    }
}

#[tokio::test]
async fn a_replica_that_is_shut_down_hands_over_at_once() {
    let fleet = Fleet::new(|policy| {
        policy.lease = HOUR;
        policy.call_timeout = HOUR / 2;
        policy.sweep_after = HOUR;
        policy.drain = Duration::from_millis(50);
    })
    .await;
    let asked = Arc::new(Notify::new());
    let store = fleet.database.builder().open().await.unwrap();
    let stopping = fleet.world.replica(store, Silent(asked.clone()), TokioTimer);
    let id = fleet.add(1).await[0];
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = tokio::spawn(stopping.worker().run(async {
        let _ = stopped.await;
    }));
    asked.notified().await;
    assert_eq!(fleet.step().await, [0; 3], "somebody is at it");
    stop.send(()).unwrap();
    worker.await.unwrap();
    // No time has passed that a lease would have ended in.
    assert_eq!(fleet.step().await.iter().sum::<usize>(), 1);
    let domain = fleet.replicas[0].get(&TENANT, id).await.unwrap();
    assert_eq!(domain.status(), Status::Verified);
}
