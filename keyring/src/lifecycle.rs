//! Creates, changes and deletes rings. Every change is made from what the store holds now, and to nothing else.

use std::sync::Arc;
use std::time::Duration;

use crate::cache::Slot;
use crate::clock::Timestamp;
use crate::entropy::{Entropy, EntropyError};
use crate::error::Error;
use crate::history::{Action, Cause, HistoryEvent, Provenance, SettingChange, settings_json};
use crate::ids::{RingId, SealId};
use crate::keys::KeyRoom;
use crate::load::Loader;
use crate::opened::{OpenRing, OpenVersion};
use crate::policy::{PolicyChange, RingPolicy, RuleViolation, Versions, checked_period};
use crate::record::Material;
use crate::ring::{Jitter, StoredRing, StoredVersion, due_at};
use crate::store::{KeyStore, LoadedRing, RingChange, StoreError, With};
use crate::transit::{Address, Description, NewRing, Settings};
use crate::version::{Generation, Version};

/// The verbs that change rings.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    pub(crate) store: Arc<dyn KeyStore>,
    pub(crate) keys: Arc<KeyRoom>,
    pub(crate) loader: Arc<Loader>,
    pub(crate) settings: Settings,
}

/// Which rotation is meant.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RotateIf {
    /// One more version, whatever the latest is.
    Always,
    /// Only if this version is the latest.
    Version(i64),
    /// Only if the ring is still at this generation.
    Generation(Generation),
}

impl Lifecycle {
    pub(crate) async fn create(
        &self,
        at: &Address,
        new: &NewRing,
        key_type: crate::algorithm::KeyType,
        by: &Provenance,
    ) -> Result<Description, Error> {
        if new.convergent && !new.derived {
            return Err(RuleViolation::ConvergentNeedsDerived.into());
        }
        checked_period(new.auto_rotate_period, self.settings.shortest_period)?;
        if let Some(existing) = self
            .store
            .load_ring(at.mount, &at.name, With::Latest)
            .await?
        {
            return self.described(at, existing).await;
        }
        let place = self.place(at);
        let now = self.keys.clock.now();
        let ring = self.new_ring(at, new, key_type, now)?;
        let seal_id = SealId::generate(self.entropy())?;
        let (version, material) = self
            .keys
            .make_version(&ring, Version::FIRST, seal_id, now)
            .await?;
        let what = What {
            action: Action::Create,
            span: (None, Some(ring.latest)),
            settings: &[],
        };
        let event = event(&ring, now, by, what);
        let began = self.keys.clock.uptime();
        match self.store.create_ring(&ring, &version, &event).await {
            Ok(()) => {}
            // Somebody else created it meanwhile: theirs stands.
            Err(StoreError::Exists) => return self.describe(at).await,
            Err(StoreError::OutcomeUnknown) => return self.describe_change(at).await,
            Err(error) => return Err(error.into()),
        }
        self.done(Action::Create, by.cause);
        let opened = Some((Version::FIRST, material));
        self.publish(&place, &ring, began, opened);
        self.described(
            at,
            LoadedRing {
                ring,
                version: Some(version),
            },
        )
        .await
    }

    fn new_ring(
        &self,
        at: &Address,
        new: &NewRing,
        key_type: crate::algorithm::KeyType,
        now: Timestamp,
    ) -> Result<StoredRing, Error> {
        let period = checked_period(new.auto_rotate_period, self.settings.shortest_period)?;
        let ring = StoredRing {
            id: RingId::generate(self.entropy())?,
            mount: at.mount,
            name: at.name.clone(),
            key_type,
            derived: new.derived,
            convergent: new.convergent,
            created_at: now,
            generation: Generation::FIRST,
            latest: Version::FIRST,
            min_available: None,
            policy: RingPolicy {
                min_decryption: Version::FIRST,
                min_encryption: None,
                deletion_allowed: false,
                exportable: new.exportable,
                allow_plaintext_backup: new.allow_plaintext_backup,
                auto_rotate_period: period,
            },
            due_at: due_at(period, now, self.jitter()?),
            mac: [0; 32],
        };
        Ok(self.keys.store.rows.signed_ring(ring))
    }

    pub(crate) async fn describe(&self, at: &Address) -> Result<Description, Error> {
        let loaded = self.read(at).await?;
        self.described(at, loaded).await
    }

    /// Describes a ring after a change. If that fails the change has still been made, or may have been.
    pub(crate) async fn describe_change(&self, at: &Address) -> Result<Description, Error> {
        self.describe(at).await.map_err(|error| {
            tracing::warn!(key = %at.name, %error, "a changed ring could not be read back");
            Error::OutcomeUnknown
        })
    }

    async fn described(&self, at: &Address, loaded: LoadedRing) -> Result<Description, Error> {
        self.keys.check_ring(at, &loaded.ring)?;
        let imported = self.latest(&loaded)?.origin == crate::binding::Origin::Imported;
        let ring = loaded.ring;
        let from = ring.policy.min_decryption;
        let (mut versions, usage) = tokio::try_join!(
            self.store.versions(ring.id, from),
            self.store.usage(ring.id, from)
        )?;
        // The ring was read before: it may have been rotated in between.
        versions.retain(|version| version.version <= ring.latest);
        Ok(Description {
            ring,
            imported,
            versions,
            usage,
        })
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

    /// Adds a version; retries if somebody else changed the ring meanwhile, unless that is what was asked about.
    /// `false`: the ring was no longer at the generation asked for.
    pub(crate) async fn rotate(
        &self,
        at: &Address,
        which: RotateIf,
        by: &Provenance,
    ) -> Result<bool, Error> {
        let place = self.place(at);
        let _turn = place.slot.changing.lock().await;
        for _ in 0..ATTEMPTS {
            let loaded = self.read(at).await?;
            match which {
                RotateIf::Always => {}
                RotateIf::Version(asked) if asked == i64::from(loaded.ring.latest.number()) => {}
                RotateIf::Version(_) => {
                    return Err(RuleViolation::IfVersion {
                        latest: loaded.ring.latest,
                    }
                    .into());
                }
                RotateIf::Generation(asked) if asked == loaded.ring.generation => {}
                RotateIf::Generation(_) => return Ok(false),
            }
            match self.rotate_from(&place, &loaded, by).await {
                Err(Error::StoreUnavailable(StoreError::Conflict)) => {}
                result => return result.map(|()| true),
            }
        }
        Err(Error::Busy)
    }

    async fn rotate_from(
        &self,
        place: &Place<'_>,
        loaded: &LoadedRing,
        by: &Provenance,
    ) -> Result<(), Error> {
        let ring = &loaded.ring;
        let latest = self.latest(loaded)?;
        // The seal id belongs to the ring and is kept with every version's material.
        let seal_id = self.keys.open_version(ring, latest).await?.seal_id;
        let now = self.keys.clock.now();
        let next = self.signed(ring.rotated(now, self.jitter()?)?);
        let (version, material) = self
            .keys
            .make_version(&next, next.latest, seal_id, now)
            .await?;
        let what = What {
            action: Action::Rotate,
            span: (Some(ring.latest), Some(next.latest)),
            settings: &[],
        };
        let event = event(&next, now, by, what);
        let change = RingChange {
            read_at: ring.generation,
            ring: next,
            added: Some(version),
            trimmed_below: None,
            event,
        };
        self.commit(place, change, by, Some(material)).await
    }

    pub(crate) async fn configure(
        &self,
        at: &Address,
        change: &PolicyChange,
        by: &Provenance,
    ) -> Result<(), Error> {
        self.change(at, by, |loaded, by, now| {
            let ring = &loaded.ring;
            let policy =
                ring.policy
                    .changed(change, versions(ring), self.settings.shortest_period)?;
            if policy == ring.policy {
                return Ok(None);
            }
            let differences = policy.differences(&ring.policy);
            let made_at = self.latest(loaded)?.created_at;
            let next = self.signed(ring.configured(policy, made_at, self.jitter()?));
            let span = (Some(ring.latest), Some(ring.latest));
            let what = What {
                action: Action::Configure,
                span,
                settings: &differences,
            };
            let event = event(&next, now, by, what);
            let read_at = ring.generation;
            Ok(Some(RingChange {
                read_at,
                ring: next,
                added: None,
                trimmed_below: None,
                event,
            }))
        })
        .await
    }

    pub(crate) async fn trim(
        &self,
        at: &Address,
        asked: Option<i64>,
        by: &Provenance,
    ) -> Result<(), Error> {
        self.change(at, by, |loaded, by, now| {
            let ring = &loaded.ring;
            let min_available = ring.policy.trimmed(asked, versions(ring))?;
            if Some(min_available) == ring.min_available {
                return Ok(None);
            }
            let next = self.signed(ring.trimmed(min_available));
            let span = (Some(ring.oldest()), Some(min_available));
            let what = What {
                action: Action::Trim,
                span,
                settings: &[],
            };
            let event = event(&next, now, by, what);
            let trimmed_below = Some(min_available);
            Ok(Some(RingChange {
                read_at: ring.generation,
                ring: next,
                added: None,
                trimmed_below,
                event,
            }))
        })
        .await
    }

    /// Makes a change that needs no new version; `plan` says what it is, or that nothing changes.
    async fn change(
        &self,
        at: &Address,
        by: &Provenance,
        plan: impl Fn(&LoadedRing, &Provenance, Timestamp) -> Result<Option<RingChange>, Error>,
    ) -> Result<(), Error> {
        let place = self.place(at);
        let _turn = place.slot.changing.lock().await;
        for _ in 0..ATTEMPTS {
            let loaded = self.read(at).await?;
            let Some(change) = plan(&loaded, by, self.keys.clock.now())? else {
                return Ok(());
            };
            match self.commit(&place, change, by, None).await {
                Err(Error::StoreUnavailable(StoreError::Conflict)) => {}
                result => return result,
            }
        }
        Err(Error::Busy)
    }

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
        let opened = change
            .added
            .as_ref()
            .map(|version| version.version)
            .zip(material);
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
        opened: Option<(Version, Material)>,
    ) {
        let Place { at, slot } = place;
        let open = Arc::new(OpenRing::new(ring, began));
        if let Some(earlier) = slot.last_known() {
            open.adopt(&earlier);
        }
        if let Some((number, material)) = opened {
            let lease =
                self.loader
                    .ledger
                    .lease(at, ring.id, number, ring.key_type.counts_to_a_limit());
            if let Some(version) = OpenVersion::new(ring, number, material, lease) {
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

/// A ring's address and its place in the cache.
struct Place<'a> {
    at: &'a Address,
    slot: Arc<Slot>,
}

const fn versions(ring: &StoredRing) -> Versions {
    Versions {
        min_available: ring.min_available,
        latest: ring.latest,
    }
}

/// What the history says was done.
#[derive(Clone, Copy)]
struct What<'a> {
    action: Action,
    /// The versions before and after.
    span: (Option<Version>, Option<Version>),
    settings: &'a [SettingChange],
}

fn event(ring: &StoredRing, at: Timestamp, by: &Provenance, what: What<'_>) -> HistoryEvent {
    let (from_version, to_version) = what.span;
    HistoryEvent {
        at,
        mount: ring.mount,
        name: ring.name.clone(),
        ring: ring.id,
        generation: ring.generation,
        action: what.action,
        from_version,
        to_version,
        settings: settings_json(what.settings),
        by: by.clone(),
    }
}

/// How often a change is tried again after losing to another one.
const ATTEMPTS: usize = 64;
