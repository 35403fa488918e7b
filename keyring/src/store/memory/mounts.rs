//! Mounts in memory.

use async_trait::async_trait;

use super::{MemoryStore, wide};
use crate::clock::Timestamp;
use crate::ids::MountId;
use crate::mount::{Mount, MountSettings};
use crate::name::MountPath;
use crate::store::{MountStore, StoreError};

#[async_trait]
impl MountStore for MemoryStore {
    async fn mounts(&self) -> Result<Vec<Mount>, StoreError> {
        let state = self.state();
        let enabled = state.mounts.iter().filter(|entry| entry.is_enabled());
        let mut mounts: Vec<_> = enabled.map(|entry| entry.mount.clone()).collect();
        mounts.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(mounts)
    }

    async fn enable_mount(&self, mount: &Mount) -> Result<(), StoreError> {
        self.state().add_mount(mount)
    }

    async fn tune_mount(
        &self,
        mount: MountId,
        before: &MountSettings,
        after: &MountSettings,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        let enabled = state
            .mounts
            .iter_mut()
            .find(|entry| entry.mount.id == mount && entry.is_enabled());
        let settings = &mut enabled.ok_or(StoreError::NotFound)?.mount.settings;
        if settings != before {
            return Err(StoreError::Conflict);
        }
        *settings = after.clone();
        state.mounts_epoch += 1;
        Ok(())
    }

    async fn disable_mount(&self, path: &MountPath, at: Timestamp) -> Result<bool, StoreError> {
        let mut state = self.state();
        let enabled = state
            .mounts
            .iter_mut()
            .find(|entry| entry.mount.path == *path && entry.is_enabled());
        let Some(entry) = enabled else {
            return Ok(false);
        };
        entry.disabled_at = Some(at);
        state.mounts_epoch += 1;
        Ok(true)
    }

    async fn restore_mount(&self, path: &MountPath) -> Result<(), StoreError> {
        let mut state = self.state();
        let is_taken = state.is_taken(path);
        let disabled = state
            .mounts
            .iter_mut()
            .filter(|entry| entry.mount.path == *path && !entry.is_enabled());
        let entry = disabled
            .max_by_key(|entry| (entry.disabled_at, entry.mount.id))
            .ok_or(StoreError::NotFound)?;
        if is_taken {
            return Err(StoreError::Exists);
        }
        entry.disabled_at = None;
        state.mounts_epoch += 1;
        Ok(())
    }

    async fn purge_mounts(&self, disabled_before: Timestamp) -> Result<u64, StoreError> {
        let state = &mut *self.state();
        let before = state.mounts.len();
        let rings = &mut state.rings;
        state.mounts.retain(|entry| {
            let is_purged = entry.disabled_at.is_some_and(|at| at < disabled_before);
            if is_purged {
                rings.remove(&entry.mount.id);
            }
            !is_purged
        });
        state.mounts_epoch += 1;
        Ok(wide(before - state.mounts.len()))
    }
}
