//! Two loads at once: one that is measured, and one beside it.

use std::time::Duration;

use anyhow::{Context as _, anyhow};

use crate::load::{self, Load};
use crate::tally::Tally;

/// Runs both. The other one begins before the first request is measured and ends after the last one was due.
pub(crate) fn together(measured: &Load, other: &Load) -> anyhow::Result<(Tally, Tally)> {
    let measured = Load {
        warm_up: measured.warm_up + LEAD,
        ..measured.clone()
    };
    let other = Load {
        duration: other.duration + 2 * LEAD,
        ..other.clone()
    };
    std::thread::scope(|scope| {
        let beside = scope.spawn(|| load::run(&other));
        let measured = load::run(&measured);
        let beside = beside
            .join()
            .map_err(|_| anyhow!("the thread of the other load panicked"))?;
        Ok((measured?, beside.context("the other load")?))
    })
}

/// How much earlier it begins and how much later it ends, for threads do not start at the same instant.
const LEAD: Duration = Duration::from_millis(50);
