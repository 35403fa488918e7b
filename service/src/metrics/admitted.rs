//! What the admission counts for itself, read when somebody asks.

use std::collections::HashMap;
use std::fmt;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, Metric, MetricFamily, MetricType};

use crate::admission::Admission;

/// Requests in flight and requests refused.
pub(super) struct Admitted {
    admission: Admission,
    in_flight: Desc,
    rejected: Desc,
}

impl Admitted {
    /// The counts of this admission.
    pub(super) fn new(admission: Admission) -> prometheus::Result<Self> {
        Ok(Self {
            admission,
            in_flight: desc(
                "sealring_http_requests_in_flight",
                "Requests being worked on.",
            )?,
            rejected: desc(
                "sealring_http_requests_rejected_total",
                "Requests refused because too many, or too many bytes of them, were in flight.",
            )?,
        })
    }
}

impl Collector for Admitted {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.in_flight, &self.rejected]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut gauge = Gauge::default();
        gauge.set_value(float(
            u64::try_from(self.admission.requests_in_flight()).unwrap_or(u64::MAX),
        ));
        let mut in_flight = Metric::default();
        in_flight.set_gauge(gauge);
        let mut counter = Counter::default();
        counter.set_value(float(self.admission.refusals()));
        let mut rejected = Metric::default();
        rejected.set_counter(counter);
        vec![
            family(&self.in_flight, MetricType::GAUGE, in_flight),
            family(&self.rejected, MetricType::COUNTER, rejected),
        ]
    }
}

impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted").finish_non_exhaustive()
    }
}

fn desc(name: &str, help: &str) -> prometheus::Result<Desc> {
    Desc::new(name.to_owned(), help.to_owned(), Vec::new(), HashMap::new())
}

fn family(desc: &Desc, kind: MetricType, metric: Metric) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(desc.fq_name.clone());
    family.set_help(desc.help.clone());
    family.set_field_type(kind);
    family.set_metric(vec![metric]);
    family
}

/// The format has floats only; counts up to 2^53 are exact in them.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "beyond 2^53 the nearest float will do"
)]
fn float(count: u64) -> f64 {
    count as f64
}
