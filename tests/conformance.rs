//! The contract of each trait over what the crate itself has without servers.

use std::sync::Arc;

use nameplate::{
    clock::{ManualClock, Timestamp},
    store::{InMemoryStore, Store},
};

fn clock() -> ManualClock {
    ManualClock::new(Timestamp::UNIX_EPOCH + chrono::TimeDelta::days(20_000))
}

async fn store() -> (InMemoryStore, ManualClock) {
    let clock = clock();
    (InMemoryStore::new(Arc::new(clock.clone())), clock)
}

async fn shared_store() -> (Arc<dyn Store>, ManualClock) {
    let (store, clock) = store().await;
    (Arc::new(store), clock)
}

async fn boxed_store() -> (Box<dyn Store>, ManualClock) {
    let (store, clock) = store().await;
    (Box::new(store), clock)
}

nameplate::store_conformance!(in_memory_store, store());
nameplate::store_conformance!(shared_in_memory_store, shared_store());
nameplate::store_conformance!(boxed_in_memory_store, boxed_store());
