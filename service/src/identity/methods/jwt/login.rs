//! From verified claims to who the caller is, or why the role does not take them. Pure.

use std::collections::BTreeMap;

use keyring::clock::Timestamp;
use serde_json::Value;

use super::bound_claims::BoundFault;
use super::role::{ROLE, Role};
use crate::identity::methods::jose::claims::Claims;
use crate::identity::methods::jose::times::TimeFault;
use crate::identity::plain_text::is_plain;

/// Who has logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// What the caller is called.
    pub user: String,
    /// What is written to the token: the role, and the mapped claims.
    pub metadata: BTreeMap<String, String>,
}

/// Why claims do not log in. Names what the administrator has named, never what the token says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginFault {
    /// None of the audiences is one of the role's.
    #[error(
        "error validating token: invalid audience (aud) claim: audience claim does not match any expected audience"
    )]
    Audience,
    /// The token is meant for somebody, and the role does not say that it is for this server.
    #[error("audience claim found in JWT but no audiences bound to the role")]
    AudienceUnbound,
    /// A demanded claim is missing or different.
    #[error("error validating claims: {0}")]
    Bound(#[from] BoundFault),
    /// The groups are not a list of texts.
    #[error("\"{0}\" claim could not be converted to string list")]
    Groups(String),
    /// The groups are not there.
    #[error("failed to fetch groups: \"{0}\" claim not found in token")]
    GroupsMissing(String),
    /// The token is somebody else's.
    #[error("error validating token: invalid issuer (iss) claim")]
    Issuer,
    /// A mapped claim is no text, longer than [`Admitted::MAX_VALUE`], or has characters that do not show.
    #[error("error converting claim '{0}' to string")]
    Mapping(String),
    /// It is about somebody else.
    #[error("error validating token: invalid subject (sub) claim")]
    Subject,
    /// It is not valid now.
    #[error("error validating token: {0}")]
    Time(#[from] TimeFault),
    /// The claim that names the caller is no text, longer than [`Admitted::MAX_VALUE`], or has characters that do not show.
    #[error("claim \"{0}\" could not be converted to string")]
    User(String),
    /// Nothing names the caller.
    #[error("claim \"{0}\" not found in token")]
    UserMissing(String),
}

impl Admitted {
    /// How long a text may be that is taken out of a token.
    pub const MAX_VALUE: usize = 1024;
}

impl Role {
    /// Who the caller is, if the claims are what the issuer's configuration and this role ask for at this instant.
    pub fn admit(
        &self,
        name: &str,
        claims: &Claims,
        bound_issuer: &str,
        now: Timestamp,
    ) -> Result<Admitted, LoginFault> {
        if !bound_issuer.is_empty() && claims.issuer() != bound_issuer {
            return Err(LoginFault::Issuer);
        }
        if !self.bound_subject.is_empty() && claims.subject() != self.bound_subject {
            return Err(LoginFault::Subject);
        }
        self.check_audience(claims)?;
        claims.times().check(now, self.leeways)?;
        let user = self.user(claims)?;
        let metadata = self.metadata(name, claims)?;
        self.check_groups(claims)?;
        self.bound_claims.admit(claims, self.bound_claims_type)?;
        Ok(Admitted { user, metadata })
    }

    fn check_audience(&self, claims: &Claims) -> Result<(), LoginFault> {
        let mut audiences = claims.audiences().iter();
        if self.bound_audiences.is_empty() {
            return match audiences.next() {
                None => Ok(()),
                Some(_) => Err(LoginFault::AudienceUnbound),
            };
        }
        let is_bound = audiences.any(|audience| self.bound_audiences.contains(audience));
        is_bound.then_some(()).ok_or(LoginFault::Audience)
    }

    fn user(&self, claims: &Claims) -> Result<String, LoginFault> {
        let claim = if self.user_claim_json_pointer {
            claims.at(&self.user_claim)
        } else {
            claims.named(&self.user_claim)
        };
        let claim = claim.ok_or_else(|| LoginFault::UserMissing(self.user_claim.clone()))?;
        let user = text(claim).filter(|user| !user.is_empty());
        user.ok_or_else(|| LoginFault::User(self.user_claim.clone()))
    }

    fn metadata(
        &self,
        name: &str,
        claims: &Claims,
    ) -> Result<BTreeMap<String, String>, LoginFault> {
        let mut metadata = BTreeMap::from([(ROLE.to_owned(), name.to_owned())]);
        for (from, to) in &self.claim_mappings {
            if let Some(claim) = claims.at(from) {
                let value = text(claim).ok_or_else(|| LoginFault::Mapping(from.clone()))?;
                metadata.insert(to.clone(), value);
            }
        }
        Ok(metadata)
    }

    fn check_groups(&self, claims: &Claims) -> Result<(), LoginFault> {
        if self.groups_claim.is_empty() {
            return Ok(());
        }
        let name = || self.groups_claim.clone();
        let groups = claims.at(&self.groups_claim);
        let groups = groups.ok_or_else(|| LoginFault::GroupsMissing(name()))?;
        let is_texts = match groups {
            Value::Array(groups) => groups.iter().all(Value::is_string),
            Value::String(_) => true,
            Value::Bool(_) | Value::Null | Value::Number(_) | Value::Object(_) => false,
        };
        is_texts
            .then_some(())
            .ok_or_else(|| LoginFault::Groups(name()))
    }
}

fn text(claim: &Value) -> Option<String> {
    let text = claim.as_str()?;
    let is_fine = text.len() <= Admitted::MAX_VALUE && is_plain(text);
    is_fine.then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
