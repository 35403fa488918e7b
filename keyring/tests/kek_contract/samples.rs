//! Bindings, keys and wrapped keys to try a KEK with.

use std::sync::Arc;

use keyring::binding::{Binding, Origin};
use keyring::entropy::SystemEntropy;
use keyring::ids::{RingId, StoreId};
use keyring::kek::{Kek, KekError, WrappedDek};
use keyring::secret::Dek;
use keyring::version::Version;

pub(crate) fn binding(kek: &dyn Kek) -> Binding {
    Binding {
        store: StoreId::from_bytes([1; 16]),
        ring: RingId::from_bytes([2; 16]),
        version: Version::FIRST,
        key_type: 20_001,
        origin: Origin::Generated,
        kek: kek.id().clone(),
    }
}

pub(crate) fn dek() -> Dek {
    Dek::generate(&SystemEntropy).unwrap()
}

pub(crate) fn entropy() -> Arc<SystemEntropy> {
    Arc::new(SystemEntropy)
}

/// A fresh key, wrapped under the KEK's [`binding`].
pub(crate) async fn wrapped_by(kek: &dyn Kek) -> WrappedDek {
    kek.wrap_dek(&dek(), &binding(kek)).await.unwrap()
}

/// What the KEK makes of a key that was wrapped under its [`binding`].
pub(crate) async fn unwrapped_by(kek: &dyn Kek, wrapped: &WrappedDek) -> Result<Dek, KekError> {
    kek.unwrap_dek(wrapped, &binding(kek)).await
}

pub(crate) fn flipped(wrapped: &WrappedDek, bit: usize) -> WrappedDek {
    let mut bytes = wrapped.as_bytes().to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    WrappedDek::from_bytes(bytes).unwrap()
}
