//! The store in one SQLite file, for one process.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::future::ready;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Sqlite, SqliteConnection, SqlitePool};

use super::sql::{SqlStore, StoreSetupError};

/// A key store in one file. Every acknowledged change is on the disk.
pub struct SqliteStore {
    reads: SqlitePool,
    writes: SqlitePool,
    /// Held as long as the store: the lock goes with the file handle, also when the process is killed.
    _lock: File,
}

impl SqliteStore {
    /// Opens the file, creates it if it is not there, and brings its schema up to date. The folder must exist.
    pub async fn open(path: &Path) -> Result<Self, StoreSetupError> {
        let lock = lock(path)?;
        create(path).map_err(|error| unusable(path, &error.to_string()))?;
        let writes = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(WRITE_PATIENCE)
            .before_acquire(|connection, _| Box::pin(ready(Ok(is_clean(connection)))));
        let writes = lasting(writes)
            .connect_with(options(path))
            .await
            .map_err(|error| explain(path, &error))?;
        migrator()
            .run(&writes)
            .await
            .map_err(|error| unusable(path, &error.to_string()))?;
        let reads = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(READ_PATIENCE);
        let reads = lasting(reads).connect_lazy_with(options(path).pragma("query_only", "ON"));
        Ok(Self {
            reads,
            writes,
            _lock: lock,
        })
    }

    /// Creates all of these rings in one transaction.
    #[cfg(feature = "test-support")]
    pub async fn create_rings(
        &self,
        rings: Vec<crate::store::RingCreation>,
    ) -> Result<(), crate::store::StoreError> {
        super::sql::rings::create_many(self, rings).await
    }

    /// How a statement goes about its work, step by step.
    #[cfg(test)]
    pub(super) async fn plan_of(&self, statement: &str) -> Vec<String> {
        let explained = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(explained)
            .fetch_all(&self.reads)
            .await
            .unwrap();
        plan.into_iter().map(|(_, _, _, step)| step).collect()
    }

    /// Waits for running transactions and closes the file.
    pub async fn close(&self) {
        self.reads.close().await;
        self.writes.close().await;
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl SqlStore for SqliteStore {
    type Db = Sqlite;

    // A transaction that began as a reader could not become a writer once another has written.
    const BEGIN: &'static str = "BEGIN IMMEDIATE";

    const ANNOUNCE: Option<&'static str> = None;

    const UNHURRIED: Option<&'static str> = None;

    const HOLD_MOUNT: &'static str =
        "SELECT CAST(1 AS INTEGER) AS found FROM mounts WHERE id = $1 AND disabled_at IS NULL";

    const HOLD_TOKEN: &'static str = "
        SELECT CAST(1 AS INTEGER) AS found FROM credentials
        WHERE kind = 1 AND hash = $1 AND ended_by IS NULL AND (expires_at IS NULL OR expires_at > $2)";

    // The log beside the file still has the page as it was.
    const FORGET_HEADER: &'static str = "PRAGMA wal_checkpoint(TRUNCATE)";

    const END: &'static str = "
        SELECT (SELECT COALESCE(MAX(sequence), 0) + 1 FROM ring_history) AS next_ring,
            (SELECT COALESCE(MAX(sequence), 0) + 1 FROM revocations) AS next_revocation";

    const CHANGES: &'static str = "
        SELECT e.next_ring, e.next_revocation, e.mounts_epoch, e.identity_epoch, e.sealed,
            c.mount_id, c.name, c.ring_id, c.generation, c.revoked
        FROM (
            SELECT (SELECT COALESCE(MAX(sequence), 0) + 1 FROM ring_history) AS next_ring,
                (SELECT COALESCE(MAX(sequence), 0) + 1 FROM revocations) AS next_revocation,
                (SELECT epoch FROM mounts_epoch WHERE one = 1) AS mounts_epoch,
                (SELECT epoch FROM identity_epoch WHERE one = 1) AS identity_epoch,
                EXISTS (SELECT 1 FROM store_header WHERE live_secret IS NULL) AS sealed
        ) e
        LEFT JOIN (
            SELECT 1 AS stream, sequence, mount_id, name, ring_id, generation, NULL AS revoked
            FROM ring_history WHERE sequence >= $1
            UNION ALL
            SELECT 2, r.sequence, NULL, NULL, NULL, NULL, COALESCE(r.root_token, t.hash)
            FROM revocations r LEFT JOIN credentials t ON t.ended_by = r.sequence AND t.kind = 1
            WHERE r.sequence >= $2
        ) c
        ORDER BY c.stream, c.sequence";

    fn reads(&self) -> SqlitePool {
        self.reads.clone()
    }

    fn writes(&self) -> SqlitePool {
        self.writes.clone()
    }

    /// Nothing lies between the process and the file.
    fn reconnect(&self) {}

    /// Nobody else can open the file, so nobody announces anything.
    async fn announced(&self) {
        std::future::pending::<()>().await;
    }
}

/// Two processes would each trust their caches and miss what the other changed.
fn lock(path: &Path) -> Result<File, StoreSetupError> {
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let lock_path = PathBuf::from(lock_path);
    let file =
        open_private(&lock_path).map_err(|error| unusable(&lock_path, &error.to_string()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(unusable(path, "another process has it open")),
        Err(TryLockError::Error(error)) => Err(unusable(&lock_path, &error.to_string())),
    }
}

/// Creates the database with narrow permissions; SQLite gives the same to the files beside it.
fn create(path: &Path) -> std::io::Result<()> {
    open_private(path)?.sync_all()?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn open_private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(READ_PATIENCE)
        // A destroyed version is overwritten, not left in a free page.
        .pragma("secure_delete", "ON")
}

/// When the disk is full SQLite rolls back by itself. sqlx does not notice, and the connection would refuse every
/// transaction from then on.
fn is_clean(connection: &SqliteConnection) -> bool {
    !connection.is_in_transaction()
}

/// Connections to a file do not go stale.
fn lasting(options: SqlitePoolOptions) -> SqlitePoolOptions {
    options.idle_timeout(None).max_lifetime(None)
}

/// A schema that is ahead belongs to a newer binary, which keeps it usable for this one.
fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("../migrations/sqlite");
    migrator.set_ignore_missing(true);
    migrator
}

fn explain(path: &Path, error: &sqlx::Error) -> StoreSetupError {
    let why = error
        .as_database_error()
        .map_or_else(|| error.to_string(), |error| error.message().to_owned());
    unusable(path, &why)
}

fn unusable(path: &Path, why: &str) -> StoreSetupError {
    StoreSetupError::Unusable(format!("{}: {why}", path.display()))
}

const READERS: u32 = 4;

/// How long a query waits for a connection.
const READ_PATIENCE: Duration = Duration::from_secs(5);

/// How long a change waits for those before it.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_disk_that_was_full_is_written_to_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("keys.db"))
            .await
            .unwrap();
        for statement in [
            "CREATE TABLE filler (bytes)",
            // No page more than there are.
            "PRAGMA max_page_count = 1",
        ] {
            sqlx::query(statement).execute(&store.writes).await.unwrap();
        }
        let mut full = store.writes.begin_with(SqliteStore::BEGIN).await.unwrap();
        let filler = sqlx::query("INSERT INTO filler VALUES (randomblob(1000000))");
        let refused = filler.execute(&mut *full).await.unwrap_err();
        let code = refused
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code);
        assert_eq!(code.as_deref(), Some("13"));
        drop(full);
        store.writes.begin_with(SqliteStore::BEGIN).await.unwrap();
    }
}
