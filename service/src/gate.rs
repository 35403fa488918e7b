//! Whether this node is open or sealed, and what it works with while it is open.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use keyring::store::KeyStore;
use keyring::transit::Transit;

use crate::audit::AuditLog;
use crate::identity::Identity;
use crate::quota::Quotas;

mod keeper;
mod opening;
mod progress;

pub use keeper::{Keeper, UnsealFailure};
pub use opening::{Blueprint, OpenError};
pub use progress::ShareRefusal;

/// What a node works with while it is open. Requests hold on to it until they are answered; nothing else does, so
/// closing the gate wipes every key soon after.
#[derive(Debug)]
pub struct Opened {
    /// The record of requests.
    pub audit: Arc<AuditLog>,
    /// Tokens, policies and auth methods.
    pub identity: Arc<Identity>,
    /// Rate limits and budgets.
    pub quotas: Arc<Quotas>,
    store: Arc<dyn KeyStore>,
    /// The engine.
    pub transit: Arc<Transit>,
}

/// Holds what is open, or nothing while the node is sealed.
#[derive(Debug, Default)]
pub struct Gate {
    current: ArcSwapOption<Opened>,
}

impl Gate {
    /// What the node works with; `None` while it is sealed.
    pub fn opened(&self) -> Option<Arc<Opened>> {
        self.current.load_full()
    }

    /// Has the audit begin new files where the old ones were moved away.
    pub fn reopen_audit(&self) {
        if let Some(opened) = self.opened() {
            opened.audit.reopen();
        }
    }

    /// Opens it.
    fn set(&self, opened: Opened) {
        self.current.store(Some(Arc::new(opened)));
    }

    /// Lets no more requests in; what was open is the caller's to shut down.
    fn close(&self) -> Option<Arc<Opened>> {
        self.current.swap(None)
    }
}
