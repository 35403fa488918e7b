//! What came of the requests of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::time::Duration;

use hdrhistogram::Histogram;

/// Counts and latencies of one run, or of several added together.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Latencies in nanoseconds of all answered requests, successful or not.
    pub(crate) latency: Histogram<u64>,
    /// Answers by status code.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Requests that broke off, by what the connection said.
    pub(crate) broken: BTreeMap<String, u64>,
    /// Requests still without an answer when the time for it ran out.
    pub(crate) unanswered: u64,
    /// Open loop: requests planned within the run that were never sent.
    pub(crate) unsent: u64,
    /// Open loop: requests that waited because every connection was busy.
    pub(crate) waited: u64,
    /// Open loop: requests sent late though a connection was free: the generator itself fell behind.
    pub(crate) behind: u64,
    /// How long was measured.
    pub(crate) elapsed: Duration,
}

impl Tally {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        let mut latency =
            Histogram::new_with_bounds(1, HIGHEST_NANOS, 3).expect("constant bounds are valid");
        latency.auto(true);
        Self {
            latency,
            statuses: BTreeMap::new(),
            broken: BTreeMap::new(),
            unanswered: 0,
            unsent: 0,
            waited: 0,
            behind: 0,
            elapsed: Duration::ZERO,
        }
    }

    /// An answer with this status after this long.
    pub(crate) fn answer(&mut self, status: u16, took: Duration) {
        self.latency
            .saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1));
        *self.statuses.entry(status).or_default() += 1;
    }

    /// A request that broke off.
    pub(crate) fn failure(&mut self, error: &io::Error) {
        *self.broken.entry(error.kind().to_string()).or_default() += 1;
    }

    /// Adds a tally of the same stretch of time.
    pub(crate) fn join(&mut self, other: &Self) {
        let elapsed = self.elapsed.max(other.elapsed);
        self.append(other);
        self.elapsed = elapsed;
    }

    /// Adds a tally of a later stretch of time.
    pub(crate) fn append(&mut self, other: &Self) {
        self.latency
            .add(&other.latency)
            .expect("both histograms grow as needed");
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (kind, count) in &other.broken {
            *self.broken.entry(kind.clone()).or_default() += count;
        }
        self.unanswered += other.unanswered;
        self.unsent += other.unsent;
        self.waited += other.waited;
        self.behind += other.behind;
        self.elapsed += other.elapsed;
    }

    /// Requests with an answer, of any status.
    pub(crate) fn answered(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Requests that did not succeed.
    pub(crate) fn errors(&self) -> u64 {
        let refused: u64 = self
            .statuses
            .iter()
            .filter(|(status, _)| !(200..300).contains(*status))
            .map(|(_, count)| count)
            .sum();
        refused + self.broken.values().sum::<u64>() + self.unanswered
    }

    /// Successful answers per second.
    pub(crate) fn rate(&self) -> f64 {
        let good: u64 = self
            .statuses
            .iter()
            .filter(|(status, _)| (200..300).contains(*status))
            .map(|(_, count)| count)
            .sum();
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 {
            real(good) / seconds
        } else {
            0.0
        }
    }

    /// The latency below which this share of the answers stayed.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        Duration::from_nanos(self.latency.value_at_quantile(share))
    }

    /// The longest latency.
    pub(crate) fn longest(&self) -> Duration {
        Duration::from_nanos(self.latency.max())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (status, count) in &self.statuses {
            write!(f, "{count} with status {status}, ")?;
        }
        for (kind, count) in &self.broken {
            write!(f, "{count} broken off ({kind}), ")?;
        }
        write!(f, "{} unanswered, {} unsent", self.unanswered, self.unsent)
    }
}

/// A count as a real number; exact up to 2^53.
pub(crate) fn real(count: u64) -> f64 {
    let high = u32::try_from(count >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(count & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

const HIGHEST_NANOS: u64 = 60_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_success_counts_as_rate_and_all_else_as_errors() {
        let mut tally = Tally::new();
        for _ in 0..90 {
            tally.answer(200, Duration::from_millis(1));
        }
        for _ in 0..10 {
            tally.answer(503, Duration::from_micros(10));
        }
        tally.failure(&io::ErrorKind::ConnectionReset.into());
        tally.unanswered = 2;
        tally.elapsed = Duration::from_secs(9);
        assert!((tally.rate() - 10.0).abs() < 1e-9);
        assert_eq!((tally.errors(), tally.answered()), (13, 100));
    }

    #[test]
    fn threads_share_a_stretch_of_time_and_slices_follow_each_other() {
        let mut tally = Tally::new();
        let mut other = Tally::new();
        tally.elapsed = Duration::from_secs(2);
        other.elapsed = Duration::from_secs(3);
        tally.join(&other);
        assert_eq!(tally.elapsed, Duration::from_secs(3));
        tally.append(&other);
        assert_eq!(tally.elapsed, Duration::from_secs(6));
    }

    #[test]
    fn a_large_count_keeps_its_size() {
        assert!((real(3_000_000_000_000) - 3e12).abs() < f64::EPSILON);
    }
}
