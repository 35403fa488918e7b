//! What the policies of a token allow together.

use super::policy_set::PolicySet;

/// A set of policies with what it allows, compiled when it is first asked and again after each change.
#[derive(Debug)]
pub struct Powers {
    policies: PolicySet,
}

impl Powers {
    /// The powers of this set.
    pub(crate) fn new(policies: PolicySet) -> Self {
        Self { policies }
    }

    /// The policies.
    pub fn policies(&self) -> &PolicySet {
        &self.policies
    }

    /// Whether it may do everything.
    pub fn is_root(&self) -> bool {
        self.policies.is_root()
    }
}
