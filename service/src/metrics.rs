//! Every metric: its name, its labels, its help. No label has a value that a caller could choose.
//!
//! Whatever a request touches is resolved when the process starts, so that counting is an addition.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use keyring::history::{Action, Cause};
use keyring::observer::{KekVerb, Observer, Outcome};
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

use timings::{Timings, TimingsVec};

mod timings;

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    engine: EngineMetrics,
}

impl Metrics {
    /// All metrics at zero.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let engine = EngineMetrics::register(&registry)?;
        registry.register(Box::new(ProcessCollector::for_self()))?;
        build_info(&registry)?.set(1);
        Ok(Self { registry, engine })
    }

    /// The metrics in Prometheus's text format.
    pub fn render(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// What the engine reports.
struct EngineMetrics {
    cache_bytes: IntGauge,
    cache_rings: IntGauge,
    kek_unwraps: Calls,
    kek_wraps: Calls,
    ring_changes: IntCounterVec,
    ring_loads: ByOutcome,
    rings_overdue: IntGauge,
    store_polls: ByOutcome,
}

impl EngineMetrics {
    fn register(registry: &Registry) -> prometheus::Result<Self> {
        let kek_calls = counters(
            registry,
            "kek_calls_total",
            "Calls of the key-encryption key.",
            &["operation", "outcome"],
        )?;
        let kek_seconds = added(
            registry,
            TimingsVec::new(
                "kek_call_seconds",
                "How long calls of the key-encryption key took.",
                "operation",
                [WRAP, UNWRAP],
            )?,
        )?;
        Ok(Self {
            cache_bytes: gauge(
                registry,
                "ring_cache_bytes",
                "Bytes of opened rings in the cache, as estimated.",
            )?,
            cache_rings: gauge(registry, "ring_cache_rings", "Opened rings in the cache.")?,
            kek_unwraps: Calls::of(UNWRAP, &kek_calls, &kek_seconds),
            kek_wraps: Calls::of(WRAP, &kek_calls, &kek_seconds),
            ring_changes: counters(
                registry,
                "ring_changes_total",
                "Changes of rings made by this node.",
                &["action", "cause"],
            )?,
            ring_loads: ByOutcome::of(&counters(
                registry,
                "ring_cache_loads_total",
                "Rings read from the store because they were not in the cache.",
                &["outcome"],
            )?),
            rings_overdue: gauge(
                registry,
                "rotation_overdue_rings",
                "Rings that should have been rotated more than a second ago.",
            )?,
            store_polls: ByOutcome::of(&counters(
                registry,
                "store_polls_total",
                "How often the store was asked what changed.",
                &["outcome"],
            )?),
        })
    }
}

impl Observer for Metrics {
    fn ring_loaded(&self, outcome: Outcome, _took: Duration) {
        self.engine.ring_loads.of_outcome(outcome).inc();
    }

    fn kek_called(&self, verb: KekVerb, outcome: Outcome, took: Duration) {
        let calls = match verb {
            KekVerb::Wrap => &self.engine.kek_wraps,
            KekVerb::Unwrap => &self.engine.kek_unwraps,
        };
        calls.counts.of_outcome(outcome).inc();
        calls.seconds.observe(took);
    }

    fn ring_changed(&self, action: Action, cause: Cause) {
        let labels = [action.word(), cause.word()];
        self.engine.ring_changes.with_label_values(&labels).inc();
    }

    fn store_polled(&self, outcome: Outcome) {
        self.engine.store_polls.of_outcome(outcome).inc();
    }

    fn rotations_overdue(&self, rings: u64) {
        self.engine.rings_overdue.set(signed(rings));
    }

    fn cache_size(&self, rings: u64, bytes: u64) {
        self.engine.cache_rings.set(signed(rings));
        self.engine.cache_bytes.set(signed(bytes));
    }
}

/// A counter for each outcome of one thing.
struct ByOutcome {
    done: IntCounter,
    failed: IntCounter,
}

impl ByOutcome {
    fn of(counters: &IntCounterVec) -> Self {
        Self {
            done: counters.with_label_values(&[DONE]),
            failed: counters.with_label_values(&[FAILED]),
        }
    }

    fn of_operation(operation: &str, counters: &IntCounterVec) -> Self {
        Self {
            done: counters.with_label_values(&[operation, DONE]),
            failed: counters.with_label_values(&[operation, FAILED]),
        }
    }

    fn of_outcome(&self, outcome: Outcome) -> &IntCounter {
        match outcome {
            Outcome::Done => &self.done,
            Outcome::Failed => &self.failed,
        }
    }
}

/// How often something was called and how long that took.
struct Calls {
    counts: ByOutcome,
    seconds: Arc<Timings>,
}

impl Calls {
    fn of(operation: &'static str, counters: &IntCounterVec, seconds: &TimingsVec) -> Self {
        Self {
            counts: ByOutcome::of_operation(operation, counters),
            seconds: seconds.child(operation),
        }
    }
}

fn build_info(registry: &Registry) -> prometheus::Result<IntGauge> {
    let opts = Opts::new("build_info", "Always 1; says which version this is.")
        .const_label("version", env!("CARGO_PKG_VERSION"));
    added(registry, IntGauge::with_opts(opts)?)
}

fn counter(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntCounter> {
    added(registry, IntCounter::new(name, help)?)
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntCounterVec> {
    added(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntGauge> {
    added(registry, IntGauge::new(name, help)?)
}

fn added<T: Collector + Clone + 'static>(registry: &Registry, metric: T) -> prometheus::Result<T> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

const DONE: &str = "done";
const FAILED: &str = "failed";
const UNWRAP: &str = "unwrap";
const WRAP: &str = "wrap";
