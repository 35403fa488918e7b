//! What attacks did to good requests and to what must always work.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::Outcome;
use crate::arguments::{AttackKind, Run};
use crate::pairs::LatencyPair;
use crate::validity::faults;

/// The report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    planned_rate: Option<u32>,
    max_p99_ratio: f64,
    attacks: Vec<Line>,
    /// Why the run says nothing; empty if it is valid.
    void: Vec<String>,
}

/// One attack.
#[derive(Clone, Debug, Serialize)]
struct Line {
    attack: AttackKind,
    p99: LatencyPair,
    /// Good requests during the attack that failed or were never sent.
    good_failed: u64,
    /// How often each thing that must work was tried.
    tried: BTreeMap<&'static str, u64>,
    /// What of it failed, how often, and why the last time.
    failed: BTreeMap<&'static str, (u64, String)>,
    connections: u64,
    not_connected: u64,
    requests: u64,
    refused: u64,
    passed: bool,
}

impl Report {
    pub(super) fn new(run: &Run, outcomes: &[Outcome]) -> Self {
        let most = run.max_p99_ratio.unwrap_or(MAX_P99_RATIO);
        let before = |outcome: &Outcome| {
            let when = format!("before {:?}", outcome.kind);
            faults(&when, &outcome.before)
        };
        Self {
            planned_rate: run.rate,
            max_p99_ratio: most,
            attacks: outcomes
                .iter()
                .map(|outcome| Line::of(outcome, most))
                .collect(),
            void: outcomes.iter().flat_map(before).collect(),
        }
    }

    /// Whether nobody was held up by any attack.
    pub(crate) fn passed(&self) -> bool {
        self.attacks.iter().all(|line| line.passed)
    }

    /// Why the run says nothing; empty if it is valid.
    pub(crate) fn void(&self) -> &[String] {
        &self.void
    }
}

impl Line {
    fn of(outcome: &Outcome, most: f64) -> Self {
        let p99 = LatencyPair::of(&outcome.before, &outcome.during);
        let during = &outcome.during;
        let good_failed = during.errors().saturating_add(during.unsent);
        let probes = &outcome.probes;
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let effort = &outcome.effort;
        Self {
            attack: outcome.kind,
            passed: p99.ratio <= most
                && good_failed == 0
                && during.answered() > 0
                && probes.failed.is_empty(),
            p99,
            good_failed,
            tried: probes.tried.clone(),
            failed: probes.failed.clone(),
            connections: of(&effort.connections),
            not_connected: of(&effort.not_connected),
            requests: of(&effort.requests),
            refused: of(&effort.refused),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.attacks {
            writeln!(f, "{line}")?;
        }
        let word = match (self.void.is_empty(), self.passed()) {
            (false, _) => "VOID",
            (true, true) => "PASS",
            (true, false) => "FAIL",
        };
        write!(
            f,
            "p99 during an attack over p99 before it <= {:.1}: {word}",
            self.max_p99_ratio
        )
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.passed { "pass" } else { "FAIL" };
        writeln!(f, "{:?}: {word}", self.attack)?;
        write!(f, "  good requests: ")?;
        LatencyPair::write_all(std::slice::from_ref(&self.p99), f)?;
        writeln!(f, "  good requests that failed: {}", self.good_failed)?;
        for (what, tried) in &self.tried {
            match self.failed.get(what) {
                None => writeln!(f, "  {what}: {tried} of {tried} at the first try")?,
                Some((failed, why)) => {
                    writeln!(
                        f,
                        "  {what}: {failed} of {tried} FAILED, the last with {why}"
                    )?;
                }
            }
        }
        write!(
            f,
            "  the attack: {} connections ({} not made), {} requests, {} refused or cut off",
            self.connections, self.not_connected, self.requests, self.refused
        )
    }
}

/// Unless another bound is asked for.
const MAX_P99_RATIO: f64 = 3.0;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::probes::Probes;
    use super::*;
    use crate::tally::Tally;

    fn tally(status: u16, millis: u64) -> Tally {
        let mut tally = Tally::new();
        for _ in 0..100 {
            tally.answer(status, Duration::from_millis(millis));
        }
        tally.elapsed = Duration::from_secs(1);
        tally
    }

    fn outcome(before: Tally, during: Tally, failed: bool) -> Outcome {
        let mut probes = Probes::default();
        probes.tried.insert("login", 1);
        if failed {
            probes.failed.insert("login", (1, "status 503".to_owned()));
        }
        Outcome {
            kind: AttackKind::Wraps,
            before,
            during,
            probes,
            effort: Arc::default(),
        }
    }

    #[test]
    fn an_attack_is_withstood_if_good_requests_and_all_that_must_work_did() {
        for (during, failed, expected) in [
            (tally(200, 2), false, true),
            (tally(200, 4), false, false),
            (tally(503, 1), false, false),
            (Tally::new(), false, false),
            (tally(200, 1), true, false),
        ] {
            let line = Line::of(&outcome(tally(200, 1), during, failed), 3.0);
            assert_eq!(line.passed, expected, "{line}");
        }
    }
}
