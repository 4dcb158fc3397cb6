//! The store on disk between processes: what a killed one leaves, what two of them share, and a
//! whole life in which the file is closed and opened again.
//!
//! A test starts this binary again, for the one test that plays the other process.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

mod common;
#[path = "common/scratch.rs"]
mod scratch;

use std::{
    collections::BTreeSet,
    env,
    io::{self, BufRead, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use common::{HOUR, MINUTE, TENANT, World};
use nameplate::{
    clock::Timestamp,
    domain::Status,
    engine::Notice,
    id::{OperationId, OsRandom},
    store::{
        Batch, Body, Commit, Expect, Header, Key, Kind, LeaseRequest, NewEntry, Sqlite, Store,
        UniqueKey, Write,
    },
};
use scratch::Scratch;

/// Where the other process finds the file, and what it has to do there.
const FILE: &str = "NAMEPLATE_TEST_FILE";
const ROLE: &str = "NAMEPLATE_TEST_ROLE";

/// What the lines of the other process begin with: the test harness prints too.
const MARK: &str = "done ";

/// An item with all that belongs to it.
fn whole(id: &str) -> Batch {
    let key = Key::new(Kind::Domain, id);
    let mut header = Header::default();
    header.due = Some(Timestamp::UNIX_EPOCH);
    header.unique = vec![UniqueKey::new("test", &[id])];
    let body = Body::new(format!("{{\"v\":1,\"id\":\"{id}\"}}"));
    let entry = NewEntry::new(key.clone(), "{}".to_owned());
    let put = Write::Put { key, expect: Expect::Absent, header, body };
    Batch::new(OperationId::random(&OsRandom).unwrap()).with(put).with_entry(entry)
}

async fn open(path: &Path) -> Sqlite {
    let builder = Sqlite::builder(path).with_busy_timeout(Duration::from_secs(600));
    builder.open().await.unwrap()
}

/// Starts the other process.
fn start(role: &str, path: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "the_other_process", "--nocapture"])
        .env(FILE, path)
        .env(ROLE, role)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (child, output)
}

/// Returns the ids that the other process has reported, up to `most`.
fn reported(output: &mut impl BufRead, most: usize) -> Vec<String> {
    let lines = output.lines().map_while(Result::ok);
    lines.filter_map(|line| line.strip_prefix(MARK).map(ToOwned::to_owned)).take(most).collect()
}

/// Tells the parent what was acknowledged.
fn report(id: &str) {
    let mut output = io::stdout().lock();
    writeln!(output, "\n{MARK}{id}").unwrap();
    output.flush().unwrap();
}

/// Does nothing unless another test has started it.
#[tokio::test]
async fn the_other_process() {
    let (Some(path), Some(role)) = (env::var_os(FILE), env::var_os(ROLE)) else { return };
    let store = open(Path::new(&path)).await;
    if role == "commit" {
        for count in 0_u64.. {
            let id = count.to_string();
            assert_eq!(store.commit(whole(&id)).await.unwrap(), Commit::Done);
            report(&id);
        }
    } else {
        lease_all(&store, report).await;
    }
}

/// Leases what is due, a few at a time, until nothing is.
async fn lease_all(store: &Sqlite, mut seen: impl FnMut(&str)) {
    let wanted = LeaseRequest::new([Kind::Domain], 3, Duration::from_secs(86_400));
    loop {
        let leased = store.lease(&wanted).await.unwrap().leases;
        if leased.is_empty() {
            return;
        }
        leased.iter().for_each(|(lease, _)| seen(&lease.key.id));
    }
}

#[tokio::test]
async fn a_killed_process_leaves_all_that_was_acknowledged_and_at_most_one_commit_more() {
    let folder = Scratch::new();
    for round in 1..=5 {
        let path = folder.file(&format!("{round}.db"));
        let (mut child, mut output) = start("commit", &path);
        let mut acknowledged = reported(&mut output, round * 7);
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said before it was killed, and was not read.
        acknowledged.extend(reported(&mut output, usize::MAX));

        let store = open(&path).await;
        store.integrity_check().await.unwrap();
        let count = acknowledged.len();
        assert!(count >= round * 7, "{count}");
        let keys: Vec<Key> = (0..=count + 1).map(|id| Key::new(Kind::Domain, id)).collect();
        let items = store.get(&keys).await.unwrap();
        let there = items.iter().take_while(|item| item.is_some()).count();
        assert!((count..=count + 1).contains(&there), "{there} of {count}");
        assert_eq!(items.iter().flatten().count(), there);
        for (key, item) in keys.iter().zip(&items).take(there) {
            let unique = UniqueKey::new("test", &[&key.id]);
            assert_eq!(store.find(&[unique]).await.unwrap()[0], *item);
            assert_eq!(store.entries(key, 0, 10).await.unwrap().len(), 1);
        }
        // And the next process goes on where it ended.
        assert_eq!(store.commit(whole("next")).await.unwrap(), Commit::Done);
    }
}

#[tokio::test]
async fn two_processes_share_the_work_and_do_nothing_twice() {
    const ROOTS: usize = 300;
    let folder = Scratch::new();
    let path = folder.file("store.db");
    let store = open(&path).await;
    for id in 0..ROOTS {
        assert_eq!(store.commit(whole(&id.to_string())).await.unwrap(), Commit::Done);
    }
    let (mut child, mut output) = start("lease", &path);
    let mut all = reported(&mut output, 1);
    lease_all(&store, |id| all.push(id.to_owned())).await;
    all.extend(reported(&mut output, usize::MAX));
    assert!(child.wait().unwrap().success());
    let distinct: BTreeSet<&String> = all.iter().collect();
    assert_eq!((all.len(), distinct.len()), (ROOTS, ROOTS));
    store.integrity_check().await.unwrap();
}

/// Proved, issued, renewed and removed, each by another process on the same file.
///
/// A wildcard, since its challenges are answered by DNS alone.
#[tokio::test]
async fn a_whole_life_goes_on_in_the_file_that_the_process_before_has_left() {
    let folder = Scratch::new();
    let path = folder.file("store.db");
    let world = World::new();
    let process = async || {
        let builder = Sqlite::builder(&path).with_clock(Arc::new(world.clock.clone()));
        let store = builder.with_busy_timeout(Duration::from_secs(600)).open().await.unwrap();
        world.process((|_| store, |resolver| resolver, |dns| dns, |ca| ca))
    };
    let run = async |wait: Duration, steps: u32| {
        let worker = process().await.worker();
        for _ in 0..steps {
            worker.step().await.unwrap();
            world.clock.advance(wait);
        }
    };

    let onboarding = process().await;
    let id = onboarding.add(&TENANT, "*.example.com".parse().unwrap()).await.unwrap().id();
    for instruction in onboarding.instructions(&TENANT, id).await.unwrap() {
        world.publish_one(&instruction);
    }
    drop(onboarding);
    run(MINUTE, 30).await;
    let onboarding = process().await;
    assert_eq!(onboarding.get(&TENANT, id).await.unwrap().status(), Status::Active);
    assert_eq!(world.ca.orders(), 1);

    // Longer than a certificate lasts.
    run(HOUR * 6, 4 * 100).await;
    assert_eq!(onboarding.get(&TENANT, id).await.unwrap().status(), Status::Active);
    assert!(world.ca.orders() > 1, "it was not renewed");

    onboarding.remove(&TENANT, id).await.unwrap();
    run(HOUR, 24).await;
    let last = onboarding.notices(&TENANT, id, 0).await.unwrap().pop().unwrap();
    assert_eq!(last.notice, Notice::Removed);
    assert_eq!(world.leftovers(), []);
    open(&path).await.integrity_check().await.unwrap();
}
