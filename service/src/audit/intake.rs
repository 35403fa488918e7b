//! The buffers that records are encoded into: one for each worker, so that workers do not wait for each other.

use std::cell::Cell;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::line::OpenIntent;
use super::locked;
use super::wave::{NotRecorded, Wave};
use uuid::Uuid;

/// All buffers.
#[derive(Debug)]
pub(super) struct Intake {
    shards: Vec<Mutex<Filled>>,
}

/// What one buffer holds. Records end with a line feed and begin after their number, which the chain gives them.
#[derive(Debug, Default)]
pub(super) struct Filled {
    pub(super) bytes: Vec<u8>,
    pub(super) lines: Vec<Encoded>,
    pub(super) wave: Option<Arc<Wave>>,
}

/// One record in a buffer.
#[derive(Debug)]
pub(super) struct Encoded {
    /// Where it ends.
    pub(super) end: usize,
    /// What it says of a change.
    pub(super) mark: Option<Mark>,
}

/// What a record says of a change.
#[derive(Debug)]
pub(super) enum Mark {
    /// The change was announced.
    Intent(Box<OpenIntent>),
    /// The change of this request has an outcome.
    Outcome(Uuid),
}

/// A record's place among those who wait.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) wave: Arc<Wave>,
    /// Whether it is its buffer's first.
    pub(super) leads: bool,
}

impl Intake {
    pub(super) fn new(shards: usize) -> Self {
        let shard = || Mutex::new(Filled::default());
        Self {
            shards: std::iter::repeat_with(shard).take(shards.max(1)).collect(),
        }
    }

    pub(super) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Puts a record into this thread's buffer.
    pub(super) fn put(
        &self,
        mark: Option<Mark>,
        wants_sync: bool,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Place, NotRecorded> {
        let shard = self.shards.get(thread_number() % self.shards.len());
        let mut filled = locked(shard.ok_or(NotRecorded)?);
        if filled.bytes.len() > MAX_BYTES {
            return Err(NotRecorded);
        }
        encode(&mut filled.bytes);
        let end = filled.bytes.len();
        filled.lines.push(Encoded { end, mark });
        let leads = filled.wave.is_none();
        let wave = filled
            .wave
            .get_or_insert_with(|| Arc::new(Wave::new(Instant::now())));
        if wants_sync {
            wave.want_sync();
        }
        Ok(Place {
            wave: Arc::clone(wave),
            leads,
        })
    }

    /// Exchanges all buffers with these, which are empty.
    pub(super) fn exchange(&self, with: &mut [Filled]) {
        for (shard, other) in self.shards.iter().zip(with) {
            let mut filled = locked(shard);
            if let Some(wave) = &filled.wave {
                wave.take();
                mem::swap(&mut *filled, other);
            }
        }
    }

    /// Drops what has waited for so long, and says so to those who wait for it.
    pub(super) fn expire(&self, now: Instant, after: Duration) -> bool {
        let mut expired = false;
        for shard in &self.shards {
            let mut filled = locked(shard);
            let old = filled.wave.take_if(|wave| wave.age(now) >= after);
            if let Some(wave) = old {
                filled.clear();
                drop(filled);
                wave.fail();
                expired = true;
            }
        }
        expired
    }
}

impl Filled {
    /// Empties the buffer and keeps its memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.lines.clear();
        self.wave = None;
    }
}

/// This thread's number, counted from the first thread that asked.
fn thread_number() -> usize {
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    NUMBER.with(|number| {
        number.get().unwrap_or_else(|| {
            let next = NEXT.fetch_add(1, Ordering::Relaxed);
            number.set(Some(next));
            next
        })
    })
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A buffer that has grown to this takes no more: the sinks do not keep up.
const MAX_BYTES: usize = 8 << 20;
