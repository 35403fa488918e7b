//! What a run says at its end, to people and to programs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::arguments::Run;
use crate::compare::Comparison;
use crate::scenario::Scenario;
use crate::slo::{self, Verdict};
use crate::tally::Tally;

/// The report. Latencies are in microseconds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    scenario: String,
    items_per_request: u32,
    plaintext_bytes: u32,
    connections: usize,
    planned_rate: Option<u32>,
    seconds: f64,
    requests_per_second: f64,
    items_per_second: f64,
    answered: u64,
    latency_micros: Latency,
    errors: u64,
    statuses: BTreeMap<u16, u64>,
    broken: BTreeMap<String, u64>,
    unanswered: u64,
    open_loop: Option<OpenLoop>,
    comparison: Option<Comparison>,
    objectives: Vec<Verdict>,
}

#[derive(Clone, Debug, Serialize)]
struct Latency {
    p50: f64,
    p90: f64,
    p99: f64,
    p99_9: f64,
    max: f64,
}

/// How well the plan was kept.
#[derive(Clone, Debug, Serialize)]
struct OpenLoop {
    unsent: u64,
    waited_for_a_connection: u64,
    generator_fell_behind: u64,
}

impl Report {
    /// Sums up a run.
    pub(crate) fn new(
        scenario: &Scenario,
        run: &Run,
        tally: &Tally,
        comparison: Option<Comparison>,
    ) -> Self {
        Self {
            scenario: scenario.name(),
            items_per_request: scenario.items(),
            plaintext_bytes: run.size,
            connections: run.connections,
            planned_rate: run.rate,
            seconds: tally.elapsed.as_secs_f64(),
            requests_per_second: tally.rate(),
            items_per_second: tally.rate() * f64::from(scenario.items()),
            answered: tally.answered(),
            latency_micros: Latency::of(tally),
            errors: tally.errors(),
            statuses: tally.statuses.clone(),
            broken: tally.broken.clone(),
            unanswered: tally.unanswered,
            open_loop: run.rate.map(|_| OpenLoop {
                unsent: tally.unsent,
                waited_for_a_connection: tally.waited,
                generator_fell_behind: tally.behind,
            }),
            objectives: slo::judge(run, tally, comparison.as_ref()),
            comparison,
        }
    }

    /// Whether every objective was met.
    pub(crate) fn passed(&self) -> bool {
        self.objectives.iter().all(|verdict| verdict.passed)
    }
}

impl Latency {
    fn of(tally: &Tally) -> Self {
        let micros = |latency: Duration| latency.as_secs_f64() * 1e6;
        Self {
            p50: micros(tally.quantile(0.5)),
            p90: micros(tally.quantile(0.9)),
            p99: micros(tally.quantile(0.99)),
            p99_9: micros(tally.quantile(0.999)),
            max: micros(tally.longest()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_rates(f)?;
        self.write_errors(f)?;
        if let Some(open) = &self.open_loop {
            open.write(f)?;
        }
        if let Some(comparison) = &self.comparison {
            write_comparison(comparison, f)?;
        }
        for verdict in &self.objectives {
            writeln!(f, "{verdict}")?;
        }
        match (self.objectives.is_empty(), self.passed()) {
            (true, _) => Ok(()),
            (false, true) => write!(f, "PASS"),
            (false, false) => write!(f, "FAIL"),
        }
    }
}

impl Report {
    fn write_rates(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} item(s) of {} B per request, {} connections, ",
            self.scenario, self.items_per_request, self.plaintext_bytes, self.connections
        )?;
        match self.planned_rate {
            Some(rate) => writeln!(f, "open loop, {rate} requests/s planned")?,
            None => writeln!(f, "closed loop")?,
        }
        writeln!(
            f,
            "{} answers in {:.2} s: {:.0} requests/s, {:.0} items/s",
            self.answered, self.seconds, self.requests_per_second, self.items_per_second
        )?;
        let latency = &self.latency_micros;
        let origin = if self.planned_rate.is_some() {
            "from the planned instant"
        } else {
            "from sending"
        };
        writeln!(
            f,
            "latency in ms, {origin}: p50 {:.3}  p90 {:.3}  p99 {:.3}  p99.9 {:.3}  max {:.3}",
            latency.p50 / 1e3,
            latency.p90 / 1e3,
            latency.p99 / 1e3,
            latency.p99_9 / 1e3,
            latency.max / 1e3
        )
    }

    fn write_errors(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "errors: {}", self.errors)?;
        for (status, count) in &self.statuses {
            write!(f, "  status {status}: {count}")?;
        }
        for (kind, count) in &self.broken {
            write!(f, "  {kind}: {count}")?;
        }
        if self.unanswered > 0 {
            write!(f, "  unanswered: {}", self.unanswered)?;
        }
        writeln!(f)
    }
}

impl OpenLoop {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "plan: {} requests waited over 1 ms for a free connection (counted in their latency), {} were never sent",
            self.waited_for_a_connection, self.unsent
        )?;
        if self.generator_fell_behind > 0 {
            writeln!(
                f,
                "the generator fell behind: {} requests left over 1 ms late although a connection was free",
                self.generator_fell_behind
            )?;
        }
        Ok(())
    }
}

fn write_comparison(comparison: &Comparison, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let base = &comparison.base;
    writeln!(
        f,
        "ratio to {base}: {}; {base} does {:.0} requests/s with {} B answers",
        comparison.rate, comparison.base_rate, comparison.answer_bytes
    )?;
    if let Some(cpu) = &comparison.cpu {
        writeln!(
            f,
            "ratio of CPU per request, {base} over service: {}; {:.2} us against {:.2} us",
            cpu.ratio, cpu.base_micros, cpu.service_micros
        )?;
    }
    Ok(())
}
