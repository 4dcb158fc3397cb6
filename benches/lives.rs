//! How many whole lives the engine leads in memory in a second of CPU time: claimed, proved, active,
//! removed.
//!
//! ```sh
//! cargo bench --bench lives
//! ```
//!
//! One thread, no network, certificates without cryptography: what is measured is the engine, its
//! codec and the in-memory store. There is no peer that does the whole job; the figure is for
//! comparing nameplate with itself.

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Duration;

use common::{HOUR, MINUTE, TENANT, World};
use cpu_time::ProcessTime;
use nameplate::{
    domain::Status,
    engine::{Budgets, Policy},
};

/// Lives in one round.
const LIVES: u32 = 500;
/// Rounds; the median is what counts.
const ROUNDS: usize = 9;

async fn round(name: &str) -> Duration {
    let mut policy = Policy::new();
    // An authority of one's own: the same name gets a certificate again and again.
    policy.budgets = Budgets::UNLIMITED;
    let world = World::with_policy(policy);
    let start = ProcessTime::now();
    for _ in 0..LIVES {
        let id = world.add(name).await.id();
        world.publish(id).await;
        world.run_for(MINUTE).await;
        assert_eq!(world.get(id).await.status(), Status::Active);
        world.onboarding.remove(&TENANT, id).await.unwrap_or_else(|error| panic!("{error}"));
        world.run_for(HOUR).await;
    }
    start.elapsed()
}

fn main() {
    // `cargo test --benches` runs it as a test: once is enough then.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { ROUNDS } else { 1 };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("{error}"));
    println!(
        "{:<44} {:>12} {:>12} {:>12}",
        "lives a second of CPU time, one thread", "median", "slowest", "fastest"
    );
    for (what, name) in
        [("by HTTP-01", "shop.example.com"), ("wildcard by delegated DNS-01", "*.example.com")]
    {
        let mut times: Vec<Duration> = (0..rounds).map(|_| runtime.block_on(round(name))).collect();
        times.sort();
        let rate = |time: Option<&Duration>| {
            time.map_or(0.0, |time| f64::from(LIVES) / time.as_secs_f64())
        };
        let median = rate(times.get(times.len() / 2));
        println!(
            "{what:<44} {median:>12.0} {:>12.0} {:>12.0}",
            rate(times.last()),
            rate(times.first())
        );
    }
}
