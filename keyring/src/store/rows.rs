//! Rows as the database holds them, and the one way each becomes a value of the domain.

use std::time::Duration;

use sqlx::FromRow;

use super::{
    ChangedRing, DueRing, LoadedRing, StoreError, StoreHeader, StoredRootToken, StoredSecret,
    VersionSummary,
};
use crate::algorithm::KeyType;
use crate::binding::Origin;
use crate::clock::Timestamp;
use crate::history::{Action, Cause, HistoryEvent, Provenance, RecordedEvent};
use crate::ids::{KekId, MountId, RingId};
use crate::kek::WrappedDek;
use crate::mount::{Mount, MountSettings};
use crate::name::{KeyName, MountPath};
use crate::policy::RingPolicy;
use crate::ring::{StoredRing, StoredVersion};
use crate::version::{Generation, Version};

/// A ring joined with one of its versions.
#[derive(FromRow)]
pub(super) struct LoadedRow {
    #[sqlx(flatten)]
    ring: RingRow,
    #[sqlx(flatten)]
    version: VersionColumns,
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
        Ok(Self {
            id: known(RingId::try_from(&*row.id).ok(), "rings.id")?,
            mount: known(MountId::try_from(&*row.mount_id).ok(), "rings.mount_id")?,
            name: known(KeyName::parse(&row.name), "rings.name")?,
            key_type: key_type(row.key_type, "rings.key_type")?,
            derived: row.derived,
            convergent: row.convergent,
            created_at: Timestamp::from_micros(row.created_at),
            generation: generation(row.generation, "rings.generation")?,
            latest: version(row.latest, "rings.latest")?,
            min_available: min_available.transpose()?,
            policy,
            due_at: row.due_at.map(Timestamp::from_micros),
            mac: known(row.mac.try_into().ok(), "rings.mac")?,
        })
    }
}

/// A version's columns in the join: all of them absent if there is no such version.
#[derive(FromRow)]
struct VersionColumns {
    version: Option<i64>,
    origin: Option<i64>,
    kek: Option<String>,
    wrapped: Option<Vec<u8>>,
    material: Option<Vec<u8>>,
    version_created_at: Option<i64>,
    version_mac: Option<Vec<u8>>,
}

impl VersionColumns {
    fn of(self, ring: RingId) -> Result<Option<StoredVersion>, StoreError> {
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
            mac: known(
                self.version_mac.and_then(|mac| mac.try_into().ok()),
                "ring_versions.mac",
            )?,
        }))
    }
}

#[derive(FromRow)]
pub(super) struct SummaryRow {
    version: i64,
    created_at: i64,
}

impl TryFrom<SummaryRow> for VersionSummary {
    type Error = StoreError;

    fn try_from(row: SummaryRow) -> Result<Self, StoreError> {
        Ok(Self {
            version: version(row.version, "ring_versions.version")?,
            created_at: Timestamp::from_micros(row.created_at),
        })
    }
}

#[derive(FromRow)]
pub(super) struct NameRow {
    name: String,
}

impl TryFrom<NameRow> for KeyName {
    type Error = StoreError;

    fn try_from(row: NameRow) -> Result<Self, StoreError> {
        known(Self::parse(&row.name), "rings.name")
    }
}

#[derive(FromRow)]
pub(super) struct DueRow {
    mount_id: Vec<u8>,
    name: String,
    generation: i64,
    due_at: i64,
}

impl TryFrom<DueRow> for DueRing {
    type Error = StoreError;

    fn try_from(row: DueRow) -> Result<Self, StoreError> {
        Ok(Self {
            mount: known(MountId::try_from(&*row.mount_id).ok(), "rings.mount_id")?,
            name: known(KeyName::parse(&row.name), "rings.name")?,
            generation: generation(row.generation, "rings.generation")?,
            due_at: Timestamp::from_micros(row.due_at),
        })
    }
}

#[derive(FromRow)]
pub(super) struct EventRow {
    sequence: i64,
    at: i64,
    mount_id: Vec<u8>,
    name: String,
    ring_id: Vec<u8>,
    generation: i64,
    action: String,
    from_version: Option<i64>,
    to_version: Option<i64>,
    settings: String,
    actor: String,
    accessor: Option<String>,
    request_id: Option<String>,
    cause: String,
    reason: Option<String>,
}

impl TryFrom<EventRow> for RecordedEvent {
    type Error = StoreError;

    fn try_from(row: EventRow) -> Result<Self, StoreError> {
        let from_version = row
            .from_version
            .map(|number| version(number, "ring_history.from_version"));
        let to_version = row
            .to_version
            .map(|number| version(number, "ring_history.to_version"));
        let by = Provenance {
            actor: row.actor,
            accessor: row.accessor,
            request_id: row.request_id,
            cause: known(Cause::from_word(&row.cause), "ring_history.cause")?,
            reason: row.reason,
        };
        let event = HistoryEvent {
            at: Timestamp::from_micros(row.at),
            mount: known(
                MountId::try_from(&*row.mount_id).ok(),
                "ring_history.mount_id",
            )?,
            name: known(KeyName::parse(&row.name), "ring_history.name")?,
            ring: known(RingId::try_from(&*row.ring_id).ok(), "ring_history.ring_id")?,
            generation: generation(row.generation, "ring_history.generation")?,
            action: known(Action::from_word(&row.action), "ring_history.action")?,
            from_version: from_version.transpose()?,
            to_version: to_version.transpose()?,
            settings: row.settings,
            by,
        };
        Ok(Self {
            sequence: unsigned(row.sequence, "ring_history.sequence")?,
            event,
        })
    }
}

#[derive(FromRow)]
pub(super) struct MountRow {
    id: Vec<u8>,
    path: String,
    created_at: i64,
    description: String,
    default_key_type: Option<i64>,
}

impl TryFrom<MountRow> for Mount {
    type Error = StoreError;

    fn try_from(row: MountRow) -> Result<Self, StoreError> {
        let default_key_type = row
            .default_key_type
            .map(|number| key_type(number, "mounts.default_key_type"));
        Ok(Self {
            id: known(MountId::try_from(&*row.id).ok(), "mounts.id")?,
            path: known(MountPath::parse(&row.path), "mounts.path")?,
            created_at: Timestamp::from_micros(row.created_at),
            settings: MountSettings {
                description: row.description,
                default_key_type: default_key_type.transpose()?,
            },
        })
    }
}

#[derive(FromRow)]
pub(super) struct UsageRow {
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

/// One change of the stream, or only its end and the mounts' epoch if there is none.
#[derive(FromRow)]
pub(super) struct ChangeRow {
    pub(super) next: i64,
    pub(super) epoch: i64,
    mount_id: Option<Vec<u8>>,
    name: Option<String>,
    ring_id: Option<Vec<u8>>,
    generation: Option<i64>,
}

impl TryFrom<ChangeRow> for Option<ChangedRing> {
    type Error = StoreError;

    fn try_from(row: ChangeRow) -> Result<Self, StoreError> {
        let Some(ring) = row.ring_id else {
            return Ok(None);
        };
        let mount = row.mount_id.and_then(|id| MountId::try_from(&*id).ok());
        Ok(Some(ChangedRing {
            mount: known(mount, "ring_history.mount_id")?,
            name: known(
                row.name.as_deref().and_then(KeyName::parse),
                "ring_history.name",
            )?,
            ring: known(RingId::try_from(&*ring).ok(), "ring_history.ring_id")?,
            generation: generation(row.generation.unwrap_or(-1), "ring_history.generation")?,
        }))
    }
}

#[derive(FromRow)]
pub(super) struct HeaderRow {
    store_id: Vec<u8>,
    kek: String,
    live_secret: Option<Vec<u8>>,
    unlock_copy: Vec<u8>,
    shares: i64,
    threshold: i64,
    created_at: i64,
}

impl TryFrom<HeaderRow> for StoreHeader {
    type Error = StoreError;

    fn try_from(row: HeaderRow) -> Result<Self, StoreError> {
        let live_secret = row
            .live_secret
            .map(|bytes| known(WrappedDek::from_bytes(bytes), "store_header.live_secret"));
        Ok(Self {
            store: known(
                row.store_id.as_slice().try_into().ok(),
                "store_header.store_id",
            )?,
            kek: known(KekId::parse(&row.kek), "store_header.kek")?,
            live_secret: live_secret.transpose()?,
            unlock_copy: row.unlock_copy,
            shares: known(row.shares.try_into().ok(), "store_header.shares")?,
            threshold: known(row.threshold.try_into().ok(), "store_header.threshold")?,
            created_at: Timestamp::from_micros(row.created_at),
        })
    }
}

#[derive(FromRow)]
pub(super) struct SecretRow {
    purpose: i64,
    kek: String,
    wrapped: Vec<u8>,
    material: Vec<u8>,
}

impl TryFrom<SecretRow> for StoredSecret {
    type Error = StoreError;

    fn try_from(row: SecretRow) -> Result<Self, StoreError> {
        Ok(Self {
            purpose: known(row.purpose.try_into().ok(), "store_secrets.purpose")?,
            kek: known(KekId::parse(&row.kek), "store_secrets.kek")?,
            wrapped: known(WrappedDek::from_bytes(row.wrapped), "store_secrets.wrapped")?,
            material: row.material,
        })
    }
}

#[derive(FromRow)]
pub(super) struct RootTokenRow {
    hash: Vec<u8>,
    accessor: String,
    created_at: i64,
}

impl TryFrom<RootTokenRow> for StoredRootToken {
    type Error = StoreError;

    fn try_from(row: RootTokenRow) -> Result<Self, StoreError> {
        Ok(Self {
            hash: known(row.hash.try_into().ok(), "root_tokens.hash")?,
            accessor: row.accessor,
            created_at: Timestamp::from_micros(row.created_at),
        })
    }
}

/// Every row as its value, or the first that cannot be one.
pub(super) fn values<R, T: TryFrom<R, Error = StoreError>>(
    rows: Vec<R>,
) -> Result<Vec<T>, StoreError> {
    rows.into_iter().map(T::try_from).collect()
}

/// The number, which the database holds with a sign.
pub(super) fn unsigned(number: i64, column: &'static str) -> Result<u64, StoreError> {
    known(u64::try_from(number).ok(), column)
}

fn known<T>(value: Option<T>, column: &'static str) -> Result<T, StoreError> {
    value.ok_or(StoreError::Corrupt(column))
}

fn version(number: i64, column: &'static str) -> Result<Version, StoreError> {
    known(u32::try_from(number).ok().and_then(Version::new), column)
}

fn generation(number: i64, column: &'static str) -> Result<Generation, StoreError> {
    unsigned(number, column).map(Generation)
}

fn key_type(number: i64, column: &'static str) -> Result<KeyType, StoreError> {
    known(
        u32::try_from(number).ok().and_then(KeyType::from_number),
        column,
    )
}

fn seconds(number: i64, column: &'static str) -> Result<Duration, StoreError> {
    unsigned(number, column).map(Duration::from_secs)
}
