//! The file of a Unix socket: who may connect, what a dead process left there, and that it goes in the end.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use super::{BACKLOG, refused};
use crate::config::value::FileMode;
use crate::failure::Failure;

/// The file of a bound Unix socket, removed on drop unless somebody listens there: another process by then.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
}

/// Binds a socket at this path. One that a dead process left there is replaced; one that somebody listens on is not.
pub(super) fn bind(path: &Path, mode: FileMode) -> Result<(UnixListener, SocketFile), Failure> {
    clear(path)?;
    let listen = || {
        // Under the process's umask only the owner can connect until the mode is set.
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, Permissions::from_mode(mode.0))?;
        rustix::net::listen(&listener, BACKLOG)?;
        listener.set_nonblocking(true)?;
        let file = SocketFile {
            path: path.to_owned(),
        };
        Ok((listener, file))
    };
    listen().map_err(|error| refused(&path.display(), &error))
}

/// Takes a dead socket away.
fn clear(path: &Path) -> Result<(), Failure> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refused(&path.display(), &error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(Failure::SetUp(format!(
            "cannot listen on {}: it is there and is not a socket",
            path.display()
        )));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(Failure::Unavailable(format!(
            "cannot listen on {}: another process does",
            path.display()
        ))),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| refused(&path.display(), &error))
        }
        Err(error) => Err(refused(&path.display(), &error)),
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(failure) = clear(&self.path) {
            tracing::warn!(cause = %failure, "the socket's file stays where it is");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_file_has_its_mode_and_goes_with_its_socket() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let (listener, file) = bind(&path, FileMode(0o660)).unwrap();
        assert_eq!(mode(&path), 0o660);
        assert!(UnixStream::connect(&path).is_ok());
        drop((listener, file));
        assert!(!path.exists());
    }

    #[test]
    fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        // The standard library leaves the file behind, as a process that is killed does.
        drop(UnixListener::bind(&path).unwrap());
        let held = bind(&path, FileMode(0o600)).unwrap();
        let failure = bind(&path, FileMode(0o600)).unwrap_err();
        assert!(matches!(failure, Failure::Unavailable(_)), "{failure}");
        drop(held);
        fs::write(&path, "precious").unwrap();
        let failure = bind(&path, FileMode(0o600)).unwrap_err();
        assert!(matches!(failure, Failure::SetUp(_)), "{failure}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn a_successor_keeps_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let (listener, old) = bind(&path, FileMode(0o600)).unwrap();
        drop(listener);
        let (_successor, _new) = bind(&path, FileMode(0o600)).unwrap();
        drop(old);
        assert!(path.exists());
    }
}
