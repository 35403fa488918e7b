//! A sink's thread: leads groups, writes them, and looks after what it writes to.

pub(super) mod file;
pub(super) mod forward;
pub(super) mod open;
pub(super) mod spool;
pub(super) mod stream;
pub(super) mod syncer;
pub(super) mod syslog;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::core::Core;
use super::group::{Group, Position};
use super::port::{Missed, Next, Port, SinkState};

/// What a sink writes to.
pub(super) trait Output: Send + fmt::Debug {
    /// Writes all of the bytes, which begin at a position of the chain, or fails and can be called again with the same.
    fn write(&mut self, bytes: &[u8], at: &Position) -> io::Result<Room>;

    /// Called when a group was written whole.
    fn written(&mut self, _group: &Arc<Group>) {}

    /// Called at least twice a second: looks whether what is written to is still there.
    fn tend(&mut self, _at: &Position) -> io::Result<Room> {
        Ok(Room::Enough)
    }

    /// Called when nothing more will be written.
    fn close(&mut self) {}
}

/// How much room is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// Enough.
    Enough,
    /// Only the reserve.
    Reserve,
}

/// One sink and its thread's view of the log.
#[derive(Debug)]
pub(super) struct Sink {
    core: Arc<Core>,
    port: Arc<Port>,
    output: Box<dyn Output>,
    tended: Instant,
    position: Position,
}

impl Sink {
    pub(super) fn new(core: Arc<Core>, port: Arc<Port>, output: Box<dyn Output>) -> Self {
        let position = core.position();
        Self {
            core,
            port,
            output,
            tended: Instant::now(),
            position,
        }
    }

    /// Works until it is asked to stop.
    pub(super) fn run(mut self) {
        self.port.attach();
        loop {
            let worked = self.work();
            let orders = self.port.orders();
            if orders.reopen || self.tended.elapsed() >= TEND {
                self.tend();
            }
            if worked {
                continue;
            }
            if orders.stop {
                break;
            }
            let (core, port) = (&self.core, &self.port);
            port.sleep(self.patience(), || core.has_pending() && port.accepts(true));
        }
        self.output.close();
    }

    /// One step; false if there is nothing to do.
    fn work(&mut self) -> bool {
        match self.port.next() {
            Next::Group(group) => self.deliver(&group),
            Next::Gap(missed) => self.fill(&missed),
            Next::Nothing => return self.port.accepts(true) && self.core.lead(),
        }
        true
    }

    fn deliver(&mut self, group: &Arc<Group>) {
        let before = group.before.clone();
        if self.write(&group.bytes, &before) {
            self.position = group.after.clone();
            self.output.written(group);
            self.core.recorded(&self.port, group);
        }
    }

    /// Says which records are missing, and goes on after them.
    fn fill(&mut self, missed: &Missed) {
        let line = self.core.gap_line(&self.port.name, missed);
        if self.write(&line, &self.position.clone()) {
            self.position = missed.to.clone();
            tracing::warn!(
                sink = self.port.name,
                from = missed.from,
                to = missed.to.records,
                "an audit sink is back; it misses records"
            );
        }
    }

    /// Tries until it is written, or until the sink is asked to stop.
    fn write(&mut self, bytes: &[u8], at: &Position) -> bool {
        loop {
            let output = &mut self.output;
            match self.port.busy(|| output.write(bytes, at)) {
                Ok(room) => {
                    self.settle(room);
                    return true;
                }
                Err(error) => self.fail(&error),
            }
            if self.port.orders().stop {
                return false;
            }
            std::thread::park_timeout(RETRY);
        }
    }

    fn tend(&mut self) {
        self.tended = Instant::now();
        let (output, position) = (&mut self.output, &self.position);
        match self.port.busy(|| output.tend(position)) {
            Ok(room) => self.settle(room),
            Err(error) => self.fail(&error),
        }
    }

    fn settle(&self, room: Room) {
        let state = match room {
            Room::Enough => SinkState::Live,
            Room::Reserve => SinkState::Full,
        };
        self.core.set_state(&self.port, state);
    }

    fn fail(&self, error: &io::Error) {
        if self.core.set_state(&self.port, SinkState::Failing) {
            tracing::error!(sink = self.port.name, %error, "an audit sink fails; it is tried again");
        }
    }

    /// A sink that is not well looks again sooner.
    fn patience(&self) -> Duration {
        match self.port.state() {
            SinkState::Live => TEND,
            SinkState::Away | SinkState::Failing | SinkState::Full | SinkState::Stalled => RETRY,
        }
    }
}

const TEND: Duration = Duration::from_millis(500);
const RETRY: Duration = Duration::from_millis(100);
