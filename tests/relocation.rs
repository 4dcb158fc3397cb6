//! Moving a platform to another store while it runs.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Waker},
    time::Duration,
};

use common::{DAY, HOUR, MINUTE, TENANT, World};
use futures_util::FutureExt;
use nameplate::{
    certificate::Validation,
    clock::Timestamp,
    domain::{NewDomain, Status},
    engine::Onboarding,
    error::ErrorKind,
    id::{DomainId, OperationId},
    store::{
        Batch, Body, Commit, Entry, Expect, Filter, Header, InMemoryStore, Item, Key, Kind,
        LeaseRequest, Query, Store, Switch, Then, Write,
    },
    testkit::{Moment, Tap, Tape},
};

/// A platform behind a switch, with a name that is active and one that waits for its proof.
struct Platform {
    world: World,
    switch: Switch,
    waiting: DomainId,
}

impl Platform {
    async fn new() -> Self {
        let mut world = World::new();
        let mut switch = None;
        world.onboarding = world.process((
            |store| switch.insert(Switch::new(Arc::new(store))).clone(),
            |resolver| resolver,
            |dns| dns,
            |ca| ca,
        ));
        let switch = switch.unwrap();
        world.active("shop.example.com").await;
        let waiting = add(&world, "www.example.com").await;
        world.settle().await;
        Self { world, switch, waiting }
    }

    fn empty(&self) -> InMemoryStore {
        InMemoryStore::new(Arc::new(self.world.clock.clone()))
    }

    fn onboarding(&self) -> &Onboarding {
        &self.world.onboarding
    }
}

async fn add(world: &World, name: &str) -> DomainId {
    let wanted: NewDomain = name.parse().unwrap();
    world.add_with(&TENANT, wanted.with_validation(Validation::Dns01)).await.id()
}

/// Everything that a store holds.
async fn content(store: &dyn Store) -> Vec<(Item, Vec<Entry>)> {
    let mut content = Vec::new();
    for kind in Kind::ALL {
        let page = store.list(&Query::new(kind, Filter::All).with_limit(1000)).await.unwrap();
        for item in page.items {
            let entries = store.entries(&item.key, 0, 1000).await.unwrap();
            content.push((item, entries));
        }
    }
    content
}

fn operation(number: u8) -> OperationId {
    OperationId::from_bytes([number; 16])
}

/// A ledger that nobody else writes.
fn ledger(id: &str, expect: Expect) -> Write {
    let body = Body::new("{}".to_owned());
    Write::Put { key: Key::new(Kind::Ledger, id), expect, header: Header::default(), body }
}

#[tokio::test]
async fn a_platform_moves_while_it_runs() {
    let mut platform = Platform::new().await;
    let old = platform.world.store.clone();
    let new = platform.empty();
    let mut relocation = platform.switch.relocate(Arc::new(new.clone())).unwrap();
    let copied = relocation.copy().await.unwrap();
    assert_eq!(copied.present, 0);
    assert_eq!(usize::try_from(copied.items).unwrap(), content(&old).await.len());

    // What happens before the change: a proof, an order, a removal, a name that is added anew.
    platform.world.publish(platform.waiting).await;
    platform.world.run_for(HOUR).await;
    let gone = add(&platform.world, "old.example.com").await;
    platform.onboarding().remove(&TENANT, gone).await.unwrap();
    let late = add(&platform.world, "late.example.com").await;

    assert_eq!(relocation.drain().await.unwrap(), 0);
    let report = relocation.complete().await.unwrap();
    assert!(report.items > 0 && report.entries > 0 && report.again > 0, "{report:?}");
    let moved = content(&new).await;
    assert_eq!(moved, content(&old).await);
    assert!(moved.iter().any(|(item, _)| item.key.kind == Kind::Certificate));

    // Life goes on in the new store, and nothing comes to the old one any more.
    platform.world.store = new.clone();
    platform.world.publish(late).await;
    platform.world.run_for(HOUR).await;
    for id in [platform.waiting, late] {
        let domain = platform.world.get(id).await;
        assert_eq!(domain.status(), Status::Active, "{}", domain.waiting_on());
        let notices = platform.onboarding().notices(&TENANT, id, 0).await.unwrap();
        assert!(notices.is_sorted_by_key(|notice| notice.number));
    }
    assert_eq!(content(&old).await, moved);
    assert_ne!(content(&new).await, moved);
}

#[tokio::test]
async fn a_wake_that_came_meanwhile_is_not_lost() {
    let platform = Platform::new().await;
    let new = platform.empty();
    let mut relocation = platform.switch.relocate(Arc::new(new.clone())).unwrap();
    relocation.copy().await.unwrap();
    let key = Key::new(Kind::Domain, platform.waiting);
    let due = |store: InMemoryStore| {
        let key = key.clone();
        async move { store.lease(&LeaseRequest::of(key, MINUTE)).await.unwrap().leases.len() }
    };
    assert_eq!(due(new.clone()).await, 0);
    let wake = Batch::new(operation(1)).with(Write::Wake { key: key.clone() });
    assert_eq!(platform.switch.commit(wake).await.unwrap(), Commit::Done);
    relocation.complete().await.unwrap();
    assert_eq!(due(new).await, 1);
}

#[tokio::test]
async fn a_wake_from_before_the_move_is_not_lost() {
    for is_leased in [false, true] {
        let platform = Platform::new().await;
        let switch = &platform.switch;
        let key = Key::new(Kind::Domain, platform.waiting);
        let one = LeaseRequest::of(key.clone(), MINUTE);
        let wake = Batch::new(operation(1)).with(Write::Wake { key: key.clone() });
        assert_eq!(switch.commit(wake).await.unwrap(), Commit::Done);
        // Whoever was woken by it does not come to an end of what it does.
        if is_leased {
            assert_eq!(switch.lease(&one).await.unwrap().leases.len(), 1);
        }
        // However often the move is interrupted, up to the one that comes to its end.
        for number in 0.. {
            let new = platform.empty();
            let to = Arc::new(Tap::new(new.clone(), Tape::stopping_at(number)));
            let mut whole = Box::pin(async {
                let mut relocation = switch.relocate(to).unwrap();
                relocation.copy().await.unwrap();
                relocation.drain().await.unwrap();
                relocation.complete().await.unwrap();
            });
            let poll = whole.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            if poll.is_ready() {
                assert_eq!(new.lease(&one).await.unwrap().leases.len(), 1, "{is_leased}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_unique_key_that_moved_meanwhile_moves_again() {
    let platform = Platform::new().await;
    let (switch, new) = (&platform.switch, platform.empty());
    let unique = nameplate::store::UniqueKey::new("slot", &["one"]);
    let put = |id: &str, carries: bool, expect| {
        let mut header = Header::default();
        header.unique = carries.then(|| unique.clone()).into_iter().collect();
        let key = Key::new(Kind::Ledger, id);
        Write::Put { key, expect, header, body: Body::new("{}".to_owned()) }
    };
    let first = Batch::new(operation(1)).with(put("a", true, Expect::Absent)).with(put(
        "b",
        false,
        Expect::Absent,
    ));
    assert_eq!(switch.commit(first).await.unwrap(), Commit::Done);
    let mut relocation = switch.relocate(Arc::new(new.clone())).unwrap();
    relocation.copy().await.unwrap();
    let keys = ["a", "b"].map(|id| Key::new(Kind::Ledger, id));
    let found = switch.get(&keys).await.unwrap();
    let revision = |place: usize| Expect::Revision(found[place].as_ref().unwrap().revision);
    let second = Batch::new(operation(2)).with(put("a", false, revision(0))).with(put(
        "b",
        true,
        revision(1),
    ));
    assert_eq!(switch.commit(second).await.unwrap(), Commit::Done);
    relocation.complete().await.unwrap();
    let carrier = new.find(&[unique]).await.unwrap().into_iter().flatten().next().unwrap();
    assert_eq!(carrier.key.id, "b");
}

#[tokio::test]
async fn a_lease_from_before_counts_no_more() {
    let platform = Platform::new().await;
    let (switch, new) = (&platform.switch, platform.empty());
    let key = Key::new(Kind::Domain, platform.waiting);
    let wake = Batch::new(operation(1)).with(Write::Wake { key: key.clone() });
    switch.commit(wake.clone()).await.unwrap();
    let before = switch.lease(&LeaseRequest::of(key.clone(), DAY)).await.unwrap();
    let (before, _) = before.leases.into_iter().next().unwrap();
    let mut relocation = switch.relocate(Arc::new(new.clone())).unwrap();
    relocation.copy().await.unwrap();
    assert_eq!(relocation.drain().await.unwrap(), 1);
    assert!(switch.lease(&LeaseRequest::new(Kind::ALL, 10, DAY)).await.unwrap().leases.is_empty());
    relocation.complete().await.unwrap();
    platform.world.clock.advance(MINUTE);

    // The same root, leased until the new store counts as the old one did.
    let mut after;
    loop {
        switch.commit(wake.clone()).await.unwrap();
        let leased = switch.lease(&LeaseRequest::of(key.clone(), DAY)).await.unwrap();
        (after, _) = leased.leases.into_iter().next().unwrap();
        if after.token == before.token {
            break;
        }
        let release = Batch::new(operation(2)).with_lease(after, Then::Release);
        assert_eq!(switch.commit(release).await.unwrap(), Commit::Done);
    }
    assert_eq!(switch.extend(std::slice::from_ref(&before), DAY).await.unwrap(), [None]);
    let stale = Batch::new(operation(3)).with_lease(before, Then::Keep);
    assert_eq!(switch.commit(stale).await.unwrap(), Commit::Fenced);
    let right = Batch::new(operation(4)).with_lease(after, Then::Keep);
    assert_eq!(switch.commit(right).await.unwrap(), Commit::Done);
}

#[tokio::test]
async fn a_move_that_is_interrupted_anywhere_changes_nothing_and_is_made_again() {
    let (mut refused, mut accepted) = (0, 0);
    for number in 0.. {
        let platform = Platform::new().await;
        let (old, new) = (platform.world.store.clone(), platform.empty());
        let (switch, armed) = (platform.switch.clone(), Arc::new(AtomicBool::new(false)));
        let is_copied = armed.clone();
        let tape = Tape::stopping_at(number).watched_by(move |point| {
            // Too late for anything but the pause.
            if point.call == "restore" && armed.swap(false, Ordering::SeqCst) {
                for id in ["one", "two", "three"] {
                    let write = Batch::new(operation(9)).with(ledger(id, Expect::Absent));
                    assert_eq!(switch.commit(write).now_or_never().unwrap().unwrap(), Commit::Done);
                }
            }
        });
        let to = Arc::new(Tap::new(new.clone(), tape.clone()));
        let mut relocation = platform.switch.relocate(to).unwrap();
        let whole = async {
            relocation.copy().await.unwrap();
            is_copied.store(true, Ordering::SeqCst);
            let late = add(&platform.world, "late.example.com").await;
            platform.onboarding().remove(&TENANT, platform.waiting).await.unwrap();
            platform.onboarding().worker().step().await.unwrap();
            relocation.complete().await.unwrap();
            late
        };
        let mut whole = Box::pin(whole);
        let stopped = whole.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
        if !stopped {
            break;
        }
        // Reads are answered; writes wait during the pause, and only then.
        assert!(!platform.onboarding().list(&TENANT, None).await.unwrap().domains.is_empty());
        match platform.onboarding().add(&TENANT, "a.example.com".parse().unwrap()).await {
            Ok(_) => accepted += 1,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable);
                assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
                refused += 1;
            }
        }
        drop(whole);
        drop(relocation);
        add(&platform.world, "b.example.com").await;
        platform.world.settle().await;

        let mut again = platform.switch.relocate(Arc::new(new.clone())).unwrap();
        again.copy().await.unwrap();
        again.complete().await.unwrap();
        assert_eq!(content(&new).await, content(&old).await, "{:?}", tape.passed().last());
    }
    assert!(refused > 10 && accepted > 10, "{refused} refused, {accepted} accepted");
}

#[tokio::test]
async fn a_store_of_another_platform_is_refused() {
    let platform = Platform::new().await;
    let other = platform.empty();
    let theirs = Batch::new(operation(1)).with(Write::Put {
        key: Key::new(Kind::Domain, DomainId::from_bytes([9; 16])),
        expect: Expect::Absent,
        header: Header::default(),
        body: Body::new("{}".to_owned()),
    });
    // What is looked at first says nothing of whose it is.
    let kinds = [Kind::Sealing, Kind::Key, Kind::Certificate, Kind::Account, Kind::Registration];
    let theirs = kinds.into_iter().fold(theirs, |batch, kind| {
        batch.with(Write::Put {
            key: Key::new(kind, "theirs"),
            expect: Expect::Absent,
            header: Header::default(),
            body: Body::new("{}".to_owned()),
        })
    });
    assert_eq!(other.commit(theirs).await.unwrap(), Commit::Done);
    let before = content(&other).await;
    let mut relocation = platform.switch.relocate(Arc::new(other.clone())).unwrap();
    let error = relocation.copy().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(content(&other).await, before);
    let error = relocation.complete().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        platform.switch.relocate(Arc::new(platform.empty())).unwrap_err().kind(),
        ErrorKind::Conflict
    );
    drop(relocation);
    platform.switch.relocate(Arc::new(platform.empty())).unwrap();
}

#[tokio::test]
async fn what_a_move_has_put_there_may_all_have_changed_when_it_copies_again() {
    let world = World::new();
    let (old, new) = (world.store.clone(), InMemoryStore::new(Arc::new(world.clock.clone())));
    let switch = Switch::new(Arc::new(old.clone()));
    let key = Key::new(Kind::Answer, "one");
    let put = Write::Put {
        key: key.clone(),
        expect: Expect::Absent,
        header: Header::default(),
        body: Body::new("{}".to_owned()),
    };
    assert_eq!(switch.commit(Batch::new(operation(1)).with(put)).await.unwrap(), Commit::Done);
    let mut relocation = switch.relocate(Arc::new(new.clone())).unwrap();
    assert_eq!(relocation.copy().await.unwrap().items, 1);
    let [(item, _)] = content(&new).await.try_into().unwrap();

    let delete = Write::Delete { key, expect: Expect::Revision(item.revision) };
    assert_eq!(switch.commit(Batch::new(operation(2)).with(delete)).await.unwrap(), Commit::Done);
    assert_eq!(relocation.copy().await.unwrap().items, 0);
    assert_eq!(content(&new).await, []);
}

/// What another platform has, each kind alone, and each once by a key that is in use here, too.
#[tokio::test]
async fn a_store_that_holds_anything_of_another_platform_is_refused_as_it_is() {
    let platform = Platform::new().await;
    let here = content(&platform.world.store).await;
    let mut same = 0;
    for kind in Kind::ALL {
        let mut keys = vec![Key::new(kind, "theirs")];
        // Made more often here than there, so that it looks like what an attempt left.
        let often =
            here.iter().find(|(item, _)| item.key.kind == kind && item.revision.counter > 1);
        keys.extend(often.map(|(item, _)| item.key.clone()));
        same += keys.len() - 1;
        for key in keys {
            let other = platform.empty();
            let theirs = Batch::new(operation(1)).with(Write::Put {
                key: key.clone(),
                expect: Expect::Absent,
                header: Header::default(),
                body: Body::new("{}".to_owned()),
            });
            assert_eq!(other.commit(theirs).await.unwrap(), Commit::Done);
            let before = content(&other).await;
            let mut relocation = platform.switch.relocate(Arc::new(other.clone())).unwrap();
            let error = relocation.copy().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict, "{key}");
            assert!(error.message().contains(&key.to_string()), "{error}");
            assert_eq!(content(&other).await, before, "{key}");
        }
    }
    assert!(same > 2, "{same} keys are made more than once");
}

#[tokio::test]
async fn a_store_that_is_used_already_is_refused() {
    let platform = Platform::new().await;
    let new = platform.empty();
    platform.switch.relocate(Arc::new(new.clone())).unwrap().copy().await.unwrap();
    let key = Key::new(Kind::Domain, platform.waiting);
    let item = new.get(std::slice::from_ref(&key)).await.unwrap().remove(0).unwrap();
    let used = Batch::new(operation(1)).with(Write::Put {
        key,
        expect: Expect::Revision(item.revision),
        header: item.header,
        body: item.body,
    });
    assert_eq!(new.commit(used).await.unwrap(), Commit::Done);
    let mut relocation = platform.switch.relocate(Arc::new(new)).unwrap();
    assert_eq!(relocation.copy().await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn answers_that_are_lost_are_asked_for_again() {
    let platform = Platform::new().await;
    let (old, new) = (platform.world.store.clone(), platform.empty());
    let mut relocation = platform.switch.relocate(Arc::new(new.clone())).unwrap();
    new.fail_next(ErrorKind::Unavailable);
    assert_eq!(relocation.copy().await.unwrap_err().kind(), ErrorKind::Unavailable);
    relocation.copy().await.unwrap();
    new.fail_next_after(ErrorKind::Unavailable);
    assert_eq!(relocation.complete().await.unwrap_err().kind(), ErrorKind::Unavailable);
    add(&platform.world, "late.example.com").await;
    relocation.complete().await.unwrap();
    assert_eq!(content(&new).await, content(&old).await);
    assert_eq!(relocation.complete().await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_move_that_is_over_touches_the_new_store_no_more() {
    let mut platform = Platform::new().await;
    let new = platform.empty();
    let mut relocation = platform.switch.relocate(Arc::new(new.clone())).unwrap();
    relocation.copy().await.unwrap();
    relocation.complete().await.unwrap();
    platform.world.store = new.clone();
    platform.world.publish(platform.waiting).await;
    platform.world.run_for(HOUR).await;
    add(&platform.world, "late.example.com").await;
    let before = content(&new).await;

    assert_eq!(relocation.copy().await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(relocation.drain().await.unwrap(), 0);
    drop(relocation);
    assert_eq!(content(&new).await, before);
    let key = Key::new(Kind::Domain, platform.waiting);
    let wake = Batch::new(operation(1)).with(Write::Wake { key: key.clone() });
    platform.switch.commit(wake).await.unwrap();
    let leased = platform.switch.lease(&LeaseRequest::of(key, MINUTE)).await.unwrap();
    assert_eq!(leased.leases.len(), 1, "no leases are given any more");
}

#[tokio::test]
async fn what_is_due_cannot_keep_the_pause_from_its_end() {
    let world = World::new();
    let (old, new) = (world.store.clone(), InMemoryStore::new(Arc::new(world.clock.clone())));
    // So slow that what was set aside first is due again when the last of it is.
    let (clock, asked) = (world.clock.clone(), AtomicUsize::new(0));
    let tape = Tape::new().watched_by(move |point| {
        if point.call == "lease" && point.moment == Moment::After {
            clock.advance(MINUTE);
            assert!(asked.fetch_add(1, Ordering::Relaxed) < 10, "it goes on for ever");
        }
    });
    let switch = Switch::new(Arc::new(Tap::new(old.clone(), tape)));
    let mut header = Header::default();
    header.due = Some(Timestamp::UNIX_EPOCH);
    let put = |id: &str, header| Write::Put {
        key: Key::new(Kind::Domain, id),
        expect: Expect::Absent,
        header,
        body: Body::new("{}".to_owned()),
    };
    let due = Batch::new(operation(1)).with(put("one", header));
    assert_eq!(switch.commit(due).await.unwrap(), Commit::Done);
    let mut relocation = switch.relocate(Arc::new(new.clone())).unwrap();
    relocation.copy().await.unwrap();
    let error = relocation.complete().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");

    // Writes go on, and it is made when less is due.
    let rest = old.get(&[Key::new(Kind::Domain, "one")]).await.unwrap().remove(0).unwrap();
    let rest = Write::Delete { key: rest.key, expect: Expect::Revision(rest.revision) };
    assert_eq!(switch.commit(Batch::new(operation(2)).with(rest)).await.unwrap(), Commit::Done);
    let put = put("two", Header::default());
    assert_eq!(switch.commit(Batch::new(operation(3)).with(put)).await.unwrap(), Commit::Done);
    relocation.complete().await.unwrap();
    assert_eq!(content(&new).await, content(&old).await);
}

#[tokio::test]
async fn what_was_written_before_all_is_compared_does_not_lengthen_the_pause() {
    let platform = Platform::new().await;
    let (old, new) = (platform.world.store.clone(), platform.empty());
    let (switch, is_copied) = (platform.switch.clone(), Arc::new(AtomicBool::new(false)));
    let (armed, is_compared) = (is_copied.clone(), AtomicBool::new(false));
    let tape = Tape::new().watched_by(move |point| {
        // The other store is listed when each item of this one was compared, and what was written until
        // then is stored after that.
        let id = match point.call {
            "list" if armed.swap(false, Ordering::SeqCst) => {
                is_compared.store(true, Ordering::SeqCst);
                "meanwhile"
            }
            "restore" if is_compared.swap(false, Ordering::SeqCst) => "late",
            _ => return,
        };
        let write = Batch::new(operation(9)).with(ledger(id, Expect::Absent));
        assert_eq!(switch.commit(write).now_or_never().unwrap().unwrap(), Commit::Done);
    });
    let to = Arc::new(Tap::new(new.clone(), tape));
    let mut relocation = platform.switch.relocate(to).unwrap();
    relocation.copy().await.unwrap();
    for number in 0..50 {
        let write = ledger(&number.to_string(), Expect::Absent);
        platform.switch.commit(Batch::new(operation(1)).with(write)).await.unwrap();
    }
    is_copied.store(true, Ordering::SeqCst);
    let report = relocation.complete().await.unwrap();
    assert_eq!(content(&new).await, content(&old).await);
    assert!(new.get(&[Key::new(Kind::Ledger, "late")]).await.unwrap()[0].is_some());
    assert_eq!((report.again, report.during_pause), (52, 1), "{report:?}");
}

#[tokio::test]
async fn a_write_under_way_when_all_is_compared_is_not_lost() {
    for is_given_up in [false, true] {
        let world = World::new();
        let (old, new) = (world.store.clone(), InMemoryStore::new(Arc::new(world.clock.clone())));
        let held = Tape::stopping_at(0);
        let switch = Switch::new(Arc::new(Tap::new(old.clone(), held.clone())));
        let write = || Batch::new(operation(1)).with(ledger("one", Expect::Absent));
        // What was given up may come to the store late, and so at the worst moment.
        let (lands, armed) = (old.clone(), Arc::new(AtomicBool::new(false)));
        let landing = armed.clone();
        let tape = Tape::new().watched_by(move |point| {
            if point.call == "list" && landing.swap(false, Ordering::SeqCst) {
                let landed = lands.commit(write()).now_or_never().unwrap();
                assert_eq!(landed.unwrap(), Commit::Done);
            }
        });
        let mut relocation = switch.relocate(Arc::new(Tap::new(new.clone(), tape))).unwrap();
        let mut slow = Box::pin(switch.commit(write()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(slow.as_mut().poll(&mut context).is_pending() && held.is_stopped());
        relocation.copy().await.unwrap();
        {
            let mut whole = Box::pin(relocation.complete());
            assert!(whole.as_mut().poll(&mut context).is_pending(), "it does not wait");
            if is_given_up {
                armed.store(true, Ordering::SeqCst);
                drop(slow);
            } else {
                held.resume();
                assert_eq!(slow.await.unwrap(), Commit::Done);
            }
            whole.await.unwrap();
        }
        assert!(!armed.load(Ordering::SeqCst));
        let there = new.get(&[Key::new(Kind::Ledger, "one")]).await.unwrap().remove(0);
        assert!(there.is_some(), "it was lost, given up: {is_given_up}");
        assert_eq!(content(&new).await, content(&old).await);
    }
}
