//! How much room domains take on disk.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

mod common;
#[path = "common/held.rs"]
mod held;
#[path = "common/scratch.rs"]
mod scratch;

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        mpsc::{self, Sender},
    },
    time::Duration,
};

use held::{NAME, WILDCARD, held, operation, put};
use nameplate::{
    clock::{Clock, Timestamp},
    store::{
        Batch, Commit, Durability, Expect, Item, Kind, LeaseRequest, Sqlite, Store, Then, Write,
    },
};
use scratch::Scratch;

/// A clock that stands still, and says when nobody has it any more.
#[derive(Debug)]
struct Farewell(Timestamp, Sender<()>);

impl Clock for Farewell {
    fn now(&self) -> Timestamp {
        self.0
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        let _ = self.1.send(());
    }
}

/// Returns how many bytes each of many such domains takes in a file, each worked on once.
async fn on_disk(path: &Path, item: &Item) -> u64 {
    const DOMAINS: u32 = 2000;
    let (sender, closed) = mpsc::channel();
    let later = item.header.due.unwrap() + chrono::TimeDelta::days(1);
    let builder = Sqlite::builder(path).with_clock(Arc::new(Farewell(later, sender)));
    let store = builder.with_durability(Durability::Normal).open().await.unwrap();
    for start in (0..DOMAINS).step_by(500) {
        let batch = (start..start + 500)
            .fold(Batch::new(operation()), |batch, number| batch.with(put(item, number)));
        assert_eq!(store.commit(batch).await.unwrap(), Commit::Done);
    }
    let wanted = LeaseRequest::new([Kind::Domain], 1000, Duration::from_secs(60));
    for _ in 0..2 {
        let leased = store.lease(&wanted).await.unwrap().leases;
        assert_eq!(leased.len(), 1000);
        for (lease, item) in leased {
            let mut header = item.header;
            header.due = header.due.map(|due| due + chrono::TimeDelta::days(2));
            let expect = Expect::Revision(item.revision);
            let put = Write::Put { key: item.key, expect, header, body: item.body };
            let batch = Batch::new(operation()).with(put).with_lease(lease, Then::Release);
            assert_eq!(store.commit(batch).await.unwrap(), Commit::Done);
        }
    }
    store.integrity_check().await.unwrap();
    drop(store);
    closed.recv().unwrap();
    fs::metadata(path).unwrap().len() / u64::from(DOMAINS)
}

#[tokio::test]
async fn a_held_domain_takes_little_room_on_disk() {
    let folder = Scratch::new();
    for (name, body, disk) in [(NAME, 335, 600), (WILDCARD, 425, 710)] {
        let item = held(name).await;
        let text = item.body.as_str();
        let bytes = on_disk(&folder.file(&format!("{}.db", text.len())), &item).await;
        println!("{name}: {} bytes of text, {bytes} bytes on disk", text.len());
        assert!(text.len() <= body, "{} bytes: {text}", text.len());
        assert!(bytes <= disk, "{bytes} bytes");
    }
}
