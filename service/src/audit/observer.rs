//! What a log reports of itself, for counting.

use std::fmt;
use std::time::Duration;

use super::port::SinkState;

/// Is told what a log does. Calls are plain and must not block.
pub trait AuditObserver: Send + Sync + fmt::Debug {
    /// A sink wrote a group.
    fn group_written(&self, sink: &str, records: u64, bytes: usize);

    /// A request was turned away because no sink would have recorded it.
    fn refused(&self);

    /// A sink is in another state than before.
    fn sink_changed(&self, sink: &str, state: SinkState);

    /// A sink made records durable.
    fn synced(&self, sink: &str, took: Duration);
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl AuditObserver for Unobserved {
    fn group_written(&self, _sink: &str, _records: u64, _bytes: usize) {}

    fn refused(&self) {}

    fn sink_changed(&self, _sink: &str, _state: SinkState) {}

    fn synced(&self, _sink: &str, _took: Duration) {}
}
