//! Clears away what is over: mounts disabled long ago, credentials that expired or ended, and those that depend on
//! them. Every node does; the store makes it once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::Clock;
use crate::mounts::DISABLED_MOUNT_KEPT;
use crate::store::KeyStore;

/// Clears away what is over.
#[derive(Debug)]
pub(crate) struct Caretaker {
    pub(crate) store: Arc<dyn KeyStore>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Caretaker {
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut expiries = interval(EXPIRY_INTERVAL);
        expiries.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut credentials = interval(CREDENTIAL_INTERVAL);
        credentials.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut mounts = interval(MOUNT_INTERVAL);
        loop {
            tokio::select! {
                _ = stop.changed() => return,
                _ = expiries.tick() => self.expire_families().await,
                _ = credentials.tick() => self.purge_credentials().await,
                _ = mounts.tick() => self.purge_mounts().await,
            }
        }
    }

    async fn expire_families(&self) {
        match self.store.expire_families(self.clock.now()).await {
            Ok(0) => {}
            Ok(credentials) => tracing::debug!(credentials, "ended with the token they depend on"),
            Err(error) => {
                tracing::debug!(%error, "descendants of expired tokens could not be revoked");
            }
        }
    }

    async fn purge_credentials(&self) {
        let before = self.clock.now().minus(ENDED_KEPT);
        match self.store.purge_credentials(before).await {
            Ok(0) => {}
            Ok(credentials) => tracing::debug!(credentials, "purged credentials that were over"),
            Err(error) => tracing::debug!(%error, "credentials could not be purged"),
        }
    }

    async fn purge_mounts(&self) {
        let before = self.clock.now().minus(DISABLED_MOUNT_KEPT);
        match self.store.purge_mounts(before).await {
            Ok(0) => {}
            Ok(mounts) => tracing::info!(mounts, "purged mounts disabled more than 30 days ago"),
            Err(error) => tracing::debug!(%error, "disabled mounts could not be purged"),
        }
    }
}

/// How long credentials stay in the store after they expired or ended: long enough for every node to be told.
pub(super) const ENDED_KEPT: Duration = Duration::from_hours(1);

const EXPIRY_INTERVAL: Duration = Duration::from_secs(1);
const CREDENTIAL_INTERVAL: Duration = Duration::from_mins(1);
const MOUNT_INTERVAL: Duration = Duration::from_hours(1);
