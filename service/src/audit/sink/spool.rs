//! A collector behind a spool: what is in the spool's files is recorded, and is sent on in the background.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::super::group::{Group, Position};
use super::super::recovery::End;
use super::file::{Budget, FileOutput, Opening, Rotation};
use super::forward::{Forwarder, Route};
use super::{Output, Room, open};
use crate::config::audit::{Collector, SocketSink};

/// The spool's newest file, and who sends the files on.
#[derive(Debug)]
pub(in crate::audit) struct SpoolOutput {
    file: FileOutput,
    forwarder: Forwarder,
}

impl SpoolOutput {
    /// Opens the spool and begins to send what an earlier start left in it.
    pub(in crate::audit) fn open(opening: Opening, address: Collector) -> io::Result<(Self, End)> {
        let budget = opening.budget.clone().unwrap_or_else(|| Budget {
            used: Arc::default(),
            limit: u64::MAX,
        });
        let route = Route {
            spool: opening.path.clone(),
            address,
            budget,
            origin: opening.origin.clone(),
            clock: Arc::clone(&opening.clock),
            sink: opening.port.name.clone(),
        };
        let (file, end) = FileOutput::open(opening)?;
        let forwarder = Forwarder::start(route)?;
        Ok((Self { file, forwarder }, end))
    }
}

/// The spool's newest file.
pub fn path(sink: &SocketSink, name: &str) -> PathBuf {
    sink.spool.join(format!("{name}.spool"))
}

/// When the spool's files are set aside.
pub(in crate::audit) const ROTATION: Rotation = Rotation {
    bytes: 4 << 20,
    after: Duration::ZERO,
};

/// What the spool holds already, against its limit.
pub(in crate::audit) fn budget(path: &Path, limit: u64) -> io::Result<Budget> {
    std::fs::create_dir_all(open::directory(path))?;
    let mut used = 0;
    for file in open::set_aside_files(path)? {
        used += file.metadata()?.len();
    }
    used += path.metadata().map_or(0, |file| file.len());
    Ok(Budget {
        used: Arc::new(AtomicU64::new(used)),
        limit,
    })
}

impl Output for SpoolOutput {
    fn write(&mut self, bytes: &[u8], at: &Position) -> io::Result<Room> {
        let room = self.file.write(bytes, at)?;
        self.forwarder.wake();
        Ok(room)
    }

    fn written(&mut self, group: &Arc<Group>) {
        self.file.written(group);
    }

    fn tend(&mut self, at: &Position) -> io::Result<Room> {
        self.file.tend(at)
    }

    fn close(&mut self) {
        self.file.close();
        self.forwarder.close();
    }
}
