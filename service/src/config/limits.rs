//! `[limits]`: how much work this node takes on at once, and how slow clients may be.

use std::time::Duration;

use keyring::transit::Settings;

use super::section::{Placed, Section};
use super::value::Size;
use crate::admission::Bounds;
use crate::http::Pace;

/// The bounds of admitted work. Beyond them the answer is 408, 413 or 503.
#[derive(Debug)]
pub struct Limits {
    /// The longest request body.
    pub max_body_bytes: usize,
    /// What is held at once.
    pub admission: Bounds,
    /// How many requests from one address may be refused at once before those are recorded together.
    pub refused_burst: u64,
    /// How many of them a second are recorded one by one from then on.
    pub refused_per_second: u64,
    /// How fast bodies must come and long answers be taken.
    pub pace: Pace,
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
            admission: bounds(section, max_body),
            refused_burst: section.within("refused_burst", 200, 1..=1_000_000),
            refused_per_second: section.within("refused_rate", 100, 1..=1_000_000),
            pace: pace(section),
            worker_threads: section.within("worker_threads", default.worker_threads, 0..=1024),
            worker_queue: section.within("worker_queue", default.worker_queue, 1..=1_000_000),
        }
    }
}

fn bounds(section: &mut Section<'_>, max_body: Size) -> Bounds {
    let default = Bounds::default();
    let requests = section.within("max_in_flight_requests", default.requests, 1..=1_000_000);
    let logins = (requests / 8).max(1);
    let reserved = default.reserved_requests;
    let reserved_bytes = size(default.reserved_bytes);
    let body_bytes = bytes(in_flight_bytes(section, max_body));
    let reply_bytes = size(default.reply_bytes);
    Bounds {
        requests,
        logins: section.within("max_in_flight_logins", logins, 1..=1_000_000),
        reserved_requests: section.within("reserved_requests", reserved, 1..=1_000_000),
        body_bytes,
        reply_bytes: bytes(section.within("max_unsent_bytes", reply_bytes, BYTES)),
        reserved_bytes: bytes(section.within("reserved_bytes", reserved_bytes, BYTES)),
        share_percent: section.within("share_percent", default.share_percent, 1..=100),
    }
}

fn pace(section: &mut Section<'_>) -> Pace {
    let default = Pace::default();
    let rate = Size(default.bytes_per_second);
    let (shortest, longest) = (Duration::from_millis(100), Duration::from_hours(1));
    let Size(bytes_per_second) = section.within("min_rate", rate, Size(1)..=Size(1 << 30));
    Pace {
        bytes_per_second,
        grace: section.within("rate_grace", default.grace, shortest..=longest),
        body_deadline: section.within("body_deadline", default.body_deadline, shortest..=longest),
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

fn size(bytes: usize) -> Size {
    Size(u64::try_from(bytes).unwrap_or(u64::MAX))
}

fn bytes(size: Size) -> usize {
    usize::try_from(size.0).unwrap_or(usize::MAX)
}

/// The protocol's published limit; it can be lowered, not raised.
const MAX_BODY: Size = Size(32 << 20);

/// Eight of the longest bodies.
const DEFAULT_IN_FLIGHT: Size = Size(256 << 20);

/// How large a budget of bytes may be.
const BYTES: std::ops::RangeInclusive<Size> = Size(64 << 10)..=Size(1 << 40);
