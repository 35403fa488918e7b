//! Opened rings by address. Bounded by entries and bytes; each address has one slot, in which one load at a
//! time runs for all who wait, and a slot never takes what was read before it was told of a change.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use moka::notification::RemovalCause;
use moka::ops::compute::{CompResult, Op};
use moka::sync::Cache;

use crate::ids::{MountId, RingId};
use crate::load::{LoadFailure, Want};
use crate::opened::{OpenRing, OpenVersion};
use crate::transit::Address;
use crate::version::Generation;

/// The cache.
#[derive(Debug)]
pub struct RingCache {
    slots: Cache<Address, Arc<Slot>>,
}

/// How large the cache may get.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// At most this many rings.
    pub rings: u64,
    /// At most this many bytes, as estimated by [`Slot::weight`].
    pub bytes: u64,
    /// A ring nobody used for this long leaves.
    pub idle: Duration,
}

impl RingCache {
    /// An empty cache.
    pub fn new(bounds: Bounds) -> Self {
        // One bound serves both: no ring weighs less than its share of the bytes if it were one of `rings`.
        let floor = u32::try_from(bounds.bytes / bounds.rings.max(1)).unwrap_or(u32::MAX);
        let slots = Cache::builder()
            .max_capacity(bounds.bytes)
            .weigher(move |_: &Address, slot: &Arc<Slot>| slot.weight().max(floor))
            .time_to_idle(bounds.idle)
            // The cache itself frees what it let go of only some time later: too late for keys.
            .eviction_listener(|_, slot: Arc<Slot>, cause| {
                if cause != RemovalCause::Replaced {
                    slot.empty();
                }
            })
            .build();
        Self { slots }
    }

    /// The address's slot, if it is cached.
    pub fn find(&self, at: &Address) -> Option<Arc<Slot>> {
        self.slots.get(at)
    }

    /// The address's slot, new and empty if it was not cached.
    pub fn slot(&self, at: &Address) -> Arc<Slot> {
        self.slots.get_with_by_ref(at, || Arc::new(Slot::default()))
    }

    /// Weighs the slot anew after something was opened in it. `false` if the slot has left the cache: it was not
    /// told of what changed since then, so it must not come back.
    pub fn reweigh(&self, at: &Address, slot: &Arc<Slot>) -> bool {
        let weighed = self
            .slots
            .entry_by_ref(at)
            .and_compute_with(|entry| match entry {
                Some(entry) if Arc::ptr_eq(entry.value(), slot) => Op::Put(Arc::clone(slot)),
                Some(_) | None => Op::Nop,
            });
        matches!(weighed, CompResult::ReplacedWith(_))
    }

    /// Lets go of the address.
    pub fn remove(&self, at: &Address) {
        self.slots.invalidate(at);
    }

    /// Lets go of every ring on these mounts.
    pub fn remove_mounts(&self, mounts: &HashSet<MountId>) {
        if mounts.is_empty() {
            return;
        }
        for (at, _) in self
            .slots
            .iter()
            .filter(|(at, _)| mounts.contains(&at.mount))
        {
            self.slots.invalidate(at.as_ref());
        }
    }

    /// Marks everything as stale, and answers what that is: the store is no longer the one it was read from.
    pub fn note_replaced(&self) -> HashSet<Address> {
        let marked = self.slots.iter().map(|(at, slot)| {
            slot.note_replaced();
            at.as_ref().clone()
        });
        marked.collect()
    }

    /// Lets go of everything.
    pub fn clear(&self) {
        for (_, slot) in &self.slots {
            slot.empty();
        }
        self.slots.invalidate_all();
        self.tidy();
    }

    /// Really drops what was let go; moka does so only when asked.
    pub fn tidy(&self) {
        self.slots.run_pending_tasks();
    }

    /// How many rings there are, and their bytes as estimated.
    pub fn size(&self) -> (u64, u64) {
        (self.slots.entry_count(), self.slots.weighted_size())
    }
}

/// The place of one address.
#[derive(Debug, Default)]
pub struct Slot {
    current: ArcSwapOption<OpenRing>,
    stale: AtomicBool,
    changes: Mutex<Changes>,
    /// Held by the one load that runs.
    pub loading: tokio::sync::Mutex<LoadState>,
    /// Held by the one change this process makes to the ring at a time; other processes meet in the store.
    pub changing: tokio::sync::Mutex<()>,
    read_began_micros: AtomicU64,
    loads: AtomicU64,
}

/// What the slot was told of changes.
#[derive(Debug, Default)]
struct Changes {
    /// Grows with every change the slot was told of.
    count: u64,
    /// The last one, known before or not.
    told: Option<(RingId, Generation)>,
}

/// What came of the last load, for those who waited while it ran.
#[derive(Debug, Default)]
pub struct LoadState {
    /// What it was to bring and why it failed, if it did.
    pub failure: Option<(Want, LoadFailure)>,
}

impl Slot {
    /// The ring, unless a change has made it stale.
    pub fn current(&self) -> Option<Arc<OpenRing>> {
        if self.stale.load(Ordering::Acquire) {
            None
        } else {
            self.current.load_full()
        }
    }

    /// The ring, stale or not; its older versions may serve a newer snapshot.
    pub fn last_known(&self) -> Option<Arc<OpenRing>> {
        self.current.load_full()
    }

    /// Whether a ring is held that a change has made stale.
    pub fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Acquire) && self.current.load().is_some()
    }

    /// A mark of the changes so far, to be taken before a read and given to [`offer`](Self::offer) after it.
    pub fn mark(&self) -> u64 {
        self.changes().count
    }

    /// Takes a ring that was read after `mark` was taken. `false` if a change came in between: read again.
    pub fn offer(&self, ring: &Arc<OpenRing>, mark: u64) -> bool {
        let changes = self.changes();
        if changes.count != mark {
            return false;
        }
        self.put(ring);
        true
    }

    /// Takes a ring that this process has just changed itself; loads that read before lose. If somebody else's
    /// change has overtaken this one, the slot keeps what it has or is stale.
    pub fn publish(&self, ring: &Arc<OpenRing>) {
        let mut changes = self.changes();
        changes.count += 1;
        let known = self.current.load_full();
        if known
            .as_ref()
            .is_some_and(|known| known.is_later_than(ring))
        {
            return;
        }
        let heard_of_other = changes
            .told
            .is_some_and(|(id, generation)| id != ring.id || generation > ring.generation);
        if heard_of_other || known.is_some_and(|known| known.id != ring.id) {
            self.stale.store(true, Ordering::Release);
        } else {
            self.put(ring);
        }
    }

    /// Marks what is held as stale unless it has this ring at this generation or a later one.
    pub fn note_change(&self, ring: RingId, generation: Generation) {
        let mut changes = self.changes();
        changes.told = Some((ring, generation));
        let known = self.current.load();
        if known
            .as_ref()
            .is_some_and(|known| known.id == ring && known.generation >= generation)
        {
            return;
        }
        changes.count += 1;
        self.stale.store(true, Ordering::Release);
    }

    /// Marks what is held as stale, whatever it is.
    fn note_replaced(&self) {
        let mut changes = self.changes();
        changes.count += 1;
        self.stale.store(true, Ordering::Release);
    }

    /// Holds nothing any more.
    pub fn empty(&self) {
        let mut changes = self.changes();
        changes.count += 1;
        self.current.store(None);
        self.stale.store(false, Ordering::Release);
    }

    /// When the last successful read of the ring's row began, as uptime.
    pub fn read_began(&self) -> Duration {
        Duration::from_micros(self.read_began_micros.load(Ordering::Acquire))
    }

    /// Notes when a successful read of the ring's row began.
    pub fn note_read(&self, began: Duration) {
        let micros = u64::try_from(began.as_micros()).unwrap_or(u64::MAX);
        self.read_began_micros.fetch_max(micros, Ordering::AcqRel);
    }

    /// How many loads have ended.
    pub fn loads(&self) -> u64 {
        self.loads.load(Ordering::Acquire)
    }

    /// Notes that a load has ended.
    pub fn note_load(&self) {
        self.loads.fetch_add(1, Ordering::AcqRel);
    }

    /// What the slot and its opened keys take in memory, roughly.
    pub fn weight(&self) -> u32 {
        let versions = self
            .current
            .load()
            .as_ref()
            .map_or(0, |ring| ring.opened_count());
        u32::try_from(SLOT_BYTES.saturating_add(versions.saturating_mul(VERSION_BYTES)))
            .unwrap_or(u32::MAX)
    }

    fn put(&self, ring: &Arc<OpenRing>) {
        self.current.store(Some(Arc::clone(ring)));
        self.stale.store(false, Ordering::Release);
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        // A counter cannot be left half changed.
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const SLOT_BYTES: usize = 768;
/// With the cipher's key schedule and the map that holds it.
const VERSION_BYTES: usize = size_of::<OpenVersion>() + 800;
