//! Writes whole rings out in the clear, and makes rings of what was written, here or by Vault.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::configure::unadorned;
use super::create::{checked_kind, creation};
use super::event::{What, event};
use super::export::binds_seal_id;
use super::{ATTEMPTS, Lifecycle, blocking};
use crate::algorithm::{KeyType, LONGEST_HMAC_KEY, SHORTEST_HMAC_KEY};
use crate::binding::Origin;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::history::{Action, Provenance};
use crate::ids::{MountId, RingId, SealId};
use crate::keys::{HMAC_KEY_LEN, NewVersion};
use crate::name::KeyName;
use crate::pair::Pair;
use crate::policy::{RingPolicy, RuleViolation, checked_period};
use crate::record::Material;
use crate::ring::{Journey, Kdf, Moment, StoredRing, StoredVersion, due_at};
use crate::secret::SecretBytes;
use crate::store::{RingCreation, StoreError, With};
use crate::transfer::TransferError;
use crate::transfer::backup::{self, BackupAction, BackupError, BackupRing, BackupVersion};
use crate::transfer::export::certificate_chain_text;
use crate::transit::{Address, NewRing};
use crate::version::{Generation, Version};

/// A backup's version once its keys are known to be of their type.
struct Restored {
    key: SecretBytes,
    public_key: Option<Vec<u8>>,
}

impl Lifecycle {
    /// The ring in the clear, as the text of a backup. The ring remembers that one was made.
    pub(crate) async fn back_up(
        &self,
        at: &Address,
        by: &Provenance,
    ) -> Result<SecretBytes, Error> {
        let place = self.place(at);
        let _turn = place.slot.changing.lock().await;
        for _ in 0..ATTEMPTS {
            let ring = self.read(at).await?.ring;
            may_back_up(&ring)?;
            let now = self.keys.clock.now();
            let next = self.signed(ring.travelled(Journey {
                backed_up: Some(Moment {
                    at: now,
                    version: ring.latest,
                }),
                ..ring.journey.clone()
            }));
            let text = match self.written(&ring, &next).await {
                // Not damaged, but changed by another node between the two reads.
                Err(Error::Integrity(_))
                    if self.read(at).await?.ring.generation != ring.generation =>
                {
                    continue;
                }
                written => written?,
            };
            let span = (Some(ring.oldest()), Some(ring.latest));
            let what = What {
                action: Action::Backup,
                span,
                settings: &[],
            };
            let event = event(&next, now, by, what);
            let change = unadorned(ring.generation, next, event);
            match self.commit(&place, change, by, None).await {
                Ok(()) => return Ok(text),
                Err(Error::StoreUnavailable(StoreError::Conflict)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Busy)
    }

    /// The versions are those of the ring as it was read; the settings are those after the change.
    async fn written(&self, read: &StoredRing, next: &StoredRing) -> Result<SecretBytes, Error> {
        let mut rows = self.store.version_rows(read.id, read.oldest()).await?;
        rows.retain(|row| row.version <= read.latest);
        let mut backup = settings_of(next);
        for row in rows {
            let material = self.keys.open_version(read, &row).await?;
            if binds_seal_id(next) {
                backup.seal_id = Some(*material.seal_id.as_bytes());
            }
            backup.versions.push(version_of(read, row, material));
        }
        let unwritable = |_| Error::Integrity("ring_versions: cannot be written out");
        blocking(move || backup::write(&backup).map_err(unwritable)).await
    }

    /// Makes a ring of a backup. With `force` it replaces a ring of that name.
    pub(crate) async fn restore(
        &self,
        (mount, name): (MountId, Option<&KeyName>),
        text: SecretBytes,
        force: bool,
        by: &Provenance,
    ) -> Result<(), Error> {
        let backup = blocking(move || {
            let text = str::from_utf8(text.expose_secret()).unwrap_or_default();
            Ok(backup::read(text).map_err(TransferError::from)?)
        });
        let backup = backup.await?;
        let name = match name {
            Some(name) => name.clone(),
            None => KeyName::parse(&backup.name).ok_or(TransferError::NameNotAllowed)?,
        };
        let at = Address { mount, name };
        let place = self.place(&at);
        let _turn = place.slot.changing.lock().await;
        let there = self.store.load_ring(mount, &at.name, With::Latest).await?;
        if there.is_some() && !force {
            return Err(TransferError::RestoreOver(at.name).into());
        }
        let ring = self.ring_of(&at, &backup)?;
        let versions = self.versions_of(&ring, backup).await?;
        let creation = RingCreation {
            replaces: there.map(|there| (there.ring.id, there.ring.generation)),
            ..creation(ring, versions, self.keys.clock.now(), by)
        };
        let began = self.keys.clock.uptime();
        match self.store.create_ring(&creation).await {
            Ok(()) => {}
            Err(StoreError::Exists) => return Err(TransferError::RestoreOver(at.name).into()),
            Err(StoreError::Conflict) => return Err(Error::Busy),
            Err(error) => return Err(error.into()),
        }
        self.done(Action::Create, by.cause);
        self.publish(&place, &creation.ring, began, None);
        Ok(())
    }

    fn ring_of(&self, at: &Address, backup: &BackupRing) -> Result<StoredRing, Error> {
        let broken = || TransferError::Backup(BackupError::Versions);
        let key_type = KeyType::from_number(backup.key_type_number);
        let key_type = key_type.ok_or(TransferError::Backup(BackupError::UnknownType))?;
        let new = NewRing {
            derived: backup.derived,
            convergent: backup.convergent_encryption,
            key_size: (backup.key_size > 0).then(|| backup.key_size.into()),
            ..NewRing::default()
        };
        let key_size = checked_kind(&new, key_type)?;
        let latest = Version::new(backup.latest_version).ok_or_else(broken)?;
        let policy = policy_of(backup, self.settings.shortest_period)?;
        let minimums = [Some(policy.min_decryption), policy.min_encryption];
        if minimums
            .into_iter()
            .flatten()
            .any(|minimum| minimum > latest)
        {
            return Err(broken().into());
        }
        let now = self.keys.clock.now();
        let made_at = backup
            .versions
            .last()
            .map_or(now, |last| micros(last.created_at_nanos));
        let journey = Journey {
            imported: backup.imported,
            allow_rotation: backup.allow_imported_key_rotation,
            backed_up: backup.backed_up.and_then(moment_of),
            restored: Some(Moment {
                at: now,
                version: latest,
            }),
        };
        let mut ring = StoredRing {
            id: RingId::generate(self.entropy())?,
            mount: at.mount,
            name: at.name.clone(),
            key_type,
            derived: backup.derived,
            convergent: backup.convergent_encryption,
            kdf: Kdf::from_number(backup.kdf).ok_or_else(broken)?,
            key_size,
            created_at: now,
            generation: Generation::FIRST,
            latest,
            min_available: Version::new(backup.min_available_version),
            due_at: due_at(policy.auto_rotate_period, made_at, self.jitter()?),
            policy,
            soft_deleted: backup.soft_deleted,
            journey,
            mac: [0; 32],
        };
        if !ring.may_rotate() {
            ring.due_at = None;
        }
        Ok(self.signed(ring))
    }

    async fn versions_of(
        &self,
        ring: &StoredRing,
        backup: BackupRing,
    ) -> Result<Vec<StoredVersion>, Error> {
        let seal_id = match backup.seal_id {
            Some(bytes) => SealId::from_bytes(bytes),
            None => SealId::generate(self.entropy())?,
        };
        let kind = (ring.key_type, ring.derived);
        let checked = blocking(move || {
            let versions = backup.versions.into_iter();
            let checked = versions.map(|version| (restored(kind, &version), version));
            Ok(checked.collect::<Vec<_>>())
        });
        let checked = checked.await?;
        let mut versions = Vec::with_capacity(checked.len());
        for (keys, version) in checked {
            let damaged = || TransferError::Backup(BackupError::Version(version.version));
            if ring.convergent && version.convergent_version != CONVERGENT_VERSION {
                return Err(TransferError::OldConvergent(version.version).into());
            }
            let Restored { key, public_key } = keys.ok_or_else(damaged)?;
            let hmac_key = self.restored_hmac_key(ring, &version)?;
            let chain = match version.certificate_chain.as_slice() {
                [] => None,
                chain => Some(certificate_chain_text(chain).map_err(TransferError::from)?),
            };
            let new = NewVersion {
                version: Version::new(version.version).ok_or_else(damaged)?,
                origin: Origin::Restored,
                material: Material {
                    seal_id,
                    key,
                    hmac_key,
                },
                public_key,
                certificate_chain: chain,
                created_at: micros(version.created_at_nanos),
            };
            versions.push(self.keys.wrap_version(ring, new).await?.0);
        }
        Ok(versions)
    }

    /// Vault's oldest versions have none, so no HMAC of theirs exists; an empty one would make HMACs that anybody can make.
    fn restored_hmac_key(
        &self,
        ring: &StoredRing,
        version: &BackupVersion,
    ) -> Result<SecretBytes, Error> {
        let known = match (ring.key_type, &version.key) {
            (KeyType::Hmac, Some(key)) => key,
            (KeyType::Hmac | KeyType::Cipher(_) | KeyType::Pair(_), _) => &version.hmac_key,
        };
        if known.is_empty() {
            return Ok(SecretBytes::generate(HMAC_KEY_LEN, self.entropy())?);
        }
        Ok(SecretBytes::new(known.expose_secret().to_vec()))
    }
}

fn may_back_up(ring: &StoredRing) -> Result<(), Error> {
    if ring.soft_deleted {
        return Err(RuleViolation::SoftDeleted.into());
    }
    if !ring.policy.exportable {
        return Err(TransferError::ExportDisallowed.into());
    }
    if !ring.policy.allow_plaintext_backup {
        return Err(TransferError::BackupDisallowed.into());
    }
    Ok(())
}

fn settings_of(ring: &StoredRing) -> BackupRing {
    let StoredRing {
        policy, journey, ..
    } = ring;
    BackupRing {
        name: ring.name.as_str().to_owned(),
        key_type_number: ring.key_type.number(),
        key_size: ring.key_size.unwrap_or_default(),
        derived: ring.derived,
        kdf: if ring.derived { ring.kdf.number() } else { 0 },
        convergent_encryption: ring.convergent,
        convergent_version: if ring.convergent { -1 } else { 0 },
        exportable: policy.exportable,
        allow_plaintext_backup: policy.allow_plaintext_backup,
        deletion_allowed: policy.deletion_allowed,
        min_decryption_version: policy.min_decryption.number(),
        min_encryption_version: policy.min_encryption.map_or(0, Version::number),
        min_available_version: ring.min_available.map_or(0, Version::number),
        latest_version: ring.latest.number(),
        auto_rotate_period: policy.auto_rotate_period.unwrap_or_default(),
        imported: journey.imported,
        allow_imported_key_rotation: journey.allow_rotation,
        soft_deleted: ring.soft_deleted,
        backed_up: journey.backed_up.map(action_of),
        restored: journey.restored.map(action_of),
        seal_id: None,
        versions: Vec::new(),
    }
}

fn version_of(ring: &StoredRing, row: StoredVersion, material: Material) -> BackupVersion {
    let chain = row.certificate_chain.as_deref().unwrap_or_default();
    let chain = pem::parse_many(chain).unwrap_or_default();
    BackupVersion {
        version: row.version.number(),
        key: (!material.key.is_empty()).then_some(material.key),
        public_key: row.public_key,
        hmac_key: material.hmac_key,
        created_at_nanos: row.created_at.micros().saturating_mul(1000),
        convergent_version: if ring.convergent {
            CONVERGENT_VERSION
        } else {
            0
        },
        certificate_chain: chain.into_iter().map(pem::Pem::into_contents).collect(),
    }
}

/// A backup can be edited: its timer goes no faster than others.
fn policy_of(backup: &BackupRing, shortest: Duration) -> Result<RingPolicy, RuleViolation> {
    let period = Duration::from_secs(backup.auto_rotate_period.as_secs());
    Ok(RingPolicy {
        min_decryption: Version::new(backup.min_decryption_version).unwrap_or(Version::FIRST),
        min_encryption: Version::new(backup.min_encryption_version),
        deletion_allowed: backup.deletion_allowed,
        exportable: backup.exportable,
        allow_plaintext_backup: backup.allow_plaintext_backup,
        auto_rotate_period: checked_period(period, shortest)?,
    })
}

/// The keys of a version, if they are of the ring's type.
fn restored((key_type, derived): (KeyType, bool), version: &BackupVersion) -> Option<Restored> {
    let key = version.key.as_ref().map(SecretBytes::expose_secret);
    let public_key = match (key_type, key) {
        (KeyType::Cipher(cipher), Some(key)) if key.len() == cipher.key_len() => None,
        (KeyType::Hmac, Some(key)) if HMAC_KEY_LENGTHS.contains(&key.len()) => None,
        (KeyType::Cipher(_) | KeyType::Hmac, _) => return None,
        (KeyType::Pair(pair), Some(pkcs8)) => {
            Some(Pair::from_pkcs8(pair, pkcs8).ok()?.public_key().to_vec())
        }
        (KeyType::Pair(_), None) if derived => return None,
        (KeyType::Pair(pair), None) => {
            let public_key = version.public_key.as_deref()?;
            Some(
                Pair::from_public_key(pair, public_key)
                    .ok()?
                    .public_key()
                    .to_vec(),
            )
        }
    };
    let key = SecretBytes::new(key.unwrap_or_default().to_vec());
    Some(Restored { key, public_key })
}

fn moment_of(action: BackupAction) -> Option<Moment> {
    let version = Version::new(action.version)?;
    Some(Moment {
        at: micros(action.at_nanos),
        version,
    })
}

fn action_of(moment: Moment) -> BackupAction {
    BackupAction {
        at_nanos: moment.at.micros().saturating_mul(1000),
        version: moment.version.number(),
    }
}

const fn micros(nanos: i64) -> Timestamp {
    Timestamp::from_micros(nanos.div_euclid(1000))
}

/// In bytes.
const HMAC_KEY_LENGTHS: RangeInclusive<usize> = SHORTEST_HMAC_KEY..=LONGEST_HMAC_KEY;
/// How all current convergent versions make their nonces.
const CONVERGENT_VERSION: u32 = 3;
