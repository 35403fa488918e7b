//! Plans requests at a fixed rate, in advance and whatever the answers do.
//!
//! Request number `n` is due at `n / rate` after the start. A thread of its own, because the async timer only
//! knows milliseconds, lets each one go when it is due; connections take them in order. A request whose turn
//! came while every connection was busy is late, and its latency counts from when it was due: the load a real
//! crowd would have made is not thinned out by a slow server.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// Requests let go as they fall due.
#[derive(Debug)]
pub(crate) struct Pacer {
    rate: u32,
    total: u64,
    due: Semaphore,
    taken: AtomicU64,
}

/// One planned request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    /// When it was due.
    pub(crate) planned: Instant,
    /// Whether it had to wait for a connection.
    pub(crate) waited: bool,
}

impl Pacer {
    /// A plan of this rate over this stretch, of at most so many requests.
    pub(crate) fn new(rate: u32, stretch: Duration, limit: Option<u64>) -> Self {
        let total = stretch.as_nanos() * u128::from(rate) / NANOS;
        let total = u64::try_from(total).unwrap_or(u64::MAX);
        Self {
            rate,
            total: limit.map_or(total, |limit| total.min(limit)),
            due: Semaphore::new(0),
            taken: AtomicU64::new(0),
        }
    }

    /// Lets requests go until the last one, or until the end; then no more are to be had.
    pub(crate) fn run(&self, start: Instant, end: Instant) {
        let mut released = 0;
        while released < self.total {
            let now = Instant::now();
            if now >= end {
                break;
            }
            let due = self.due_after(now.saturating_duration_since(start));
            if due > released {
                self.due
                    .add_permits(usize::try_from(due - released).unwrap_or(0));
                released = due;
            }
            let next = start + self.offset(released);
            std::thread::park_timeout(next.saturating_duration_since(Instant::now()));
        }
        while !self.due.is_closed() && Instant::now() < end {
            std::thread::park_timeout(CLOSE_CHECK);
        }
        self.due.close();
    }

    /// The next request, as soon as it is due; `None` when the plan is over.
    pub(crate) async fn next(&self, start: Instant) -> Option<Ticket> {
        let (permit, waited) = match self.due.try_acquire() {
            Ok(permit) => (permit, true),
            Err(tokio::sync::TryAcquireError::NoPermits) => (self.due.acquire().await.ok()?, false),
            Err(tokio::sync::TryAcquireError::Closed) => return None,
        };
        permit.forget();
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        if number + 1 >= self.total {
            self.due.close();
        }
        Some(Ticket {
            planned: start + self.offset(number),
            waited,
        })
    }

    /// How many planned requests were never taken.
    pub(crate) fn unsent(&self) -> u64 {
        self.total
            .saturating_sub(self.taken.load(Ordering::Relaxed))
    }

    fn offset(&self, number: u64) -> Duration {
        let nanos = u128::from(number) * NANOS / u128::from(self.rate);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn due_after(&self, elapsed: Duration) -> u64 {
        let due = elapsed.as_nanos() * u128::from(self.rate) / NANOS + 1;
        u64::try_from(due).unwrap_or(u64::MAX).min(self.total)
    }
}

const NANOS: u128 = 1_000_000_000;
/// How soon the end of a plan is noticed when its last request has left early.
const CLOSE_CHECK: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_fall_due_one_by_one() {
        let pacer = Pacer::new(1000, Duration::from_secs(2), None);
        assert_eq!(pacer.total, 2000);
        assert_eq!(pacer.due_after(Duration::ZERO), 1);
        assert_eq!(pacer.due_after(Duration::from_micros(999)), 1);
        assert_eq!(pacer.due_after(Duration::from_millis(1)), 2);
        assert_eq!(pacer.due_after(Duration::from_secs(9)), 2000);
        assert_eq!(pacer.offset(1500), Duration::from_millis(1500));
    }

    #[tokio::test]
    async fn a_request_nobody_took_counts_as_unsent_and_the_plan_ends() {
        let pacer = Pacer::new(1000, Duration::from_millis(10), None);
        let start = Instant::now();
        pacer.run(start, start + Duration::from_millis(10));
        assert!(pacer.next(start).await.is_none());
        assert_eq!(pacer.unsent(), 10);
    }

    #[tokio::test]
    async fn tickets_carry_the_planned_instant_however_late_they_are_taken() {
        let pacer = Pacer::new(1000, Duration::from_millis(5), None);
        let start = Instant::now();
        pacer.due.add_permits(5);
        for number in 0..5 {
            let ticket = pacer.next(start).await.expect("five are due");
            assert_eq!(ticket.planned, start + Duration::from_millis(number));
            assert!(ticket.waited);
        }
        assert_eq!(pacer.unsent(), 0);
    }
}
