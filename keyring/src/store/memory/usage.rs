//! Usage in memory.

use async_trait::async_trait;

use super::MemoryStore;
use crate::ids::RingId;
use crate::store::{StoreError, UsageStore};
use crate::version::Version;

#[async_trait]
impl UsageStore for MemoryStore {
    async fn lease_usage(
        &self,
        ring: RingId,
        version: Version,
        uses: u64,
    ) -> Result<u64, StoreError> {
        let mut state = self.state();
        let entry = state
            .by_id_mut(ring)
            .filter(|entry| entry.versions.contains_key(&version));
        let booked = entry
            .ok_or(StoreError::NotFound)?
            .usage
            .entry(version)
            .or_default();
        *booked = booked.saturating_add(uses);
        Ok(*booked)
    }

    async fn return_usage(
        &self,
        ring: RingId,
        version: Version,
        uses: u64,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        let booked = state
            .by_id_mut(ring)
            .and_then(|entry| entry.usage.get_mut(&version));
        if let Some(booked) = booked {
            *booked = booked.saturating_sub(uses);
        }
        Ok(())
    }

    async fn usage(&self, ring: RingId, from: Version) -> Result<Vec<(Version, u64)>, StoreError> {
        let state = self.state();
        let booked = state
            .by_id(ring)
            .into_iter()
            .flat_map(|entry| entry.usage.range(from..));
        Ok(booked
            .map(|(version, uses)| (*version, *uses))
            .filter(|(_, uses)| *uses > 0)
            .collect())
    }
}
