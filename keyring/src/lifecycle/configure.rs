//! Changes settings of rings, and destroys their old versions: what needs no new key.

use super::event::{What, event};
use super::{ATTEMPTS, Lifecycle};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::history::{Action, HistoryEvent, Provenance};
use crate::policy::{PolicyChange, Versions};
use crate::ring::StoredRing;
use crate::store::{LoadedRing, RingChange, StoreError};
use crate::transit::Address;
use crate::version::Generation;

impl Lifecycle {
    pub(crate) async fn configure(
        &self,
        at: &Address,
        change: &PolicyChange,
        by: &Provenance,
    ) -> Result<(), Error> {
        self.change(at, by, |loaded, by, now| {
            let ring = &loaded.ring;
            let policy =
                ring.policy
                    .changed(change, versions(ring), self.settings.shortest_period)?;
            if policy == ring.policy {
                return Ok(None);
            }
            let differences = policy.differences(&ring.policy);
            let made_at = self.latest(loaded)?.created_at;
            let next = self.signed(ring.configured(policy, made_at, self.jitter()?));
            let span = (Some(ring.latest), Some(ring.latest));
            let what = What {
                action: Action::Configure,
                span,
                settings: &differences,
            };
            let event = event(&next, now, by, what);
            Ok(Some(unadorned(ring.generation, next, event)))
        })
        .await
    }

    pub(crate) async fn trim(
        &self,
        at: &Address,
        asked: Option<i64>,
        by: &Provenance,
    ) -> Result<(), Error> {
        self.change(at, by, |loaded, by, now| {
            let ring = &loaded.ring;
            let min_available = ring.policy.trimmed(asked, versions(ring))?;
            if Some(min_available) == ring.min_available {
                return Ok(None);
            }
            let next = self.signed(ring.trimmed(min_available));
            let span = (Some(ring.oldest()), Some(min_available));
            let what = What {
                action: Action::Trim,
                span,
                settings: &[],
            };
            let event = event(&next, now, by, what);
            let trimmed_below = Some(min_available);
            Ok(Some(RingChange {
                trimmed_below,
                ..unadorned(ring.generation, next, event)
            }))
        })
        .await
    }

    /// Makes a change that needs no new version; `plan` says what it is, or that nothing changes.
    pub(super) async fn change(
        &self,
        at: &Address,
        by: &Provenance,
        plan: impl Fn(&LoadedRing, &Provenance, Timestamp) -> Result<Option<RingChange>, Error>,
    ) -> Result<(), Error> {
        let place = self.place(at);
        let _turn = place.slot.changing.lock().await;
        for _ in 0..ATTEMPTS {
            let loaded = self.read(at).await?;
            let Some(change) = plan(&loaded, by, self.keys.clock.now())? else {
                return Ok(());
            };
            match self.commit(&place, change, by, None).await {
                Err(Error::StoreUnavailable(StoreError::Conflict)) => {}
                result => return result,
            }
        }
        Err(Error::Busy)
    }
}

/// A change of nothing but the ring's own row.
pub(super) fn unadorned(read_at: Generation, ring: StoredRing, event: HistoryEvent) -> RingChange {
    RingChange {
        read_at,
        ring,
        added: None,
        replaced: None,
        trimmed_below: None,
        event,
    }
}

const fn versions(ring: &StoredRing) -> Versions {
    Versions {
        min_available: ring.min_available,
        latest: ring.latest,
    }
}
