//! A connection lent by a pool for a bounded time. One that does not answer is closed, and its place in the pool is free.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Database, Pool};
use tokio::time::timeout;

use super::failure::Failure;
use crate::store::StoreError;

/// A connection of a pool. On drop it returns there.
pub(super) struct Lent<Db: Database> {
    /// Absent only on drop.
    connection: Option<PoolConnection<Db>>,
    is_silent: bool,
}

impl<Db: Database> Lent<Db> {
    /// A connection as soon as one is free. The pool's own patience bounds the wait.
    pub(super) async fn from(pool: &Pool<Db>) -> Result<Self, Failure> {
        let connection = pool.acquire().await?;
        Ok(Self {
            connection: Some(connection),
            is_silent: false,
        })
    }

    /// The connection.
    pub(super) fn get(&mut self) -> &mut Db::Connection {
        self.connection
            .as_mut()
            .expect("the connection is taken out only on drop")
    }

    /// Has the connection closed instead of lent again: it did not answer in time.
    pub(super) fn give_up(&mut self) {
        self.is_silent = true;
    }
}

impl<Db: Database> Drop for Lent<Db> {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        if self.is_silent {
            // The pool bounds the farewell by itself.
            connection.close_on_drop();
        } else {
            // The pool tidies up and asks for a sign of life, both without an end: a network that falls silent then would keep
            // the place taken for as long as the system tries again, a quarter of an hour. Given up, the connection is dropped.
            tokio::spawn(timeout(RETURNED, connection.return_to_pool()));
        }
    }
}

/// What comes of it if it comes in time.
pub(super) async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = T>,
) -> Result<T, StoreError> {
    let late = |_| StoreError::Unavailable("the database did not answer in time".to_owned());
    timeout(limit, work).await.map_err(late)
}

/// The longest a connection may take to return to its pool.
const RETURNED: Duration = Duration::from_secs(5);
