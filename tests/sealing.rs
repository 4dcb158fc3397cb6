//! Keys that seal: one gives way to another while all goes on, and one that is missing harms nothing.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

mod common;

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use common::{HOUR, MINUTE, TENANT, World, run_until};
use nameplate::{
    challenge::Method,
    clock::Clock,
    domain::{Domain, NewDomain, Status},
    engine::{Adoption, Budgets, Onboarding, Pausable, Policy, ResealCursor},
    error::{Error, ErrorKind, Result},
    id::{OperationId, OsRandom},
    mail::{InMemoryMailer, Mailer, Message},
    seal::{InMemorySealer, MissingKey, SealingKeyId},
    secret::Secret,
    store::{Batch, Body, Commit, Expect, Filter, Item, Key, Kind, Query, Store, Write},
    testkit::EndlessTimer,
};

fn key(name: &str) -> SealingKeyId {
    SealingKeyId::new(name).unwrap()
}

/// Another process on the same world, in which other keys are plugged in.
fn process(world: &mut World, sealer: InMemorySealer) -> Onboarding {
    world.sealer = sealer;
    world.process_with_timer(EndlessTimer)
}

async fn list(world: &World, kind: Kind, filter: Filter) -> Vec<Item> {
    let mut query = Query::new(kind, filter);
    let mut items = Vec::new();
    loop {
        let page = world.store.list(&query).await.unwrap();
        items.extend(page.items);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return items,
        }
    }
}

/// Everything that holds a secret.
async fn secrets(world: &World) -> Vec<Item> {
    let mut items = list(world, Kind::Key, Filter::Tenant(TENANT)).await;
    items.extend(list(world, Kind::Account, Filter::Status("ready".to_owned())).await);
    items
}

/// The keys with which what is stored was sealed.
async fn sealed_with(world: &World) -> BTreeSet<String> {
    let of = |item: &Item| {
        let body = item.body.as_str();
        let (_, rest) = body.split_once("memory1.").unwrap();
        rest.split_once('.').unwrap().0.to_owned()
    };
    secrets(world).await.iter().map(of).collect()
}

async fn reseal_all(onboarding: &Onboarding) -> usize {
    let (mut cursor, mut count) = (None, 0);
    loop {
        let page = onboarding.operator().reseal(cursor.as_ref()).await.unwrap();
        assert!(page.failed.is_empty(), "{:?}", page.failed);
        count += page.resealed;
        cursor = page.next;
        if cursor.is_none() {
            return count;
        }
    }
}

async fn is_needed(onboarding: &Onboarding, name: &str) -> bool {
    let keys = onboarding.operator().sealing_keys().await.unwrap();
    keys.iter().find(|known| known.id == key(name)).unwrap().is_needed
}

async fn serves(onboarding: &Onboarding, domain: &Domain) -> bool {
    onboarding.edge().identity(domain.name()).await.unwrap().is_some()
}

#[tokio::test]
async fn a_key_gives_way_to_another_while_everything_is_served() {
    let mut world = World::new();
    let one = world.active("one.example.com").await;
    let two = world.active("two.example.com").await;

    let both = world.sealer.clone().with_key(key("second"));
    let onboarding = process(&mut world, both.clone());
    onboarding.check_sealing().await.unwrap();
    assert!(serves(&onboarding, &one).await && serves(&onboarding, &two).await);
    assert!(is_needed(&onboarding, "first").await && !is_needed(&onboarding, "second").await);

    // Two certificate keys, and that of the account.
    assert_eq!(reseal_all(&onboarding).await, 3);
    assert_eq!(sealed_with(&world).await, ["second".to_owned()].into());
    assert!(!is_needed(&onboarding, "first").await && is_needed(&onboarding, "second").await);
    assert_eq!(reseal_all(&onboarding).await, 0, "what is done is left alone");
    // Who was not given the new key says which one it is.
    let error = world.onboarding.edge().identity(one.name()).await.unwrap_err();
    assert_eq!(MissingKey::of(&error), Some(&key("second")));

    let onboarding = process(&mut world, both.without_key(&key("first")));
    onboarding.check_sealing().await.unwrap();
    assert!(serves(&onboarding, &one).await && serves(&onboarding, &two).await);
    // The account still works: another name gets its certificate, and is served.
    let id = onboarding.add(&TENANT, "three.example.com".parse().unwrap()).await.unwrap().id();
    world.publish(id).await;
    for _ in 0..10 {
        onboarding.worker().step().await.unwrap();
        world.clock.advance(MINUTE);
    }
    let three = world.get(id).await;
    assert_eq!(three.status(), Status::Active, "{}", three.waiting_on());
    assert!(serves(&onboarding, &three).await);
}

#[tokio::test]
async fn resealing_goes_on_where_it_was_stopped_or_from_the_start() {
    const NAMES: usize = 230;
    let mut policy = Policy::default();
    policy.budgets = Budgets::UNLIMITED;
    let mut world = World::with_policy(policy);
    for count in 0..NAMES {
        let id = world.add(&format!("n{count}.example.com")).await.id();
        world.publish(id).await;
    }
    world.run_for(HOUR).await;
    assert_eq!(secrets(&world).await.len(), NAMES + 1);
    let both = world.sealer.clone().with_key(key("second"));
    let onboarding = process(&mut world, both.clone());
    let first = onboarding.operator().reseal(None).await.unwrap();
    assert_eq!(first.resealed, 101, "a page, and the account");
    let kept = serde_json::to_string(&first.next.unwrap()).unwrap();

    // Somebody else begins again while a third one goes on.
    let again = onboarding.operator().reseal(None).await.unwrap();
    assert_eq!(again.resealed, 100);
    let cursor: ResealCursor = serde_json::from_str(&kept).unwrap();
    let rest = onboarding.operator().reseal(Some(&cursor)).await.unwrap();
    assert_eq!((rest.resealed, rest.next), (30, None));
    assert_eq!(sealed_with(&world).await, ["second".to_owned()].into());
    assert!(!is_needed(&onboarding, "first").await);
}

#[tokio::test]
async fn resealing_survives_a_store_that_does_not_say_what_happened() {
    for after in [false, true] {
        let mut world = World::new();
        let domain = world.active("one.example.com").await;
        let both = world.sealer.clone().with_key(key("second"));
        let onboarding = process(&mut world, both.clone());
        onboarding.check_sealing().await.unwrap();
        // Each call in turn: whatever it is, to begin again ends well.
        for _ in 0..12 {
            if after {
                world.store.fail_next_after(ErrorKind::Unknown);
            } else {
                world.store.fail_next(ErrorKind::Unavailable);
            }
            let _ = onboarding.operator().reseal(None).await;
            world.store.now().await.ok();
        }
        reseal_all(&onboarding).await;
        let onboarding = process(&mut world, both.without_key(&key("first")));
        onboarding.check_sealing().await.unwrap();
        assert!(serves(&onboarding, &domain).await);
    }
}

#[tokio::test]
async fn a_worker_that_renews_meanwhile_loses_nothing() {
    let mut world = World::new();
    let domain = world.active("one.example.com").await;
    let both = world.sealer.clone().with_key(key("second"));
    let onboarding = process(&mut world, both.clone());
    // The old process, which seals with the old key, renews in the middle.
    world.clock.set(domain.certificate().unwrap().renew_at);
    for _ in 0..20 {
        world.onboarding.worker().step().await.unwrap();
        reseal_all(&onboarding).await;
        onboarding.worker().step().await.unwrap();
        world.clock.advance(MINUTE);
    }
    let renewed = world.get(domain.id()).await;
    assert_ne!(renewed.certificate().unwrap().id, domain.certificate().unwrap().id);
    reseal_all(&onboarding).await;
    assert!(!is_needed(&onboarding, "first").await);
    let onboarding = process(&mut world, both.without_key(&key("first")));
    assert!(serves(&onboarding, &renewed).await);
}

#[tokio::test]
async fn a_missing_key_is_one_clear_error_and_harms_nothing() {
    let mut world = World::new();
    let served = world.active("served.example.com").await;
    let before = secrets(&world).await;
    let right = world.sealer.clone();
    let wrong = right.clone().with_key(key("wrong")).without_key(&key("first"));
    let onboarding = process(&mut world, wrong);

    let error = onboarding.check_sealing().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(MissingKey::of(&error), Some(&key("first")));
    assert!(error.to_string().contains("first"), "{error}");
    let keys = onboarding.operator().sealing_keys().await.unwrap();
    let first = keys.iter().find(|known| known.id == key("first")).unwrap();
    assert!(first.is_needed && !first.is_there && !first.seals);

    // A new name, a renewal that is due, and every worker has the wrong key.
    world.clock.set(served.certificate().unwrap().renew_at);
    let new = onboarding.add(&TENANT, "new.example.com".parse().unwrap()).await.unwrap();
    world.publish(new.id()).await;
    for _ in 0..60 {
        onboarding.worker().step().await.unwrap();
        world.clock.advance(HOUR);
    }
    let now = world.get(served.id()).await;
    assert_eq!((now.status(), now.certificate()), (Status::Active, served.certificate()));
    assert_eq!(world.get(new.id()).await.status(), Status::Verified);
    let shown = format!("{:?}", world.get(new.id()).await.last_failure());
    assert!(shown.contains("sealing key first"), "{shown}");
    assert_eq!(secrets(&world).await, before, "nothing was made anew");
    let error = onboarding.edge().identity(served.name()).await.unwrap_err();
    assert_eq!(MissingKey::of(&error), Some(&key("first")));

    // With the key all goes on by itself.
    let onboarding = process(&mut world, right);
    onboarding.check_sealing().await.unwrap();
    for _ in 0..48 {
        onboarding.worker().step().await.unwrap();
        world.clock.advance(HOUR);
    }
    let now = world.get(served.id()).await;
    assert_ne!(now.certificate(), served.certificate(), "renewed");
    let new = world.get(new.id()).await;
    assert_eq!(new.status(), Status::Active, "{}", new.waiting_on());
    assert!(serves(&onboarding, &new).await && serves(&onboarding, &now).await);
}

#[tokio::test]
async fn nothing_is_sealed_with_a_new_key_while_an_old_one_is_missing() {
    let mut world = World::new();
    // An account with a key that is not enrolled yet: the authority is away.
    let id = world.add("one.example.com").await.id();
    world.publish(id).await;
    world.ca.fail_next(ErrorKind::Unavailable);
    for _ in 0..2 {
        world.onboarding.worker().step().await.unwrap();
    }
    let canaries = Key::new(Kind::Sealing, "canaries");
    let before = world.store.get(std::slice::from_ref(&canaries)).await.unwrap();
    assert!(before[0].is_some());
    let right = world.sealer.clone();
    let wrong = right.clone().with_key(key("wrong")).without_key(&key("first"));
    let onboarding = process(&mut world, wrong);
    for _ in 0..30 {
        onboarding.worker().step().await.unwrap();
        world.clock.advance(Duration::from_secs(900));
    }
    assert_eq!(world.store.get(std::slice::from_ref(&canaries)).await.unwrap(), before);
    assert_eq!(sealed_with(&world).await.into_iter().collect::<Vec<_>>(), Vec::<String>::new());
    assert_ne!(world.get(id).await.status(), Status::Failed);

    // The key is back: no longer than the pause between two attempts at a service later all is well.
    let onboarding = process(&mut world, right);
    for _ in 0..12 {
        onboarding.worker().step().await.unwrap();
        world.clock.advance(Duration::from_secs(600));
    }
    let domain = world.get(id).await;
    assert_eq!(domain.status(), Status::Active, "{}", domain.waiting_on());
}

#[tokio::test]
async fn a_process_that_was_started_first_seals_nothing_beside_the_key_of_another() {
    let mut world = World::new();
    let first = world.onboarding.clone();
    first.check_sealing().await.unwrap();
    // Nothing lies under the key of the first one yet, so that it is not missed.
    let other = world.sealer.clone().with_key(key("other")).without_key(&key("first"));
    let other = process(&mut world, other);
    let domain = other.add(&TENANT, "other.example.com".parse().unwrap()).await.unwrap();
    world.publish(domain.id()).await;
    for _ in 0..20 {
        other.worker().step().await.unwrap();
        world.clock.advance(MINUTE);
    }
    assert_eq!(world.get(domain.id()).await.status(), Status::Active);

    let (chain, secret) = served_before("adopted.example.com").await;
    let name: NewDomain = "adopted.example.com".parse().unwrap();
    let adoption = Adoption::new(name, chain, secret, "contract of 2020");
    let error = first.operator().adopt(&TENANT, adoption).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(MissingKey::of(&error), Some(&key("other")));
    assert_eq!(sealed_with(&world).await.into_iter().collect::<Vec<_>>(), ["other"]);
}

/// A certificate for a name with its key, from a platform that served it before.
async fn served_before(name: &str) -> (String, Secret) {
    let before = World::new();
    before.active(name).await;
    let identity = before.onboarding.edge().identity(&name.parse().unwrap()).await.unwrap();
    let certificate = list(&before, Kind::Certificate, Filter::All).await.remove(0);
    let body: serde_json::Value = serde_json::from_str(certificate.body.as_str()).unwrap();
    (body["chain"].as_str().unwrap().to_owned(), identity.unwrap().key)
}

#[tokio::test]
async fn another_key_under_the_same_name_is_found_out_at_the_start() {
    let mut world = World::new();
    world.active("one.example.com").await;
    // Another vault, in which other secrets have the same names.
    let onboarding = process(&mut world, InMemorySealer::new());
    let error = onboarding.check_sealing().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(MissingKey::of(&error).is_none() && error.to_string().contains("first"), "{error}");
    assert_eq!(onboarding.operator().reseal(None).await.unwrap_err().kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn a_secret_that_does_not_open_is_named_and_left_alone() {
    let mut world = World::new();
    let one = world.active("one.example.com").await;
    let two = world.active("two.example.com").await;
    // Somebody with access to the store puts the key of one in the place of the other.
    let keys = list(&world, Kind::Key, Filter::Tenant(TENANT)).await;
    let of = |domain: &Domain| {
        let id = domain.certificate().unwrap().key.to_string();
        keys.iter().find(|item| item.key.id == id).unwrap().clone()
    };
    let (mut moved, from) = (of(&one), of(&two));
    let sealed = |item: &Item| {
        let body: serde_json::Value = serde_json::from_str(item.body.as_str()).unwrap();
        body["sealed"].as_str().unwrap().to_owned()
    };
    let text = moved.body.as_str().replace(&sealed(&moved), &sealed(&from));
    let write = Write::Put {
        key: moved.key.clone(),
        expect: Expect::Revision(moved.revision),
        header: moved.header.clone(),
        body: Body::new(text),
    };
    let batch = Batch::new(OperationId::random(&OsRandom).unwrap()).with(write);
    assert_eq!(world.store.commit(batch).await.unwrap(), Commit::Done);
    moved = world.store.get(&[moved.key]).await.unwrap().remove(0).unwrap();
    let error = world.onboarding.edge().identity(one.name()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);

    let both = world.sealer.clone().with_key(key("second"));
    let onboarding = process(&mut world, both);
    let page = onboarding.operator().reseal(None).await.unwrap();
    assert_eq!(page.resealed, 2, "the account, and the other one");
    let [(failed, error)] = page.failed.as_slice() else { panic!("{:?}", page.failed) };
    assert_eq!((failed, error.kind()), (&moved.key, ErrorKind::Refused));
    let now = world.store.get(&[moved.key.clone()]).await.unwrap().remove(0).unwrap();
    assert_eq!(now, moved);
    assert!(is_needed(&onboarding, "first").await, "it can still be looked into");
    assert!(serves(&onboarding, &two).await);
}

#[tokio::test]
async fn an_account_that_is_parked_keeps_its_key_needed_and_is_resealed_too() {
    let mut world = World::new();
    world.active("one.example.com").await;
    let ready = Filter::Status("ready".to_owned());
    let account = list(&world, Kind::Account, ready).await.remove(0);
    let mut body: serde_json::Value = serde_json::from_str(account.body.as_str()).unwrap();
    let now = world.clock.now();
    body["setback"] = serde_json::json!({
        "failure": {
            "kind": "internal", "code": null, "message": "it panicked", "at": now, "attempts": 5,
        },
        "parked_at": now,
    });
    let mut header = account.header.clone();
    header.due = None;
    header.status = Some("parked".to_owned());
    let expect = Expect::Revision(account.revision);
    let body = Body::new(body.to_string());
    let put = Write::Put { key: account.key.clone(), expect, header, body };
    let batch = Batch::new(OperationId::random(&OsRandom).unwrap()).with(put);
    assert_eq!(world.store.commit(batch).await.unwrap(), Commit::Done);

    let both = world.sealer.clone().with_key(key("second"));
    let onboarding = process(&mut world, both.clone());
    assert_eq!(reseal_all(&onboarding).await, 2, "the certificate's key and the account's");
    assert!(!is_needed(&onboarding, "first").await);
    let onboarding = process(&mut world, both.without_key(&key("first")));
    onboarding.check_sealing().await.unwrap();
    onboarding.operator().revive_account().await.unwrap();
    let id = onboarding.add(&TENANT, "two.example.com".parse().unwrap()).await.unwrap().id();
    world.publish(id).await;
    for _ in 0..10 {
        onboarding.worker().step().await.unwrap();
        world.clock.advance(MINUTE);
    }
    let two = world.get(id).await;
    assert_eq!(two.status(), Status::Active, "{}", two.waiting_on());
}

/// A code that waits to be mailed is not sealed again: if its key is gone, another one is drawn.
#[tokio::test]
async fn a_code_whose_key_is_gone_is_drawn_anew() {
    let mut world = World::new();
    world.mailer.fail_next(ErrorKind::Unavailable);
    let wanted: NewDomain = "shop.example.com".parse().unwrap();
    let id = world.add_with(&TENANT, wanted.with_method(Method::Email)).await.id();
    world.onboarding.worker().step().await.unwrap();
    assert_eq!(world.get(id).await.correspondence().unwrap().unsent().len(), 5);
    assert_eq!(world.mailer.sent(), []);

    let other = world.sealer.clone().with_key(key("second")).without_key(&key("first"));
    let onboarding = process(&mut world, other);
    onboarding.check_sealing().await.unwrap();
    let end = world.clock.now() + HOUR * 2;
    run_until(&onboarding, &world.store, &world.clock, end).await;
    assert_eq!(world.mailer.sent().len(), 5);
    let code = world.codes("admin@example.com").pop().unwrap();
    let proved = onboarding.confirm(&TENANT, id, &code).await.unwrap();
    assert!(proved.status().holds(), "{}", proved.waiting_on());
}

/// A mailer that is away after its second mail.
#[derive(Debug)]
struct TwoMails(InMemoryMailer);

#[async_trait]
impl Mailer for TwoMails {
    async fn send(&self, message: &Message) -> Result<()> {
        if self.0.sent().len() >= 2 {
            return Err(Error::new(ErrorKind::Unavailable, "two mails", "send", "away"));
        }
        self.0.send(message).await
    }
}

#[tokio::test]
async fn a_process_that_lacks_the_key_of_a_code_leaves_it_to_those_who_have_it() {
    let mut world = World::new();
    let first = world.process_with_mailer((|store| store, |resolver| resolver, TwoMails));
    let wanted: NewDomain = "shop.example.com".parse().unwrap();
    let id = world.add_with(&TENANT, wanted.with_method(Method::Email)).await.id();
    first.worker().step().await.unwrap();
    let sent = world.mailer.sent();
    assert_eq!(sent.len(), 2);

    // A process with another key comes to it before the one that has the right one.
    let right = world.sealer.clone();
    let other = right.clone().with_key(key("second")).without_key(&key("first"));
    let without = process(&mut world, other);
    let half_an_hour = world.clock.now() + HOUR / 2;
    run_until(&without, &world.store, &world.clock, half_an_hour).await;
    let mail = world.get(id).await;
    assert_eq!(mail.correspondence().unwrap().unsent().len(), 3);
    assert_eq!(world.mailer.sent().len(), 2, "no other code was drawn");

    // The one that has it goes on, and who was written to first can still answer.
    let with = process(&mut world, right);
    let end = world.clock.now() + HOUR * 2;
    run_until(&with, &world.store, &world.clock, end).await;
    assert_eq!(world.mailer.sent().len(), 5);
    let code = world.codes(&sent[0].to).pop().unwrap();
    assert!(with.confirm(&TENANT, id, &code).await.unwrap().status().holds());
}

#[tokio::test]
async fn who_was_mailed_a_code_can_answer_though_the_others_never_get_it() {
    let mut world = World::new();
    let first = world.process_with_mailer((|store| store, |resolver| resolver, TwoMails));
    let wanted: NewDomain = "shop.example.com".parse().unwrap();
    let id = world.add_with(&TENANT, wanted.with_method(Method::Email)).await.id();
    first.worker().step().await.unwrap();
    let code = world.codes(&world.mailer.sent()[0].to).pop().unwrap();

    // The key is gone for good, and no other round may begin: nothing is mailed, and nothing is lost.
    world.mailer.fail_next(ErrorKind::Unavailable);
    let other = world.sealer.clone().with_key(key("second")).without_key(&key("first"));
    let onboarding = process(&mut world, other);
    onboarding.operator().pause(Pausable::Mail, "no more mail").await.unwrap();
    let end = world.clock.now() + HOUR * 3;
    run_until(&onboarding, &world.store, &world.clock, end).await;
    assert!(onboarding.confirm(&TENANT, id, &code).await.unwrap().status().holds());
}
