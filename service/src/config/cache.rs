//! `[cache]`: how many opened rings stay in memory.

use std::time::Duration;

use keyring::transit::Settings;

use super::section::Section;
use super::value::Size;

/// The bounds of the ring cache.
#[derive(Debug)]
pub struct Cache {
    /// How many rings it holds at most.
    pub max_rings: u64,
    /// How many bytes they may take, as the engine estimates them.
    pub max_bytes: u64,
    /// A ring that nobody used for this long leaves.
    pub idle: Duration,
}

impl Cache {
    /// Reads the section.
    pub fn read(section: &mut Section<'_>) -> Self {
        let default = Settings::default();
        let Size(max_bytes) = section.within(
            "max_bytes",
            Size(default.cache_bytes),
            Size(1 << 20)..=Size(1 << 40),
        );
        Self {
            max_rings: section.within("max_rings", default.cache_rings, 1..=1_000_000_000),
            max_bytes,
            idle: section.within(
                "idle",
                default.cache_idle,
                Duration::from_secs(1)..=Duration::from_hours(720),
            ),
        }
    }
}
