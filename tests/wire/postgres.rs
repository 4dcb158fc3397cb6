//! The store on PostgreSQL: its contract on a real server, plainly, in distributed mode, and through a
//! pooler that gives every transaction another connection.

mod cuts;
pub(crate) mod database;
mod faults;
mod model;
mod polls;

use std::time::Duration;

use async_trait::async_trait;
use database::Database;
use nameplate::{
    clock::{Timer, Timestamp},
    id::{OperationId, OsRandom},
    store::{Batch, Body, Expect, Header, Key, Kind, NewEntry, UniqueKey, Write},
};

use crate::servers;

const LEASE: Duration = Duration::from_secs(600);

/// An item with all that belongs to it.
fn whole(id: &str) -> Batch {
    let key = Key::new(Kind::Domain, id);
    let mut header = Header::default();
    header.due = Some(Timestamp::UNIX_EPOCH);
    header.unique = vec![UniqueKey::new("test", &[id])];
    let entry = NewEntry::new(key.clone(), "{}".to_owned());
    let body = Body::new(format!("{{\"v\":1,\"id\":\"{id}\"}}"));
    let put = Write::Put { key, expect: Expect::Absent, header, body };
    Batch::new(OperationId::random(&OsRandom).unwrap()).with(put).with_entry(entry)
}

/// Throws a user out of the server.
async fn cut(admin: &tokio_postgres::Client, user: &str) {
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1";
    admin.query(cut, &[&user]).await.unwrap();
}

/// A timer for what fails however long it waits.
#[derive(Debug)]
struct NoWait;

#[async_trait]
impl Timer for NoWait {
    async fn sleep(&self, duration: Duration) {
        // The limit of a whole call is not to be met at once.
        if duration > Duration::from_secs(5) {
            tokio::time::sleep(duration).await;
        }
    }
}

nameplate::store_conformance!(plain, async {
    Database::new(servers::postgres()).open(|builder| builder).await
});

nameplate::store_conformance!(distributed, async {
    Database::new(servers::postgres()).open(|builder| builder.with_distributed(true)).await
});

nameplate::store_conformance!(through_a_pooler, async {
    Database::new(servers::pgbouncer()).open(|builder| builder).await
});

/// Where the server is set so that all transactions are serializable, as CockroachDB's are.
mod serializable {
    use nameplate::conformance::store::races;

    use super::Database;
    use crate::servers;

    macro_rules! race {
        ($($case:ident),*) => {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let option = "options=-c%20default_transaction_isolation%3Dserializable";
                let database = Database::new(format!("{}?{option}", servers::postgres()));
                let (store, time) = database.open(|builder| builder.with_distributed(true)).await;
                races::$case(store, time).await;
            }
        )*};
    }

    race!(
        two_thousand_due_roots_are_handed_out_once_each,
        two_writers_have_one_winner,
        one_unique_key_has_one_winner,
        moved_unique_key_has_one_winner,
        no_change_is_lost,
        no_commit_below_the_highest_token,
        no_wake_is_lost,
        expired_lease_has_one_successor,
        dropped_commit_happens_as_a_whole_or_not_at_all
    );
}
