//! The store in memory: the reference for the contract suite.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::overlap::overlap;
use super::{
    ChangeFeed, ChangedRing, Changes, Cursor, DueRing, HeaderStore, LoadedRing, MountStore,
    RingChange, RingStore, StoreError, StoreHeader, StoredRootToken, StoredSecret, UsageStore,
    VersionSummary, With,
};
use crate::clock::Timestamp;
use crate::history::{HistoryEvent, RecordedEvent};
use crate::ids::{MountId, RingId};
use crate::mount::{Mount, MountSettings};
use crate::name::{KeyName, MountPath};
use crate::ring::{StoredRing, StoredVersion};
use crate::version::{Generation, Version};

/// A store that forgets everything when it is dropped.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The state. No method leaves it half changed, so a panic elsewhere does not make it worse.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    header: Option<StoreHeader>,
    secrets: Vec<StoredSecret>,
    root_tokens: Vec<StoredRootToken>,
    mounts: Vec<MountEntry>,
    mounts_epoch: u64,
    rings: HashMap<MountId, BTreeMap<KeyName, RingEntry>>,
    /// The event at index i has sequence i + 1.
    history: Vec<HistoryEvent>,
}

struct MountEntry {
    mount: Mount,
    disabled_at: Option<Timestamp>,
}

impl MountEntry {
    fn is_enabled(&self) -> bool {
        self.disabled_at.is_none()
    }
}

struct RingEntry {
    ring: StoredRing,
    versions: BTreeMap<Version, StoredVersion>,
    usage: BTreeMap<Version, u64>,
}

impl State {
    fn is_enabled(&self, mount: MountId) -> bool {
        self.mounts
            .iter()
            .any(|entry| entry.mount.id == mount && entry.is_enabled())
    }

    fn is_taken(&self, path: &MountPath) -> bool {
        let enabled = self.mounts.iter().filter(|entry| entry.is_enabled());
        enabled
            .map(|entry| entry.mount.path.as_str())
            .any(|taken| overlap(taken, path.as_str()))
    }

    fn add_mount(&mut self, mount: &Mount) -> Result<(), StoreError> {
        if self.is_taken(&mount.path) || self.mounts.iter().any(|entry| entry.mount.id == mount.id)
        {
            return Err(StoreError::Exists);
        }
        self.mounts.push(MountEntry {
            mount: mount.clone(),
            disabled_at: None,
        });
        self.mounts_epoch += 1;
        Ok(())
    }

    fn entries(&self) -> impl Iterator<Item = &RingEntry> {
        self.rings.values().flat_map(BTreeMap::values)
    }

    fn by_id(&self, ring: RingId) -> Option<&RingEntry> {
        self.entries().find(|entry| entry.ring.id == ring)
    }

    fn by_id_mut(&mut self, ring: RingId) -> Option<&mut RingEntry> {
        self.rings
            .values_mut()
            .flat_map(BTreeMap::values_mut)
            .find(|entry| entry.ring.id == ring)
    }

    /// Events from this index on, with their sequences.
    fn recorded(&self) -> impl Iterator<Item = (u64, &HistoryEvent)> {
        (1..).zip(&self.history)
    }
}

#[async_trait]
impl RingStore for MemoryStore {
    async fn create_ring(
        &self,
        ring: &StoredRing,
        first: &StoredVersion,
        event: &HistoryEvent,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        if !state.is_enabled(ring.mount) {
            return Err(StoreError::NotFound);
        }
        if state.by_id(ring.id).is_some() {
            return Err(StoreError::Exists);
        }
        let rings = state.rings.entry(ring.mount).or_default();
        if rings.contains_key(&ring.name) {
            return Err(StoreError::Exists);
        }
        let versions = BTreeMap::from([(first.version, first.clone())]);
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
        if is_stale || is_double {
            return Err(StoreError::Conflict);
        }
        entry.ring = change.ring.clone();
        entry.versions.extend(
            change
                .added
                .iter()
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
            })
            .collect())
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

    async fn due_for_rotation(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueRing>, StoreError> {
        let state = self.state();
        let enabled = state
            .entries()
            .filter(|entry| state.is_enabled(entry.ring.mount));
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
                generation: ring.generation,
                due_at,
            })
            .collect())
    }
}

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

    async fn tune_mount(&self, mount: MountId, settings: &MountSettings) -> Result<(), StoreError> {
        let mut state = self.state();
        let enabled = state
            .mounts
            .iter_mut()
            .find(|entry| entry.mount.id == mount && entry.is_enabled());
        enabled.ok_or(StoreError::NotFound)?.mount.settings = settings.clone();
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

#[async_trait]
impl ChangeFeed for MemoryStore {
    async fn end(&self) -> Result<Cursor, StoreError> {
        Ok(end_of(&self.state()))
    }

    async fn changes_since(&self, cursor: Cursor) -> Result<Changes, StoreError> {
        let state = self.state();
        let events = state
            .recorded()
            .filter(|(sequence, _)| *sequence >= cursor.0);
        let rings = events.map(|(_, event)| ChangedRing {
            mount: event.mount,
            name: event.name.clone(),
            ring: event.ring,
            generation: event.generation,
        });
        Ok(Changes {
            rings: rings.collect(),
            mounts_epoch: state.mounts_epoch,
            next: end_of(&state),
        })
    }

    async fn hint(&self) {
        std::future::pending::<()>().await;
    }
}

#[async_trait]
impl HeaderStore for MemoryStore {
    async fn header(&self) -> Result<Option<StoreHeader>, StoreError> {
        Ok(self.state().header.clone())
    }

    async fn initialise(
        &self,
        header: &StoreHeader,
        secrets: &[StoredSecret],
        mount: &Mount,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.header.is_some() {
            return Err(StoreError::Exists);
        }
        state.add_mount(mount)?;
        state.header = Some(header.clone());
        state.secrets = secrets.to_vec();
        state.secrets.sort_by_key(|secret| secret.purpose);
        Ok(())
    }

    async fn secrets(&self) -> Result<Vec<StoredSecret>, StoreError> {
        Ok(self.state().secrets.clone())
    }

    async fn root_tokens(&self) -> Result<Vec<StoredRootToken>, StoreError> {
        Ok(self.state().root_tokens.clone())
    }

    async fn replace_root_tokens(&self, token: &StoredRootToken) -> Result<(), StoreError> {
        self.state().root_tokens = vec![token.clone()];
        Ok(())
    }
}

fn end_of(state: &State) -> Cursor {
    Cursor(wide(state.history.len()).saturating_add(1))
}

fn count(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
