//! What the policies of a token allow together.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::policy::CompiledAcl;
use super::policy_set::PolicySet;

/// A set of policies with what it allows, compiled when it is first asked and again after each change.
#[derive(Debug)]
pub struct Powers {
    policies: PolicySet,
    compiled: ArcSwapOption<Compiled>,
    /// Held by the one who compiles.
    pub(super) compiling: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Compiled {
    /// What the policies were before they were read.
    generation: u64,
    acl: Arc<CompiledAcl>,
}

impl Powers {
    /// The powers of this set.
    pub(super) fn new(policies: PolicySet) -> Self {
        Self {
            policies,
            compiled: ArcSwapOption::empty(),
            compiling: tokio::sync::Mutex::default(),
        }
    }

    /// The policies.
    pub fn policies(&self) -> &PolicySet {
        &self.policies
    }

    /// Whether it may do everything.
    pub fn is_root(&self) -> bool {
        self.policies.is_root()
    }

    /// The rules, if they are those of this generation.
    pub(super) fn current(&self, generation: u64) -> Option<Arc<CompiledAcl>> {
        let compiled = self.compiled.load();
        let compiled = compiled.as_ref()?;
        (compiled.generation == generation).then(|| Arc::clone(&compiled.acl))
    }

    /// Takes rules that were read at this generation.
    pub(super) fn put(&self, generation: u64, acl: &Arc<CompiledAcl>) {
        self.compiled.store(Some(Arc::new(Compiled {
            generation,
            acl: Arc::clone(acl),
        })));
    }
}
