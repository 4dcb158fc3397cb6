//! Connections: how one is had, used once and given back, and what is tried again.

use std::{
    future::Future,
    pin::{Pin, pin},
    time::Duration,
};

use deadpool_postgres::{Client, Object};
use futures_util::future::{Either, join3, select};
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};

use super::{Shared, failure::Failure, sql::Statement};
use crate::{
    error::{ErrorKind, Result},
    retry::Backoff,
};

/// A parameter of a statement and its type, which is said so that nothing needs to be prepared: a
/// pooler may give every transaction another connection.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// Between two attempts of a call that met others, or a connection that broke: 2 s in all, so that a
/// restart of the server is waited for and a caller is not kept.
const AGAIN: Backoff = Backoff::new(&[
    Duration::from_millis(5),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_millis(1000),
]);

/// Most attempts of one call.
const ATTEMPTS: u32 = 8;

/// A connection in use. Unless it is kept it is closed: what was given up half way may still be under
/// way on it.
pub(super) struct Link(Option<Client>);

impl Link {
    pub(super) const fn new(client: Client) -> Self {
        Self(Some(client))
    }

    /// Gives the connection back.
    pub(super) fn keep(mut self) {
        self.0 = None;
    }

    /// Gives the connection back unless it has failed.
    pub(super) fn settle<T>(self, done: &std::result::Result<T, Failure>) {
        match done {
            Err(failure) if !failure.spares_the_connection() => {}
            _ => self.keep(),
        }
    }

    /// Runs a statement and returns its rows. It is sent when the future is polled first.
    pub(super) async fn rows(
        &self,
        statement: &Statement,
        parameters: &[Parameter<'_>],
    ) -> std::result::Result<Vec<Row>, Failure> {
        let client = self.0.as_ref().ok_or(Failure::Lost(None))?;
        Ok(client.query_typed(statement.as_str(), parameters).await?)
    }

    /// Runs a statement that returns no rows.
    pub(super) async fn run(
        &self,
        statement: &Statement,
        parameters: &[Parameter<'_>],
    ) -> std::result::Result<(), Failure> {
        let client = self.0.as_ref().ok_or(Failure::Lost(None))?;
        client.execute_typed(statement.as_str(), parameters).await?;
        Ok(())
    }

    /// Runs statements without parameters, which begin or end a transaction or make tables.
    pub(super) async fn simple(&self, statement: &Statement) -> std::result::Result<(), Failure> {
        let client = self.0.as_ref().ok_or(Failure::Lost(None))?;
        Ok(client.batch_execute(statement.as_str()).await?)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Object::take(client));
        }
    }
}

/// The attempts of one call.
pub(super) struct Tries<'a> {
    shared: &'a Shared,
    operation: &'static str,
    made: u32,
    /// Whether an attempt may have made the change.
    pub(super) in_doubt: bool,
}

impl Tries<'_> {
    /// Waits for the next attempt, or returns the error if there is none.
    pub(super) async fn again(&mut self, failure: Failure) -> Result<()> {
        let passing = failure.is_passing();
        self.again_if(passing, failure).await
    }

    /// Waits for the next attempt, or returns the error if there is none, or it would be in vain.
    pub(super) async fn again_if(&mut self, passing: bool, failure: Failure) -> Result<()> {
        self.in_doubt |= matches!(failure, Failure::Doubtful(_));
        let wait = AGAIN.delay(self.made, self.shared.seed());
        self.made = self.made.saturating_add(1);
        if passing && self.made < ATTEMPTS {
            self.shared.timer.sleep(wait).await;
            return Ok(());
        }
        let error = failure.into_error(self.operation, &self.shared.place);
        if self.in_doubt && error.kind() != ErrorKind::Unknown {
            // What came after says nothing of the attempt whose answer was lost.
            let message = format!("the change may be there: {}", error.message());
            return Err(self.shared.error(ErrorKind::Unknown, self.operation, message));
        }
        Err(error)
    }
}

/// How one statement is run.
#[derive(Clone, Copy)]
enum Run {
    /// It changes nothing.
    Read,
    /// It is a transaction of its own.
    Change,
    /// The same, within the limits of a commit.
    ChangeWithin,
}

impl Shared {
    pub(super) const fn tries(&self, operation: &'static str) -> Tries<'_> {
        Tries { shared: self, operation, made: 0, in_doubt: false }
    }

    fn seed(&self) -> u64 {
        let mut bytes = [0; 8];
        // Without chance all wait equally long, which is no reason to fail.
        let _ = self.random.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Takes a connection from the pool.
    pub(super) async fn link(&self) -> std::result::Result<Link, Failure> {
        Ok(Link::new(self.pool.get().await?))
    }

    /// Gives up what takes too long. It stays where its caller has it: moved through every call it would
    /// be copied, and kept, at each.
    pub(super) async fn limited<T>(
        &self,
        work: Pin<&mut (impl Future<Output = std::result::Result<T, Failure>> + Send)>,
    ) -> std::result::Result<T, Failure> {
        self.limited_to(self.patience, work).await
    }

    /// Gives up what takes longer than this.
    pub(super) async fn limited_to<T>(
        &self,
        limit: Duration,
        work: Pin<&mut (impl Future<Output = std::result::Result<T, Failure>> + Send)>,
    ) -> std::result::Result<T, Failure> {
        match select(work, self.timer.sleep(limit)).await {
            Either::Left((done, _)) => done,
            Either::Right(_) => Err(Failure::Lost(None)),
        }
    }

    /// Runs one statement that changes nothing, again if need be.
    pub(super) async fn read(
        &self,
        operation: &'static str,
        statement: &Statement,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>> {
        self.again(operation, Run::Read, statement, parameters).await
    }

    /// Runs one statement that is its own transaction, and may be run again whether it happened or not.
    pub(super) async fn change(
        &self,
        operation: &'static str,
        statement: &Statement,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>> {
        self.again(operation, Run::Change, statement, parameters).await
    }

    /// Does so with a statement that may have to wait for others, and no longer than a commit does.
    pub(super) async fn change_within(
        &self,
        operation: &'static str,
        statement: &Statement,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>> {
        self.again(operation, Run::ChangeWithin, statement, parameters).await
    }

    async fn again(
        &self,
        operation: &'static str,
        run: Run,
        statement: &Statement,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>> {
        let mut tries = self.tries(operation);
        loop {
            let once = pin!(async {
                match run {
                    Run::Read | Run::Change => self.alone(statement, parameters).await,
                    Run::ChangeWithin => self.within(statement, parameters).await,
                }
            });
            match (self.limited(once).await, run) {
                (Ok(rows), _) => return Ok(rows),
                (Err(failure), Run::Read) => tries.again(failure).await?,
                (Err(failure), _) => tries.again(failure.after_change()).await?,
            }
        }
    }

    async fn alone(
        &self,
        statement: &Statement,
        parameters: &[Parameter<'_>],
    ) -> std::result::Result<Vec<Row>, Failure> {
        let link = self.link().await?;
        let rows = link.rows(statement, parameters).await;
        link.settle(&rows);
        rows
    }

    /// Begins a transaction, runs the statement and commits, in one round trip.
    async fn within(
        &self,
        statement: &Statement,
        parameters: &[Parameter<'_>],
    ) -> std::result::Result<Vec<Row>, Failure> {
        let link = self.link().await?;
        let (begun, rows, done) = join3(
            link.simple(&self.sql.begin),
            link.rows(statement, parameters),
            link.simple(&self.sql.commit),
        )
        .await;
        // The first failure explains the others. To commit what has failed rolls it back.
        let rows = begun.and(rows).and_then(|rows| done.map(|()| rows));
        link.settle(&rows);
        rows
    }
}
