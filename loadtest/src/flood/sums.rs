//! All slices of a flood together, and whether they say anything.

use super::counters::Counters;
use super::{Alone, Beside};
use crate::tally::{Tally, real};
use crate::validity;

/// All slices added together.
#[derive(Debug)]
pub(super) struct Sums {
    /// Good requests alone.
    pub(super) alone: Tally,
    /// Good requests beside the flood.
    pub(super) beside: Tally,
    /// The flood.
    pub(super) garbage: Tally,
    /// What the service counted alone.
    pub(super) counted_alone: Counters,
    /// What it counted beside the flood.
    pub(super) counted_beside: Counters,
}

impl Sums {
    /// Adds up the pairs.
    pub(super) fn of(pairs: &[(Alone, Beside)]) -> Self {
        let mut sums = Self {
            alone: Tally::new(),
            beside: Tally::new(),
            garbage: Tally::new(),
            counted_alone: Counters::default(),
            counted_beside: Counters::default(),
        };
        for (alone, beside) in pairs {
            sums.alone.append(&alone.good);
            sums.beside.append(&beside.good);
            sums.garbage.append(&beside.garbage);
            sums.counted_alone.append(&alone.counted);
            sums.counted_beside.append(&beside.counted);
        }
        sums
    }

    /// Why the run says nothing; empty if it is valid.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = validity::faults("alone", &self.alone);
        faults.extend(validity::faults("beside the flood", &self.beside));
        let garbage = &self.garbage;
        if real(garbage.unsent) > MOST_UNSENT * real(garbage.answered()) {
            faults.push(format!(
                "the flood was thinner than planned: {} requests were never sent",
                garbage.unsent
            ));
        }
        faults
    }
}

/// A flood may be this much thinner than planned.
const MOST_UNSENT: f64 = 0.01;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tally(status: u16) -> Tally {
        let mut tally = Tally::new();
        for _ in 0..2000 {
            tally.answer(status, Duration::from_millis(1));
        }
        tally
    }

    fn faults(spoil: impl FnOnce(&mut Sums)) -> usize {
        let mut sums = Sums {
            alone: tally(200),
            beside: tally(200),
            garbage: tally(403),
            counted_alone: Counters::default(),
            counted_beside: Counters::default(),
        };
        spoil(&mut sums);
        sums.faults().len()
    }

    #[test]
    fn a_generator_that_fell_behind_makes_a_run_void() {
        assert_eq!(faults(|_| {}), 0);
        assert_eq!(faults(|sums| sums.beside.behind = 2), 0);
        assert_eq!(faults(|sums| sums.beside.behind = 3), 1);
        assert_eq!(faults(|sums| sums.alone.behind = 3), 1);
    }

    #[test]
    fn good_requests_that_failed_or_were_never_sent_make_a_run_void() {
        assert_eq!(faults(|sums| sums.alone.unsent = 1), 1);
        assert_eq!(faults(|sums| sums.beside = tally(503)), 1);
        assert_eq!(faults(|sums| sums.beside = Tally::new()), 1);
    }

    #[test]
    fn a_flood_thinner_than_planned_makes_a_run_void() {
        assert_eq!(faults(|sums| sums.garbage.unsent = 20), 0);
        assert_eq!(faults(|sums| sums.garbage.unsent = 21), 1);
    }
}
