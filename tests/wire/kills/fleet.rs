//! Three workers on PostgreSQL, while everything that they need stops, starts and is cut off as well.

use std::{env, path::Path, time::Duration};

use tokio::time::Instant;

use super::{
    check, link, number,
    plan::{Fault, Plan},
    siege::Siege,
};

/// Set where the servers are nobody else's.
const OURS: &str = "NAMEPLATE_TEST_OURS";

/// How many domains there are in a long siege, unless it is told.
const DOMAINS: u64 = 200;

/// What the workers need, in the order in which it is started.
const SERVERS: &str = "postgres knot resolver pebble";

/// Runs a test of this file again, with servers that it may stop.
fn with_servers_of_its_own(test: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/servers");
    let mut command = link::inside("bash".as_ref());
    command.arg(script).args(["--only", SERVERS]).arg(env::current_exe().unwrap());
    command.args(["--exact", &format!("kills::fleet::{test}"), "--nocapture"]);
    // What the others use is not theirs.
    for (name, _) in env::vars_os() {
        let is_theirs = |name: &str| {
            name.starts_with("NAMEPLATE_TEST_") && !name.starts_with("NAMEPLATE_TEST_CRASH")
        };
        if name.to_str().is_some_and(is_theirs) {
            command.env_remove(name);
        }
    }
    let status = command.env(OURS, "1").status().unwrap();
    assert!(status.success(), "{test}: {status}");
}

#[test]
fn three_workers_on_postgresql_survive_all_that_can_happen_to_them() {
    with_servers_of_its_own("a_siege_of_a_fleet");
}

/// Does nothing unless another test has started it.
#[tokio::test]
async fn a_siege_of_a_fleet() {
    if env::var_os(OURS).is_none() {
        return;
    }
    let plan = Plan {
        seed: Plan::any_seed(),
        anywhere: vec![Fault::Kill, Fault::Stop],
        http: true,
        domains: 16,
        workers: 3,
        outages: true,
        ..Plan::SMALL
    };
    let mut siege = Siege::on_postgres(plan).await;
    siege.run(0, Instant::now()).await;
    check::all_is_well(&mut siege).await;
    siege.report();
}

/// Runs for as many minutes as it is told, and not at all unless it is.
#[test]
fn a_long_siege_of_a_fleet() {
    if number("NAMEPLATE_TEST_CRASH_MINUTES").is_some() {
        with_servers_of_its_own("a_long_siege_with_servers");
    }
}

/// Does nothing unless another test has started it.
#[tokio::test]
async fn a_long_siege_with_servers() {
    let Some(minutes) = number("NAMEPLATE_TEST_CRASH_MINUTES") else { return };
    if env::var_os(OURS).is_none() {
        return;
    }
    let mut end = Instant::now() + Duration::from_secs(60 * minutes);
    let mut seed = number("NAMEPLATE_TEST_CRASH_SEED").unwrap_or_else(Plan::any_seed);
    let domains = number("NAMEPLATE_TEST_CRASH_DOMAINS").unwrap_or(DOMAINS);
    let mut walks = true;
    while Instant::now() < end {
        let plan = Plan {
            seed,
            anywhere: vec![Fault::Kill, Fault::Stop, Fault::Kill],
            at_points: vec![Fault::Kill, Fault::Stop],
            http: true,
            domains: usize::try_from(domains).unwrap(),
            workers: 3,
            outages: true,
            walks,
            ..Plan::SMALL
        };
        let mut siege = Siege::on_postgres(plan).await;
        if walks {
            // Besides the minutes that were asked for.
            end += siege.walk().await;
            walks = false;
        }
        // A round of some minutes, so that what a store goes through once happens often.
        let round = Instant::now() + Duration::from_secs(300);
        siege.run(0, round.min(end)).await;
        check::all_is_well(&mut siege).await;
        siege.report();
        seed += 1;
    }
}
