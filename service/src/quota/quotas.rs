//! The table in force, exchanged while requests go on. Without quotas it costs a request one load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use keyring::clock::Clock;

use super::table::Point;
use super::{Asked, Decision, QuotaSettings, QuotaSpec, Table};

/// The quotas of a node, and what was spent of them here.
#[derive(Debug)]
pub struct Quotas {
    any: AtomicBool,
    table: ArcSwap<Table>,
    clock: Arc<dyn Clock>,
}

impl Quotas {
    /// No quotas yet.
    pub fn none(clock: Arc<dyn Clock>) -> Self {
        Self {
            any: AtomicBool::new(false),
            table: ArcSwap::default(),
            clock,
        }
    }

    /// Puts other quotas in force. What was spent of those that are the same stays spent. One caller at a time.
    pub fn replace(
        &self,
        specs: impl IntoIterator<Item = (String, QuotaSpec)>,
        settings: QuotaSettings,
    ) {
        let table = Table::compile(specs, settings, &self.table.load());
        let any = !table.is_empty();
        self.table.store(Arc::new(table));
        self.any.store(any, Ordering::Release);
    }

    /// Whether there is none, so that nothing need be found out to count by.
    pub fn are_none(&self) -> bool {
        !self.any.load(Ordering::Acquire)
    }

    /// Counts a request, before its body is read.
    pub fn request(&self, asked: &Asked<'_>) -> Decision {
        self.decide(asked, Point::Request)
    }

    /// Counts a login whose role is known by now.
    pub fn login(&self, asked: &Asked<'_>) -> Decision {
        self.decide(asked, Point::Login)
    }

    /// Counts items, before they are worked on.
    pub fn items(&self, asked: &Asked<'_>, count: usize) -> Decision {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.decide(asked, Point::Items(count))
    }

    fn decide(&self, asked: &Asked<'_>, point: Point) -> Decision {
        if self.are_none() {
            return Decision::Allowed;
        }
        let nanos = self.clock.uptime().as_nanos();
        let now = u64::try_from(nanos).unwrap_or(u64::MAX);
        self.table.load().decide(asked, point, now)
    }
}
