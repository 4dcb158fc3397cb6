//! The store on PostgreSQL: its contract on a real server, plainly, in distributed mode, and through a
//! pooler that gives every transaction another connection.

pub(crate) mod database;

use database::Database;

use crate::servers;

nameplate::store_conformance!(plain, async {
    Database::new(servers::postgres()).open(|builder| builder).await
});

nameplate::store_conformance!(distributed, async {
    Database::new(servers::postgres()).open(|builder| builder.with_distributed(true)).await
});

nameplate::store_conformance!(through_a_pooler, async {
    Database::new(servers::pgbouncer()).open(|builder| builder).await
});
