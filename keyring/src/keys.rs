//! Makes new versions and opens stored ones: the only place where KEK, store secret and rows meet.

use std::future::Future;
use std::sync::Arc;

use subtle::ConstantTimeEq;

use crate::algorithm::KeyType;
use crate::binding::{Binding, Origin};
use crate::clock::{Clock, Timestamp};
use crate::entropy::Entropy;
use crate::error::Error;
use crate::ids::SealId;
use crate::kek::{Kek, KekError};
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

    /// Makes a version: new random keys, wrapped, and opened again from what is to be stored, so that nothing
    /// is ever encrypted under a key that would not come back.
    pub async fn make_version(
        &self,
        ring: &StoredRing,
        version: Version,
        seal_id: SealId,
        now: Timestamp,
    ) -> Result<(StoredVersion, Material), Error> {
        let entropy = self.entropy.as_ref();
        let dek = Dek::generate(entropy)?;
        let material = new_material(ring.key_type, seal_id, entropy)?;
        let binding = Binding {
            store: self.store.store,
            ring: ring.id,
            version,
            key_type: ring.key_type.number(),
            origin: Origin::Generated,
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
            created_at: now,
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

fn new_material(
    key_type: KeyType,
    seal_id: SealId,
    entropy: &dyn Entropy,
) -> Result<Material, Error> {
    Ok(Material {
        seal_id,
        key: SecretBytes::generate(key_type.key_len(), entropy)?,
        hmac_key: SecretBytes::generate(HMAC_KEY_LEN, entropy)?,
    })
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

const HMAC_KEY_LEN: usize = 32;
