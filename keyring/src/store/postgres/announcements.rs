//! Listens for what other replicas announce.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

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
    listener.listen("sealring_changes").await?;
    // Something may have been announced while nobody listened.
    heard.notify_one();
    while listener.try_recv().await?.is_some() {
        heard.notify_one();
    }
    Ok(())
}

/// Between two connections, so that a server that is away costs next to nothing.
const PAUSE: Duration = Duration::from_secs(1);
