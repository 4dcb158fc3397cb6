//! Any sequence of calls gives what a plain map gives, on every store that is here.
//!
//! A sequence that differs is cut down to the calls that matter. The store on PostgreSQL is held against
//! the same map where there is a server.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

#[path = "common/model.rs"]
mod model;
#[path = "../examples/own_store.rs"]
#[allow(dead_code, unreachable_pub, reason = "the example is a program too")]
mod own_store;
#[path = "common/scratch.rs"]
mod scratch;

use std::{sync::Arc, time::Duration};

use model::{Time, agrees, call, config};
use nameplate::{
    clock::{Clock, ManualClock, Timestamp},
    store::{Durability, InMemoryStore, Sqlite},
};
use own_store::OwnStore;
use proptest::{collection::vec, prelude::*};
use scratch::Scratch;

impl Time for ManualClock {
    const SECOND: Duration = Duration::from_secs(1);
    const IS_STRICT: bool = true;

    fn now(&self) -> Timestamp {
        Clock::now(self)
    }

    fn advance(&self, by: Duration) {
        Self::advance(self, by);
    }

    fn set_back(&self, by: Duration) {
        self.set(Clock::now(self) - by);
    }

    fn of_map(&self, at: Timestamp) -> Timestamp {
        at
    }
}

fn clock() -> ManualClock {
    ManualClock::new(Timestamp::from_timestamp(1_800_000_000, 0).unwrap())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn the_store_in_memory_is_as_the_map(calls in vec(call(), 1..100)) {
        let clock = clock();
        block_on(agrees(InMemoryStore::new(Arc::new(clock.clone())), clock, &calls))?;
    }
}

proptest! {
    #![proptest_config(config(32))]

    #[test]
    fn the_store_on_disk_is_as_the_map(calls in vec(call(), 1..100)) {
        let (clock, folder) = (clock(), Scratch::new());
        block_on(async {
            let builder = Sqlite::builder(folder.file("store.db"));
            let builder = builder.with_clock(Arc::new(clock.clone()));
            let store = builder.with_durability(Durability::Normal).open().await.unwrap();
            agrees(store, clock, &calls).await
        })?;
    }

    #[test]
    fn the_example_of_a_store_is_as_the_map(calls in vec(call(), 1..100)) {
        let (clock, folder) = (clock(), Scratch::new());
        let store = OwnStore::open(&folder.file("own.redb"), Arc::new(clock.clone())).unwrap();
        block_on(agrees(store, clock, &calls))?;
    }
}
