//! Standard output as the place of secrets that are shown once: looked at before there is anything to lose.

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;

use rustix::fs::{FallocateFlags, FileType};

use crate::failure::Failure;

/// Refuses a standard output that keeps nothing: closed, `/dev/null` or `/dev/full`. Writes nothing.
pub fn check() -> Result<(), Failure> {
    let stdout = io::stdout();
    let stat = rustix::fs::fstat(stdout.as_fd()).map_err(|errno| unfit(&errno.to_string()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::CharacterDevice {
        return Ok(());
    }
    let device = (
        rustix::fs::major(stat.st_rdev),
        rustix::fs::minor(stat.st_rdev),
    );
    match device {
        // The runtime opens this one where there was nothing.
        NULL => Err(unfit("it is closed or /dev/null")),
        FULL => Err(unfit("it is /dev/full")),
        _ => Ok(()),
    }
}

/// Makes sure that there is room for what is about to be written: a file gets it now, anything else takes a first line.
pub fn reserve(first_line: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(first_line.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| unfit(&error.to_string()))?;
    let stat = rustix::fs::fstat(out.as_fd()).map_err(|errno| unfit(&errno.to_string()))?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
        let end = u64::try_from(stat.st_size).unwrap_or_default();
        let reserved = rustix::fs::fallocate(out.as_fd(), FallocateFlags::KEEP_SIZE, end, ROOM);
        match reserved {
            // Not every file system can promise room; what it says when asked to write has to do then.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) | Ok(()) => {}
            Err(errno) => return Err(unfit(&errno.to_string())),
        }
    }
    Ok(())
}

fn unfit(why: &str) -> Failure {
    Failure::SetUp(format!(
        "standard output cannot take what is shown only once ({why}); nothing was made. \
         Run this again with standard output at a terminal or in a file, like: (umask 077; sealring ... > init.txt)"
    ))
}

/// Major and minor number of `/dev/null`.
const NULL: (u32, u32) = (1, 3);

/// Major and minor number of `/dev/full`.
const FULL: (u32, u32) = (1, 7);

/// More than 255 shares and a token take.
const ROOM: u64 = 64 * 1024;
