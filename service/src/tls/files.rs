//! The files TLS is made of: read whole, within limits, and only if they are kept as they should be.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use keyring::secret::SecretBytes;

/// A file that cannot be used for TLS.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {flaw}", path.display())]
pub struct TlsFault {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub flaw: Flaw,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// A certificate in it cannot be used.
    #[error("holds a certificate that cannot be used: {0}")]
    Certificate(String),
    /// Others can get at the key.
    #[error(
        "has mode {0:04o}; a private key must be readable by its owner alone (chmod 600), or, if root owns it, by one group (chmod 640)"
    )]
    Exposed(u32),
    /// It is no key of a kind that is known.
    #[error(
        "holds no private key that can be used: PEM, PKCS#8, PKCS#1 or SEC1, RSA, ECDSA or Ed25519, not encrypted"
    )]
    Key,
    /// The key is not the certificate's.
    #[error("does not belong to the certificate in {}", .0.display())]
    Mismatch(PathBuf),
    /// There is no certificate in it.
    #[error("holds no certificate in PEM")]
    NoCertificate,
    /// Neither the process nor root owns the key.
    #[error(
        "is owned by user {0}; a private key must be owned by the user of this process or by root"
    )]
    Owner(u32),
    /// It is no PEM.
    #[error("is not PEM")]
    Pem,
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(String),
    /// It is longer than any such file.
    #[error("is longer than {MAX_LEN} bytes")]
    TooLong,
}

impl Flaw {
    pub(super) fn of(self, path: &Path) -> TlsFault {
        TlsFault {
            path: path.to_owned(),
            flaw: self,
        }
    }
}

/// Reads a file that may be seen by all.
pub(super) fn read(path: &Path) -> Result<SecretBytes, TlsFault> {
    read_if(path, |_| Ok(()))
}

/// Reads a private key's file, by PostgreSQL's rule for such files: mode 0600 or less, or 0640 or less if root owns it, as
/// Kubernetes and Debian hand keys to a group.
pub(super) fn read_private(path: &Path) -> Result<SecretBytes, TlsFault> {
    let user = rustix::process::geteuid().as_raw();
    read_if(path, |metadata| {
        is_kept_private(metadata.uid(), metadata.mode() & 0o777, user)
    })
}

fn is_kept_private(owner: u32, mode: u32, user: u32) -> Result<(), Flaw> {
    let forbidden = match owner {
        owner if owner == user => 0o077,
        ROOT => 0o037,
        owner => return Err(Flaw::Owner(owner)),
    };
    if mode & forbidden == 0 {
        Ok(())
    } else {
        Err(Flaw::Exposed(mode))
    }
}

/// Reads a file whose metadata passes; both are of one and the same file, even if it is replaced meanwhile.
fn read_if(
    path: &Path,
    passes: impl FnOnce(&Metadata) -> Result<(), Flaw>,
) -> Result<SecretBytes, TlsFault> {
    let unread = |error: io::Error| Flaw::Read(error.to_string()).of(path);
    let file = File::open(path).map_err(unread)?;
    let metadata = file.metadata().map_err(unread)?;
    passes(&metadata).map_err(|flaw| flaw.of(path))?;
    // Reserved at once: a buffer that grows leaves its former place behind, unwiped.
    let mut bytes = Vec::with_capacity(MAX_LEN + 1);
    let limit = u64::try_from(MAX_LEN + 1).unwrap_or(u64::MAX);
    let outcome = file.take(limit).read_to_end(&mut bytes);
    let bytes = SecretBytes::new(bytes);
    outcome.map_err(unread)?;
    if bytes.len() > MAX_LEN {
        return Err(Flaw::TooLong.of(path));
    }
    Ok(bytes)
}

const ROOT: u32 = 0;

/// Room for hundreds of CA certificates.
const MAX_LEN: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_owners_or_handed_by_root_to_one_group() {
        let us = 1000;
        for (owner, mode, passes) in [
            (us, 0o600, true),
            (us, 0o400, true),
            (us, 0o640, false),
            (us, 0o604, false),
            (ROOT, 0o440, true),
            (ROOT, 0o640, true),
            (ROOT, 0o660, false),
            (ROOT, 0o444, false),
            (1001, 0o600, false),
        ] {
            assert_eq!(
                is_kept_private(owner, mode, us).is_ok(),
                passes,
                "{owner} {mode:o}"
            );
        }
        assert_eq!(
            is_kept_private(ROOT, 0o640, ROOT),
            Err(Flaw::Exposed(0o640))
        );
    }

    #[test]
    fn what_is_not_there_or_too_long_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cert");
        let fault = read(&path).unwrap_err();
        assert!(
            fault
                .to_string()
                .contains("cert: cannot be read: No such file")
        );
        std::fs::write(&path, vec![b'-'; MAX_LEN]).unwrap();
        assert_eq!(read(&path).unwrap().len(), MAX_LEN);
        std::fs::write(&path, vec![b'-'; MAX_LEN + 1]).unwrap();
        assert_eq!(read(&path).unwrap_err().flaw, Flaw::TooLong);
    }
}
