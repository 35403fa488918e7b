//! What is refused because a caller has its share, or all callers together have everything there is.

use keyring::fair_queue::QueueError;
use prometheus::{IntCounter, IntGauge, Registry};

use super::{counters, gauge, signed};
use crate::bounds::Bound;

/// The counts of all bounds.
pub(super) struct BoundMetrics {
    rsa_searches: IntGauge,
    refusals: Vec<(Bound, Refusals)>,
}

struct Refusals {
    closed: IntCounter,
    full: IntCounter,
    share: IntCounter,
}

impl BoundMetrics {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let refusals = counters(
            registry,
            "sealring_bounds_refused_total",
            "Work refused: all that is taken on is taken (full), a caller has its share of it (share), or the node stops (closed).",
            &["bound", "reason"],
        )?;
        let of = |bound: Bound| {
            let reason = |reason| refusals.with_label_values(&[bound.word(), reason]);
            let refusals = Refusals {
                closed: reason("closed"),
                full: reason("full"),
                share: reason("share"),
            };
            (bound, refusals)
        };
        Ok(Self {
            rsa_searches: gauge(
                registry,
                "sealring_rsa_searches",
                "Requests that wait for an RSA key or have one searched for.",
            )?,
            refusals: Bound::ALL.into_iter().map(of).collect(),
        })
    }

    /// Somebody was refused.
    pub(super) fn refused(&self, bound: Bound, error: QueueError) {
        let refusals = self.refusals.iter().find(|(known, _)| *known == bound);
        if let Some((_, refusals)) = refusals {
            match error {
                QueueError::Closed => refusals.closed.inc(),
                QueueError::Full => refusals.full.inc(),
                QueueError::ShareFull => refusals.share.inc(),
            }
        }
    }

    /// So many requests wait for an RSA key or have one searched for.
    pub(super) fn rsa_searches(&self, inside: usize) {
        let inside = u64::try_from(inside).unwrap_or(u64::MAX);
        self.rsa_searches.set(signed(inside));
    }
}
