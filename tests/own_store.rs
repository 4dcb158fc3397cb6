//! The example of a store of one's own, held to the contract that it says it keeps.
//!
//! A test starts this binary again, for the one test that plays the process that is killed.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

#[path = "../examples/own_store.rs"]
#[allow(dead_code, unreachable_pub, reason = "the example is a program too")]
mod own_store;
#[path = "common/scratch.rs"]
mod scratch;

use std::{
    collections::BTreeSet,
    env, fs,
    io::{self, BufRead, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use nameplate::{
    clock::{ManualClock, Timestamp},
    conformance::store::MoveTime,
    error::ErrorKind,
    id::{OperationId, OsRandom},
    store::{
        Batch, Body, Commit, Expect, Header, Key, Kind, LeaseRequest, NewEntry, Store, UniqueKey,
        Write,
    },
};
use own_store::OwnStore;
use scratch::Scratch;

/// Where the other process finds the file.
const FILE: &str = "NAMEPLATE_TEST_OWN_STORE";

/// What the lines of the other process begin with: the test harness prints too.
const MARK: &str = "done ";

/// The clock of a store, and the folder that it is in.
struct Time(ManualClock, Scratch);

#[async_trait]
impl MoveTime for Time {
    async fn advance(&self, by: Duration) {
        self.0.advance(by);
    }

    async fn set_back(&self, by: Duration) -> bool {
        MoveTime::set_back(&self.0, by).await
    }
}

fn clock() -> ManualClock {
    ManualClock::new(Timestamp::from_timestamp(1_800_000_000, 123_456_789).unwrap())
}

fn open(path: &Path) -> OwnStore {
    OwnStore::open(path, Arc::new(clock())).unwrap()
}

nameplate::store_conformance!(contract, async {
    let time = Time(clock(), Scratch::new());
    let store = OwnStore::open(&time.1.file("own.redb"), Arc::new(time.0.clone())).unwrap();
    (store, time)
});

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

/// Does nothing unless another test has started it.
#[tokio::test]
async fn the_other_process() {
    let Some(path) = env::var_os(FILE) else { return };
    let store = open(Path::new(&path));
    for count in 0_u64.. {
        let id = count.to_string();
        assert_eq!(store.commit(whole(&id)).await.unwrap(), Commit::Done);
        let mut output = io::stdout().lock();
        writeln!(output, "\n{MARK}{id}").unwrap();
        output.flush().unwrap();
    }
}

#[tokio::test]
async fn a_killed_process_leaves_all_that_was_acknowledged_and_at_most_one_commit_more() {
    let folder = Scratch::new();
    for round in 1..=4 {
        let path = folder.file(&format!("{round}.redb"));
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "the_other_process", "--nocapture"])
            .env(FILE, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let reported = lines.filter_map(|line| line.strip_prefix(MARK).map(ToOwned::to_owned));
        let mut reported = reported.fuse();
        let mut acknowledged: Vec<String> = reported.by_ref().take(round * 7).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        // What it has still said before it died counts as well.
        acknowledged.extend(reported);
        assert!(acknowledged.len() >= round * 7, "{acknowledged:?}");

        let store = open(&path);
        let ids: Vec<String> = (0..=acknowledged.len() + 1).map(|id| id.to_string()).collect();
        let keys: Vec<Key> = ids.iter().map(|id| Key::new(Kind::Domain, id)).collect();
        let unique: Vec<UniqueKey> = ids.iter().map(|id| UniqueKey::new("test", &[id])).collect();
        let items = store.get(&keys).await.unwrap();
        let there = items.iter().flatten().count();
        assert!(items.iter().take(there).all(Option::is_some), "a commit is missing in between");
        assert!(
            (acknowledged.len()..=acknowledged.len() + 1).contains(&there),
            "{there} items of {} that were acknowledged",
            acknowledged.len()
        );
        // With all that belongs to them.
        assert_eq!(store.find(&unique).await.unwrap(), items);
        for key in keys.iter().take(there) {
            assert_eq!(store.entries(key, 0, 10).await.unwrap().len(), 1, "{key}");
        }
        let wanted = LeaseRequest::new([Kind::Domain], 1000, Duration::from_secs(60));
        assert_eq!(store.lease(&wanted).await.unwrap().leases.len(), there);
    }
}

#[tokio::test]
async fn a_file_that_somebody_else_has_open_is_refused() {
    let folder = Scratch::new();
    let path = folder.file("own.redb");
    let first = open(&path);
    let error = OwnStore::open(&path, Arc::new(clock())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    drop(first);
    open(&path);
}

#[tokio::test]
async fn what_changes_nothing_is_not_written_to_the_disk() {
    let folder = Scratch::new();
    let path = folder.file("own.redb");
    let store = open(&path);
    assert_eq!(store.commit(whole("one")).await.unwrap(), Commit::Done);
    let wanted = LeaseRequest::new([Kind::Domain], 10, Duration::from_secs(60));
    assert_eq!(store.lease(&wanted).await.unwrap().leases.len(), 1);

    let before = fs::read(&path).unwrap();
    assert_eq!(store.lease(&wanted).await.unwrap().leases, []);
    assert!(matches!(store.commit(whole("one")).await.unwrap(), Commit::Stale(_)));
    store.trim(&Key::new(Kind::Domain, "two"), u64::MAX).await.unwrap();
    assert!(fs::read(&path).unwrap() == before, "the file has changed");
    store.trim(&Key::new(Kind::Domain, "one"), u64::MAX).await.unwrap();
    assert!(fs::read(&path).unwrap() != before, "the file has not changed");
    assert_eq!(store.entries(&Key::new(Kind::Domain, "one"), 0, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_whole_life_is_led_on_it() {
    let folder = Scratch::new();
    let path = folder.file("life.redb");
    own_store::life::lead(|clock| OwnStore::open(&path, Arc::new(clock))).await.unwrap();
}

/// What stands between backquotes and looks like the name of a case.
fn cases_named(text: &str) -> BTreeSet<String> {
    let is_case = |word: &&str| {
        word.matches('_').count() >= 2
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    text.split('`').skip(1).step_by(2).filter(is_case).map(ToOwned::to_owned).collect()
}

#[test]
fn the_list_of_the_contract_names_every_case_and_no_other() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/conformance");
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    let mut cases = BTreeSet::new();
    for file in fs::read_dir(folder.join("store")).unwrap() {
        let source = fs::read_to_string(file.unwrap().path()).unwrap();
        let names = source.lines().filter_map(|line| line.strip_prefix("pub async fn "));
        cases.extend(names.filter_map(|rest| rest.split('(').next()).map(ToOwned::to_owned));
    }
    assert!(cases.len() > 80, "{} cases", cases.len());
    let (_, rest) = readme.split_once("## The contract, point by point").unwrap();
    let (list, mistakes) = rest.split_once("## Typical mistakes").unwrap();
    assert_eq!(cases_named(list), cases, "the list of the contract");
    let unknown: Vec<String> = cases_named(mistakes).difference(&cases).cloned().collect();
    assert_eq!(unknown, [""; 0], "the table of mistakes");
    // And each case is one of the macro's, so that everybody runs it.
    let suite = fs::read_to_string(folder.join("store/mod.rs")).unwrap();
    let run = |case: &&String| !suite.lines().any(|line| line.trim() == format!("{case},"));
    assert_eq!(cases.iter().filter(run).collect::<Vec<_>>(), [""; 0]);
    assert!(readme.contains(&format!("{} red tests", cases.len())), "{}", cases.len());
}
