//! A JWS in compact form (RFC 7515): taken apart, and its signature verified.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::claims::Claims;
use super::key::VerificationKey;
use super::strict_json;

/// A signed token that has been taken apart. Nothing in it is to be believed until [`Jws::verify`] has given its claims.
#[derive(Clone, Copy)]
pub struct Jws<'t> {
    algorithm: Algorithm,
    signed: &'t str,
    payload: &'t str,
    signature: &'t str,
}

/// A token and the key id its header names, if it names one.
#[derive(Clone, Debug)]
pub struct Parsed<'t> {
    /// The token.
    pub jws: Jws<'t>,
    /// Which key its header says it is signed with.
    pub key_id: Option<String>,
}

/// Why a text is no token this server takes, or is not signed by a key it knows. Says nothing of what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsFault {
    /// The header asks for an algorithm that is not allowed here: a shared secret, none at all, or one left out of the
    /// configuration.
    #[error("invalid algorithm (alg) header parameter: token signed with unexpected algorithm")]
    Algorithm,
    /// The payload is no object, or a registered claim has a type that it must not have.
    #[error("malformed claims")]
    Claims,
    /// The header names an extension that must be understood (RFC 7515, 4.1.11). None is.
    #[error("unsupported critical header parameter")]
    Critical,
    /// There are not three parts, or one of them is not what it should be.
    #[error("malformed token")]
    Malformed,
    /// No key verifies the signature.
    #[error(
        "error verifying token signature: no known key successfully validated the token signature"
    )]
    Signature,
    /// The token is longer than [`Jws::MAX_LENGTH`].
    #[error("token is too long")]
    TooLong,
}

impl<'t> Jws<'t> {
    /// How long a token may be.
    pub const MAX_LENGTH: usize = 64 * 1024;

    /// How long the decoded header may be.
    const MAX_HEADER: usize = 8 * 1024;

    /// How many keys are tried for one token.
    const MAX_TRIES: usize = 32;

    /// Takes a token apart. Everything its header offers besides algorithm, type and key id is passed over: keys come
    /// from the configuration only.
    pub fn parse(token: &'t str) -> Result<Parsed<'t>, JwsFault> {
        if token.len() > Self::MAX_LENGTH {
            return Err(JwsFault::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwsFault::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(JwsFault::Malformed)?;
        if payload.contains('.') {
            return Err(JwsFault::Malformed);
        }
        let header = decode(header)?;
        if header.len() > Self::MAX_HEADER {
            return Err(JwsFault::TooLong);
        }
        let header = strict_json::read_object(&header).ok_or(JwsFault::Malformed)?;
        let (algorithm, key_id) = read_header(&header)?;
        let jws = Self {
            algorithm,
            signed,
            payload,
            signature,
        };
        Ok(Parsed { jws, key_id })
    }

    /// The claims, if one of these keys verifies the signature by one of the allowed algorithms. A key is only ever used
    /// with the algorithms of its own kind.
    pub fn verify<'k>(
        self,
        keys: impl IntoIterator<Item = &'k VerificationKey>,
        allowed: &[Algorithm],
    ) -> Result<Claims, JwsFault> {
        if !allowed.contains(&self.algorithm) {
            return Err(JwsFault::Algorithm);
        }
        let mut keys = keys.into_iter().filter(|key| key.is_for(self.algorithm));
        let verified = keys
            .by_ref()
            .take(Self::MAX_TRIES)
            .any(|key| key.verifies(self.algorithm, self.signed.as_bytes(), self.signature));
        if verified {
            self.claims()
        } else {
            Err(JwsFault::Signature)
        }
    }

    /// The claims, where somebody else has verified the signature.
    pub(in crate::identity) fn claims(self) -> Result<Claims, JwsFault> {
        let payload = decode(self.payload)?;
        let fields = strict_json::read_object(&payload).ok_or(JwsFault::Claims)?;
        Claims::read(fields).ok_or(JwsFault::Claims)
    }
}

impl fmt::Debug for Jws<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jws(..)")
    }
}

fn decode(part: &str) -> Result<Vec<u8>, JwsFault> {
    BASE64URL_NOPAD
        .decode(part.as_bytes())
        .map_err(|_| JwsFault::Malformed)
}

fn read_header(header: &Map<String, Value>) -> Result<(Algorithm, Option<String>), JwsFault> {
    if header.contains_key("crit") {
        return Err(JwsFault::Critical);
    }
    let algorithm = header.get("alg").and_then(Value::as_str);
    let algorithm = algorithm.ok_or(JwsFault::Malformed)?;
    let algorithm = super::key::algorithm(algorithm).ok_or(JwsFault::Algorithm)?;
    let key_id = match header.get("kid") {
        None => None,
        Some(Value::String(id)) => Some(id.clone()),
        Some(_) => return Err(JwsFault::Malformed),
    };
    Ok((algorithm, key_id))
}
