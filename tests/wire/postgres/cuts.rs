//! Connections that break, above all while a commit is answered: what was asked for is there once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use nameplate::{
    error::ErrorKind,
    id::{OperationId, OsRandom},
    store::{
        Batch, Body, Commit, Expect, Header, Item, Key, Kind, Lease, LeaseRequest, NewEntry,
        Postgres, Store, Then, Write,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{
    LEASE,
    database::{Database, connect},
    whole,
};
use crate::servers;

/// What happens to the next commit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
enum Cut {
    /// Nothing.
    Off,
    /// It does not reach the server.
    Before,
    /// It reaches the server, and nobody waits for what that does.
    Behind,
    /// It is done, and the answer is lost.
    After,
}

const CUTS: [Cut; 3] = [Cut::Before, Cut::Behind, Cut::After];

/// What stands between a store and its server.
#[derive(Clone)]
struct Proxy {
    port: u16,
    next: Arc<AtomicU8>,
}

impl Proxy {
    async fn new(url: &url::Url) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), next: Arc::default() };
        let server = (url.host_str().unwrap().to_owned(), url.port().unwrap());
        let next = Arc::clone(&proxy.next);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(server.clone()).await.unwrap();
                tokio::spawn(forward(client, server, Arc::clone(&next)));
            }
        });
        proxy
    }

    fn cut_next(&self, cut: Cut) {
        self.next.store(cut as u8, Ordering::SeqCst);
    }

    fn is_spent(&self) -> bool {
        self.next.load(Ordering::SeqCst) == Cut::Off as u8
    }
}

/// Hands on what both sides say, until the commit that is cut.
async fn forward(mut client: TcpStream, mut server: TcpStream, next: Arc<AtomicU8>) {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            count = client.read(&mut asked) => {
                let Ok(count @ 1..) = count else { return };
                let asked = &asked[..count];
                let cut = if asked.windows(6).any(|some| some == b"COMMIT") {
                    next.swap(Cut::Off as u8, Ordering::SeqCst)
                } else {
                    Cut::Off as u8
                };
                if cut == Cut::Before as u8 {
                    return;
                }
                if server.write_all(asked).await.is_err() || cut == Cut::Behind as u8 {
                    return;
                }
                if cut == Cut::After as u8 {
                    // Ready for the next, and in no transaction: all before it has been done.
                    let mut all = Vec::new();
                    while !all.ends_with(b"Z\0\0\0\x05I") {
                        let count = server.read(&mut answered).await.unwrap();
                        all.extend_from_slice(&answered[..count]);
                    }
                    return;
                }
            }
            count = server.read(&mut answered) => {
                let Ok(count @ 1..) = count else { return };
                if client.write_all(&answered[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// A store behind a proxy.
async fn scene(distributed: bool) -> (Database, Proxy, Postgres) {
    let database = Database::new(servers::postgres());
    let mut url: url::Url = database.url().parse().unwrap();
    let proxy = Proxy::new(&url).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(proxy.port)).unwrap();
    let builder = Postgres::builder(url.as_str()).with_schema(database.schema());
    let store = builder.with_distributed(distributed).open().await.unwrap();
    (database, proxy, store)
}

fn key(id: &str) -> Key {
    Key::new(Kind::Domain, id)
}

async fn read(store: &Postgres, key: &Key) -> Option<Item> {
    store.get(std::slice::from_ref(key)).await.unwrap().remove(0)
}

async fn lease(store: &Postgres, key: &Key) -> Option<Lease> {
    let leased = store.lease(&LeaseRequest::of(key.clone(), LEASE)).await.unwrap();
    leased.leases.into_iter().next().map(|(lease, _)| lease)
}

fn operation() -> OperationId {
    OperationId::random(&OsRandom).unwrap()
}

#[tokio::test]
async fn a_commit_that_is_cut_is_there_once() {
    for distributed in [false, true] {
        let (_database, proxy, store) = scene(distributed).await;
        for (number, cut) in CUTS.into_iter().cycle().take(9).enumerate() {
            let batch = whole(&number.to_string());
            proxy.cut_next(cut);
            assert_eq!(store.commit(batch.clone()).await.unwrap(), Commit::Done, "{cut:?}");
            assert!(proxy.is_spent(), "{cut:?}: no commit passed");
            let item = read(&store, &key(&number.to_string())).await.unwrap();
            assert_eq!((item.revision.counter, item.revision.operation), (1, batch.operation));
            assert_eq!(store.entries(&item.key, 0, 10).await.unwrap().len(), 1, "{cut:?}");
        }
    }
}

#[tokio::test]
async fn a_cut_commit_under_a_lease_is_there_once_though_the_lease_is_released() {
    let (_database, proxy, store) = scene(false).await;
    for (number, cut) in CUTS.into_iter().enumerate() {
        let key = key(&number.to_string());
        store.commit(whole(&key.id)).await.unwrap();
        let held = lease(&store, &key).await.unwrap();
        let item = read(&store, &key).await.unwrap();
        let mut header = Header::default();
        header.due = item.header.due;
        let expect = Expect::Revision(item.revision);
        let write =
            Write::Put { key: key.clone(), expect, header, body: Body::new("2".to_owned()) };
        let entry = NewEntry::new(key.clone(), "{}".to_owned());
        let batch = Batch::new(operation()).with(write).with_entry(entry);
        proxy.cut_next(cut);
        let done = store.commit(batch.with_lease(held, Then::Release)).await.unwrap();
        assert_eq!(done, Commit::Done, "{cut:?}");
        assert!(proxy.is_spent());
        assert_eq!(read(&store, &key).await.unwrap().revision.counter, 2, "{cut:?}");
        assert_eq!(store.entries(&key, 0, 10).await.unwrap().len(), 2, "{cut:?}");
        assert!(lease(&store, &key).await.is_some(), "{cut:?}: it was not released");
    }
}

#[tokio::test]
async fn a_cut_commit_is_unknown_only_where_nothing_can_tell() {
    let (_database, proxy, store) = scene(false).await;
    for cut in CUTS {
        store.commit(whole("one")).await.unwrap();
        let item = read(&store, &key("one")).await.unwrap();
        let delete =
            Write::Delete { key: item.key.clone(), expect: Expect::Revision(item.revision) };
        proxy.cut_next(cut);
        // A deletion leaves nothing that says whose it was.
        match store.commit(Batch::new(operation()).with(delete)).await {
            Ok(done) => assert_eq!(done, Commit::Done, "{cut:?}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unknown, "{error}");
                assert_ne!(cut, Cut::Before);
            }
        }
        assert!(proxy.is_spent());
        assert_eq!(read(&store, &item.key).await, None, "{cut:?}");
    }
    // A wake may be made twice.
    store.commit(whole("two")).await.unwrap();
    for cut in CUTS {
        let wake = Batch::new(operation()).with(Write::Wake { key: key("two") });
        proxy.cut_next(cut);
        assert_eq!(store.commit(wake).await.unwrap(), Commit::Done, "{cut:?}");
        assert!(proxy.is_spent());
    }
}

#[tokio::test]
async fn a_cut_commit_that_cannot_be_looked_for_is_unknown() {
    let (database, proxy, store) = scene(false).await;
    // What is stored cannot be read back.
    let spoil = format!(
        "CREATE FUNCTION {0}.spoil() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN NEW.expires := 9223372036854775807; RETURN NEW; END $$; \
         CREATE TRIGGER spoil BEFORE INSERT ON {0}.items \
         FOR EACH ROW EXECUTE FUNCTION {0}.spoil()",
        database.schema()
    );
    connect(database.url()).await.batch_execute(&spoil).await.unwrap();
    proxy.cut_next(Cut::After);
    let error = store.commit(whole("one")).await.unwrap_err();
    assert!(proxy.is_spent());
    assert_eq!(error.kind(), ErrorKind::Unknown, "{error}");
}

#[tokio::test]
async fn a_cut_commit_that_somebody_else_came_before_is_stale() {
    let (_database, proxy, store) = scene(false).await;
    store.commit(whole("one")).await.unwrap();
    // Refused at the first look, so that nothing is sent to be cut; then cut, and refused after that.
    proxy.cut_next(Cut::Before);
    let again = store.commit(whole("one")).await.unwrap();
    assert_eq!(again, Commit::Stale(vec![key("one")]));
    assert!(!proxy.is_spent());
}

#[tokio::test]
async fn a_commit_whose_backend_is_terminated_while_it_waits_goes_through() {
    let database = Database::new(servers::postgres());
    let store = database.builder().open().await.unwrap();
    store.commit(whole("one")).await.unwrap();
    let (admin, mut other) = (connect(database.url()).await, connect(database.url()).await);
    let item = read(&store, &key("one")).await.unwrap();
    let lock = format!("SELECT 1 FROM {}.items FOR UPDATE", database.schema());
    let held = other.transaction().await.unwrap();
    held.query(&lock, &[]).await.unwrap();
    let expect = Expect::Revision(item.revision);
    let body = Body::new("2".to_owned());
    let write = Write::Put { key: item.key.clone(), expect, header: Header::default(), body };
    let batch = Batch::new(operation()).with(write);
    let waiting = tokio::spawn({
        let (store, batch) = (store.clone(), batch.clone());
        async move { store.commit(batch).await }
    });
    // It waits for the lock; whoever does so is thrown out.
    let kill = "SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity AS a, \
         pg_stat_activity AS b WHERE a.wait_event_type = 'Lock' \
         AND b.pid = ANY(pg_blocking_pids(a.pid)) AND b.query = $1";
    loop {
        let rows = admin.query(kill, &[&lock]).await.unwrap();
        if rows[0].get::<_, i64>(0) > 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
    held.rollback().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), Commit::Done);
    let item = read(&store, &item.key).await.unwrap();
    assert_eq!((item.revision.counter, item.revision.operation), (2, batch.operation));
}

#[tokio::test]
async fn a_lease_that_a_failover_has_forgotten_is_fenced() {
    for distributed in [false, true] {
        let database = Database::new(servers::postgres());
        let store = database.builder().with_distributed(distributed).open().await.unwrap();
        store.commit(whole("one")).await.unwrap();
        let (admin, schema) = (connect(database.url()).await, database.schema());
        let keep = format!("CREATE TABLE {schema}.was AS SELECT * FROM {schema}.schedule");
        admin.batch_execute(&keep).await.unwrap();
        let lost = lease(&store, &key("one")).await.unwrap();
        let forget = format!(
            "DELETE FROM {schema}.schedule; INSERT INTO {schema}.schedule SELECT * FROM {schema}.was"
        );
        admin.batch_execute(&forget).await.unwrap();
        let held = lease(&store, &key("one")).await.unwrap();
        assert_ne!(held.token, lost.token);
        let extended = store.extend(std::slice::from_ref(&lost), LEASE).await.unwrap();
        assert_eq!(extended, [None]);
        let stale = Batch::new(operation()).with_lease(lost, Then::Keep);
        assert_eq!(store.commit(stale).await.unwrap(), Commit::Fenced);
        let right = Batch::new(operation()).with_lease(held, Then::Keep);
        assert_eq!(store.commit(right).await.unwrap(), Commit::Done);
    }
}

#[tokio::test]
async fn connections_that_were_cut_while_nobody_used_them_are_replaced() {
    let database = Database::new(servers::postgres());
    let role = super::database::Role::new(database.url(), "pw").await;
    let admin = connect(database.url()).await;
    let (schema, name) = (database.schema(), role.name());
    let own = format!("CREATE SCHEMA {schema} AUTHORIZATION {name}");
    admin.batch_execute(&own).await.unwrap();
    let builder = Postgres::builder(&role.url("pw")).with_schema(schema);
    let store = builder.with_connections(1).open().await.unwrap();
    for round in 0..5 {
        store.commit(whole(&round.to_string())).await.unwrap();
        super::cut(&admin, name).await;
        assert!(read(&store, &key(&round.to_string())).await.is_some());
        super::cut(&admin, name).await;
        let wanted = LeaseRequest::new([Kind::Domain], 1, LEASE);
        assert!(store.lease(&wanted).await.unwrap().leases.len() <= 1);
        super::cut(&admin, name).await;
    }
}

#[tokio::test]
async fn a_pool_that_is_used_up_says_so() {
    let database = Database::new(servers::postgres());
    database.builder().open().await.unwrap().commit(whole("one")).await.unwrap();
    let mut other = connect(database.url()).await;
    let held = other.transaction().await.unwrap();
    let lock = format!("SELECT 1 FROM {}.items FOR UPDATE", database.schema());
    held.query(&lock, &[]).await.unwrap();
    let builder = database.builder().with_connections(1);
    let builder = builder.with_statement_timeout(Duration::from_millis(300));
    let store = builder.open().await.unwrap();
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.commit(whole("one")).await }
    });
    let mut kinds = Vec::new();
    // The one that waits for the lock is canceled after a while, which takes turns with this.
    while kinds.is_empty() {
        if let Err(error) = store.now().await {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            assert!(error.message().contains("all connections of the pool are in use"), "{error}");
            kinds.push(error.kind());
        }
        if waiting.is_finished() {
            break;
        }
    }
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    held.rollback().await.unwrap();
}
