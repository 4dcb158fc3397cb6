//! Any sequence of calls gives what a plain map gives, on the time of the database.

use std::{cell::Cell, time::Duration};

use nameplate::{
    clock::{Timestamp, after, between},
    store::{Postgres, PostgresBuilder, Store},
};
use proptest::{collection::vec, prelude::*, test_runner::TestCaseResult};

use super::database::Database;
use crate::{
    model::{Call, Time, agrees, call, config},
    servers,
};

/// The time of the database, in steps: what goes by within a test is less than one.
struct Steps {
    store: Postgres,
    start: Timestamp,
    passed: Cell<Duration>,
}

impl Time for Steps {
    const SECOND: Duration = Duration::from_secs(1000);
    // What is written as due long ago queues up behind what polls have looked at.
    const IS_STRICT: bool = false;

    fn now(&self) -> Timestamp {
        after(self.start, self.passed.get())
    }

    fn advance(&self, by: Duration) {
        self.passed.set(self.passed.get() + by);
        self.store.advance(by);
    }

    // What was due long ago when it was written is placed by the time of that, and waits until then.
    fn set_back(&self, _by: Duration) {}

    fn of_map(&self, at: Timestamp) -> Timestamp {
        let steps = between(self.start, at).as_secs() / Self::SECOND.as_secs();
        after(self.start, Self::SECOND * u32::try_from(steps).unwrap())
    }
}

fn agrees_with(
    url: String,
    with: fn(PostgresBuilder) -> PostgresBuilder,
    calls: &[Call],
) -> TestCaseResult {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (store, _time) = Database::new(url).open(with).await;
        let start = store.now().await.unwrap();
        let steps = Steps { store: store.clone(), start, passed: Cell::default() };
        agrees(store, steps, calls).await
    })
}

proptest! {
    #![proptest_config(config(8))]

    #[test]
    fn the_store_on_postgresql_is_as_the_map(calls in vec(call(), 1..60)) {
        agrees_with(servers::postgres(), |builder| builder, &calls)?;
    }

    #[test]
    fn distributed_mode_is_as_the_map(calls in vec(call(), 1..60)) {
        agrees_with(servers::postgres(), |builder| builder.with_distributed(true), &calls)?;
    }
}
