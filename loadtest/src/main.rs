//! Load against a running Sealring: closed loop (as fast as the connections allow) and open loop (at a planned
//! rate, latency counted from the planned instant), with percentiles, a verdict, and a ratio to a null server.

mod arguments;
mod compare;
mod connection;
mod cpu;
mod http;
mod load;
mod null;
mod pacer;
mod report;
mod scenario;
mod slo;
mod tally;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use clap::Parser as _;

use crate::arguments::{Arguments, Command, Run};
use crate::load::{Load, Pace};
use crate::report::Report;
use crate::scenario::{Prepared, Scenario};

fn main() -> ExitCode {
    match execute(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn execute(arguments: Arguments) -> anyhow::Result<bool> {
    match arguments.command {
        Command::Encrypt(run) => measure(Scenario::Encrypt, &run),
        Command::Decrypt(run) => measure(Scenario::Decrypt, &run),
        Command::Batch { items, run } => measure(Scenario::Batch { items }, &run),
        Command::Null(null) => null::serve(&null).map(|()| true),
    }
}

/// Prepares, runs, reports; true if every objective was met.
fn measure(scenario: Scenario, run: &Run) -> anyhow::Result<bool> {
    run.check()?;
    let target = run.target()?;
    let prepared = scenario::prepare(scenario, run, target)?;
    let load = planned(run, target, &prepared);
    let (tally, comparison) = if run.compare.is_some() {
        let (tally, comparison) = compare::run(&load, run, &prepared)?;
        (tally, Some(comparison))
    } else {
        (load::run(&load)?, None)
    };
    ensure!(tally.answered() > 0, "no request was answered: {tally}");
    let report = Report::new(scenario, run, &tally, comparison);
    if run.json {
        let text = serde_json::to_string_pretty(&report).context("encoding the report")?;
        println!("{text}");
    } else {
        println!("{report}");
    }
    Ok(report.passed())
}

fn planned(run: &Run, target: std::net::SocketAddr, prepared: &Prepared) -> Load {
    Load {
        target,
        requests: Arc::clone(&prepared.requests),
        connections: run.connections,
        threads: run.threads,
        pace: run.rate.map_or(Pace::Closed, |rate| Pace::Open { rate }),
        duration: run.duration,
        warm_up: run.warm_up,
        limit: run.requests,
    }
}
