//! What the engine does by itself: follows the store's changes, rotates rings that are due or worn, and purges
//! mounts that were disabled long ago.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::history::{Cause, Provenance};
use crate::lifecycle::{Lifecycle, RotateIf};
use crate::load::{Loader, Want};
use crate::mounts::{DISABLED_MOUNT_KEPT, MountTable};
use crate::observer::Outcome;
use crate::store::{Changes, Cursor, StoreError};
use crate::transit::Address;
use crate::usage::WornVersion;

/// Follows the store's changes.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) loader: Arc<Loader>,
    pub(crate) mounts: Arc<MountTable>,
    pub(crate) cursor: Cursor,
    pub(crate) mounts_epoch: u64,
    pub(crate) interval: Duration,
}

impl Follower {
    /// Polls until told to stop: at every interval, and whenever the store hints at a change.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut ticks = interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let store = Arc::clone(&self.loader.store);
        loop {
            tokio::select! {
                _ = stop.changed() => return,
                _ = ticks.tick() => {}
                // Changes come in bursts; one poll sees them all.
                () = store.hint() => tokio::time::sleep(BURST).await,
            }
            self.poll().await;
            self.loader.cache.tidy();
            let (rings, bytes) = self.loader.cache.size();
            self.loader.observer.cache_size(rings, bytes);
        }
    }

    async fn poll(&mut self) {
        let began = self.loader.clock.uptime();
        let answer = timeout(POLL_DEADLINE, self.loader.store.changes_since(self.cursor)).await;
        let late = |_| Err(StoreError::Unavailable("no answer in time".to_owned()));
        let noted = match answer.unwrap_or_else(late) {
            Ok(changes) => self.note(changes).await,
            Err(error) => Err(error),
        };
        match noted {
            Ok(stale) => {
                if self.loader.freshness.store_is_away() {
                    tracing::info!("the store is back");
                }
                self.loader.freshness.confirm(began);
                self.loader.observer.store_polled(Outcome::Done);
                // Only now: while the store counts as away nothing is loaded.
                self.reload(stale);
                self.loader
                    .ledger
                    .book_debts_in_background(&self.loader.runtime);
            }
            Err(error) => {
                if !self.loader.freshness.store_is_away() {
                    tracing::warn!(%error, "the store is away");
                }
                self.loader.freshness.miss();
                self.loader.observer.store_polled(Outcome::Failed);
            }
        }
    }

    /// Tells the cache what changed; answers which rings in use are stale now.
    async fn note(&mut self, changes: Changes) -> Result<HashSet<Address>, StoreError> {
        let mut stale = HashSet::new();
        if changes.next.is_behind(self.cursor) {
            // Only another database counts from elsewhere: an older copy was put in this one's place.
            tracing::error!("the store has gone back in time; everything cached is read again");
            stale = self.loader.cache.note_replaced();
        }
        for changed in changes.rings {
            let at = Address {
                mount: changed.mount,
                name: changed.name,
            };
            if let Some(slot) = self.loader.cache.find(&at) {
                slot.note_change(changed.ring, changed.generation);
                if slot.is_stale() {
                    stale.insert(at);
                }
            }
        }
        if changes.mounts_epoch != self.mounts_epoch {
            let gone = self.mounts.refresh().await?;
            self.loader.cache.remove_mounts(&gone);
            self.mounts_epoch = changes.mounts_epoch;
        }
        self.cursor = changes.next;
        Ok(stale)
    }

    /// Rings in use are read again at once, so that the next request finds them warm and the keys of deleted
    /// ones are gone.
    fn reload(&self, stale: HashSet<Address>) {
        if stale.is_empty() {
            return;
        }
        let loader = Arc::clone(&self.loader);
        let now = self.loader.clock.uptime();
        tokio::spawn(async move {
            futures_util::stream::iter(stale)
                .for_each_concurrent(RELOADS_AT_ONCE, |at| reload_one(&loader, at, now))
                .await;
        });
    }
}

/// After a failure requests load the ring themselves. Its keys must not wait for that: they may be those of a ring
/// that is gone.
async fn reload_one(loader: &Arc<Loader>, at: Address, now: Duration) {
    if loader.load(&at, Want::AsOf(now)).await.is_ok() {
        return;
    }
    if let Some(slot) = loader.cache.find(&at).filter(|slot| slot.is_stale()) {
        slot.empty();
    }
}

/// Rotates what is due or worn. Every node does; the store lets one of them win.
#[derive(Debug)]
pub(crate) struct Rotator {
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) worn: mpsc::Receiver<WornVersion>,
}

impl Rotator {
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut ticks = interval(ROTATION_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut purges = interval(PURGE_INTERVAL);
        loop {
            tokio::select! {
                _ = stop.changed() => return,
                _ = ticks.tick() => self.rotate_due().await,
                Some(worn) = self.worn.recv() => self.rotate_worn(worn).await,
                _ = purges.tick() => self.purge_mounts().await,
            }
        }
    }

    async fn rotate_due(&self) {
        let now = self.lifecycle.keys.clock.now();
        let due = match self
            .lifecycle
            .store
            .due_for_rotation(now, DUE_AT_ONCE)
            .await
        {
            Ok(due) => due,
            Err(error) => {
                return tracing::debug!(%error, "rings due for rotation could not be read");
            }
        };
        let overdue = due
            .iter()
            .filter(|ring| ring.due_at.plus(Duration::from_secs(1)) < now)
            .count();
        self.lifecycle
            .keys
            .observer
            .rotations_overdue(u64::try_from(overdue).unwrap_or(u64::MAX));
        let by = Provenance::service(Cause::Timer);
        futures_util::stream::iter(due)
            .for_each_concurrent(ROTATIONS_AT_ONCE, |ring| {
                let by = &by;
                async move {
                    let at = Address { mount: ring.mount, name: ring.name };
                    let result = self.lifecycle.rotate(&at, RotateIf::Generation(ring.generation), by).await;
                    if let Err(error) = result {
                        tracing::warn!(key = %at.name, %error, "a rotation that is due failed; it is tried again");
                    }
                }
            })
            .await;
    }

    /// Rotates what was told worn so far, each ring once: every booking near the limit tells again.
    async fn rotate_worn(&mut self, first: WornVersion) {
        let mut worn = HashSet::from([first]);
        while let Ok(next) = self.worn.try_recv() {
            worn.insert(next);
        }
        for worn in &worn {
            self.rotate_one(worn).await;
        }
    }

    async fn rotate_one(&self, worn: &WornVersion) {
        let which = RotateIf::Version(i64::from(worn.version.number()));
        let by = Provenance::service(Cause::Usage);
        // A rule violation says that the version is no longer the latest: then there is nothing to do.
        match self.lifecycle.rotate(&worn.at, which, &by).await {
            Ok(_) | Err(crate::error::Error::Rule(_)) => {}
            Err(error) => tracing::warn!(key = %worn.at.name, %error, "a rotation by usage failed"),
        }
    }

    async fn purge_mounts(&self) {
        let before = self.lifecycle.keys.clock.now().minus(DISABLED_MOUNT_KEPT);
        match self.lifecycle.store.purge_mounts(before).await {
            Ok(0) => {}
            Ok(mounts) => tracing::info!(mounts, "purged mounts disabled more than 30 days ago"),
            Err(error) => tracing::debug!(%error, "disabled mounts could not be purged"),
        }
    }
}

const BURST: Duration = Duration::from_millis(10);
const POLL_DEADLINE: Duration = Duration::from_secs(2);
const ROTATION_INTERVAL: Duration = Duration::from_millis(250);
const PURGE_INTERVAL: Duration = Duration::from_hours(1);
const DUE_AT_ONCE: u32 = 1000;
const ROTATIONS_AT_ONCE: usize = 4;
const RELOADS_AT_ONCE: usize = 8;
