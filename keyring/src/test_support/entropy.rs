//! Randomness that a test knows.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::entropy::{Entropy, EntropyError, SystemEntropy};

/// Fills every buffer with 0, 1, 2 and so on: every key is the published vectors' key.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountingEntropy;

impl Entropy for CountingEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        self.fill_repeatable(buffer);
        Ok(())
    }

    fn fill_repeatable(&self, buffer: &mut [u8]) {
        for (byte, value) in buffer.iter_mut().zip((0..=u8::MAX).cycle()) {
            *byte = value;
        }
    }
}

/// The machine's randomness, with a note of what it gave: masked, so that the note is not what a search of the
/// memory finds.
#[derive(Debug, Default)]
pub struct RecordingEntropy {
    draws: Mutex<Vec<Vec<u8>>>,
}

impl RecordingEntropy {
    /// Every draw from the kernel so far, in order, each byte `XORed` with [`MASK`].
    pub fn masked_draws(&self) -> Vec<Vec<u8>> {
        self.draws().clone()
    }

    fn draws(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.draws.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entropy for RecordingEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        SystemEntropy.fill(buffer)?;
        let masked = buffer.iter().map(|byte| byte ^ MASK).collect();
        self.draws().push(masked);
        Ok(())
    }

    fn fill_repeatable(&self, buffer: &mut [u8]) {
        SystemEntropy.fill_repeatable(buffer);
    }
}

/// What recorded bytes are `XORed` with.
pub const MASK: u8 = 0xa5;
