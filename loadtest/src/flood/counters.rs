//! What the service itself counts of its store, from its metrics in the Prometheus text format (0.0.4).

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context as _, ensure};

use crate::access::Access;
use crate::connection::Connection;
use crate::http::get;

/// How much the counters of the store grew, by name, and in how long.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    /// By name, with all label values added together.
    pub(super) counts: BTreeMap<String, f64>,
    /// Seconds.
    pub(super) seconds: f64,
}

impl Counters {
    /// Adds those of another stretch of time.
    pub(super) fn append(&mut self, other: &Self) {
        for (name, count) in &other.counts {
            *self.counts.entry(name.clone()).or_default() += count;
        }
        self.seconds += other.seconds;
    }

    /// How often a second, by name.
    pub(super) fn rates(&self) -> BTreeMap<String, f64> {
        let rate = |(name, count): (&String, &f64)| (name.clone(), count / self.seconds);
        self.counts.iter().map(rate).collect()
    }
}

/// Reads the counters before and after some work.
pub(super) fn around<T>(
    at: &Access,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<(T, Counters)> {
    let before = read(at)?;
    let begun = Instant::now();
    let result = work()?;
    let after = read(at)?;
    let seconds = begun.elapsed().as_secs_f64();
    let growth = |(name, count): (String, f64)| {
        let before = before.get(&name).copied().unwrap_or_default();
        (name, count - before)
    };
    let counts = after.into_iter().map(growth).collect();
    Ok((result, Counters { counts, seconds }))
}

fn read(at: &Access) -> anyhow::Result<BTreeMap<String, f64>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting a runtime")?;
    let request = get(&at.target.to_string(), PATH, &at.token);
    runtime.block_on(async {
        let mut connection = Connection::open(at.target).await?;
        let head = connection.exchange(&request).await?;
        let body = String::from_utf8_lossy(connection.body(&head));
        ensure!(
            head.status == 200,
            "the service's metrics were answered with status {}: {body}",
            head.status
        );
        Ok(of_the_store(&body))
    })
}

/// The samples whose names say that they count calls of the store.
fn of_the_store(text: &str) -> BTreeMap<String, f64> {
    let mut counts = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let value = line.rsplit(' ').next();
        let value: Option<f64> = value.and_then(|text| text.parse().ok());
        let counts_calls = name.starts_with("sealring_store_") && name.ends_with("_total");
        if let (true, Some(value)) = (counts_calls || name == RING_LOADS, value) {
            *counts.entry(name.to_owned()).or_default() += value;
        }
    }
    counts
}

const PATH: &str = "/v1/sys/metrics?format=prometheus";
/// A ring that was not in the cache costs a read of the store.
const RING_LOADS: &str = "sealring_ring_cache_loads_total";
/// The reads of tokens from the store, in all outcomes.
pub(super) const TOKEN_READS: &str = "sealring_store_token_reads_total";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_the_store_are_added_over_their_labels() {
        let text = "# HELP sealring_store_polls_total How often {the} store was asked.\n\
                    # TYPE sealring_store_polls_total counter\n\
                    sealring_store_polls_total{outcome=\"done\"} 12\n\
                    sealring_store_polls_total{outcome=\"failed\"} 3\n\
                    sealring_store_token_reads_total 4\n\
                    sealring_store_call_seconds_count 7\n\
                    sealring_ring_cache_loads_total{outcome=\"done\"} 1\n\
                    sealring_transit_operations_total{operation=\"encrypt\",outcome=\"done\"} 9\n";
        let counts = of_the_store(text);
        let expected = [
            (RING_LOADS, 1.0),
            ("sealring_store_polls_total", 15.0),
            (TOKEN_READS, 4.0),
        ];
        let expected = expected.map(|(name, count)| (name.to_owned(), count));
        assert_eq!(counts, BTreeMap::from(expected));
    }

    #[test]
    fn rates_are_of_all_stretches_together() {
        let stretch = |count, seconds| Counters {
            counts: BTreeMap::from([("sealring_store_polls_total".to_owned(), count)]),
            seconds,
        };
        let mut total = Counters::default();
        total.append(&stretch(10.0, 1.0));
        total.append(&stretch(20.0, 2.0));
        let rates = total.rates();
        assert!((rates["sealring_store_polls_total"] - 10.0).abs() < 1e-9);
    }
}
