//! A file that is appended to, set aside when it is full or old, and noticed when somebody else touches it.

mod reserve;

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keyring::clock::{Clock, Timestamp};

pub(in crate::audit) use self::reserve::Budget;
use super::super::chain::Origin;
use super::super::group::{Group, Position};
use super::super::line::Reason;
use super::super::observer::AuditObserver;
use super::super::port::Port;
use super::super::recovery::{self, End};
use super::open::{self, FileId};
use super::syncer::Syncer;
use super::{Output, Room};

/// What a file is opened with.
#[derive(Clone, Debug)]
pub(in crate::audit) struct Opening {
    pub(in crate::audit) path: PathBuf,
    pub(in crate::audit) rotation: Rotation,
    pub(in crate::audit) budget: Option<Budget>,
    pub(in crate::audit) origin: Origin,
    pub(in crate::audit) clock: Arc<dyn Clock>,
    pub(in crate::audit) port: Arc<Port>,
    pub(in crate::audit) observer: Arc<dyn AuditObserver>,
}

/// When a file is set aside.
#[derive(Clone, Copy, Debug)]
pub(in crate::audit) struct Rotation {
    pub(in crate::audit) bytes: u64,
    /// Zero for never.
    pub(in crate::audit) after: Duration,
}

/// A file sink's file.
#[derive(Debug)]
pub(in crate::audit) struct FileOutput {
    opening: Opening,
    file: Arc<File>,
    id: FileId,
    /// As long as it must be.
    size: u64,
    /// Up to where the file system has promised room.
    reserved: u64,
    began: Timestamp,
    /// Why the file must be replaced before anything is written.
    astray: Option<Reason>,
    syncer: Syncer,
}

impl FileOutput {
    /// Opens the file, closes off what an earlier start left unfinished, and begins a chain in it.
    pub(in crate::audit) fn open(opening: Opening) -> io::Result<(Self, End)> {
        let (file, _) = open::open(&opening.path)?;
        open::check_begins_a_log(&file)?;
        open::lock(&file)?;
        // Only now nobody writes to it any more.
        let stat = rustix::fs::fstat(&file)?;
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        let end = opening.end_before(&file, size)?;
        let began = recovery::began(&file).unwrap_or_else(|| opening.clock.now());
        let file = Arc::new(file);
        let (port, observer) = (Arc::clone(&opening.port), Arc::clone(&opening.observer));
        let mut output = Self {
            syncer: Syncer::start(Arc::clone(&file), port, observer)?,
            opening,
            id: FileId::of(&stat),
            file,
            size,
            reserved: 0,
            began,
            astray: None,
        };
        let mut line = if end.torn { vec![b'\n'] } else { Vec::new() };
        let Opening { origin, port, .. } = &output.opening;
        line.extend(origin.start_line(&port.name, end.clone()));
        output.append(&line)?;
        output.reserve(0)?;
        output.file.sync_all()?;
        Ok((output, end))
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if let Some(budget) = &self.opening.budget {
            budget.check(length)?;
        }
        if let Err(error) = (&*self.file).write_all(bytes) {
            // Half a group would be taken for somebody's edit.
            rustix::fs::ftruncate(&self.file, self.size)?;
            self.reserved = 0;
            return Err(error);
        }
        self.size += length;
        if let Some(budget) = &self.opening.budget {
            budget.used.fetch_add(length, Ordering::AcqRel);
        }
        Ok(())
    }

    /// What has become of the file that was appended to.
    fn fate(&self) -> io::Result<Option<Reason>> {
        let stat = rustix::fs::fstat(&self.file)?;
        Ok(if stat.st_nlink == 0 {
            Some(Reason::Removed)
        } else if u64::try_from(stat.st_size) != Ok(self.size) {
            Some(Reason::Altered)
        } else {
            None
        })
    }

    fn is_due(&self, length: usize) -> bool {
        let Rotation { bytes, after } = self.opening.rotation;
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        let full = self.size > FRESH && self.size.saturating_add(length) > bytes;
        let old = !after.is_zero() && self.opening.clock.now() >= self.began.plus(after);
        full || (old && self.size > FRESH)
    }

    /// Sets the file aside and goes on with a new one.
    fn rotate(&mut self, reason: Reason, at: &Position) -> io::Result<()> {
        self.astray = Some(reason);
        // What is promised beyond the end is given back.
        rustix::fs::ftruncate(&self.file, self.size)?;
        if FileId::at(&self.opening.path).is_ok_and(|id| id == self.id) {
            open::set_aside(&self.opening.path, self.opening.clock.now())?;
        }
        self.renew(reason, at)
    }

    /// Goes on with what is at the path, or with a new file there.
    fn renew(&mut self, reason: Reason, at: &Position) -> io::Result<()> {
        self.astray = Some(reason);
        let (mut file, mut stat) = open::open(&self.opening.path)?;
        if stat.st_size > 0 {
            // Somebody else's, or what is left of a file that was cut short.
            open::set_aside(&self.opening.path, self.opening.clock.now())?;
            (file, stat) = open::open(&self.opening.path)?;
        }
        // A lock that somebody else has on a new file does not make it wrong to write to it.
        let _ = file.try_lock();
        self.file = Arc::new(file);
        self.id = FileId::of(&stat);
        (self.size, self.reserved) = (0, 0);
        self.began = self.opening.clock.now();
        let Opening { origin, port, .. } = &self.opening;
        let line = origin.continued_line(&port.name, self.began, reason, at);
        self.append(&line)?;
        self.syncer.exchange(Arc::clone(&self.file));
        self.astray = None;
        if reason == Reason::Rotated {
            tracing::info!(sink = port_name(&self.opening), "an audit file was rotated");
        } else {
            tracing::error!(
                sink = port_name(&self.opening),
                ?reason,
                "something happened to an audit file; a new one was begun"
            );
        }
        Ok(())
    }

    /// Does what must be done before anything can be written.
    fn prepare(&mut self, length: usize, at: &Position) -> io::Result<Room> {
        if let Some(reason) = self.astray {
            self.renew(reason, at)?;
        } else if self.syncer.is_broken() {
            self.rotate(Reason::SyncFailed, at)?;
        }
        match self.reserve(length)? {
            Room::Reserve => Ok(Room::Reserve),
            Room::Enough if self.is_due(length) => {
                self.rotate(Reason::Rotated, at)?;
                self.reserve(length)
            }
            Room::Enough => Ok(Room::Enough),
        }
    }

    /// Deals with what somebody did to the file; whether it had to.
    fn mend(&mut self, at: &Position) -> io::Result<bool> {
        match self.fate()? {
            None => Ok(false),
            Some(Reason::Altered) => {
                let stat = rustix::fs::fstat(&self.file)?;
                self.size = u64::try_from(stat.st_size).unwrap_or_default();
                self.rotate(Reason::Altered, at).map(|()| true)
            }
            Some(reason) => self.renew(reason, at).map(|()| true),
        }
    }
}

impl Output for FileOutput {
    fn write(&mut self, bytes: &[u8], at: &Position) -> io::Result<Room> {
        let room = self.prepare(bytes.len(), at)?;
        self.append(bytes)?;
        // Bytes in a file that nobody can find any more are not recorded.
        if self.mend(at)? {
            self.append(bytes)?;
            if self.fate()?.is_some() {
                return Err(io::Error::other(
                    "the new file was touched by somebody else too",
                ));
            }
        }
        Ok(room)
    }

    fn written(&mut self, group: &Arc<Group>) {
        self.syncer.written(group);
    }

    fn tend(&mut self, at: &Position) -> io::Result<Room> {
        if self.astray.is_none() && !self.mend(at)? {
            match FileId::at(&self.opening.path) {
                Ok(id) if id == self.id => {}
                Ok(_) => self.renew(Reason::Moved, at)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.renew(Reason::Moved, at)?;
                }
                Err(error) => return Err(error),
            }
        }
        self.prepare(0, at)
    }

    fn close(&mut self) {
        self.syncer.close();
        // A reserve that is not given back is only room.
        let _ = rustix::fs::ftruncate(&self.file, self.size);
    }
}

impl Opening {
    /// How the file ends, or if it is empty how the newest one that was set aside does.
    fn end_before(&self, file: &File, size: u64) -> io::Result<End> {
        let key = self.origin.keys.public_key();
        let newest = open::set_aside_files(&self.path)?.pop();
        match newest {
            Some(newest) if size == 0 => {
                let file = File::open(newest)?;
                let length = file.metadata()?.len();
                recovery::end_of(&file, length, &key)
            }
            Some(_) | None => recovery::end_of(file, size, &key),
        }
    }
}

fn port_name(opening: &Opening) -> &str {
    &opening.port.name
}

/// A file that is not longer has hardly more than its first line.
const FRESH: u64 = 4 << 10;
