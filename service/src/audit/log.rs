//! The log as the front uses it: a record goes in, and a ticket says when it is recorded.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use keyring::store::audit::AuditHead;
use tokio::sync::watch;

use super::core::Core;
use super::intake::{Mark, Place};
use super::line::OpenIntent;
use super::locked;
use super::port::{Orders, SinkState};
use super::record::{Kind, Record};
use super::wave::{Level, NotRecorded, Wave};
use super::who::Who;

/// A running log. One without sinks, where the audit is disabled, records nothing and is ready at once.
#[derive(Debug)]
pub struct AuditLog {
    core: Arc<Core>,
    strict: bool,
    /// How many revocations have been announced with nothing but the reserve left.
    reserved: AtomicUsize,
    /// Disconnected when the last sink has ended.
    ended: Mutex<Receiver<()>>,
}

impl AuditLog {
    pub(super) fn new(core: Arc<Core>, strict: bool, ended: Receiver<()>) -> Self {
        Self {
            core,
            strict,
            reserved: AtomicUsize::new(0),
            ended: Mutex::new(ended),
        }
    }

    /// Whether a record would be taken now. To be asked before work begins that could not be answered.
    pub fn admits(&self) -> Result<(), NotRecorded> {
        if self.core.accepts(false, self.strict) {
            return Ok(());
        }
        self.core.observer.refused();
        Err(NotRecorded)
    }

    /// Hands a record over. The ticket is ready when a sink has written it, with `audit.strict` also made it durable.
    pub fn submit(&self, record: &Record<'_>) -> Result<Ticket<'_>, NotRecorded> {
        let level = if self.strict {
            Level::Synced
        } else {
            Level::Recorded
        };
        self.put(record, level)
    }

    /// As [`submit`](Self::submit); the ticket is ready when a sink has made the record durable. For intents and outcomes.
    pub fn submit_synced(&self, record: &Record<'_>) -> Result<Ticket<'_>, NotRecorded> {
        self.put(record, Level::Synced)
    }

    /// As [`submit_synced`](Self::submit_synced), also where the sinks have nothing but their reserve left: for the intents of
    /// what protects the store. Of revocations so many are taken until there is room again; sealing is always.
    pub fn submit_reserved(
        &self,
        record: &Record<'_>,
        reserve: Reserve,
    ) -> Result<Ticket<'_>, NotRecorded> {
        if self.core.accepts(false, true) {
            self.reserved.store(0, Ordering::Relaxed);
        } else {
            let used = match reserve {
                Reserve::Revocation => self.reserved.fetch_add(1, Ordering::Relaxed),
                Reserve::Seal => 0,
            };
            if used >= MAX_RESERVED || !self.core.accepts(true, true) {
                self.core.observer.refused();
                return Err(NotRecorded);
            }
        }
        self.hand_over(record, Level::Synced)
    }

    fn put(&self, record: &Record<'_>, level: Level) -> Result<Ticket<'_>, NotRecorded> {
        let is_outcome = record.kind == Kind::Outcome;
        let wants_sync = level == Level::Synced;
        // What has happened is worth waiting for a sink that may return; what has not need not begin.
        if !is_outcome && !self.core.accepts(false, wants_sync) {
            self.core.observer.refused();
            return Err(NotRecorded);
        }
        self.hand_over(record, level)
    }

    fn hand_over(&self, record: &Record<'_>, level: Level) -> Result<Ticket<'_>, NotRecorded> {
        let wants_sync = level == Level::Synced;
        if self.core.is_disabled() {
            return Ok(Ticket::ready(&self.core));
        }
        let place = self.core.intake.put(mark(record), wants_sync, |out| {
            record.encode(&self.core.correlation, out);
        })?;
        // Whoever closed the log before it was put in may have had the last flush already.
        if self.core.is_closed() {
            return Err(NotRecorded);
        }
        Ok(Ticket {
            core: &self.core,
            lead: if place.leads {
                Lead::Yields
            } else {
                Lead::Follows
            },
            place,
            level,
            waker: None,
        })
    }

    /// Who asked, as records show it; to be made once per token.
    pub fn who<'p>(
        &self,
        accessor: &str,
        display_name: &str,
        policies: impl IntoIterator<Item = &'p str>,
    ) -> Who {
        Who::new(&self.core.correlation, accessor, display_name, policies)
    }

    /// How each sink is, by name.
    pub fn state(&self) -> Vec<(String, SinkState)> {
        let ports = self.core.ports.iter();
        ports
            .map(|port| (port.name.clone(), port.state()))
            .collect()
    }

    /// Looks at every file now, and begins a new one where the old one was moved away. For SIGHUP.
    pub fn reopen(&self) {
        for port in &self.core.ports {
            port.order(Orders {
                reopen: true,
                ..Orders::default()
            });
        }
    }

    /// Signed checkpoints as they are made, for the store.
    pub fn heads(&self) -> watch::Receiver<Option<AuditHead>> {
        self.core.heads()
    }

    /// Signs a last checkpoint, makes everything durable and ends; says whether all sinks did within this time. Blocks.
    pub fn close(&self, longest: Duration) -> bool {
        self.core.close();
        let ended = locked(&self.ended).recv_timeout(longest);
        ended == Err(RecvTimeoutError::Disconnected)
    }
}

impl Drop for AuditLog {
    /// A log that was not closed has its threads end by themselves.
    fn drop(&mut self) {
        self.core.close();
    }
}

/// What a record may use up the sinks' reserve for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserve {
    /// A token is revoked.
    Revocation,
    /// The store is sealed.
    Seal,
}

/// About 1 MiB with their outcomes, which leaves as much for the outcomes of other changes.
const MAX_RESERVED: usize = 1000;

/// What a record says of a change.
fn mark(record: &Record<'_>) -> Option<Mark> {
    match record.kind {
        Kind::Request => None,
        Kind::Intent => Some(Mark::Intent(Box::new(OpenIntent {
            request: record.request,
            at: record.at,
            operation: record.operation.to_owned(),
            mount: record.mount.map(str::to_owned),
            key: record.key.map(str::to_owned),
        }))),
        Kind::Outcome => Some(Mark::Outcome(record.request)),
    }
}

/// One record's way into a sink. Ready within 100 ms, or for one that is to be synced within about a second; an error
/// says that the record may be missing.
#[derive(Debug)]
#[must_use = "nobody may be answered before the ticket is ready"]
pub struct Ticket<'l> {
    core: &'l Core,
    place: Place,
    level: Level,
    lead: Lead,
    waker: Option<usize>,
}

/// What a ticket has to do for the others of its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lead {
    /// Nothing.
    Follows,
    /// Have the buffer flushed, once those who are ready now have put their records in.
    Yields,
    /// Have the buffer flushed.
    Flushes,
}

impl Future for Ticket<'_> {
    type Output = Result<(), NotRecorded>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.lead {
            Lead::Yields => {
                self.lead = Lead::Flushes;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Lead::Flushes => self.flush(),
            Lead::Follows => {}
        }
        let Self {
            place,
            level,
            waker,
            ..
        } = &mut *self;
        place.wave.poll(*level, waker, context)
    }
}

impl<'l> Ticket<'l> {
    /// For a record that goes nowhere.
    fn ready(core: &'l Core) -> Self {
        let wave = Arc::new(Wave::new(Instant::now()));
        wave.synced();
        Self {
            core,
            place: Place { wave, leads: false },
            level: Level::Synced,
            lead: Lead::Follows,
            waker: None,
        }
    }
}

impl Ticket<'_> {
    fn flush(&mut self) {
        self.lead = Lead::Follows;
        if !self.place.wave.is_taken() {
            self.core.flush();
        }
    }
}

impl Drop for Ticket<'_> {
    /// The others wait for the flush also if this one's client hangs up.
    fn drop(&mut self) {
        if self.lead != Lead::Follows {
            self.flush();
        }
    }
}
