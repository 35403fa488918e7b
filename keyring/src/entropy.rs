//! Randomness as an argument: the kernel for keys and nonces, a per-thread generator where a repeat is harmless.

use std::fmt;

use rand_core::{Rng, TryRng};

/// The kernel gave no randomness. Nothing falls back to something weaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system's random source failed")]
pub struct EntropyError;

/// Gives random bytes.
pub trait Entropy: Send + Sync + fmt::Debug {
    /// Fills the buffer from the kernel; for keys, ids, and the nonces of GCM and ChaCha20, which must
    /// never repeat, not even on a virtual machine resumed twice from one snapshot.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError>;

    /// Fills the buffer from a per-thread CSPRNG; only for nonces of AES-GCM-SIV, where a repeat leaks
    /// no more than equality (RFC 8452, section 4), and for ids that are not secret.
    fn fill_repeatable(&self, buffer: &mut [u8]);
}

/// The machine's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::SysRng.try_fill_bytes(buffer).map_err(|_| EntropyError)
    }

    fn fill_repeatable(&self, buffer: &mut [u8]) {
        rand::rng().fill_bytes(buffer);
    }
}
