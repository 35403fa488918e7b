//! What the admission counts for itself, read when somebody asks.

use std::collections::HashMap;
use std::fmt;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use crate::admission::{Admission, Lane, Resource};

/// Requests in flight, what is held of each budget, and requests refused.
pub(super) struct Admitted {
    admission: Admission,
    given_up: Desc,
    held: Desc,
    in_flight: Desc,
    refused: Desc,
    rejected: Desc,
    together: Desc,
}

impl Admitted {
    /// The counts of this admission.
    pub(super) fn new(admission: Admission) -> prometheus::Result<Self> {
        Ok(Self {
            admission,
            given_up: desc(
                "sealring_http_slow_total",
                "Bodies that came, and answers that were taken, too slowly.",
                &["what"],
            )?,
            held: desc(
                "sealring_http_admission_held",
                "What is held of each budget.",
                &["lane", "resource"],
            )?,
            in_flight: desc(
                "sealring_http_requests_in_flight",
                "Requests being worked on.",
                &[],
            )?,
            refused: desc(
                "sealring_http_admission_refused_total",
                "Requests refused because a budget was used up, or somebody's share of it.",
                &["lane", "resource", "reason"],
            )?,
            rejected: desc(
                "sealring_http_requests_rejected_total",
                "Requests refused because too many, or too many bytes of them, were in flight.",
                &[],
            )?,
            together: desc(
                "sealring_http_refused_unrecorded_total",
                "Refused requests that were answered with 429 and recorded together with others.",
                &[],
            )?,
        })
    }

    fn held(&self) -> Vec<Metric> {
        let each = each_budget().map(|(lane, resource)| {
            let held = self.admission.in_use(lane, resource);
            gauge(
                held,
                &[("lane", lane.word()), ("resource", resource.word())],
            )
        });
        each.collect()
    }

    fn refused(&self) -> Vec<Metric> {
        let each = each_budget().flat_map(|(lane, resource)| {
            let (full, share) = self.admission.refusals_of(lane, resource);
            [("full", full), ("share", share)].map(|(reason, count)| {
                let labels = [
                    ("lane", lane.word()),
                    ("resource", resource.word()),
                    ("reason", reason),
                ];
                counter(count, &labels)
            })
        });
        each.collect()
    }

    fn given_up(&self) -> Vec<Metric> {
        let (bodies, readers) = self.admission.given_up();
        vec![
            counter(bodies, &[("what", "body")]),
            counter(readers, &[("what", "reader")]),
        ]
    }
}

impl Collector for Admitted {
    fn desc(&self) -> Vec<&Desc> {
        vec![
            &self.given_up,
            &self.held,
            &self.in_flight,
            &self.refused,
            &self.rejected,
            &self.together,
        ]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let in_flight = gauge(self.admission.requests_in_flight(), &[]);
        let rejected = counter(self.admission.refusals(), &[]);
        let together = counter(self.admission.refusals_recorded_together(), &[]);
        vec![
            family(&self.together, MetricType::COUNTER, vec![together]),
            family(&self.given_up, MetricType::COUNTER, self.given_up()),
            family(&self.held, MetricType::GAUGE, self.held()),
            family(&self.in_flight, MetricType::GAUGE, vec![in_flight]),
            family(&self.refused, MetricType::COUNTER, self.refused()),
            family(&self.rejected, MetricType::COUNTER, vec![rejected]),
        ]
    }
}

fn each_budget() -> impl Iterator<Item = (Lane, Resource)> {
    let of_lane = |lane| Resource::ALL.map(|resource| (lane, resource));
    Lane::ALL.into_iter().flat_map(of_lane)
}

impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted").finish_non_exhaustive()
    }
}

pub(super) fn desc(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<Desc> {
    let labels = labels.iter().map(|label| (*label).to_owned()).collect();
    Desc::new(name.to_owned(), help.to_owned(), labels, HashMap::new())
}

fn gauge(value: usize, labels: &[(&str, &str)]) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(float(u64::try_from(value).unwrap_or(u64::MAX)));
    let mut metric = labelled(labels);
    metric.set_gauge(gauge);
    metric
}

fn counter(value: u64, labels: &[(&str, &str)]) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(float(value));
    let mut metric = labelled(labels);
    metric.set_counter(counter);
    metric
}

fn labelled(labels: &[(&str, &str)]) -> Metric {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    let mut metric = Metric::default();
    metric.set_label(labels.iter().map(pair).collect());
    metric
}

pub(super) fn family(desc: &Desc, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(desc.fq_name.clone());
    family.set_help(desc.help.clone());
    family.set_field_type(kind);
    family.set_metric(metrics);
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
