//! Objectives: what was asked, what was measured, whether that is good enough.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::arguments::Run;
use crate::compare::Comparison;
use crate::pairs::Spread;
use crate::tally::Tally;

/// One objective and its outcome.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Verdict {
    /// What was asked.
    pub(crate) objective: String,
    /// What was measured.
    pub(crate) measured: String,
    /// Whether it was met.
    pub(crate) passed: bool,
}

/// A verdict on each objective of the run.
pub(crate) fn judge(run: &Run, tally: &Tally, comparison: Option<&Comparison>) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for (name, share, limit) in [("p99", 0.99, run.slo_p99), ("p99.9", 0.999, run.slo_p999)] {
        if let Some(limit) = limit {
            verdicts.push(latency(tally, name, share, limit));
        }
    }
    if let Some(most) = run.max_errors {
        verdicts.push(Verdict {
            objective: format!("errors <= {most}"),
            measured: tally.errors().to_string(),
            passed: tally.errors() <= most,
        });
    }
    if let (Some(least), Some(comparison)) = (run.min_ratio, comparison) {
        let median = comparison.rate.median;
        verdicts.push(Verdict {
            objective: format!("ratio to {} >= {least:.3}", comparison.base),
            measured: format!("{median:.3}"),
            passed: median >= least,
        });
    }
    verdicts
}

/// A verdict on the 99th percentile beside another load, if there is such an objective.
pub(crate) fn judge_p99_ratio(run: &Run, ratio: &Spread) -> Option<Verdict> {
    run.max_p99_ratio.map(|most| Verdict {
        objective: format!("p99 beside the other load over p99 alone <= {most:.3}"),
        measured: format!("{:.3}", ratio.median),
        passed: ratio.median <= most,
    })
}

/// A percentile over requests that were never sent or never answered would be a nice number about nothing.
fn latency(tally: &Tally, name: &str, share: f64, limit: Duration) -> Verdict {
    let measured = tally.quantile(share);
    let missing = tally.unsent + tally.unanswered;
    let text = format!("{measured:.3?}");
    Verdict {
        objective: format!("{name} <= {limit:?}"),
        measured: if missing == 0 {
            text
        } else {
            format!("{text} and {missing} requests unsent or unanswered")
        },
        passed: measured <= limit && missing == 0,
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.passed { "PASS" } else { "FAIL" };
        write!(f, "{word}  {}: {}", self.objective, self.measured)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::{Arguments, Command};

    fn verdicts(objectives: &[&str], tally: &Tally) -> Vec<bool> {
        let all = ["loadtest", "encrypt"].iter().chain(objectives);
        let Command::Encrypt(run) = Arguments::try_parse_from(all).expect("parses").command else {
            panic!("asked for encrypt");
        };
        judge(&run, tally, None)
            .iter()
            .map(|verdict| verdict.passed)
            .collect()
    }

    #[test]
    fn objectives_are_met_or_missed() {
        let mut tally = Tally::new();
        for micros in 1..=1000 {
            tally.answer(200, Duration::from_micros(micros));
        }
        tally.answer(503, Duration::from_micros(1));
        assert!(verdicts(&[], &tally).is_empty());
        assert_eq!(verdicts(&["--slo-p99", "1ms"], &tally), [true]);
        assert_eq!(verdicts(&["--slo-p99", "900us"], &tally), [false]);
        assert_eq!(verdicts(&["--slo-p999", "1ms"], &tally), [true]);
        assert_eq!(verdicts(&["--max-errors", "0"], &tally), [false]);
        assert_eq!(verdicts(&["--max-errors", "1"], &tally), [true]);
    }

    #[test]
    fn requests_that_were_never_sent_miss_every_percentile() {
        let mut tally = Tally::new();
        tally.answer(200, Duration::from_micros(1));
        tally.unsent = 1;
        assert_eq!(verdicts(&["--slo-p99", "1s"], &tally), [false]);
    }
}
