//! Creates rings.

use super::Lifecycle;
use super::event::{What, event};
use crate::algorithm::KeyType;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::history::{Action, Provenance};
use crate::ids::{RingId, SealId};
use crate::policy::{RingPolicy, RuleViolation, checked_period};
use crate::ring::{StoredRing, due_at};
use crate::store::{LoadedRing, StoreError, With};
use crate::transit::{Address, Description, NewRing};
use crate::version::{Generation, Version};

impl Lifecycle {
    pub(crate) async fn create(
        &self,
        at: &Address,
        new: &NewRing,
        key_type: KeyType,
        by: &Provenance,
    ) -> Result<Description, Error> {
        if new.convergent && !new.derived {
            return Err(RuleViolation::ConvergentNeedsDerived.into());
        }
        checked_period(new.auto_rotate_period, self.settings.shortest_period)?;
        if let Some(existing) = self
            .store
            .load_ring(at.mount, &at.name, With::Latest)
            .await?
        {
            return self.described(at, existing).await;
        }
        let place = self.place(at);
        let now = self.keys.clock.now();
        let ring = self.new_ring(at, new, key_type, now)?;
        let seal_id = SealId::generate(self.entropy())?;
        let (version, material) = self
            .keys
            .make_version(&ring, Version::FIRST, seal_id, now)
            .await?;
        let what = What {
            action: Action::Create,
            span: (None, Some(ring.latest)),
            settings: &[],
        };
        let event = event(&ring, now, by, what);
        let began = self.keys.clock.uptime();
        match self.store.create_ring(&ring, &version, &event).await {
            Ok(()) => {}
            // Somebody else created it meanwhile: theirs stands.
            Err(StoreError::Exists) => return self.describe(at).await,
            Err(StoreError::OutcomeUnknown) => {
                // Not there yet does not mean that it will not be.
                return self.describe(at).await.map_err(|_| Error::OutcomeUnknown);
            }
            Err(error) => return Err(error.into()),
        }
        self.done(Action::Create, by.cause);
        let opened = Some((Version::FIRST, material));
        self.publish(&place, &ring, began, opened);
        self.described(
            at,
            LoadedRing {
                ring,
                version: Some(version),
            },
        )
        .await
    }

    fn new_ring(
        &self,
        at: &Address,
        new: &NewRing,
        key_type: KeyType,
        now: Timestamp,
    ) -> Result<StoredRing, Error> {
        let period = checked_period(new.auto_rotate_period, self.settings.shortest_period)?;
        let ring = StoredRing {
            id: RingId::generate(self.entropy())?,
            mount: at.mount,
            name: at.name.clone(),
            key_type,
            derived: new.derived,
            convergent: new.convergent,
            created_at: now,
            generation: Generation::FIRST,
            latest: Version::FIRST,
            min_available: None,
            policy: RingPolicy {
                min_decryption: Version::FIRST,
                min_encryption: None,
                deletion_allowed: false,
                exportable: new.exportable,
                allow_plaintext_backup: new.allow_plaintext_backup,
                auto_rotate_period: period,
            },
            due_at: due_at(period, now, self.jitter()?),
            mac: [0; 32],
        };
        Ok(self.keys.store.rows.signed_ring(ring))
    }
}
