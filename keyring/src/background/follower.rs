//! Follows the store's changes, so that the caches of several nodes stay alike.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::caretaker::ENDED_KEPT;
use crate::listener::Listeners;
use crate::load::{Loader, Want};
use crate::mounts::MountTable;
use crate::observer::Outcome;
use crate::root_tokens::RootTokens;
use crate::store::{Changes, Cursor, StoreError};
use crate::transit::Address;

/// Follows the store's changes.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) loader: Arc<Loader>,
    pub(crate) mounts: Arc<MountTable>,
    pub(crate) cursor: Cursor,
    pub(crate) root_tokens: Arc<RootTokens>,
    pub(crate) listeners: Arc<Listeners>,
    pub(crate) seen: Seen,
    pub(crate) interval: Duration,
}

/// What the last poll told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) mounts_epoch: u64,
    pub(crate) identity_epoch: u64,
    pub(crate) sealed: bool,
    /// When it began, as uptime.
    pub(crate) at: Duration,
}

impl Seen {
    pub(crate) const fn of(changes: &Changes, at: Duration) -> Self {
        Self {
            mounts_epoch: changes.mounts_epoch,
            identity_epoch: changes.identity_epoch,
            sealed: changes.sealed,
            at,
        }
    }
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
            tokio::select! {
                // A key that is to be gone must not wait for a store that is.
                _ = stop.changed() => return,
                () = self.poll() => {}
            }
            self.loader.cache.tidy();
            let (rings, bytes) = self.loader.cache.size();
            self.loader.observer.cache_size(rings, bytes);
        }
    }

    async fn poll(&mut self) {
        let began = self.loader.clock.uptime();
        // All of it has one end, not only its first question: what is not read to the end is not followed.
        let noted = if let Ok(noted) = timeout(POLL_DEADLINE, self.follow(began)).await {
            noted
        } else {
            self.loader.store.reconnect();
            Err(StoreError::Unavailable("no answer in time".to_owned()))
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

    /// Reads what changed and notes it; answers which rings in use are stale now. Interrupted, it has moved no cursor: the next
    /// poll is told the same again.
    async fn follow(&mut self, began: Duration) -> Result<HashSet<Address>, StoreError> {
        let changes = self.loader.store.changes_since(self.cursor).await?;
        self.note(changes, began).await
    }

    /// Tells the cache and the listeners what changed; answers which rings in use are stale now. What fails halfway is
    /// told again by the next poll.
    async fn note(
        &mut self,
        changes: Changes,
        began: Duration,
    ) -> Result<HashSet<Address>, StoreError> {
        let mut stale = HashSet::new();
        if changes.next.is_behind(self.cursor) {
            // Only another database counts from elsewhere: an older copy was put in this one's place.
            tracing::error!("the store has gone back in time; everything cached is read again");
            stale = self.loader.cache.note_replaced();
            self.forget_identity().await?;
        } else if began.saturating_sub(self.seen.at) > FOLLOWED_WITHOUT_GAP {
            // What ended meanwhile may have been purged, and is told to nobody.
            self.forget_identity().await?;
        }
        self.note_identity(&changes).await?;
        stale.extend(self.note_rings(&changes));
        if changes.mounts_epoch != self.seen.mounts_epoch {
            let gone = self.mounts.refresh().await?;
            self.loader.cache.remove_mounts(&gone);
        }
        self.seen = Seen::of(&changes, began);
        self.cursor = changes.next;
        Ok(stale)
    }

    fn note_rings(&self, changes: &Changes) -> HashSet<Address> {
        let mut stale = HashSet::new();
        for changed in &changes.rings {
            let at = Address {
                mount: changed.mount,
                name: changed.name.clone(),
            };
            if let Some(slot) = self.loader.cache.find(&at) {
                slot.note_change(changed.ring, changed.generation);
                if slot.is_stale() {
                    stale.insert(at);
                }
            }
        }
        stale
    }

    async fn note_identity(&self, changes: &Changes) -> Result<(), StoreError> {
        if !changes.revoked.is_empty() {
            self.listeners
                .each(|listener| listener.revoked(&changes.revoked));
        }
        if changes.identity_epoch != self.seen.identity_epoch {
            self.root_tokens.refresh().await?;
            let epoch = changes.identity_epoch;
            self.listeners
                .each(|listener| listener.identity_changed(epoch));
        }
        if changes.sealed {
            if !self.seen.sealed {
                tracing::warn!("the store was sealed");
            }
            self.listeners.each(|listener| listener.sealed());
        }
        Ok(())
    }

    async fn forget_identity(&self) -> Result<(), StoreError> {
        self.root_tokens.refresh().await?;
        self.listeners
            .each(|listener| listener.everything_may_have_changed());
        Ok(())
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

const BURST: Duration = Duration::from_millis(10);
/// The longest a whole poll may take.
const POLL_DEADLINE: Duration = Duration::from_secs(2);
const RELOADS_AT_ONCE: usize = 8;

/// Two polls at most this far apart see everything in between, with room for clocks that disagree.
const FOLLOWED_WITHOUT_GAP: Duration = ENDED_KEPT.checked_div(2).expect("two is not zero");
