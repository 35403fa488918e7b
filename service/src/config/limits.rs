//! `[limits]`: how much work this node takes on at once, and how slow clients may be.

use std::num::NonZeroU32;
use std::time::Duration;

use keyring::transit::Settings;

use super::section::{Placed, Section};
use super::value::Size;
use crate::admission::Bounds;
use crate::http::Pace;
use crate::identity::limits::Limits as IdentityLimits;
use crate::identity::wrapping::Wrapping;

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
    /// How much of what callers may do is remembered or looked for.
    pub identity: IdentityLimits,
    /// Threads for large jobs; 0 means one per core.
    pub worker_threads: usize,
    /// How many RSA keys are searched for at a time.
    pub rsa_searches: usize,
    /// How many requests may wait for one.
    pub rsa_queue: usize,
    /// How many of them may be one caller's.
    pub rsa_share: usize,
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
            refused_burst: section.within("refused_burst", 2_000, 1..=1_000_000),
            refused_per_second: section.within("refused_rate", 100, 1..=1_000_000),
            pace: pace(section),
            identity: identity(section),
            rsa_searches: section.within("rsa_searches", default.key_searches, 1..=1024),
            rsa_queue: section.within("rsa_queue", default.key_search_queue, 1..=1_000_000),
            rsa_share: section.within("rsa_share", default.key_search_share, 1..=1_000_000),
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

fn identity(section: &mut Section<'_>) -> IdentityLimits {
    let default = IdentityLimits::default();
    IdentityLimits {
        look_ups: rate(section, "look_ups", default.look_ups),
        look_ups_of_address: rate(section, "look_ups_of_address", default.look_ups_of_address),
        wraps: count(section, "wraps_per_caller", default.wraps),
        wrap_bytes: size_within(section, "wrap_bytes_per_caller", default.wrap_bytes),
        wrap_ttl: section.within(
            "wrap_max_ttl",
            default.wrap_ttl,
            Duration::from_secs(1)..=Wrapping::MAX_TTL,
        ),
        wrap_body_bytes: bytes(section.within(
            "wrap_max_bytes",
            size(default.wrap_body_bytes),
            Size(1)..=size(Wrapping::MAX_RESPONSE_LEN),
        )),
        child_tokens: count(section, "tokens_per_token", default.child_tokens),
        secret_ids: count(section, "secret_ids_per_role", default.secret_ids),
    }
}

fn count(section: &mut Section<'_>, key: &str, default: u64) -> u64 {
    section.within(key, default, 1..=1_000_000_000)
}

fn size_within(section: &mut Section<'_>, key: &str, default: u64) -> u64 {
    section
        .within(key, Size(default), Size(1)..=Size(1 << 40))
        .0
}

/// So many a second, at least one.
fn rate(section: &mut Section<'_>, key: &str, default: NonZeroU32) -> NonZeroU32 {
    let asked = section.within(key, default.get(), 1..=1_000_000);
    NonZeroU32::new(asked).unwrap_or(default)
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
