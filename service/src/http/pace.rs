//! How fast a body must come and an answer be taken. Pure: times are arguments.

use std::time::Duration;

/// The slowest pace of a body that is waited for, and of an answer that is long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Bytes a second, on average after the grace.
    pub bytes_per_second: u64,
    /// How long neither need come to anything. A body that stops for this long is given up, too.
    pub grace: Duration,
    /// How long a body may take in all.
    pub body_deadline: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            bytes_per_second: 64 << 10,
            grace: Duration::from_secs(10),
            body_deadline: Duration::from_secs(90),
        }
    }
}

impl Pace {
    /// Until when the next piece of a body must come, of which this much has come at this time; both since it was first waited
    /// for.
    pub(super) fn body_waits_until(&self, came: usize, at: Duration) -> Duration {
        self.paid_until(came)
            .min(at.saturating_add(self.grace))
            .min(self.body_deadline)
    }

    /// Whether an answer is taken fast enough, of which this much was taken in this time.
    pub(super) fn is_kept(&self, taken: usize, elapsed: Duration) -> bool {
        elapsed <= self.paid_until(taken)
    }

    /// How often it is worth looking.
    pub(super) fn tick(&self) -> Duration {
        self.grace.min(Duration::from_secs(1))
    }

    /// When the average of so many bytes falls below the pace.
    fn paid_until(&self, bytes: usize) -> Duration {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let millis = bytes.saturating_mul(1000) / self.bytes_per_second.max(1);
        self.grace.saturating_add(Duration::from_millis(millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn pace() -> Pace {
        Pace {
            bytes_per_second: 100,
            grace: secs(5),
            body_deadline: secs(60),
        }
    }

    #[test]
    fn a_body_is_waited_for_while_its_average_is_kept_and_it_does_not_stop() {
        for (came, at, until) in [
            (0, 0, 5),
            (100, 3, 6),
            (1000, 3, 8),
            (1000, 12, 15),
            (1_000_000, 58, 60),
            (usize::MAX, 0, 5),
        ] {
            let found = pace().body_waits_until(came, secs(at));
            assert_eq!(found, secs(until), "{came} {at}");
        }
    }

    #[test]
    fn an_answer_may_be_taken_in_bursts() {
        for (taken, elapsed, expected) in [
            (0, 5, true),
            (0, 6, false),
            (10_000, 100, true),
            (10_000, 106, false),
        ] {
            let found = pace().is_kept(taken, secs(elapsed));
            assert_eq!(found, expected, "{taken} {elapsed}");
        }
    }
}
