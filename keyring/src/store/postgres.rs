//! The store in PostgreSQL, for many replicas.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{Connection, Executor, PgConnection, PgPool, Postgres};

use super::sql::{SqlStore, StoreSetupError};
use crate::secret::SecretBytes;
use announcements::Announcements;

mod announcements;

/// How to reach the database.
#[derive(Debug)]
pub struct PostgresOptions {
    /// The connection URL, password included.
    pub url: SecretBytes,
    /// The most connections of this process, beside the one that listens.
    pub max_connections: u32,
}

impl PostgresOptions {
    /// The usual number of connections to the database at this URL.
    pub fn new(url: String) -> Self {
        Self {
            url: SecretBytes::new(url.into_bytes()),
            max_connections: 8,
        }
    }

    fn parse(&self) -> Result<PgConnectOptions, StoreSetupError> {
        let url = std::str::from_utf8(self.url.expose_secret()).ok();
        // The parser's own text may quote the URL.
        url.and_then(|url| PgConnectOptions::from_str(url).ok())
            .map(|options| protected(options.application_name("sealring")))
            .ok_or_else(|| unusable("the database URL is not a PostgreSQL URL"))
    }
}

/// Off this machine, a mode that would silently go without TLS where the server has none is taken as `require`.
fn protected(options: PgConnectOptions) -> PgConnectOptions {
    let falls_back = matches!(options.get_ssl_mode(), PgSslMode::Allow | PgSslMode::Prefer);
    if falls_back && !is_local(&options) {
        options.ssl_mode(PgSslMode::Require)
    } else {
        options
    }
}

/// Whether the server is reached over a Unix socket or loopback.
fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = address.parse().ok();
    options.get_socket().is_some()
        || host.starts_with('/')
        || host.eq_ignore_ascii_case("localhost")
        || address.is_some_and(|address| address.to_canonical().is_loopback())
}

/// A key store in a database that several processes share. Every acknowledged change survives a crash of the
/// server.
pub struct PostgresStore {
    server: PgConnectOptions,
    max_connections: u32,
    /// Replaced when the server did not answer; what is under way keeps the pool that it began with.
    pool: ArcSwap<PgPool>,
    announcements: Announcements,
}

impl PostgresStore {
    /// Connects, refuses a server that could lose what it acknowledged, and brings the schema up to date.
    pub async fn connect(options: &PostgresOptions) -> Result<Self, StoreSetupError> {
        let server = options.parse()?;
        prepare(&server).await?;
        let pool = new_pool(&server, options.max_connections);
        Ok(Self {
            pool: ArcSwap::from_pointee(pool),
            max_connections: options.max_connections,
            announcements: Announcements::new(server.clone()),
            server,
        })
    }

    /// Waits for running transactions and closes the connections.
    pub async fn close(&self) {
        self.announcements.stop();
        self.pool.load_full().close().await;
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl SqlStore for PostgresStore {
    type Db = Postgres;

    // The statements lock what they rely on, whatever the server's default level is.
    const BEGIN: &'static str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

    const ANNOUNCE: Option<&'static str> = Some("SELECT pg_notify('sealring_changes', '')");

    const UNHURRIED: Option<&'static str> =
        Some("SELECT set_config('statement_timeout', '0', true)");

    const HOLD_MOUNT: &'static str =
        "SELECT 1::bigint AS found FROM mounts WHERE id = $1 AND disabled_at IS NULL FOR SHARE";

    const HOLD_TOKEN: &'static str = "
        SELECT 1::bigint AS found FROM credentials
        WHERE kind = 1 AND hash = $1 AND ended_by IS NULL AND (expires_at IS NULL OR expires_at > $2)
        FOR SHARE";

    // The row as it was is only marked as dead.
    const FORGET_HEADER: &'static str = "VACUUM store_header";

    const END: &'static str = "
        SELECT e.next AS next_ring, e.next AS next_revocation
        FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS next) e";

    // Whoever is not visible to this snapshot has a transaction id of its xmin or above, so the next poll sees it.
    const CHANGES: &'static str = "
        SELECT e.next AS next_ring, e.next AS next_revocation, e.mounts_epoch, e.identity_epoch, e.sealed,
            c.mount_id, c.name, c.ring_id, c.generation, c.revoked
        FROM (
            SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS next,
                (SELECT epoch FROM mounts_epoch WHERE one = 1) AS mounts_epoch,
                (SELECT epoch FROM identity_epoch WHERE one = 1) AS identity_epoch,
                EXISTS (SELECT 1 FROM store_header WHERE live_secret IS NULL) AS sealed
        ) e
        LEFT JOIN (
            SELECT 1 AS stream, sequence, mount_id, name, ring_id, generation, NULL::bytea AS revoked
            FROM ring_history WHERE xid >= $1
            UNION ALL
            SELECT 2, r.sequence, NULL, NULL, NULL, NULL, COALESCE(r.root_token, t.hash)
            FROM revocations r LEFT JOIN credentials t ON t.ended_by = r.sequence AND t.kind = 1
            WHERE r.xid >= $2
        ) c ON TRUE
        ORDER BY c.stream, c.sequence";

    fn reads(&self) -> PgPool {
        PgPool::clone(&self.pool.load())
    }

    fn writes(&self) -> PgPool {
        PgPool::clone(&self.pool.load())
    }

    fn reconnect(&self) {
        if self.pool.load().is_closed() {
            return;
        }
        // The old pool is not closed, as whoever has it may still be about to use it. Its idle connections are closed when the
        // last one lets go of it.
        let pool = new_pool(&self.server, self.max_connections);
        self.pool.store(Arc::new(pool));
    }

    async fn announced(&self) {
        self.announcements.next().await;
    }
}

fn new_pool(server: &PgConnectOptions, max_connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(|connection, _| Box::pin(set_session(connection)))
        .after_release(|connection, _| Box::pin(clean_session(connection)))
        .connect_lazy_with(server.clone())
}

/// All that is done once, on a connection of its own: the pool would say no more than that time ran out.
async fn prepare(server: &PgConnectOptions) -> Result<(), StoreSetupError> {
    let connecting = in_time(PgConnection::connect_with(server));
    let connected = connecting.await;
    let mut connection = connected.map_err(|error| at(server, error))?;
    examine(&mut connection).await?;
    in_time(set_session(&mut connection)).await?;
    // A migration may take its time, and wait for a replica that is already at it.
    in_time(connection.execute(UNLIMITED)).await?;
    migrator()
        .run(&mut connection)
        .await
        .map_err(|error| unusable(&error.to_string()))?;
    connection
        .execute(FORGET_FOREIGN_TRANSACTIONS)
        .await
        .map_err(|error| explain(&error))?;
    // Nothing depends on how the server takes the farewell.
    drop(connection.close().await);
    Ok(())
}

/// Refuses a server that cannot keep what it acknowledges.
async fn examine(connection: &mut PgConnection) -> Result<(), StoreSetupError> {
    let server: Server = in_time(sqlx::query_as(EXAMINE).fetch_one(connection)).await?;
    let problem = if server.version < 130_000 {
        "PostgreSQL 13 or later is needed"
    } else if server.is_standby {
        "this server is a standby; connect to the primary"
    } else if !server.fsync {
        "the server runs with fsync=off and would lose keys in a crash"
    } else if !server.full_page_writes {
        "the server runs with full_page_writes=off and would lose keys in a crash"
    } else {
        return Ok(());
    };
    Err(unusable(problem))
}

#[derive(sqlx::FromRow)]
struct Server {
    version: i64,
    is_standby: bool,
    fsync: bool,
    full_page_writes: bool,
}

async fn set_session(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection.execute(SESSION).await?;
    Ok(())
}

/// sqlx does not notice that a transaction was begun if the beginner was dropped while it waited for the answer.
async fn clean_session(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    connection.execute("ROLLBACK").await?;
    Ok(true)
}

/// A schema that is ahead belongs to a newer replica, which keeps it usable for this one.
fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("../migrations/postgres");
    migrator.set_ignore_missing(true);
    migrator
}

async fn in_time<T>(
    step: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreSetupError> {
    let unreachable =
        || StoreSetupError::Unreachable("the database did not answer in time".to_owned());
    let outcome = tokio::time::timeout(SETUP_TIMEOUT, step)
        .await
        .map_err(|_| unreachable())?;
    outcome.map_err(|error| explain(&error))
}

/// Names the server that an error is about.
fn at(server: &PgConnectOptions, error: StoreSetupError) -> StoreSetupError {
    let host = match server.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", server.get_host(), server.get_port()),
    };
    match error {
        StoreSetupError::Unreachable(why) => StoreSetupError::Unreachable(format!("{host}: {why}")),
        StoreSetupError::Unusable(why) => StoreSetupError::Unusable(format!("{host}: {why}")),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "sqlx::Error is non-exhaustive"
)]
fn explain(error: &sqlx::Error) -> StoreSetupError {
    match error {
        // What TLS refuses stays refused.
        sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            unusable(&format!("{UNTRUSTED}: {error}"))
        }
        sqlx::Error::Io(error) => {
            StoreSetupError::Unreachable(format!("the database cannot be reached: {error}"))
        }
        sqlx::Error::Tls(error) => unusable(&format!("{NO_TLS}: {error}")),
        sqlx::Error::Database(error) if error.code().is_some_and(|code| is_passing(&code)) => {
            StoreSetupError::Unreachable(format!("the database is not ready: {}", error.message()))
        }
        sqlx::Error::Database(error) => {
            unusable(&format!("the database refuses: {}", error.message()))
        }
        _ => unusable("the database cannot be used with these settings"),
    }
}

/// Connection failures, too many connections, shutting down or starting up.
fn is_passing(code: &str) -> bool {
    ["08", "53", "57P"]
        .iter()
        .any(|class| code.starts_with(class))
}

fn unusable(why: &str) -> StoreSetupError {
    StoreSetupError::Unusable(why.to_owned())
}

const UNTRUSTED: &str = "the database's certificate is not trusted; name the authority that signed it with \
                         sslrootcert=FILE in store.url, and the host as in the certificate";

const NO_TLS: &str = "there is no TLS with the database; switch it on there, or say sslmode=disable in store.url if \
                      nobody else can see the network";

const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

const SETUP_TIMEOUT: Duration = Duration::from_secs(10);

/// No connection is to a server that was demoted meanwhile, no commit is acknowledged before it is on the disk,
/// nothing waits for ever, no statement is compiled for longer than it runs, and the rollback that tidies up every
/// connection does not warn each time that there was nothing to tidy.
const SESSION: &str = "
    DO $$BEGIN IF pg_is_in_recovery() THEN RAISE 'a standby' USING ERRCODE = 'cannot_connect_now'; END IF; END$$;
    SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') IN ('off', 'local');
    SET statement_timeout = '10s';
    SET lock_timeout = '5s';
    SET jit = 'off';
    SET idle_in_transaction_session_timeout = '10s';
    SET client_min_messages = 'error'";

const UNLIMITED: &str = "SET statement_timeout = 0; SET lock_timeout = 0";

const EXAMINE: &str = "
    SELECT current_setting('server_version_num')::bigint AS version,
        pg_is_in_recovery() AS is_standby,
        current_setting('fsync') = 'on' AS fsync,
        current_setting('full_page_writes') = 'on' AS full_page_writes";

/// Transaction ids that this server has not given out yet came with a dump of another. They would stay at the
/// end of the stream of changes until this server reached them.
const FORGET_FOREIGN_TRANSACTIONS: &str = "
    UPDATE ring_history SET xid = 0 WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
    UPDATE revocations SET xid = 0 WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint";
