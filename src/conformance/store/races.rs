//! Many at once.

use std::{
    collections::{BTreeMap, HashSet},
    iter,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::task::JoinSet;

use super::{
    LEASE, MoveTime, batch, body, carrying, change, create, delete, domain, done, due, holder,
    leased, look, now, put, read, try_lease, unique, wake,
};
use crate::store::{
    Body, Commit, Expect, Header, Item, Key, Kind, LeaseRequest, NewEntry, Store, Then, Write,
};

/// How many tasks take part in a race.
const MANY: usize = 8;

/// Workers that ask at the same time share the work: no root is missed, and none is given twice.
pub async fn two_thousand_due_roots_are_handed_out_once_each(
    store: impl Store,
    _time: impl MoveTime,
) {
    let store = Arc::new(store);
    let header = due(now(&store).await);
    for hundred in 0..20 {
        let creates = (0..100)
            .map(|one| create(&domain(&format!("{:04}", hundred * 100 + one)), header.clone()));
        done(&store, batch(creates)).await;
    }
    let mut workers = JoinSet::new();
    for _ in 0..MANY {
        let store = Arc::clone(&store);
        workers.spawn(async move {
            let mut mine = Vec::new();
            loop {
                let wanted = LeaseRequest::new([Kind::Domain], 50, LEASE);
                let leased = store.lease(&wanted).await.unwrap().leases;
                if leased.is_empty() {
                    return mine;
                }
                mine.extend(leased.into_iter().map(|(lease, _)| lease.key));
                tokio::task::yield_now().await;
            }
        });
    }
    let all: Vec<Key> = workers.join_all().await.into_iter().flatten().collect();
    let distinct: HashSet<&Key> = all.iter().collect();
    assert_eq!((all.len(), distinct.len()), (2000, 2000));
}

/// Of many changes of the same state one is accepted, and it is the one that is there afterwards.
pub async fn two_writers_have_one_winner(store: impl Store, _time: impl MoveTime) {
    let store = Arc::new(store);
    for round in 0..10 {
        let item = put(&store, &domain(&round.to_string()), Header::default()).await;
        let mut writers = JoinSet::new();
        for _ in 0..MANY {
            let (store, item) = (Arc::clone(&store), item.clone());
            writers.spawn(async move {
                let batch = batch([change(&item, Header::default(), "mine")]);
                (batch.operation, store.commit(batch).await.unwrap())
            });
        }
        let mut winners = writers.join_all().await;
        winners.retain(|(_, commit)| match commit {
            Commit::Done => true,
            Commit::Stale(keys) => {
                assert_eq!(keys, std::slice::from_ref(&item.key));
                false
            }
            other => panic!("{other:?}"),
        });
        let [(operation, _)] = winners.as_slice() else { panic!("winners: {winners:?}") };
        let revision = read(&store, &item.key).await.revision;
        assert_eq!((revision.counter, revision.operation), (2, *operation));
    }
}

/// Of many items that want the same unique key one is created.
pub async fn one_unique_key_has_one_winner(store: impl Store, _time: impl MoveTime) {
    let store = Arc::new(store);
    for round in 0..10 {
        let name = format!("name {round}");
        let mut writers = JoinSet::new();
        for writer in 0..MANY {
            let (store, name) = (Arc::clone(&store), name.clone());
            writers.spawn(async move {
                let key = domain(&format!("{round}/{writer}"));
                let commit = store.commit(batch([create(&key, carrying(&[&name]))])).await.unwrap();
                (key, commit)
            });
        }
        let mut winners = writers.join_all().await;
        winners.retain(|(_, commit)| match commit {
            Commit::Done => true,
            Commit::Taken(keys) => {
                assert_eq!(keys, &[unique(&name)]);
                false
            }
            other => panic!("{other:?}"),
        });
        let [(key, _)] = winners.as_slice() else { panic!("winners: {winners:?}") };
        assert_eq!(holder(&store, &name).await.as_ref(), Some(key));
        for writer in 0..MANY {
            let other = domain(&format!("{round}/{writer}"));
            assert_eq!(look(&store, &other).await.is_some(), other == *key, "{other}");
        }
    }
}

/// Of many that take a unique key over from its holder one succeeds.
pub async fn moved_unique_key_has_one_winner(store: impl Store, _time: impl MoveTime) {
    let store = Arc::new(store);
    let former = put(&store, &domain("former"), carrying(&["hold"])).await;
    let mut takers = JoinSet::new();
    for taker in 0..MANY {
        let (store, former) = (Arc::clone(&store), former.clone());
        takers.spawn(async move {
            let key = domain(&taker.to_string());
            let gives = change(&former, Header::default(), "gives");
            let both = batch([gives, create(&key, carrying(&["hold"]))]);
            (key, store.commit(both).await.unwrap())
        });
    }
    let mut winners = takers.join_all().await;
    winners.retain(|(_, commit)| *commit == Commit::Done);
    let [(key, _)] = winners.as_slice() else { panic!("winners: {winners:?}") };
    assert_eq!(holder(&store, "hold").await.as_ref(), Some(key));
}

/// Writers that read, change and try again when they were late lose nothing.
pub async fn no_change_is_lost(store: impl Store, _time: impl MoveTime) {
    const EACH: usize = 10;
    let store = Arc::new(store);
    let key = domain("counter");
    let write = |expect, count: usize| Write::Put {
        key: domain("counter"),
        expect,
        header: Header::default(),
        body: Body::new(count.to_string()),
    };
    done(&store, batch([write(Expect::Absent, 0)])).await;
    let mut writers = JoinSet::new();
    for _ in 0..MANY {
        let (store, key) = (Arc::clone(&store), key.clone());
        writers.spawn(async move {
            for _ in 0..EACH {
                loop {
                    let item = read(&store, &key).await;
                    let count: usize = item.body.as_str().parse().unwrap();
                    let next = batch([write(Expect::Revision(item.revision), count + 1)]);
                    if store.commit(next).await.unwrap() == Commit::Done {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    writers.join_all().await;
    let item = read(&store, &key).await;
    assert_eq!(item.body.as_str(), (MANY * EACH).to_string());
    assert_eq!(item.revision.counter, u64::try_from(MANY * EACH + 1).unwrap());
}

/// Once a token was handed out no commit under a lower one is accepted, though it has the newest
/// revision in hand.
///
/// End states cannot show a missing fence, so every commit leaves its token in the log of the root:
/// they never fall.
pub async fn no_commit_below_the_highest_token(store: impl Store, time: impl MoveTime) {
    const ROOTS: usize = 3;
    const ROUNDS: usize = 40;
    let (store, time) = (Arc::new(store), Arc::new(time));
    let start = now(&store).await;
    for root in 0..ROOTS {
        put(&store, &domain(&root.to_string()), due(start)).await;
    }
    // What is known to have been handed out: raised after each lease, so never too high.
    let highest: Arc<Mutex<BTreeMap<Key, u64>>> = Arc::default();
    let mut workers = JoinSet::new();
    for worker in 0..MANY {
        let (store, time) = (Arc::clone(&store), Arc::clone(&time));
        let highest = Arc::clone(&highest);
        workers.spawn(async move {
            let mut held = Vec::new();
            for _ in 0..ROUNDS {
                let wanted = LeaseRequest::new([Kind::Domain], 2, LEASE);
                for (lease, _) in store.lease(&wanted).await.unwrap().leases {
                    let mut highest = highest.lock().unwrap();
                    let known = highest.entry(lease.key.clone()).or_default();
                    assert_ne!(*known, lease.token, "a token of {} was given twice", lease.key);
                    *known = lease.token.max(*known);
                    held.push(lease);
                }
                tokio::task::yield_now().await;
                // All leases it ever had, the ended ones too.
                for lease in &held {
                    let known = highest.lock().unwrap().get(&lease.key).copied();
                    let item = read(&store, &lease.key).await;
                    let token = NewEntry::new(lease.key.clone(), lease.token.to_string());
                    let next = batch([change(&item, due(start), "x")]).with_entry(token);
                    let next = next.with_lease(lease.clone(), Then::Keep);
                    if store.commit(next).await.unwrap() == Commit::Done {
                        assert!(known <= Some(lease.token), "{known:?} was handed out: {lease:?}");
                    }
                }
                let excess = held.len().saturating_sub(6);
                held.drain(..excess);
                // Time goes by with the work, so that a slow store has leases to commit under too.
                if worker == 0 {
                    time.advance(LEASE / 3).await;
                }
            }
        });
    }
    workers.join_all().await;

    for root in 0..ROOTS {
        let key = domain(&root.to_string());
        let mut last = 0;
        let mut after = 0;
        loop {
            let entries = store.entries(&key, after, 100).await.unwrap();
            let Some(end) = entries.last() else { break };
            after = end.number;
            for entry in &entries {
                let token: u64 = entry.body.parse().unwrap();
                assert!(token >= last, "{key}: {token} was accepted after {last}");
                last = token;
            }
        }
        assert!(last > 0, "nothing was accepted for {key}");
    }
}

/// A wake that comes while the holder lets go is seen by somebody: by the next lease at the latest.
pub async fn no_wake_is_lost(store: impl Store, _time: impl MoveTime) {
    let store = Arc::new(store);
    for round in 0..50 {
        let (lease, item) = leased(&store, &round.to_string()).await;
        let rest = batch([change(&item, Header::default(), "rest")]);
        let rest = rest.with_lease(lease.clone(), Then::Release);
        let (woken, released) = tokio::join!(
            tokio::spawn({
                let (store, key) = (Arc::clone(&store), lease.key.clone());
                async move { store.commit(batch([wake(&key)])).await.unwrap() }
            }),
            tokio::spawn({
                let store = Arc::clone(&store);
                async move { store.commit(rest).await.unwrap() }
            }),
        );
        assert_eq!((woken.unwrap(), released.unwrap()), (Commit::Done, Commit::Done));
        assert!(try_lease(&store, &lease.key).await.is_some(), "round {round}: the wake is lost");
    }
}

/// Of many that wait for a lease to run out one gets the root.
pub async fn expired_lease_has_one_successor(store: impl Store, time: impl MoveTime) {
    let store = Arc::new(store);
    let (first, _) = leased(&store, "one").await;
    let mut tokens = vec![first.token];
    for _ in 0..10 {
        time.advance(LEASE + Duration::from_secs(1)).await;
        let mut workers = JoinSet::new();
        for _ in 0..MANY {
            let (store, key) = (Arc::clone(&store), first.key.clone());
            workers.spawn(async move { try_lease(&store, &key).await });
        }
        let given: Vec<u64> =
            workers.join_all().await.into_iter().flatten().map(|lease| lease.token).collect();
        let [token] = given.as_slice() else { panic!("tokens that were given: {given:?}") };
        assert!(tokens.iter().all(|earlier| earlier < token), "{tokens:?}, then {token}");
        tokens.push(*token);
    }
}

/// A caller that goes away leaves the whole batch or nothing of it.
pub async fn dropped_commit_happens_as_a_whole_or_not_at_all(
    store: impl Store,
    _time: impl MoveTime,
) {
    let store = Arc::new(store);
    put(&store, &domain("former"), carrying(&["hold"])).await;
    for round in 0_u32..30 {
        // Of the batches before, one that was given up may have arrived only now.
        let former = store.find(&[unique("hold")]).await.unwrap().remove(0).unwrap();
        let key = domain(&round.to_string());
        let write = Write::Put {
            key: key.clone(),
            expect: Expect::Absent,
            header: carrying(&["hold"]),
            body: body("new"),
        };
        let entry = NewEntry::new(key.clone(), "{}".to_owned());
        let both = batch([delete(&former), write]).with_entry(entry);
        let task = tokio::spawn({
            let store = Arc::clone(&store);
            async move { store.commit(both).await }
        });
        // Sooner or later into the call, as the round goes.
        tokio::time::sleep(Duration::from_micros(u64::from(round) * 20)).await;
        task.abort();
        let _ = task.await;

        // That one may be there by now instead of this one.
        let keys: Vec<Key> = iter::once(domain("former"))
            .chain((0..=round).map(|of| domain(&of.to_string())))
            .collect();
        let items = store.get(&keys).await.unwrap();
        let there: Vec<&Item> = items.iter().flatten().collect();
        let [item] = there.as_slice() else { panic!("round {round}: {there:?}") };
        assert_eq!(item.header.unique, [unique("hold")]);
        if item.key == key {
            assert_eq!(store.entries(&key, 0, 10).await.unwrap().len(), 1);
        }
    }
}

/// Who was cut off from the answer commits the same batch again until it knows: it is there once, and
/// the operation in the revision says that it was this one.
pub async fn lost_answer_is_resolved_by_the_operation(store: impl Store, _time: impl MoveTime) {
    let store = Arc::new(store);
    for round in 0_u64..20 {
        let key = domain(&round.to_string());
        let entry = NewEntry::new(key.clone(), "{}".to_owned());
        let batch = batch([create(&key, carrying(&[&key.id]))]).with_entry(entry);
        let task = tokio::spawn({
            let (store, batch) = (Arc::clone(&store), batch.clone());
            async move { store.commit(batch).await }
        });
        tokio::time::sleep(Duration::from_micros(round * 20)).await;
        task.abort();
        let _ = task.await;

        match store.commit(batch.clone()).await.unwrap() {
            Commit::Done => {}
            Commit::Stale(keys) => assert_eq!(keys, std::slice::from_ref(&key)),
            other => panic!("round {round}: {other:?}"),
        }
        let item = read(&store, &key).await;
        assert_eq!((item.revision.counter, item.revision.operation), (1, batch.operation));
        assert_eq!(store.entries(&key, 0, 10).await.unwrap().len(), 1, "round {round}");
    }
}
