//! Nobody is kept waiting by somebody who has many.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use nameplate::{
    clock::{Clock, Timer},
    engine::{Budget, Budgets, Policy},
    evidence::Topic,
    store::{Key, Kind, Store},
};
use tokio::time::Instant;

use crate::{
    common::{DAY, HOUR, MINUTE, OTHER, TENANT, World},
    slow::Virtual,
};

#[tokio::test]
async fn a_tenant_that_adds_many_names_at_once_does_not_keep_others_waiting() {
    let mut policy = Policy::new();
    policy.pace = Budget::new(5, MINUTE);
    policy.batch = 4;
    let world = World::with_policy(policy);
    let mut many = Vec::new();
    for number in 0..60 {
        many.push(world.add(&format!("shop{number}.example.com")).await.id());
    }
    let one = world.add_with(&OTHER, "www.example.net".parse().unwrap()).await.id();
    let worker = world.onboarding.worker();
    worker.step().await.unwrap();
    worker.step().await.unwrap();
    let looked = world.onboarding.get(&OTHER, one).await.unwrap();
    assert!(looked.evidence(Topic::Ownership).at.is_some());

    // In turn, and none is forgotten.
    let turns = async |world: &World| {
        let mut count = 0;
        for id in &many {
            count += usize::from(world.get(*id).await.evidence(Topic::Ownership).at.is_some());
        }
        count
    };
    world.run_for(MINUTE * 3).await;
    assert_eq!(turns(&world).await, 20);
    world.run_for(MINUTE * 10).await;
    assert_eq!(turns(&world).await, 60);
}

#[tokio::test]
async fn whoever_asks_does_not_wait_for_its_turn() {
    let mut policy = Policy::new();
    policy.pace = Budget::new(1, HOUR);
    let world = World::with_policy(policy);
    world.add("first.example.com").await;
    let second = world.add("second.example.com").await;
    assert_eq!(second.next_check_at(), Some(second.created_at() + HOUR));
    let looked = world.onboarding.check(&TENANT, second.id()).await.unwrap();
    assert!(looked.evidence(Topic::Ownership).at.is_some());
}

#[tokio::test]
async fn renewals_of_what_was_made_together_are_spread() {
    let mut policy = Policy::new();
    policy.budgets = Budgets::UNLIMITED;
    policy.recheck = DAY * 200;
    let world = World::with_policy(policy);
    let mut due = Vec::new();
    for number in 0..30 {
        let id = world.active(&format!("shop{number}.example.com")).await.id();
        let found = world.store.get(&[Key::new(Kind::Domain, id)]).await.unwrap();
        due.push(found.into_iter().flatten().next().unwrap().header.due.unwrap());
        let served = world.get(id).await.certificate().cloned().unwrap();
        assert!(*due.last().unwrap() >= served.renew_at);
        assert!(*due.last().unwrap() < served.renew_at + HOUR * 3);
    }
    let (first, last) = (due.iter().min().unwrap(), due.iter().max().unwrap());
    // They were made within half an hour.
    assert!(*last - *first > chrono::TimeDelta::minutes(90), "{first} to {last}");
}

#[tokio::test]
async fn looks_that_were_missed_together_are_spread_again() {
    let mut policy = Policy::new();
    policy.budgets = Budgets::UNLIMITED;
    let world = World::with_policy(policy);
    let mut ids = Vec::new();
    for number in 0..30 {
        ids.push(world.active(&format!("shop{number}.example.com")).await.id());
    }
    // Nobody works for three days, and then everybody is due at once.
    world.clock.advance(DAY * 3);
    let back = world.clock.now();
    while world.onboarding.worker().step().await.unwrap().leased > 0 {}
    let mut looks = Vec::new();
    for id in ids {
        let domain = world.get(id).await;
        assert_eq!(domain.evidence(Topic::Ownership).at, Some(back));
        looks.push(domain.next_check_at().unwrap());
    }
    let (first, last) = (looks.iter().min().unwrap(), looks.iter().max().unwrap());
    assert!(*last - *first > chrono::TimeDelta::hours(6), "{first} to {last}");
}

/// Notes when a worker that found nothing begins to wait.
#[derive(Clone, Debug)]
struct Rests {
    time: Virtual,
    longest: Duration,
    began: Arc<Mutex<Vec<Instant>>>,
}

#[async_trait]
impl Timer for Rests {
    async fn sleep(&self, duration: Duration) {
        if duration <= self.longest {
            self.began.lock().unwrap().push(Instant::now());
        }
        self.time.wait(duration).await;
    }
}

#[tokio::test(start_paused = true)]
async fn workers_that_start_together_do_not_ask_together_for_ever() {
    let world = World::new();
    let replica = || {
        let began = Arc::default();
        let longest = world.policy.poll_interval;
        let rests = Rests { time: Virtual::new(&world), longest, began: Arc::clone(&began) };
        (world.process_with_timer(rests).worker(), began)
    };
    let ((first, asked), (second, too)) = (replica(), replica());
    let time = Virtual::new(&world);
    let end = || time.wait(MINUTE);
    tokio::join!(first.run(end()), second.run(end()));
    let moments = |asked: &Mutex<Vec<Instant>>| -> BTreeSet<Instant> {
        asked.lock().unwrap().iter().copied().collect()
    };
    let (asked, too) = (moments(&asked), moments(&too));
    assert!(asked.len() >= 60 && too.len() >= 60, "{} and {}", asked.len(), too.len());
    let together = asked.intersection(&too).count();
    assert!(together < 10, "{together} of {}", asked.len());
}
