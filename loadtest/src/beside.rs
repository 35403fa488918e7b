//! A load alone and beside one connection of another, in paired slices.

use std::fmt;

use serde::Serialize;

use crate::arguments::Run;
use crate::load::{self, Load, Pace};
use crate::pairs::{LatencyPair, Spread, alternate};
use crate::scenario::Scenario;
use crate::slo::{self, Verdict};
use crate::tally::Tally;
use crate::together::together;
use crate::validity::faults;

/// The report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    scenario: String,
    beside: String,
    connections: usize,
    planned_rate: Option<u32>,
    pairs: Vec<LatencyPair>,
    /// 99th percentile beside the other load over alone.
    p99_ratio: Spread,
    /// Requests per second in all slices alone.
    rate_alone: f64,
    /// The same beside the other load.
    rate_beside: f64,
    /// Requests per second of the other load.
    companion_rate: f64,
    objectives: Vec<Verdict>,
    /// Why the run says nothing; empty if it is valid.
    void: Vec<String>,
}

/// Runs the pairs: this load, and the same beside one connection that sends the companion's requests as fast as it can.
pub(crate) fn run(
    scenario: &Scenario,
    run: &Run,
    load: &Load,
    companion: (&Scenario, Load),
) -> anyhow::Result<Report> {
    let (name, companion) = companion;
    let load = Load {
        duration: run.slice,
        ..load.clone()
    };
    let companion = Load {
        connections: 1,
        threads: 1,
        pace: Pace::Closed,
        duration: run.slice,
        ..companion
    };
    let pairs = alternate(
        run.pairs,
        || load::run(&load),
        || together(&load, &companion),
    )?;
    Ok(Report::new(scenario, name, run, &pairs))
}

impl Report {
    fn new(
        scenario: &Scenario,
        companion: &Scenario,
        run: &Run,
        pairs: &[(Tally, (Tally, Tally))],
    ) -> Self {
        let [mut alone, mut beside, mut other] = [Tally::new(), Tally::new(), Tally::new()];
        for (mine, (disturbed, companion)) in pairs {
            alone.append(mine);
            beside.append(disturbed);
            other.append(companion);
        }
        let pairs: Vec<LatencyPair> = pairs
            .iter()
            .map(|(alone, (beside, _))| LatencyPair::of(alone, beside))
            .collect();
        let p99_ratio = Spread::of(pairs.iter().map(|pair| pair.ratio));
        let mut objectives = slo::judge(run, &beside, None);
        objectives.extend(slo::judge_p99_ratio(run, &p99_ratio));
        let kinds = [
            ("alone", &alone),
            ("beside", &beside),
            ("of the other load", &other),
        ];
        Self {
            scenario: scenario.name(),
            beside: companion.name(),
            connections: run.connections,
            planned_rate: run.rate,
            pairs,
            p99_ratio,
            rate_alone: alone.rate(),
            rate_beside: beside.rate(),
            companion_rate: other.rate(),
            objectives,
            void: kinds
                .iter()
                .flat_map(|(when, tally)| faults(when, tally))
                .collect(),
        }
    }

    /// Whether every objective was met.
    pub(crate) fn passed(&self) -> bool {
        self.objectives.iter().all(|verdict| verdict.passed)
    }

    /// Why the run says nothing; empty if it is valid.
    pub(crate) fn void(&self) -> &[String] {
        &self.void
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scenario, beside) = (&self.scenario, &self.beside);
        write!(f, "{scenario}, {} connections, ", self.connections)?;
        match self.planned_rate {
            Some(rate) => write!(f, "open loop, {rate} requests/s planned")?,
            None => write!(f, "closed loop")?,
        }
        writeln!(f, ", alone and beside one connection of {beside}")?;
        LatencyPair::write_all(&self.pairs, f)?;
        writeln!(f, "ratio of p99, beside over alone: {}", self.p99_ratio)?;
        writeln!(
            f,
            "{scenario}: {:.0} requests/s alone, {:.0} beside {:.1} requests/s of {beside}",
            self.rate_alone, self.rate_beside, self.companion_rate
        )?;
        for verdict in &self.objectives {
            writeln!(f, "{verdict}")?;
        }
        let word = match (self.void.is_empty(), self.passed()) {
            (false, _) => "VOID",
            (true, true) => "PASS",
            (true, false) => "FAIL",
        };
        write!(f, "{word}")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser as _;

    use super::*;
    use crate::arguments::{Arguments, Command};

    fn report(options: &[&str], pairs: &[(Tally, (Tally, Tally))]) -> Report {
        let all = ["loadtest", "encrypt"].iter().chain(options);
        let Command::Encrypt(run) = Arguments::try_parse_from(all).expect("parses").command else {
            panic!("asked for encrypt");
        };
        Report::new(&Scenario::Encrypt, &Scenario::Decrypt, &run, pairs)
    }

    fn tally(status: u16, millis: u64) -> Tally {
        let mut tally = Tally::new();
        for _ in 0..1000 {
            tally.answer(status, Duration::from_millis(millis));
        }
        tally.elapsed = Duration::from_secs(1);
        tally
    }

    #[test]
    fn the_median_of_the_pairs_is_judged() {
        let pairs = [2, 3, 9].map(|beside| (tally(200, 1), (tally(200, beside), tally(200, 5))));
        let met = report(&["--max-p99-ratio", "3.1"], &pairs);
        assert!(met.void().is_empty() && met.passed(), "{met}");
        assert!((met.p99_ratio.median - 3.0).abs() < 0.05, "{met}");
        let missed = report(&["--max-p99-ratio", "2.5"], &pairs);
        assert!(missed.void().is_empty() && !missed.passed(), "{missed}");
    }

    #[test]
    fn a_failure_on_any_side_makes_a_run_void() {
        let statuses = [[503, 200, 200], [200, 503, 200], [200, 200, 503]];
        for [alone, beside, other] in statuses {
            let pair = (tally(alone, 1), (tally(beside, 1), tally(other, 1)));
            assert_eq!(report(&[], &[pair]).void().len(), 1);
        }
    }
}
