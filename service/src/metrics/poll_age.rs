//! How long ago the store's changes were last followed to the end, computed when somebody asks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Gauge, Metric, MetricFamily, MetricType};

use super::admitted::{desc, family};

/// The time since the last poll of the store that was read to its end. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct PollAge {
    last: Arc<Mutex<Option<Instant>>>,
    desc: Desc,
}

impl PollAge {
    /// Without a poll yet, nothing is shown.
    pub(super) fn new() -> prometheus::Result<Self> {
        Ok(Self {
            last: Arc::default(),
            desc: desc(
                "sealring_store_seconds_since_last_poll",
                "Seconds since this node last followed all changes of the store to the end.",
                &[],
            )?,
        })
    }

    /// A poll has just been read to its end.
    pub(super) fn polled(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

impl Collector for PollAge {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = last else {
            return Vec::new();
        };
        let mut gauge = Gauge::default();
        gauge.set_value(last.elapsed().as_secs_f64());
        let mut metric = Metric::default();
        metric.set_gauge(gauge);
        vec![family(&self.desc, MetricType::GAUGE, vec![metric])]
    }
}
