//! The keys of one issuer: written down by the administrator, or published as a JWK set.

use jsonwebtoken::Algorithm;
use serde_json::Value;

use super::claims::Claims;
use super::jws::{JwsFault, Parsed};
use super::key::{KeyFault, VerificationKey};
use super::strict_json;

/// Keys, any of which may have signed a token.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<VerificationKey>,
}

/// Why bytes are no set of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetFault {
    /// It is not an object with a list of keys.
    #[error("not a JWK set")]
    Malformed,
    /// It has more than [`KeySet::MAX_KEYS`] keys.
    #[error("a JWK set of more than {} keys", KeySet::MAX_KEYS)]
    TooManyKeys,
}

impl KeySet {
    /// How many keys an issuer may have.
    pub const MAX_KEYS: usize = 128;

    /// The keys of these PEM texts.
    pub fn from_pems(pems: &[String]) -> Result<Self, KeyFault> {
        let keys = pems.iter().map(|pem| VerificationKey::from_pem(pem));
        let keys = keys.collect::<Result<_, _>>()?;
        Ok(Self { keys })
    }

    /// The keys of a JWK set (RFC 7517, 5). Those that cannot verify tokens are passed over.
    pub fn from_jwks(bytes: &[u8]) -> Result<Self, KeySetFault> {
        let set = strict_json::read_object(bytes).ok_or(KeySetFault::Malformed)?;
        let keys = set.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or(KeySetFault::Malformed)?;
        if keys.len() > Self::MAX_KEYS {
            return Err(KeySetFault::TooManyKeys);
        }
        let usable = |key: &Value| VerificationKey::from_jwk(key.as_object()?);
        Ok(Self {
            keys: keys.iter().filter_map(usable).collect(),
        })
    }

    /// How many keys there are.
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The claims of a token, if one of the keys that its header may mean has signed it.
    pub fn verify(&self, token: &Parsed<'_>, allowed: &[Algorithm]) -> Result<Claims, JwsFault> {
        let named = |key: &&VerificationKey| match &token.key_id {
            Some(id) => key.may_be(id),
            None => true,
        };
        token.jws.verify(self.keys.iter().filter(named), allowed)
    }
}
