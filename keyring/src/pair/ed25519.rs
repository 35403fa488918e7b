//! Ed25519, pure (RFC 8032).

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, ParsedPublicKey};

use super::{PairError, SignError, standard_form};
use crate::secret::SecretBytes;

pub(super) struct Ed25519 {
    private: Option<Ed25519KeyPair>,
    public: ParsedPublicKey,
    raw_public: [u8; 32],
}

pub(super) fn generate() -> Result<SecretBytes, PairError> {
    let pkcs8 = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1());
    let pkcs8 = pkcs8.map_err(|_| PairError::Unavailable)?;
    Ok(SecretBytes::new(pkcs8.as_ref().to_vec()))
}

pub(super) fn from_pkcs8(pkcs8: &[u8]) -> Result<(Ed25519, Box<[u8]>), PairError> {
    from_pair(Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| PairError::Malformed)?)
}

pub(super) fn from_seed(seed: &[u8; 32]) -> Result<(Ed25519, Box<[u8]>), PairError> {
    from_pair(Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| PairError::Malformed)?)
}

fn from_pair(pair: Ed25519KeyPair) -> Result<(Ed25519, Box<[u8]>), PairError> {
    let public_key = standard_form::public_key(pair.public_key())?;
    Ok((Ed25519::new(Some(pair), &public_key)?, public_key))
}

impl Ed25519 {
    pub(super) fn new(private: Option<Ed25519KeyPair>, spki: &[u8]) -> Result<Self, PairError> {
        let public = ParsedPublicKey::new(&ED25519, spki).map_err(|_| PairError::Malformed)?;
        standard_form::check_canonical(&public, spki)?;
        // The key is the end of its encoding (RFC 8410 section 4).
        let raw_public = *spki.last_chunk().ok_or(PairError::Malformed)?;
        Ok(Self {
            private,
            public,
            raw_public,
        })
    }

    pub(super) fn has_private(&self) -> bool {
        self.private.is_some()
    }

    pub(super) fn raw_public(&self) -> &[u8] {
        &self.raw_public
    }

    pub(super) fn seed_and_public(&self) -> Option<SecretBytes> {
        // Not `Ed25519KeyPair::seed`, which leaves a copy behind. The seed is the end of the PKCS#8 without the
        // public key (RFC 8410 section 7), and that is wiped.
        let pkcs8 = self.private.as_ref()?.to_pkcs8v1().ok()?;
        let seed: &[u8; 32] = pkcs8.as_ref().last_chunk()?;
        let mut both = Vec::with_capacity(64);
        both.extend_from_slice(seed);
        both.extend_from_slice(&self.raw_public);
        Some(SecretBytes::new(both))
    }

    pub(super) fn sign(&self, input: &[u8]) -> Result<Vec<u8>, SignError> {
        let private = self.private.as_ref().ok_or(SignError::NoPrivateKey)?;
        let signature = private.try_sign(input).map_err(|_| SignError::Failed)?;
        Ok(signature.as_ref().to_vec())
    }

    pub(super) fn verify(&self, input: &[u8], signature: &[u8]) -> bool {
        self.public.verify_sig(input, signature).is_ok()
    }
}
