//! A ring as it is stored: its settings, its counters, and its versions still wrapped.

use crate::algorithm::KeyType;
use crate::binding::{Binding, Origin};
use crate::clock::Timestamp;
use crate::ids::{KekId, MountId, RingId, StoreId};
use crate::kek::WrappedDek;
use crate::name::KeyName;
use crate::policy::RingPolicy;
use crate::version::{Generation, Version};

/// One ring's row. It cannot encrypt: that takes an opened ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRing {
    /// The ring itself.
    pub id: RingId,
    /// The mount it is on.
    pub mount: MountId,
    /// Its name there.
    pub name: KeyName,
    /// What its keys are for.
    pub key_type: KeyType,
    /// Whether every operation derives its own key from a context.
    pub derived: bool,
    /// Whether equal plaintexts under one context give equal ciphertexts.
    pub convergent: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// How often it was changed.
    pub generation: Generation,
    /// The version that encrypts.
    pub latest: Version,
    /// The oldest version that still exists; absent until the ring is trimmed for the first time.
    pub min_available: Option<Version>,
    /// Its settings.
    pub policy: RingPolicy,
    /// When the timer rotates it. Outside the row's MAC: it follows from the settings.
    pub due_at: Option<Timestamp>,
    /// MAC of all the above but `due_at`, under the store's row-MAC key.
    pub mac: [u8; 32],
}

impl StoredRing {
    /// The oldest version that exists.
    pub fn oldest(&self) -> Version {
        self.min_available.unwrap_or(Version::FIRST)
    }
}

/// One version's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredVersion {
    /// The ring it belongs to.
    pub ring: RingId,
    /// Its number.
    pub version: Version,
    /// How it came to be.
    pub origin: Origin,
    /// The KEK that wraps its DEK.
    pub kek: KekId,
    /// The DEK under that KEK.
    pub wrapped: WrappedDek,
    /// The version's material, sealed under a key derived from the DEK and the store secret.
    pub material: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// MAC of all the above, under the store's row-MAC key.
    pub mac: [u8; 32],
}

impl StoredVersion {
    /// What this version's DEK and material are tied to.
    pub fn binding(&self, store: StoreId, key_type: KeyType) -> Binding {
        Binding {
            store,
            ring: self.ring,
            version: self.version,
            key_type: key_type.number(),
            origin: self.origin,
            kek: self.kek.clone(),
        }
    }
}
