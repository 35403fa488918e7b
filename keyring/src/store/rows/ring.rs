//! Rings, versions and their usage as rows.

use std::time::Duration;

use sqlx::FromRow;

use super::{generation, key_type, known, unsigned, version};
use crate::binding::Origin;
use crate::clock::Timestamp;
use crate::ids::{KekId, MountId, RingId};
use crate::kek::WrappedDek;
use crate::name::KeyName;
use crate::policy::RingPolicy;
use crate::ring::{Journey, Kdf, Moment, StoredRing, StoredVersion};
use crate::store::{DueRing, LoadedRing, StoreError, VersionSummary};
use crate::version::Version;

/// A ring joined with one of its versions.
#[derive(FromRow)]
pub(in crate::store) struct LoadedRow {
    #[sqlx(flatten)]
    ring: RingRow,
    #[sqlx(flatten)]
    version: VersionRow,
}

impl TryFrom<LoadedRow> for LoadedRing {
    type Error = StoreError;

    fn try_from(row: LoadedRow) -> Result<Self, StoreError> {
        let ring = StoredRing::try_from(row.ring)?;
        let version = row.version.of(ring.id)?;
        Ok(Self { ring, version })
    }
}

#[derive(FromRow)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a row has the columns of its table"
)]
struct RingRow {
    id: Vec<u8>,
    mount_id: Vec<u8>,
    name: String,
    key_type: i64,
    derived: bool,
    convergent: bool,
    kdf: i64,
    key_size: Option<i64>,
    created_at: i64,
    generation: i64,
    latest: i64,
    min_available: Option<i64>,
    min_decryption: i64,
    min_encryption: Option<i64>,
    deletion_allowed: bool,
    exportable: bool,
    allow_plaintext_backup: bool,
    auto_rotate_seconds: Option<i64>,
    due_at: Option<i64>,
    soft_deleted: bool,
    imported: bool,
    allow_rotation: bool,
    backed_up_at: Option<i64>,
    backed_up_version: Option<i64>,
    restored_at: Option<i64>,
    restored_version: Option<i64>,
    mac: Vec<u8>,
}

impl TryFrom<RingRow> for StoredRing {
    type Error = StoreError;

    fn try_from(row: RingRow) -> Result<Self, StoreError> {
        let min_encryption = row
            .min_encryption
            .map(|number| version(number, "rings.min_encryption"));
        let period = row
            .auto_rotate_seconds
            .map(|count| seconds(count, "rings.auto_rotate_seconds"));
        let policy = RingPolicy {
            min_decryption: version(row.min_decryption, "rings.min_decryption")?,
            min_encryption: min_encryption.transpose()?,
            deletion_allowed: row.deletion_allowed,
            exportable: row.exportable,
            allow_plaintext_backup: row.allow_plaintext_backup,
            auto_rotate_period: period.transpose()?,
        };
        let min_available = row
            .min_available
            .map(|number| version(number, "rings.min_available"));
        let kdf = u32::try_from(row.kdf).ok().and_then(Kdf::from_number);
        let key_size = row
            .key_size
            .map(|size| known(u32::try_from(size).ok(), "rings.key_size"));
        let journey = Journey {
            imported: row.imported,
            allow_rotation: row.allow_rotation,
            backed_up: moment(row.backed_up_at, row.backed_up_version)?,
            restored: moment(row.restored_at, row.restored_version)?,
        };
        Ok(Self {
            id: known(RingId::try_from(&*row.id).ok(), "rings.id")?,
            mount: known(MountId::try_from(&*row.mount_id).ok(), "rings.mount_id")?,
            name: known(KeyName::of_row(&row.name), "rings.name")?,
            key_type: key_type(row.key_type, "rings.key_type")?,
            derived: row.derived,
            convergent: row.convergent,
            kdf: known(kdf, "rings.kdf")?,
            key_size: key_size.transpose()?,
            created_at: Timestamp::from_micros(row.created_at),
            generation: generation(row.generation, "rings.generation")?,
            latest: version(row.latest, "rings.latest")?,
            min_available: min_available.transpose()?,
            policy,
            soft_deleted: row.soft_deleted,
            journey,
            due_at: row.due_at.map(Timestamp::from_micros),
            mac: known(row.mac.try_into().ok(), "rings.mac")?,
        })
    }
}

fn moment(at: Option<i64>, number: Option<i64>) -> Result<Option<Moment>, StoreError> {
    let Some(at) = at.map(Timestamp::from_micros) else {
        return Ok(None);
    };
    let column = "rings.backed_up_version, rings.restored_version";
    let version = version(known(number, column)?, column)?;
    Ok(Some(Moment { at, version }))
}

/// A version's columns, as in the join: all of them absent if there is no such version.
#[derive(FromRow)]
pub(in crate::store) struct VersionRow {
    version: Option<i64>,
    origin: Option<i64>,
    kek: Option<String>,
    wrapped: Option<Vec<u8>>,
    material: Option<Vec<u8>>,
    version_created_at: Option<i64>,
    public_key: Option<Vec<u8>>,
    certificate_chain: Option<String>,
    version_mac: Option<Vec<u8>>,
}

impl VersionRow {
    /// The version of the ring with this id.
    pub(in crate::store) fn of(self, ring: RingId) -> Result<Option<StoredVersion>, StoreError> {
        let Some(number) = self.version else {
            return Ok(None);
        };
        let origin = self
            .origin
            .and_then(|number| u8::try_from(number).ok())
            .and_then(Origin::from_number);
        let created_at = self.version_created_at.map(Timestamp::from_micros);
        Ok(Some(StoredVersion {
            ring,
            version: version(number, "ring_versions.version")?,
            origin: known(origin, "ring_versions.origin")?,
            kek: known(
                self.kek.as_deref().and_then(KekId::parse),
                "ring_versions.kek",
            )?,
            wrapped: known(
                self.wrapped.and_then(WrappedDek::from_bytes),
                "ring_versions.wrapped",
            )?,
            material: known(self.material, "ring_versions.material")?,
            created_at: known(created_at, "ring_versions.created_at")?,
            public_key: self.public_key,
            certificate_chain: self.certificate_chain,
            mac: known(
                self.version_mac.and_then(|mac| mac.try_into().ok()),
                "ring_versions.mac",
            )?,
        }))
    }
}

#[derive(FromRow)]
pub(in crate::store) struct SummaryRow {
    version: i64,
    created_at: i64,
    public_key: Option<Vec<u8>>,
    certificate_chain: Option<String>,
}

impl TryFrom<SummaryRow> for VersionSummary {
    type Error = StoreError;

    fn try_from(row: SummaryRow) -> Result<Self, StoreError> {
        Ok(Self {
            version: version(row.version, "ring_versions.version")?,
            created_at: Timestamp::from_micros(row.created_at),
            public_key: row.public_key,
            certificate_chain: row.certificate_chain,
        })
    }
}

#[derive(FromRow)]
pub(in crate::store) struct NameRow {
    name: String,
}

impl TryFrom<NameRow> for KeyName {
    type Error = StoreError;

    fn try_from(row: NameRow) -> Result<Self, StoreError> {
        known(Self::parse(&row.name), "rings.name")
    }
}

#[derive(FromRow)]
pub(in crate::store) struct DueRow {
    mount_id: Vec<u8>,
    name: String,
    key_type: i64,
    generation: i64,
    due_at: i64,
}

impl TryFrom<DueRow> for DueRing {
    type Error = StoreError;

    fn try_from(row: DueRow) -> Result<Self, StoreError> {
        Ok(Self {
            mount: known(MountId::try_from(&*row.mount_id).ok(), "rings.mount_id")?,
            name: known(KeyName::of_row(&row.name), "rings.name")?,
            key_type: key_type(row.key_type, "rings.key_type")?,
            generation: generation(row.generation, "rings.generation")?,
            due_at: Timestamp::from_micros(row.due_at),
        })
    }
}

#[derive(FromRow)]
pub(in crate::store) struct UsageRow {
    version: i64,
    uses: i64,
}

impl TryFrom<UsageRow> for (Version, u64) {
    type Error = StoreError;

    fn try_from(row: UsageRow) -> Result<Self, StoreError> {
        Ok((
            version(row.version, "ring_usage.version")?,
            unsigned(row.uses, "ring_usage.uses")?,
        ))
    }
}

fn seconds(number: i64, column: &'static str) -> Result<Duration, StoreError> {
    unsigned(number, column).map(Duration::from_secs)
}
