//! Those who wait together: the records that one worker's buffer held when it was taken.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::locked;

/// The record is not known to be written; whoever asked must not be answered as if it were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no audit sink has recorded this in time")]
pub struct NotRecorded;

/// How far a record must have come before its waiter goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// A sink has written it.
    Recorded,
    /// A sink has written it and made it durable.
    Synced,
}

/// The fate of some records that share it, and who wants to know.
#[derive(Debug)]
pub(super) struct Wave {
    began: Instant,
    state: AtomicU8,
    wants_sync: AtomicBool,
    taken: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    recorded: Vec<Waker>,
    synced: Vec<Waker>,
}

impl Wave {
    pub(super) fn new(began: Instant) -> Self {
        Self {
            began,
            state: AtomicU8::new(PENDING),
            wants_sync: AtomicBool::new(false),
            taken: AtomicBool::new(false),
            waiting: Mutex::default(),
        }
    }

    /// Somebody will wait for the sync.
    pub(super) fn want_sync(&self) {
        self.wants_sync.store(true, Ordering::Release);
    }

    pub(super) fn wants_sync(&self) -> bool {
        self.wants_sync.load(Ordering::Acquire)
    }

    /// The records have left their worker's buffer.
    pub(super) fn take(&self) {
        self.taken.store(true, Ordering::Release);
    }

    pub(super) fn is_taken(&self) -> bool {
        self.taken.load(Ordering::Acquire)
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    /// A sink has written the records.
    pub(super) fn recorded(&self) {
        if self.advance(PENDING, RECORDED) {
            wake(&mut locked(&self.waiting).recorded);
        }
    }

    /// A sink has written the records and made them durable.
    pub(super) fn synced(&self) {
        self.recorded();
        if self.advance(RECORDED, SYNCED) {
            wake(&mut locked(&self.waiting).synced);
        }
    }

    /// It took too long, or cannot be done.
    pub(super) fn fail(&self) {
        if self.advance(PENDING, FAILED) || self.advance(RECORDED, FAILED) {
            let mut waiting = locked(&self.waiting);
            wake(&mut waiting.recorded);
            wake(&mut waiting.synced);
        }
    }

    /// Whether nobody who waits is left.
    pub(super) fn is_settled(&self) -> bool {
        match self.state.load(Ordering::Acquire) {
            PENDING => false,
            RECORDED => !self.wants_sync(),
            _ => true,
        }
    }

    /// Whether not even one sink has written the records, and they are not given up.
    pub(super) fn is_pending(&self) -> bool {
        self.state.load(Ordering::Acquire) == PENDING
    }

    /// The records' fate at this level. A waiter keeps the place of its waker.
    pub(super) fn poll(
        &self,
        level: Level,
        place: &mut Option<usize>,
        context: &Context<'_>,
    ) -> Poll<Result<(), NotRecorded>> {
        if let Some(fate) = self.fate(level) {
            return Poll::Ready(fate);
        }
        let mut waiting = locked(&self.waiting);
        // Those who change the state lock after the change: it is seen here, or the waker is seen there.
        if let Some(fate) = self.fate(level) {
            return Poll::Ready(fate);
        }
        let wakers = match level {
            Level::Recorded => &mut waiting.recorded,
            Level::Synced => &mut waiting.synced,
        };
        if let Some(waker) = place.and_then(|place| wakers.get_mut(place)) {
            waker.clone_from(context.waker());
        } else {
            *place = Some(wakers.len());
            wakers.push(context.waker().clone());
        }
        Poll::Pending
    }

    fn fate(&self, level: Level) -> Option<Result<(), NotRecorded>> {
        match (self.state.load(Ordering::Acquire), level) {
            (PENDING, _) | (RECORDED, Level::Synced) => None,
            (RECORDED | SYNCED, _) => Some(Ok(())),
            (_, _) => Some(Err(NotRecorded)),
        }
    }

    fn advance(&self, from: u8, to: u8) -> bool {
        self.state
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

fn wake(wakers: &mut Vec<Waker>) {
    for waker in wakers.drain(..) {
        waker.wake();
    }
}

const PENDING: u8 = 0;
const RECORDED: u8 = 1;
const SYNCED: u8 = 2;
const FAILED: u8 = 3;
