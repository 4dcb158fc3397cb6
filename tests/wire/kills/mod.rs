//! Processes that are killed, stopped and cannot write, on one store, Knot DNS and Pebble.
//!
//! A test starts this binary again for the workers. They pass the points of a tape, at which they are
//! killed or stopped, and are killed anywhere; others take their place. When everything has come to
//! rest, every domain is active or says why not, the zone holds what is recorded and nothing else, and
//! no order was opened again whose handle was stored.

mod base;
mod check;
mod dice;
mod fleet;
mod link;
mod outage;
mod plan;
mod platform;
mod points;
mod proxy;
mod siege;
mod watch;
mod worker;

use std::{
    env,
    fs::{self, File, Permissions},
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    process::Command,
    time::Duration,
};

use plan::{Fault, Plan};
use siege::Siege;
use tokio::time::Instant;
use worker::{Role, Said};

use crate::scratch::Scratch;

/// Where the small disk is.
const DISK: &str = "NAMEPLATE_TEST_DISK";

/// Set where it is known that users may not mount a disk: what needs one is not run then. Without it, a
/// test that cannot show what it says fails.
const NO_MOUNTS: &str = "NAMEPLATE_TEST_WITHOUT_MOUNTS";

/// Returns whether a test has to do without a disk of its own.
fn goes_without(can_mount: bool) -> bool {
    assert!(
        can_mount || env::var_os(NO_MOUNTS).is_some(),
        "this system does not let its users mount a disk (unshare --user --mount); with {NO_MOUNTS} set \
         what needs one is not run"
    );
    !can_mount
}

#[tokio::test]
async fn workers_that_are_killed_at_every_point_lose_nothing_and_leave_nothing() {
    let plan = Plan {
        seed: Plan::any_seed(),
        anywhere: vec![Fault::Kill],
        at_points: vec![Fault::Kill, Fault::Stop],
        stop_each: 8,
        http: true,
        walks: true,
        ..Plan::SMALL
    };
    let mut siege = Siege::on_a_file(plan, None).await;
    siege.run(30, Instant::now()).await;
    check::all_is_well(&mut siege).await;
    siege.report();
}

/// Every process sees the same full disk: a real one, of a file system in memory.
#[tokio::test]
async fn a_disk_that_is_full_for_a_while_costs_time_and_nothing_else() {
    let folder = Scratch::new();
    let inside = |script: &str| {
        // The file system goes with the last process that sees it.
        let script = format!("mount -t tmpfs -o size=16m tmpfs \"$0\" && {script}");
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]);
        command.arg(folder.path());
        command
    };
    if goes_without(inside("true").status().is_ok_and(|status| status.success())) {
        return println!("not run: there is no small disk");
    }
    let mut command = inside("exec \"$@\"");
    command.arg(env::current_exe().unwrap());
    command.args(["--exact", "kills::a_siege_on_a_small_disk", "--nocapture"]);
    assert!(command.env(DISK, folder.path()).status().unwrap().success());
}

/// Does nothing unless another test has started it.
#[tokio::test]
async fn a_siege_on_a_small_disk() {
    let Some(folder) = env::var_os(DISK) else { return };
    let ballast = Path::new(&folder).join("ballast");
    let seed = Plan::any_seed();
    let plan = Plan {
        seed,
        anywhere: vec![Fault::Kill],
        at_points: Vec::new(),
        stop_each: 1,
        // The other process has the port.
        http: false,
        ..Plan::SMALL
    };
    let mut siege = Siege::on_a_file(plan, Some(Path::new(&folder))).await;
    let mut dice = dice::Dice::new(seed);
    for round in 0..24 {
        // Who is killed soon may not have been told.
        if round >= 4 && siege.has_failed("disk is full") {
            break;
        }
        siege.run(0, after(1000 + dice.below(1500))).await;
        // Or there may be room in the write-ahead log for all that comes.
        shorten(siege.place.base.file());
        let mut file = File::create(&ballast).unwrap();
        while file.write_all(&[0; 512]).is_ok() {}
        siege.run(0, after(500 + dice.below(1000))).await;
        drop(file);
        fs::remove_file(&ballast).unwrap();
    }
    check::all_is_well(&mut siege).await;
    siege.report();
    assert!(siege.has_failed("disk is full"), "nobody was told of it: {:?}", siege.failed);
}

/// A worker that may not write gives one clear error, changes nothing, and is no harm to others.
#[tokio::test]
async fn a_store_that_can_only_be_read_is_refused_and_left_as_it_is() {
    let plan = Plan {
        seed: Plan::any_seed(),
        anywhere: vec![Fault::Kill],
        at_points: Vec::new(),
        stop_each: 1,
        http: true,
        ..Plan::SMALL
    };
    let mut siege = Siege::on_a_file(plan, None).await;
    siege.run(3, Instant::now()).await;
    siege.kill_all();
    let file = siege.place.base.file().to_owned();
    let folder = file.parent().unwrap();
    let is_root = fs::metadata(folder).unwrap().uid() == 0;

    // What its owner has said: for root only without the power to pass over it.
    let powerless = if is_root { "setpriv --bounding-set=-all --inh-caps=-all" } else { "" };
    let permit = |of_file, of_folder| {
        fs::set_permissions(&file, Permissions::from_mode(of_file)).unwrap();
        fs::set_permissions(folder, Permissions::from_mode(of_folder)).unwrap();
    };
    let before = fs::read(&file).unwrap();
    permit(0o444, 0o555);
    let why = refused(&siege, &format!("exec {powerless} \"$@\""));
    permit(0o600, 0o755);
    assert!(why.contains("can only be read"), "{why}");
    assert!(fs::read(&file).unwrap() == before, "the file has changed");

    // A disk that cannot be written to.
    let view = if is_root { "--mount" } else { "--user --map-root-user --mount" };
    let folder = folder.display();
    let mount = format!("mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}");
    let inside = |then: &str| format!("exec unshare {view} sh -c '{mount} && {then}' sh \"$@\"");
    let possible = Command::new("sh").args(["-c", &inside("true")]).status().unwrap().success();
    if goes_without(possible) {
        println!("a disk is not made read-only");
    } else {
        let why = refused(&siege, &inside("exec \"$@\""));
        assert!(why.contains("can only be read"), "{why}");
        assert!(fs::read(&file).unwrap() == before, "the file has changed");
    }
    check::all_is_well(&mut siege).await;
}

/// Returns why a worker that is started by a script does not start.
fn refused(siege: &Siege, script: &str) -> String {
    let role = Role {
        at: None,
        drags: false,
        tenants: None,
        through: None,
        script: Some(script.to_owned()),
    };
    let mut child = worker::command(&siege.place, &role).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said = lines.map_while(Result::ok).find_map(|line| Said::read(&line));
    child.kill().unwrap();
    child.wait().unwrap();
    match said {
        Some(Said::Refused(why)) => why,
        said => panic!("{script}: {said:?}"),
    }
}

/// Empties the write-ahead log.
fn shorten(file: &Path) {
    let connection = rusqlite::Connection::open(file).unwrap();
    connection.busy_timeout(Duration::from_secs(20)).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

/// One process cannot write for a while, as on a disk that fails or has become read-only, and goes on.
#[tokio::test]
async fn a_worker_that_cannot_write_for_a_while_does_no_harm() {
    let plan = Plan {
        seed: Plan::any_seed(),
        anywhere: vec![Fault::Disk, Fault::Disk, Fault::Kill],
        at_points: Vec::new(),
        stop_each: 1,
        http: true,
        ..Plan::SMALL
    };
    let mut siege = Siege::on_a_file(plan, None).await;
    let mut faults = 0;
    // Who is killed soon may not have been told.
    while faults < 96 && !siege.has_failed("disk failed") {
        faults += 12;
        siege.run(faults, Instant::now()).await;
    }
    check::all_is_well(&mut siege).await;
    siege.report();
    assert!(siege.has_failed("disk failed"), "nobody was told of it: {:?}", siege.failed);
}

/// Returns the moment so many milliseconds from now.
fn after(millis: u64) -> Instant {
    Instant::now() + Duration::from_millis(millis)
}

/// Returns a number that the test is told.
fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Runs for as many minutes as it is told, and not at all unless it is.
#[tokio::test]
async fn a_long_siege() {
    let Some(minutes) = number("NAMEPLATE_TEST_CRASH_MINUTES") else { return };
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    let mut seed = number("NAMEPLATE_TEST_CRASH_SEED").unwrap_or_else(Plan::any_seed);
    while Instant::now() < end {
        let plan = Plan {
            seed,
            anywhere: vec![Fault::Kill, Fault::Stop, Fault::Kill, Fault::Disk],
            at_points: vec![Fault::Kill, Fault::Stop],
            stop_each: 1,
            http: true,
            ..Plan::SMALL
        };
        let mut siege = Siege::on_a_file(plan, None).await;
        // A round of some minutes, so that what a store goes through once happens often.
        let round = Instant::now() + Duration::from_secs(180);
        siege.run(0, round.min(end)).await;
        check::all_is_well(&mut siege).await;
        siege.report();
        seed += 1;
    }
}
