//! Entries in memory.

use async_trait::async_trait;

use super::credentials::Family;
use super::{MemoryStore, count};
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::identity::{EntryPlace, EntryStore, StoredEntry};
use crate::version::Generation;

#[async_trait]
impl EntryStore for MemoryStore {
    async fn entry(&self, place: &EntryPlace) -> Result<Option<StoredEntry>, StoreError> {
        Ok(self.state().identity.entries.get(place).cloned())
    }

    async fn entries(
        &self,
        kind: &str,
        scope: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        let state = self.state();
        let entries = state.identity.entries.values().filter(|entry| {
            let EntryPlace {
                kind: own,
                scope: its,
                name,
            } = &entry.place;
            own == kind && its == scope && after.is_none_or(|after| name.as_str() > after)
        });
        Ok(entries.take(count(limit)).cloned().collect())
    }

    async fn put_entry(
        &self,
        entry: &StoredEntry,
        read_at: Option<Generation>,
    ) -> Result<(), StoreError> {
        let identity = &mut self.state().identity;
        let there = identity.entries.get(&entry.place);
        match (there.map(|there| there.generation), read_at) {
            (None, None) => {}
            (Some(_), None) => return Err(StoreError::Exists),
            (there, read_at) if there == read_at => {}
            (_, Some(_)) => return Err(StoreError::Conflict),
        }
        identity.entries.insert(entry.place.clone(), entry.clone());
        identity.epoch += 1;
        Ok(())
    }

    async fn delete_entry(&self, place: &EntryPlace) -> Result<bool, StoreError> {
        let identity = &mut self.state().identity;
        identity.epoch += 1;
        Ok(identity.entries.remove(place).is_some())
    }

    async fn retire_scope(&self, scope: &str, at: Timestamp) -> Result<(), StoreError> {
        if scope.is_empty() {
            return Ok(());
        }
        let identity = &mut self.state().identity;
        identity.epoch += 1;
        identity.entries.retain(|place, _| place.scope != scope);
        identity.end_families(Family::Scope(scope), at);
        Ok(())
    }
}
