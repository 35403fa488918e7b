//! Key pairs: what a version of an asymmetric ring signs and verifies with and, if RSA, encrypts with.

mod ecdsa;
mod ed25519;
mod error;
mod ml_dsa;
mod options;
mod rsa;
mod standard_form;

use std::fmt;

use self::ecdsa::Ecdsa;
use self::ed25519::Ed25519;
pub use self::error::{OaepError, PairError, SignError, VerifyError};
use self::ml_dsa::MlDsa;
pub use self::options::{Marshaling, OaepHash, RsaScheme, SaltLength, SignatureOptions};
use self::rsa::Rsa;
use crate::algorithm::PairType;
use crate::secret::SecretBytes;

/// A key pair, or only its public half, ready for use: parsed once, used any number of times.
/// The private key lies on aws-lc's heap, which wipes what it frees.
pub struct Pair {
    kind: PairType,
    public_key: Box<[u8]>,
    key: Key,
}

impl Pair {
    /// A new pair's PKCS#8 (RFC 5958), the form in which a version's material holds it. RSA: e = 65537;
    /// ML-DSA: the seed (RFC 9881). The randomness is aws-lc's, which takes no other.
    pub fn generate(pair_type: PairType) -> Result<SecretBytes, PairError> {
        if pair_type.is_rsa() {
            rsa::generate(pair_type)
        } else if pair_type.is_ecdsa() {
            ecdsa::generate(pair_type)
        } else if pair_type == PairType::Ed25519 {
            ed25519::generate()
        } else {
            ml_dsa::generate(pair_type)
        }
    }

    /// The pair in this PKCS#8, as [`generate`](Self::generate) or an import gives it. An ML-DSA key without
    /// its seed is refused: it could not be written out again.
    pub fn from_pkcs8(pair_type: PairType, pkcs8: &[u8]) -> Result<Self, PairError> {
        standard_form::check_pkcs8(pair_type, pkcs8)?;
        let (key, public_key) = if pair_type.is_rsa() {
            rsa::from_pkcs8(pair_type, pkcs8).map(|(key, der)| (Key::Rsa(key), der))
        } else if pair_type.is_ecdsa() {
            ecdsa::from_pkcs8(pair_type, pkcs8).map(|(key, der)| (Key::Ecdsa(key), der))
        } else if pair_type == PairType::Ed25519 {
            ed25519::from_pkcs8(pkcs8).map(|(key, der)| (Key::Ed25519(key), der))
        } else {
            ml_dsa::from_pkcs8(pair_type, pkcs8).map(|(key, der)| (Key::MlDsa(key), der))
        }?;
        Ok(Self {
            kind: pair_type,
            public_key,
            key,
        })
    }

    /// Only the public half, from a DER `SubjectPublicKeyInfo` (RFC 5280) in the one form that
    /// [`public_key`](Self::public_key) gives: points uncompressed, nothing behind the end.
    pub fn from_public_key(pair_type: PairType, spki: &[u8]) -> Result<Self, PairError> {
        standard_form::check_public_key(pair_type, spki)?;
        let key = if pair_type.is_rsa() {
            Rsa::new(pair_type, None, spki).map(Key::Rsa)
        } else if pair_type.is_ecdsa() {
            Ecdsa::new(pair_type, None, spki).map(Key::Ecdsa)
        } else if pair_type == PairType::Ed25519 {
            Ed25519::new(None, spki).map(Key::Ed25519)
        } else {
            MlDsa::new(pair_type, None, spki).map(Key::MlDsa)
        }?;
        Ok(Self {
            kind: pair_type,
            public_key: spki.into(),
            key,
        })
    }

    /// The Ed25519 pair with this seed (RFC 8032 section 5.1.5), for derived keys.
    pub fn from_ed25519_seed(seed: &[u8; 32]) -> Result<Self, PairError> {
        let (key, public_key) = ed25519::from_seed(seed)?;
        Ok(Self {
            kind: PairType::Ed25519,
            public_key,
            key: Key::Ed25519(key),
        })
    }

    /// Ed25519: seed || public key, 64 bytes, the root of derivation and the exported form. `None` for other
    /// types and without a private half.
    pub fn ed25519_seed_and_public(&self) -> Option<SecretBytes> {
        match &self.key {
            Key::Ed25519(key) => key.seed_and_public(),
            Key::Ecdsa(_) | Key::MlDsa(_) | Key::Rsa(_) => None,
        }
    }

    /// Which kind of pair this is.
    pub fn pair_type(&self) -> PairType {
        self.kind
    }

    /// Whether the private half is there too.
    pub fn has_private(&self) -> bool {
        match &self.key {
            Key::Ecdsa(key) => key.has_private(),
            Key::Ed25519(key) => key.has_private(),
            Key::MlDsa(key) => key.has_private(),
            Key::Rsa(key) => key.has_private(),
        }
    }

    /// The public half as DER `SubjectPublicKeyInfo` (RFC 5280).
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// Ed25519: the public key's 32 bytes (RFC 8032). `None` for other types.
    pub fn raw_ed25519_public(&self) -> Option<&[u8]> {
        match &self.key {
            Key::Ed25519(key) => Some(key.raw_public()),
            Key::Ecdsa(_) | Key::MlDsa(_) | Key::Rsa(_) => None,
        }
    }

    /// The signature of this input. Ed25519 and ML-DSA sign the input itself, whatever the options say.
    pub fn sign(&self, input: &[u8], how: &SignatureOptions) -> Result<Vec<u8>, SignError> {
        match &self.key {
            Key::Ecdsa(key) => key.sign(input, how),
            Key::Ed25519(key) => key.sign(input),
            Key::MlDsa(key) => key.sign(input),
            Key::Rsa(key) => key.sign(input, how),
        }
    }

    /// Whether this is a signature of this input. The error is for what no key could answer.
    pub fn verify(
        &self,
        input: &[u8],
        signature: &[u8],
        how: &SignatureOptions,
    ) -> Result<bool, VerifyError> {
        match &self.key {
            Key::Ecdsa(key) => key.verify(input, signature, how),
            Key::Ed25519(key) => Ok(key.verify(input, signature)),
            Key::MlDsa(key) => Ok(key.verify(input, signature)),
            Key::Rsa(key) => key.verify(input, signature, how),
        }
    }

    /// RSA: encrypts with OAEP (RFC 8017 section 7.1), an empty label, and MGF1 over the same hash. At most
    /// modulus length - 2 * hash length - 2 bytes.
    pub fn oaep_encrypt(&self, plaintext: &[u8], hash: OaepHash) -> Result<Vec<u8>, OaepError> {
        self.rsa()?.oaep_encrypt(plaintext, hash)
    }

    /// RSA: undoes [`oaep_encrypt`](Self::oaep_encrypt).
    pub fn oaep_decrypt(
        &self,
        ciphertext: &[u8],
        hash: OaepHash,
    ) -> Result<SecretBytes, OaepError> {
        self.rsa()?.oaep_decrypt(ciphertext, hash)
    }

    /// RSA: length of the modulus, and so of signatures and ciphertexts, in bytes. `None` for other types.
    pub fn modulus_len(&self) -> Option<usize> {
        self.rsa().ok().map(Rsa::modulus_len)
    }

    fn rsa(&self) -> Result<&Rsa, OaepError> {
        match &self.key {
            Key::Rsa(key) => Ok(key),
            Key::Ecdsa(_) | Key::Ed25519(_) | Key::MlDsa(_) => Err(OaepError::NotRsa),
        }
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pair({:?}, ..)", self.kind)
    }
}

enum Key {
    Ecdsa(Ecdsa),
    Ed25519(Ed25519),
    MlDsa(MlDsa),
    Rsa(Rsa),
}
