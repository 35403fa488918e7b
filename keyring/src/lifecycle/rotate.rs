//! Adds versions to rings.

use super::configure::unadorned;
use super::event::{What, event};
use super::{ATTEMPTS, Lifecycle, Place};
use crate::algorithm::PairType;
use crate::error::Error;
use crate::history::{Action, Provenance};
use crate::key_search::{FoundPair, searched};
use crate::policy::RuleViolation;
use crate::ring::StoredRing;
use crate::store::{LoadedRing, RingChange, StoreError};
use crate::transit::Address;
use crate::version::{Generation, Version};

/// Which rotation is meant.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RotateIf {
    /// One more version, whatever the latest is.
    Always,
    /// Only if this version is the latest.
    Version(i64),
    /// Only if the ring is still at this generation.
    Generation(Generation),
}

impl Lifecycle {
    /// Adds a version; retries if somebody else changed the ring meanwhile, unless that is what was asked about.
    /// The latest version before and after; `None`: the ring was no longer at the generation asked for.
    pub(crate) async fn rotate(
        &self,
        at: &Address,
        (which, found): (RotateIf, Option<&FoundPair>),
        by: &Provenance,
    ) -> Result<Option<(Version, Version)>, Error> {
        let place = self.place(at);
        let _turn = place.slot.changing.lock().await;
        for _ in 0..ATTEMPTS {
            let loaded = self.read(at).await?;
            may_rotate(&loaded.ring)?;
            match which {
                RotateIf::Always => {}
                RotateIf::Version(asked) if asked == i64::from(loaded.ring.latest.number()) => {}
                RotateIf::Version(_) => {
                    return Err(RuleViolation::IfVersion {
                        latest: loaded.ring.latest,
                    }
                    .into());
                }
                RotateIf::Generation(asked) if asked == loaded.ring.generation => {}
                RotateIf::Generation(_) => return Ok(None),
            }
            match self.rotate_from(&place, &loaded, found, by).await {
                Err(Error::StoreUnavailable(StoreError::Conflict)) => {}
                result => return result.map(Some),
            }
        }
        Err(Error::Busy)
    }

    /// The pair that [`rotate`](Self::rotate) will need a search for. Where it will refuse, none.
    pub(crate) async fn pair_wanted_by_rotation(
        &self,
        at: &Address,
        if_version: Option<i64>,
    ) -> Result<Option<PairType>, Error> {
        let ring = match self.read(at).await {
            Ok(loaded) => loaded.ring,
            Err(Error::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        };
        let latest = i64::from(ring.latest.number());
        let is_meant = if_version.is_none_or(|asked| asked == latest);
        let is_allowed = is_meant && may_rotate(&ring).is_ok();
        Ok(searched(ring.key_type).filter(|_| is_allowed))
    }

    async fn rotate_from(
        &self,
        place: &Place<'_>,
        loaded: &LoadedRing,
        found: Option<&FoundPair>,
        by: &Provenance,
    ) -> Result<(Version, Version), Error> {
        let ring = &loaded.ring;
        let latest = self.latest(loaded)?;
        // The seal id belongs to the ring and is kept with every version's material.
        let seal_id = self.keys.open_version(ring, latest).await?.seal_id;
        let now = self.keys.clock.now();
        let next = self.signed(ring.rotated(now, self.jitter()?)?);
        let (version, material) = self
            .keys
            .make_version(&next, (next.latest, found), seal_id, now)
            .await?;
        let what = What {
            action: Action::Rotate,
            span: (Some(ring.latest), Some(next.latest)),
            settings: &[],
        };
        let event = event(&next, now, by, what);
        let span = (ring.latest, next.latest);
        let change = RingChange {
            added: Some(version),
            ..unadorned(ring.generation, next, event)
        };
        self.commit(place, change, by, Some(material)).await?;
        Ok(span)
    }
}

/// A ring that is set aside, or whose owner brought its keys and wants no others, is not rotated.
fn may_rotate(ring: &StoredRing) -> Result<(), RuleViolation> {
    if ring.soft_deleted {
        return Err(RuleViolation::SoftDeleted);
    }
    if ring.journey.imported && !ring.journey.allow_rotation {
        return Err(RuleViolation::ImportedNotRotated(ring.name.clone()));
    }
    Ok(())
}
