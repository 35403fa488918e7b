//! What the rooms of identity are built from.

use std::sync::Arc;

use keyring::clock::{Clock, Timestamp};
use keyring::entropy::Entropy;
use keyring::identity_keys::IdentityKeys;
use keyring::store::identity::{CredentialStore, EntryStore};

use super::Foundation;
use super::entries::Entries;
use super::limits::Limits;
use super::methods::look_ups::LookUps;

/// Stores, keys, time and randomness. Clones share them.
#[derive(Clone, Debug)]
pub struct Parts {
    /// What administrators wrote, typed.
    pub entries: Entries,
    /// The same, as rows.
    pub entry_store: Arc<dyn EntryStore>,
    /// What callers present.
    pub credentials: Arc<dyn CredentialStore>,
    /// Hashes and seals.
    pub keys: Arc<IdentityKeys>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives randomness.
    pub entropy: Arc<dyn Entropy>,
    /// How much of what callers may do is remembered.
    pub limits: Limits,
    /// Bounds what invented names cost.
    pub look_ups: LookUps,
}

impl Parts {
    /// What all of identity stands on, without what only tokens need.
    pub fn of(on: &Foundation) -> Self {
        Self {
            entries: Entries::new(Arc::clone(&on.entries), Arc::clone(&on.keys)),
            entry_store: Arc::clone(&on.entries),
            credentials: Arc::clone(&on.credentials),
            keys: Arc::clone(&on.keys),
            clock: Arc::clone(&on.clock),
            entropy: Arc::clone(&on.entropy),
            limits: on.limits,
            look_ups: LookUps::new(on.limits.look_ups, on.limits.look_ups_of_address),
        }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
