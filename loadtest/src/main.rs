//! Load against a running Sealring: closed loop (as fast as the connections allow) and open loop (at a planned
//! rate, latency counted from the planned instant), with percentiles, a verdict, and a ratio to a null server or to another service.

mod access;
mod arguments;
mod attack;
mod beside;
mod compare;
mod connection;
mod cpu;
mod flood;
mod http;
mod load;
mod null;
mod pacer;
mod pairs;
mod report;
mod scenario;
mod slo;
mod tally;
mod together;
mod validity;

use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use clap::Parser as _;
use serde::Serialize;

use crate::access::Access;
use crate::arguments::{Arguments, Attack, Base, Command, Flood, Run};
use crate::compare::Comparison;
use crate::load::{Load, Pace};
use crate::report::Report;
use crate::scenario::{Prepared, Scenario};
use crate::tally::Tally;

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
        Command::Encrypt(run) => measure(&Scenario::Encrypt, &run),
        Command::Decrypt(run) => measure(&Scenario::Decrypt, &run),
        Command::Batch { items, run } => measure(&Scenario::Batch { items }, &run),
        Command::Sign(run) => measure(&Scenario::Sign(run.signer()), &run),
        Command::Verify(run) => measure(&Scenario::Verify(run.signer()), &run),
        Command::Flood { flood, run } => measure_flood(&flood, &run),
        Command::Attack { attack, run } => measure_attack(&attack, &run),
        Command::Null(null) => null::serve(&null).map(|()| true),
    }
}

/// Prepares, runs, reports; true if every objective was met.
fn measure(scenario: &Scenario, run: &Run) -> anyhow::Result<bool> {
    run.check()?;
    if let Some(companion) = &run.beside {
        return measure_beside(scenario, companion, run);
    }
    ensure!(
        run.max_p99_ratio.is_none(),
        "--max-p99-ratio needs another load: say --beside, or flood"
    );
    let (tally, comparison) = tallied(scenario, run)?;
    ensure!(tally.answered() > 0, "no request was answered: {tally}");
    let report = Report::new(scenario, run, &tally, comparison);
    print(run, &report)?;
    Ok(report.passed())
}

/// The same alone and beside a companion. A void run is an error.
fn measure_beside(scenario: &Scenario, companion: &Scenario, run: &Run) -> anyhow::Result<bool> {
    let at = run.access()?;
    let load = planned(run, &at, &scenario::prepare(scenario, run, &at)?);
    let other = scenario::prepare(companion, run, &at)
        .with_context(|| format!("preparing {}", companion.name()))?;
    let other = planned(run, &at, &other);
    let report = beside::run(scenario, run, &load, (companion, other))?;
    print(run, &report)?;
    valid(report.void())?;
    Ok(report.passed())
}

/// The same with good requests alone and beside a flood. A void run is an error.
fn measure_flood(flood: &Flood, run: &Run) -> anyhow::Result<bool> {
    run.check()?;
    Flood::check(run)?;
    let at = run.access()?;
    let prepared = scenario::prepare(&Scenario::Encrypt, run, &at)?;
    let report = flood::run(flood, run, &at, &planned(run, &at, &prepared))?;
    print(run, &report)?;
    valid(report.void())?;
    Ok(report.passed())
}

/// Good requests before and during attacks. A void run is an error.
fn measure_attack(attack: &Attack, run: &Run) -> anyhow::Result<bool> {
    run.check()?;
    Attack::check(run)?;
    let at = run.access()?;
    let prepared = scenario::prepare(&Scenario::Encrypt, run, &at)?;
    let report = attack::run(attack, run, &at, &planned(run, &at, &prepared))?;
    print(run, &report)?;
    valid(report.void())?;
    Ok(report.passed())
}

fn valid(void: &[String]) -> anyhow::Result<()> {
    ensure!(void.is_empty(), "the run is void: {}", void.join("; "));
    Ok(())
}

fn print(run: &Run, report: &(impl Serialize + fmt::Display)) -> anyhow::Result<()> {
    if run.json {
        let text = serde_json::to_string_pretty(report).context("encoding the report")?;
        println!("{text}");
    } else {
        println!("{report}");
    }
    Ok(())
}

/// Runs alone or in a comparison, whichever was asked for.
fn tallied(scenario: &Scenario, run: &Run) -> anyhow::Result<(Tally, Option<Comparison>)> {
    let at = run.access()?;
    let prepared = scenario::prepare(scenario, run, &at)?;
    let load = planned(run, &at, &prepared);
    let (tally, comparison) = match (&run.compare_with, run.compare) {
        (Some(url), _) => {
            let at = run.compared_access(url)?;
            let other = scenario::prepare(scenario, run, &at)
                .with_context(|| format!("preparing {url}"))?;
            let other = planned(run, &at, &other);
            compare::with_other(&load, run, &prepared, url, other)?
        }
        (None, Some(Base::Null)) => compare::with_null(&load, run, &prepared)?,
        (None, None) => return Ok((load::run(&load)?, None)),
    };
    Ok((tally, Some(comparison)))
}

fn planned(run: &Run, at: &Access, prepared: &Prepared) -> Load {
    Load {
        target: at.target,
        requests: Arc::clone(&prepared.requests),
        connections: run.connections,
        threads: run.threads,
        pace: run.rate.map_or(Pace::Closed, |rate| Pace::Open { rate }),
        duration: run.duration,
        warm_up: run.warm_up,
        limit: run.requests,
    }
}
