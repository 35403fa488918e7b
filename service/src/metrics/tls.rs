//! What loading certificates comes to, by listener. Listeners are named by the operator.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use super::{DONE, FAILED, added, counters};
use crate::tls::TlsObserver;

/// What the listeners' TLS reports.
#[derive(Debug)]
pub(super) struct TlsMetrics {
    loads: IntCounterVec,
    not_after: IntGaugeVec,
}

impl TlsMetrics {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let not_after = Opts::new(
            "sealring_tls_certificate_not_after_seconds",
            "Until when the certificate in use is valid, in seconds since 1970.",
        );
        Ok(Self {
            loads: counters(
                registry,
                "sealring_tls_loads_total",
                "How often certificate, key and client CAs of a listener were read.",
                &["listener", "outcome"],
            )?,
            not_after: added(registry, IntGaugeVec::new(not_after, &["listener"])?)?,
        })
    }
}

impl TlsObserver for TlsMetrics {
    fn certificate_loaded(&self, listener: &str, not_after: i64) {
        self.loads.with_label_values(&[listener, DONE]).inc();
        self.not_after.with_label_values(&[listener]).set(not_after);
    }

    fn reload_failed(&self, listener: &str) {
        self.loads.with_label_values(&[listener, FAILED]).inc();
    }
}
