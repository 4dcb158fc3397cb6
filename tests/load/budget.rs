//! What many domains may do together: no more than the authority takes, each thing paid for once.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Waker},
};

use nameplate::{
    clock::{Clock, after},
    domain::{BudgetKind, Party, Reason, Status},
    engine::{Budget, Budgets, Pausable, Policy},
    error::ErrorKind,
    id::{DomainId, OperationId},
    store::{Batch, Body, Expect, Header, Key, Kind, Query, Store, Write},
    testkit::{Tap, Tape},
};

use crate::{
    common::{DAY, HOUR, MINUTE, TENANT, World, run_until},
    slow::Process,
};

fn world(change: impl FnOnce(&mut Budgets)) -> World {
    let mut policy = Policy::new();
    let mut budgets = Budgets::UNLIMITED;
    change(&mut budgets);
    policy.budgets = budgets;
    policy.recheck = DAY * 80;
    World::with_policy(policy)
}

async fn add(world: &World, count: usize) -> Vec<DomainId> {
    let mut ids = Vec::new();
    for number in 0..count {
        let id = world.add(&format!("shop{number}.example.com")).await.id();
        world.publish(id).await;
        ids.push(id);
    }
    ids
}

async fn active(world: &World, ids: &[DomainId]) -> usize {
    let mut count = 0;
    for id in ids {
        count += usize::from(world.get(*id).await.status() == Status::Active);
    }
    count
}

#[tokio::test]
async fn orders_beyond_the_budget_wait_until_it_refills() {
    let world = world(|budgets| budgets.orders = Some(Budget::new(3, HOUR)));
    let ids = add(&world, 9).await;
    world.run_for(MINUTE).await;
    assert_eq!((world.ca.orders(), active(&world, &ids).await), (3, 3));
    let mut waiting = Vec::new();
    for id in &ids {
        waiting.push(world.get(*id).await.waiting_on());
    }
    let of_budget = waiting.iter().filter(|it| {
        it.reason == Reason::Budget { budget: BudgetKind::Orders } && it.party == Party::Clock
    });
    assert_eq!(of_budget.count(), 6, "{waiting:?}");
    let until = waiting.iter().find(|it| it.party == Party::Clock).unwrap().until.unwrap();
    assert!(until > world.clock.now());

    let mut orders = world.ca.orders();
    for _ in 0..12 {
        world.run_for(HOUR).await;
        let now = world.ca.orders();
        assert!(now - orders <= 4, "{} in an hour", now - orders);
        orders = now;
    }
    assert_eq!((orders, active(&world, &ids).await), (9, 9));
    assert!(world.get(ids[8]).await.throttled().is_none());
}

#[tokio::test]
async fn a_registered_domain_and_a_name_have_budgets_of_their_own() {
    let world = world(|budgets| {
        budgets.certificates = Some(Budget::new(2, DAY * 7));
        budgets.duplicates = Some(Budget::new(1, DAY * 120));
    });
    let ids = add(&world, 3).await;
    let elsewhere = world.add("shop.example.net").await.id();
    world.publish(elsewhere).await;
    world.run_for(HOUR).await;
    assert_eq!(active(&world, &ids).await, 2);
    assert_eq!(world.get(elsewhere).await.status(), Status::Active);
    world.run_for(DAY * 5).await;
    assert_eq!(active(&world, &ids).await, 3);

    // A renewal is free of the first and not of the second.
    let orders = world.ca.orders();
    world.onboarding.renew(&TENANT, ids[0]).await.unwrap();
    world.run_for(DAY).await;
    assert_eq!(world.ca.orders(), orders);
    let throttled = world.get(ids[0]).await.throttled().cloned().unwrap();
    assert_eq!(throttled.budget, BudgetKind::Duplicates);
}

#[tokio::test]
async fn a_process_that_is_killed_anywhere_pays_once() {
    let mut stopped = true;
    let mut point = 0;
    while stopped {
        let world = world(|budgets| {
            let one = Some(Budget::new(1, DAY * 100));
            *budgets = Budgets::UNLIMITED;
            (budgets.orders, budgets.certificates, budgets.duplicates) = (one, one, one);
        });
        let id = world.add("*.example.com").await.id();
        world.publish(id).await;
        let tape = Tape::stopping_at(point);
        let tapes = [(); 4].map(|()| tape.clone());
        let [s, r, d, c] = tapes;
        let process = world.process((
            move |it| Tap::new(it, s),
            move |it| Tap::new(it, r),
            move |it| Tap::new(it, d),
            move |it| Tap::new(it, c),
        ));
        let end = after(world.clock.now(), MINUTE);
        {
            let mut life = pin!(run_until(&process, &world.store, &world.clock, end));
            let _ = life.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        stopped = tape.is_stopped();
        world.run_for(HOUR).await;
        let domain = world.get(id).await;
        assert_eq!(domain.status(), Status::Active, "killed at {point}: {}", domain.waiting_on());
        point += 1;
    }
    assert!(point > 80, "{point}");
}

#[tokio::test]
async fn an_authority_that_is_away_costs_nothing_more() {
    let world = world(|budgets| budgets.orders = Some(Budget::new(1, DAY * 100)));
    let id = world.add("shop.example.com").await.id();
    // The customer has proved it, and the account is there.
    world.onboarding.operator().pause(Pausable::Authority, "test").await.unwrap();
    world.publish(id).await;
    world.run_for(HOUR).await;
    world.onboarding.operator().resume(Pausable::Authority).await.unwrap();
    for _ in 0..4 {
        world.ca.fail_next(ErrorKind::Unavailable);
    }
    world.run_for(HOUR * 2).await;
    let domain = world.get(id).await;
    assert_eq!(domain.status(), Status::Active, "{}", domain.waiting_on());
}

#[tokio::test(start_paused = true)]
async fn those_that_spend_at_the_same_time_spend_no_more_than_there_is() {
    let world = world(|budgets| budgets.orders = Some(Budget::new(10, DAY * 50)));
    let processes = [Process::new(&world), Process::new(&world)];
    let ids = add(&world, 40).await;
    for _ in 0..300 {
        let [one, two] = &processes;
        let (one, two) = (one.onboarding.worker(), two.onboarding.worker());
        let (first, second) = tokio::join!(one.step(), two.step());
        let leased = first.unwrap().leased + second.unwrap().leased;
        if leased == 0 && active(&world, &ids).await == 10 {
            break;
        }
        world.clock.advance(MINUTE / 60);
    }
    assert_eq!((world.ca.orders(), active(&world, &ids).await), (10, 10));
}

#[tokio::test]
async fn a_ledger_of_another_release_is_left_alone_and_waited_for() {
    let world = world(|budgets| budgets.orders = Some(Budget::new(3, HOUR)));
    let ids = add(&world, 1).await;
    world.run_for(HOUR).await;
    let ledger = Query::new(
        Kind::Ledger,
        nameplate::store::Filter::ExpiresBy(after(world.clock.now(), DAY)),
    );
    let item = world.store.list(&ledger).await.unwrap().items.remove(0);
    let body = Body::new("{\"v\":2}".to_owned());
    let expect = Expect::Revision(item.revision);
    let key: Key = item.key.clone();
    let put =
        Write::Put { key: key.clone(), expect, header: Header::default(), body: body.clone() };
    let operation = OperationId::random(&world.random).unwrap();
    world.store.commit(Batch::new(operation).with(put)).await.unwrap();
    world.onboarding.renew(&TENANT, ids[0]).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(world.ca.orders(), 1);
    assert!(world.get(ids[0]).await.throttled().is_some());
    let found = world.store.get(&[key]).await.unwrap().remove(0).unwrap();
    assert_eq!(found.body, body);
}
