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
    /// Held while the store is read, so that who read it first does not write last.
    pub(super) refreshing: tokio::sync::Mutex<()>,
    table: ArcSwap<Table>,
    clock: Arc<dyn Clock>,
}

impl Quotas {
    /// No quotas yet.
    pub fn none(clock: Arc<dyn Clock>) -> Self {
        Self {
            any: AtomicBool::new(false),
            refreshing: tokio::sync::Mutex::default(),
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

    /// Refuses a request before its token is looked at, if what counts by address refuses it. Counts nothing of one that may go
    /// on.
    pub fn arrival(&self, asked: &Asked<'_>) -> Decision {
        if self.are_none() {
            return Decision::Allowed;
        }
        self.table.load().refuse(asked, self.now())
    }

    /// Counts a request by somebody who may not go on, by its address alone.
    pub fn refused(&self, asked: &Asked<'_>) {
        // It is refused in any case.
        let _ = self.decide(asked, Point::Arrival);
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
        self.table.load().decide(asked, point, self.now())
    }

    /// Nanoseconds of uptime.
    fn now(&self) -> u64 {
        let nanos = self.clock.uptime().as_nanos();
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use keyring::clock::SystemClock;

    use super::*;
    use crate::quota::{QuotaPath, Unit, Window};

    fn spec(limit: u64) -> QuotaSpec {
        QuotaSpec {
            inheritable: true,
            path: QuotaPath::default(),
            role: String::new(),
            windows: vec![
                Window::new(Unit::Requests, limit * 1000, Duration::from_hours(24)).unwrap(),
            ],
            block_seconds: 0,
            budget: None,
        }
    }

    #[test]
    fn quotas_come_into_force_and_go_while_requests_do() {
        let quotas = Quotas::none(Arc::new(SystemClock));
        let asked = Asked {
            path: "transit/decrypt/a",
            operation: None,
            address: None,
            identity: None,
            key: None,
            role: None,
        };
        assert!(quotas.are_none());
        assert_eq!(quotas.request(&asked), Decision::Allowed);
        quotas.replace([("a".to_owned(), spec(1))], QuotaSettings::default());
        assert!(!quotas.are_none());
        assert_eq!(quotas.request(&asked), Decision::Allowed);
        let refused = quotas.request(&asked);
        assert!(
            refused
                .retry_after_seconds()
                .is_some_and(|seconds| seconds > 80_000)
        );
        assert_eq!(
            quotas.items(&asked, 5),
            Decision::Allowed,
            "it counts no items"
        );
        quotas.replace([], QuotaSettings::default());
        assert!(quotas.are_none());
        assert_eq!(quotas.request(&asked), Decision::Allowed);
    }
}
