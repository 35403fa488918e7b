//! Token roles: what tokens made through one are, whoever makes them.

use serde::{Deserialize, Serialize};

use crate::identity::entries::Shelf;
use crate::identity::glob;
use crate::identity::policy_set::{DEFAULT, PolicySet};
use crate::identity::token_params::{TokenParams, TokenType};

/// A token role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenRole {
    /// Entity aliases that may be asked for; taken and given back, for there are no entities.
    pub allowed_entity_aliases: Vec<String>,
    /// Policies that may be asked for, and are given if none are.
    pub allowed_policies: PolicySet,
    /// More policies that may be asked for.
    pub allowed_policies_glob: PolicySet,
    /// Policies that no token gets.
    pub disallowed_policies: PolicySet,
    /// More policies that no token gets.
    pub disallowed_policies_glob: PolicySet,
    /// Whether the tokens have no parent.
    pub orphan: bool,
    /// Lifetimes, bindings and the like. Of these, roles know bound blocks, explicit maximum, period, uses, type, and whether
    /// `default` is left out.
    pub params: TokenParams,
    /// What is added to the path that issues the tokens.
    pub path_suffix: String,
    /// Whether the tokens can be renewed.
    pub renewable: bool,
}

impl Default for TokenRole {
    fn default() -> Self {
        Self {
            allowed_entity_aliases: Vec::new(),
            allowed_policies: PolicySet::default(),
            allowed_policies_glob: PolicySet::default(),
            disallowed_policies: PolicySet::default(),
            disallowed_policies_glob: PolicySet::default(),
            orphan: false,
            params: TokenParams {
                token_type: TokenType::DefaultService,
                ..TokenParams::default()
            },
            path_suffix: String::new(),
            renewable: true,
        }
    }
}

/// Where token roles are kept.
pub const SHELF: Shelf<'static> = Shelf {
    kind: "token-role",
    scope: "",
};

/// Why a role cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleFault {
    /// Batch tokens have no explicit maximum.
    #[error(
        "'token_type' cannot be 'batch' when role is set to generate tokens with an explicit max TTL"
    )]
    BatchExplicitMax,
    /// Batch tokens made through a role are orphans.
    #[error("'token_type' cannot be 'batch' when role is set to generate non-orphan tokens")]
    BatchNotOrphan,
    /// Batch tokens are not periodic.
    #[error("'token_type' cannot be 'batch' when role is set to generate periodic tokens")]
    BatchPeriod,
    /// Batch tokens cannot be renewed.
    #[error("'token_type' cannot be 'batch' when role is set to generate renewable tokens")]
    BatchRenewable,
    /// The suffix would lead out of its path.
    #[error("error registering path suffix: path cannot contain parent references")]
    SuffixEscapes,
    /// The suffix has characters that a path should not have.
    #[error("given role path suffix contains invalid characters; must match \\w[\\w-.]+\\w")]
    SuffixGrammar,
}

impl TokenRole {
    /// Whether what the role says goes together.
    pub fn check(&self) -> Result<(), RoleFault> {
        let suffix = self.path_suffix.as_str();
        if !suffix.is_empty() && !is_suffix(suffix) {
            return Err(RoleFault::SuffixGrammar);
        }
        if suffix.contains("..") {
            return Err(RoleFault::SuffixEscapes);
        }
        if self.params.token_type != TokenType::Batch {
            return Ok(());
        }
        if !self.orphan {
            return Err(RoleFault::BatchNotOrphan);
        }
        if !self.params.period.is_zero() {
            return Err(RoleFault::BatchPeriod);
        }
        if self.renewable {
            return Err(RoleFault::BatchRenewable);
        }
        if !self.params.explicit_max_ttl.is_zero() {
            return Err(RoleFault::BatchExplicitMax);
        }
        Ok(())
    }

    /// Whether the role has an opinion on policies; without one, those of the caller bound what can be asked for.
    pub fn rules_policies(&self) -> bool {
        [
            &self.allowed_policies,
            &self.allowed_policies_glob,
            &self.disallowed_policies,
            &self.disallowed_policies_glob,
        ]
        .into_iter()
        .any(|set| !set.is_empty())
    }

    /// Whether this policy may be asked for, where only allowed ones may.
    pub fn allows(&self, policy: &str) -> bool {
        self.allowed_policies.contains(policy) || matches(&self.allowed_policies_glob, policy)
    }

    /// Whether no token gets this policy.
    pub fn disallows(&self, policy: &str) -> bool {
        self.disallowed_policies.contains(policy) || matches(&self.disallowed_policies_glob, policy)
    }

    /// Whether `default` is added to what is asked for.
    pub fn adds_default(&self) -> bool {
        !self.params.no_default_policy && !self.disallows(DEFAULT)
    }

    /// Whether an entity alias may be asked for, in whatever case.
    pub fn allows_alias(&self, alias: &str) -> bool {
        let alias = alias.to_lowercase();
        self.allowed_entity_aliases
            .iter()
            .any(|pattern| glob::matches(pattern, &alias))
    }
}

fn matches(patterns: &PolicySet, text: &str) -> bool {
    patterns.iter().any(|pattern| glob::matches(pattern, text))
}

/// Word characters, with `-` and `.` among them; at least three.
fn is_suffix(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let ends = text.bytes().next().is_some_and(word) && text.bytes().next_back().is_some_and(word);
    ends && text.len() >= 3
        && text
            .bytes()
            .all(|byte| word(byte) || matches!(byte, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn globs_and_names_decide_on_policies() {
        let role = TokenRole {
            allowed_policies: PolicySet::new(["app"]),
            allowed_policies_glob: PolicySet::new(["team-*"]),
            disallowed_policies_glob: PolicySet::new(["*-admin"]),
            ..TokenRole::default()
        };
        assert!(role.allows("app") && role.allows("team-a") && !role.allows("other"));
        assert!(role.disallows("team-admin") && !role.disallows("team-a"));
        assert!(role.rules_policies() && role.adds_default());
        assert!(!TokenRole::default().rules_policies());
        let without = TokenRole {
            disallowed_policies_glob: PolicySet::new(["def*"]),
            ..TokenRole::default()
        };
        assert!(!without.adds_default());
    }

    #[test]
    fn batch_roles_make_plain_orphans() {
        let mut role = TokenRole::default();
        role.params.token_type = TokenType::Batch;
        assert_eq!(role.check(), Err(RoleFault::BatchNotOrphan));
        role.orphan = true;
        assert_eq!(role.check(), Err(RoleFault::BatchRenewable));
        role.renewable = false;
        assert_eq!(role.check(), Ok(()));
        role.params.explicit_max_ttl = Duration::from_secs(1);
        assert_eq!(role.check(), Err(RoleFault::BatchExplicitMax));
        role.params.period = Duration::from_secs(1);
        assert_eq!(role.check(), Err(RoleFault::BatchPeriod));
    }

    #[test]
    fn a_suffix_is_a_plain_name() {
        let check = |suffix: &str| {
            TokenRole {
                path_suffix: suffix.to_owned(),
                ..TokenRole::default()
            }
            .check()
        };
        for fine in ["", "v1a", "a-b.c", "a_b"] {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
        for bad in ["v", "a/b", "-ab", "ab.", "a b"] {
            assert_eq!(check(bad), Err(RoleFault::SuffixGrammar), "{bad}");
        }
        assert_eq!(check("a..b"), Err(RoleFault::SuffixEscapes));
    }
}
