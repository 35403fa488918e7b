//! Policies as stored, and what the policies of a token allow together: compiled once, shared by all its like.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde::{Deserialize, Serialize};

use futures_util::FutureExt as _;

use super::entries::{Entries, EntryError, Shelf};
use super::policy::{CompiledAcl, DEFAULT_TEXT, Policy, PolicyFault, PolicyName};
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

/// A policy as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredPolicy {
    text: String,
}

/// Why a policy was not written or deleted.
#[derive(Debug, thiserror::Error)]
pub enum PolicyChangeError {
    /// Tokens get it unless they are not to, so it must be there.
    #[error("cannot delete default policy")]
    DeleteDefault,
    /// Nobody deletes what may do everything.
    #[error("cannot delete \"root\" policy")]
    DeleteRoot,
    /// The store failed.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The text is no policy.
    #[error(transparent)]
    Text(#[from] PolicyFault),
    /// Nobody changes what may do everything.
    #[error("cannot update \"root\" policy")]
    UpdateRoot,
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

    /// The rules of these powers: at hand unless a policy may have changed since they were last asked.
    pub async fn acl(&self, powers: &Powers) -> Result<Arc<CompiledAcl>, EntryError> {
        let at_hand = || powers.current(self.generation.load(Ordering::Acquire));
        if let Some(acl) = at_hand() {
            return Ok(acl);
        }
        let _turn = powers.compiling.lock().await;
        if let Some(acl) = at_hand() {
            return Ok(acl);
        }
        // Taken before the reads: a change that comes in between is seen as one.
        let generation = self.generation.load(Ordering::Acquire);
        let acl = Arc::new(self.compile(powers.policies()).boxed().await?);
        powers.put(generation, &acl);
        Ok(acl)
    }

    /// A policy that is not there grants nothing.
    async fn compile(&self, names: &PolicySet) -> Result<CompiledAcl, EntryError> {
        if names.is_root() {
            return Ok(CompiledAcl::root());
        }
        let mut policies = Vec::new();
        for name in names.iter().filter_map(|name| PolicyName::parse(name).ok()) {
            if let Some(text) = self.text(&name).await? {
                let policy = Policy::parse(name, &text);
                policies.push(policy.map_err(|_| EntryError::Tampered(SHELF.kind))?);
            }
        }
        Ok(CompiledAcl::compile(&policies))
    }

    /// A policy's text. `root` has none, and yet is there.
    pub async fn text(&self, name: &PolicyName) -> Result<Option<String>, EntryError> {
        if name.is_root() {
            return Ok(None);
        }
        let stored = self.entries.get::<StoredPolicy>(SHELF, name.as_str());
        Ok(match stored.await? {
            Some(stored) => Some(stored.value.text),
            None => name.is_default().then(|| DEFAULT_TEXT.to_owned()),
        })
    }

    /// Whether there is a policy of this name.
    pub async fn exists(&self, name: &str) -> Result<bool, EntryError> {
        match PolicyName::parse(name) {
            Ok(name) if name.is_root() => Ok(true),
            Ok(name) => Ok(self.text(&name).await?.is_some()),
            Err(_) => Ok(false),
        }
    }

    /// The names of all policies but `root`, in order.
    pub async fn names(&self) -> Result<Vec<String>, EntryError> {
        let mut names = self.entries.names(SHELF).await?;
        let default = PolicyName::default_policy();
        if let Err(at) = names.binary_search_by(|name| name.as_str().cmp(default.as_str())) {
            names.insert(at, default.as_str().to_owned());
        }
        Ok(names)
    }

    /// Writes a policy, if its text is one.
    pub async fn put(&self, name: &PolicyName, text: &str) -> Result<(), PolicyChangeError> {
        if name.is_root() {
            return Err(PolicyChangeError::UpdateRoot);
        }
        Policy::parse(name.clone(), text)?;
        let written = self.entries.put(SHELF, name.as_str(), |_| {
            let text = text.to_owned();
            Ok::<_, Infallible>(StoredPolicy { text })
        });
        let Ok(_) = written.await?;
        self.changed();
        Ok(())
    }

    /// Deletes a policy; whether there was one. Tokens that have it go on without what it grants.
    pub async fn delete(&self, name: &PolicyName) -> Result<bool, PolicyChangeError> {
        if name.is_root() {
            return Err(PolicyChangeError::DeleteRoot);
        }
        if name.is_default() {
            return Err(PolicyChangeError::DeleteDefault);
        }
        let there = self.entries.delete(SHELF, name.as_str()).await?;
        self.changed();
        Ok(there)
    }
}

/// Where policies are kept.
const SHELF: Shelf<'static> = Shelf {
    kind: "policy",
    scope: "",
};
/// From this many sets on, those that no token has are dropped before the table grows.
const SWEEP_AT: usize = 1024;

#[cfg(test)]
mod tests;
