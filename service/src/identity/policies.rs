//! Policies as stored, and what the policies of a token allow together: compiled once, shared by all its like.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::entries::Entries;
use super::policy_set::PolicySet;
use super::powers::Powers;

/// Reads, writes and compiles policies.
#[derive(Debug)]
pub struct Policies {
    entries: Entries,
    /// Grows with every change anybody may have made to a policy.
    generation: AtomicU64,
    shared: Mutex<HashMap<PolicySet, Weak<Powers>>>,
}

impl Policies {
    /// The policies among these entries.
    pub fn new(entries: Entries) -> Self {
        Self {
            entries,
            generation: AtomicU64::new(1),
            shared: Mutex::default(),
        }
    }

    /// What this set allows, shared by all tokens that have it.
    pub fn powers(&self, policies: &PolicySet) -> Arc<Powers> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(powers) = shared.get(policies).and_then(Weak::upgrade) {
            return powers;
        }
        if shared.len() >= SWEEP_AT && shared.len() == shared.capacity() {
            shared.retain(|_, powers| powers.strong_count() > 0);
        }
        let powers = Arc::new(Powers::new(policies.clone()));
        shared.insert(policies.clone(), Arc::downgrade(&powers));
        powers
    }

    /// Somebody may have changed a policy.
    pub fn changed(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}

/// From this many sets on, those that no token has are dropped before the table grows.
const SWEEP_AT: usize = 1024;
