//! How much of a base's speed something keeps: both timed in turn, many times, so that what else the machine does
//! meanwhile meets both.

use std::time::Duration;

/// Two that were timed in turn.
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    /// The base's time over the other's, as the median of the pairs: 1 costs nothing, 0.5 costs as much again.
    pub kept: f64,
    /// What the base takes once, as the median.
    pub base: Duration,
}

/// Times the base and the other in turn. Each is given how many times to repeat its step, and tells how long that
/// took.
pub fn ratio(base: impl Fn(u32) -> Duration, other: impl Fn(u32) -> Duration) -> Ratio {
    let times = repeats(&base);
    let pairs = (0..PAIRS).map(|number| {
        if number % 2 == 0 {
            let base = base(times);
            (base, other(times))
        } else {
            let other = other(times);
            (base(times), other)
        }
    });
    let pairs: Vec<_> = pairs.collect();
    let ratios = pairs
        .iter()
        .map(|(base, other)| base.div_duration_f64(*other));
    let seconds = pairs
        .iter()
        .map(|(base, _)| base.as_secs_f64() / f64::from(times));
    Ratio {
        kept: median(ratios),
        base: Duration::from_secs_f64(median(seconds)),
    }
}

/// How often fills a slice.
fn repeats(base: impl Fn(u32) -> Duration) -> u32 {
    let mut times = 1;
    while times < MOST && base(times) < SLICE {
        times *= 2;
    }
    times
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

const PAIRS: u32 = 15;
const SLICE: Duration = Duration::from_millis(20);
const MOST: u32 = 1 << 20;
