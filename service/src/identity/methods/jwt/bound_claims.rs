//! Claims that a role demands, as texts that must be equal or as globs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::identity::glob;
use crate::identity::methods::jose::claims::Claims;

/// How the demanded values are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BoundClaimsType {
    /// As globs, for texts only.
    Glob,
    /// As they stand.
    #[default]
    String,
}

impl BoundClaimsType {
    /// The type with this name.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "glob" => Some(Self::Glob),
            "string" => Some(Self::String),
            _ => None,
        }
    }

    /// The protocol's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Glob => "glob",
            Self::String => "string",
        }
    }
}

/// What each of some claims, named as [`Claims::at`] takes it, must be or hold: one value or one of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BoundClaims(pub BTreeMap<String, Value>);

/// Why demands cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DemandFault {
    /// A glob is no text.
    #[error("claim is not a string or list of strings")]
    NotText,
    /// A value is something that no claim is compared with.
    #[error("bound claim is not a string, bool, int or list")]
    NotScalar,
}

/// Why claims are not what is demanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoundFault {
    /// A demanded claim is not there.
    #[error("claim \"{0}\" is missing")]
    Missing(String),
    /// It has another value.
    #[error("claim \"{0}\" does not match any associated bound claim values")]
    Mismatch(String),
    /// It is nothing that is compared.
    #[error("received claim is not a string, bool, int or list")]
    NotScalar,
}

impl BoundClaims {
    /// Whether the demands can be met at all.
    pub fn check(&self, kind: BoundClaimsType) -> Result<(), DemandFault> {
        for demanded in self.0.values().map(listed) {
            if !demanded.iter().all(is_scalar) {
                return Err(DemandFault::NotScalar);
            }
            if kind == BoundClaimsType::Glob && !demanded.iter().all(Value::is_string) {
                return Err(DemandFault::NotText);
            }
        }
        Ok(())
    }

    /// Whether nothing is demanded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether claims are what is demanded: every one of the named claims has one of its values.
    pub fn admit(&self, claims: &Claims, kind: BoundClaimsType) -> Result<(), BoundFault> {
        for (name, demanded) in &self.0 {
            let claim = claims.at(name);
            let claim = claim.ok_or_else(|| BoundFault::Missing(name.clone()))?;
            if !claim.is_array() && !is_scalar(claim) {
                return Err(BoundFault::NotScalar);
            }
            let is_met = |actual: &Value| {
                let mut demanded = listed(demanded).iter();
                demanded.any(|demanded| kind.is_met(demanded, actual))
            };
            if !listed(claim).iter().any(is_met) {
                return Err(BoundFault::Mismatch(name.clone()));
            }
        }
        Ok(())
    }
}

impl BoundClaimsType {
    fn is_met(self, demanded: &Value, actual: &Value) -> bool {
        match (self, demanded, actual) {
            (Self::Glob, Value::String(pattern), Value::String(text)) => {
                glob::matches(pattern, text)
            }
            (Self::Glob, _, _) => false,
            (Self::String, Value::Number(demanded), Value::Number(actual)) => {
                whole(demanded).is_some_and(|demanded| whole(actual) == Some(demanded))
            }
            (Self::String, demanded, actual) => is_scalar(demanded) && demanded == actual,
        }
    }
}

/// A number that is whole; others are equal to nothing.
fn whole(number: &serde_json::Number) -> Option<i128> {
    let signed = number.as_i64().map(i128::from);
    signed.or_else(|| number.as_u64().map(i128::from))
}

fn is_scalar(value: &Value) -> bool {
    match value {
        Value::Bool(_) | Value::String(_) => true,
        Value::Number(number) => whole(number).is_some(),
        Value::Array(_) | Value::Null | Value::Object(_) => false,
    }
}

/// The items of a list; anything else is a list of itself.
const fn listed(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items.as_slice(),
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::Object(_) | Value::String(_) => {
            std::slice::from_ref(value)
        }
    }
}
