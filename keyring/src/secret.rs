//! Secret bytes as types: wiped on drop, never printed, cloned, compared or serialised.

use std::ops::{Deref, DerefMut};
use std::{fmt, mem};

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing, optimization_barrier};

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

/// A buffer for what callers send and get, wiped on drop with all of its capacity. Whoever fills it reserves
/// enough beforehand: a buffer that grows leaves a copy behind.
#[derive(Default)]
pub(crate) struct WipedBytes(Vec<u8>);

impl WipedBytes {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }
}

impl Deref for WipedBytes {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for WipedBytes {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Drop for WipedBytes {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

impl fmt::Debug for WipedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WipedBytes(..)")
    }
}

/// Text out of such a buffer.
#[derive(Default)]
pub(crate) struct WipedText(String);

impl WipedText {
    /// `None` if the bytes are not UTF-8.
    pub(crate) fn new(mut bytes: WipedBytes) -> Option<Self> {
        match String::from_utf8(mem::take(&mut bytes.0)) {
            Ok(text) => Some(Self(text)),
            Err(error) => {
                bytes.0 = error.into_bytes();
                None
            }
        }
    }
}

impl Deref for WipedText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for WipedText {
    fn drop(&mut self) {
        wipe(&mut mem::take(&mut self.0).into_bytes());
    }
}

impl fmt::Debug for WipedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WipedText(..)")
    }
}

/// Zeroes the whole capacity, and the compiler cannot leave that out. `Zeroize` for vectors does the same byte by
/// byte, which for a short message takes longer than its cipher does.
fn wipe(bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.resize(bytes.capacity(), 0);
    optimization_barrier(bytes.as_slice());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wiping_reaches_the_whole_capacity_and_moves_nothing() {
        let mut bytes = Vec::with_capacity(100);
        bytes.extend_from_slice(&[7; 100]);
        bytes.truncate(40);
        let place = bytes.as_ptr();
        wipe(&mut bytes);
        assert_eq!(bytes, vec![0; bytes.capacity()]);
        assert_eq!(bytes.as_ptr(), place);
    }

    #[test]
    fn bytes_that_are_no_text_are_no_text() {
        let mut bytes = WipedBytes::with_capacity(1);
        bytes.push(0xff);
        assert!(WipedText::new(bytes).is_none());
    }
}
