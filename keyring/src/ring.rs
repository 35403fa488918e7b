//! A ring as it is stored: its settings, its counters, and its versions still wrapped.

use std::time::Duration;

use crate::algorithm::KeyType;
use crate::binding::{Binding, Origin};
use crate::clock::Timestamp;
use crate::ids::{KekId, MountId, RingId, StoreId};
use crate::kek::WrappedDek;
use crate::name::KeyName;
use crate::policy::{RingPolicy, RuleViolation};
use crate::version::{Generation, Version};

/// One ring's row. It cannot encrypt: that takes an opened ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRing {
    /// The ring itself.
    pub id: RingId,
    /// The mount it is on.
    pub mount: MountId,
    /// Its name there.
    pub name: KeyName,
    /// What its keys are for.
    pub key_type: KeyType,
    /// Whether every operation derives its own key from a context.
    pub derived: bool,
    /// Whether equal plaintexts under one context give equal ciphertexts.
    pub convergent: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// How often it was changed.
    pub generation: Generation,
    /// The version that encrypts.
    pub latest: Version,
    /// The oldest version that still exists; absent until the ring is trimmed for the first time.
    pub min_available: Option<Version>,
    /// Its settings.
    pub policy: RingPolicy,
    /// When the timer rotates it. Outside the row's MAC: it follows from the settings.
    pub due_at: Option<Timestamp>,
    /// MAC of all the above but `due_at`, under the store's row-MAC key.
    pub mac: [u8; 32],
}

impl StoredRing {
    /// The oldest version that exists.
    pub fn oldest(&self) -> Version {
        self.min_available.unwrap_or(Version::FIRST)
    }
}

/// One version's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredVersion {
    /// The ring it belongs to.
    pub ring: RingId,
    /// Its number.
    pub version: Version,
    /// How it came to be.
    pub origin: Origin,
    /// The KEK that wraps its DEK.
    pub kek: KekId,
    /// The DEK under that KEK.
    pub wrapped: WrappedDek,
    /// The version's material, sealed under a key derived from the DEK and the store secret.
    pub material: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// MAC of all the above, under the store's row-MAC key.
    pub mac: [u8; 32],
}

impl StoredVersion {
    /// What this version's DEK and material are tied to.
    pub fn binding(&self, store: StoreId, key_type: KeyType) -> Binding {
        Binding {
            store,
            ring: self.ring,
            version: self.version,
            key_type: key_type.number(),
            origin: self.origin,
            kek: self.kek.clone(),
        }
    }
}

/// Pure changes: what the row is after one. Each is one generation later and still to be signed.
impl StoredRing {
    /// The ring with one more version.
    pub fn rotated(&self, now: Timestamp, jitter: Jitter) -> Result<Self, RuleViolation> {
        let latest = self.latest.next().ok_or(RuleViolation::VersionsExhausted)?;
        let due_at = due_at(self.policy.auto_rotate_period, now, jitter);
        Ok(Self {
            latest,
            due_at,
            ..self.changed()
        })
    }

    /// The ring with other settings. `latest_made_at` is when its latest version was made.
    #[must_use]
    pub fn configured(
        &self,
        policy: RingPolicy,
        latest_made_at: Timestamp,
        jitter: Jitter,
    ) -> Self {
        let due_at = if policy.auto_rotate_period == self.policy.auto_rotate_period {
            self.due_at
        } else {
            due_at(policy.auto_rotate_period, latest_made_at, jitter)
        };
        Self {
            policy,
            due_at,
            ..self.changed()
        }
    }

    /// The ring without the versions below this one.
    #[must_use]
    pub fn trimmed(&self, min_available: Version) -> Self {
        Self {
            min_available: Some(min_available),
            ..self.changed()
        }
    }

    fn changed(&self) -> Self {
        Self {
            generation: self.generation.next(),
            ..self.clone()
        }
    }
}

/// How early within its window a rotation comes, as a fraction of 2^32; random, so that rings made together
/// do not rotate together.
#[derive(Clone, Copy, Debug)]
pub struct Jitter(pub u32);

/// When the version made at `since` is to be replaced: after the period, less at most 5 % and 10 minutes.
pub fn due_at(period: Option<Duration>, since: Timestamp, jitter: Jitter) -> Option<Timestamp> {
    let period = period?;
    let window = (period / 20).min(LONGEST_JITTER);
    let early = (window.as_nanos() * u128::from(jitter.0)) >> 32;
    let early = Duration::from_nanos(u64::try_from(early).unwrap_or(u64::MAX));
    Some(since.plus(period).minus(early))
}

const LONGEST_JITTER: Duration = Duration::from_mins(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_is_due_at_most_five_percent_and_ten_minutes_early() {
        let since = Timestamp::from_micros(1_000_000_000_000);
        for (period, window) in [(3600, 180), (12_000, 600), (86_400, 600), (31_536_000, 600)] {
            let on_time = since.plus(Duration::from_secs(period));
            let due =
                |jitter| due_at(Some(Duration::from_secs(period)), since, Jitter(jitter)).unwrap();
            assert_eq!(due(0), on_time);
            let earliest = due(u32::MAX);
            assert!(earliest < on_time && earliest >= on_time.minus(Duration::from_secs(window)));
        }
        assert_eq!(due_at(None, since, Jitter(7)), None);
    }
}
