//! Changes rings. Every change is made from what the store holds now, and to nothing else.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::cache::Slot;
use crate::entropy::{Entropy, EntropyError};
use crate::error::Error;
use crate::history::{Action, Cause, Provenance};
use crate::keys::KeyRoom;
use crate::load::Loader;
use crate::opened::{OpenRing, OpenVersion};
use crate::policy::RuleViolation;
use crate::record::Material;
use crate::ring::{Jitter, StoredRing, StoredVersion};
use crate::store::{KeyStore, LoadedRing, RingChange, StoreError, With};
use crate::transit::{Address, Settings};

use event::{What, event};

mod aside;
mod backup;
mod certify;
mod configure;
mod create;
mod describe;
mod event;
mod export;
mod import;
mod rotate;

pub(crate) use rotate::RotateIf;

/// The verbs that change rings.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    pub(crate) store: Arc<dyn KeyStore>,
    pub(crate) keys: Arc<KeyRoom>,
    pub(crate) loader: Arc<Loader>,
    pub(crate) settings: Settings,
}

impl Lifecycle {
    pub(crate) async fn delete(&self, at: &Address, by: &Provenance) -> Result<(), Error> {
        let slot = self.loader.cache.slot(at);
        let _turn = slot.changing.lock().await;
        for _ in 0..ATTEMPTS {
            let ring = self.read(at).await?.ring;
            if !ring.policy.deletion_allowed {
                return Err(RuleViolation::DeletionNotAllowed.into());
            }
            let gone = StoredRing {
                generation: ring.generation.next(),
                ..ring.clone()
            };
            let span = (Some(ring.latest), None);
            let what = What {
                action: Action::Delete,
                span,
                settings: &[],
            };
            let event = event(&gone, self.keys.clock.now(), by, what);
            match self
                .store
                .delete_ring(ring.id, ring.generation, &event)
                .await
            {
                Ok(()) => {
                    slot.empty();
                    self.loader.cache.remove(at);
                    self.loader.cache.tidy();
                    self.done(Action::Delete, by.cause);
                    return Ok(());
                }
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy)
    }

    /// The ring and its latest version as the store has them now.
    async fn read(&self, at: &Address) -> Result<LoadedRing, Error> {
        if self.loader.freshness.store_is_away() {
            return Err(
                StoreError::Unavailable("it did not answer the last poll".to_owned()).into(),
            );
        }
        let loaded = self
            .store
            .load_ring(at.mount, &at.name, With::Latest)
            .await?;
        let Some(loaded) = loaded else {
            // A made-up name must not keep a place in the cache.
            self.loader.cache.remove(at);
            return Err(Error::NotFound);
        };
        self.keys.check_ring(at, &loaded.ring)?;
        Ok(loaded)
    }

    /// The latest version's row, if it is there and what this service wrote.
    fn latest<'a>(&self, loaded: &'a LoadedRing) -> Result<&'a StoredVersion, Error> {
        let latest = loaded.version.as_ref();
        let latest = latest.ok_or(Error::Integrity("ring_versions: a version is missing"))?;
        if latest.version != loaded.ring.latest {
            return Err(Error::Integrity("ring_versions.version"));
        }
        self.keys.check_version(&loaded.ring, latest)?;
        Ok(latest)
    }

    async fn commit(
        &self,
        place: &Place<'_>,
        change: RingChange,
        by: &Provenance,
        material: Option<Material>,
    ) -> Result<(), Error> {
        let began = self.keys.clock.uptime();
        match self.store.change_ring(&change).await {
            Ok(()) => {}
            Err(StoreError::OutcomeUnknown) => self.confirm(place.at, &change).await?,
            Err(error) => return Err(error.into()),
        }
        self.done(change.event.action, by.cause);
        let opened = change.added.as_ref().zip(material);
        self.publish(place, &change.ring, began, opened);
        Ok(())
    }

    /// After a commit whose answer was lost: whether the change is there. Never repeats it blindly.
    async fn confirm(&self, at: &Address, change: &RingChange) -> Result<(), Error> {
        let found = self.store.load_ring(at.mount, &at.name, With::Latest).await;
        match found {
            Ok(Some(found)) if found.ring.mac == change.ring.mac => Ok(()),
            Ok(Some(_) | None) | Err(_) => Err(Error::OutcomeUnknown),
        }
    }

    /// The ring's place in the cache; to be taken before the ring is read, so that it hears of what others change.
    fn place<'a>(&self, at: &'a Address) -> Place<'a> {
        let slot = self.loader.cache.slot(at);
        Place { at, slot }
    }

    /// Puts what was just written, in a call that began at this uptime, into the cache, so that the next request
    /// finds it without a load.
    fn publish(
        &self,
        place: &Place<'_>,
        ring: &StoredRing,
        began: Duration,
        opened: Option<(&StoredVersion, Material)>,
    ) {
        let Place { at, slot } = place;
        let open = Arc::new(OpenRing::new(ring, began));
        if let Some(earlier) = slot.last_known() {
            open.adopt(&earlier);
        }
        if let Some((row, material)) = opened {
            let counts = ring.key_type.counts_to_a_limit();
            let lease = self.loader.ledger.lease(at, ring.id, row.version, counts);
            if let Some(version) = OpenVersion::new(ring, row, material, lease) {
                open.add_opened(Arc::new(version));
            }
        }
        slot.publish(&open);
        if !self.loader.cache.reweigh(at, slot)
            && let Some(other) = self.loader.cache.find(at)
        {
            other.note_change(ring.id, ring.generation);
        }
    }

    fn signed(&self, ring: StoredRing) -> StoredRing {
        self.keys.store.rows.signed_ring(ring)
    }

    fn done(&self, action: Action, cause: Cause) {
        self.keys.observer.ring_changed(action, cause);
    }

    fn entropy(&self) -> &dyn Entropy {
        self.keys.entropy.as_ref()
    }

    fn jitter(&self) -> Result<Jitter, EntropyError> {
        let mut bytes = [0; 4];
        self.entropy().fill(&mut bytes)?;
        Ok(Jitter(u32::from_be_bytes(bytes)))
    }
}

/// The amount of such work at a time; more of it waits.
static BLOCKING: Semaphore = Semaphore::const_new(4);

/// Does work that takes a thread for milliseconds, as every RSA key does, where nothing else waits for that thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    // Never closed.
    let turn = BLOCKING.acquire().await.map_err(|_| Error::Worker)?;
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work()
    });
    let done = done.await;
    done.map_err(|_| Error::Worker)?
}

/// A ring's address and its place in the cache.
struct Place<'a> {
    at: &'a Address,
    slot: Arc<Slot>,
}

/// How often a change is tried again after losing to another one.
const ATTEMPTS: usize = 64;
