//! Good requests at a planned rate, alone and beside a flood of garbage tokens, in paired slices.

use std::sync::Arc;

use self::counters::Counters;
use crate::access::Access;
use crate::arguments::{Flood, Run};
use crate::load::{self, Load, Pace};
use crate::pairs::alternate;
use crate::tally::Tally;
use crate::together::together;

mod counters;
mod garbage;
mod report;
mod sums;

pub(crate) use report::Report;

/// A slice of good requests alone.
#[derive(Debug)]
struct Alone {
    good: Tally,
    counted: Counters,
}

/// A slice of good requests beside garbage.
#[derive(Debug)]
struct Beside {
    good: Tally,
    garbage: Tally,
    counted: Counters,
}

/// Runs the pairs of this load, which is an open loop.
pub(crate) fn run(flood: &Flood, run: &Run, at: &Access, good: &Load) -> anyhow::Result<Report> {
    let good = Load {
        duration: run.slice,
        ..good.clone()
    };
    let garbage = Load {
        requests: Arc::new(garbage::requests(run, at)),
        connections: flood.garbage_connections,
        threads: 1,
        pace: Pace::Open {
            rate: flood.rate_garbage,
        },
        ..good.clone()
    };
    let pairs = alternate(
        run.pairs,
        || alone(at, &good),
        || beside(at, &good, &garbage),
    )?;
    Ok(Report::new(flood, run, &pairs))
}

fn alone(at: &Access, good: &Load) -> anyhow::Result<Alone> {
    let (good, counted) = counters::around(at, || load::run(good))?;
    Ok(Alone { good, counted })
}

fn beside(at: &Access, good: &Load, garbage: &Load) -> anyhow::Result<Beside> {
    let ((good, garbage), counted) = counters::around(at, || together(good, garbage))?;
    Ok(Beside {
        good,
        garbage,
        counted,
    })
}
