//! What the engine reports while it works, so that the service can count it. Calls are plain and must not block.

use std::fmt;
use std::time::Duration;

use crate::fair_queue::QueueError;
use crate::history::{Action, Cause};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did what it was asked.
    Done,
    /// It did not.
    Failed,
}

/// What the KEK was asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KekVerb {
    /// Wrap a DEK.
    Wrap,
    /// Unwrap a DEK.
    Unwrap,
}

/// Receives the engine's reports.
pub trait Observer: Send + Sync + fmt::Debug {
    /// A ring that was not in the cache was read from the store.
    fn ring_loaded(&self, outcome: Outcome, took: Duration);

    /// The KEK was called.
    fn kek_called(&self, verb: KekVerb, outcome: Outcome, took: Duration);

    /// A ring was changed.
    fn ring_changed(&self, action: Action, cause: Cause);

    /// The store was asked what changed.
    fn store_polled(&self, outcome: Outcome);

    /// This many rings are overdue for rotation by more than a second.
    fn rotations_overdue(&self, rings: u64);

    /// A request for an RSA key was refused, as too many wait for one.
    fn key_search_refused(&self, error: QueueError);

    /// The cache holds this many rings of this many bytes.
    fn cache_size(&self, rings: u64, bytes: u64);
}

/// Receives the reports and forgets them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn ring_loaded(&self, _: Outcome, _: Duration) {}
    fn kek_called(&self, _: KekVerb, _: Outcome, _: Duration) {}
    fn ring_changed(&self, _: Action, _: Cause) {}
    fn store_polled(&self, _: Outcome) {}
    fn rotations_overdue(&self, _: u64) {}
    fn key_search_refused(&self, _: QueueError) {}
    fn cache_size(&self, _: u64, _: u64) {}
}
