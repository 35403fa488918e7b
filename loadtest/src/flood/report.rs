//! What a flood came to, and whether the run says anything at all.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::counters::TOKEN_READS;
use super::sums::Sums;
use super::{Alone, Beside};
use crate::arguments::{Flood, Run};
use crate::pairs::{LatencyPair, Spread};
use crate::slo::{self, Verdict};
use crate::tally::{Tally, real};

/// The report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    connections: usize,
    planned_rate: u32,
    planned_garbage_rate: u32,
    pairs: Vec<LatencyPair>,
    /// 99th percentile of the good requests, beside the flood over alone.
    p99_ratio: Spread,
    /// Good requests answered in all slices, by status.
    good: BTreeMap<u16, u64>,
    garbage: Garbage,
    /// Calls of the store per second as the service counts them, alone.
    store_calls_alone: BTreeMap<String, f64>,
    /// The same beside the flood.
    store_calls_beside: BTreeMap<String, f64>,
    objectives: Vec<Verdict>,
    /// Why the run says nothing; empty if it is valid.
    void: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Garbage {
    per_second: f64,
    /// Answers with 403.
    denied: u64,
    /// Answers with any other status, and requests without an answer.
    not_denied: u64,
}

impl Report {
    /// Sums up the pairs.
    pub(super) fn new(flood: &Flood, run: &Run, pairs: &[(Alone, Beside)]) -> Self {
        let sums = Sums::of(pairs);
        let garbage = Garbage::of(&sums.garbage);
        let pairs: Vec<LatencyPair> = pairs
            .iter()
            .map(|(alone, beside)| LatencyPair::of(&alone.good, &beside.good))
            .collect();
        let p99_ratio = Spread::of(pairs.iter().map(|pair| pair.ratio));
        let mut objectives = slo::judge(run, &sums.beside, None);
        objectives.push(Verdict {
            objective: "garbage answered with anything but 403 <= 0".to_owned(),
            measured: garbage.not_denied.to_string(),
            passed: garbage.not_denied == 0,
        });
        objectives.extend(slo::judge_p99_ratio(run, &p99_ratio));
        let mut good = sums.alone.statuses.clone();
        for (status, count) in &sums.beside.statuses {
            *good.entry(*status).or_default() += count;
        }
        Self {
            connections: run.connections,
            planned_rate: run.rate.unwrap_or_default(),
            planned_garbage_rate: flood.rate_garbage,
            void: sums.faults(),
            pairs,
            p99_ratio,
            good,
            garbage,
            store_calls_alone: sums.counted_alone.rates(),
            store_calls_beside: sums.counted_beside.rates(),
            objectives,
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

impl Garbage {
    fn of(tally: &Tally) -> Self {
        let denied = tally.statuses.get(&403).copied().unwrap_or_default();
        let broken: u64 = tally.broken.values().sum();
        Self {
            per_second: real(tally.answered()) / tally.elapsed.as_secs_f64(),
            denied,
            not_denied: tally.answered() - denied + broken + tally.unanswered,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "flood: {} connections, open loop, {} good requests/s planned, {} garbage tokens/s planned beside them",
            self.connections, self.planned_rate, self.planned_garbage_rate
        )?;
        LatencyPair::write_all(&self.pairs, f)?;
        writeln!(f, "ratio of p99, beside over alone: {}", self.p99_ratio)?;
        write!(f, "good:")?;
        for (status, count) in &self.good {
            write!(f, "  status {status}: {count}")?;
        }
        writeln!(
            f,
            "\ngarbage: {:.0} tokens/s, {} answered with 403, {} not",
            self.garbage.per_second, self.garbage.denied, self.garbage.not_denied
        )?;
        self.write_store_calls(f)?;
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

impl Report {
    fn write_store_calls(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, beside) in &self.store_calls_beside {
            let alone = self.store_calls_alone.get(name).copied();
            writeln!(
                f,
                "{name}: {:.1}/s alone, {beside:.1}/s beside the flood",
                alone.unwrap_or_default()
            )?;
        }
        if !self.store_calls_beside.contains_key(TOKEN_READS) {
            writeln!(
                f,
                "{TOKEN_READS}: this service does not count its reads of tokens"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser as _;

    use super::super::counters::Counters;
    use super::*;
    use crate::arguments::{Arguments, Command};

    fn report(options: &[&str], pairs: &[(Alone, Beside)]) -> Report {
        let all = ["loadtest", "flood", "--rate", "1000"]
            .iter()
            .chain(options);
        let Command::Flood { flood, run } = Arguments::try_parse_from(all).expect("parses").command
        else {
            panic!("asked for a flood");
        };
        Report::new(&flood, &run, pairs)
    }

    fn tally(status: u16, took: Duration) -> Tally {
        let mut tally = Tally::new();
        for _ in 0..1000 {
            tally.answer(status, took);
        }
        tally.elapsed = Duration::from_secs(1);
        tally
    }

    /// A pair whose p99 is 1 ms alone and so many beside the flood, with garbage answered so.
    fn pair(beside: u64, garbage: u16) -> (Alone, Beside) {
        let alone = Alone {
            good: tally(200, Duration::from_millis(1)),
            counted: Counters::default(),
        };
        let beside = Beside {
            good: tally(200, Duration::from_millis(beside)),
            garbage: tally(garbage, Duration::from_millis(1)),
            counted: Counters::default(),
        };
        (alone, beside)
    }

    #[test]
    fn the_median_of_the_pairs_is_judged() {
        let pairs = [pair(2, 403), pair(3, 403), pair(9, 403)];
        let met = report(&["--max-p99-ratio", "3.1"], &pairs);
        assert!(met.void().is_empty() && met.passed(), "{met}");
        assert!((met.p99_ratio.median - 3.0).abs() < 0.05, "{met}");
        let missed = report(&["--max-p99-ratio", "2.5"], &pairs);
        assert!(missed.void().is_empty() && !missed.passed(), "{missed}");
    }

    #[test]
    fn garbage_that_is_not_denied_fails_the_run() {
        let mut pairs = [pair(1, 403)];
        assert!(report(&[], &pairs).passed());
        pairs[0].1.garbage.unanswered = 1;
        assert!(!report(&[], &pairs).passed());
        assert!(!report(&[], &[pair(1, 403), pair(1, 200)]).passed());
    }

    #[test]
    fn a_service_that_does_not_count_its_reads_of_tokens_is_told_so() {
        let mut pairs = [pair(1, 403)];
        let silent = report(&[], &pairs).to_string();
        assert!(silent.contains("does not count"), "{silent}");
        let counted = &mut pairs[0].1.counted;
        counted.counts.insert(TOKEN_READS.to_owned(), 30.0);
        counted.seconds = 2.0;
        let telling = report(&[], &pairs).to_string();
        let line = "sealring_store_token_reads_total: 0.0/s alone, 15.0/s beside the flood\n";
        assert!(telling.contains(line), "{telling}");
        assert!(!telling.contains("does not count"), "{telling}");
    }
}
