//! A role: which tokens it takes, and what the tokens given for them are like.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bound_claims::{BoundClaims, BoundClaimsType, DemandFault};
use crate::identity::methods::jose::times::Leeways;
use crate::identity::token_params::{ParamsFault, TokenParams};

/// A role as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Role {
    /// Whom tokens may be meant for; any of them is enough. If there is none, tokens must not name any.
    pub bound_audiences: Vec<String>,
    /// Claims and the values they must have.
    pub bound_claims: BoundClaims,
    /// How those values are meant.
    pub bound_claims_type: BoundClaimsType,
    /// The subject that tokens must be about; empty for any.
    pub bound_subject: String,
    /// Claims by name and what they are called in the metadata of the token that is given.
    pub claim_mappings: BTreeMap<String, String>,
    /// The claim that names the groups; it must be there if it is named. There are no groups here to be in.
    pub groups_claim: String,
    /// What is forgiven about times.
    pub leeways: Leeways,
    /// The claim that names the caller.
    pub user_claim: String,
    /// Whether that name is a JSON pointer.
    pub user_claim_json_pointer: bool,
    /// Kept and given back; it says something about logins through a browser only.
    pub allowed_redirect_uris: Vec<String>,
    /// Kept and given back; it says something about logins through a browser only.
    pub oidc_scopes: Vec<String>,
    /// What its tokens are like.
    pub token: TokenParams,
}

/// Why a role cannot be as it is asked to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleFault {
    /// The demanded claims are not comparable.
    #[error(transparent)]
    BoundClaims(#[from] DemandFault),
    /// Two claims go to the same place.
    #[error("multiple keys are mapped to one metadata key")]
    DuplicateMapping,
    /// The token fields contradict each other.
    #[error(transparent)]
    Params(#[from] ParamsFault),
    /// A claim goes where the role's name goes.
    #[error("metadata key \"role\" is reserved and may not be a mapping destination")]
    ReservedMapping,
    /// Any token of the issuer would do.
    #[error("must have at least one bound constraint when creating/updating a role")]
    Unconstrained,
    /// Nothing names the caller.
    #[error("a user claim must be defined on the role")]
    UserClaim,
}

impl Role {
    /// Whether it can be stored.
    pub fn check(&self) -> Result<(), RoleFault> {
        self.token.check()?;
        self.bound_claims.check(self.bound_claims_type)?;
        let mut places: Vec<&String> = self.claim_mappings.values().collect();
        places.sort_unstable();
        if places.iter().any(|place| *place == ROLE) {
            return Err(RoleFault::ReservedMapping);
        }
        if places.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(RoleFault::DuplicateMapping);
        }
        if self.user_claim.is_empty() {
            return Err(RoleFault::UserClaim);
        }
        if self.is_constrained() {
            Ok(())
        } else {
            Err(RoleFault::Unconstrained)
        }
    }

    fn is_constrained(&self) -> bool {
        !self.bound_audiences.is_empty()
            || !self.bound_claims.is_empty()
            || !self.bound_subject.is_empty()
            || !self.token.bound_cidrs.is_empty()
    }
}

/// Where the role's name stands in the metadata.
pub const ROLE: &str = "role";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn role() -> Role {
        Role {
            bound_subject: "s".to_owned(),
            user_claim: "sub".to_owned(),
            ..Role::default()
        }
    }

    fn mapped(pairs: &[(&str, &str)]) -> Role {
        let own = |(from, to): &(&str, &str)| ((*from).to_owned(), (*to).to_owned());
        Role {
            claim_mappings: pairs.iter().map(own).collect(),
            ..role()
        }
    }

    #[test]
    fn a_role_needs_a_user_claim_and_a_constraint() {
        assert_eq!(role().check(), Ok(()));
        let nobody = Role {
            user_claim: String::new(),
            ..role()
        };
        assert_eq!(nobody.check(), Err(RoleFault::UserClaim));
        let anybody = Role {
            bound_subject: String::new(),
            ..role()
        };
        assert_eq!(anybody.check(), Err(RoleFault::Unconstrained));
    }

    #[test]
    fn claims_are_mapped_to_places_of_their_own() {
        assert_eq!(mapped(&[("a", "x"), ("b", "y")]).check(), Ok(()));
        let twice = mapped(&[("a", "x"), ("b", "z"), ("c", "x")]);
        assert_eq!(twice.check(), Err(RoleFault::DuplicateMapping));
        let reserved = mapped(&[("a", "role")]);
        assert_eq!(reserved.check(), Err(RoleFault::ReservedMapping));
    }

    #[test]
    fn demands_are_scalars_and_globs_are_texts() {
        let demanding = |value: serde_json::Value, kind| Role {
            bound_claims: BoundClaims([("a".to_owned(), value)].into()),
            bound_claims_type: kind,
            ..role()
        };
        for fine in [json!("x"), json!(1), json!(true), json!(["x", 1])] {
            assert_eq!(demanding(fine, BoundClaimsType::String).check(), Ok(()));
        }
        for wrong in [
            json!(null),
            json!({}),
            json!([[]]),
            json!(1.5),
            json!(["x", null]),
        ] {
            let fault = demanding(wrong, BoundClaimsType::String).check();
            assert_eq!(fault, Err(DemandFault::NotScalar.into()));
        }
        for wrong in [json!(1), json!(["x", true])] {
            let fault = demanding(wrong, BoundClaimsType::Glob).check();
            assert_eq!(fault, Err(DemandFault::NotText.into()));
        }
    }
}
