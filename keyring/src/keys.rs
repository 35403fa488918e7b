//! Makes new versions and opens stored ones: the only place where KEK, store secret and rows meet.

use std::future::Future;
use std::sync::Arc;

use subtle::ConstantTimeEq;

use crate::algorithm::{KeyType, PairType};
use crate::binding::{Binding, Origin};
use crate::clock::{Clock, Timestamp};
use crate::entropy::Entropy;
use crate::error::Error;
use crate::ids::SealId;
use crate::kek::{Kek, KekError};
use crate::key_search::{FoundPair, KeySearches};
use crate::observer::{KekVerb, Observer, Outcome};
use crate::record::{Material, RecordError, open_material, seal_material};
use crate::ring::{StoredRing, StoredVersion};
use crate::secret::{Dek, SecretBytes};
use crate::store_keys::StoreKeys;
use crate::transit::Address;
use crate::version::Version;

/// What it takes to make and open versions.
#[derive(Debug)]
pub struct KeyRoom {
    /// Wraps DEKs.
    pub kek: Arc<dyn Kek>,
    /// The store's own keys.
    pub store: StoreKeys,
    /// Where key bytes come from.
    pub entropy: Arc<dyn Entropy>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who counts KEK calls.
    pub observer: Arc<dyn Observer>,
    /// Finds RSA keys.
    pub(crate) searches: KeySearches,
}

impl KeyRoom {
    /// Refuses a row that is not this address's, or whose MAC is not the one its fields call for.
    pub fn check_ring(&self, at: &Address, ring: &StoredRing) -> Result<(), Error> {
        let is_there = ring.mount == at.mount && ring.name == at.name;
        if is_there && self.store.rows.accepts_ring(ring) {
            Ok(())
        } else {
            Err(Error::Integrity("rings.mac"))
        }
    }

    /// Refuses a version's row that is not the ring's, or whose MAC is not the one its fields call for.
    pub fn check_version(&self, ring: &StoredRing, row: &StoredVersion) -> Result<(), Error> {
        if row.ring == ring.id && self.store.rows.accepts_version(row) {
            Ok(())
        } else {
            Err(Error::Integrity("ring_versions.mac"))
        }
    }

    /// Opens a stored version: MAC, then KEK, then record.
    pub async fn open_version(
        &self,
        ring: &StoredRing,
        row: &StoredVersion,
    ) -> Result<Material, Error> {
        self.check_version(ring, row)?;
        let binding = row.binding(self.store.store, ring.key_type);
        let dek = self
            .counted(KekVerb::Unwrap, self.kek.unwrap_dek(&row.wrapped, &binding))
            .await?;
        open_material(
            &row.material,
            &dek,
            self.store.secret.expose_secret(),
            &binding,
        )
        .map_err(record_error)
    }

    /// Makes a version with new random keys, or with the pair that was found for it before, if that is of the ring's type.
    pub async fn make_version(
        &self,
        ring: &StoredRing,
        (version, found): (Version, Option<&FoundPair>),
        seal_id: SealId,
        now: Timestamp,
    ) -> Result<(StoredVersion, Material), Error> {
        let (material, public_key) = self.new_material(ring, found, seal_id).await?;
        let new = NewVersion {
            version,
            origin: Origin::Generated,
            material,
            public_key,
            certificate_chain: None,
            created_at: now,
        };
        self.wrap_version(ring, new).await
    }

    /// Wraps a version's keys, and opens them again from what is to be stored, so that nothing is ever encrypted under a
    /// key that would not come back.
    pub async fn wrap_version(
        &self,
        ring: &StoredRing,
        new: NewVersion,
    ) -> Result<(StoredVersion, Material), Error> {
        let NewVersion {
            version,
            origin,
            material,
            public_key,
            certificate_chain,
            created_at,
        } = new;
        let entropy = self.entropy.as_ref();
        let dek = Dek::generate(entropy)?;
        let binding = Binding {
            store: self.store.store,
            ring: ring.id,
            version,
            key_type: ring.key_type.number(),
            origin,
            kek: self.kek.id().clone(),
        };
        let wrapped = self
            .counted(KekVerb::Wrap, self.kek.wrap_dek(&dek, &binding))
            .await?;
        let secret = self.store.secret.expose_secret();
        let sealed =
            seal_material(&material, &dek, secret, &binding, entropy).map_err(record_error)?;
        let row = self.store.rows.signed_version(StoredVersion {
            ring: ring.id,
            version,
            origin: binding.origin,
            kek: binding.kek,
            wrapped,
            material: sealed,
            created_at,
            public_key,
            certificate_chain,
            mac: [0; 32],
        });
        let reopened = self.open_version(ring, &row).await?;
        if !same_material(&material, &reopened) {
            return Err(Error::Integrity(
                "ring_versions: a new version did not open to what was sealed",
            ));
        }
        Ok((row, reopened))
    }

    /// New random keys, and the public half of a key pair.
    async fn new_material(
        &self,
        ring: &StoredRing,
        found: Option<&FoundPair>,
        seal_id: SealId,
    ) -> Result<(Material, Option<Vec<u8>>), Error> {
        let entropy = self.entropy.as_ref();
        let (key, hmac_key, public_key) = match ring.key_type {
            KeyType::Cipher(cipher) => {
                let key = SecretBytes::generate(cipher.key_len(), entropy)?;
                (key, SecretBytes::generate(HMAC_KEY_LEN, entropy)?, None)
            }
            KeyType::Hmac => {
                let length = ring.key_size.and_then(|size| usize::try_from(size).ok());
                let length = length.ok_or(Error::Integrity("rings.key_size"))?;
                let key = SecretBytes::generate(length, entropy)?;
                let same = SecretBytes::new(key.expose_secret().to_vec());
                (key, same, None)
            }
            KeyType::Pair(pair_type) => {
                let found = found.filter(|found| found.pair_type == pair_type);
                let (key, public_key) = if let Some(found) = found {
                    let copy = SecretBytes::new(found.pkcs8.expose_secret().to_vec());
                    (copy, found.public_key.clone())
                } else {
                    let made = self.new_pair(pair_type).await?;
                    (made.pkcs8, made.public_key)
                };
                let hmac_key = SecretBytes::generate(HMAC_KEY_LEN, entropy)?;
                (key, hmac_key, Some(public_key))
            }
        };
        let material = Material {
            seal_id,
            key,
            hmac_key,
        };
        Ok((material, public_key))
    }

    /// A new pair where none was found before: one that takes no search, or one that nobody expected to be needed.
    async fn new_pair(&self, pair_type: PairType) -> Result<FoundPair, Error> {
        if pair_type.is_rsa() {
            return self.searches.turn("").await?.search(pair_type).await;
        }
        let made = tokio::task::spawn_blocking(move || FoundPair::generate(pair_type)).await;
        made.map_err(|_| Error::Worker)?.map_err(|_| Error::Worker)
    }

    async fn counted<T>(
        &self,
        verb: KekVerb,
        call: impl Future<Output = Result<T, KekError>> + Send,
    ) -> Result<T, Error> {
        let began = self.clock.uptime();
        let result = call.await;
        let outcome = if result.is_ok() {
            Outcome::Done
        } else {
            Outcome::Failed
        };
        self.observer
            .kek_called(verb, outcome, self.clock.uptime().saturating_sub(began));
        result.map_err(Error::from)
    }
}

/// A version that is to be wrapped.
#[derive(Debug)]
pub struct NewVersion {
    /// Its number.
    pub version: Version,
    /// How it came to be.
    pub origin: Origin,
    /// Its secrets.
    pub material: Material,
    /// The public half of a key pair, a DER `SubjectPublicKeyInfo`.
    pub public_key: Option<Vec<u8>>,
    /// The certificates of the public half, in PEM.
    pub certificate_chain: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

fn same_material(one: &Material, other: &Material) -> bool {
    one.seal_id == other.seal_id
        && bool::from(one.key.expose_secret().ct_eq(other.key.expose_secret()))
        && bool::from(
            one.hmac_key
                .expose_secret()
                .ct_eq(other.hmac_key.expose_secret()),
        )
}

fn record_error(error: RecordError) -> Error {
    match error {
        RecordError::Entropy(error) => error.into(),
        RecordError::Format | RecordError::Rejected => Error::Integrity("ring_versions.material"),
    }
}

/// Length of the HMAC key that versions of every type have, in bytes.
pub const HMAC_KEY_LEN: usize = 32;
