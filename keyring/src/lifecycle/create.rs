//! Creates rings.

use super::Lifecycle;
use super::event::{What, event};
use crate::algorithm::{KeyType, LONGEST_HMAC_KEY, PairType, SHORTEST_HMAC_KEY};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::history::{Action, Provenance};
use crate::ids::{RingId, SealId};
use crate::key_search::{FoundPair, searched};
use crate::policy::{RingPolicy, RuleViolation, checked_period};
use crate::ring::{Journey, Kdf, StoredRing, StoredVersion, due_at};
use crate::store::{LoadedRing, RingCreation, StoreError, With};
use crate::transit::{Address, Description, NewRing};
use crate::version::{Generation, Version};

impl Lifecycle {
    pub(crate) async fn create(
        &self,
        at: &Address,
        (new, key_type): (&NewRing, KeyType),
        found: Option<&FoundPair>,
        by: &Provenance,
    ) -> Result<Description, Error> {
        checked_period(new.auto_rotate_period, self.settings.shortest_period)?;
        let key_size = checked_kind(new, key_type)?;
        if let Some(existing) = self
            .store
            .load_ring(at.mount, &at.name, With::Latest)
            .await?
        {
            return self.described(at, existing).await;
        }
        let place = self.place(at);
        let now = self.keys.clock.now();
        let ring = self.new_ring(at, new, (key_type, key_size), now)?;
        let seal_id = SealId::generate(self.entropy())?;
        let (version, material) = self
            .keys
            .make_version(&ring, (Version::FIRST, found), seal_id, now)
            .await?;
        let creation = creation(ring, vec![version], now, by);
        let began = self.keys.clock.uptime();
        match self.store.create_ring(&creation).await {
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
        let RingCreation { ring, versions, .. } = creation;
        let version = versions.into_iter().next();
        self.publish(&place, &ring, began, version.as_ref().zip(Some(material)));
        self.described(at, LoadedRing { ring, version }).await
    }

    /// The pair that [`create`](Self::create) will need a search for. Where it will do something else, or refuse, none.
    pub(crate) async fn pair_wanted_by_ring(
        &self,
        at: &Address,
        new: &NewRing,
        key_type: KeyType,
    ) -> Result<Option<PairType>, Error> {
        let is_refused = checked_kind(new, key_type).is_err()
            || checked_period(new.auto_rotate_period, self.settings.shortest_period).is_err();
        if is_refused || self.is_there(at).await? {
            return Ok(None);
        }
        Ok(searched(key_type))
    }

    pub(super) fn new_ring(
        &self,
        at: &Address,
        new: &NewRing,
        (key_type, key_size): (KeyType, Option<u32>),
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
            kdf: Kdf::Hkdf,
            key_size,
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
            soft_deleted: false,
            journey: Journey::default(),
            due_at: due_at(period, now, self.jitter()?),
            mac: [0; 32],
        };
        Ok(self.keys.store.rows.signed_ring(ring))
    }
}

/// A ring to be written with these versions, and what the history says of it.
pub(super) fn creation(
    ring: StoredRing,
    versions: Vec<StoredVersion>,
    now: Timestamp,
    by: &Provenance,
) -> RingCreation {
    let what = What {
        action: Action::Create,
        span: (None, Some(ring.latest)),
        settings: &[],
    };
    let event = event(&ring, now, by, what);
    RingCreation {
        ring,
        versions,
        event,
        replaces: None,
    }
}

/// Whether keys of this type can be what is asked of them; the length of a key that has no fixed one.
pub(super) fn checked_kind(new: &NewRing, key_type: KeyType) -> Result<Option<u32>, RuleViolation> {
    if new.convergent && !new.derived {
        return Err(RuleViolation::ConvergentNeedsDerived);
    }
    let size = checked_size(new.key_size.unwrap_or_default(), key_type)?;
    if new.derived && !key_type.derives() {
        return Err(RuleViolation::DerivationNotSupported(key_type));
    }
    if new.convergent && key_type.cipher().is_none() {
        return Err(RuleViolation::ConvergenceNotSupported(key_type));
    }
    Ok(size)
}

fn checked_size(asked: i64, key_type: KeyType) -> Result<Option<u32>, RuleViolation> {
    match (key_type, asked) {
        (KeyType::Cipher(_) | KeyType::Pair(_), 0) => Ok(None),
        (KeyType::Cipher(_) | KeyType::Pair(_), _) => Err(RuleViolation::KeySizeNotTaken(key_type)),
        (KeyType::Hmac, 0) => Err(RuleViolation::KeySizeMissing),
        (KeyType::Hmac, asked) => {
            let fits = |size: &u32| {
                let range = SHORTEST_HMAC_KEY..=LONGEST_HMAC_KEY;
                usize::try_from(*size).is_ok_and(|size| range.contains(&size))
            };
            let size = u32::try_from(asked).ok().filter(fits);
            size.map(Some)
                .ok_or(RuleViolation::KeySizeOutOfRange(asked))
        }
    }
}
