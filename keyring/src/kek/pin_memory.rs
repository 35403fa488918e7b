//! Remembers across restarts which PINs a token refused, so that a restart loop does not lock the token.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::binding::push_field;
use crate::entropy::Entropy;
use crate::kek::fault::Fault;
use crate::kek::hex;
use crate::kek::private_file::{self, PrivateFileError};
use crate::secret::SecretBytes;

/// The PINs one token refused, as keyed hashes in a file of the state directory.
pub(super) struct PinMemory {
    path: PathBuf,
    serial: String,
    key: Zeroizing<[u8; 32]>,
    refused: Vec<[u8; 32]>,
}

impl PinMemory {
    /// Reads the memory for this token, or starts an empty one. It is written at once: a state
    /// directory that cannot be written must be noticed before a PIN is tried, not after.
    pub(super) fn open(
        directory: &Path,
        serial: &str,
        entropy: &dyn Entropy,
    ) -> Result<Self, Fault> {
        let name = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, serial.as_bytes());
        let (short, _) = name.as_ref().split_at(8);
        let path = directory.join(format!("refused-pins-{}", hex::encode(short).as_str()));
        let stored = match private_file::read(&path, LONGEST_FILE) {
            Ok(bytes) => Some(bytes),
            Err(PrivateFileError::Missing) => None,
            Err(error) => return Err(at(&path, &error)),
        };
        let (key, refused) = match stored {
            Some(bytes) => parse(&bytes).ok_or_else(|| damaged(&path))?,
            None => (fresh_key(entropy)?, Vec::new()),
        };
        let memory = Self {
            path,
            serial: serial.to_owned(),
            key,
            refused,
        };
        create_directory(directory)?;
        memory.write()?;
        Ok(memory)
    }

    /// Whether the token refused this PIN before.
    pub(super) fn holds(&self, pin: &SecretBytes) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.key.as_slice());
        let message = self.message(pin);
        self.refused
            .iter()
            .any(|tag| hmac::verify(&key, &message, tag).is_ok())
    }

    /// Adds a PIN, durably.
    pub(super) fn add(&mut self, pin: &SecretBytes) -> Result<(), Fault> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.key.as_slice());
        let tag = hmac::sign(&key, &self.message(pin));
        let tag = tag.as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes");
        if self.refused.len() == MOST_PINS {
            self.refused.remove(0);
        }
        self.refused.push(tag);
        self.write()
    }

    /// Forgets all PINs of this token: one was accepted, so the token's own count starts anew.
    pub(super) fn clear(&mut self) -> Result<(), Fault> {
        if self.refused.is_empty() {
            return Ok(());
        }
        self.refused.clear();
        self.write()
    }

    /// Where the memory lies, for sentences that tell an operator what to remove.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn message(&self, pin: &SecretBytes) -> Zeroizing<Vec<u8>> {
        let mut message = Zeroizing::new(Vec::with_capacity(8 + self.serial.len() + pin.len()));
        push_field(&mut message, self.serial.as_bytes());
        push_field(&mut message, pin.expose_secret());
        message
    }

    fn write(&self) -> Result<(), Fault> {
        let mut text = Zeroizing::new(String::with_capacity(
            MAGIC.len() + (1 + self.refused.len()) * LINE,
        ));
        text.push_str(MAGIC);
        for bytes in std::iter::once(&*self.key).chain(&self.refused) {
            text.push_str(&hex::encode(bytes));
            text.push('\n');
        }
        private_file::replace(&self.path, text.as_bytes()).map_err(|error| at(&self.path, &error))
    }
}

type Parsed = (Zeroizing<[u8; 32]>, Vec<[u8; 32]>);

fn parse(bytes: &[u8]) -> Option<Parsed> {
    let mut lines = std::str::from_utf8(bytes)
        .ok()?
        .strip_prefix(MAGIC)?
        .lines();
    let key = hex::decode_32(lines.next()?)?;
    let refused = lines
        .map(|line| hex::decode_32(line).map(|tag| *tag))
        .collect::<Option<_>>()?;
    Some((key, refused))
}

fn fresh_key(entropy: &dyn Entropy) -> Result<Zeroizing<[u8; 32]>, Fault> {
    let mut key = Zeroizing::new([0; 32]);
    entropy
        .fill(key.as_mut_slice())
        .map_err(|error| Fault::Unusable(error.to_string()))?;
    Ok(key)
}

fn create_directory(directory: &Path) -> Result<(), Fault> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| {
            Fault::Unusable(format!(
                "the state directory {} cannot be made: {error}",
                directory.display()
            ))
        })
}

fn at(path: &Path, error: &PrivateFileError) -> Fault {
    Fault::Unusable(format!(
        "the memory of refused PINs {} {error}",
        path.display()
    ))
}

fn damaged(path: &Path) -> Fault {
    let path = path.display();
    Fault::Unusable(format!(
        "the memory of refused PINs {path} is damaged; check the PIN, then remove the file"
    ))
}

const MAGIC: &str = "sealring-refused-pins-1\n";
/// Tokens lock after far fewer tries; the bound only keeps the file small.
const MOST_PINS: usize = 64;
const LINE: usize = 64 + 1;
const LONGEST_FILE: u64 = 24 + (1 + 64) * 65;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    #[test]
    fn a_pin_is_remembered_for_its_token_only() {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let mut memory = open(directory.path(), "serial-1");
        memory.add(&pin(1)).expect("the memory can be written");
        assert!(open(directory.path(), "serial-1").holds(&pin(1)));
        assert!(!open(directory.path(), "serial-1").holds(&pin(2)));
        assert!(!open(directory.path(), "serial-2").holds(&pin(1)));
    }

    #[test]
    fn a_cleared_memory_holds_nothing() {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let mut memory = open(directory.path(), "serial");
        memory.add(&pin(1)).expect("the memory can be written");
        memory.clear().expect("the memory can be written");
        assert!(!open(directory.path(), "serial").holds(&pin(1)));
    }

    #[test]
    fn more_refusals_than_fit_push_out_the_oldest() {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let mut memory = open(directory.path(), "serial");
        for number in 0..=64 {
            memory.add(&pin(number)).expect("the memory can be written");
        }
        let memory = open(directory.path(), "serial");
        assert!(!memory.holds(&pin(0)));
        assert!((1..=64).all(|number| memory.holds(&pin(number))));
    }

    fn open(directory: &Path, serial: &str) -> PinMemory {
        PinMemory::open(directory, serial, &SystemEntropy).expect("the memory can be opened")
    }

    fn pin(number: u8) -> SecretBytes {
        SecretBytes::new(vec![b'p', number])
    }
}
