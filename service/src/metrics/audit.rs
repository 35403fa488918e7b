//! What the audit log reports. Sinks are named by the configuration, so their names are few.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};

use super::timings::{Timings, TimingsVec};
use super::{added, counters};
use crate::audit::SinkState;

/// The audit log's counts.
pub(super) struct AuditMetrics {
    bytes: IntCounterVec,
    groups: IntCounterVec,
    records: IntCounterVec,
    refused: IntCounter,
    states: IntGaugeVec,
    syncs: Arc<Timings>,
}

impl AuditMetrics {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let refused = IntCounter::new(
            "sealring_audit_refused_total",
            "Requests refused because no sink would have recorded them.",
        )?;
        let states = Opts::new(
            "sealring_audit_sink_state",
            "1 for the state each audit sink is in.",
        );
        let steps = TimingsVec::new(
            "sealring_audit_seconds",
            "How long the audit's steps took.",
            "step",
            [SYNC],
        )?;
        Ok(Self {
            bytes: counters(
                registry,
                "sealring_audit_bytes_total",
                "Bytes written to audit sinks.",
                &["sink"],
            )?,
            groups: counters(
                registry,
                "sealring_audit_groups_total",
                "Groups of records written to audit sinks.",
                &["sink"],
            )?,
            records: counters(
                registry,
                "sealring_audit_records_total",
                "Records written to audit sinks.",
                &["sink"],
            )?,
            refused: added(registry, refused)?,
            states: added(registry, IntGaugeVec::new(states, &["sink", "state"])?)?,
            syncs: added(registry, steps)?.child(SYNC),
        })
    }

    pub(super) fn group_written(&self, sink: &str, records: u64, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.bytes.with_label_values(&[sink]).inc_by(bytes);
        self.groups.with_label_values(&[sink]).inc();
        self.records.with_label_values(&[sink]).inc_by(records);
    }

    pub(super) fn refused(&self) {
        self.refused.inc();
    }

    pub(super) fn sink_changed(&self, sink: &str, now: SinkState) {
        for state in SinkState::ALL {
            let gauge = self.states.with_label_values(&[sink, state.word()]);
            gauge.set(i64::from(state == now));
        }
    }

    pub(super) fn synced(&self, took: Duration) {
        self.syncs.observe(took);
    }
}

const SYNC: &str = "sync";
