//! Rings, their versions and their history, in memory.

use std::collections::BTreeMap;
use std::ops::Bound;

use async_trait::async_trait;

use super::{MemoryStore, RingEntry, count};
use crate::clock::Timestamp;
use crate::history::{HistoryEvent, RecordedEvent};
use crate::ids::{MountId, RingId};
use crate::key_search::searched;
use crate::name::KeyName;
use crate::ring::StoredVersion;
use crate::store::{
    DueKind, DueRing, LoadedRing, RingChange, RingCreation, RingStore, StoreError, VersionSummary,
    With,
};
use crate::version::{Generation, Version};

#[async_trait]
impl RingStore for MemoryStore {
    async fn create_ring(&self, new: &RingCreation) -> Result<(), StoreError> {
        let RingCreation {
            ring,
            versions,
            event,
            replaces,
        } = new;
        let mut state = self.state();
        if !state.is_enabled(ring.mount) {
            return Err(StoreError::NotFound);
        }
        if state.by_id(ring.id).is_some() {
            return Err(StoreError::Exists);
        }
        let rings = state.rings.entry(ring.mount).or_default();
        let there = rings.get(&ring.name).map(|entry| &entry.ring);
        match (there.map(|ring| (ring.id, ring.generation)), replaces) {
            (None, None) => {}
            (Some(_), None) => return Err(StoreError::Exists),
            (there, replaces) if there == *replaces => {}
            (_, Some(_)) => return Err(StoreError::Conflict),
        }
        let versions = versions
            .iter()
            .map(|version| (version.version, version.clone()))
            .collect();
        rings.insert(
            ring.name.clone(),
            RingEntry {
                ring: ring.clone(),
                versions,
                usage: BTreeMap::new(),
            },
        );
        state.history.push(event.clone());
        Ok(())
    }

    async fn load_ring(
        &self,
        mount: MountId,
        name: &KeyName,
        with: With,
    ) -> Result<Option<LoadedRing>, StoreError> {
        let state = self.state();
        let entry = state.rings.get(&mount).and_then(|rings| rings.get(name));
        Ok(entry.map(|entry| {
            let version = match with {
                With::Latest => entry.ring.latest,
                With::Version(version) => version,
            };
            LoadedRing {
                ring: entry.ring.clone(),
                version: entry.versions.get(&version).cloned(),
            }
        }))
    }

    async fn change_ring(&self, change: &RingChange) -> Result<(), StoreError> {
        let mut state = self.state();
        let rings = state
            .rings
            .get_mut(&change.ring.mount)
            .ok_or(StoreError::Conflict)?;
        let entry = rings
            .get_mut(&change.ring.name)
            .ok_or(StoreError::Conflict)?;
        let is_stale = entry.ring.id != change.ring.id || entry.ring.generation != change.read_at;
        let is_double = change
            .added
            .as_ref()
            .is_some_and(|added| entry.versions.contains_key(&added.version));
        let is_missing = change
            .replaced
            .as_ref()
            .is_some_and(|replaced| !entry.versions.contains_key(&replaced.version));
        if is_stale || is_double || is_missing {
            return Err(StoreError::Conflict);
        }
        entry.ring = change.ring.clone();
        entry.versions.extend(
            change
                .added
                .iter()
                .chain(&change.replaced)
                .map(|added| (added.version, added.clone())),
        );
        if let Some(oldest) = change.trimmed_below {
            entry.versions.retain(|version, _| *version >= oldest);
            entry.usage.retain(|version, _| *version >= oldest);
        }
        state.history.push(change.event.clone());
        Ok(())
    }

    async fn delete_ring(
        &self,
        ring: RingId,
        read_at: Generation,
        event: &HistoryEvent,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        let entry = state
            .by_id(ring)
            .filter(|entry| entry.ring.generation == read_at);
        let (mount, name) = entry
            .map(|entry| (entry.ring.mount, entry.ring.name.clone()))
            .ok_or(StoreError::Conflict)?;
        state.rings.entry(mount).or_default().remove(&name);
        state.history.push(event.clone());
        Ok(())
    }

    async fn list_rings(
        &self,
        mount: MountId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<KeyName>, StoreError> {
        let state = self.state();
        let Some(rings) = state.rings.get(&mount) else {
            return Ok(Vec::new());
        };
        let first = after.map_or(Bound::Unbounded, Bound::Excluded);
        let names = rings
            .range::<str, _>((first, Bound::Unbounded))
            .filter(|(name, _)| !name.is_reserved())
            .map(|(name, _)| name.clone());
        Ok(names.take(count(limit)).collect())
    }

    async fn versions(
        &self,
        ring: RingId,
        from: Version,
    ) -> Result<Vec<VersionSummary>, StoreError> {
        let state = self.state();
        let versions = state
            .by_id(ring)
            .into_iter()
            .flat_map(|entry| entry.versions.range(from..));
        Ok(versions
            .map(|(version, row)| VersionSummary {
                version: *version,
                created_at: row.created_at,
                public_key: row.public_key.clone(),
                certificate_chain: row.certificate_chain.clone(),
            })
            .collect())
    }

    async fn version_rows(
        &self,
        ring: RingId,
        from: Version,
    ) -> Result<Vec<StoredVersion>, StoreError> {
        let state = self.state();
        let versions = state
            .by_id(ring)
            .into_iter()
            .flat_map(|entry| entry.versions.range(from..));
        Ok(versions.map(|(_, row)| row.clone()).collect())
    }

    async fn history(
        &self,
        mount: MountId,
        name: &KeyName,
        after: u64,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let state = self.state();
        let events = state.recorded().filter(|(sequence, event)| {
            *sequence > after && event.mount == mount && event.name == *name
        });
        let recorded = events.map(|(sequence, event)| RecordedEvent {
            sequence,
            event: event.clone(),
        });
        Ok(recorded.take(count(limit)).collect())
    }

    async fn events_of_request(&self, request_id: &str) -> Result<Vec<RecordedEvent>, StoreError> {
        let state = self.state();
        let events = state
            .recorded()
            .filter(|(_, event)| event.by.request_id.as_deref() == Some(request_id));
        let recorded = events.map(|(sequence, event)| RecordedEvent {
            sequence,
            event: event.clone(),
        });
        Ok(recorded.collect())
    }

    async fn due_for_rotation(
        &self,
        kind: DueKind,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueRing>, StoreError> {
        let state = self.state();
        let enabled = state
            .entries()
            .filter(|entry| state.is_enabled(entry.ring.mount))
            .filter(|entry| searched(entry.ring.key_type).is_some() == (kind == DueKind::Searched));
        let mut due: Vec<_> = enabled
            .filter_map(|entry| {
                Some((
                    entry.ring.due_at.filter(|due_at| *due_at <= now)?,
                    &entry.ring,
                ))
            })
            .collect();
        due.sort_by_key(|(due_at, ring)| (*due_at, ring.id));
        due.truncate(count(limit));
        Ok(due
            .into_iter()
            .map(|(due_at, ring)| DueRing {
                mount: ring.mount,
                name: ring.name.clone(),
                key_type: ring.key_type,
                generation: ring.generation,
                due_at,
            })
            .collect())
    }
}
