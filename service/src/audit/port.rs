//! What the log and a sink's thread share: the groups the sink is still to write, and how the sink is.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::Thread;
use std::time::{Duration, Instant};

use super::group::{Group, Position};
use super::locked;

/// How a sink is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkState {
    /// It did not keep up and misses records; it is written to again when it returns, beginning with a signed gap line.
    Away,
    /// Its last write failed; it is tried again and again.
    Failing,
    /// There is no room beyond its reserve, which is kept for the outcomes of changes.
    Full,
    /// It takes records.
    Live,
    /// A write or a sync is taking too long.
    Stalled,
}

impl SinkState {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Away,
        Self::Failing,
        Self::Full,
        Self::Live,
        Self::Stalled,
    ];

    /// The word it is shown by.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Failing => "failing",
            Self::Full => "full",
            Self::Live => "live",
            Self::Stalled => "stalled",
        }
    }
}

/// The shared side of one sink.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) name: String,
    /// Whether it can make records durable.
    pub(super) syncs: bool,
    epoch: Instant,
    condition: AtomicU8,
    stalled: AtomicBool,
    idle: AtomicBool,
    busy: Busy,
    pub(super) syncing: Busy,
    queue: Mutex<Queue>,
    thread: OnceLock<Thread>,
}

/// Since when something is under way.
#[derive(Debug, Default)]
pub(super) struct Busy(AtomicU64);

impl Busy {
    fn begin(&self, since_epoch: Duration) {
        let millis = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        self.0.store(millis.saturating_add(1), Ordering::Release);
    }

    fn end(&self) {
        self.0.store(0, Ordering::Release);
    }

    fn has_lasted(&self, since_epoch: Duration, limit: Duration) -> bool {
        match self.0.load(Ordering::Acquire) {
            0 => false,
            began => since_epoch >= Duration::from_millis(began - 1).saturating_add(limit),
        }
    }
}

#[derive(Debug, Default)]
struct Queue {
    groups: VecDeque<Arc<Group>>,
    bytes: usize,
    missed: Option<Missed>,
    orders: Orders,
}

/// Records that a sink misses.
#[derive(Clone, Debug)]
pub(super) struct Missed {
    /// The first.
    pub(super) from: u64,
    /// The chain after the last.
    pub(super) to: Position,
}

/// What a sink's thread is asked to do beside writing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Orders {
    /// Look whether the file is still where it should be, now.
    pub(super) reopen: bool,
    /// Write what is left, and end.
    pub(super) stop: bool,
}

/// What a sink's thread is to write next.
#[derive(Debug)]
pub(super) enum Next {
    Group(Arc<Group>),
    Gap(Missed),
    Nothing,
}

impl Port {
    pub(super) fn new(name: String, syncs: bool) -> Self {
        Self {
            name,
            syncs,
            epoch: Instant::now(),
            condition: AtomicU8::new(LIVE),
            stalled: AtomicBool::new(false),
            idle: AtomicBool::new(false),
            busy: Busy::default(),
            syncing: Busy::default(),
            queue: Mutex::default(),
            thread: OnceLock::new(),
        }
    }

    /// Hands a group over. A sink that is far behind loses what it has not written, and notes it.
    pub(super) fn push(&self, group: &Arc<Group>) {
        let mut queue = locked(&self.queue);
        if let Some(missed) = &mut queue.missed {
            missed.to = group.after.clone();
            return;
        }
        queue.bytes += group.bytes.len();
        queue.groups.push_back(Arc::clone(group));
        if queue.bytes > MAX_QUEUED_BYTES {
            let from = queue.groups.front().map_or(0, |first| first.before.records);
            queue.groups.clear();
            queue.bytes = 0;
            queue.missed = Some(Missed {
                from: from + 1,
                to: group.after.clone(),
            });
        }
        drop(queue);
        self.wake();
    }

    /// What comes next. Whoever is told of a gap is no longer away.
    pub(super) fn next(&self) -> Next {
        let mut queue = locked(&self.queue);
        if let Some(missed) = queue.missed.take() {
            return Next::Gap(missed);
        }
        match queue.groups.pop_front() {
            Some(group) => {
                queue.bytes -= group.bytes.len();
                Next::Group(group)
            }
            None => Next::Nothing,
        }
    }

    pub(super) fn order(&self, orders: Orders) {
        let mut queue = locked(&self.queue);
        queue.orders.reopen |= orders.reopen;
        queue.orders.stop |= orders.stop;
        drop(queue);
        self.wake();
    }

    /// What is asked; a reopening is asked for once.
    pub(super) fn orders(&self) -> Orders {
        let mut queue = locked(&self.queue);
        let orders = queue.orders;
        queue.orders.reopen = false;
        orders
    }

    /// Makes this thread the one that [`wake`](Self::wake) wakes.
    pub(super) fn attach(&self) {
        // A second thread would be a mistake of this module; the first one stays.
        let _ = self.thread.set(std::thread::current());
    }

    /// Wakes the sink's thread if it sleeps. Says whether it did.
    pub(super) fn wake(&self) -> bool {
        let sleeps = self.idle.swap(false, Ordering::SeqCst);
        if let (true, Some(thread)) = (sleeps, self.thread.get()) {
            thread.unpark();
        }
        sleeps
    }

    /// Sleeps until woken or until this has passed, unless there is something to do by then.
    pub(super) fn sleep(&self, longest: Duration, has_work: impl FnOnce() -> bool) {
        self.idle.store(true, Ordering::SeqCst);
        let queued = {
            let queue = locked(&self.queue);
            !queue.groups.is_empty() || queue.missed.is_some() || queue.orders != Orders::default()
        };
        if !queued && !has_work() {
            std::thread::park_timeout(longest);
        }
        self.idle.store(false, Ordering::SeqCst);
    }

    /// Runs something that may take too long.
    pub(super) fn busy<T>(&self, work: impl FnOnce() -> T) -> T {
        self.busy.begin(self.epoch.elapsed());
        let done = work();
        self.busy.end();
        done
    }

    /// As [`busy`](Self::busy), for a sync.
    pub(super) fn syncing<T>(&self, work: impl FnOnce() -> T) -> T {
        self.syncing.begin(self.epoch.elapsed());
        let done = work();
        self.syncing.end();
        done
    }

    /// Looks whether something takes too long.
    pub(super) fn look(&self) {
        let now = self.epoch.elapsed();
        let stalled = self.busy.has_lasted(now, LONGEST_WRITE)
            || self.syncing.has_lasted(now, super::SYNC_DEADLINE);
        self.stalled.store(stalled, Ordering::Release);
    }

    pub(super) fn set(&self, state: SinkState) {
        self.condition.store(condition(state), Ordering::Release);
    }

    /// Whether its last write ended so.
    pub(super) fn is(&self, state: SinkState) -> bool {
        self.condition.load(Ordering::Acquire) == condition(state)
    }

    /// How the sink is.
    pub(super) fn state(&self) -> SinkState {
        if locked(&self.queue).missed.is_some() {
            return SinkState::Away;
        }
        self.state_of_writing()
    }

    fn state_of_writing(&self) -> SinkState {
        if self.stalled.load(Ordering::Acquire) {
            return SinkState::Stalled;
        }
        match self.condition.load(Ordering::Acquire) {
            FAILING => SinkState::Failing,
            FULL => SinkState::Full,
            _ => SinkState::Live,
        }
    }

    /// Whether it would write a record now; the outcome of a change may use up the reserve.
    pub(super) fn accepts(&self, is_outcome: bool) -> bool {
        match self.state_of_writing() {
            SinkState::Live => true,
            SinkState::Full => is_outcome,
            SinkState::Away | SinkState::Failing | SinkState::Stalled => false,
        }
    }
}

/// What a write says of a sink; the rest is seen from outside.
const fn condition(state: SinkState) -> u8 {
    match state {
        SinkState::Failing => FAILING,
        SinkState::Full => FULL,
        SinkState::Away | SinkState::Live | SinkState::Stalled => LIVE,
    }
}

const LIVE: u8 = 0;
const FAILING: u8 = 1;
const FULL: u8 = 2;

/// A write that takes longer keeps nobody else waiting.
const LONGEST_WRITE: Duration = Duration::from_millis(60);
/// What a sink may be behind.
const MAX_QUEUED_BYTES: usize = 8 << 20;
