//! `[coherence]`: how soon a change made elsewhere is seen, and how long this node goes on without the store.

use std::time::Duration;

use keyring::transit::Settings;

use super::section::{Placed, Section};

/// How close this node follows the store.
#[derive(Debug)]
pub struct Coherence {
    /// How often the store is asked what changed.
    pub poll_interval: Duration,
    /// How long to go on encrypting while the store is away.
    pub encrypt_coast: Duration,
    /// How long to go on decrypting while the store is away.
    pub decrypt_coast: Duration,
}

impl Coherence {
    /// Reads the section.
    pub fn read(section: &mut Section<'_>) -> Self {
        let default = Settings::default();
        let strict = section.or("strict", false);
        let encrypt_coast = coast(section, "encrypt_coast", strict, default.encrypt_coast);
        let decrypt_coast = coast(section, "decrypt_coast", strict, default.decrypt_coast);
        Self {
            // Half a second leaves the other half of the promised second to the reload.
            poll_interval: section.within(
                "poll_interval",
                default.poll_interval,
                Duration::from_millis(10)..=Duration::from_millis(500),
            ),
            encrypt_coast,
            decrypt_coast,
        }
    }
}

fn coast(section: &mut Section<'_>, key: &str, strict: bool, default: Duration) -> Duration {
    if !strict {
        return section.within(key, default, Duration::ZERO..=Duration::from_hours(24));
    }
    match section.placed::<Duration>(key) {
        Some(Placed { value, place }) if !value.is_zero() => {
            section.add_at(place, "contradicts coherence.strict, which makes it 0s");
        }
        Some(_) | None => {}
    }
    Duration::ZERO
}
