//! What makes work fail again and again is set aside, and nobody else suffers.

use nameplate::{
    clock::Clock,
    domain::{Domain, Party, Reason, Status},
    engine::{Notice, ParkedPage, Policy},
    error::ErrorKind,
    id::{DomainId, OperationId},
    record::{RecordData, RecordSet, Ttl, Txt},
    store::{Batch, Body, Expect, Item, Key, Kind, Store, Write},
};

use crate::{
    common::{DAY, HOUR, OTHER, TENANT, World, run_until},
    slow::{Manner, Process},
};

/// Lets a process work until nothing is due for a day.
async fn run(world: &World, process: &Process) {
    let end = nameplate::clock::after(world.clock.now(), DAY);
    run_until(&process.onboarding, &world.store, &world.clock, end).await;
}

async fn notices(world: &World, id: DomainId) -> Vec<Notice> {
    let notices = world.onboarding.notices(&TENANT, id, 0).await.unwrap();
    notices.into_iter().map(|it| it.notice).collect()
}

async fn item(world: &World, id: DomainId) -> Item {
    let found = world.store.get(&[Key::new(Kind::Domain, id)]).await.unwrap();
    found.into_iter().flatten().next().unwrap()
}

async fn overwrite(world: &World, item: Item, body: Body) {
    let Item { key, revision, header, .. } = item;
    let put = Write::Put { key, expect: Expect::Revision(revision), header, body };
    let operation = OperationId::random(&world.random).unwrap();
    world.store.commit(Batch::new(operation).with(put)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_panics_again_and_again_is_parked_with_a_notice_and_can_be_revived() {
    let world = World::new();
    let process = Process::new(&world);
    let id = world.add("bad.example.com").await.id();
    world.publish(id).await;
    process.resolver.set("bad", Manner::Panics);
    run(&world, &process).await;

    let domain = world.get(id).await;
    let waiting = domain.waiting_on();
    assert_eq!(waiting.party, Party::Platform);
    let Reason::Parked { failure } = waiting.reason else { panic!("{waiting}") };
    assert_eq!((failure.attempts, failure.kind), (5, ErrorKind::Internal));
    assert!(!failure.message.contains("a bug"), "{}", failure.message);
    let told = notices(&world, id).await;
    assert_eq!(told.iter().filter(|it| matches!(it, Notice::Parked { .. })).count(), 1);

    // Asking does not help; reviving does, once the reason is gone.
    process.resolver.behave();
    world.onboarding.check(&TENANT, id).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(world.get(id).await.status(), Status::Pending);
    let operator = world.onboarding.operator();
    let ParkedPage { parked, next, .. } = operator.parked(None).await.unwrap();
    assert_eq!((parked.len(), next), (1, None));
    assert_eq!((parked[0].domain, parked[0].tenant), (id, Some(TENANT)));
    operator.revive(id).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
    assert!(notices(&world, id).await.contains(&Notice::Revived));
    let again = operator.revive(id).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Precondition);
    assert!(operator.parked(None).await.unwrap().parked.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_panics_now_and_then_is_not_parked() {
    let world = World::new();
    let process = Process::new(&world);
    let id = world.add("bad.example.com").await.id();
    for _ in 0..4 {
        for _ in 0..4 {
            process.resolver.set("bad", Manner::Panics);
            process.onboarding.check(&TENANT, id).await.unwrap();
        }
        process.resolver.behave();
        process.onboarding.check(&TENANT, id).await.unwrap();
    }
    assert!(world.get(id).await.parked().is_none());
}

#[tokio::test(start_paused = true)]
async fn between_two_attempts_is_a_longer_pause_each_time() {
    let world = World::new();
    let process = Process::new(&world);
    world.add("bad.example.com").await;
    process.resolver.set("bad", Manner::Panics);
    let mut pauses = Vec::new();
    while let Some(due) = world.store.next_due() {
        pauses.push((due - world.clock.now()).num_seconds());
        world.clock.set(due);
        let step = process.onboarding.worker().step().await.unwrap();
        assert_eq!(step.panicked + step.parked, 1);
    }
    assert_eq!(pauses.len(), 5);
    assert!(pauses.is_sorted(), "{pauses:?}");
    assert!(pauses[4] >= 90, "{pauses:?}");
}

#[tokio::test]
async fn what_cannot_be_read_is_parked_as_it_is_and_revived_once_it_can() {
    let world = World::new();
    let id = world.active("shop.example.com").await.id();
    let good = item(&world, id).await;
    let broken = Body::new("{\"v\":1,\"domain\":7}".to_owned());
    overwrite(&world, good.clone(), broken.clone()).await;
    world.run_for(DAY * 5).await;

    let found = item(&world, id).await;
    assert_eq!(found.body, broken);
    assert_eq!(found.header.due, None);
    assert_eq!(found.header.unique, good.header.unique);
    let operator = world.onboarding.operator();
    let ParkedPage { parked, .. } = operator.parked(None).await.unwrap();
    let failure = parked[0].failure.clone().unwrap();
    assert_eq!((parked[0].domain, failure.attempts), (id, 5));
    assert_eq!(failure.kind, ErrorKind::Malformed);

    // Revived too early, it is parked again.
    operator.revive(id).await.unwrap();
    world.run_for(DAY).await;
    assert_eq!(operator.parked(None).await.unwrap().parked.len(), 1);

    overwrite(&world, item(&world, id).await, good.body).await;
    operator.revive(id).await.unwrap();
    world.run_for(HOUR).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
    assert_eq!(item(&world, id).await.header.status, good.header.status);
}

#[tokio::test]
async fn what_another_release_wrote_takes_nobody_elses_place() {
    let mut policy = Policy::new();
    policy.batch = 2;
    let world = World::with_policy(policy);
    for number in 0..4 {
        let id = world.add(&format!("new{number}.example.com")).await.id();
        overwrite(&world, item(&world, id).await, Body::new("{\"v\":9}".to_owned())).await;
    }
    let id = world.add("shop.example.com").await.id();
    world.publish(id).await;
    let worker = world.onboarding.worker();
    for _ in 0..3 {
        worker.step().await.unwrap();
    }
    assert_eq!(world.get(id).await.status(), Status::Verified);
    // Not parked, however long it takes.
    world.run_for(DAY).await;
    assert!(world.onboarding.operator().parked(None).await.unwrap().parked.is_empty());
    assert!(world.store.next_due().is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_parked_stays_with_its_tenant_and_can_be_removed() {
    let world = World::new();
    let process = Process::new(&world);
    let id = world.active("bad.example.com").await.id();
    // More or less a day, by chance.
    world.clock.set(world.store.next_due().unwrap());
    process.resolver.set("bad", Manner::Panics);
    run(&world, &process).await;
    run(&world, &process).await;
    run(&world, &process).await;
    assert!(world.get(id).await.parked().is_some());
    assert!(
        world
            .onboarding
            .edge()
            .serves(&"bad.example.com".parse().unwrap())
            .await
            .unwrap()
            .is_some()
    );
    let list = world.onboarding.list(&TENANT, None).await.unwrap();
    assert_eq!(list.domains.len(), 1);
    world.onboarding.remove(&TENANT, id).await.unwrap();
    assert!(
        world
            .onboarding
            .edge()
            .serves(&"bad.example.com".parse().unwrap())
            .await
            .unwrap()
            .is_none()
    );
    // Nobody of the platform's has to help.
    world.run_for(HOUR).await;
    assert_eq!(world.onboarding.get(&TENANT, id).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(world.onboarding.operator().parked(None).await.unwrap().parked.is_empty());
    world.add("bad.example.com").await;
}

#[tokio::test]
async fn what_leads_to_nothing_is_reported_as_set_back() {
    let mut policy = Policy::new();
    policy.max_rounds = 2;
    let world = World::with_policy(policy);
    let id = world.add("shop.example.com").await.id();
    world.publish(id).await;
    let step = world.onboarding.worker().step().await.unwrap();
    assert_eq!((step.leased, step.left, step.set_back, step.parked), (1, 0, 1, 0));
}

/// Parks a name that is held, and lets another tenant claim it.
async fn parked_and_claimed(world: &World) -> (DomainId, Domain) {
    let id = world.active("bad.example.com").await.id();
    let process = Process::new(world);
    process.resolver.set("bad", Manner::Panics);
    world.clock.advance(DAY * 2);
    run(world, &process).await;
    process.resolver.behave();
    let holder = world.get(id).await;
    assert!(holder.parked().is_some() && holder.status() == Status::Active, "{holder:?}");
    (id, world.add_with(&OTHER, "bad.example.com".parse().unwrap()).await)
}

fn publish(world: &World, claims: &[&Domain]) {
    let text = |claim: &&Domain| RecordData::Txt(Txt::from_text(&claim.challenge().value()));
    let owner = claims[0].challenge().owner.clone();
    let set = RecordSet::new(owner, Ttl::MINUTE, claims.iter().map(text)).unwrap();
    world.dns.set(set).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_is_parked_loses_the_name_to_who_proves_it_as_anybody_would() {
    let world = World::new();
    let (id, challenger) = parked_and_claimed(&world).await;
    publish(&world, &[&challenger]);
    world.onboarding.check(&OTHER, challenger.id()).await.unwrap();
    world.run_for(HOUR * 23).await;
    assert_eq!(world.get(id).await.status(), Status::Active);
    world.run_for(DAY).await;
    assert_eq!(world.get(id).await.status(), Status::Pending);
    let taken = world.onboarding.get(&OTHER, challenger.id()).await.unwrap();
    assert_eq!(taken.status(), Status::Active, "{}", taken.waiting_on());
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_is_parked_keeps_the_name_while_its_proof_is_there() {
    let world = World::new();
    let (id, challenger) = parked_and_claimed(&world).await;
    publish(&world, &[&world.get(id).await, &challenger]);
    for _ in 0..7 {
        world.onboarding.check(&OTHER, challenger.id()).await.unwrap();
        world.run_for(DAY).await;
    }
    assert_eq!(world.get(id).await.status(), Status::Active);
    let waiting = world.onboarding.get(&OTHER, challenger.id()).await.unwrap();
    assert_eq!(waiting.status(), Status::Pending);
}
