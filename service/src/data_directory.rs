//! The directory that `sealring dev` keeps everything in, and its first start, which may be cut off anywhere.
//!
//! A marker is there from before the first file until after the last. Whoever finds it knows that nothing in the
//! directory was ever served, and only then is something deleted: a missing file alone is never a reason.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use keyring::kek::private_file::{self, PrivateFileError};
use keyring::secret::SecretBytes;
use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::identity::token::text::TokenText;

/// The directory, locked to this process.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    /// The lock goes with the handle, also when the process is killed.
    lock: File,
}

/// What a start finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// A store and its KEK.
    Again,
    /// Nothing that was ever served.
    First,
}

impl DataDirectory {
    /// Creates the directory if it is not there, and locks it. Refuses one that others can look into.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let refused =
            |why: &str| Failure::SetUp(format!("data directory {} {why}", path.display()));
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(refused(&format!("cannot be created: {error}")));
            }
            Ok(()) | Err(_) => {}
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|errno| refused(&format!("cannot be opened: {errno}")))?;
        let stat = rustix::fs::fstat(&directory)
            .map_err(|errno| refused(&format!("cannot be examined: {errno}")))?;
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(refused("belongs to another user"));
        }
        let mode = stat.st_mode & 0o7777;
        if mode & 0o077 != 0 {
            return Err(refused(&format!(
                "has mode {mode:04o}, so others can get at its keys (chmod 700)"
            )));
        }
        let lock = File::from(directory);
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                lock,
            }),
            Err(TryLockError::WouldBlock) => Err(Failure::Unavailable(format!(
                "data directory {} is in use by another process",
                path.display()
            ))),
            Err(TryLockError::Error(error)) => Err(refused(&format!("cannot be locked: {error}"))),
        }
    }

    /// Finds out which start this is, and clears away what a first start left that was cut off.
    pub fn begin(&self) -> Result<Start, Failure> {
        if self.has(MARKER) {
            self.clear()?;
            return Ok(Start::First);
        }
        match (self.has(STORE), self.has(KEK)) {
            (true, true) => return Ok(Start::Again),
            (true, false) => return Err(self.half(STORE, KEK)),
            (false, true) => return Err(self.half(KEK, STORE)),
            (false, false) => {}
        }
        for kept in [ROOT_TOKEN, UNLOCK_SHARE] {
            if self.has(kept) {
                return Err(self.half(kept, STORE));
            }
        }
        private_file::create(&self.file(MARKER), MARKER_TEXT)
            .map_err(|error| self.unusable(MARKER, &error))?;
        Ok(Start::First)
    }

    /// Ends a first start: from now on the directory is kept.
    pub fn complete(&self) -> Result<(), Failure> {
        self.remove(MARKER)?;
        self.sync()
    }

    /// Where the store is.
    pub fn store(&self) -> PathBuf {
        self.file(STORE)
    }

    /// Where the KEK is.
    pub fn kek(&self) -> PathBuf {
        self.file(KEK)
    }

    /// Where the record of requests is. It outlives a first start that did not end.
    pub fn audit_log(&self) -> PathBuf {
        self.file(AUDIT_LOG)
    }

    /// The root token, if it is there.
    pub fn root_token(&self) -> Result<Option<TokenText>, Failure> {
        let mut bytes = match private_file::read(&self.file(ROOT_TOKEN), MAX_TOKEN_FILE) {
            Ok(bytes) => bytes,
            Err(PrivateFileError::Missing) => return Ok(None),
            Err(error) => return Err(self.unusable(ROOT_TOKEN, &error)),
        };
        let length = bytes.trim_ascii_end().len();
        bytes.truncate(length);
        match TokenText::parse(SecretBytes::new(std::mem::take(&mut *bytes))) {
            Some(token) => Ok(Some(token)),
            None => Err(Failure::SetUp(format!(
                "{} does not hold a token: remove it to get a new one",
                self.file(ROOT_TOKEN).display()
            ))),
        }
    }

    /// Keeps this root token in place of any other.
    pub fn keep_root_token(&self, token: &TokenText) -> Result<(), Failure> {
        private_file::replace(&self.file(ROOT_TOKEN), &line(token.as_secret()))
            .map_err(|error| self.unusable(ROOT_TOKEN, &error))
    }

    /// Keeps the one unlock share.
    pub fn keep_unlock_share(&self, share: &SecretBytes) -> Result<(), Failure> {
        private_file::create(&self.file(UNLOCK_SHARE), &line(share))
            .map_err(|error| self.unusable(UNLOCK_SHARE, &error))
    }

    /// Everything a first start makes, the marker aside.
    fn clear(&self) -> Result<(), Failure> {
        for name in MADE {
            self.remove(name)?;
        }
        self.sync()
    }

    fn remove(&self, name: &str) -> Result<(), Failure> {
        match fs::remove_file(self.file(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.unusable(name, &error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn sync(&self) -> Result<(), Failure> {
        self.lock
            .sync_all()
            .map_err(|error| Failure::unexpected("the data directory cannot be synced", &error))
    }

    fn has(&self, name: &str) -> bool {
        self.file(name).symlink_metadata().is_ok()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn half(&self, there: &str, missing: &str) -> Failure {
        let path = self.path.display();
        Failure::SetUp(format!(
            "data directory {path} has {there} but no {missing}: bring {missing} back, \
             or move the directory away to start with a new one"
        ))
    }

    fn unusable(&self, name: &str, error: &dyn std::error::Error) -> Failure {
        Failure::SetUp(format!("{} {error}", self.file(name).display()))
    }
}

fn line(secret: &SecretBytes) -> Zeroizing<Vec<u8>> {
    let mut line = Zeroizing::new(Vec::with_capacity(secret.len() + 1));
    line.extend_from_slice(secret.expose_secret());
    line.push(b'\n');
    line
}

const STORE: &str = "sealring.db";
const AUDIT_LOG: &str = "audit.log";
const KEK: &str = "kek";
const ROOT_TOKEN: &str = "root-token";
const UNLOCK_SHARE: &str = "unlock-share";
const MARKER: &str = "first-start";
const MARKER_TEXT: &[u8] =
    b"The first start has not ended. Nothing here was ever used; the next start begins anew.\n";

const MADE: [&str; 8] = [
    "sealring.db",
    "sealring.db-wal",
    "sealring.db-shm",
    "sealring.db.lock",
    KEK,
    ROOT_TOKEN,
    "root-token.new",
    UNLOCK_SHARE,
];

const MAX_TOKEN_FILE: u64 = 1024;
