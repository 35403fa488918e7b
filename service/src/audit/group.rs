//! A group: records that are chained, written and answered together.

use std::sync::Arc;

use super::line::OpenIntent;
use super::wave::Wave;

/// How far a chain has come at the end of some group.
#[derive(Clone, Debug)]
pub(super) struct Position {
    /// The number of the last record.
    pub(super) records: u64,
    /// The chain's hash.
    pub(super) hash: [u8; 32],
    /// Changes announced up to here without an outcome.
    pub(super) open: Arc<[OpenIntent]>,
}

/// Lines that every sink writes alike, from one position to the next.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) bytes: Vec<u8>,
    pub(super) before: Position,
    pub(super) after: Position,
    pub(super) waves: Vec<Arc<Wave>>,
}

impl Group {
    /// Whether somebody waits for the sync.
    pub(super) fn wants_sync(&self) -> bool {
        self.waves.iter().any(|wave| wave.wants_sync())
    }
}
