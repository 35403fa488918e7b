//! The key-encryption key: two verbs, and what can go wrong with them.

use std::fmt;

use async_trait::async_trait;

use crate::binding::Binding;
use crate::ids::KekId;
use crate::secret::Dek;

pub mod pkcs11;
pub mod software;

mod breaker;
mod connection;
mod fault;
mod hex;
mod key_object;
mod module;
mod pin_memory;
pub mod private_file;
mod session_worker;
mod sessions;
mod token;

/// A DEK under a KEK: nonce (12 bytes), ciphertext (32), tag (16) of AES-256-GCM.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedDek(Vec<u8>);

impl WrappedDek {
    /// Length in bytes.
    pub const LEN: usize = 12 + 32 + 16;

    /// The wrapped key with these bytes; `None` unless it has the right length.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() == Self::LEN).then_some(Self(bytes))
    }

    /// The bytes, as stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for WrappedDek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WrappedDek(..)")
    }
}

/// Wraps and unwraps DEKs; the one thing the HSM is asked to do.
#[async_trait]
pub trait Kek: Send + Sync + fmt::Debug {
    /// Which key this is.
    fn id(&self) -> &KekId;

    /// Encrypts the DEK with the binding as associated data, under a fresh nonce.
    async fn wrap_dek(&self, dek: &Dek, binding: &Binding) -> Result<WrappedDek, KekError>;

    /// Decrypts what [`wrap_dek`](Self::wrap_dek) made for the same binding.
    async fn unwrap_dek(&self, wrapped: &WrappedDek, binding: &Binding) -> Result<Dek, KekError>;
}

/// Why a KEK did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum KekError {
    /// The wrapped key was not made by this KEK for this binding: a row was changed, or the KEK was.
    /// The KEK itself works.
    #[error("a wrapped key does not open under its binding")]
    Rejected,
    /// The KEK cannot be used now; the sentence says why and holds nothing secret.
    #[error("the key-encryption key is unavailable: {0}")]
    Unavailable(String),
}

/// Why a KEK could not be opened at start-up. Waiting does not mend it: the process ends with status 78.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct KekSetupError(pub String);
