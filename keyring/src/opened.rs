//! A ring opened for use: its settings beside the keys of the versions in use, in memory only.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::aead::Cipher;
use crate::algorithm::{KeyType, PairType};
use crate::error::ItemError;
use crate::ids::{RingId, SealId};
use crate::pair::Pair;
use crate::record::Material;
use crate::ring::{Kdf, StoredRing, StoredVersion};
use crate::secret::SecretBytes;
use crate::usage::Lease;
use crate::version::{Generation, Version};

/// One version's opened key.
#[derive(Debug)]
pub struct OpenVersion {
    /// The version.
    pub version: Version,
    /// What the key is.
    pub key: OpenKey,
    /// The key of HMACs.
    pub hmac_key: SecretBytes,
    /// Bound into AES-GCM-SIV ciphertexts.
    pub seal_id: SealId,
    /// How many uses are booked and left.
    pub lease: Lease,
}

/// A version's key, in the form its ring uses it.
#[derive(Debug)]
pub enum OpenKey {
    /// A cipher ready to use.
    Ready(Cipher),
    /// A key that every context derives its own from.
    Root(SecretBytes),
    /// A key pair, or its public half. Boxed: a ring of another type has no room for one.
    Pair(Box<Pair>),
    /// The HMAC key is all there is.
    Hmac,
}

impl OpenVersion {
    /// The version's key ready for use. `None` if the material does not fit the key type.
    pub fn new(
        ring: &StoredRing,
        row: &StoredVersion,
        material: Material,
        lease: Lease,
    ) -> Option<Self> {
        let Material {
            seal_id,
            key,
            hmac_key,
        } = material;
        let key = match ring.key_type {
            KeyType::Cipher(cipher) if key.len() != cipher.key_len() => return None,
            KeyType::Cipher(_) if ring.derived => OpenKey::Root(key),
            KeyType::Cipher(cipher) => {
                OpenKey::Ready(Cipher::new(cipher, key.expose_secret()).ok()?)
            }
            KeyType::Hmac => OpenKey::Hmac,
            KeyType::Pair(pair_type) => open_pair(ring, pair_type, &key, row)?,
        };
        Some(Self {
            version: row.version,
            key,
            hmac_key,
            seal_id,
            lease,
        })
    }

    /// Whether its private half may still be brought.
    fn is_only_public(&self) -> bool {
        match &self.key {
            OpenKey::Pair(pair) => !pair.has_private(),
            OpenKey::Hmac | OpenKey::Ready(_) | OpenKey::Root(_) => false,
        }
    }
}

fn open_pair(
    ring: &StoredRing,
    pair_type: PairType,
    pkcs8: &SecretBytes,
    row: &StoredVersion,
) -> Option<OpenKey> {
    if pkcs8.is_empty() {
        let pair = Pair::from_public_key(pair_type, row.public_key.as_deref()?).ok()?;
        return Some(OpenKey::Pair(Box::new(pair)));
    }
    let pair = Pair::from_pkcs8(pair_type, pkcs8.expose_secret()).ok()?;
    if ring.derived {
        return pair.ed25519_seed_and_public().map(OpenKey::Root);
    }
    Some(OpenKey::Pair(Box::new(pair)))
}

/// A ring's settings at one generation, with the versions opened so far.
#[derive(Debug)]
pub struct OpenRing {
    /// The ring.
    pub id: RingId,
    /// The generation these settings are of.
    pub generation: Generation,
    /// What its keys are for.
    pub key_type: KeyType,
    /// Whether every operation derives its own key from a context.
    pub derived: bool,
    /// Whether equal plaintexts under one context give equal ciphertexts.
    pub convergent: bool,
    /// How keys for contexts are derived.
    pub kdf: Kdf,
    /// Whether it is set aside and serves nothing.
    pub soft_deleted: bool,
    /// The version that encrypts.
    pub latest: Version,
    /// Older versions do not decrypt.
    pub min_decryption: Version,
    /// Older versions do not encrypt.
    pub min_encryption: Option<Version>,
    /// When the read of these settings began, as uptime.
    pub read_at: Duration,
    opened: ArcSwap<Opened>,
}

impl OpenRing {
    /// The ring with none of its versions opened.
    pub fn new(ring: &StoredRing, read_at: Duration) -> Self {
        Self {
            id: ring.id,
            generation: ring.generation,
            key_type: ring.key_type,
            derived: ring.derived,
            convergent: ring.convergent,
            kdf: ring.kdf,
            soft_deleted: ring.soft_deleted,
            latest: ring.latest,
            min_decryption: ring.policy.min_decryption,
            min_encryption: ring.policy.min_encryption,
            read_at,
            opened: ArcSwap::default(),
        }
    }

    /// Whether the other is a snapshot of the same ring at the same generation.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.id == other.id && self.generation == other.generation
    }

    /// Whether this is a snapshot of the same ring at a later generation than the other's.
    pub fn is_later_than(&self, other: &Self) -> bool {
        self.id == other.id && self.generation > other.generation
    }

    /// The version, if it has been opened.
    pub fn opened(&self, version: Version) -> Option<Arc<OpenVersion>> {
        self.opened.load().get(version).cloned()
    }

    /// How many versions have been opened.
    pub fn opened_count(&self) -> usize {
        self.opened.load().len()
    }

    /// Adds an opened version and answers the one that is in place: an earlier one of that number stays.
    /// Beyond [`Self::MAX_OPENED`] all but the latest are let go.
    pub fn add_opened(&self, version: Arc<OpenVersion>) -> Arc<OpenVersion> {
        let number = version.version;
        self.opened.rcu(|opened| {
            let mut next = if opened.len() < Self::MAX_OPENED {
                Opened::clone(opened)
            } else {
                opened.kept(|version| version.version == self.latest)
            };
            next.add(&version);
            next
        });
        self.opened(number).unwrap_or(version)
    }

    /// Takes over the opened versions of an earlier snapshot of the same ring that may still be used. A version of which
    /// only the public half is there is opened anew: the private half may have come.
    pub fn adopt(&self, earlier: &Self) {
        if earlier.id != self.id {
            return;
        }
        let kept = earlier.opened.load().kept(|version| {
            let number = version.version;
            number >= self.min_decryption && number <= self.latest && !version.is_only_public()
        });
        self.opened.store(Arc::new(kept));
    }

    /// The version a caller's `key_version` means for encryption; 0 is the latest.
    pub fn sealing_version(&self, asked: i64) -> Result<Version, ItemError> {
        if asked == 0 {
            return Ok(self.latest);
        }
        if asked < 0 {
            return Err(ItemError::VersionNegative);
        }
        let above_latest = ItemError::VersionAboveLatest {
            latest: self.latest,
        };
        let asked = Version::from_asked(asked).ok_or(above_latest)?;
        if asked > self.latest {
            return Err(above_latest);
        }
        if self.min_encryption.is_some_and(|minimum| asked < minimum) {
            return Err(ItemError::VersionBelowMinimum);
        }
        if asked < self.min_decryption {
            return Err(ItemError::NoSuchVersion);
        }
        Ok(asked)
    }

    /// Whether a ciphertext of this version may be opened.
    pub fn opening_version(&self, version: Version) -> Result<Version, ItemError> {
        if version > self.latest {
            return Err(ItemError::TooNew);
        }
        if version < self.min_decryption {
            return Err(ItemError::TooOld);
        }
        Ok(version)
    }

    /// How many opened versions one ring keeps.
    pub const MAX_OPENED: usize = 4096;
}

/// Opened versions by number. The newest one has a place of its own: most rings have no other, and most
/// requests want no other.
#[derive(Clone, Debug, Default)]
struct Opened {
    newest: Option<Arc<OpenVersion>>,
    older: HashMap<Version, Arc<OpenVersion>, BuildHasherDefault<NumberHasher>>,
}

impl Opened {
    fn get(&self, version: Version) -> Option<&Arc<OpenVersion>> {
        match &self.newest {
            Some(newest) if newest.version == version => Some(newest),
            Some(_) | None => self.older.get(&version),
        }
    }

    fn len(&self) -> usize {
        self.older.len() + usize::from(self.newest.is_some())
    }

    /// Adds a version, unless one of that number is there.
    fn add(&mut self, version: &Arc<OpenVersion>) {
        let number = version.version;
        match self.newest.as_ref().map(|newest| newest.version) {
            Some(newest) if newest == number => {}
            Some(newest) if newest > number => {
                self.older
                    .entry(number)
                    .or_insert_with(|| Arc::clone(version));
            }
            Some(_) | None => {
                let replaced = self.newest.replace(Arc::clone(version));
                self.older
                    .extend(replaced.map(|older| (older.version, older)));
            }
        }
    }

    /// Only the versions that are wanted.
    fn kept(&self, wanted: impl Fn(&OpenVersion) -> bool) -> Self {
        let mut kept = Self::default();
        let all = self.newest.iter().chain(self.older.values());
        for version in all.filter(|version| wanted(version)) {
            kept.add(version);
        }
        kept
    }
}

/// Spreads version numbers. They are dense and given out by the engine, so nobody can aim at one place.
#[derive(Default)]
struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
