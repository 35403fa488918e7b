//! Paired slices: two sides in turn, so that whatever else the machine does in the meantime meets both.

use std::fmt;

use serde::Serialize;

use crate::tally::Tally;

/// Runs this many pairs, each side once in a pair. Which side goes first alternates too.
pub(crate) fn alternate<Mine, Theirs>(
    pairs: u32,
    mut mine: impl FnMut() -> anyhow::Result<Mine>,
    mut theirs: impl FnMut() -> anyhow::Result<Theirs>,
) -> anyhow::Result<Vec<(Mine, Theirs)>> {
    (0..pairs)
        .map(|number| {
            if number % 2 == 0 {
                let mine = mine()?;
                Ok((mine, theirs()?))
            } else {
                let theirs = theirs()?;
                Ok((mine()?, theirs))
            }
        })
        .collect()
}

/// The middle and the ends of the pairs' ratios.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Spread {
    /// The median.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) lowest: f64,
    /// The largest.
    pub(crate) highest: f64,
    /// How many pairs there were.
    pub(crate) pairs: usize,
}

impl Spread {
    /// The spread of one value for each pair.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let last = values.len().saturating_sub(1);
        Self {
            median: f64::midpoint(at(last / 2), at(last.div_ceil(2))),
            lowest: at(0),
            highest: at(last),
            pairs: values.len(),
        }
    }
}

/// 99th percentiles of one pair, in microseconds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LatencyPair {
    p99_alone_micros: f64,
    p99_beside_micros: f64,
    /// Beside another load over alone.
    pub(crate) ratio: f64,
}

impl LatencyPair {
    /// Those of these two slices.
    pub(crate) fn of(alone: &Tally, beside: &Tally) -> Self {
        let p99 = |tally: &Tally| tally.quantile(0.99).as_secs_f64() * 1e6;
        let (alone, beside) = (p99(alone), p99(beside));
        Self {
            p99_alone_micros: alone,
            p99_beside_micros: beside,
            ratio: beside / alone,
        }
    }

    /// Writes a line for each.
    pub(crate) fn write_all(pairs: &[Self], f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, pair) in (1..).zip(pairs) {
            writeln!(
                f,
                "pair {number}: p99 {:.3} ms alone, {:.3} ms beside, ratio {:.3}",
                pair.p99_alone_micros / 1e3,
                pair.p99_beside_micros / 1e3,
                pair.ratio
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.3} (median of {} pairs, {:.3} to {:.3})",
            self.median, self.pairs, self.lowest, self.highest
        )
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn the_side_that_goes_first_changes_from_pair_to_pair() {
        let order = RefCell::new(String::new());
        let side = |name: char| {
            let order = &order;
            move || {
                order.borrow_mut().push(name);
                Ok(name)
            }
        };
        let pairs = alternate(3, side('m'), side('t')).expect("neither side fails");
        assert_eq!(order.into_inner(), "mttmmt");
        assert_eq!(pairs, [('m', 't'); 3]);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        let spread = Spread::of([0.9, 0.6, 0.8, 0.7].into_iter());
        assert!((spread.median - 0.75).abs() < 1e-9);
        assert!((spread.lowest - 0.6).abs() < 1e-9 && (spread.highest - 0.9).abs() < 1e-9);
        assert!((Spread::of([0.9, 0.6, 0.8].into_iter()).median - 0.8).abs() < 1e-9);
    }
}
