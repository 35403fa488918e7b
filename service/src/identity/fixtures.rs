//! What the tests of identity stand on.

use std::sync::Arc;

use keyring::entropy::SystemEntropy;
use keyring::identity_keys::IdentityKeys;
use keyring::secret::{Dek, SecretBytes};

/// The keys of a store, the same in every test.
pub(crate) fn keys() -> Arc<IdentityKeys> {
    Arc::new(IdentityKeys::new(
        &SecretBytes::new(vec![1; 32]),
        Dek::from_slice(&[2; 32]).unwrap(),
        Arc::new(SystemEntropy),
    ))
}
