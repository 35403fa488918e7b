//! What a run of attacks takes besides what all scenarios take.

use std::net::IpAddr;

use anyhow::ensure;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::Run;

/// What a run of attacks takes besides.
#[derive(Debug, Args)]
// The subcommand has a group of this name already.
#[group(skip)]
pub(crate) struct Attack {
    /// Where the attacks come from: another address of this machine than the good requests come from.
    #[arg(long, default_value = "127.0.0.2")]
    pub(crate) from: IpAddr,
    /// Which attacks; may be repeated. All of them unless said.
    #[arg(long = "with", value_enum, value_name = "ATTACK")]
    pub(crate) kinds: Vec<AttackKind>,
}

/// One kind of attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AttackKind {
    /// 4,100 connections with a token that send their bodies a byte at a time.
    SlowBodies,
    /// 8 bodies of the greatest length that never end.
    EndlessBodies,
    /// 560 slow connections without a token.
    SlowStrangers,
    /// 32 connections that hardly read their long answers.
    SlowReaders,
    /// 1,100 creates of rsa-4096 in 5 s, again and again, from clients that hang up at once.
    RsaKeys,
    /// Wrong tokens as fast as 16 connections go.
    WrongTokens,
    /// Values to be wrapped, from a token that has nothing but the policy `default`.
    Wraps,
    /// Logins with role names and secret ids that nobody has.
    UnknownNames,
}

impl Attack {
    /// The attacks that were asked for.
    pub(crate) fn kinds(&self) -> &[AttackKind] {
        if self.kinds.is_empty() {
            AttackKind::value_variants()
        } else {
            &self.kinds
        }
    }

    /// Refuses a run that says nothing.
    pub(crate) fn check(run: &Run) -> anyhow::Result<()> {
        ensure!(
            run.rate.is_some(),
            "attacks are measured at a planned rate: say --rate, about 30 % of what the service can do"
        );
        ensure!(
            !run.compares() && run.beside.is_none() && run.requests.is_none(),
            "a run of attacks has slices of its own: leave out --compare, --compare-with, --beside and --requests"
        );
        Ok(())
    }
}
