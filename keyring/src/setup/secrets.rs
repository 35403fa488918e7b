//! The store's own secrets: making them, and opening them at every start.

use std::sync::Arc;

use super::SetupError;
use crate::audit_keys::AuditKeys;
use crate::binding::Binding;
use crate::derive::material_key;
use crate::identity_keys::IdentityKeys;
use crate::ids::StoreId;
use crate::kek::{KekError, WrappedDek};
use crate::record::{RecordError, open_secret, seal_secret};
use crate::row_mac::RowMac;
use crate::secret::{Dek, SecretBytes};
use crate::store::{StoreHeader, StoredSecret};
use crate::store_keys::{Purpose, StoreKeys, TokenPepper};
use crate::transit::Parts;

/// Opens the store's own keys.
pub(super) async fn store_keys(parts: &Parts) -> Result<StoreKeys, SetupError> {
    let header = header(parts).await?;
    let live = header.live_secret.as_ref().ok_or(SetupError::Sealed)?;
    let binding = Purpose::StoreSecret.binding(header.store, &header.kek);
    let secret = unwrapped(parts, live, &binding, "the store secret").await?;
    let room = Room {
        parts,
        store: header.store,
        secret: &secret,
        records: parts.store.secrets().await?,
    };
    let row_mac = room.open(Purpose::RowMac).await?;
    let pepper = room.open(Purpose::TokenPepper).await?;
    let identity = room.open_key(Purpose::Identity).await?;
    let signing = room.open_key(Purpose::AuditSigning).await?;
    let correlation = room.open_key(Purpose::AuditCorrelation).await?;
    let entropy = Arc::clone(&parts.entropy);
    Ok(StoreKeys {
        store: header.store,
        rows: RowMac::new(row_mac.expose_secret()),
        tokens: TokenPepper::new(&pepper),
        identity: Arc::new(IdentityKeys::new(&pepper, identity, entropy)),
        audit: Arc::new(AuditKeys::new(&signing, &correlation)),
        secret,
    })
}

/// The header of a store that this KEK belongs to.
pub(super) async fn header(parts: &Parts) -> Result<StoreHeader, SetupError> {
    let header = parts.store.header().await?;
    let header = header.ok_or(SetupError::NotInitialised)?;
    if header.kek == *parts.kek.id() {
        return Ok(header);
    }
    let (expected, found) = (header.kek.to_string(), parts.kek.id().to_string());
    Err(SetupError::OtherKek { expected, found })
}

fn find(records: &[StoredSecret], purpose: Purpose) -> Option<&StoredSecret> {
    records
        .iter()
        .find(|record| record.purpose == purpose.number())
}

/// What it takes to open a store's records.
pub(super) struct Room<'a> {
    pub(super) parts: &'a Parts,
    pub(super) store: StoreId,
    pub(super) secret: &'a Dek,
    pub(super) records: Vec<StoredSecret>,
}

impl Room<'_> {
    /// The secret of this purpose.
    pub(super) async fn open(&self, purpose: Purpose) -> Result<SecretBytes, SetupError> {
        let record = find(&self.records, purpose);
        // Never made anew: every store has had all of them from the start, and with new ones nothing that the old ones sealed or
        // hashed would be known any more.
        let record = record.ok_or(SetupError::MissingSecret(purpose.words()))?;
        let binding = purpose.binding(self.store, &record.kek);
        let dek = unwrapped(
            self.parts,
            &record.wrapped,
            &binding,
            "a secret of the store",
        )
        .await?;
        let key = material_key(&dek, self.secret.expose_secret());
        open_secret(&record.material, &key, &binding.encode()).map_err(record_error)
    }

    /// The secret of this purpose, which is a key of 32 bytes.
    async fn open_key(&self, purpose: Purpose) -> Result<Dek, SetupError> {
        let secret = self.open(purpose).await?;
        Dek::from_slice(secret.expose_secret())
            .ok_or(SetupError::Integrity("a secret of the store"))
    }
}

/// A new random secret, wrapped.
pub(super) async fn new_secret(
    parts: &Parts,
    store: StoreId,
    store_secret: &Dek,
    purpose: Purpose,
) -> Result<StoredSecret, SetupError> {
    let entropy = parts.entropy.as_ref();
    let binding = purpose.binding(store, parts.kek.id());
    let dek = Dek::generate(entropy)?;
    let wrapped = parts.kek.wrap_dek(&dek, &binding).await?;
    let key = material_key(&dek, store_secret.expose_secret());
    let secret = SecretBytes::generate(32, entropy)?;
    let material = seal_secret(&secret, &key, &binding.encode(), entropy).map_err(record_error)?;
    Ok(StoredSecret {
        purpose: purpose.number(),
        kek: binding.kek,
        wrapped,
        material,
    })
}

pub(super) async fn unwrapped(
    parts: &Parts,
    wrapped: &WrappedDek,
    binding: &Binding,
    what: &'static str,
) -> Result<Dek, SetupError> {
    parts
        .kek
        .unwrap_dek(wrapped, binding)
        .await
        .map_err(|error| match error {
            KekError::Rejected => SetupError::Integrity(what),
            KekError::Unavailable(_) => SetupError::Kek(error),
        })
}

pub(super) fn record_error(error: RecordError) -> SetupError {
    match error {
        RecordError::Entropy(error) => error.into(),
        RecordError::Format | RecordError::Rejected => {
            SetupError::Integrity("a secret of the store")
        }
    }
}
