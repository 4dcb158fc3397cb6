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
    env, fs,
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
    error::ErrorKind,
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
    run(Command::new(env::current_exe().unwrap()), role, path)
}

/// Starts the other process by a command that takes its arguments.
fn run(mut command: Command, role: &str, path: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = command
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
    let path = Path::new(&path);
    match role.to_str().unwrap() {
        "commit" => {
            let store = open(path).await;
            for count in 0_u64.. {
                let id = count.to_string();
                assert_eq!(store.commit(whole(&id)).await.unwrap(), Commit::Done);
                report(&id);
            }
        }
        "lease" => lease_all(&open(path).await, report).await,
        "fill" => fill(&open(path).await).await,
        "denied" => {
            for name in DENIED {
                let error = Sqlite::open(path.join(name)).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
                assert!(error.message().contains(name), "{error}");
                report(name);
            }
        }
        other => panic!("{other}"),
    }
}

/// Commits until the disk takes no more, and then asks what is there.
async fn fill(store: &Sqlite) {
    for count in 0_u64.. {
        let id = count.to_string();
        let batch = whole(&id);
        let operation = batch.operation;
        match store.commit(batch).await {
            Ok(done) => assert_eq!(done, Commit::Done),
            Err(error) => {
                assert!(
                    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown),
                    "{error}"
                );
                // What is said of it later is the truth, or that it cannot be told.
                match store.get(&[Key::new(Kind::Domain, &id)]).await {
                    Ok(found) => {
                        let there = found[0].as_ref();
                        assert!(there.is_none_or(|item| item.revision.operation == operation));
                        report(if there.is_some() { "present" } else { "absent" });
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                        report("silent");
                    }
                }
                return;
            }
        }
        report(&id);
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

/// A real write that fails: the system lets the process write no longer files than this.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_disk_that_takes_no_more_loses_nothing_that_was_acknowledged() {
    let folder = Scratch::new();
    for blocks in [2000, 5555] {
        let path = folder.file(&format!("{blocks}.db"));
        let mut command = Command::new("sh");
        // Ignored, the signal becomes an error of the write.
        let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        command.args(["-c", &limited]).arg(env::current_exe().unwrap());
        let (mut child, mut output) = run(command, "fill", &path);
        let mut lines = reported(&mut output, usize::MAX);
        assert!(child.wait().unwrap().success());
        let last = lines.pop().unwrap();
        assert!(["present", "absent", "silent"].contains(&last.as_str()), "{last}");
        assert!(lines.len() > 10, "{lines:?}");

        let store = open(&path).await;
        store.integrity_check().await.unwrap();
        let keys: Vec<Key> = (0..=lines.len()).map(|id| Key::new(Kind::Domain, id)).collect();
        let items = store.get(&keys).await.unwrap();
        let (acknowledged, unknown) = items.split_at(lines.len());
        assert!(acknowledged.iter().all(Option::is_some));
        match last.as_str() {
            "present" => assert!(unknown[0].is_some()),
            "absent" => assert!(unknown[0].is_none()),
            _ => {}
        }
        assert_eq!(store.commit(whole("next")).await.unwrap(), Commit::Done);
    }
}

/// Paths that a user without rights cannot open: may not read, may not write, may not create.
const DENIED: [&str; 3] = ["secret.db", "readable.db", "new.db"];

/// As another user, if this one may do everything.
#[cfg(unix)]
#[tokio::test]
async fn what_the_system_does_not_permit_is_one_clear_error_and_changes_nothing() {
    use std::os::unix::{fs::PermissionsExt, process::CommandExt};

    let folder = Scratch::new();
    for (name, mode) in DENIED.into_iter().zip([0o000, 0o444]) {
        let path = folder.file(name);
        drop(open(&path).await);
        // The file is whole once a later opener has waited for the first to close it.
        open(&path).await.integrity_check().await.unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let permit = |mode| {
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
    };
    permit(0o555);
    let mut command = Command::new(env::current_exe().unwrap());
    if fs::OpenOptions::new().append(true).open(folder.file("secret.db")).is_ok() {
        // Nobody, by the numbers that most systems have.
        command.uid(65_534).gid(65_534);
    }
    let (mut child, mut output) = run(command, "denied", folder.path());
    let lines = reported(&mut output, usize::MAX);
    let success = child.wait().unwrap().success();
    permit(0o755);
    assert!(success);
    assert_eq!(lines, DENIED);
    assert!(!folder.file("new.db").exists());
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
