//! Where rings and identities are kept: eight small contracts, which every store keeps in full.
//!
//! Stores hold bytes. They check that a change is made to the generation it read, and nothing else; MACs,
//! wrapping and rules are the domain's.

use std::fmt;

use async_trait::async_trait;

use crate::algorithm::KeyType;
use crate::clock::Timestamp;
use crate::history::{HistoryEvent, RecordedEvent};
use crate::ids::{KekId, MountId, RingId, StoreId};
use crate::kek::WrappedDek;
use crate::mount::{Mount, MountSettings};
use crate::name::{KeyName, MountPath};
use crate::ring::{StoredRing, StoredVersion};
use crate::version::{Generation, Version};
use audit::AuditHeadStore;
use identity::{CredentialHash, CredentialStore, EntryStore};

pub mod audit;
pub mod identity;
pub mod memory;
mod overlap;
pub mod postgres;
mod rows;
pub mod sql;
pub mod sqlite;

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The ring is no longer at the generation that was read; nothing was written.
    #[error("the ring was changed by somebody else")]
    Conflict,
    /// A row that cannot be true: a value outside its type. Names the table and column, never the value.
    #[error("inconsistent row: {0}")]
    Corrupt(&'static str),
    /// What was to be created exists; nothing was written.
    #[error("already exists")]
    Exists,
    /// What was to be changed does not exist; nothing was written.
    #[error("not found")]
    NotFound,
    /// The connection failed while committing: the change may or may not have been made.
    #[error("the store did not say whether the change was made")]
    OutcomeUnknown,
    /// The store cannot be reached or refuses to work now; nothing was written.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// Which version's row to read together with its ring, in the same query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum With {
    /// The version that encrypts.
    Latest,
    /// This version; absent from the answer if the ring has no such version.
    Version(Version),
}

/// A ring's row with the version that was asked for.
#[derive(Clone, Debug)]
pub struct LoadedRing {
    /// The ring.
    pub ring: StoredRing,
    /// The version asked for; absent if there is no such row.
    pub version: Option<StoredVersion>,
}

/// One change to one ring: all of it in one transaction, or none of it.
#[derive(Clone, Debug)]
pub struct RingChange {
    /// The generation the change was made from; the ring must still be at it.
    pub read_at: Generation,
    /// The ring after the change.
    pub ring: StoredRing,
    /// A version to add.
    pub added: Option<StoredVersion>,
    /// A version to put in the place of the one with its number.
    pub replaced: Option<StoredVersion>,
    /// Versions below this one are destroyed.
    pub trimmed_below: Option<Version>,
    /// What the history says of it.
    pub event: HistoryEvent,
}

/// A ring to write, with all its versions.
#[derive(Clone, Debug)]
pub struct RingCreation {
    /// The ring.
    pub ring: StoredRing,
    /// Its versions, in order; at least one.
    pub versions: Vec<StoredVersion>,
    /// What the history says of it.
    pub event: HistoryEvent,
    /// A ring of the same name to be destroyed in the same transaction, as a deletion would, if it is still at this
    /// generation.
    pub replaces: Option<(RingId, Generation)>,
}

/// What may be shown of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionSummary {
    /// The version.
    pub version: Version,
    /// When it was made.
    pub created_at: Timestamp,
    /// The public half of a key pair, a DER `SubjectPublicKeyInfo`.
    pub public_key: Option<Vec<u8>>,
    /// Its certificates, in PEM.
    pub certificate_chain: Option<String>,
}

impl From<StoredVersion> for VersionSummary {
    fn from(row: StoredVersion) -> Self {
        Self {
            version: row.version,
            created_at: row.created_at,
            public_key: row.public_key,
            certificate_chain: row.certificate_chain,
        }
    }
}

/// A ring whose rotation is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueRing {
    /// The mount it is on.
    pub mount: MountId,
    /// Its name.
    pub name: KeyName,
    /// What its keys are for.
    pub key_type: KeyType,
    /// The generation that is due; a ring rotated meanwhile is at another.
    pub generation: Generation,
    /// When it was due.
    pub due_at: Timestamp,
}

/// Which rings are asked for when some are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DueKind {
    /// Those whose next key is made at once.
    Quick,
    /// Those whose next key takes a search: RSA rings.
    Searched,
}

/// Rings with their versions and history.
#[async_trait]
pub trait RingStore: Send + Sync + fmt::Debug {
    /// Writes a new ring with its versions and history event.
    /// [`StoreError::Exists`] if the mount has a ring of that name, [`StoreError::NotFound`] if the mount is
    /// gone or disabled, [`StoreError::Conflict`] if the ring it replaces is no longer what was read.
    async fn create_ring(&self, new: &RingCreation) -> Result<(), StoreError>;

    /// One read: the ring and one of its versions, or `None` if there is no such ring.
    async fn load_ring(
        &self,
        mount: MountId,
        name: &KeyName,
        with: With,
    ) -> Result<Option<LoadedRing>, StoreError>;

    /// Makes the change if the ring is still at [`RingChange::read_at`], else [`StoreError::Conflict`]
    /// (also if the ring is gone).
    async fn change_ring(&self, change: &RingChange) -> Result<(), StoreError>;

    /// Destroys the ring, all its versions and its usage if it is still at this generation, else
    /// [`StoreError::Conflict`]. The history stays.
    async fn delete_ring(
        &self,
        ring: RingId,
        read_at: Generation,
        event: &HistoryEvent,
    ) -> Result<(), StoreError>;

    /// Names on a mount in byte order, from the first one after `after`; at most `limit`. Reserved names are not told.
    async fn list_rings(
        &self,
        mount: MountId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<KeyName>, StoreError>;

    /// What may be shown of each version from this one on, in order.
    async fn versions(
        &self,
        ring: RingId,
        from: Version,
    ) -> Result<Vec<VersionSummary>, StoreError>;

    /// Each version from this one on, in order.
    async fn version_rows(
        &self,
        ring: RingId,
        from: Version,
    ) -> Result<Vec<StoredVersion>, StoreError>;

    /// Events of a name in order, from the first one with a sequence above `after`; at most `limit`.
    async fn history(
        &self,
        mount: MountId,
        name: &KeyName,
        after: u64,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, StoreError>;

    /// Everything a request changed, in order.
    async fn events_of_request(&self, request_id: &str) -> Result<Vec<RecordedEvent>, StoreError>;

    /// Rings of this kind on enabled mounts due at or before `now`, the longest overdue first; at most `limit`.
    async fn due_for_rotation(
        &self,
        kind: DueKind,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueRing>, StoreError>;
}

/// Mounts, current and disabled.
#[async_trait]
pub trait MountStore: Send + Sync + fmt::Debug {
    /// All enabled mounts, by path.
    async fn mounts(&self) -> Result<Vec<Mount>, StoreError>;

    /// Adds a mount. [`StoreError::Exists`] if an enabled mount has this path, or one path would contain the other.
    async fn enable_mount(&self, mount: &Mount) -> Result<(), StoreError>;

    /// Replaces the settings of an enabled mount; [`StoreError::NotFound`] if there is none, [`StoreError::Conflict`] if
    /// its settings are no longer those that were read before.
    async fn tune_mount(
        &self,
        mount: MountId,
        before: &MountSettings,
        after: &MountSettings,
    ) -> Result<(), StoreError>;

    /// Takes the mount at this path out of service and keeps its rings. `false` if there is none.
    async fn disable_mount(&self, path: &MountPath, at: Timestamp) -> Result<bool, StoreError>;

    /// Puts the mount most recently disabled at this path back into service. [`StoreError::NotFound`] if there is none,
    /// [`StoreError::Exists`] if the path is taken.
    async fn restore_mount(&self, path: &MountPath) -> Result<(), StoreError>;

    /// Destroys mounts disabled before this instant, with their rings; the history stays. How many there were.
    async fn purge_mounts(&self, disabled_before: Timestamp) -> Result<u64, StoreError>;
}

/// How often versions were used. Outside MACs and generations.
#[async_trait]
pub trait UsageStore: Send + Sync + fmt::Debug {
    /// Books this many uses in advance and answers the new total. [`StoreError::NotFound`] if the version is gone.
    async fn lease_usage(
        &self,
        ring: RingId,
        version: Version,
        uses: u64,
    ) -> Result<u64, StoreError>;

    /// Gives back uses that were booked and not made. A version that is gone is no error.
    async fn return_usage(
        &self,
        ring: RingId,
        version: Version,
        uses: u64,
    ) -> Result<(), StoreError>;

    /// The booked uses of each version from this one on that has any.
    async fn usage(&self, ring: RingId, from: Version) -> Result<Vec<(Version, u64)>, StoreError>;
}

/// A place in the stream of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The place among changes to rings.
    pub rings: u64,
    /// The place among revocations.
    pub revocations: u64,
}

impl Cursor {
    /// Where the stream begins.
    pub const START: Self = Self {
        rings: 0,
        revocations: 0,
    };

    /// Whether anything of this place lies before the other. A store that counts on never answers such a place.
    pub const fn is_behind(self, other: Self) -> bool {
        self.rings < other.rings || self.revocations < other.revocations
    }
}

/// A ring somebody changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedRing {
    /// The mount it is on.
    pub mount: MountId,
    /// Its name.
    pub name: KeyName,
    /// The ring itself.
    pub ring: RingId,
    /// Its generation after the change.
    pub generation: Generation,
}

/// What changed since a cursor.
#[derive(Clone, Debug)]
pub struct Changes {
    /// Every ring changed since then, deleted ones included, in order, each possibly more than once, and
    /// possibly some changed a little earlier.
    pub rings: Vec<ChangedRing>,
    /// Grows with every change to a mount.
    pub mounts_epoch: u64,
    /// Grows with every change to an entry, a chosen credential or a root token, and when the store is sealed or
    /// unsealed.
    pub identity_epoch: u64,
    /// Every token that was revoked or used up since then, root tokens included; in order, each possibly more than
    /// once, and possibly some that were a little earlier.
    pub revoked: Vec<CredentialHash>,
    /// Whether the live copy of the store secret is gone.
    pub sealed: bool,
    /// Where the next poll begins. Transactions that were still open are not skipped by it.
    pub next: Cursor,
}

/// The stream of changes that keeps the caches of several nodes alike.
#[async_trait]
pub trait ChangeFeed: Send + Sync + fmt::Debug {
    /// Where the stream ends now.
    async fn end(&self) -> Result<Cursor, StoreError>;

    /// All changes since the cursor.
    async fn changes_since(&self, cursor: Cursor) -> Result<Changes, StoreError>;

    /// Returns when another process may have changed something. Only a hint: it may come late, for nothing,
    /// or not at all; a store that only one process can open never hints.
    async fn hint(&self);

    /// Has the next calls use new connections, if the store is reached over a network: those there are may lead nowhere
    /// any more, and each would have to be waited for. Call it when the store did not answer in time.
    fn reconnect(&self) {}
}

/// What a store knows of itself, from `init` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreHeader {
    /// The store.
    pub store: StoreId,
    /// The KEK it was made with.
    pub kek: KekId,
    /// The live copy of the store secret, under the KEK; absent while the store is sealed.
    pub live_secret: Option<WrappedDek>,
    /// The other copy, under the unlock key.
    pub unlock_copy: Vec<u8>,
    /// How many unlock shares were made.
    pub shares: u8,
    /// How many of them open the store.
    pub threshold: u8,
    /// When the store was made.
    pub created_at: Timestamp,
}

/// One of the store's own secrets, wrapped like a ring's version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSecret {
    /// What it is for; see [`Purpose::number`](crate::store_keys::Purpose::number).
    pub purpose: u32,
    /// The KEK that wraps its DEK.
    pub kek: KekId,
    /// The DEK under that KEK.
    pub wrapped: WrappedDek,
    /// The secret, sealed under a key derived from the DEK and the store secret.
    pub material: Vec<u8>,
}

/// A root token as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRootToken {
    /// HMAC-SHA256 of the token under the store's token pepper.
    pub hash: [u8; 32],
    /// Names the token without giving it away.
    pub accessor: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The store's own header, secrets and root tokens.
#[async_trait]
pub trait HeaderStore: Send + Sync + fmt::Debug {
    /// The header; `None` before [`initialise`](Self::initialise).
    async fn header(&self) -> Result<Option<StoreHeader>, StoreError>;

    /// Writes header, secrets and a first mount in one transaction; [`StoreError::Exists`] if there is a header.
    async fn initialise(
        &self,
        header: &StoreHeader,
        secrets: &[StoredSecret],
        mount: &Mount,
    ) -> Result<(), StoreError>;

    /// The store's secrets.
    async fn secrets(&self) -> Result<Vec<StoredSecret>, StoreError>;

    /// The root tokens.
    async fn root_tokens(&self) -> Result<Vec<StoredRootToken>, StoreError>;

    /// Makes this the only root token. The others are told as revoked.
    async fn replace_root_tokens(&self, token: &StoredRootToken) -> Result<(), StoreError>;

    /// Deletes a root token, which is told as revoked; whether there was one with this hash.
    async fn revoke_root_token(
        &self,
        hash: CredentialHash,
        at: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Deletes the live copy of the store secret, as far as the database lets go of what it deletes. Nothing happens if
    /// there is none; [`StoreError::NotFound`] without a header.
    async fn seal(&self) -> Result<(), StoreError>;

    /// Brings back a live copy. Nothing happens if there is one; [`StoreError::NotFound`] without a header.
    async fn unseal(&self, live: &WrappedDek) -> Result<(), StoreError>;
}

/// A whole store.
pub trait KeyStore:
    RingStore
    + MountStore
    + UsageStore
    + ChangeFeed
    + HeaderStore
    + EntryStore
    + CredentialStore
    + AuditHeadStore
{
}

impl<T> KeyStore for T where
    T: RingStore
        + MountStore
        + UsageStore
        + ChangeFeed
        + HeaderStore
        + EntryStore
        + CredentialStore
        + AuditHeadStore
{
}
