//! The store in memory: the reference for the contract suite.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::audit::AuditHead;
use super::overlap::overlap;
use super::{StoreError, StoreHeader, StoredRootToken, StoredSecret};
use crate::clock::Timestamp;
use crate::history::HistoryEvent;
use crate::ids::{MountId, RingId};
use crate::mount::Mount;
use crate::name::{KeyName, MountPath};
use crate::ring::{StoredRing, StoredVersion};
use crate::version::Version;
use credentials::Identity;

mod audit;
mod credentials;
mod entries;
mod feed;
mod header;
mod mounts;
mod rings;
mod usage;

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
    identity: Identity,
    audit_heads: Vec<AuditHead>,
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

    /// All events with their sequences.
    fn recorded(&self) -> impl Iterator<Item = (u64, &HistoryEvent)> {
        (1..).zip(&self.history)
    }
}

fn count(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
