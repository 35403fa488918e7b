//! Every metric: its name, its labels, its help. No label has a value that a caller could choose.
//!
//! Whatever a request touches is resolved when the process starts, so that counting is an addition.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use keyring::fair_queue::QueueError;
use keyring::history::{Action, Cause};
use keyring::observer::{KekVerb, Observer, Outcome};
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

use admitted::Admitted;
use audit::AuditMetrics;
use bounds::BoundMetrics;
use poll_age::PollAge;
use timings::{Timings, TimingsVec};
use tls::TlsMetrics;

use crate::admission::Admission;
use crate::audit::{AuditObserver, SinkState};
use crate::bounds::Bound;
use crate::http::{Answered, Operation, RequestObserver};
use crate::identity::observer::IdentityObserver;
use crate::tls::TlsObserver;

mod admitted;
mod audit;
mod bounds;
mod poll_age;
mod timings;
mod tls;

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    audit: AuditMetrics,
    bounds: BoundMetrics,
    engine: EngineMetrics,
    requests: RequestMetrics,
    tls: TlsMetrics,
    token_reads: IntCounter,
}

impl Metrics {
    /// All metrics at zero; what is admitted is read off there.
    pub fn new(admission: Admission) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let audit = AuditMetrics::register(&registry)?;
        let bounds = BoundMetrics::register(&registry)?;
        let engine = EngineMetrics::register(&registry)?;
        let requests = RequestMetrics::register(&registry)?;
        let tls = TlsMetrics::register(&registry)?;
        registry.register(Box::new(Admitted::new(admission)?))?;
        registry.register(Box::new(ProcessCollector::for_self()))?;
        build_info(&registry)?.set(1);
        let token_reads = IntCounter::new(
            "sealring_store_token_reads_total",
            "How often the store was asked for a token.",
        )?;
        let token_reads = added(&registry, token_reads)?;
        Ok(Self {
            registry,
            audit,
            bounds,
            engine,
            requests,
            tls,
            token_reads,
        })
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl RequestObserver for Metrics {
    fn answered(&self, answered: Answered) {
        let requests = self.requests.of_operation(answered.operation);
        let outcome = match answered.status {
            0..400 => &requests.done,
            400..500 => &requests.refused,
            500.. => &requests.failed,
        };
        outcome.inc();
        requests.seconds.observe(answered.took);
        if answered.items > 0 {
            let items = u64::try_from(answered.items).unwrap_or(u64::MAX);
            requests.items.inc_by(items);
        }
    }

    fn refused(&self, bound: Bound, error: QueueError) {
        self.bounds.refused(bound, error);
    }

    fn rsa_searches(&self, inside: usize) {
        self.bounds.rsa_searches(inside);
    }

    fn prometheus_text(&self) -> String {
        let families = self.registry.gather();
        match TextEncoder::new().encode_to_string(&families) {
            Ok(text) => text,
            Err(error) => {
                tracing::error!(%error, "the metrics cannot be written");
                String::new()
            }
        }
    }
}

/// What the HTTP front reports, by operation.
struct RequestMetrics {
    by_operation: Vec<OperationMetrics>,
    nowhere: OperationMetrics,
}

/// One operation's counts.
struct OperationMetrics {
    done: IntCounter,
    failed: IntCounter,
    items: IntCounter,
    refused: IntCounter,
    seconds: Arc<Timings>,
}

impl RequestMetrics {
    fn register(registry: &Registry) -> prometheus::Result<Self> {
        let answers = counters(
            registry,
            "sealring_transit_operations_total",
            "Requests answered: done, refused (4xx) or failed (5xx).",
            &["operation", "outcome"],
        )?;
        let items = counters(
            registry,
            "sealring_transit_items_total",
            "Items worked on in answered requests.",
            &["operation"],
        )?;
        let words = || Operation::ALL.iter().map(|operation| operation.word());
        let seconds = added(
            registry,
            TimingsVec::new(
                "sealring_transit_operation_seconds",
                "From a request's head to its answer.",
                "operation",
                words().chain([NOWHERE]),
            )?,
        )?;
        let of = |word: &str| OperationMetrics {
            done: answers.with_label_values(&[word, DONE]),
            failed: answers.with_label_values(&[word, FAILED]),
            items: items.with_label_values(&[word]),
            refused: answers.with_label_values(&[word, REFUSED]),
            seconds: seconds.child(word),
        };
        Ok(Self {
            by_operation: words().map(of).collect(),
            nowhere: of(NOWHERE),
        })
    }

    fn of_operation(&self, operation: Option<Operation>) -> &OperationMetrics {
        operation
            .and_then(|operation| self.by_operation.get(operation.index()))
            .unwrap_or(&self.nowhere)
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
    poll_age: PollAge,
    store_polls: ByOutcome,
}

impl EngineMetrics {
    fn register(registry: &Registry) -> prometheus::Result<Self> {
        let kek_calls = counters(
            registry,
            "sealring_kek_calls_total",
            "Calls of the key-encryption key.",
            &["operation", "outcome"],
        )?;
        let kek_seconds = added(
            registry,
            TimingsVec::new(
                "sealring_kek_call_seconds",
                "How long calls of the key-encryption key took.",
                "operation",
                [WRAP, UNWRAP],
            )?,
        )?;
        Ok(Self {
            cache_bytes: gauge(
                registry,
                "sealring_ring_cache_bytes",
                "Bytes of opened rings in the cache, as estimated.",
            )?,
            cache_rings: gauge(
                registry,
                "sealring_ring_cache_rings",
                "Opened rings in the cache.",
            )?,
            kek_unwraps: Calls::of(UNWRAP, &kek_calls, &kek_seconds),
            kek_wraps: Calls::of(WRAP, &kek_calls, &kek_seconds),
            ring_changes: counters(
                registry,
                "sealring_ring_changes_total",
                "Changes of rings made by this node.",
                &["action", "cause"],
            )?,
            ring_loads: ByOutcome::of(&counters(
                registry,
                "sealring_ring_cache_loads_total",
                "Rings read from the store because they were not in the cache.",
                &["outcome"],
            )?),
            rings_overdue: gauge(
                registry,
                "sealring_rotation_overdue_rings",
                "Rings that should have been rotated more than a second ago.",
            )?,
            poll_age: added(registry, PollAge::new()?)?,
            store_polls: ByOutcome::of(&counters(
                registry,
                "sealring_store_polls_total",
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
        if outcome == Outcome::Done {
            self.engine.poll_age.polled();
        }
    }

    fn rotations_overdue(&self, rings: u64) {
        self.engine.rings_overdue.set(signed(rings));
    }

    fn key_search_refused(&self, error: QueueError) {
        self.bounds.refused(Bound::RsaSearch, error);
    }

    fn cache_size(&self, rings: u64, bytes: u64) {
        self.engine.cache_rings.set(signed(rings));
        self.engine.cache_bytes.set(signed(bytes));
    }
}

impl IdentityObserver for Metrics {
    fn token_read(&self) {
        self.token_reads.inc();
    }
}

impl TlsObserver for Metrics {
    fn certificate_loaded(&self, listener: &str, not_after: i64) {
        self.tls.certificate_loaded(listener, not_after);
    }

    fn reload_failed(&self, listener: &str) {
        self.tls.reload_failed(listener);
    }
}

impl AuditObserver for Metrics {
    fn group_written(&self, sink: &str, records: u64, bytes: usize) {
        self.audit.group_written(sink, records, bytes);
    }

    fn refused(&self) {
        self.audit.refused();
    }

    fn sink_changed(&self, sink: &str, state: SinkState) {
        self.audit.sink_changed(sink, state);
    }

    fn synced(&self, _sink: &str, took: Duration) {
        self.audit.synced(took);
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
    let opts = Opts::new(
        "sealring_build_info",
        "Always 1; says which version this is.",
    )
    .const_label("version", env!("CARGO_PKG_VERSION"));
    added(registry, IntGauge::with_opts(opts)?)
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
/// A request that led to no operation.
const NOWHERE: &str = "none";
const REFUSED: &str = "refused";
const FAILED: &str = "failed";
const UNWRAP: &str = "unwrap";
const WRAP: &str = "wrap";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::{Bounds, Lane, Resource, Share};

    fn metrics() -> Metrics {
        Metrics::new(Admission::new(&Bounds::default())).unwrap()
    }

    #[test]
    fn an_answer_is_counted_by_operation_and_outcome() {
        let metrics = metrics();
        for (status, items) in [(200, 3), (400, 0), (503, 0)] {
            metrics.answered(Answered {
                operation: Some(Operation::Encrypt),
                status,
                items,
                took: Duration::from_micros(30),
            });
        }
        let text = metrics.prometheus_text();
        for line in [
            "sealring_transit_operations_total{operation=\"encrypt\",outcome=\"done\"} 1\n",
            "sealring_transit_operations_total{operation=\"encrypt\",outcome=\"refused\"} 1\n",
            "sealring_transit_operations_total{operation=\"encrypt\",outcome=\"failed\"} 1\n",
            "sealring_transit_items_total{operation=\"encrypt\"} 3\n",
            "sealring_transit_operation_seconds_bucket{operation=\"encrypt\",le=\"0.00005\"} 3\n",
            "sealring_transit_operation_seconds_bucket{operation=\"encrypt\",le=\"+Inf\"} 3\n",
        ] {
            assert!(text.contains(line), "{line}");
        }
    }

    #[test]
    fn what_the_engine_reports_is_shown() {
        let metrics = metrics();
        metrics.kek_called(KekVerb::Unwrap, Outcome::Failed, Duration::from_millis(2));
        metrics.ring_loaded(Outcome::Done, Duration::ZERO);
        metrics.ring_changed(Action::Rotate, Cause::Timer);
        metrics.store_polled(Outcome::Failed);
        metrics.rotations_overdue(4);
        metrics.cache_size(5, 6);
        let text = metrics.prometheus_text();
        for line in [
            "sealring_kek_calls_total{operation=\"unwrap\",outcome=\"failed\"} 1\n",
            "sealring_kek_call_seconds_count{operation=\"unwrap\"} 1\n",
            "sealring_ring_cache_loads_total{outcome=\"done\"} 1\n",
            "sealring_ring_changes_total{action=\"rotate\",cause=\"timer\"} 1\n",
            "sealring_store_polls_total{outcome=\"failed\"} 1\n",
            "sealring_rotation_overdue_rings 4\n",
            "sealring_ring_cache_rings 5\n",
            "sealring_ring_cache_bytes 6\n",
        ] {
            assert!(text.contains(line), "{line}");
        }
    }

    #[test]
    fn only_a_poll_that_was_read_to_its_end_counts_as_the_last_one() {
        let metrics = metrics();
        let name = "\nsealring_store_seconds_since_last_poll ";
        metrics.store_polled(Outcome::Failed);
        assert!(!metrics.prometheus_text().contains(name));
        metrics.store_polled(Outcome::Done);
        let text = metrics.prometheus_text();
        let (_, age) = text.split_once(name).unwrap();
        let age: f64 = age.lines().next().unwrap().parse().unwrap();
        assert!((0.0..60.0).contains(&age), "{age}");
    }

    #[test]
    fn what_the_audit_reports_is_shown() {
        let metrics = metrics();
        metrics.group_written("file", 3, 900);
        AuditObserver::refused(&metrics);
        metrics.sink_changed("file", SinkState::Live);
        metrics.sink_changed("file", SinkState::Full);
        metrics.synced("file", Duration::from_millis(4));
        let text = metrics.prometheus_text();
        for line in [
            "sealring_audit_records_total{sink=\"file\"} 3\n",
            "sealring_audit_groups_total{sink=\"file\"} 1\n",
            "sealring_audit_bytes_total{sink=\"file\"} 900\n",
            "sealring_audit_refused_total 1\n",
            "sealring_audit_sink_state{sink=\"file\",state=\"full\"} 1\n",
            "sealring_audit_sink_state{sink=\"file\",state=\"live\"} 0\n",
            "sealring_audit_seconds_count{step=\"sync\"} 1\n",
        ] {
            assert!(text.contains(line), "{line}");
        }
    }

    #[test]
    fn what_is_in_flight_is_read_off_the_admission() {
        let admission = Admission::new(&Bounds {
            requests: 1,
            ..Bounds::default()
        });
        let metrics = Metrics::new(admission.clone()).unwrap();
        let take = || {
            let share = Share::of_nobody(Lane::General);
            admission.hold(share, Resource::Requests, 1)
        };
        let _held = take().unwrap();
        assert!(take().is_none());
        admission.gave_up_body();
        let text = metrics.prometheus_text();
        for line in [
            "sealring_http_requests_in_flight 1\n",
            "sealring_http_requests_rejected_total 1\n",
            "sealring_http_slow_total{what=\"body\"} 1\n",
            "sealring_http_admission_held{lane=\"general\",resource=\"requests\"} 1\n",
            "sealring_http_admission_refused_total{lane=\"general\",resource=\"requests\",reason=\"full\"} 1\n",
            "sealring_http_admission_refused_total{lane=\"safety\",resource=\"requests\",reason=\"full\"} 0\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
