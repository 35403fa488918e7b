//! Whether this node is open or sealed, and what it works with while it is open.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use keyring::transit::Transit;

use crate::identity::Identity;

mod opening;

pub use opening::{OpenError, open};

/// What a node works with while it is open. Requests hold on to it until they are answered; nothing else does, so
/// closing the gate wipes every key soon after.
#[derive(Debug)]
pub struct Opened {
    /// Tokens, policies and auth methods.
    pub identity: Arc<Identity>,
    /// The engine.
    pub transit: Arc<Transit>,
}

/// Holds what is open, or nothing while the node is sealed.
#[derive(Debug, Default)]
pub struct Gate {
    current: ArcSwapOption<Opened>,
}

impl Gate {
    /// A gate that stands open.
    pub fn open(opened: Opened) -> Self {
        Self {
            current: ArcSwapOption::from_pointee(opened),
        }
    }

    /// What the node works with; `None` while it is sealed.
    pub fn opened(&self) -> Option<Arc<Opened>> {
        self.current.load_full()
    }

    /// Lets no more requests in; what was open is the caller's to shut down.
    pub fn close(&self) -> Option<Arc<Opened>> {
        self.current.swap(None)
    }
}
