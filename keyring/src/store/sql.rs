//! The store in SQLite and PostgreSQL: one set of statements, and a trait for the little that differs.

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::{Connection as _, Database, Pool};

use crate::store::StoreError;
use failure::Failure;
use lent::{Lent, in_time};
use statements::{Param, Record, Statements};

mod audit;
mod credentials;
mod endings;
mod entries;
pub(super) mod failure;
mod feed;
mod header;
mod lent;
mod mounts;
pub(super) mod rings;
pub(super) mod statements;
mod usage;

/// Why a database could not be opened at start-up. The sentence names no password and no connection URL.
#[derive(Debug, thiserror::Error)]
pub enum StoreSetupError {
    /// The database cannot be reached now; waiting may mend it.
    #[error("{0}")]
    Unreachable(String),
    /// The database answers, but must not or cannot be used like this; waiting does not mend it.
    #[error("{0}")]
    Unusable(String),
}

/// What sets one SQL database apart from the other. Whatever has this is a key store.
#[async_trait::async_trait]
pub(super) trait SqlStore: fmt::Debug + Send + Sync + 'static {
    /// The database as sqlx knows it.
    type Db: Database<Connection: Statements>;

    /// Begins a transaction that writes.
    const BEGIN: &'static str;

    /// Tells other processes, once the transaction commits, that there is something to read.
    const ANNOUNCE: Option<&'static str>;

    /// Lets the statements of the transaction take as long as they need.
    const UNHURRIED: Option<&'static str>;

    /// Finds the mount `$1` if it is enabled, and keeps it so until the transaction ends.
    const HOLD_MOUNT: &'static str;

    /// Finds the token `$1` if it is there and does not expire by `$2`, and keeps it there until the transaction ends.
    const HOLD_TOKEN: &'static str;

    /// Lets go, on its own, of what was deleted from the header.
    const FORGET_HEADER: &'static str;

    /// Where the stream of changes ends.
    const END: &'static str;

    /// The changes from the cursor `$1`, `$2` on with the end of the stream, the epochs and whether the store is sealed,
    /// all of one instant. One row at least.
    const CHANGES: &'static str;

    /// Connections for queries.
    fn reads(&self) -> Pool<Self::Db>;

    /// Connections for transactions.
    fn writes(&self) -> Pool<Self::Db>;

    /// Has the next statements use new connections: those there are may be dead without having been told.
    fn reconnect(&self);

    /// Waits for what another process announced.
    async fn announced(&self);
}

type Connection<S> = <<S as SqlStore>::Db as Database>::Connection;

/// What a transaction does with its connection and the values it was given.
type Work<S, D, T> = for<'c> fn(&'c mut Connection<S>, &'c D) -> BoxFuture<'c, Result<T, Failure>>;

/// All rows of a query on its own.
async fn query<S: SqlStore, R: Record>(
    store: &S,
    sql: &'static str,
    params: &[Param<'_>],
) -> Result<Vec<R>, StoreError> {
    let mut lent = Lent::from(&store.reads()).await?;
    let rows = in_time(STATEMENT_ENDS, lent.get().rows(sql, params)).await;
    if rows.is_err() {
        lent.give_up();
    }
    Ok(rows?.map_err(Failure::from)?)
}

/// Does the work in one transaction, all of it or nothing.
///
/// It runs in a task of its own: a caller that goes away neither interrupts it halfway nor hands a
/// connection back with a transaction still open.
async fn transaction<S, D, T>(store: &S, data: D, work: Work<S, D, T>) -> Result<T, StoreError>
where
    S: SqlStore,
    D: Send + Sync + 'static,
    T: Send + 'static,
{
    spawned(store, data, (Pace::Usual, work)).await
}

/// As [`transaction`], for work on any number of rows.
async fn unhurried<S, D, T>(store: &S, data: D, work: Work<S, D, T>) -> Result<T, StoreError>
where
    S: SqlStore,
    D: Send + Sync + 'static,
    T: Send + 'static,
{
    spawned(store, data, (Pace::Unhurried, work)).await
}

/// The longest a transaction may take.
#[derive(Clone, Copy)]
enum Pace {
    /// A few rows.
    Usual,
    /// Any number of rows.
    Unhurried,
}

impl Pace {
    const fn limit(self) -> Duration {
        match self {
            Self::Usual => TRANSACTION_ENDS,
            Self::Unhurried => UNHURRIED_ENDS,
        }
    }

    const fn first_statement<S: SqlStore>(self) -> Option<&'static str> {
        match self {
            Self::Usual => None,
            Self::Unhurried => S::UNHURRIED,
        }
    }
}

/// A transaction's work at its pace.
type Job<S, D, T> = (Pace, Work<S, D, T>);

async fn spawned<S, D, T>(store: &S, data: D, job: Job<S, D, T>) -> Result<T, StoreError>
where
    S: SqlStore,
    D: Send + Sync + 'static,
    T: Send + 'static,
{
    let pool = store.writes();
    let task = tokio::spawn(async move { Ok(persist::<S, D, T>(&pool, &data, job).await?) });
    // The task can only fail to answer if it panicked or the runtime is ending, and then who knows.
    task.await.unwrap_or(Err(StoreError::OutcomeUnknown))
}

async fn persist<S, D, T>(pool: &Pool<S::Db>, data: &D, job: Job<S, D, T>) -> Result<T, Failure>
where
    S: SqlStore,
    D: Sync,
{
    for _ in 1..ATTEMPTS {
        match attempt::<S, D, T>(pool, data, job).await {
            Err(failure) if failure.is_transient() => {}
            outcome => return outcome,
        }
    }
    attempt::<S, D, T>(pool, data, job).await
}

async fn attempt<S, D, T>(pool: &Pool<S::Db>, data: &D, job: Job<S, D, T>) -> Result<T, Failure>
where
    S: SqlStore,
    D: Sync,
{
    let mut lent = Lent::from(pool).await?;
    let made = made::<S, D, T>(lent.get(), data, job).await;
    made.map_err(|stopped| match stopped {
        Stopped::Failed(failure) => failure,
        Stopped::Silent(meaning) => {
            lent.give_up();
            meaning.into()
        }
    })
}

/// The reason for a transaction that was not made.
enum Stopped {
    Failed(Failure),
    /// The database did not answer in time, which means this.
    Silent(StoreError),
}

async fn made<S, D, T>(
    connection: &mut Connection<S>,
    data: &D,
    job: Job<S, D, T>,
) -> Result<T, Stopped>
where
    S: SqlStore,
    D: Sync,
{
    let (pace, _) = job;
    let worked = in_time(pace.limit(), worked::<S, D, T>(connection, data, job)).await;
    let (answer, transaction) = worked.map_err(Stopped::Silent)?.map_err(Stopped::Failed)?;
    // Without an answer to this, nobody knows.
    match in_time(STATEMENT_ENDS, transaction.commit()).await {
        Ok(Ok(())) => Ok(answer),
        Ok(Err(error)) => Err(Stopped::Failed(Failure::of_commit(error))),
        Err(_) => Err(Stopped::Silent(StoreError::OutcomeUnknown)),
    }
}

/// The work done, and the transaction that it was done in.
async fn worked<'c, S, D, T>(
    connection: &'c mut Connection<S>,
    data: &D,
    job: Job<S, D, T>,
) -> Result<(T, sqlx::Transaction<'c, S::Db>), Failure>
where
    S: SqlStore,
    D: Sync,
{
    let (pace, work) = job;
    let mut transaction = connection.begin_with(S::BEGIN).await?;
    if let Some(sql) = pace.first_statement::<S>() {
        transaction.rows::<AnyRow>(sql, &[]).await?;
    }
    let answer = work(&mut transaction, data).await?;
    Ok((answer, transaction))
}

async fn announce<S: SqlStore>(db: &mut Connection<S>) -> Result<(), sqlx::Error> {
    match S::ANNOUNCE {
        Some(sql) => db.rows::<AnyRow>(sql, &[]).await.map(drop),
        None => Ok(()),
    }
}

/// A row of which nothing is wanted but that it is there.
#[derive(sqlx::FromRow)]
struct AnyRow {}

/// How often a transaction is tried that the database gives up for the sake of another.
const ATTEMPTS: u32 = 5;

/// When a query or a commit counts as unanswered. Later than the database's own limit on a statement, so that a database
/// that answers at all says so itself.
const STATEMENT_ENDS: Duration = Duration::from_secs(12);

/// When a transaction counts as unanswered, its commit aside.
const TRANSACTION_ENDS: Duration = Duration::from_secs(20);

/// The same for one that ends or deletes any number of rows.
const UNHURRIED_ENDS: Duration = Duration::from_mins(10);
