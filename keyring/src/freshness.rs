//! How long ago the store confirmed what this node has cached, and whether the store answers at all.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The store's last confirmation, as uptime.
#[derive(Debug)]
pub struct Freshness {
    confirmed_at_micros: AtomicU64,
    away: AtomicBool,
}

impl Freshness {
    /// Confirmed at this uptime.
    pub fn new(now: Duration) -> Self {
        Self {
            confirmed_at_micros: AtomicU64::new(micros(now)),
            away: AtomicBool::new(false),
        }
    }

    /// The store answered a poll that began at this uptime.
    pub fn confirm(&self, began: Duration) {
        self.confirmed_at_micros
            .fetch_max(micros(began), Ordering::AcqRel);
        self.away.store(false, Ordering::Release);
    }

    /// The store did not answer.
    pub fn miss(&self) {
        self.away.store(true, Ordering::Release);
    }

    /// Whether the last poll went unanswered.
    pub fn store_is_away(&self) -> bool {
        self.away.load(Ordering::Acquire)
    }

    /// Whether something read at `read_at` or confirmed since is at most this old.
    pub fn is_within(&self, now: Duration, read_at: Duration, allowed: Duration) -> bool {
        let confirmed = self
            .confirmed_at_micros
            .load(Ordering::Acquire)
            .max(micros(read_at));
        micros(now).saturating_sub(confirmed) <= micros(allowed)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
