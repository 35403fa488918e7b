//! Who wants to know when identity changes in the store. Calls are plain and must not block.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use crate::store::identity::CredentialHash;

/// Hears of what changed in the store, wherever it was changed, within one poll. Until all listeners have heard, the
/// store does not count as confirmed.
pub trait IdentityListener: Send + Sync + fmt::Debug {
    /// An entry, a chosen credential or a root token changed, or the store was sealed or unsealed.
    fn identity_changed(&self, epoch: u64);

    /// These tokens were revoked or used up; each may be told more than once.
    fn revoked(&self, hashes: &[CredentialHash]);

    /// The store has gone back in time, or was out of reach for so long that what ended meanwhile may not be told any
    /// more: nothing cached can be trusted.
    fn everything_may_have_changed(&self);

    /// The live copy of the store secret is gone: close the engine. Told by every poll until then.
    fn sealed(&self);
}

/// Those who listen.
#[derive(Debug, Default)]
pub(crate) struct Listeners(RwLock<Vec<Arc<dyn IdentityListener>>>);

impl Listeners {
    pub(crate) fn add(&self, listener: Arc<dyn IdentityListener>) {
        let mut listeners = self.0.write().unwrap_or_else(PoisonError::into_inner);
        listeners.push(listener);
    }

    pub(crate) fn each(&self, tell: impl Fn(&dyn IdentityListener)) {
        let listeners = self.0.read().unwrap_or_else(PoisonError::into_inner);
        listeners
            .iter()
            .for_each(|listener| tell(listener.as_ref()));
    }

    pub(crate) fn clear(&self) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}
