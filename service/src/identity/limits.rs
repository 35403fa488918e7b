//! How much of what callers may do is remembered or looked for.

use std::num::NonZeroU32;
use std::time::Duration;

/// Bounds of identity on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many names a second the store is asked about of which nothing is known, for each auth mount.
    pub look_ups: NonZeroU32,
    /// How many of them for one client address.
    pub look_ups_of_address: NonZeroU32,
    /// How many wrapped responses are kept for one caller.
    pub wraps: u64,
    /// How many bytes they may have together.
    pub wrap_bytes: u64,
    /// How long what a caller sends to be wrapped is kept at most.
    pub wrap_ttl: Duration,
    /// How many bytes it may have.
    pub wrap_body_bytes: usize,
    /// How many tokens that have not ended one token may have made.
    pub child_tokens: u64,
    /// How many secret ids that have not ended one role may have.
    pub secret_ids: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            look_ups: NonZeroU32::new(20).expect("not zero"),
            look_ups_of_address: NonZeroU32::new(5).expect("not zero"),
            wraps: 1000,
            wrap_bytes: 16 << 20,
            wrap_ttl: Duration::from_hours(24),
            wrap_body_bytes: 64 << 10,
            child_tokens: 10_000,
            secret_ids: 10_000,
        }
    }
}
