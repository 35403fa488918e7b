//! Why a key pair could not be had or did not do what it was asked.

/// There is no such pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    /// A key, but of another type, curve or size.
    #[error("the key is not of this type")]
    WrongType,
    /// Not DER, not a key, or a key that contradicts itself.
    #[error("the key is malformed")]
    Malformed,
    /// The library made none.
    #[error("no key pair could be generated")]
    Unavailable,
}

/// Nothing was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Only the public half is there.
    #[error("requested version for signing does not contain a private part")]
    NoPrivateKey,
    /// This type does not sign with this hash.
    #[error(
        "hash_algorithm is not supported for this key type: RSA signs with sha2-256, sha2-384 and sha2-512, \
         ECDSA with none only if prehashed"
    )]
    HashNotSupported,
    /// The salt does not fit beside the hash into the modulus.
    #[error("requested salt length {0} is invalid")]
    SaltLength(u32),
    /// The prehashed input cannot be a hash: RSA takes exactly the hash's length, P-521 at most 64 bytes.
    #[error("prehashed input does not have the length of the hash")]
    DigestLength,
    /// A padding that nobody here knows.
    #[error("unsupported rsa signature algorithm")]
    Scheme,
    /// The library refused.
    #[error("signing failed")]
    Failed,
}

/// The question whether a signature holds has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Not the DER of two numbers.
    #[error("supplied signature is invalid")]
    SignatureInvalid,
    /// Something stands behind the DER of two numbers.
    #[error("supplied signature contains extra data")]
    ExtraData,
    /// This type does not verify with this hash.
    #[error(
        "hash_algorithm is not supported for this key type: RSA verifies with sha2-256, sha2-384 and sha2-512, \
         with pkcs1v15 also sha1, ECDSA with none only if prehashed"
    )]
    HashNotSupported,
    /// The salt does not fit beside the hash into the modulus.
    #[error("requested salt length {0} is invalid")]
    SaltLength(u32),
    /// The prehashed input cannot be a hash: RSA takes exactly the hash's length, P-521 at most 64 bytes.
    #[error("prehashed input does not have the length of the hash")]
    DigestLength,
    /// A padding that nobody here knows.
    #[error("unsupported rsa signature algorithm")]
    Scheme,
}

/// Nothing was encrypted or decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OaepError {
    /// The plaintext does not fit into one block.
    #[error("message too long for RSA key size")]
    TooLong,
    /// Not a ciphertext under this key and hash. Says no more than that.
    #[error("crypto/rsa: decryption error")]
    Failed,
    /// Only the public half is there.
    #[error("cannot decrypt ciphertext, key version does not have a private counterpart")]
    NoPrivateKey,
    /// The key is not an RSA key.
    #[error("only RSA keys encrypt")]
    NotRsa,
}

/// What both signing and verifying refuse of their input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    HashNotSupported,
    SaltLength(u32),
    DigestLength,
    Scheme,
}

impl From<Refused> for SignError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::HashNotSupported => Self::HashNotSupported,
            Refused::SaltLength(length) => Self::SaltLength(length),
            Refused::DigestLength => Self::DigestLength,
            Refused::Scheme => Self::Scheme,
        }
    }
}

impl From<Refused> for VerifyError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::HashNotSupported => Self::HashNotSupported,
            Refused::SaltLength(length) => Self::SaltLength(length),
            Refused::DigestLength => Self::DigestLength,
            Refused::Scheme => Self::Scheme,
        }
    }
}
