//! Describes rings, always as the store has them.

use super::Lifecycle;
use crate::error::Error;
use crate::ring::StoredRing;
use crate::store::{LoadedRing, VersionSummary};
use crate::transit::{Address, Description};

impl Lifecycle {
    pub(crate) async fn describe(&self, at: &Address) -> Result<Description, Error> {
        let loaded = self.read(at).await?;
        self.described(at, loaded).await
    }

    /// Describes a ring after a change. If that fails the change has still been made, or may have been; except that
    /// somebody may have deleted the ring since, and nothing of the change is left.
    pub(crate) async fn describe_change(&self, at: &Address) -> Result<Description, Error> {
        self.describe(at).await.map_err(|error| {
            if matches!(error, Error::NotFound) {
                return error;
            }
            tracing::warn!(key = %at.name, %error, "a changed ring could not be read back");
            Error::OutcomeUnknown
        })
    }

    pub(super) async fn described(
        &self,
        at: &Address,
        loaded: LoadedRing,
    ) -> Result<Description, Error> {
        self.keys.check_ring(at, &loaded.ring)?;
        self.latest(&loaded)?;
        let ring = loaded.ring;
        let from = ring.policy.min_decryption;
        let (mut versions, usage) = tokio::try_join!(self.shown(&ring), async {
            Ok(self.store.usage(ring.id, from).await?)
        })?;
        // The ring was read before: it may have been rotated in between.
        versions.retain(|version| version.version <= ring.latest);
        Ok(Description {
            ring,
            versions,
            usage,
        })
    }

    /// The versions that decrypt. Public keys are believed, encrypted for and verified with elsewhere, so that their rows are
    /// checked first; other rows show nothing but when they were made.
    async fn shown(&self, ring: &StoredRing) -> Result<Vec<VersionSummary>, Error> {
        let from = ring.policy.min_decryption;
        if ring.key_type.pair().is_none() {
            return Ok(self.store.versions(ring.id, from).await?);
        }
        let rows = self.store.version_rows(ring.id, from).await?;
        for row in &rows {
            self.keys.check_version(ring, row)?;
        }
        Ok(rows.into_iter().map(VersionSummary::from).collect())
    }
}
