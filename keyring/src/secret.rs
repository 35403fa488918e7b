//! Secret bytes as types: wiped on drop, never printed, cloned, compared or serialised.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::entropy::{Entropy, EntropyError};

/// The random 32 bytes that the KEK wraps, one for each key version; everything a version holds is
/// sealed under a key derived from it.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Dek(Box<[u8; 32]>);

impl Dek {
    /// A new random key.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut bytes = Box::new([0; 32]);
        entropy.fill(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// The key these bytes are; `None` unless there are 32. The caller's copy is the caller's to wipe.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut boxed = Box::new([0; 32]);
        if bytes.len() != boxed.len() {
            return None;
        }
        boxed.copy_from_slice(bytes);
        Some(Self(boxed))
    }

    /// The key's bytes. Who reads a key is a grep for this name.
    pub fn expose_secret(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Dek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dek(..)")
    }
}

/// Secret bytes of any length: key material, unlock shares, caller plaintext.
#[derive(Default)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes the bytes over; they are wiped when this is dropped.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// This many random bytes.
    pub fn generate(length: usize, entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut bytes = Self::new(vec![0; length]);
        entropy.fill(&mut bytes.0)?;
        Ok(bytes)
    }

    /// The bytes. Who reads a secret is a grep for this name.
    pub fn expose_secret(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(..)")
    }
}
