//! The mounts as this node knows them: a snapshot that every request reads and every change replaces.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::ids::MountId;
use crate::mount::{Mount, MountSettings};
use crate::name::MountPath;
use crate::store::{KeyStore, StoreError};
use crate::transit::MountError;

/// The table of enabled mounts.
#[derive(Debug)]
pub(crate) struct MountTable {
    store: Arc<dyn KeyStore>,
    mounts: ArcSwap<Vec<Mount>>,
    /// Held while the table is read, so that no older reading replaces a newer one.
    reading: tokio::sync::Mutex<()>,
}

impl MountTable {
    /// The table as the store has it.
    pub(crate) async fn read(store: Arc<dyn KeyStore>) -> Result<Self, StoreError> {
        let mounts = store.mounts().await?;
        Ok(Self {
            store,
            mounts: ArcSwap::from_pointee(mounts),
            reading: tokio::sync::Mutex::default(),
        })
    }

    pub(crate) fn all(&self) -> Arc<Vec<Mount>> {
        self.mounts.load_full()
    }

    pub(crate) fn find(&self, mount: MountId) -> Option<Mount> {
        self.mounts
            .load()
            .iter()
            .find(|known| known.id == mount)
            .cloned()
    }

    /// Reads the table again; answers the mounts that are gone.
    pub(crate) async fn refresh(&self) -> Result<HashSet<MountId>, StoreError> {
        let _turn = self.reading.lock().await;
        let mounts = self.store.mounts().await?;
        let current: HashSet<_> = mounts.iter().map(|mount| mount.id).collect();
        let before = self.mounts.swap(Arc::new(mounts));
        Ok(before
            .iter()
            .map(|mount| mount.id)
            .filter(|mount| !current.contains(mount))
            .collect())
    }

    /// Adds a mount; answers all mounts that are gone.
    pub(crate) async fn enable(
        &self,
        path: MountPath,
        settings: MountSettings,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<HashSet<MountId>, MountError> {
        let unavailable = |_| {
            MountError::Store(StoreError::Unavailable(
                "the random source failed".to_owned(),
            ))
        };
        let id = MountId::generate(entropy).map_err(unavailable)?;
        let mount = Mount {
            id,
            path,
            created_at: clock.now(),
            settings,
        };
        self.store.enable_mount(&mount).await?;
        Ok(self.refresh_after_change().await)
    }

    /// Edits a mount's settings: again if somebody else has changed them since they were read. Answers the settings as
    /// they are now, or why the edit refused, and all mounts that are gone.
    pub(crate) async fn tune<E>(
        &self,
        mount: MountId,
        edit: impl Fn(MountSettings) -> Result<MountSettings, E>,
    ) -> Result<(Result<MountSettings, E>, HashSet<MountId>), MountError> {
        let mut gone = HashSet::new();
        for _ in 0..ATTEMPTS {
            let before = self.find(mount).ok_or(MountError::NotFound)?.settings;
            let after = match edit(before.clone()) {
                Ok(after) => after,
                Err(refused) => return Ok((Err(refused), gone)),
            };
            match self.store.tune_mount(mount, &before, &after).await {
                Ok(()) => {
                    gone.extend(self.refresh_after_change().await);
                    return Ok((Ok(after), gone));
                }
                Err(StoreError::Conflict) => gone.extend(self.refresh().await?),
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// Whether there was one, and all mounts that are gone.
    pub(crate) async fn disable(
        &self,
        path: &MountPath,
        clock: &dyn Clock,
    ) -> Result<(bool, HashSet<MountId>), MountError> {
        let found = self.store.disable_mount(path, clock.now()).await?;
        Ok((found, self.refresh_after_change().await))
    }

    /// Shows this node's own change at once. The change has been made: if reading it back fails, the next poll
    /// does it.
    async fn refresh_after_change(&self) -> HashSet<MountId> {
        self.refresh().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "changed mounts could not be read back");
            HashSet::new()
        })
    }
}

impl From<StoreError> for MountError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Exists => Self::InUse,
            StoreError::NotFound => Self::NotFound,
            StoreError::Conflict
            | StoreError::Corrupt(_)
            | StoreError::OutcomeUnknown
            | StoreError::Unavailable(_) => Self::Store(error),
        }
    }
}

/// How often settings are edited again after losing to another change.
const ATTEMPTS: usize = 64;

/// How long the rings of a disabled mount are kept for an operator to bring back.
pub(crate) const DISABLED_MOUNT_KEPT: Duration = Duration::from_hours(30 * 24);
