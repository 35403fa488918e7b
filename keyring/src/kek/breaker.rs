//! A circuit breaker: a device that failed is left alone for a while, and then tried by one call.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Closed while the device works. Each failure in a row doubles the time it stays open.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open_until: Option<Instant>,
}

/// Leave to try the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// The breaker is closed; so may everybody.
    Free,
    /// The one call that finds out whether the device is back.
    Probe,
}

impl Breaker {
    /// How long the device is still to be left alone; `None` if it may be tried.
    pub(super) fn open_for(&self, now: Instant) -> Option<Duration> {
        let until = self.state().open_until?;
        until
            .checked_duration_since(now)
            .filter(|left| !left.is_zero())
    }

    /// Whether this call may try the device. After a failure one call is let through each time the
    /// back-off has passed, until one succeeds.
    pub(super) fn admit(&self, now: Instant) -> Option<Pass> {
        let mut state = self.state();
        match state.open_until {
            None => Some(Pass::Free),
            Some(until) if now < until => None,
            Some(_) => {
                state.open_until = now.checked_add(back_off(state.failures, u8::MAX));
                Some(Pass::Probe)
            }
        }
    }

    /// The device failed under this pass. Gives the time it will be left alone; `None` if another call
    /// saw the same failure first. `jitter` spreads the replicas' next tries over half the back-off.
    pub(super) fn trip(&self, pass: Pass, now: Instant, jitter: u8) -> Option<Duration> {
        let mut state = self.state();
        if pass == Pass::Free && state.open_until.is_some() {
            return None;
        }
        let span = back_off(state.failures, jitter);
        state.failures = state.failures.saturating_add(1);
        state.open_until = now.checked_add(span);
        Some(span)
    }

    /// The device worked. True if it had failed before.
    pub(super) fn close(&self) -> bool {
        let mut state = self.state();
        state.failures = 0;
        state.open_until.take().is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 100 ms, 200 ms and so on to 10 s, of which jitter takes away at most half.
fn back_off(failures: u32, jitter: u8) -> Duration {
    let whole = FIRST.saturating_mul(1 << failures.min(10)).min(LONGEST);
    let half = whole / 2;
    half + half * u32::from(jitter) / u32::from(u8::MAX)
}

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_doubles_the_back_off_up_to_ten_seconds() {
        let breaker = Breaker::default();
        let mut now = Instant::now();
        let mut spans = Vec::new();
        for _ in 0..9 {
            let pass = breaker.admit(now).expect("the back-off has passed");
            let span = breaker
                .trip(pass, now, u8::MAX)
                .expect("a probe's failure counts");
            spans.push(span.as_millis());
            now += span;
        }
        assert_eq!(
            spans,
            [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]
        );
    }

    #[test]
    fn jitter_takes_away_at_most_half() {
        assert_eq!(back_off(0, 0), Duration::from_millis(50));
        assert_eq!(back_off(20, 0), Duration::from_secs(5));
        assert_eq!(back_off(20, u8::MAX), Duration::from_secs(10));
    }

    #[test]
    fn an_open_breaker_lets_one_probe_through_per_back_off() {
        let breaker = Breaker::default();
        let now = Instant::now();
        let span = breaker
            .trip(Pass::Free, now, u8::MAX)
            .expect("the first failure counts");
        assert_eq!(breaker.open_for(now), Some(span));
        assert_eq!(breaker.admit(now), None);
        assert_eq!(breaker.admit(now + span), Some(Pass::Probe));
        assert_eq!(breaker.admit(now + span), None);
    }

    #[test]
    fn one_event_seen_by_many_calls_counts_once() {
        let breaker = Breaker::default();
        let now = Instant::now();
        assert!(breaker.trip(Pass::Free, now, 0).is_some());
        assert_eq!(breaker.trip(Pass::Free, now, 0), None);
    }

    #[test]
    fn a_success_closes_the_breaker() {
        let breaker = Breaker::default();
        let now = Instant::now();
        breaker.trip(Pass::Free, now, 0);
        assert!(breaker.close());
        assert!(!breaker.close());
        assert_eq!(breaker.admit(now), Some(Pass::Free));
    }
}
