//! The service beside a base: a null server, or another service that is already running.

use std::time::Duration;

use anyhow::ensure;
use serde::Serialize;

use crate::arguments::Run;
use crate::cpu;
use crate::load::{self, Load};
use crate::null::NullServer;
use crate::pairs::{Spread, alternate};
use crate::scenario::Prepared;
use crate::tally::{Tally, real};

/// The service beside the base.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Comparison {
    /// What the base is: `null`, or the other service's URL.
    pub(crate) base: String,
    /// Rate of the service over rate of the base.
    pub(crate) rate: Spread,
    /// CPU per request of the base over that of the service, where both processes are known.
    pub(crate) cpu: Option<CpuComparison>,
    /// The base's rate, as the median over its slices.
    pub(crate) base_rate: f64,
    /// Length of the service's answer, head excluded. The null server's is as long.
    pub(crate) answer_bytes: usize,
}

/// CPU per request.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CpuComparison {
    /// Base over service. Over a null server, 1 means that the service costs nothing beyond its HTTP stack.
    pub(crate) ratio: Spread,
    /// Microseconds per request of the service.
    pub(crate) service_micros: f64,
    /// Microseconds per request of the base.
    pub(crate) base_micros: f64,
}

/// Compares with a null server, which ends with the comparison. The tally holds the service's slices.
pub(crate) fn with_null(
    load: &Load,
    run: &Run,
    prepared: &Prepared,
) -> anyhow::Result<(Tally, Comparison)> {
    let null = NullServer::start(prepared, run.null_workers)?;
    let base = Base {
        name: "null".to_owned(),
        side: Side {
            load: Load {
                target: null.address,
                ..load.clone()
            },
            pid: Some(null.pid()),
        },
    };
    compare(load, run, prepared.answer_bytes, &base)
}

/// Compares with another service, which has requests of its own. The tally holds the service's slices.
pub(crate) fn with_other(
    load: &Load,
    run: &Run,
    prepared: &Prepared,
    url: &str,
    other: Load,
) -> anyhow::Result<(Tally, Comparison)> {
    let base = Base {
        name: url.to_owned(),
        side: Side {
            load: other,
            pid: run.compare_pid,
        },
    };
    compare(load, run, prepared.answer_bytes, &base)
}

fn compare(
    load: &Load,
    run: &Run,
    answer_bytes: usize,
    base: &Base,
) -> anyhow::Result<(Tally, Comparison)> {
    let service = Side {
        load: load.clone(),
        pid: run.server_pid,
    };
    let pairs = alternate(
        run.pairs,
        || service.slice(run.slice),
        || base.slice(run.slice),
    )?;
    let mut total = Tally::new();
    for (mine, _) in &pairs {
        total.append(&mine.tally);
    }
    let rate_ratios = pairs
        .iter()
        .map(|(mine, theirs)| mine.tally.rate() / theirs.tally.rate());
    let comparison = Comparison {
        base: base.name.clone(),
        rate: Spread::of(rate_ratios),
        cpu: CpuComparison::of(&pairs),
        base_rate: Spread::of(pairs.iter().map(|(_, theirs)| theirs.tally.rate())).median,
        answer_bytes,
    };
    Ok((total, comparison))
}

/// What the service is compared with.
#[derive(Debug)]
struct Base {
    name: String,
    side: Side,
}

impl Base {
    /// A slice without an error: a ratio to a rate of failures says nothing.
    fn slice(&self, length: Duration) -> anyhow::Result<Slice> {
        let slice = self.side.slice(length)?;
        ensure!(
            slice.tally.errors() == 0,
            "the base of the comparison ({}) failed: {}",
            self.name,
            slice.tally
        );
        Ok(slice)
    }
}

/// One of the two that are compared.
#[derive(Debug)]
struct Side {
    load: Load,
    pid: Option<u32>,
}

#[derive(Debug)]
struct Slice {
    tally: Tally,
    cpu_micros: Option<f64>,
}

impl Side {
    fn slice(&self, length: Duration) -> anyhow::Result<Slice> {
        let warm_up = Load {
            duration: self.load.warm_up.min(length).max(SHORTEST_WARM_UP),
            warm_up: Duration::ZERO,
            ..self.load.clone()
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
            base_micros: Spread::of(micros.iter().map(|(_, theirs)| *theirs)).median,
        })
    }
}

/// New connections and a changed working set deserve a moment before they are measured.
const SHORTEST_WARM_UP: Duration = Duration::from_millis(100);
