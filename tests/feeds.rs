//! Whoever subscribed is told everything, in order, whatever goes wrong on the way.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

mod common;

use std::{
    collections::BTreeMap,
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use common::{DAY, EDGE, HOUR, MINUTE, OTHER, TENANT, World, run_until};
use nameplate::{
    clock::{Clock, Timer, after},
    domain::{Status, Targets},
    engine::{
        BuildError, Builder, Envelope, InMemorySubscriber, Inspection, Notice, Onboarding,
        ParkedPage, Policy, Since, Subscriber,
    },
    error::{Error, ErrorKind, Result},
    id::{DomainId, OperationId},
    store::{
        Batch, Body, Expect, Filter, Header, InMemoryStore, Key, Kind, NewEntry, Query, Store,
        Write,
    },
    testkit::{EndlessTimer, Tap, Tape},
};

/// A process on a world, to plug subscribers into.
fn builder(world: &World, store: impl Store) -> Builder {
    Onboarding::builder(store)
        .with_brand("plat")
        .with_targets(Targets::cname(EDGE).with_addresses([[203, 0, 113, 10].into()], []))
        .with_resolver(world.resolver.clone())
        .with_dns(world.dns.clone())
        .with_authority(world.ca.clone())
        .with_keys(world.keys.clone())
        .with_sealer(world.sealer.clone())
        .with_timer(EndlessTimer)
        .with_random(world.random.clone())
        .with_claims(nameplate::name::ClaimPolicy::new().with_allowed([common::dns("example.com")]))
        .with_policy(world.policy.clone())
}

fn process(world: &World, subscribers: Vec<Arc<dyn Subscriber>>) -> Onboarding {
    let builder = builder(world, world.store.clone());
    subscribers.into_iter().fold(builder, Builder::with_subscriber).build().unwrap()
}

async fn run(world: &World, onboarding: &Onboarding, time: Duration) {
    let end = after(world.clock.now(), time);
    run_until(onboarding, &world.store, &world.clock, end).await;
    world.clock.set(end);
}

/// What happened to a domain, as numbers.
async fn numbers(onboarding: &Onboarding, id: DomainId) -> Vec<u64> {
    let notices = onboarding.notices(&TENANT, id, 0).await.unwrap();
    notices.iter().map(|notice| notice.number).collect()
}

fn heard(envelopes: &[Envelope]) -> Vec<u64> {
    envelopes.iter().map(|envelope| envelope.number).collect()
}

/// The first arrivals, by domain.
fn first_arrivals(envelopes: &[Envelope]) -> BTreeMap<DomainId, Vec<u64>> {
    let mut first: BTreeMap<DomainId, Vec<u64>> = BTreeMap::new();
    for envelope in envelopes {
        let known = first.entry(envelope.domain).or_default();
        if !known.contains(&envelope.number) {
            known.push(envelope.number);
        }
    }
    first
}

fn inbox(id: &str) -> InMemorySubscriber {
    InMemorySubscriber::new(id, 1000)
}

/// A subscriber that does as a function says, and else takes everything.
struct Odd {
    id: &'static str,
    inner: InMemorySubscriber,
    vice: Box<Vice>,
    tries: AtomicUsize,
}

type Vice =
    dyn Fn(usize, &Envelope) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send + Sync;

impl std::fmt::Debug for Odd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Odd")
    }
}

impl Odd {
    fn new<F>(
        id: &'static str,
        vice: impl Fn(usize, &Envelope) -> F + Send + Sync + 'static,
    ) -> Arc<Self>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let vice = Box::new(move |tries, envelope: &Envelope| Box::pin(vice(tries, envelope)) as _);
        Arc::new(Self { id, inner: inbox(id), vice, tries: AtomicUsize::new(0) })
    }

    fn tries(&self) -> usize {
        self.tries.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Subscriber for Odd {
    fn id(&self) -> &str {
        self.id
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<()> {
        (self.vice)(self.tries.fetch_add(1, Ordering::Relaxed), envelope).await?;
        self.inner.deliver(envelope).await
    }
}

fn fail(kind: ErrorKind) -> Error {
    Error::new(kind, "odd", "deliver", "on request")
}

/// A name that becomes active, with everybody told.
async fn active(world: &World, onboarding: &Onboarding, name: &str) -> DomainId {
    let id = onboarding.add(&TENANT, name.parse().unwrap()).await.unwrap().id();
    world.publish(id).await;
    run(world, onboarding, MINUTE).await;
    assert_eq!(world.get(id).await.status().as_str(), "active");
    id
}

#[tokio::test]
async fn every_subscriber_is_told_everything_in_order() {
    let world = World::new();
    let (one, two) = (inbox("one"), inbox("two"));
    let onboarding = process(&world, vec![Arc::new(one.clone()), Arc::new(two.clone())]);
    let id = active(&world, &onboarding, "shop.example.com").await;
    onboarding.remove(&TENANT, id).await.unwrap();
    run(&world, &onboarding, HOUR).await;

    let told = one.take();
    assert_eq!(told, two.take());
    assert_eq!(heard(&told), numbers(&onboarding, id).await);
    assert_eq!(told.first().map(|it| &it.notice), Some(&Notice::Added));
    assert_eq!(told.last().map(|it| &it.notice), Some(&Notice::Removed));
    let notices = onboarding.notices(&TENANT, id, 0).await.unwrap();
    for (envelope, notice) in told.iter().zip(notices) {
        assert_eq!((&envelope.notice, envelope.at), (&notice.notice, notice.at));
        assert_eq!((envelope.tenant, envelope.domain), (TENANT, id));
        assert_eq!(envelope.id, format!("{id}-{}", envelope.number));
        assert_eq!(envelope.name.as_str(), "shop.example.com");
        let json = envelope.to_json().unwrap();
        assert_eq!(&Envelope::from_json(json.as_bytes()).unwrap(), envelope);
    }
    // At rest: nothing is left to do.
    let calm = onboarding.operator().deliveries(id).list().await.unwrap();
    assert!(calm.iter().all(|it| it.after == told.last().unwrap().number && it.trouble.is_none()));
    run(&world, &onboarding, DAY).await;
    assert_eq!(one.take(), []);
}

#[test]
fn an_envelope_of_another_version_or_with_an_unknown_notice_is_refused() {
    for (json, kind) in [
        ("", ErrorKind::Malformed),
        ("{}", ErrorKind::Malformed),
        (r#"{"v":2}"#, ErrorKind::Unsupported),
        (r#"{"v":1,"id":"x"}"#, ErrorKind::Malformed),
    ] {
        assert_eq!(Envelope::from_json(json.as_bytes()).unwrap_err().kind(), kind, "{json}");
    }
}

#[tokio::test]
async fn a_subscriber_that_fails_holds_up_only_itself_and_only_that_domain() {
    let world = World::new();
    let good = inbox("good");
    let bad = Odd::new("bad", |_, envelope: &Envelope| {
        let refuses = envelope.name.as_str() == "one.example.com";
        async move { if refuses { Err(fail(ErrorKind::Unavailable)) } else { Ok(()) } }
    });
    let onboarding = process(&world, vec![bad.clone(), Arc::new(good.clone())]);
    let one = active(&world, &onboarding, "one.example.com").await;
    let two = active(&world, &onboarding, "two.example.com").await;
    let all = first_arrivals(&good.take());
    assert_eq!(all[&one], numbers(&onboarding, one).await);
    assert_eq!(all[&two], numbers(&onboarding, two).await);
    let heard_by_bad = first_arrivals(&bad.inner.take());
    assert_eq!(heard_by_bad.get(&one), None);
    assert_eq!(heard_by_bad[&two], numbers(&onboarding, two).await);
    let delivery = &onboarding.operator().deliveries(one).list().await.unwrap()[0];
    assert_eq!(delivery.subscriber, "bad");
    assert!(delivery.failures >= 2 && delivery.next_at.is_some());
    assert_eq!(delivery.trouble.as_ref().map(|it| it.kind), Some(ErrorKind::Unavailable));
}

#[tokio::test]
async fn a_lost_answer_makes_a_repetition_with_the_same_id() {
    let world = World::new();
    let inbox = inbox("a");
    let onboarding = process(&world, vec![Arc::new(inbox.clone())]);
    inbox.fail_next_after(ErrorKind::Unknown);
    onboarding.add(&TENANT, "shop.example.com".parse().unwrap()).await.unwrap();
    run(&world, &onboarding, MINUTE).await;
    let told = inbox.take();
    assert_eq!(told[0], told[1]);
    assert_eq!(first_arrivals(&told)[&told[0].domain].len(), told.len() - 1);
}

#[tokio::test]
async fn a_full_queue_takes_the_rest_later() {
    let world = World::new();
    let inbox = InMemorySubscriber::new("a", 2);
    let onboarding = process(&world, vec![Arc::new(inbox.clone())]);
    let id = active(&world, &onboarding, "shop.example.com").await;
    let mut told = inbox.take();
    assert_eq!(told.len(), 2);
    for _ in 0..20 {
        run(&world, &onboarding, HOUR).await;
        told.extend(inbox.take());
    }
    assert_eq!(heard(&told), numbers(&onboarding, id).await);
}

/// A timer that rings at once for what is no longer than a delivery may take, and else never.
#[derive(Debug)]
struct Impatient;

#[async_trait]
impl Timer for Impatient {
    async fn sleep(&self, duration: Duration) {
        if duration > Policy::new().delivery_timeout {
            std::future::pending().await
        }
    }
}

#[tokio::test]
async fn a_subscriber_that_hangs_or_panics_counts_as_one_that_fails() {
    let world = World::new();
    let good = inbox("good");
    let hangs = Odd::new("hangs", |tries, _: &Envelope| async move {
        if tries == 0 { std::future::pending().await } else { Ok(()) }
    });
    let panics = Odd::new("panics", |tries, _: &Envelope| async move {
        assert!(tries > 0, "on request");
        Ok(())
    });
    let onboarding = builder(&world, world.store.clone())
        .with_timer(Impatient)
        .with_subscriber(hangs.clone())
        .with_subscriber(good.clone())
        .with_subscriber(panics.clone())
        .build()
        .unwrap();
    let id = onboarding.add(&TENANT, "shop.example.com".parse().unwrap()).await.unwrap().id();
    run(&world, &onboarding, Duration::ZERO).await;
    assert_eq!(heard(&good.take()), numbers(&onboarding, id).await);
    let troubles: Vec<_> = onboarding
        .operator()
        .deliveries(id)
        .list()
        .await
        .unwrap()
        .into_iter()
        .map(|it| (it.subscriber, it.trouble.map(|trouble| trouble.message)))
        .collect();
    let message = |text: &str| Some(text.to_owned());
    assert_eq!(
        troubles,
        [
            ("good".to_owned(), None),
            ("hangs".to_owned(), message("feed: deliver: no answer of hangs in time")),
            ("panics".to_owned(), message("feed: deliver: panics panicked")),
        ]
    );
    run(&world, &onboarding, MINUTE).await;
    let all = numbers(&onboarding, id).await;
    assert_eq!(heard(&hangs.inner.take()), all);
    assert_eq!(heard(&panics.inner.take()), all);
}

#[tokio::test]
async fn a_subscriber_that_hangs_is_not_waited_for_by_every_domain() {
    let world = World::new();
    let hangs = Odd::new("hangs", |tries, _: &Envelope| async move {
        if tries < 4 { std::future::pending().await } else { Ok(()) }
    });
    let onboarding = builder(&world, world.store.clone())
        .with_timer(Impatient)
        .with_subscriber(hangs.clone())
        .build()
        .unwrap();
    let mut ids = Vec::new();
    for number in 0..40 {
        let name = format!("shop{number}.example.com");
        ids.push(onboarding.add(&TENANT, name.parse().unwrap()).await.unwrap().id());
    }
    run(&world, &onboarding, MINUTE - Duration::from_secs(1)).await;
    // Here they are waited for one after the other; those under way at the same time are all tried.
    assert_eq!(hangs.tries(), 3);
    run(&world, &onboarding, HOUR * 3).await;
    let told = first_arrivals(&hangs.inner.take());
    for id in ids {
        assert_eq!(told[&id], numbers(&onboarding, id).await);
    }
}

#[tokio::test]
async fn what_is_given_up_is_kept_and_can_be_revived() {
    let world = World::new();
    let open = Arc::new(Mutex::new(false));
    let gate = open.clone();
    let shy = Odd::new("shy", move |_, _: &Envelope| {
        let open = *gate.lock().unwrap();
        async move { if open { Ok(()) } else { Err(fail(ErrorKind::Unavailable)) } }
    });
    let onboarding = process(&world, vec![shy.clone()]);
    let id = active(&world, &onboarding, "shop.example.com").await;
    let early = numbers(&onboarding, id).await;
    run(&world, &onboarding, world.policy.delivery_patience + HOUR * 12).await;

    let page = onboarding.operator().dead_letters(None).await.unwrap();
    assert_eq!((page.domains.len(), page.next), (1, None));
    let letter = &page.domains[0];
    assert_eq!((letter.domain, letter.tenant), (id, TENANT));
    let dead: Vec<u64> = letter.deliveries[0].dead.iter().map(|it| it.number).collect();
    assert_eq!(dead, early);
    assert!((12..=20).contains(&letter.deliveries[0].dead[0].attempts), "{letter:?}");

    // What happens later goes on.
    *open.lock().unwrap() = true;
    onboarding.remove(&TENANT, id).await.unwrap();
    run(&world, &onboarding, HOUR).await;
    let all = numbers(&onboarding, id).await;
    assert_eq!(heard(&shy.inner.take()), all[early.len()..]);

    onboarding.operator().deliveries(id).revive("shy").await.unwrap();
    run(&world, &onboarding, MINUTE).await;
    assert_eq!(heard(&shy.inner.take()), early);
    assert_eq!(onboarding.operator().dead_letters(None).await.unwrap().domains, []);

    onboarding.operator().deliveries(id).replay("shy", early[1]).await.unwrap();
    run(&world, &onboarding, MINUTE).await;
    assert_eq!(heard(&shy.inner.take()), all[2..]);
}

/// Puts another body into the feed of a domain, as a fault does, and returns the one before.
async fn replace_feed(world: &World, id: DomainId, body: Body) -> Body {
    let key = Key::new(Kind::Feed, id);
    let found = world.store.get(std::slice::from_ref(&key)).await.unwrap();
    let item = found.into_iter().flatten().next().unwrap();
    let (expect, header) = (Expect::Revision(item.revision), item.header);
    let put = Write::Put { key, expect, header, body };
    let operation = OperationId::random(&world.random).unwrap();
    world.store.commit(Batch::new(operation).with(put)).await.unwrap();
    item.body
}

#[tokio::test]
async fn a_feed_that_was_parked_is_listed_and_goes_on_once_revived() {
    let world = World::new();
    let inbox = inbox("a");
    let onboarding = process(&world, vec![Arc::new(inbox.clone())]);
    let id = active(&world, &onboarding, "shop.example.com").await;
    inbox.take();
    let good = replace_feed(&world, id, Body::new("{\"v\":1,\"feed\":7}".to_owned())).await;
    let early = numbers(&onboarding, id).await.len();
    onboarding.remove(&TENANT, id).await.unwrap();
    run(&world, &onboarding, DAY).await;
    assert_eq!(inbox.take(), []);

    let operator = onboarding.operator();
    let ParkedPage { parked, next, .. } = operator.parked_feeds(None).await.unwrap();
    assert_eq!((parked.len(), next), (1, None));
    assert_eq!((parked[0].domain, parked[0].tenant), (id, Some(TENANT)));
    assert_eq!(parked[0].name.as_deref(), Some("shop.example.com"));
    let failure = parked[0].failure.clone().unwrap();
    assert_eq!((failure.kind, failure.attempts), (ErrorKind::Malformed, 5));
    assert!(operator.parked(None).await.unwrap().parked.is_empty());

    replace_feed(&world, id, good).await;
    operator.revive_feed(id).await.unwrap();
    run(&world, &onboarding, MINUTE).await;
    assert_eq!(heard(&inbox.take()), numbers(&onboarding, id).await[early..]);
    assert!(operator.parked_feeds(None).await.unwrap().parked.is_empty());
    let again = operator.revive_feed(id).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Precondition);
    let never = operator.revive_feed(DomainId::from_bytes([9; 16])).await.unwrap_err();
    assert_eq!(never.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn nobody_is_asked_any_more_once_nobody_is_there() {
    let world = World::new();
    let gone = Odd::new("gone", |_, _: &Envelope| async { Err(fail(ErrorKind::NotFound)) });
    let onboarding = process(&world, vec![gone.clone()]);
    let id = active(&world, &onboarding, "shop.example.com").await;
    assert_eq!(gone.tries(), 1);
    let delivery = &onboarding.operator().deliveries(id).list().await.unwrap()[0];
    assert!(delivery.gone_at.is_some());
    let dead: Vec<u64> = delivery.dead.iter().map(|it| it.number).collect();
    assert_eq!(dead, numbers(&onboarding, id).await);
    assert!(delivery.dead[1..].iter().all(|it| it.attempts == 0));
    onboarding.operator().deliveries(id).revive("gone").await.unwrap();
    run(&world, &onboarding, MINUTE).await;
    assert_eq!(gone.tries(), 2);
}

#[tokio::test]
async fn commands_about_nobody_are_refused() {
    let world = World::new();
    let onboarding = process(&world, vec![Arc::new(inbox("a"))]);
    let id = world.add("shop.example.com").await.id();
    // It was added by a process without subscribers.
    let deliveries = onboarding.operator().deliveries(id);
    assert_eq!(deliveries.list().await.unwrap(), []);
    assert_eq!(deliveries.replay("a", 0).await.unwrap_err().kind(), ErrorKind::NotFound);
    run(&world, &onboarding, MINUTE).await;
    world.publish(id).await;
    run(&world, &onboarding, HOUR).await;
    assert_eq!(deliveries.revive("b").await.unwrap_err().kind(), ErrorKind::NotFound);
    deliveries.replay("a", 0).await.unwrap();
}

#[tokio::test]
async fn a_domain_from_before_there_were_subscribers_is_told_of_from_its_next_notice() {
    let world = World::new();
    let id = world.add("shop.example.com").await.id();
    world.settle().await;
    let before = numbers(&world.onboarding, id).await;
    let inbox = inbox("a");
    let onboarding = process(&world, vec![Arc::new(inbox.clone())]);
    world.publish(id).await;
    onboarding.check(&TENANT, id).await.unwrap();
    run(&world, &onboarding, MINUTE).await;
    let all = numbers(&onboarding, id).await;
    assert!(all.len() > before.len());
    assert_eq!(heard(&inbox.take()), all[before.len()..]);
    // The rest is there for the asking.
    onboarding.operator().deliveries(id).replay("a", 0).await.unwrap();
    run(&world, &onboarding, MINUTE).await;
    assert_eq!(heard(&inbox.take()), all);
}

#[tokio::test]
async fn a_worker_that_lacks_a_subscriber_loses_nothing_for_it() {
    let world = World::new();
    let (one, two) = (inbox("one"), inbox("two"));
    let both = process(&world, vec![Arc::new(one.clone()), Arc::new(two.clone())]);
    let half = process(&world, vec![Arc::new(one.clone())]);
    let id = both.add(&TENANT, "shop.example.com".parse().unwrap()).await.unwrap().id();
    run(&world, &both, Duration::ZERO).await;
    world.publish(id).await;
    half.check(&TENANT, id).await.unwrap();
    run(&world, &half, MINUTE).await;
    // A worker without any does not even look.
    run(&world, &both, HOUR).await;
    let all = numbers(&both, id).await;
    assert_eq!(heard(&one.take()), all);
    assert_eq!(heard(&two.take()), all);
}

#[tokio::test]
async fn an_orphaned_feed_goes_with_its_domain() {
    let world = World::new();
    let onboarding = process(&world, vec![Arc::new(inbox("a"))]);
    let id = active(&world, &onboarding, "shop.example.com").await;
    let (domain, feed) = (Key::new(Kind::Domain, id), Key::new(Kind::Feed, id));
    let found = world.store.get(&[domain.clone(), feed.clone()]).await.unwrap();
    let expect = Expect::Revision(found[0].as_ref().unwrap().revision);
    assert!(found[1].is_some());
    let batch = Batch::new(OperationId::from_bytes([9; 16]))
        .with(Write::Delete { key: domain, expect })
        .with(Write::Wake { key: feed.clone() });
    world.store.commit(batch).await.unwrap();
    run(&world, &onboarding, MINUTE).await;
    assert_eq!(world.store.get(&[feed]).await.unwrap(), [None]);
}

#[tokio::test]
async fn subscribers_have_distinct_plain_ids_and_are_few() {
    const THIRTEEN: [&str; 13] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"];
    let world = World::new();
    for ids in [&["a", "a"][..], &["Two Words"], &[""], &["x".repeat(65).as_str()], &THIRTEEN] {
        let builder = ids.iter().fold(builder(&world, world.store.clone()), |builder, id| {
            builder.with_subscriber(inbox(id))
        });
        assert!(matches!(builder.build(), Err(BuildError::Invalid(_))), "{ids:?}");
    }
}

/// Polls a future until it is done or can go no further.
fn drive<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn now_or_never<F: Future>(future: F) -> F::Output {
    drive(pin!(future)).expect("the untapped process waits for nothing")
}

/// Added, active, removed; from wherever an earlier process left it.
async fn life(world: &World, onboarding: &Onboarding) -> Result<DomainId> {
    let id = match onboarding.add(&TENANT, "shop.example.com".parse().unwrap()).await {
        Ok(domain) => domain.id(),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            error.subject().unwrap().parse().unwrap()
        }
        Err(error) => return Err(error),
    };
    for instruction in onboarding.instructions(&TENANT, id).await? {
        world.publish_one(&instruction);
    }
    onboarding.check(&TENANT, id).await?;
    let end = after(world.clock.now(), MINUTE * 10);
    run_until(onboarding, &world.store, &world.clock, end).await;
    onboarding.remove(&TENANT, id).await?;
    let end = after(world.clock.now(), HOUR * 2);
    run_until(onboarding, &world.store, &world.clock, end).await;
    Ok(id)
}

/// Stops a process at one point, lets others finish, and lets it go on or not. Returns whether it was
/// stopped, and where.
fn stopped(number: usize, resumed: bool) -> Option<String> {
    let world = World::new();
    let (one, two) = (inbox("one"), inbox("two"));
    let tape = Tape::stopping_at(number);
    let tapped = builder(&world, Tap::new(world.store.clone(), tape.clone()))
        .with_subscriber(Tap::new(one.clone(), tape.clone()))
        .with_subscriber(Tap::new(two.clone(), tape.clone()))
        .build()
        .unwrap();
    let mut told: [Vec<Envelope>; 2] = Default::default();
    let mut listen = || {
        for (told, inbox) in told.iter_mut().zip([&one, &two]) {
            told.extend(inbox.take());
        }
    };
    let mut running = Box::pin(life(&world, &tapped));
    if let Some(ended) = drive(running.as_mut()) {
        ended.unwrap();
        return None;
    }
    let point = tape.passed()[number].to_string();
    listen();
    world.clock.advance(MINUTE * 2);
    let other = process(&world, vec![Arc::new(one.clone()), Arc::new(two.clone())]);
    // It may be gone already.
    let _ = now_or_never(life(&world, &other));
    now_or_never(run(&world, &other, DAY));
    listen();
    if resumed {
        tape.resume();
        let _ = drive(running.as_mut());
        now_or_never(run(&world, &other, DAY));
        listen();
    }
    for told in &told {
        let first = first_arrivals(told);
        assert!(!first.is_empty(), "{number} {point}");
        for (id, heard) in first {
            let all = now_or_never(numbers(&other, id));
            assert_eq!(heard, all, "{number} {point}");
            let calm = now_or_never(other.operator().deliveries(id).list()).unwrap();
            assert!(calm.iter().all(|it| it.dead.is_empty()), "{number} {point}: {calm:?}");
        }
    }
    Some(point)
}

fn every_point(resumed: bool) {
    let mut points = std::collections::BTreeSet::new();
    let mut number = 0;
    while let Some(point) = stopped(number, resumed) {
        points.insert(point);
        number += 1;
    }
    assert!(number > 100, "{number}");
    for point in ["before subscriber.deliver", "after subscriber.deliver", "after store.commit"] {
        assert!(points.contains(point), "never stopped {point}");
    }
}

#[test]
fn a_process_that_is_killed_at_any_call_loses_no_notice_and_no_order() {
    every_point(false);
}

#[test]
fn a_process_that_is_stopped_at_any_call_and_goes_on_later_loses_none_either() {
    every_point(true);
}

#[tokio::test]
async fn a_feed_that_cannot_be_read_holds_up_nobody_and_is_kept() {
    let world = World::new();
    let inbox = inbox("a");
    let onboarding = process(&world, vec![Arc::new(inbox.clone())]);
    let mut broken = Vec::new();
    for (number, body) in ["{", r#"{"v":1}"#, r#"{"v":7,"later":true}"#].into_iter().enumerate() {
        let id = DomainId::from_bytes([u8::try_from(number).unwrap(); 16]);
        let key = Key::new(Kind::Feed, id);
        let mut header = Header::default();
        header.due = Some(world.clock.now());
        let put = Write::Put {
            key: key.clone(),
            expect: Expect::Absent,
            header,
            body: Body::new(body.to_owned()),
        };
        let operation = OperationId::from_bytes([u8::try_from(number).unwrap(); 16]);
        world.store.commit(Batch::new(operation).with(put)).await.unwrap();
        broken.push((key, body));
    }
    let id = active(&world, &onboarding, "shop.example.com").await;
    run(&world, &onboarding, HOUR).await;
    assert_eq!(heard(&inbox.take()), numbers(&onboarding, id).await);
    for (key, body) in broken {
        let found = world.store.get(&[key]).await.unwrap();
        assert_eq!(found[0].as_ref().unwrap().body.as_str(), body);
    }
}

#[tokio::test]
async fn a_place_in_what_happens_survives_a_restart() {
    let world = World::new();
    let build = || builder(&world, world.store.clone()).with_tenant_log().build().unwrap();
    let onboarding = build();
    let one = active(&world, &onboarding, "one.example.com").await;
    let mut place = Since::Tenant(0).to_string();
    let mut told = Vec::new();
    for name in ["two.example.com", "three.example.com"] {
        let onboarding = build();
        loop {
            let page = onboarding.follow(&TENANT, place.parse().unwrap()).await.unwrap();
            place = page.next.to_string();
            if page.envelopes.is_empty() {
                break;
            }
            told.extend(page.envelopes);
        }
        active(&world, &onboarding, name).await;
    }
    let rest = build().follow(&TENANT, place.parse().unwrap()).await.unwrap();
    told.extend(rest.envelopes);
    let first = first_arrivals(&told);
    assert_eq!(first.len(), 3);
    for (id, heard) in first {
        assert_eq!(heard, numbers(&onboarding, id).await);
    }
    // Another tenant hears nothing of it.
    let other = onboarding.follow(&OTHER, Since::Tenant(0)).await.unwrap();
    assert_eq!((other.envelopes, other.next), (Vec::new(), Since::Tenant(0)));
    let foreign = onboarding.follow(&OTHER, Since::Domain(one, 0)).await.unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::NotFound);

    // Of one domain the same, without a log of its own.
    let all = onboarding.follow(&TENANT, Since::Domain(one, 0)).await.unwrap();
    let of_one: Vec<_> = told.iter().filter(|it| it.domain == one).cloned().collect();
    assert_eq!(all.envelopes, of_one);
    let Since::Domain(_, last) = all.next else { panic!("{:?}", all.next) };
    assert_eq!(last, of_one.last().unwrap().number);
    assert_eq!(onboarding.follow(&TENANT, all.next).await.unwrap().envelopes, []);

    onboarding.forget(&TENANT, rest.next).await.unwrap();
    assert_eq!(onboarding.follow(&TENANT, Since::Tenant(0)).await.unwrap().envelopes, []);
    assert!(onboarding.forget(&TENANT, all.next).await.is_err());
}

#[tokio::test]
async fn the_log_of_a_tenant_that_was_woken_stays_as_it_is() {
    let world = World::new();
    let onboarding = builder(&world, world.store.clone()).with_tenant_log().build().unwrap();
    onboarding.add(&TENANT, "shop.example.com".parse().unwrap()).await.unwrap();
    run(&world, &onboarding, Duration::ZERO).await;
    let logs = || async {
        let page = world.store.list(&Query::new(Kind::Feed, Filter::All)).await.unwrap();
        page.items.into_iter().filter(|it| it.key.id.starts_with("tenant-")).collect::<Vec<_>>()
    };
    let before = logs().await;
    assert_eq!(before.len(), 1);
    let wake = Write::Wake { key: before[0].key.clone() };
    let operation = OperationId::from_bytes([9; 16]);
    world.store.commit(Batch::new(operation).with(wake)).await.unwrap();
    let step = onboarding.worker().step().await.unwrap();
    assert_eq!((step.leased, step.left, step.set_back), (1, 0, 0));
    assert_eq!(logs().await, before);
    assert_eq!(onboarding.worker().step().await.unwrap().leased, 0);
}

#[test]
fn a_place_reads_back_and_nonsense_is_refused() {
    for since in [Since::Tenant(7), Since::Domain(DomainId::from_bytes([3; 16]), u64::MAX)] {
        assert_eq!(since.to_string().parse::<Since>().unwrap(), since);
    }
    for text in ["", "tenant", "tenant/", "tenant/x", "domain/1", "domain/x/1", "other/1"] {
        assert_eq!(text.parse::<Since>().unwrap_err().kind(), ErrorKind::Invalid, "{text}");
    }
}

#[tokio::test]
async fn two_workers_tell_each_notice_once() {
    let world = World::new();
    let inbox = inbox("a");
    let one = process(&world, vec![Arc::new(inbox.clone())]);
    let two = process(&world, vec![Arc::new(inbox.clone())]);
    let mut ids = Vec::new();
    for number in 0..20 {
        let name = format!("shop{number}.example.com");
        ids.push(one.add(&TENANT, name.parse().unwrap()).await.unwrap().id());
        world.publish(ids[number]).await;
    }
    for _ in 0..200 {
        let (one, two) = (one.worker(), two.worker());
        let (first, second) = tokio::join!(one.step(), two.step());
        first.unwrap();
        second.unwrap();
        world.clock.advance(Duration::from_millis(500));
    }
    let told = inbox.take();
    let first = first_arrivals(&told);
    for id in ids {
        assert_eq!(first[&id], numbers(&one, id).await);
    }
    // Nothing went wrong, so nothing came twice.
    assert_eq!(told.len(), first.values().map(Vec::len).sum::<usize>());
}

#[tokio::test]
async fn what_was_still_to_be_told_is_told_in_the_store_that_everything_moved_to() {
    let world = World::new();
    let here = process(&world, vec![Arc::new(inbox("one"))]);
    let id = here.add(&TENANT, "shop.example.com".parse().unwrap()).await.unwrap().id();
    world.publish(id).await;
    while world.get(id).await.status() != Status::Active {
        here.worker().step().await.unwrap();
        world.clock.advance(Duration::from_secs(1));
    }
    // The feed was woken and rests otherwise: the next notice is that of the renewal.
    let file = exported(&here, async |_| {}).await;

    let one = inbox("one");
    let (there, store) = elsewhere(&world, &one);
    import(&there, &file).await;
    import(&there, &file).await;
    run_until(&there, &store, &world.clock, after(world.clock.now(), HOUR)).await;
    let last = numbers(&there, id).await.pop();
    assert!(last.is_some());
    assert_eq!(heard(&one.take()).pop(), last);
}

/// Exports everything; `meanwhile` sees what was written before it goes on.
async fn exported(onboarding: &Onboarding, mut meanwhile: impl AsyncFnMut(&str)) -> String {
    let (mut file, mut export) = (String::new(), onboarding.operator().export());
    while let Some(lines) = export.chunk().await.unwrap() {
        meanwhile(&lines).await;
        file.push_str(&lines);
    }
    file
}

async fn import(onboarding: &Onboarding, file: &str) {
    let mut inspection = Inspection::new();
    file.lines().try_for_each(|line| inspection.line(line)).unwrap();
    let mut import = onboarding.operator().import(inspection.finish().unwrap());
    for line in file.lines() {
        import.line(line).await.unwrap();
    }
    assert_eq!(import.finish().await.unwrap().refused, 0);
}

/// The same platform on an empty store.
fn elsewhere(world: &World, inbox: &InMemorySubscriber) -> (Onboarding, InMemoryStore) {
    let store = InMemoryStore::new(Arc::new(world.clock.clone()));
    let builder = builder(world, store.clone()).with_subscriber(Arc::new(inbox.clone()));
    (builder.build().unwrap(), store)
}

#[tokio::test]
async fn what_happens_during_an_export_leaves_nothing_untold_where_it_is_imported() {
    let world = World::new();
    let here = process(&world, vec![Arc::new(inbox("one"))]);
    let id = active(&world, &here, "shop.example.com").await;
    let item = format!("{{\"item\":{{\"key\":{{\"kind\":\"domain\",\"id\":\"{id}\"}}");
    let mut seen = false;
    let file = exported(&here, async |lines| {
        if lines.starts_with(&item) {
            seen = true;
            for _ in 0..4 {
                here.check(&TENANT, id).await.unwrap();
                run(&world, &here, HOUR).await;
            }
            here.remove(&TENANT, id).await.unwrap();
            run(&world, &here, HOUR).await;
        }
    })
    .await;
    assert!(seen);

    let one = inbox("one");
    let (there, store) = elsewhere(&world, &one);
    import(&there, &file).await;
    there.remove(&TENANT, id).await.unwrap();
    run_until(&there, &store, &world.clock, after(world.clock.now(), HOUR)).await;
    let told = one.take();
    let last = numbers(&there, id).await.pop();
    assert_eq!(heard(&told).pop(), last);
    assert_eq!(told.last().map(|it| &it.notice), Some(&Notice::Removed));
}

#[tokio::test]
async fn what_panics_when_it_is_dropped_counts_as_one_that_fails() {
    struct Clingy;
    impl Drop for Clingy {
        fn drop(&mut self) {
            assert!(std::thread::panicking(), "on request");
        }
    }
    let world = World::new();
    let good = inbox("good");
    let clings = Odd::new("clings", |_, _: &Envelope| async {
        let _clingy = Clingy;
        std::future::pending().await
    });
    let onboarding = builder(&world, world.store.clone())
        .with_timer(Impatient)
        .with_subscriber(clings)
        .with_subscriber(good.clone())
        .build()
        .unwrap();
    let id = onboarding.add(&TENANT, "shop.example.com".parse().unwrap()).await.unwrap().id();
    run(&world, &onboarding, HOUR).await;
    assert_eq!(heard(&good.take()), numbers(&onboarding, id).await);
}

#[tokio::test]
async fn a_log_does_not_grow_for_subscribers_that_nobody_has_any_more() {
    let mut policy = Policy::new();
    policy.keep_log = DAY * 20;
    let world = World::with_policy(policy);
    let once = process(&world, vec![Arc::new(inbox("a"))]);
    let id = active(&world, &once, "shop.example.com").await;
    let now = process(&world, Vec::new());
    for _ in 0..720 {
        world.clock.advance(HOUR * 6);
        while now.worker().step().await.unwrap().leased > 0 {}
    }
    let late = now.notices(&TENANT, id, 0).await.unwrap();
    let limit = world.clock.now() - DAY * 100;
    assert!(late.iter().all(|notice| notice.at > limit), "{late:?}");
}

#[tokio::test]
async fn a_domain_that_is_gone_is_kept_until_that_was_told() {
    let mut policy = Policy::new();
    policy.keep_removed = MINUTE;
    policy.quarantine = Duration::ZERO;
    let world = World::with_policy(policy);
    let is_away = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let away = is_away.clone();
    let subscriber = Odd::new("a", move |_, _: &Envelope| {
        let is_away = away.load(Ordering::Relaxed);
        async move { if is_away { Err(fail(ErrorKind::Unavailable)) } else { Ok(()) } }
    });
    let onboarding = process(&world, vec![subscriber.clone()]);
    let id = active(&world, &onboarding, "shop.example.com").await;
    is_away.store(true, Ordering::Relaxed);
    onboarding.remove(&TENANT, id).await.unwrap();
    run(&world, &onboarding, HOUR).await;
    onboarding.worker().tidy().await.unwrap();
    let all = numbers(&onboarding, id).await;
    is_away.store(false, Ordering::Relaxed);
    run(&world, &onboarding, DAY).await;
    assert_eq!(heard(&subscriber.inner.take()), all);
    onboarding.worker().tidy().await.unwrap();
    let keys = [Key::new(Kind::Domain, id), Key::new(Kind::Feed, id)];
    assert_eq!(world.store.get(&keys).await.unwrap(), [None, None]);
}

#[tokio::test]
async fn a_domain_that_is_gone_is_not_kept_for_whoever_never_listens() {
    let mut policy = Policy::new();
    policy.keep_removed = MINUTE;
    policy.quarantine = Duration::ZERO;
    let world = World::with_policy(policy);
    let subscriber = Odd::new("a", |_, _: &Envelope| async { Err(fail(ErrorKind::Unavailable)) });
    let onboarding = process(&world, vec![subscriber]);
    let id = active(&world, &onboarding, "shop.example.com").await;
    onboarding.remove(&TENANT, id).await.unwrap();
    run(&world, &onboarding, HOUR).await;
    // From now on nobody works on feeds.
    world.clock.advance(DAY * 3);
    process(&world, Vec::new()).worker().tidy().await.unwrap();
    let keys = [Key::new(Kind::Domain, id), Key::new(Kind::Feed, id)];
    assert_eq!(world.store.get(&keys).await.unwrap(), [None, None]);
}

#[tokio::test]
async fn whoever_follows_a_domain_gets_past_what_is_not_told() {
    let world = World::new();
    let id = world.active("shop.example.com").await.id();
    let last = *numbers(&world.onboarding, id).await.last().unwrap();
    let key = Key::new(Kind::Domain, id);
    let item = world.store.get(std::slice::from_ref(&key)).await.unwrap().remove(0).unwrap();
    let expect = Expect::Revision(item.revision);
    let put = Write::Put { key: key.clone(), expect, header: item.header, body: item.body };
    let trace = || NewEntry::new(key.clone(), "{\"v\":1,\"trace\":{}}".to_owned());
    let batch = Batch::new(OperationId::from_bytes([9; 16])).with(put);
    let batch = (0..250).fold(batch, |batch, _| batch.with_entry(trace()));
    world.store.commit(batch).await.unwrap();
    world.onboarding.remove(&TENANT, id).await.unwrap();
    let page = world.onboarding.follow(&TENANT, Since::Domain(id, last)).await.unwrap();
    assert!(!page.envelopes.is_empty());
    let page = world.onboarding.follow(&TENANT, page.next).await.unwrap();
    assert!(page.envelopes.is_empty());
}

#[tokio::test]
async fn whoever_follows_gets_past_what_cannot_be_read_and_is_told_where_it_is() {
    let world = World::new();
    let onboarding = builder(&world, world.store.clone()).with_tenant_log().build().unwrap();
    let id = onboarding.add(&TENANT, "shop.example.com".parse().unwrap()).await.unwrap().id();
    run(&world, &onboarding, MINUTE).await;
    // What a later release may have logged, and nonsense.
    for (key, since) in [
        (Key::new(Kind::Domain, id), Since::Domain(id, 0)),
        (Key::new(Kind::Feed, format!("tenant-{TENANT}")), Since::Tenant(0)),
    ] {
        let before = onboarding.follow(&TENANT, since).await.unwrap();
        assert!(!before.envelopes.is_empty() && before.unreadable.is_empty());
        let item = world.store.get(std::slice::from_ref(&key)).await.unwrap().remove(0).unwrap();
        let expect = Expect::Revision(item.revision);
        let put = Write::Put { key: key.clone(), expect, header: item.header, body: item.body };
        let batch = Batch::new(OperationId::from_bytes([9; 16])).with(put);
        let batch = ["{\"v\":1,\"notice\":\"later\"}", "nonsense"]
            .into_iter()
            .fold(batch, |batch, body| {
                batch.with_entry(NewEntry::new(key.clone(), body.to_owned()))
            });
        world.store.commit(batch).await.unwrap();
        let numbers: Vec<u64> =
            world.store.entries(&key, 0, 100).await.unwrap().iter().map(|it| it.number).collect();
        let [.., later, nonsense] = numbers[..] else { panic!("{numbers:?}") };

        // From the start, and from just before it: what is before it is not lost, what is in it is named.
        let all = onboarding.follow(&TENANT, since).await.unwrap();
        assert_eq!((&all.envelopes, all.unreadable), (&before.envelopes, vec![later, nonsense]));
        let page = onboarding.follow(&TENANT, before.next).await.unwrap();
        assert_eq!((page.envelopes, page.unreadable), (vec![], vec![later, nonsense]));
        let end = onboarding.follow(&TENANT, page.next).await.unwrap();
        assert_eq!((end.envelopes, end.unreadable), (vec![], vec![]));
    }
    // What comes after it is told.
    let domain = onboarding.follow(&TENANT, Since::Domain(id, 0)).await.unwrap().next;
    onboarding.remove(&TENANT, id).await.unwrap();
    assert!(!onboarding.follow(&TENANT, domain).await.unwrap().envelopes.is_empty());
}
