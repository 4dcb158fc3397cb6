//! Polls: what they look at, what they leave to others, and that nothing escapes them for long.

use std::time::Duration;

use nameplate::{
    clock::{Timestamp, after},
    error::ErrorKind,
    id::{OperationId, OsRandom},
    store::{
        Batch, Body, Commit, Expect, Filter, Header, Key, Kind, LeaseRequest, Postgres, Query,
        Store, UniqueKey, Write,
    },
};

use super::{
    LEASE, NoWait,
    database::{Database, connect},
    whole,
};
use crate::servers;

const KINDS: [Kind; 4] = [Kind::Account, Kind::Domain, Kind::Feed, Kind::Registration];

/// Adds roots that are due as soon as they are there, each a little later than the one before.
async fn fill(store: &Postgres, from: u32, to: u32) {
    let now = store.now().await.unwrap();
    let put = |number: u32| {
        let mut header = Header::default();
        header.due = Some(after(now, Duration::from_micros(number.into())));
        Write::Put {
            key: Key::new(Kind::Domain, format!("{number:032x}")),
            expect: Expect::Absent,
            header,
            body: Body::new("{}".to_owned()),
        }
    };
    let batch = Batch::new(OperationId::random(&OsRandom).unwrap());
    store.commit((from..to).map(put).fold(batch, Batch::with)).await.unwrap();
    store.advance(Duration::from_secs(1));
}

async fn lease(store: &Postgres, limit: u32) -> Vec<String> {
    let wanted = LeaseRequest::new(KINDS, limit, LEASE);
    let leased = store.lease(&wanted).await.unwrap().leases;
    leased.into_iter().map(|(lease, _)| lease.key.id).collect()
}

/// Returns how many pages the next poll looks at.
async fn pages(store: &Postgres) -> u64 {
    let plan = store.explain_lease(&LeaseRequest::new(KINDS, 100, LEASE)).await.unwrap();
    let line = plan.iter().find(|line| line.trim_start().starts_with("Buffers:"));
    let line = line.unwrap_or_else(|| panic!("{plan:#?}"));
    line.split([' ', '=']).filter_map(|word| word.parse::<u64>().ok()).sum()
}

#[tokio::test]
async fn an_idle_poll_looks_at_few_pages_though_nothing_was_vacuumed() {
    let database = Database::new(servers::postgres());
    let store = database.builder().open().await.unwrap();
    let off = "SET (autovacuum_enabled = off)";
    let off = format!("ALTER TABLE {}.schedule {off}", database.schema());
    connect(database.url()).await.batch_execute(&off).await.unwrap();
    for thousand in 0..10 {
        fill(&store, thousand * 1000, thousand * 1000 + 1000).await;
    }
    let mut leased = 0;
    loop {
        match lease(&store, 100).await.len() {
            0 => break,
            some => leased += some,
        }
    }
    assert_eq!(leased, 10_000);
    // The next poll looks at everything, the one after that begins behind it, and so does the one that
    // looks for what has escaped, once that was long ago.
    let mut looks = Vec::new();
    for (pause, is_full) in [(61, true), (0, false), (6, false), (6, false), (61, true), (1, false)]
    {
        store.advance(Duration::from_secs(pause));
        looks.push((pages(&store).await, is_full));
        assert_eq!(lease(&store, 100).await, [""; 0]);
    }
    for (pages, is_full) in &looks {
        let is_right = if *is_full { *pages > 20 } else { *pages <= 5 };
        assert!(is_right, "{looks:?}");
    }
}

#[tokio::test]
async fn a_lease_waits_no_longer_for_a_lock_than_a_commit_does() {
    for distributed in [false, true] {
        let database = Database::new(servers::postgres());
        let builder = database.builder().with_distributed(distributed);
        let builder = builder.with_lock_timeout(Duration::from_millis(20)).with_timer(NoWait);
        let store = builder.with_statement_timeout(Duration::from_secs(2)).open().await.unwrap();
        store.commit(whole("one")).await.unwrap();
        let key = Key::new(Kind::Domain, "one");
        let mut other = connect(database.url()).await;
        let held = other.transaction().await.unwrap();
        let lock = format!("SELECT 1 FROM {}.schedule FOR UPDATE", database.schema());
        held.query(&lock, &[]).await.unwrap();
        // `LOCK_NOT_AVAILABLE`, and not that the whole call took too long.
        let error = store.lease(&LeaseRequest::of(key, LEASE)).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, Some("55P03")));
        if distributed {
            let all = LeaseRequest::new(KINDS, 10, LEASE);
            let error = store.lease(&all).await.unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, Some("55P03")));
        }
        held.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn what_escapes_a_poll_is_found_when_everything_is_looked_at_again() {
    for distributed in [false, true] {
        let database = Database::new(servers::postgres());
        let store = database.builder().with_distributed(distributed).open().await.unwrap();
        store.commit(whole("one")).await.unwrap();
        assert_eq!(lease(&store, 10).await, ["one"]);
        assert_eq!(lease(&store, 10).await, [""; 0]);
        let admin = connect(database.url()).await;
        let now = store.now().await.unwrap().timestamp_micros();
        // As if a transaction had taken long to commit, and as if a failover had undone a lease: the
        // former is found after some seconds, the latter after a minute.
        for (wanted, after) in [(now - 20_000_000, 6), (5, 61)] {
            let late = format!(
                "UPDATE {}.schedule SET leased_until = NULL, due = {wanted}, wanted = {wanted}",
                database.schema()
            );
            admin.batch_execute(&late).await.unwrap();
            assert_eq!(lease(&store, 10).await, [""; 0], "is it found at once?");
            store.advance(Duration::from_secs(after));
            assert_eq!(lease(&store, 10).await, ["one"]);
        }
    }
}

#[tokio::test]
async fn what_is_written_as_due_long_ago_is_found_by_the_next_poll() {
    for distributed in [false, true] {
        let database = Database::new(servers::postgres());
        let store = database.builder().with_distributed(distributed).open().await.unwrap();
        for round in 0..5 {
            assert_eq!(lease(&store, 10).await, [""; 0]);
            store.commit(whole(&round.to_string())).await.unwrap();
            let wanted = LeaseRequest::new(KINDS, 10, LEASE);
            let leased = store.lease(&wanted).await.unwrap().leases;
            let [(lease, _)] = leased.as_slice() else { panic!("{leased:?}") };
            assert_eq!(lease.key.id, round.to_string());
            assert_eq!(lease.due_since, Some(Timestamp::UNIX_EPOCH));
        }
    }
}

#[tokio::test]
async fn a_poll_leaves_what_is_locked_to_whoever_has_locked_it() {
    let database = Database::new(servers::postgres());
    let store = database.builder().open().await.unwrap();
    fill(&store, 0, 3).await;
    let mut other = connect(database.url()).await;
    let held = other.transaction().await.unwrap();
    let lock =
        format!("SELECT 1 FROM {}.schedule WHERE id = '{:032x}' FOR UPDATE", database.schema(), 0);
    held.query(&lock, &[]).await.unwrap();
    let ids: Vec<String> = (1..3).map(|number| format!("{number:032x}")).collect();
    assert_eq!(lease(&store, 10).await, ids);
    held.rollback().await.unwrap();
    store.advance(Duration::from_secs(6));
    assert_eq!(lease(&store, 10).await, [format!("{:032x}", 0)]);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_counted_and_in_nobodys_way() {
    let database = Database::new(servers::postgres());
    let store = database.builder().open().await.unwrap();
    fill(&store, 0, 3).await;
    let spoil = format!(
        "UPDATE {}.items SET counter = -1 WHERE id = '{:032x}'; \
         UPDATE {}.schedule SET counter = -1 WHERE id = '{:032x}'",
        database.schema(),
        1,
        database.schema(),
        1
    );
    connect(database.url()).await.batch_execute(&spoil).await.unwrap();
    let wanted = LeaseRequest::new(KINDS, 10, LEASE);
    let leased = store.lease(&wanted).await.unwrap();
    assert_eq!((leased.leases.len(), leased.unreadable), (2, 1));
    let key = Key::new(Kind::Domain, format!("{:032x}", 1));
    let query = Query::new(Kind::Domain, Filter::All).with_limit(2);
    let page = store.list(&query).await.unwrap();
    assert_eq!((page.items.len(), &page.unreadable), (1, &vec![key.id.clone()]));
    let rest = store.list(&query.with_after(page.next.unwrap())).await.unwrap();
    assert_eq!((rest.items.len(), rest.unreadable, rest.next), (1, Vec::new(), None));
    assert_eq!(store.get(&[key]).await.unwrap_err().kind(), ErrorKind::Malformed);
}

#[tokio::test]
async fn distributed_mode_explains_nothing() {
    let database = Database::new(servers::postgres());
    let store = database.builder().with_distributed(true).open().await.unwrap();
    let wanted = LeaseRequest::new(KINDS, 10, LEASE);
    assert_eq!(store.explain_lease(&wanted).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn many_new_items_are_refused_as_a_whole_if_one_is_there() {
    let database = Database::new(servers::postgres());
    let store = database.builder().open().await.unwrap();
    store.commit(whole("there")).await.unwrap();
    let many = |last: Batch| {
        let others = (0..100).map(|number| whole(&number.to_string()));
        others
            .chain([last])
            .fold(Batch::new(OperationId::random(&OsRandom).unwrap()), |all, one| {
                one.writes.into_iter().fold(all, Batch::with)
            })
    };
    let stale = store.commit(many(whole("there"))).await.unwrap();
    assert_eq!(stale, Commit::Stale(vec![Key::new(Kind::Domain, "there")]));
    let mut other = whole("other");
    let Some(Write::Put { header, .. }) = other.writes.first_mut() else { panic!("{other:?}") };
    header.unique = vec![UniqueKey::new("test", &["there"])];
    let taken = store.commit(many(other)).await.unwrap();
    assert_eq!(taken, Commit::Taken(vec![UniqueKey::new("test", &["there"])]));
    assert_eq!(lease(&store, 10).await, ["there"]);
    assert_eq!(store.commit(many(whole("last"))).await.unwrap(), Commit::Done);
    assert_eq!(lease(&store, 1000).await.len(), 101);
}
