//! Opening a file that records are appended to.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keyring::clock::Timestamp;
use rustix::fs::{CWD, FileType, Mode, OFlags, RenameFlags, Stat};
use time::OffsetDateTime;

/// What tells an open file from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
        }
    }

    /// Of what is at a path, which is not followed.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self::of(&rustix::fs::lstat(path)?))
    }
}

/// Opens a file of mode 0600 for appending, or makes it. Nobody else may have access to it, and no link is followed.
pub(super) fn open(path: &Path) -> io::Result<(File, Stat)> {
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR);
    let file = File::from(opened.map_err(unopened)?);
    let stat = check(&file)?;
    sync_directory(path)?;
    Ok((file, stat))
}

fn unopened(errno: rustix::io::Errno) -> io::Error {
    match errno {
        rustix::io::Errno::LOOP => refused("is a symbolic link, which is not followed"),
        other => other.into(),
    }
}

/// Refuses what is no file, and a file that others have access to.
fn check(file: &File) -> io::Result<Stat> {
    let stat = rustix::fs::fstat(file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(refused("is not a regular file"));
    }
    if stat.st_mode & 0o077 != 0 {
        return Err(refused(
            "may be read or written by others than its owner (chmod 600)",
        ));
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(refused("belongs to another user"));
    }
    Ok(stat)
}

/// Refuses a file that is neither empty nor a log: a wrong path must not cost what is there.
pub(super) fn check_begins_a_log(file: &File) -> io::Result<()> {
    let mut first = [0; FIRST_BYTES];
    let mut length = 0;
    while let Some(rest) = first.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, u64::try_from(length).unwrap_or_default())? {
            0 => break,
            read => length += read,
        }
    }
    let first = first.get(..length).unwrap_or_default();
    // A power failure may have left zeros where the first line was to be.
    let is_blank = first.iter().all(|byte| *byte == 0);
    // A crash may have cut the first line off.
    let begins = |begin: &&[u8]| first.starts_with(begin) || begin.starts_with(first);
    if is_blank || BEGINNINGS.iter().any(|begin| begins(&begin.as_bytes())) {
        return Ok(());
    }
    Err(refused(
        "is neither empty nor an audit log: move it away, or give another path",
    ))
}

/// Whether a file that is there can be appended to; the error continues "the file ...". Changes nothing.
pub fn examine(path: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(opened) => File::from(opened),
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(unopened(errno)),
    };
    check(&file)?;
    check_begins_a_log(&file)
}

/// Keeps other processes, and this one's next log, from writing to the file too. Waits a while for one that is ending.
pub(super) fn lock(file: &File) -> io::Result<()> {
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => std::thread::park_timeout(LOCK_AGAIN),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(refused("is being written to by another log"))
}

fn refused(reason: &str) -> io::Error {
    io::Error::other(reason)
}

/// Makes what happened to a name durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(directory(path))?.sync_all()
}

/// The directory a file is in.
pub(super) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Gives a file the name of a finished one: its own with a time behind it, so that names sort by time.
pub(super) fn set_aside(path: &Path, at: Timestamp) -> io::Result<PathBuf> {
    let mut at = at;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}", stamp(at)));
        let aside = PathBuf::from(name);
        match rustix::fs::renameat_with(CWD, path, CWD, &aside, RenameFlags::NOREPLACE) {
            Err(rustix::io::Errno::EXIST) => at = at.plus(Duration::from_micros(1)),
            Err(errno) => return Err(errno.into()),
            Ok(()) => return Ok(aside),
        }
    }
}

fn stamp(at: Timestamp) -> String {
    let time =
        OffsetDateTime::from_unix_timestamp(at.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    let micros = at.micros().rem_euclid(1_000_000);
    let month = u8::from(month);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}.{micros:06}Z")
}

/// The finished files of this one, oldest first.
pub(in crate::audit) fn set_aside_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut prefix = path.file_name().unwrap_or_default().to_owned();
    prefix.push(".");
    let prefix = prefix.as_encoded_bytes();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory(path))? {
        let name = entry?.file_name();
        let rest = name.as_encoded_bytes().strip_prefix(prefix);
        if rest.is_some_and(is_stamp) {
            files.push(path.with_file_name(&name));
        }
    }
    files.sort();
    Ok(files)
}

fn is_stamp(text: &[u8]) -> bool {
    text.len() == 23
        && text
            .iter()
            .zip(b"dddddddd.dddddd.dddddd.")
            .all(|(byte, form)| {
                if *form == b'd' {
                    byte.is_ascii_digit()
                } else {
                    matches!(*byte, b'T' | b'.' | b'Z')
                }
            })
}

/// How a line of a log begins. One that was set aside in the middle begins with `continued`; what else may come first is what
/// somebody left over of a log, which is for the verifier to judge.
const BEGINNINGS: [&str; 8] = [
    "{\"start\":",
    "{\"continued\":",
    "{\"n\":",
    "{\"group\":",
    "{\"checkpoint\":",
    "{\"gap\":",
    "{\"resent\":",
    "{\"head\":",
];
/// As long as the longest of them.
const FIRST_BYTES: usize = 14;
const LOCK_TRIES: u32 = 100;
const LOCK_AGAIN: Duration = Duration::from_millis(20);
