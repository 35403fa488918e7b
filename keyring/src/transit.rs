//! The one door: every verb the service offers over named rings.

use std::sync::Arc;
use std::time::Duration;

use crate::algorithm::KeyType;
use crate::clock::{Clock, Timestamp};
use crate::entropy::Entropy;
use crate::error::Error;
use crate::history::{Provenance, RecordedEvent};
use crate::ids::MountId;
use crate::job::{Job, Outcomes};
use crate::kek::Kek;
use crate::mount::{Mount, MountSettings};
use crate::name::{KeyName, MountPath};
use crate::observer::Observer;
use crate::policy::PolicyChange;
use crate::ring::StoredRing;
use crate::secret::SecretBytes;
use crate::store::{KeyStore, StoreError, VersionSummary};
use crate::version::Version;

/// What a [`Transit`] is built from.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Where rings are kept.
    pub store: Arc<dyn KeyStore>,
    /// What wraps their keys.
    pub kek: Arc<dyn Kek>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub entropy: Arc<dyn Entropy>,
    /// Who counts what happens.
    pub observer: Arc<dyn Observer>,
}

/// Limits and times; the defaults are production's.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many rings the cache holds at most.
    pub cache_rings: u64,
    /// How many bytes of opened rings the cache holds at most, as it estimates them.
    pub cache_bytes: u64,
    /// A ring nobody used for this long leaves the cache.
    pub cache_idle: Duration,
    /// How long to go on encrypting while the store is away.
    pub encrypt_coast: Duration,
    /// How long to go on decrypting while the store is away.
    pub decrypt_coast: Duration,
    /// How often the store is asked what changed.
    pub poll_interval: Duration,
    /// The shortest rotation period a ring may have.
    pub shortest_period: Duration,
    /// The type of rings created without one, where the mount has none either.
    pub default_key_type: KeyType,
    /// Uses of a version at which a ring with a limit is rotated.
    pub rotate_at_uses: u64,
    /// Uses of a version at which a ring with a limit refuses to encrypt.
    pub refuse_at_uses: u64,
    /// Threads for large jobs; 0 means one per core.
    pub worker_threads: usize,
    /// How many large jobs may wait before further ones are refused.
    pub worker_queue: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cache_rings: 1_000_000,
            cache_bytes: 1 << 30,
            cache_idle: Duration::from_secs(3600),
            encrypt_coast: Duration::from_secs(60),
            decrypt_coast: Duration::from_secs(600),
            poll_interval: Duration::from_millis(250),
            shortest_period: Duration::from_secs(3600),
            default_key_type: KeyType::Aes256GcmSiv,
            rotate_at_uses: 1 << 31,
            refuse_at_uses: 1 << 32,
            worker_threads: 0,
            worker_queue: 64,
        }
    }
}

/// Which ring is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// The mount it is on.
    pub mount: MountId,
    /// Its name there.
    pub name: KeyName,
}

/// What a new ring is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRing {
    /// What its keys are for; absent means the mount's or the server's default.
    pub key_type: Option<KeyType>,
    /// Whether every operation derives its own key from a context.
    pub derived: bool,
    /// Whether equal plaintexts under one context give equal ciphertexts; needs `derived`.
    pub convergent: bool,
    /// Whether key material may be exported.
    pub exportable: bool,
    /// Whether the ring may be backed up in the clear.
    pub allow_plaintext_backup: bool,
    /// How long a version encrypts before the timer adds the next one; zero for ever.
    pub auto_rotate_period: Duration,
}

/// A ring as a caller may see it.
#[derive(Clone, Debug)]
pub struct Description {
    /// Its row.
    pub ring: StoredRing,
    /// Whether its newest version was brought by a caller.
    pub imported: bool,
    /// The versions that decrypt, in order.
    pub versions: Vec<VersionSummary>,
    /// How often each version has been used, booked uses included; versions without uses are left out.
    pub usage: Vec<(Version, u64)>,
}

/// What a data key is to be.
#[derive(Clone, Copy, Debug)]
pub struct NewDataKey<'a> {
    /// Its length in bytes.
    pub length: usize,
    /// Base64 of the context, for rings that derive; empty for none.
    pub context: &'a str,
    /// Base64 of the associated data; empty for none.
    pub associated_data: &'a str,
    /// The version to seal it with; 0 for the latest.
    pub key_version: i64,
}

/// A fresh random key for a caller, in the clear and sealed.
#[derive(Debug)]
pub struct DataKey {
    /// Base64 of the key.
    pub plaintext: SecretBytes,
    /// The key as ciphertext.
    pub ciphertext: String,
    /// The version that sealed it.
    pub version: Version,
}

/// The root token as far as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootToken {
    /// Names the token without giving it away.
    pub accessor: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Why a mount did not change.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The path is taken, contains another mount's, or lies within one.
    #[error("path is already in use")]
    InUse,
    /// There is no mount at this path.
    #[error("no such mount")]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

/// The engine. Cheap to share behind an `Arc`; all verbs take `&self`.
#[derive(Debug)]
pub struct Transit {}

impl Transit {
    /// All enabled mounts, by path; a snapshot that costs nothing to take.
    pub fn mounts(&self) -> Arc<Vec<Mount>> {
        todo!()
    }

    /// Adds a mount.
    pub async fn enable_mount(
        &self,
        _path: MountPath,
        _settings: MountSettings,
    ) -> Result<(), MountError> {
        todo!()
    }

    /// Replaces a mount's settings.
    pub async fn tune_mount(
        &self,
        _mount: MountId,
        _settings: MountSettings,
    ) -> Result<(), MountError> {
        todo!()
    }

    /// Takes a mount out of service; its rings are kept 30 days. `false` if there is none.
    pub async fn disable_mount(&self, _path: MountPath) -> Result<bool, MountError> {
        todo!()
    }

    /// Creates a ring; if one of that name exists, describes that and changes nothing.
    pub async fn create(
        &self,
        _at: &Address,
        _new: &NewRing,
        _by: &Provenance,
    ) -> Result<Description, Error> {
        todo!()
    }

    /// Describes a ring, read from the store. [`Error::NotFound`] if there is none.
    pub async fn describe(&self, _at: &Address) -> Result<Description, Error> {
        todo!()
    }

    /// Names of a mount's rings in byte order, after `after`, at most `limit`.
    pub async fn list(
        &self,
        _mount: MountId,
        _after: Option<&str>,
        _limit: u32,
    ) -> Result<Vec<KeyName>, Error> {
        todo!()
    }

    /// Deletes a ring.
    pub async fn delete(&self, _at: &Address, _by: &Provenance) -> Result<(), Error> {
        todo!()
    }

    /// Changes a ring's settings.
    pub async fn configure(
        &self,
        _at: &Address,
        _change: &PolicyChange,
        _by: &Provenance,
    ) -> Result<Description, Error> {
        todo!()
    }

    /// Adds a version. With `if_version`, only if that is the latest one.
    pub async fn rotate(
        &self,
        _at: &Address,
        _if_version: Option<i64>,
        _by: &Provenance,
    ) -> Result<Description, Error> {
        todo!()
    }

    /// Destroys the versions below this one.
    pub async fn trim(
        &self,
        _at: &Address,
        _min_available: Option<i64>,
        _by: &Provenance,
    ) -> Result<Description, Error> {
        todo!()
    }

    /// A name's history after this sequence number, at most `limit` events; also of deleted rings.
    pub async fn history(
        &self,
        _at: &Address,
        _after: u64,
        _limit: u32,
    ) -> Result<Vec<RecordedEvent>, Error> {
        todo!()
    }

    /// Seals every item of the job.
    pub async fn encrypt(&self, _at: &Address, _job: Job) -> Result<Outcomes, Error> {
        todo!()
    }

    /// Opens every item of the job.
    pub async fn decrypt(&self, _at: &Address, _job: Job) -> Result<Outcomes, Error> {
        todo!()
    }

    /// Opens every item of the job and seals it again.
    pub async fn rewrap(&self, _at: &Address, _job: Job) -> Result<Outcomes, Error> {
        todo!()
    }

    /// Makes a data key.
    pub async fn data_key(&self, _at: &Address, _new: NewDataKey<'_>) -> Result<DataKey, Error> {
        todo!()
    }

    /// The root token this text is, if it is one. Touches neither store nor KEK.
    pub fn root_token(&self, _token: &str) -> Option<RootToken> {
        todo!()
    }

    /// Whether the store has answered within the time decryption may go on without it.
    pub fn is_current(&self) -> bool {
        todo!()
    }

    /// The store's id as text, for `cluster_id`.
    pub fn store_id(&self) -> String {
        todo!()
    }

    /// Gives booked uses back and stops the background work.
    pub async fn shutdown(&self) {
        todo!()
    }
}
