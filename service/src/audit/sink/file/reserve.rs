//! Room: promised by the file system for the outcomes of changes, and bounded for a spool.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::super::Room;
use super::FileOutput;

/// Bytes that a file and those set aside may have together.
#[derive(Clone, Debug)]
pub(in crate::audit) struct Budget {
    pub(in crate::audit) used: Arc<AtomicU64>,
    pub(in crate::audit) limit: u64,
}

impl Budget {
    pub(super) fn check(&self, more: u64) -> io::Result<()> {
        if self.used.load(Ordering::Acquire).saturating_add(more) <= self.limit {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::StorageFull,
            "the spool is full: the collector does not keep up",
        ))
    }
}

impl FileOutput {
    /// Has the file system promise room for this and for the reserve behind it. Where it makes no promises there is no reserve.
    pub(super) fn reserve(&mut self, length: usize) -> io::Result<Room> {
        let needed = self.size + u64::try_from(length).unwrap_or(u64::MAX) + RESERVE;
        let budget = self.opening.budget.as_ref();
        if budget.is_some_and(|budget| budget.check(needed - self.size).is_err()) {
            return Ok(Room::Reserve);
        }
        if needed <= self.reserved {
            return Ok(Room::Enough);
        }
        let until = needed + AHEAD;
        let promised = rustix::fs::fallocate(
            &self.file,
            FallocateFlags::KEEP_SIZE,
            self.size,
            until - self.size,
        );
        match promised {
            Ok(()) => {
                self.reserved = until;
                Ok(Room::Enough)
            }
            Err(Errno::NOSPC | Errno::DQUOT) => self.reserve_least(needed),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                self.reserved = u64::MAX;
                Ok(Room::Enough)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// On a disk that is almost full there may still be room for the reserve alone.
    fn reserve_least(&mut self, needed: u64) -> io::Result<Room> {
        let least = needed - self.size;
        match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, self.size, least) {
            Ok(()) => {
                self.reserved = needed;
                Ok(Room::Enough)
            }
            Err(Errno::NOSPC | Errno::DQUOT) => Ok(Room::Reserve),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Room that is kept for the outcomes of changes, for revocations and for sealing.
const RESERVE: u64 = 2 << 20;
/// Room that is asked for beyond it, so that it is asked for seldom.
const AHEAD: u64 = 4 << 20;
