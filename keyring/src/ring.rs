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
    /// How keys for contexts are derived.
    pub kdf: Kdf,
    /// How long each version's key is, in bytes, where that is the ring's own choice: for the type `hmac`.
    pub key_size: Option<u32>,
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
    /// Whether it is set aside: it keeps everything and serves nothing.
    pub soft_deleted: bool,
    /// Where its keys came from and went to.
    pub journey: Journey,
    /// When the timer rotates it. Outside the row's MAC: it follows from the settings.
    pub due_at: Option<Timestamp>,
    /// MAC of all the above but `due_at`, under the store's row-MAC key.
    pub mac: [u8; 32],
}

impl StoredRing {
    /// Whether a version may be added by a rotation: not while the ring is set aside, and not if its owner brought its
    /// keys and wants no others beside them.
    pub const fn may_rotate(&self) -> bool {
        !self.soft_deleted && (!self.journey.imported || self.journey.allow_rotation)
    }

    /// The oldest version that exists.
    pub fn oldest(&self) -> Version {
        self.min_available.unwrap_or(Version::FIRST)
    }
}

/// How a ring derives keys for contexts. The numbers are Vault's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kdf {
    /// HMAC-SHA256 in counter mode: very old rings of Vault's, and those it imported.
    Counter,
    /// HKDF-SHA256 (RFC 5869).
    Hkdf,
}

impl Kdf {
    /// The number in stored rows and backups.
    pub const fn number(self) -> u32 {
        match self {
            Self::Counter => 0,
            Self::Hkdf => 1,
        }
    }

    /// The function with this stored number.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Counter),
            1 => Some(Self::Hkdf),
            _ => None,
        }
    }
}

/// Where a ring's keys came from and went to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journey {
    /// Whether the latest version was brought by a caller.
    pub imported: bool,
    /// Whether such a ring may be rotated here.
    pub allow_rotation: bool,
    /// The last backup that was made of it.
    pub backed_up: Option<Moment>,
    /// The backup it was made from: when.
    pub restored: Option<Moment>,
}

/// When something happened, and what the latest version was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// The latest version then.
    pub version: Version,
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
    /// The public half of a key pair, a DER `SubjectPublicKeyInfo` (RFC 5280); absent for other types.
    pub public_key: Option<Vec<u8>>,
    /// The certificates of the public half, leaf first, in PEM (RFC 7468).
    pub certificate_chain: Option<String>,
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
        let changed = self.changed();
        Ok(Self {
            latest,
            due_at,
            journey: Journey {
                imported: false,
                ..changed.journey
            },
            ..changed
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
        let due_at = if !self.may_rotate() {
            None
        } else if policy.auto_rotate_period == self.policy.auto_rotate_period {
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

    /// The ring set aside, where no timer rotates it.
    #[must_use]
    pub fn set_aside(&self) -> Self {
        Self {
            soft_deleted: true,
            due_at: None,
            ..self.changed()
        }
    }

    /// The ring brought back. `latest_made_at` is when its latest version was made.
    #[must_use]
    pub fn brought_back(&self, latest_made_at: Timestamp, jitter: Jitter) -> Self {
        let mut next = Self {
            soft_deleted: false,
            ..self.changed()
        };
        if next.may_rotate() {
            next.due_at = due_at(self.policy.auto_rotate_period, latest_made_at, jitter);
        }
        next
    }

    /// The ring with another journey.
    #[must_use]
    pub fn travelled(&self, journey: Journey) -> Self {
        Self {
            journey,
            ..self.changed()
        }
    }

    /// The same ring, of which something other than its own row changed.
    #[must_use]
    pub fn changed(&self) -> Self {
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
