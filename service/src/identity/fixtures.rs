//! What the tests of identity stand on.

use std::sync::Arc;

use keyring::entropy::SystemEntropy;
use keyring::identity_keys::IdentityKeys;
use keyring::name::KeyName;
use keyring::secret::{Dek, SecretBytes};
use keyring::store::memory::MemoryStore;
use keyring::test_support::engine::ManualClock;

use super::entries::Entries;
use super::parts::Parts;

/// The keys of a store, the same in every test.
pub(crate) fn keys() -> Arc<IdentityKeys> {
    Arc::new(IdentityKeys::new(
        &SecretBytes::new(vec![1; 32]),
        Dek::from_slice(&[2; 32]).unwrap(),
        Arc::new(SystemEntropy),
    ))
}

/// A store in memory with a clock that stands at 1,000,000 s, and what rooms of identity are built from on them.
pub(crate) fn parts() -> (Parts, Arc<ManualClock>) {
    let store = Arc::new(MemoryStore::new());
    let clock = Arc::new(ManualClock::at(1_000_000));
    let parts = Parts {
        entries: Entries::new(Arc::clone(&store) as Arc<_>, keys()),
        entry_store: Arc::clone(&store) as Arc<_>,
        credentials: store,
        keys: keys(),
        clock: Arc::clone(&clock) as Arc<_>,
        entropy: Arc::new(SystemEntropy),
    };
    (parts, clock)
}

/// A name.
pub(crate) fn name(text: &str) -> KeyName {
    KeyName::parse(text).unwrap()
}

/// A secret text.
pub(crate) fn secret(text: &str) -> SecretBytes {
    SecretBytes::new(text.as_bytes().to_vec())
}
