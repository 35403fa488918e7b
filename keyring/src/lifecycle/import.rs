//! Brings keys into rings: made elsewhere and wrapped for this mount, public halves alone, or agreed with a peer.

use super::configure::unadorned;
use super::create::{checked_kind, creation};
use super::event::{What, event};
use super::{ATTEMPTS, Lifecycle, Place, blocking};
use crate::algorithm::{CipherType, KeyType, LONGEST_HMAC_KEY, PairType, SHORTEST_HMAC_KEY};
use crate::binding::Origin;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::history::{Action, Cause, Provenance};
use crate::ids::{MountId, SealId};
use crate::key_search::FoundPair;
use crate::keys::{HMAC_KEY_LEN, NewVersion};
use crate::name::KeyName;
use crate::policy::RuleViolation;
use crate::record::Material;
use crate::ring::{Journey, Kdf, StoredRing, StoredVersion};
use crate::secret::SecretBytes;
use crate::store::{LoadedRing, RingChange, StoreError, With};
use crate::transfer::TransferError;
use crate::transfer::agreement::agreed_key;
use crate::transfer::byok;
use crate::transfer::private_key::{public_of, read_private};
use crate::transfer::public_key::read_public_pem;
use crate::transit::{Address, Agreement, KeySource, NewImport, NewRing};
use crate::version::Version;

/// A key as it comes in: at least one of its halves.
struct Brought {
    /// Raw bytes, or PKCS#8; empty if only the public half came.
    key: SecretBytes,
    public_key: Option<Vec<u8>>,
}

impl Lifecycle {
    /// Makes a ring of a key that comes from elsewhere.
    pub(crate) async fn import(
        &self,
        at: &Address,
        import: &NewImport,
        by: &Provenance,
    ) -> Result<(), Error> {
        let key_type = import.key_type;
        if !import.new.auto_rotate_period.is_zero() && !import.allow_rotation {
            return Err(TransferError::AutoRotationNotAllowed.into());
        }
        if self.is_there(at).await? {
            return Err(TransferError::Exists.into());
        }
        let kind = (key_type, import.new.derived);
        let brought = self.brought(at.mount, kind, &import.source).await?;
        let new = NewRing {
            key_size: (key_type == KeyType::Hmac).then(|| length(&brought.key)),
            ..import.new.clone()
        };
        let key_size = checked_kind(&new, key_type)?;
        self.found_ring(at, import, (brought, key_size), by).await
    }

    async fn found_ring(
        &self,
        at: &Address,
        import: &NewImport,
        (brought, key_size): (Brought, Option<u32>),
        by: &Provenance,
    ) -> Result<(), Error> {
        let now = self.keys.clock.now();
        let mut ring = self.new_ring(at, &import.new, (import.key_type, key_size), now)?;
        ring.kdf = kdf_of_imported(import.key_type, import.new.derived);
        ring.journey = Journey {
            imported: true,
            allow_rotation: import.allow_rotation,
            ..Journey::default()
        };
        if !ring.may_rotate() {
            ring.due_at = None;
        }
        let ring = self.signed(ring);
        let seal_id = match import.seal_id {
            Some(seal_id) => SealId::from_bytes(seal_id),
            None => SealId::generate(self.entropy())?,
        };
        let hmac_key = self.hmac_key_for(&ring, &brought)?;
        let new = brought.into_version(Version::FIRST, import.origin, (seal_id, hmac_key), now);
        let (version, material) = self.keys.wrap_version(&ring, new).await?;
        self.write_new(at, ring, (version, material), by).await
    }

    async fn write_new(
        &self,
        at: &Address,
        ring: StoredRing,
        (version, material): (StoredVersion, Material),
        by: &Provenance,
    ) -> Result<(), Error> {
        let creation = creation(ring, vec![version], self.keys.clock.now(), by);
        let place = self.place(at);
        let began = self.keys.clock.uptime();
        match self.store.create_ring(&creation).await {
            Ok(()) => {}
            Err(StoreError::Exists) => return Err(TransferError::Exists.into()),
            Err(error) => return Err(error.into()),
        }
        self.done(Action::Create, by.cause);
        let opened = creation.versions.first().zip(Some(material));
        self.publish(&place, &creation.ring, began, opened);
        Ok(())
    }

    /// Adds a version to a ring whose keys came from elsewhere, or gives one that is only public its private half.
    pub(crate) async fn import_version(
        &self,
        at: &Address,
        source: &KeySource,
        asked: Option<i64>,
        by: &Provenance,
    ) -> Result<(), Error> {
        let place = self.place(at);
        let _turn = place.slot.changing.lock().await;
        for _ in 0..ATTEMPTS {
            let loaded = match self.read(at).await {
                Err(Error::NotFound) => {
                    return Err(TransferError::NotThere(at.name.clone()).into());
                }
                loaded => loaded?,
            };
            may_import(&loaded.ring)?;
            let kind = (loaded.ring.key_type, loaded.ring.derived);
            let brought = self.brought(at.mount, kind, source).await?;
            let done = match self.completed(&loaded, &brought, asked).await? {
                Some(row) => self.complete(&place, &loaded, (row, brought), by).await,
                None => {
                    self.add(&place, &loaded, (brought, Origin::Imported), by)
                        .await
                }
            };
            match done {
                Err(Error::StoreUnavailable(StoreError::Conflict)) => {}
                result => return result,
            }
        }
        Err(Error::Busy)
    }

    /// The version whose private half this is; `None` if it is a version of its own.
    async fn completed(
        &self,
        loaded: &LoadedRing,
        brought: &Brought,
        asked: Option<i64>,
    ) -> Result<Option<StoredVersion>, Error> {
        let ring = &loaded.ring;
        let Some(asked) = asked else {
            let latest = self.latest(loaded)?;
            let is_its_half = !brought.key.is_empty()
                && latest.public_key.is_some()
                && latest.public_key == brought.public_key
                && self.is_only_public(ring, latest).await?;
            return Ok(is_its_half.then(|| latest.clone()));
        };
        if ring.key_type.pair().is_none() {
            return Err(TransferError::VersionsNotTaken.into());
        }
        let number = Version::from_asked(asked).ok_or(TransferError::NoSuchVersion)?;
        let row = self.version_row(ring, number).await?;
        if brought.key.is_empty() {
            return Err(TransferError::AlreadyPublic.into());
        }
        if !self.is_only_public(ring, &row).await? {
            return Err(TransferError::AlreadyPrivate.into());
        }
        if row.public_key != brought.public_key {
            return Err(TransferError::NoMatch.into());
        }
        Ok(Some(row))
    }

    async fn is_only_public(&self, ring: &StoredRing, row: &StoredVersion) -> Result<bool, Error> {
        let is_pair = ring.key_type.pair().is_some();
        Ok(is_pair && self.keys.open_version(ring, row).await?.key.is_empty())
    }

    async fn complete(
        &self,
        place: &Place<'_>,
        loaded: &LoadedRing,
        (row, brought): (StoredVersion, Brought),
        by: &Provenance,
    ) -> Result<(), Error> {
        let ring = &loaded.ring;
        let known = self.keys.open_version(ring, &row).await?;
        let new = NewVersion {
            version: row.version,
            origin: row.origin,
            material: Material {
                key: brought.key,
                ..known
            },
            public_key: row.public_key,
            certificate_chain: row.certificate_chain,
            created_at: row.created_at,
        };
        let next = self.signed(ring.changed());
        let (version, _) = self.keys.wrap_version(&next, new).await?;
        let span = (Some(version.version), Some(version.version));
        let what = What {
            action: Action::Complete,
            span,
            settings: &[],
        };
        let event = event(&next, self.keys.clock.now(), by, what);
        let change = RingChange {
            replaced: Some(version),
            ..unadorned(ring.generation, next, event)
        };
        self.commit(place, change, by, None).await
    }

    async fn add(
        &self,
        place: &Place<'_>,
        loaded: &LoadedRing,
        (brought, origin): (Brought, Origin),
        by: &Provenance,
    ) -> Result<(), Error> {
        let ring = &loaded.ring;
        let seal_id = self
            .keys
            .open_version(ring, self.latest(loaded)?)
            .await?
            .seal_id;
        let now = self.keys.clock.now();
        let mut next = ring.rotated(now, self.jitter()?)?;
        next.journey.clone_from(&ring.journey);
        if !next.may_rotate() {
            next.due_at = None;
        }
        let next = self.signed(next);
        let hmac_key = self.hmac_key_for(&next, &brought)?;
        let new = brought.into_version(next.latest, origin, (seal_id, hmac_key), now);
        let (version, material) = self.keys.wrap_version(&next, new).await?;
        let what = What {
            action: Action::Rotate,
            span: (Some(ring.latest), Some(next.latest)),
            settings: &[],
        };
        let event = event(&next, now, by, what);
        let change = RingChange {
            added: Some(version),
            ..unadorned(ring.generation, next, event)
        };
        self.commit(place, change, by, Some(material)).await
    }

    /// Makes a key of what a key pair here and a peer's public key agree on, and puts it into a ring. Whoever else makes
    /// or changes that ring meanwhile, it becomes a version of it.
    pub(crate) async fn agree(
        &self,
        at: &Address,
        agreement: &Agreement,
        by: &Provenance,
    ) -> Result<(), Error> {
        let cipher = agreement.key_type;
        let key = self.agreed(at.mount, agreement, cipher).await?;
        let place = self.place(at);
        let _turn = place.slot.changing.lock().await;
        for _ in 0..ATTEMPTS {
            let brought = Brought {
                key: SecretBytes::new(key.expose_secret().to_vec()),
                public_key: None,
            };
            let done = if self.is_there(at).await? {
                let loaded = self.read(at).await?;
                may_import(&loaded.ring)?;
                if loaded.ring.key_type != KeyType::Cipher(cipher) {
                    return Err(TransferError::NotImported.into());
                }
                let key = (brought, Origin::Derived);
                self.add(&place, &loaded, key, by).await
            } else {
                self.found_agreed(at, cipher, brought, by).await
            };
            match done {
                Err(
                    Error::StoreUnavailable(StoreError::Conflict)
                    | Error::Transfer(TransferError::Exists),
                ) => {}
                result => return result,
            }
        }
        Err(Error::Busy)
    }

    async fn found_agreed(
        &self,
        at: &Address,
        cipher: CipherType,
        brought: Brought,
        by: &Provenance,
    ) -> Result<(), Error> {
        let import = NewImport {
            key_type: cipher.into(),
            origin: Origin::Derived,
            ..NewImport::default()
        };
        self.found_ring(at, &import, (brought, None), by).await
    }

    async fn agreed(
        &self,
        mount: MountId,
        agreement: &Agreement,
        cipher: CipherType,
    ) -> Result<SecretBytes, Error> {
        let base = Address {
            mount,
            name: agreement.base.clone(),
        };
        let ring = self.read(&base).await?.ring;
        if ring.soft_deleted {
            return Err(RuleViolation::SoftDeleted.into());
        }
        let pair = ring.key_type.pair().filter(|pair| pair.is_ecdsa());
        let pair = pair.ok_or(Error::Unsupported(ring.key_type))?;
        let row = self.asked_row(&ring, agreement.base_version).await?;
        let material = self.keys.open_version(&ring, &row).await?;
        let pkcs8 = material.key.expose_secret();
        let agreed = agreed_key(pair, pkcs8, &agreement.peer_public_key, cipher.key_len());
        Ok(agreed.map_err(TransferError::from)?)
    }

    async fn brought(
        &self,
        mount: MountId,
        (key_type, derived): (KeyType, bool),
        source: &KeySource,
    ) -> Result<Brought, Error> {
        match source {
            KeySource::Public(pem) => {
                // Nothing is derived from a public key alone.
                let pair = key_type.pair().filter(|_| !derived);
                let pair = pair.ok_or(TransferError::PublicNotTaken)?;
                let public_key = read_public_pem(pair, pem).map_err(TransferError::from)?;
                Ok(Brought {
                    key: SecretBytes::default(),
                    public_key: Some(public_key),
                })
            }
            KeySource::Private { ciphertext, hash } => {
                let wrapping = self.wrapping_key(mount).await?;
                let (ciphertext, hash) = (ciphertext.clone(), *hash);
                let work = move || {
                    let key = byok::unwrap(&ciphertext, wrapping.expose_secret(), hash);
                    Ok(of_material(key_type, key.map_err(TransferError::from)?)?)
                };
                blocking(work).await
            }
        }
    }

    /// The private half of the mount's wrapping key, in PKCS#8; made on first use.
    async fn wrapping_key(&self, mount: MountId) -> Result<SecretBytes, Error> {
        let at = wrapping_address(mount);
        self.ensure_wrapping_key(&at, None).await?;
        let loaded = self.read(&at).await?;
        let row = self.latest(&loaded)?;
        Ok(self.keys.open_version(&loaded.ring, row).await?.key)
    }

    /// The public half of the mount's wrapping key, a DER `SubjectPublicKeyInfo`; made on first use.
    pub(crate) async fn wrapping_public_key(
        &self,
        mount: MountId,
        found: Option<&FoundPair>,
    ) -> Result<Vec<u8>, Error> {
        let at = wrapping_address(mount);
        self.ensure_wrapping_key(&at, found).await?;
        let loaded = self.read(&at).await?;
        let public_key = self.latest(&loaded)?.public_key.clone();
        public_key.ok_or(Error::Integrity("ring_versions.public_key"))
    }

    async fn ensure_wrapping_key(
        &self,
        at: &Address,
        found: Option<&FoundPair>,
    ) -> Result<(), Error> {
        if self.is_there(at).await? {
            return Ok(());
        }
        let by = Provenance::service(Cause::Import);
        let key_type = KeyType::Pair(PairType::Rsa4096);
        self.create(at, (&NewRing::default(), key_type), found, &by)
            .await?;
        Ok(())
    }

    /// The pair that the mount's wrapping key will need a search for, if it is not there.
    pub(crate) async fn pair_wanted_by_wrapping(
        &self,
        mount: MountId,
    ) -> Result<Option<PairType>, Error> {
        let is_there = self.is_there(&wrapping_address(mount)).await?;
        Ok((!is_there).then_some(PairType::Rsa4096))
    }

    pub(super) async fn is_there(&self, at: &Address) -> Result<bool, Error> {
        let found = self
            .store
            .load_ring(at.mount, &at.name, With::Latest)
            .await?;
        Ok(found.is_some())
    }

    /// The row of the version asked for; 0 is the latest.
    pub(super) async fn asked_row(
        &self,
        ring: &StoredRing,
        asked: i64,
    ) -> Result<StoredVersion, Error> {
        let number = match asked {
            0 => Some(ring.latest),
            asked => Version::from_asked(asked),
        };
        let number = number.ok_or(TransferError::NoSuchVersion)?;
        self.version_row(ring, number).await
    }

    /// One version's row, if it may be used.
    pub(super) async fn version_row(
        &self,
        ring: &StoredRing,
        number: Version,
    ) -> Result<StoredVersion, Error> {
        let loaded = self
            .store
            .load_ring(ring.mount, &ring.name, With::Version(number))
            .await?;
        let row = loaded.and_then(|loaded| loaded.version);
        let row = row.filter(|row| row.version >= ring.policy.min_decryption);
        let row = row.ok_or(TransferError::NoSuchVersion)?;
        self.keys.check_version(ring, &row)?;
        Ok(row)
    }

    fn hmac_key_for(&self, ring: &StoredRing, brought: &Brought) -> Result<SecretBytes, Error> {
        if ring.key_type == KeyType::Hmac {
            return Ok(SecretBytes::new(brought.key.expose_secret().to_vec()));
        }
        Ok(SecretBytes::generate(HMAC_KEY_LEN, self.entropy())?)
    }
}

impl Brought {
    fn into_version(
        self,
        version: Version,
        origin: Origin,
        (seal_id, hmac_key): (SealId, SecretBytes),
        created_at: Timestamp,
    ) -> NewVersion {
        NewVersion {
            version,
            origin,
            material: Material {
                seal_id,
                key: self.key,
                hmac_key,
            },
            public_key: self.public_key,
            certificate_chain: None,
            created_at,
        }
    }
}

/// The key that came out of a blob, if it is one of this type.
fn of_material(key_type: KeyType, key: SecretBytes) -> Result<Brought, TransferError> {
    let size = |fits: bool| {
        let length = key.len();
        fits.then_some(())
            .ok_or(TransferError::KeySize { length, key_type })
    };
    match key_type {
        KeyType::Cipher(cipher) => size(key.len() == cipher.key_len())?,
        KeyType::Hmac => {
            size((SHORTEST_HMAC_KEY..=LONGEST_HMAC_KEY).contains(&key.len()))?;
        }
        KeyType::Pair(pair) => {
            let key = read_private(pair, key.expose_secret())?;
            let public_key = Some(public_of(pair, key.expose_secret())?);
            return Ok(Brought { key, public_key });
        }
    }
    Ok(Brought {
        key,
        public_key: None,
    })
}

/// Vault derives from imported keys of 256 bits in counter mode. What it does with others cannot be used.
const fn kdf_of_imported(key_type: KeyType, derived: bool) -> Kdf {
    match key_type {
        KeyType::Cipher(cipher) if derived && cipher.key_len() == 32 => match cipher {
            CipherType::Aes256GcmSiv => Kdf::Hkdf,
            CipherType::Aes128Gcm96
            | CipherType::Aes256Gcm96
            | CipherType::ChaCha20Poly1305
            | CipherType::XChaCha20Poly1305 => Kdf::Counter,
        },
        KeyType::Cipher(_) | KeyType::Hmac | KeyType::Pair(_) => Kdf::Hkdf,
    }
}

fn may_import(ring: &StoredRing) -> Result<(), Error> {
    if ring.soft_deleted {
        return Err(RuleViolation::SoftDeleted.into());
    }
    if !ring.journey.imported {
        return Err(TransferError::NotImported.into());
    }
    if ring.convergent {
        return Err(TransferError::Convergent.into());
    }
    Ok(())
}

fn wrapping_address(mount: MountId) -> Address {
    Address {
        mount,
        name: KeyName::wrapping_key(),
    }
}

fn length(key: &SecretBytes) -> i64 {
    i64::try_from(key.len()).unwrap_or(i64::MAX)
}
