//! Remembers across restarts which PINs a token refused, so that a restart loop does not lock the token. The processes that
//! share a state directory share the memory.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use rustix::fs::{Access, AtFlags, CWD};
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

/// The turn of one process at the memory, and at trying a PIN. It ends on drop, and with the process.
pub(super) struct Turn {
    _lock: File,
}

impl PinMemory {
    /// Reads the memory for this token, or starts an empty one. A state directory that cannot be written must be noticed
    /// before a PIN is tried, not after.
    pub(super) fn open(
        directory: &Path,
        serial: &str,
        entropy: &dyn Entropy,
    ) -> Result<Self, Fault> {
        let name = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, serial.as_bytes());
        let (short, _) = name.as_ref().split_at(8);
        let path = directory.join(format!("refused-pins-{}", hex::encode(short).as_str()));
        create_directory(directory)?;
        check_writable(directory)?;
        // Two that begin at once must not each make a key: one would forget what the other remembers.
        let _turn = lock(&path)?;
        let stored = stored(&path)?;
        let is_new = stored.is_none();
        let (key, refused) = match stored {
            Some(known) => known,
            None => (fresh_key(entropy)?, Vec::new()),
        };
        let memory = Self {
            path,
            serial: serial.to_owned(),
            key,
            refused,
        };
        if is_new {
            memory.write()?;
        }
        Ok(memory)
    }

    /// Waits until no other process tries a PIN, and reads what they have learned. Hold the turn from asking whether a PIN was
    /// refused until its outcome is noted, so that n processes try a wrong PIN once and not n times.
    pub(super) fn turn(&mut self) -> Result<Turn, Fault> {
        let turn = lock(&self.path)?;
        if let Some((key, refused)) = stored(&self.path)? {
            (self.key, self.refused) = (key, refused);
        }
        Ok(turn)
    }

    /// Whether the token refused this PIN before.
    pub(super) fn holds(&self, pin: &SecretBytes) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.key.as_slice());
        let message = self.message(pin);
        self.refused
            .iter()
            .any(|tag| hmac::verify(&key, &message, tag).is_ok())
    }

    /// Adds a PIN, durably. Needs a [`turn`](Self::turn).
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

    /// Forgets all PINs of this token: one was accepted, so the token's own count starts anew. Needs a
    /// [`turn`](Self::turn).
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

/// The key and the hashes in the file; `None` if there is none.
fn stored(path: &Path) -> Result<Option<Parsed>, Fault> {
    match private_file::read(path, LONGEST_FILE) {
        Ok(bytes) => parse(&bytes).map(Some).ok_or_else(|| damaged(path)),
        Err(PrivateFileError::Missing) => Ok(None),
        Err(error) => Err(at(path, &error)),
    }
}

/// Locks a file beside the memory's: the memory's own is replaced when it changes, and a lock on the old one would hold
/// nobody back.
fn lock(path: &Path) -> Result<Turn, Fault> {
    let lock_path = path.with_extension("lock");
    let locked = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&lock_path)
        .and_then(|file| file.lock().map(|()| file));
    match locked {
        Ok(file) => Ok(Turn { _lock: file }),
        Err(error) => Err(at(&lock_path, &error.into())),
    }
}

fn check_writable(directory: &Path) -> Result<(), Fault> {
    let access = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    // By the effective user, whose files these are.
    rustix::fs::accessat(CWD, directory, access, AtFlags::EACCESS).map_err(|error| {
        let directory = directory.display();
        Fault::Unusable(format!(
            "the state directory {directory} cannot be written: {}",
            std::io::Error::from(error)
        ))
    })
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

    #[test]
    fn what_another_process_learns_is_known_by_the_next_turn() {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let mut one = open(directory.path(), "serial");
        let mut other = open(directory.path(), "serial");
        {
            let _turn = one.turn().expect("nobody else has it");
            one.add(&pin(1)).expect("the memory can be written");
        }
        assert!(!other.holds(&pin(1)));
        {
            let _turn = other.turn().expect("nobody else has it");
            assert!(other.holds(&pin(1)));
            other.add(&pin(2)).expect("the memory can be written");
        }
        let both = open(directory.path(), "serial");
        assert!(both.holds(&pin(1)) && both.holds(&pin(2)));
    }

    #[test]
    fn many_that_begin_at_once_share_one_memory_and_lose_nothing() {
        let directory = tempfile::tempdir().expect("a directory can be made");
        std::thread::scope(|scope| {
            for number in 0..32 {
                let directory = directory.path();
                scope.spawn(move || {
                    let mut memory = open(directory, "serial");
                    let _turn = memory.turn().expect("a turn comes");
                    memory.add(&pin(number)).expect("the memory can be written");
                });
            }
        });
        let memory = open(directory.path(), "serial");
        assert!((0..32).all(|number| memory.holds(&pin(number))));
    }

    #[test]
    fn a_memory_that_does_not_change_is_not_written() {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let memory = open(directory.path(), "serial");
        let inode = |memory: &PinMemory| {
            let meta = std::fs::metadata(memory.path()).expect("the memory is there");
            std::os::unix::fs::MetadataExt::ino(&meta)
        };
        let before = inode(&memory);
        let mut again = open(directory.path(), "serial");
        again.clear().expect("there is nothing to forget");
        assert_eq!(inode(&again), before);
    }

    fn open(directory: &Path, serial: &str) -> PinMemory {
        PinMemory::open(directory, serial, &SystemEntropy).expect("the memory can be opened")
    }

    fn pin(number: u8) -> SecretBytes {
        SecretBytes::new(vec![b'p', number])
    }
}
