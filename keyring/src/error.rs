//! What can go wrong with a request, and nothing else. Texts are the protocol's where it has one.

use crate::algorithm::{CipherType, KeyType};
use crate::base64::Base64Error;
use crate::ciphertext::CiphertextError;
use crate::entropy::EntropyError;
use crate::kek::KekError;
use crate::pair::{OaepError, SignError, VerifyError};
use crate::policy::RuleViolation;
use crate::store::StoreError;
use crate::transfer::TransferError;
use crate::version::Version;

/// Why a whole request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// More work is waiting than this node takes on; nothing was done. Try again soon.
    #[error("too much work is waiting")]
    Busy,
    /// The random source failed; nothing was done.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// A row fails its MAC, or cannot be true, or a wrapped key does not open. Names what, never a value.
    #[error("integrity error: {0}")]
    Integrity(&'static str),
    /// The one item of a single request failed.
    #[error(transparent)]
    Item(#[from] ItemError),
    /// The key-encryption key cannot be used now.
    #[error("the key-encryption key is unavailable")]
    KekUnavailable(#[source] KekError),
    /// There is no such ring. Said only after the store confirmed it.
    #[error("ring not found")]
    NotFound,
    /// The store broke off while committing: the change may or may not have been made.
    #[error("outcome unknown")]
    OutcomeUnknown,
    /// The change breaks a rule of the ring.
    #[error(transparent)]
    Rule(#[from] RuleViolation),
    /// The caller has as much of this kind of work waiting as one may; nothing was done. Try again when some of it is done.
    #[error("the caller has too much work waiting")]
    ShareFull,
    /// The store was out of reach for longer than this node may go on without it.
    #[error("the store has not confirmed this ring for too long")]
    Stale,
    /// The store cannot be reached; nothing was changed.
    #[error("the store is unavailable")]
    StoreUnavailable(#[source] StoreError),
    /// The answer would be longer than one answer may be; nothing was done.
    #[error("too many items for a key of this type; at most {at_most}")]
    TooManyItems {
        /// How many items of this kind fit into an answer.
        at_most: usize,
    },
    /// A key was not brought in or given out.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// The ring's keys are of a type that cannot do this.
    #[error("keys of type {0} cannot do this")]
    Unsupported(KeyType),
    /// A worker broke off in the middle of the request, or made no key pair: a defect.
    #[error("a worker broke off")]
    Worker,
}

/// Why one item of a data request failed. A failed decrypt says nothing more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// The associated data is not base64.
    #[error("{0}")]
    AssociatedData(Base64Error),
    /// The tag does not match: other key, context or associated data, or changed bytes.
    #[error("{}: message authentication failed", cipher_word(*.0))]
    Authentication(CipherType),
    /// The ciphertext's text form is broken.
    #[error(transparent)]
    Ciphertext(#[from] CiphertextError),
    /// The context is not base64.
    #[error("{0}")]
    Context(Base64Error),
    /// What is to be signed, or its HMAC to be made, is not base64.
    #[error("unable to decode input as base64: {0}")]
    Input(Base64Error),
    /// There is no ciphertext.
    #[error("missing ciphertext to decrypt")]
    MissingCiphertext,
    /// The ring derives keys and the item has no context.
    #[error(
        "missing 'context' for key derivation; the key was created using a derived key, which means additional, \
         per-request information must be included in order to perform operations with the key"
    )]
    MissingContext,
    /// There is no input, in a batch.
    #[error("missing input")]
    MissingInput,
    /// The version asked for is below the minimum for decryption and so not in use.
    #[error("no such key version")]
    NoSuchVersion,
    /// Associated data for a key that cannot bind any.
    #[error("associated_data provided for non-AEAD cipher suite {0}")]
    NotAead(KeyType),
    /// An RSA key did not encrypt or decrypt.
    #[error(transparent)]
    Oaep(OaepError),
    /// The plaintext is not base64.
    #[error("{0}")]
    Plaintext(Base64Error),
    /// Nothing was signed.
    #[error(transparent)]
    Sign(SignError),
    /// The text of a signature or an HMAC is broken.
    #[error("{0}")]
    Tag(TagFault),
    /// The plaintext is too long for the cipher.
    #[error("plaintext is too long")]
    TooLong,
    /// The ciphertext's version is newer than the ring. Said only after the store confirmed it.
    #[error("invalid ciphertext: version is too new")]
    TooNew,
    /// The ciphertext's version is below the minimum for decryption.
    #[error("ciphertext or signature version is disallowed by policy (too old)")]
    TooOld,
    /// The version has sealed as many messages as is safe; rotate the ring.
    #[error("key version has reached its usage limit; rotate the key")]
    UsageExhausted,
    /// The signature cannot be checked.
    #[error(transparent)]
    Verify(VerifyError),
    /// The version asked for is above the latest.
    #[error("requested version for encryption is higher than the latest key version")]
    VersionAboveLatest {
        /// The latest.
        latest: Version,
    },
    /// The version asked for is below the minimum for encryption.
    #[error("requested version for encryption is less than the minimum encryption key version")]
    VersionBelowMinimum,
    /// The version asked for is negative.
    #[error("requested version for encryption is negative")]
    VersionNegative,
}

/// What is wrong with the text of a signature or an HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagFault {
    /// What follows the version is not base64.
    #[error("invalid base64 value")]
    BadBase64,
    /// The version is not a number in the one spelling it has.
    #[error("version number could not be decoded")]
    BadVersion,
    /// It does not begin as it should.
    #[error("no prefix")]
    NoPrefix,
    /// There is nothing behind the version.
    #[error("wrong number of fields")]
    WrongFields,
}

const fn cipher_word(key_type: CipherType) -> &'static str {
    match key_type {
        CipherType::Aes128Gcm96 | CipherType::Aes256Gcm96 | CipherType::Aes256GcmSiv => "cipher",
        CipherType::ChaCha20Poly1305 | CipherType::XChaCha20Poly1305 => "chacha20poly1305",
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Corrupt(place) => Self::Integrity(place),
            StoreError::NotFound => Self::NotFound,
            StoreError::OutcomeUnknown => Self::OutcomeUnknown,
            StoreError::Conflict | StoreError::Exists | StoreError::Unavailable(_) => {
                Self::StoreUnavailable(error)
            }
        }
    }
}

impl From<KekError> for Error {
    fn from(error: KekError) -> Self {
        match error {
            KekError::Rejected => Self::Integrity("ring_versions.wrapped_dek"),
            KekError::Unavailable(_) => Self::KekUnavailable(error),
        }
    }
}
