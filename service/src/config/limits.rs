//! `[limits]`: how much work this node takes on at once.

use keyring::transit::Settings;

use super::section::{Placed, Section};
use super::value::Size;

/// The bounds of admitted work. Beyond them the answer is 413 or 503.
#[derive(Debug)]
pub struct Limits {
    /// The longest request body.
    pub max_body_bytes: usize,
    /// How many requests are worked on at a time.
    pub max_in_flight_requests: usize,
    /// How many bytes their bodies may have together.
    pub max_in_flight_bytes: usize,
    /// Threads for large jobs; 0 means one per core.
    pub worker_threads: usize,
    /// How many large jobs may wait.
    pub worker_queue: usize,
}

impl Limits {
    /// Reads the section.
    pub fn read(section: &mut Section<'_>) -> Self {
        let default = Settings::default();
        let max_body = section.within("max_body_bytes", MAX_BODY, Size(1 << 10)..=MAX_BODY);
        Self {
            max_body_bytes: bytes(max_body),
            max_in_flight_requests: section.within("max_in_flight_requests", 4096, 1..=1_000_000),
            max_in_flight_bytes: bytes(in_flight_bytes(section, max_body)),
            worker_threads: section.within("worker_threads", default.worker_threads, 0..=1024),
            worker_queue: section.within("worker_queue", default.worker_queue, 1..=1_000_000),
        }
    }
}

fn in_flight_bytes(section: &mut Section<'_>, max_body: Size) -> Size {
    let Some(Placed { value, place }) = section.placed::<Size>("max_in_flight_bytes") else {
        return DEFAULT_IN_FLIGHT;
    };
    if value < max_body {
        section.add_at(
            place,
            "is below limits.max_body_bytes: the longest body would never be admitted",
        );
    }
    value
}

fn bytes(size: Size) -> usize {
    usize::try_from(size.0).unwrap_or(usize::MAX)
}

/// The protocol's published limit; it can be lowered, not raised.
const MAX_BODY: Size = Size(32 << 20);

/// Eight of the longest bodies.
const DEFAULT_IN_FLIGHT: Size = Size(256 << 20);
