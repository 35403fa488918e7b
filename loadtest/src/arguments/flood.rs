//! What a flood takes besides what all scenarios take.

use anyhow::ensure;
use clap::Args;

use super::Run;
use super::values::connection_count;

/// What a flood takes besides.
#[derive(Debug, Args)]
// The subcommand has a group of this name already.
#[group(skip)]
pub(crate) struct Flood {
    /// Garbage tokens per second.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) rate_garbage: u32,
    /// Connections of the flood.
    #[arg(long, default_value_t = 16, value_parser = connection_count)]
    pub(crate) garbage_connections: usize,
}

impl Flood {
    /// Refuses a run that is no flood.
    pub(crate) fn check(run: &Run) -> anyhow::Result<()> {
        ensure!(
            run.rate.is_some(),
            "a flood is measured at a planned rate: say --rate, about 30 % of what the service can do"
        );
        ensure!(
            !run.compares() && run.beside.is_none() && run.requests.is_none(),
            "a flood has pairs of its own, bounded by --pairs and --slice: leave out --compare, --compare-with, --beside \
             and --requests"
        );
        Ok(())
    }
}
