//! Small files that only their owner may read: the software KEK and the memory of refused PINs.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use zeroize::Zeroizing;

/// Why a private file was not read or written; each sentence continues "the file ...".
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// Creation found something at the path.
    #[error("already exists")]
    Exists,
    /// The system refused.
    #[error("cannot be used: {0}")]
    Io(#[from] io::Error),
    /// Nothing is at the path.
    #[error("does not exist")]
    Missing,
    /// The path is a directory, a pipe, a device.
    #[error("is not a regular file")]
    NotRegular,
    /// Longer than any file of its kind.
    #[error("is longer than it can be")]
    Oversized,
    /// The path is a symbolic link, which somebody else could point elsewhere.
    #[error("is a symbolic link, which is not followed")]
    Symlink,
    /// Group or others have access.
    #[error("has mode {0:04o}, but nobody except its owner may have access (chmod 600)")]
    WideMode(u32),
    /// The file belongs to another user, who could change it.
    #[error("belongs to user {0}, not to the user of this process")]
    WrongOwner(u32),
}

/// The file's bytes, provided that nobody but this user can read or write them.
pub fn read(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(from_errno)?);
    // Asked of the open file, so that nothing can be exchanged between the check and the read.
    let stat = rustix::fs::fstat(&file).map_err(from_errno)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(PrivateFileError::NotRegular);
    }
    let mode = stat.st_mode & 0o7777;
    if mode & 0o077 != 0 {
        return Err(PrivateFileError::WideMode(mode));
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(PrivateFileError::WrongOwner(stat.st_uid));
    }
    let length = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
    if length > limit {
        return Err(PrivateFileError::Oversized);
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(
        usize::try_from(limit).unwrap_or_default(),
    ));
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a file that was not there before, durably. A file half written is removed again.
pub fn create(path: &Path, bytes: &[u8]) -> Result<(), PrivateFileError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let mut file = File::from(rustix::fs::open(path, flags, mode).map_err(from_errno)?);
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_directory(path));
    if written.is_err() {
        // The first error is the one to report.
        let _ = std::fs::remove_file(path);
    }
    Ok(written?)
}

/// Writes the file anew, durably: whoever reads it sees the old bytes or the new ones.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), PrivateFileError> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        Err(_) | Ok(()) => create(&draft, bytes)?,
    }
    std::fs::rename(&draft, path)?;
    Ok(sync_directory(path)?)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn from_errno(errno: Errno) -> PrivateFileError {
    match errno {
        Errno::EXIST => PrivateFileError::Exists,
        Errno::LOOP => PrivateFileError::Symlink,
        Errno::NOENT => PrivateFileError::Missing,
        other => PrivateFileError::Io(other.into()),
    }
}
