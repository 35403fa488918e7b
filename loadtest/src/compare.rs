//! Pairs of slices, one on the service and one on a null server, so that whatever else the machine does in the
//! meantime meets both.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;
use serde::Serialize;

use crate::arguments::Run;
use crate::cpu;
use crate::load::{self, Load};
use crate::null::NullServer;
use crate::scenario::Prepared;
use crate::tally::{Tally, real};

/// The service beside the null server.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Comparison {
    /// Rate of the service over rate of the null server.
    pub(crate) rate: Spread,
    /// CPU per request of the null server over that of the service, where the service's process is known.
    pub(crate) cpu: Option<CpuComparison>,
    /// The null server's rate, as the median over its slices.
    pub(crate) null_rate: f64,
    /// Length of the null server's answer, head excluded.
    pub(crate) answer_bytes: usize,
}

/// CPU per request.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CpuComparison {
    /// Null over service: 1 means that the service costs nothing beyond its HTTP stack.
    pub(crate) ratio: Spread,
    /// Microseconds per request of the service.
    pub(crate) service_micros: f64,
    /// Microseconds per request of the null server.
    pub(crate) null_micros: f64,
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

/// Runs the pairs; the tally holds the service's slices.
pub(crate) fn run(
    load: &Load,
    run: &Run,
    prepared: &Prepared,
) -> anyhow::Result<(Tally, Comparison)> {
    let null = NullServer::start(prepared, run.null_workers)?;
    let mut total = Tally::new();
    let mut pairs = Vec::new();
    let service = Side {
        target: load.target,
        pid: run.server_pid,
    };
    let base = Side {
        target: null.address,
        pid: Some(null.pid()),
    };
    for number in 0..run.pairs {
        // Which side goes first alternates too.
        let (mine, theirs) = if number % 2 == 0 {
            let mine = service.slice(load, run.slice)?;
            (mine, base.slice(load, run.slice)?)
        } else {
            let theirs = base.slice(load, run.slice)?;
            (service.slice(load, run.slice)?, theirs)
        };
        ensure!(
            theirs.tally.errors() == 0,
            "the null server failed: {}",
            theirs.tally
        );
        total.append(&mine.tally);
        pairs.push((mine, theirs));
    }
    let comparison = Comparison {
        rate: Spread::of(
            pairs
                .iter()
                .map(|(mine, theirs)| mine.tally.rate() / theirs.tally.rate()),
        ),
        cpu: CpuComparison::of(&pairs),
        null_rate: Spread::of(pairs.iter().map(|(_, theirs)| theirs.tally.rate())).median,
        answer_bytes: prepared.answer_bytes,
    };
    Ok((total, comparison))
}

/// One of the two that are compared.
#[derive(Clone, Copy, Debug)]
struct Side {
    target: SocketAddr,
    pid: Option<u32>,
}

#[derive(Debug)]
struct Slice {
    tally: Tally,
    cpu_micros: Option<f64>,
}

impl Side {
    fn slice(self, load: &Load, length: Duration) -> anyhow::Result<Slice> {
        let warm_up = Load {
            target: self.target,
            duration: load.warm_up.min(length).max(SHORTEST_WARM_UP),
            warm_up: Duration::ZERO,
            ..load.clone()
        };
        load::run(&warm_up)?;
        let before = self.pid.map(cpu::time_of).transpose()?;
        let measured = Load {
            duration: length,
            ..warm_up
        };
        let tally = load::run(&measured)?;
        let after = self.pid.map(cpu::time_of).transpose()?;
        let answered = real(tally.answered());
        let cpu_micros = before
            .zip(after)
            .map(|(before, after)| after.saturating_sub(before).as_secs_f64() * 1e6 / answered);
        Ok(Slice { tally, cpu_micros })
    }
}

impl CpuComparison {
    fn of(pairs: &[(Slice, Slice)]) -> Option<Self> {
        let micros: Option<Vec<(f64, f64)>> = pairs
            .iter()
            .map(|(mine, theirs)| mine.cpu_micros.zip(theirs.cpu_micros))
            .collect();
        let micros = micros?;
        Some(Self {
            ratio: Spread::of(micros.iter().map(|(mine, theirs)| theirs / mine)),
            service_micros: Spread::of(micros.iter().map(|(mine, _)| *mine)).median,
            null_micros: Spread::of(micros.iter().map(|(_, theirs)| *theirs)).median,
        })
    }
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
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

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.3} (median of {} pairs, {:.3} to {:.3})",
            self.median, self.pairs, self.lowest, self.highest
        )
    }
}

/// New connections and a changed working set deserve a moment before they are measured.
const SHORTEST_WARM_UP: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        let spread = Spread::of([0.9, 0.6, 0.8, 0.7].into_iter());
        assert!((spread.median - 0.75).abs() < 1e-9);
        assert!((spread.lowest - 0.6).abs() < 1e-9 && (spread.highest - 0.9).abs() < 1e-9);
        assert!((Spread::of([0.9, 0.6, 0.8].into_iter()).median - 0.8).abs() < 1e-9);
    }
}
