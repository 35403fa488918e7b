//! Brings rings from the store into the cache, and their versions' keys from the KEK.
//!
//! One cold ring costs one store read and one KEK call, however many requests wait for it.

use std::sync::Arc;
use std::time::Duration;

use crate::algorithm::KeyType;
use crate::cache::{RingCache, Slot};
use crate::clock::Clock;
use crate::error::Error;
use crate::freshness::Freshness;
use crate::keys::KeyRoom;
use crate::observer::{Observer, Outcome};
use crate::opened::{OpenRing, OpenVersion};
use crate::ring::{StoredRing, StoredVersion};
use crate::store::{KeyStore, LoadedRing, With};
use crate::transit::Address;
use crate::usage::UsageLedger;
use crate::version::Version;

/// Loads rings. Every load runs in a task of its own: a client that hangs up neither cancels nor repeats it.
#[derive(Debug)]
pub struct Loader {
    /// Where rings are kept.
    pub store: Arc<dyn KeyStore>,
    /// Opens their versions.
    pub keys: Arc<KeyRoom>,
    /// Where opened rings go.
    pub cache: RingCache,
    /// Whether the store answers.
    pub freshness: Freshness,
    /// Counts uses.
    pub ledger: Arc<UsageLedger>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who counts loads.
    pub observer: Arc<dyn Observer>,
    /// The engine's runtime, which outlives any request's.
    pub runtime: tokio::runtime::Handle,
}

/// Why a load failed, in a form that all who waited can be told.
#[derive(Clone, Debug)]
pub enum LoadFailure {
    /// A row or a wrapped key is not what it should be.
    Integrity(&'static str),
    /// The KEK is unavailable.
    Kek(String),
    /// There is no such ring.
    NotFound,
    /// The store is unavailable.
    Store(String),
}

impl From<&Error> for LoadFailure {
    fn from(error: &Error) -> Self {
        match error {
            Error::Integrity(place) => Self::Integrity(place),
            Error::KekUnavailable(cause) => Self::Kek(cause.to_string()),
            Error::NotFound => Self::NotFound,
            Error::Busy
            | Error::Entropy(_)
            | Error::Item(_)
            | Error::OutcomeUnknown
            | Error::Rule(_)
            | Error::ShareFull
            | Error::Stale
            | Error::StoreUnavailable(_)
            | Error::TooManyItems { .. }
            | Error::Transfer(_)
            | Error::Unsupported(_)
            | Error::Worker => Self::Store(error.to_string()),
        }
    }
}

impl From<LoadFailure> for Error {
    fn from(failure: LoadFailure) -> Self {
        match failure {
            LoadFailure::Integrity(place) => Self::Integrity(place),
            LoadFailure::Kek(cause) => crate::kek::KekError::Unavailable(cause).into(),
            LoadFailure::NotFound => Self::NotFound,
            LoadFailure::Store(cause) => crate::store::StoreError::Unavailable(cause).into(),
        }
    }
}

/// What a load is to bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// The ring with this version opened.
    Opened(With),
    /// The ring as the store has it at this uptime or later; keys if they come along.
    AsOf(Duration),
}

impl Want {
    /// Whether what stood in one's way stands in the other's.
    fn is_like(self, other: Self) -> bool {
        self == other || matches!((self, other), (Self::AsOf(_), Self::AsOf(_)))
    }
}

impl Loader {
    /// The ring with what is wanted of it.
    pub async fn load(self: &Arc<Self>, at: &Address, want: Want) -> Result<Arc<OpenRing>, Error> {
        if self.freshness.store_is_away() {
            return Err(crate::store::StoreError::Unavailable(
                "it did not answer the last poll".to_owned(),
            )
            .into());
        }
        let (loader, at) = (Arc::clone(self), at.clone());
        let task = self
            .runtime
            .spawn(async move { loader.load_in_turn(&at, want).await });
        task.await.map_err(|_| Error::Worker)?
    }

    async fn load_in_turn(&self, at: &Address, want: Want) -> Result<Arc<OpenRing>, Error> {
        let slot = self.cache.slot(at);
        let loads_before = slot.loads();
        let mut state = slot.loading.lock().await;
        if let Some(ring) = satisfied(&slot, want) {
            return Ok(ring);
        }
        // Who waited while a load of the same failed shares its failure. Who came later tries again.
        if slot.loads() > loads_before
            && let Some((failed, failure)) = &state.failure
            && failed.is_like(want)
        {
            return Err(failure.clone().into());
        }
        let began = self.clock.uptime();
        let result = self.read_and_open(at, &slot, want).await;
        let failure = result.as_ref().err();
        state.failure = failure.map(|error| (want, LoadFailure::from(error)));
        slot.note_load();
        let outcome = if result.is_ok() {
            Outcome::Done
        } else {
            Outcome::Failed
        };
        self.observer
            .ring_loaded(outcome, self.clock.uptime().saturating_sub(began));
        result
    }

    async fn read_and_open(
        &self,
        at: &Address,
        slot: &Arc<Slot>,
        want: Want,
    ) -> Result<Arc<OpenRing>, Error> {
        self.pace(slot, want).await;
        let with = match want {
            Want::Opened(with) => with,
            Want::AsOf(_) => With::Latest,
        };
        loop {
            let mark = slot.mark();
            let began = self.clock.uptime();
            let Some(loaded) = self.store.load_ring(at.mount, &at.name, with).await? else {
                slot.empty();
                self.cache.remove(at);
                return Err(Error::NotFound);
            };
            self.keys.check_ring(at, &loaded.ring)?;
            slot.note_read(began);
            let ring = refreshed(slot, &loaded.ring, began);
            let wanted = wanted_version(slot, &loaded.ring, want);
            // The settings hold from now on, however long the KEK takes.
            if !slot.offer(&ring, mark) {
                continue;
            }
            let opened = match wanted {
                Some(wanted) => self.open_loaded(at, &ring, loaded, wanted).await,
                None => Ok(()),
            };
            self.cache.reweigh(at, slot);
            return match want {
                Want::Opened(_) => opened.map(|()| ring),
                // The settings are what was asked for; who needs the key finds out about it.
                Want::AsOf(_) => Ok(ring),
            };
        }
    }

    /// Opens the version that came with the ring, if it may be used and is not open yet.
    async fn open_loaded(
        &self,
        at: &Address,
        ring: &Arc<OpenRing>,
        loaded: LoadedRing,
        wanted: Version,
    ) -> Result<(), Error> {
        let LoadedRing { ring: row, version } = loaded;
        if wanted > row.latest
            || wanted < row.policy.min_decryption
            || ring.opened(wanted).is_some()
        {
            return Ok(());
        }
        let version = version.ok_or(Error::Integrity("ring_versions: a version is missing"))?;
        if version.version != wanted {
            return Err(Error::Integrity("ring_versions.version"));
        }
        let open = self.open_version(at, &row, &version).await?;
        ring.add_opened(open);
        Ok(())
    }

    /// Opens one version's row.
    pub async fn open_version(
        &self,
        at: &Address,
        ring: &StoredRing,
        version: &StoredVersion,
    ) -> Result<Arc<OpenVersion>, Error> {
        let material = self.keys.open_version(ring, version).await?;
        let lease = self.ledger.lease(
            at,
            ring.id,
            version.version,
            KeyType::counts_to_a_limit(ring.key_type),
        );
        let open = OpenVersion::new(ring, version, material, lease);
        open.map(Arc::new)
            .ok_or(Error::Integrity("ring_versions.material"))
    }

    /// Made-up versions must not load the store: reads for confirmation are a tenth of a second apart.
    async fn pace(&self, slot: &Slot, want: Want) {
        if let Want::AsOf(_) = want {
            let since = self.clock.uptime().saturating_sub(slot.read_began());
            if let Some(wait) = CONFIRMATION_PACE.checked_sub(since) {
                tokio::time::sleep(wait).await;
            }
        }
    }
}

/// The ring in the slot, if it already has what is wanted.
fn satisfied(slot: &Slot, want: Want) -> Option<Arc<OpenRing>> {
    let ring = slot.current()?;
    let has = match want {
        Want::Opened(With::Latest) => ring.opened(ring.latest).is_some(),
        Want::Opened(With::Version(version)) => {
            ring.opened(version).is_some() || ring.opening_version(version).is_err()
        }
        Want::AsOf(uptime) => slot.read_began() >= uptime,
    };
    has.then_some(ring)
}

/// The version a load is to open. A ring that was encrypting before it changed is to go on doing so at once.
fn wanted_version(slot: &Slot, row: &StoredRing, want: Want) -> Option<Version> {
    match want {
        Want::Opened(With::Latest) => Some(row.latest),
        Want::Opened(With::Version(version)) => Some(version),
        Want::AsOf(_) => {
            let encrypting = slot
                .last_known()
                .is_some_and(|ring| ring.opened(ring.latest).is_some());
            encrypting.then_some(row.latest)
        }
    }
}

/// A snapshot of the row: the slot's own if it is of the same generation, else a new one that takes over the
/// slot's opened versions.
fn refreshed(slot: &Slot, row: &StoredRing, read_began: Duration) -> Arc<OpenRing> {
    let known = slot.last_known();
    let next = OpenRing::new(row, read_began);
    if let Some(known) = &known {
        next.adopt(known);
    }
    Arc::new(next)
}

const CONFIRMATION_PACE: Duration = Duration::from_millis(100);
