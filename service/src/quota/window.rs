//! One window of a quota: so many requests or items in a time, by the generic cell rate algorithm.
//!
//! All that is kept of a caller is one instant: when what it has spent will be paid off. Whoever has spent nothing for an interval
//! may spend the whole limit at once, and from then on as fast as it is paid off.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// So much in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// What is counted.
    pub unit: Unit,
    /// How much in an interval, in thousandths.
    pub limit_thousandths: u64,
    /// How long an interval is, in milliseconds.
    pub interval_millis: u64,
}

/// What a window counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Items of batches; a request without a batch is one.
    Items,
    /// Requests, before their bodies are read.
    Requests,
}

/// Why something does not fit into a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    /// It fits after this many nanoseconds.
    For(u64),
    /// It is more than an interval's worth.
    Always,
}

impl Window {
    /// The highest limit: a billion in a second would be one a nanosecond.
    pub const MAX_LIMIT: u64 = 1_000_000_000;
    /// How many windows a quota may have.
    pub const MAX_WINDOWS: usize = 4;
    /// The longest interval.
    pub const MAX_INTERVAL: Duration = Duration::from_hours(31 * 24);

    /// The window, if limit and interval are within bounds: neither zero nor above its maximum.
    pub fn new(unit: Unit, limit_thousandths: u64, interval: Duration) -> Option<Self> {
        let limits = 1..=Self::MAX_LIMIT.saturating_mul(1000);
        let intervals = Duration::from_millis(1)..=Self::MAX_INTERVAL;
        let is_within = limits.contains(&limit_thousandths) && intervals.contains(&interval);
        is_within.then_some(Self {
            unit,
            limit_thousandths,
            interval_millis: u64::try_from(interval.as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// The interval.
    pub const fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_millis)
    }

    /// When everything is paid off once this much more is spent, if that is allowed now. Times are nanoseconds.
    pub(super) fn spend(&self, paid_off: u64, count: u64, now: u64) -> Result<u64, Excess> {
        let interval = self.interval_millis.saturating_mul(NANOS_PER_MILLI);
        let cost = self.cost(interval, count);
        // A rate below one in an interval still lets one through, once the last is paid off.
        let room = interval.max(self.cost(interval, 1));
        if cost > room {
            return Err(Excess::Always);
        }
        let after = paid_off.max(now).saturating_add(cost);
        let latest = now.saturating_add(room);
        if after > latest {
            return Err(Excess::For(after - latest));
        }
        Ok(after)
    }

    /// The time that pays for this much, rounded down to the nanosecond, so that a limit is never missed by a fraction: it may
    /// be exceeded by one part in ten thousand where it is a hundred thousand in a second.
    fn cost(&self, interval: u64, count: u64) -> u64 {
        let nanos = u128::from(interval)
            .saturating_mul(u128::from(count))
            .saturating_mul(1000)
            / u128::from(self.limit_thousandths.max(1));
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }
}

const NANOS_PER_MILLI: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn window(limit: u64, interval: Duration) -> Window {
        Window::new(Unit::Requests, limit * 1000, interval).unwrap()
    }

    /// How many requests pass at these times.
    fn passed(window: &Window, times: impl IntoIterator<Item = u64>) -> usize {
        let mut paid_off = 0;
        times
            .into_iter()
            .filter(|now| {
                let spent = window.spend(paid_off, 1, *now);
                paid_off = spent.unwrap_or(paid_off);
                spent.is_ok()
            })
            .count()
    }

    #[test]
    fn the_whole_limit_may_be_spent_at_once_and_no_more() {
        for limit in [1, 3, 7, 1000, 100_000] {
            let window = window(limit, Duration::from_secs(1));
            let count = usize::try_from(limit).unwrap();
            assert_eq!(
                passed(&window, std::iter::repeat_n(SECOND, count + 5)),
                count
            );
        }
    }

    #[test]
    fn what_was_spent_comes_back_evenly() {
        let window = window(10, Duration::from_secs(10));
        let burst = std::iter::repeat_n(SECOND, 10);
        let later = [SECOND * 2 - 1, SECOND * 2, SECOND * 2, SECOND * 4];
        assert_eq!(passed(&window, burst.chain(later)), 12);
        assert_eq!(
            window.spend(SECOND * 11, 1, SECOND),
            Err(Excess::For(SECOND))
        );
        assert_eq!(
            window.spend(SECOND * 11, 4, SECOND),
            Err(Excess::For(4 * SECOND))
        );
    }

    #[test]
    fn more_than_the_limit_at_once_never_fits() {
        let window = window(10, Duration::from_secs(10));
        assert_eq!(window.spend(0, 11, SECOND), Err(Excess::Always));
        assert!(window.spend(0, 10, SECOND).is_ok());
        assert_eq!(window.spend(0, u64::MAX, SECOND), Err(Excess::Always));
    }

    #[test]
    fn rates_have_fractions() {
        let half = Window::new(Unit::Requests, 500, Duration::from_secs(1)).unwrap();
        let times = [1, 2, 3, 4, 5].map(|second| second * SECOND);
        assert_eq!(passed(&half, times), 3);
    }

    #[test]
    fn bounds_are_bounds() {
        let new = |limit, interval| Window::new(Unit::Items, limit, interval).is_some();
        let second = Duration::from_secs(1);
        assert!(!new(0, second));
        assert!(new(Window::MAX_LIMIT * 1000, second));
        assert!(!new(Window::MAX_LIMIT * 1000 + 1, second));
        assert!(!new(1000, Duration::ZERO));
        assert!(new(1000, Window::MAX_INTERVAL));
        assert!(!new(1000, Window::MAX_INTERVAL + Duration::from_millis(1)));
    }

    proptest! {
        #[test]
        fn in_two_intervals_passes_at_most_what_was_there_and_what_came_back(
            limit in 1_u64..50,
            mut times in proptest::collection::vec(0..2 * SECOND, 0..300),
        ) {
            times.sort_unstable();
            let window = window(limit, Duration::from_secs(1));
            let times = times.into_iter().map(|time| time + SECOND);
            prop_assert!(passed(&window, times) <= usize::try_from(3 * limit).unwrap());
        }
    }
}
