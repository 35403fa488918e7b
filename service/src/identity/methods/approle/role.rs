//! A role: what whoever proves to be of it gets, and what the proof takes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::identity::cidr::Cidr;
use crate::identity::token_params::{ParamsFault, TokenParams};
use crate::identity::ttl::seconds;

/// An app role as stored.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Role {
    /// Names the role to those who log in with it. At most [`MAX_ROLE_ID_LEN`](Self::MAX_ROLE_ID_LEN) bytes.
    pub role_id: String,
    /// The scope of its secret ids: random, so that a role made again under an old name has none of the old ones.
    pub secret_scope: String,
    /// Whether a login takes a secret id.
    pub bind_secret_id: bool,
    /// Where logins may come from; empty for anywhere.
    pub secret_id_bound_cidrs: Vec<Cidr>,
    /// How many logins a secret id is good for; zero for any number.
    pub secret_id_num_uses: u32,
    /// How long a secret id is good for; zero for ever.
    #[serde(with = "seconds")]
    pub secret_id_ttl: Duration,
    /// Accepted for what Vault makes of it in clusters; there is no difference here.
    pub local_secret_ids: bool,
    /// Whether somebody has ever chosen the text of one of its secret ids. Until then what was not generated here is
    /// refused without a query.
    pub has_custom_secret_ids: bool,
    /// What its tokens are like.
    pub token: TokenParams,
}

/// Why a role cannot be as it is asked to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleFault {
    /// The token fields contradict each other.
    #[error(transparent)]
    Params(#[from] ParamsFault),
    /// The role id is empty or too long.
    #[error("invalid role_id supplied, or failed to generate a role_id")]
    RoleId,
    /// Anybody who knows the role id could log in from anywhere.
    #[error("at least one constraint should be enabled on the role")]
    Unconstrained,
}

impl Role {
    /// The longest role id, in bytes.
    pub const MAX_ROLE_ID_LEN: usize = 4096;

    /// A role with nothing said about it.
    pub fn new(role_id: String, secret_scope: String) -> Self {
        Self {
            role_id,
            secret_scope,
            bind_secret_id: true,
            secret_id_bound_cidrs: Vec::new(),
            secret_id_num_uses: 0,
            secret_id_ttl: Duration::ZERO,
            local_secret_ids: false,
            has_custom_secret_ids: false,
            token: TokenParams::default(),
        }
    }

    /// Whether a login is bound to something besides the role id.
    pub fn is_constrained(&self) -> bool {
        self.bind_secret_id
            || !self.secret_id_bound_cidrs.is_empty()
            || !self.token.bound_cidrs.is_empty()
    }

    /// Whether it can be stored.
    pub fn check(&self) -> Result<(), RoleFault> {
        if !(1..=Self::MAX_ROLE_ID_LEN).contains(&self.role_id.len()) {
            return Err(RoleFault::RoleId);
        }
        if !self.is_constrained() {
            return Err(RoleFault::Unconstrained);
        }
        Ok(self.token.check()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role() -> Role {
        Role::new("id".to_owned(), "scope".to_owned())
    }

    #[test]
    fn something_besides_the_role_id_is_always_needed() {
        let bare = Role {
            bind_secret_id: false,
            ..role()
        };
        assert_eq!(role().check(), Ok(()));
        assert_eq!(bare.check(), Err(RoleFault::Unconstrained));
        let home = vec![Cidr::parse("127.0.0.1").unwrap()];
        let bound = Role {
            secret_id_bound_cidrs: home.clone(),
            ..bare.clone()
        };
        assert_eq!(bound.check(), Ok(()));
        let mut bound_tokens = bare;
        bound_tokens.token.bound_cidrs = home;
        assert_eq!(bound_tokens.check(), Ok(()));
    }

    #[test]
    fn a_role_id_has_one_to_4096_bytes() {
        for (len, expected) in [
            (0, Err(RoleFault::RoleId)),
            (1, Ok(())),
            (4096, Ok(())),
            (4097, Err(RoleFault::RoleId)),
        ] {
            let role = Role {
                role_id: "x".repeat(len),
                ..role()
            };
            assert_eq!(role.check(), expected, "{len}");
        }
    }
}
