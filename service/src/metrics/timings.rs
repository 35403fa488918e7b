//! Histograms of durations whose writers only add: no lock, no label look-up, no floating point.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Histogram, LabelPair, Metric, MetricFamily, MetricType};

/// How often something took how long.
///
/// A reader may see a duration in one figure and not yet in another; the next reading has it in all.
#[derive(Debug)]
pub(super) struct Timings {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

impl Timings {
    fn new() -> Self {
        Self {
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            nanos: AtomicU64::new(0),
        }
    }

    /// One more.
    pub(super) fn observe(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let index = BOUNDS.partition_point(|(bound, _)| *bound < nanos);
        if let Some(bucket) = self.buckets.get(index) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    fn histogram(&self) -> Histogram {
        let mut total = 0;
        let mut buckets = Vec::with_capacity(BOUNDS.len());
        for (index, count) in self.buckets.iter().enumerate() {
            total += count.load(Ordering::Relaxed);
            // The last one has no bound; it is in the total only.
            if let Some((_, seconds)) = BOUNDS.get(index) {
                let mut bucket = Bucket::default();
                bucket.set_upper_bound(*seconds);
                bucket.set_cumulative_count(total);
                buckets.push(bucket);
            }
        }
        let sum = Duration::from_nanos(self.nanos.load(Ordering::Relaxed));
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(total);
        histogram.set_sample_sum(sum.as_secs_f64());
        histogram
    }
}

/// One [`Timings`] for each value of one label; all of them exist from the start.
#[derive(Clone)]
pub(super) struct TimingsVec {
    desc: Desc,
    label: &'static str,
    children: Vec<(&'static str, Arc<Timings>)>,
}

impl TimingsVec {
    /// The family of this name with one label of these values.
    pub(super) fn new(
        name: &str,
        help: &str,
        label: &'static str,
        values: impl IntoIterator<Item = &'static str>,
    ) -> prometheus::Result<Self> {
        let labels = vec![label.to_owned()];
        let desc = Desc::new(name.to_owned(), help.to_owned(), labels, HashMap::new())?;
        let children = values
            .into_iter()
            .map(|value| (value, Arc::new(Timings::new())))
            .collect();
        Ok(Self {
            desc,
            label,
            children,
        })
    }

    /// The child of this value; a fresh one that nobody reads if there is none.
    pub(super) fn child(&self, value: &str) -> Arc<Timings> {
        self.children
            .iter()
            .find(|(of, _)| *of == value)
            .map_or_else(|| Arc::new(Timings::new()), |(_, child)| Arc::clone(child))
    }
}

impl Collector for TimingsVec {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let metrics = self.children.iter().map(|(value, timings)| {
            let mut pair = LabelPair::default();
            pair.set_name(self.label.to_owned());
            pair.set_value((*value).to_owned());
            let mut metric = Metric::from_label(vec![pair]);
            metric.set_histogram(timings.histogram());
            metric
        });
        let mut family = MetricFamily::default();
        family.set_name(self.desc.fq_name.clone());
        family.set_help(self.desc.help.clone());
        family.set_field_type(MetricType::HISTOGRAM);
        family.set_metric(metrics.collect());
        vec![family]
    }
}

impl fmt::Debug for TimingsVec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimingsVec")
            .field("name", &self.desc.fq_name)
            .finish_non_exhaustive()
    }
}

/// Upper bounds in nanoseconds and in seconds: from a warm encrypt to a client's patience.
const BOUNDS: [(u64, f64); 16] = [
    (10_000, 0.000_01),
    (25_000, 0.000_025),
    (50_000, 0.000_05),
    (100_000, 0.000_1),
    (250_000, 0.000_25),
    (500_000, 0.000_5),
    (1_000_000, 0.001),
    (2_500_000, 0.002_5),
    (5_000_000, 0.005),
    (10_000_000, 0.01),
    (25_000_000, 0.025),
    (50_000_000, 0.05),
    (100_000_000, 0.1),
    (250_000_000, 0.25),
    (1_000_000_000, 1.0),
    (5_000_000_000, 5.0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_into_the_first_bucket_that_holds_it() {
        let timings = Timings::new();
        for micros in [1, 10, 11, 400, 20_000_000] {
            timings.observe(Duration::from_micros(micros));
        }
        let histogram = timings.histogram();
        let counts = histogram
            .get_bucket()
            .iter()
            .map(Bucket::cumulative_count)
            .collect::<Vec<_>>();
        assert_eq!(counts, [2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4]);
        assert_eq!(histogram.get_sample_count(), 5);
        assert!((histogram.get_sample_sum() - 20.000_422).abs() < 1e-9);
    }
}
