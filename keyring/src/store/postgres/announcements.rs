//! Listens for what other replicas announce.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::Executor as _;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Announcements of other replicas, and of this one.
pub(super) struct Announcements {
    server: PgConnectOptions,
    heard: Arc<Notify>,
    listening: OnceLock<JoinHandle<()>>,
}

impl Announcements {
    pub(super) fn new(server: PgConnectOptions) -> Self {
        Self {
            server,
            heard: Arc::default(),
            listening: OnceLock::new(),
        }
    }

    /// Waits for the next announcement; several in between count as one. The first call begins to listen, in a
    /// task of its own, so that a caller who stops waiting does not interrupt the connection halfway.
    pub(super) async fn next(&self) {
        self.listening
            .get_or_init(|| tokio::spawn(listen(self.server.clone(), Arc::clone(&self.heard))));
        self.heard.notified().await;
    }

    pub(super) fn stop(&self) {
        if let Some(task) = self.listening.get() {
            task.abort();
        }
    }
}

impl Drop for Announcements {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn listen(server: PgConnectOptions, heard: Arc<Notify>) {
    // A connection of its own: it is taken for good and must not be missing in the pool.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ANSWERED)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(server);
    loop {
        if let Err(error) = forward(&pool, &heard).await {
            tracing::debug!(%error, "the change listener starts again");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Passes announcements on until the connection is lost.
async fn forward(pool: &sqlx::PgPool, heard: &Notify) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    in_time(listener.listen("sealring_changes")).await?;
    // Something may have been announced while nobody listened.
    heard.notify_one();
    loop {
        match timeout(QUIET, listener.try_recv()).await {
            Ok(announced) => {
                if announced?.is_none() {
                    return Ok(());
                }
                heard.notify_one();
            }
            // Either nobody announces anything, or the connection is dead and nobody has said so.
            Err(_) => {
                in_time(listener.execute("SELECT 1")).await?;
            }
        }
    }
}

async fn in_time<T>(step: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let late = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
    timeout(ANSWERED, step).await.map_err(late)?
}

/// After so long without an announcement the server is asked for a sign of life.
const QUIET: Duration = Duration::from_secs(30);

/// The longest a step of the listener may take.
const ANSWERED: Duration = Duration::from_secs(5);

/// Between two connections, so that a server that is away costs next to nothing.
const PAUSE: Duration = Duration::from_secs(1);
