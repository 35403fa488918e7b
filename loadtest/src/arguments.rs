//! The command line, and the bounds that keep a run finite and at home.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::attack::{Attack, AttackKind};
pub(crate) use self::flood::Flood;
use self::values::{body_length, companion, connection_count, duration, thread_count};
use crate::access::Access;
use crate::scenario::{ITEMS, Scenario, Signer};

mod attack;
mod flood;
mod values;

/// Puts load on a running Sealring and says what came back, how fast, and whether that was good enough.
///
/// Exit status: 0 all objectives met, 1 an objective missed, 2 the run could not be made.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// One plaintext per request.
    Encrypt(Run),
    /// One ciphertext per request.
    Decrypt(Run),
    /// Many plaintexts per request.
    Batch {
        /// Items per request.
        #[arg(long, default_value_t = ITEMS, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        items: u32,
        #[command(flatten)]
        run: Run,
    },
    /// One input to be signed per request, by a ring named KEY-TYPE; --key-type is ecdsa-p256 unless said otherwise.
    Sign(Run),
    /// One input with its signature per request, by the same ring.
    Verify(Run),
    /// Good encrypts at a planned --rate, in paired slices alone and beside a flood of garbage tokens.
    Flood {
        #[command(flatten)]
        flood: Flood,
        #[command(flatten)]
        run: Run,
    },
    /// Good encrypts at a planned --rate, before and during attacks by a client at another address, with a look at what
    /// must always work.
    Attack {
        #[command(flatten)]
        attack: Attack,
        #[command(flatten)]
        run: Run,
    },
    /// Serve the null answer: collect the body, return constant bytes. The base of every ratio.
    Null(Null),
}

/// What all scenarios take.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Where the service is; plain HTTP only.
    #[arg(long, default_value = "http://127.0.0.1:8200")]
    pub(crate) addr: String,
    /// A file with the token.
    #[arg(long, default_value = "./sealring-data/root-token")]
    pub(crate) token_file: PathBuf,
    /// The transit mount.
    #[arg(long, default_value = "transit")]
    pub(crate) mount: String,
    /// The ring to use; created when it is missing.
    #[arg(long, default_value = "loadtest")]
    pub(crate) key: String,
    /// The type of the ring when it is created; the server's default otherwise. ml-dsa has its parameter set behind it:
    /// ml-dsa-65.
    #[arg(long)]
    pub(crate) key_type: Option<String>,
    /// Give every item a context of its own and create the ring as a deriving one (named KEY-derived).
    #[arg(long)]
    pub(crate) derived: bool,
    /// Plaintext bytes per item.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(0..=16_777_216))]
    pub(crate) size: u32,
    /// Connections, each with at most one request under way.
    #[arg(long, default_value_t = 16, value_parser = connection_count)]
    pub(crate) connections: usize,
    /// Threads of the generator.
    #[arg(long, default_value_t = 1, value_parser = thread_count)]
    pub(crate) threads: usize,
    /// Open loop: requests per second, planned in advance; latency counts from the planned instant.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) rate: Option<u32>,
    /// How long to measure, at most 1h.
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// How long to run before measuring.
    #[arg(long, default_value = "500ms", value_parser = duration)]
    pub(crate) warm_up: Duration,
    /// Stop after this many requests, warm-up included.
    #[arg(long)]
    pub(crate) requests: Option<u64>,
    /// Alternate slices with a null server and report the ratio.
    #[arg(long, group = "base")]
    pub(crate) compare: Option<Base>,
    /// Alternate slices with another running service (same mount, ring and size) and report the ratio.
    #[arg(long, group = "base", value_name = "URL")]
    pub(crate) compare_with: Option<String>,
    /// With --compare-with: a file with the token for the other service; otherwise that of --token-file is used.
    #[arg(long, value_name = "FILE")]
    pub(crate) compare_token_file: Option<PathBuf>,
    /// With --compare-with and --server-pid: the other service's process id, to compare CPU per request as well (Linux).
    #[arg(long, requires = "server_pid")]
    pub(crate) compare_pid: Option<u32>,
    /// Alternate slices alone and beside one connection that does this as fast as it can, and report the ratio of the
    /// 99th percentiles: encrypt, decrypt, batch, sign-TYPE or verify-TYPE.
    #[arg(long, conflicts_with = "base", value_name = "SCENARIO", value_parser = companion)]
    pub(crate) beside: Option<Scenario>,
    /// In a comparison, a flood or with --beside: pairs of slices.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) pairs: u32,
    /// In a comparison, a flood or with --beside: length of a slice.
    #[arg(long, default_value = "1s", value_parser = duration)]
    pub(crate) slice: Duration,
    /// With --compare: worker threads of the null server; 0 for one per core, as the service has.
    #[arg(long, default_value_t = 0)]
    pub(crate) null_workers: usize,
    /// In a comparison: the service's process id, to compare CPU per request as well (Linux).
    #[arg(long)]
    pub(crate) server_pid: Option<u32>,
    /// Objective: 99th percentile at most this.
    #[arg(long, value_parser = duration)]
    pub(crate) slo_p99: Option<Duration>,
    /// Objective: 99.9th percentile at most this.
    #[arg(long, value_parser = duration)]
    pub(crate) slo_p999: Option<Duration>,
    /// Objective: at most this many requests failed or unanswered.
    #[arg(long)]
    pub(crate) max_errors: Option<u64>,
    /// Objective, in a comparison: median ratio of the rates at least this.
    #[arg(long, requires = "base")]
    pub(crate) min_ratio: Option<f64>,
    /// Objective, in a flood or with --beside: 99th percentile beside the other load over that alone, as the median of
    /// the pairs, at most this.
    #[arg(long)]
    pub(crate) max_p99_ratio: Option<f64>,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Permit a target that is not on this machine's loopback.
    #[arg(long)]
    pub(crate) allow_remote: bool,
}

/// What a run is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Base {
    /// The same bytes in and out, and nothing done.
    Null,
}

/// What the null server takes.
#[derive(Debug, Args)]
pub(crate) struct Null {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Length of the constant body.
    #[arg(long, default_value_t = 256, value_parser = body_length)]
    pub(crate) answer_bytes: usize,
    /// A header of the constant answer, `name: value`; may be repeated.
    #[arg(long)]
    pub(crate) header: Vec<String>,
    /// Worker threads; 0 for one per core.
    #[arg(long, default_value_t = 0)]
    pub(crate) workers: usize,
    /// Stop when standard input closes, so that it never outlives the run that started it.
    #[arg(long)]
    pub(crate) until_stdin_closes: bool,
}

impl Run {
    /// Refuses combinations that mean nothing and runs without an end.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            !self.duration.is_zero() && self.duration <= LONGEST,
            "--duration must be above 0 and at most 1h"
        );
        ensure!(self.warm_up <= LONGEST, "--warm-up must be at most 1h");
        ensure!(
            !self.slice.is_zero() && self.slice <= LONGEST,
            "--slice must be above 0 and at most 1h"
        );
        ensure!(
            self.slice * 2 <= LONGEST / self.pairs,
            "--pairs of two slices each must take at most 1h"
        );
        // Clap does not require an argument that conflicts with a given one, as --compare and --compare-with do.
        ensure!(
            self.compare_with.is_some()
                || (self.compare_token_file.is_none() && self.compare_pid.is_none()),
            "--compare-token-file and --compare-pid belong to --compare-with"
        );
        ensure!(
            !self.compares() || self.rate.is_none(),
            "a comparison measures the highest rate and cannot keep a planned one: leave out --rate"
        );
        ensure!(
            !self.compares() || self.requests.is_none(),
            "a comparison is bounded by --pairs and --slice: leave out --requests"
        );
        ensure!(
            self.beside.is_none() || self.requests.is_none(),
            "--beside is bounded by --pairs and --slice: leave out --requests"
        );
        Ok(())
    }

    fn compares(&self) -> bool {
        self.compare.is_some() || self.compare_with.is_some()
    }

    /// The service and its token.
    pub(crate) fn access(&self) -> anyhow::Result<Access> {
        Access::new(&self.addr, &self.token_file, self.allow_remote)
    }

    /// The service to compare with and its token.
    pub(crate) fn compared_access(&self, url: &str) -> anyhow::Result<Access> {
        let token_file = self.compare_token_file.as_ref();
        Access::new(
            url,
            token_file.unwrap_or(&self.token_file),
            self.allow_remote,
        )
    }

    /// What signs, when this is a run of signatures.
    pub(crate) fn signer(&self) -> Signer {
        Signer {
            key_type: self.key_type.as_deref().unwrap_or("ecdsa-p256").to_owned(),
        }
    }

    /// The path of an operation on the ring.
    pub(crate) fn path(&self, verb: &str) -> String {
        self.path_of(verb, &self.key)
    }

    /// The path of an operation on the ring that signs with keys of this type.
    pub(crate) fn signing_path(&self, verb: &str, key_type: &str) -> String {
        self.path_of(verb, &format!("{}-{key_type}", self.key))
    }

    fn path_of(&self, verb: &str, ring: &str) -> String {
        let suffix = if self.derived { "-derived" } else { "" };
        format!("/v1/{}/{verb}/{ring}{suffix}", self.mount)
    }
}

const LONGEST: Duration = Duration::from_hours(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Run {
        let all = ["loadtest", "encrypt"].iter().chain(arguments);
        match Arguments::try_parse_from(all).expect("parses").command {
            Command::Encrypt(run) => run,
            Command::Decrypt(_)
            | Command::Batch { .. }
            | Command::Sign(_)
            | Command::Verify(_)
            | Command::Attack { .. }
            | Command::Flood { .. }
            | Command::Null(_) => {
                panic!("asked for encrypt")
            }
        }
    }

    #[test]
    fn a_run_ends() {
        assert!(parsed(&[]).check().is_ok());
        assert!(parsed(&["--duration", "2h"]).check().is_err());
        assert!(parsed(&["--duration", "0s"]).check().is_err());
        assert!(
            parsed(&["--compare", "null", "--rate", "5"])
                .check()
                .is_err()
        );
        assert!(
            parsed(&["--pairs", "1000", "--slice", "2s"])
                .check()
                .is_err()
        );
    }

    #[test]
    fn a_companion_is_a_scenario_and_excludes_a_base() {
        let beside = ["--beside", "sign-rsa-4096"];
        assert!(parsed(&beside).check().is_ok());
        assert!(
            parsed(&[&beside[..], &["--rate", "5"]].concat())
                .check()
                .is_ok()
        );
        assert!(
            parsed(&[&beside[..], &["--requests", "5"]].concat())
                .check()
                .is_err()
        );
        for wrong in [
            &["--beside", "sign"][..],
            &["--compare", "null", "--beside", "batch"],
        ] {
            let all = ["loadtest", "encrypt"].iter().chain(wrong);
            assert!(Arguments::try_parse_from(all).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn there_is_one_base_and_what_belongs_to_it_needs_it() {
        let other = ["--compare-with", "http://127.0.0.1:8201"];
        assert!(parsed(&other).check().is_ok());
        for wrong in [
            &[
                "--compare",
                "null",
                "--compare-with",
                "http://127.0.0.1:8201",
            ][..],
            &["--min-ratio", "0.9"],
        ] {
            let all = ["loadtest", "encrypt"].iter().chain(wrong);
            assert!(Arguments::try_parse_from(all).is_err(), "{wrong:?}");
        }
        assert!(
            parsed(&[&other[..], &["--rate", "5"]].concat())
                .check()
                .is_err()
        );
        let token = ["--compare-token-file", "token"];
        assert!(parsed(&token).check().is_err());
        assert!(
            parsed(&[&["--compare", "null"], &token[..]].concat())
                .check()
                .is_err()
        );
        assert!(parsed(&[&other[..], &token].concat()).check().is_ok());
    }
}
