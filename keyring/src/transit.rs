//! The one door: every verb the service offers over named rings.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::algorithm::{CipherType, KeyType};
use crate::audit_keys::AuditKeys;
use crate::binding::Origin;
use crate::clock::Clock;
use crate::data::DataPath;
use crate::entropy::Entropy;
use crate::error::{Error, ItemError};
use crate::hash::HashAlgorithm;
use crate::history::{Provenance, RecordedEvent};
use crate::identity_keys::IdentityKeys;
use crate::ids::{MountId, SealId};
use crate::job::{Job, Outcomes};
use crate::kek::Kek;
use crate::key_search::FoundPair;
use crate::lifecycle::{Lifecycle, RotateIf};
use crate::listener::{IdentityListener, Listeners};
use crate::load::Loader;
use crate::mount::{Mount, MountSettings};
use crate::mounts::MountTable;
use crate::name::{KeyName, MountPath};
use crate::observer::Observer;
use crate::policy::PolicyChange;
use crate::ring::StoredRing;
pub use crate::root_tokens::RootToken;
use crate::root_tokens::RootTokens;
use crate::seal::Verb;
use crate::secret::SecretBytes;
use crate::signing::{CheckJob, Tag, TagJob};
use crate::store::{KeyStore, StoreError, VersionSummary};
use crate::transfer::byok::ImportHash;
use crate::transfer::export::{ExportFormat, ExportKind};
use crate::version::Version;
use crate::witness::{ChangeWitness, Unwitnessed};

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

/// Limits and times, and who witnesses; the defaults are production's, without a witness.
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
    pub default_key_type: CipherType,
    /// Uses of a version at which a ring with a limit is rotated.
    pub rotate_at_uses: u64,
    /// Uses of a version at which a ring with a limit refuses to encrypt.
    pub refuse_at_uses: u64,
    /// Jobs of at most this many items run where the request is, if they hold few enough bytes; they let other
    /// requests have a turn every 128 items. Larger ones go to the worker threads, the way to which costs some
    /// 5 microseconds of processor time, as much as 20 short items; see `benches/benches/batch.rs`.
    pub inline_items: usize,
    /// Jobs of at most this many bytes run where the request is. One plaintext of that size keeps other requests
    /// waiting for some 75 microseconds.
    pub inline_bytes: usize,
    /// Threads for large jobs; 0 means one per core.
    pub worker_threads: usize,
    /// How many RSA keys are searched for at a time, besides one for rings that are rotated by timer.
    pub key_searches: usize,
    /// How many requests may wait for an RSA key or have one searched for.
    pub key_search_queue: usize,
    /// How many of them may be one caller's.
    pub key_search_share: usize,
    /// How many large jobs may wait before further ones are refused. Of signatures, singly or in batches, it is 16 times
    /// as many: most of them are short, and every client's connection may wait for one.
    pub worker_queue: usize,
    /// Who has to know of the rotations the engine makes by itself.
    pub witness: Arc<dyn ChangeWitness>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cache_rings: 1_000_000,
            cache_bytes: 1 << 30,
            cache_idle: Duration::from_hours(1),
            encrypt_coast: Duration::from_mins(1),
            decrypt_coast: Duration::from_mins(10),
            poll_interval: Duration::from_millis(250),
            shortest_period: Duration::from_hours(1),
            default_key_type: CipherType::Aes256GcmSiv,
            rotate_at_uses: 1 << 31,
            refuse_at_uses: 1 << 32,
            inline_items: 1024,
            inline_bytes: 128 * 1024,
            key_searches: 2,
            key_search_queue: 256,
            key_search_share: 8,
            worker_threads: 0,
            worker_queue: 64,
            witness: Arc::new(Unwitnessed),
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
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a separate flag of the protocol"
)]
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
    /// How long each version's key is, in bytes; for the type `hmac`, which needs it.
    pub key_size: Option<i64>,
}

/// A key from elsewhere.
#[derive(Debug)]
pub enum KeySource {
    /// Wrapped for the mount's wrapping key.
    Private {
        /// Base64 of the blob.
        ciphertext: String,
        /// The hash of its OAEP.
        hash: ImportHash,
    },
    /// Only the public half, in PEM.
    Public(String),
}

/// A ring to be made of a key from elsewhere.
#[derive(Debug)]
pub struct NewImport {
    /// What the ring is to be. Its own type and key size are not looked at.
    pub new: NewRing,
    /// The key's type.
    pub key_type: KeyType,
    /// How the key came to be, seen from here.
    pub origin: Origin,
    /// The key.
    pub source: KeySource,
    /// Whether the ring may be rotated here.
    pub allow_rotation: bool,
    /// The seal id that its `aes256-gcm-siv` ciphertexts are bound to; absent for a new one.
    pub seal_id: Option<[u8; 16]>,
}

impl Default for NewImport {
    fn default() -> Self {
        Self {
            new: NewRing::default(),
            key_type: CipherType::Aes256Gcm96.into(),
            origin: Origin::Imported,
            source: KeySource::Public(String::new()),
            allow_rotation: false,
            seal_id: None,
        }
    }
}

/// What two parties make a key of, by ECDH (SP 800-56A) and HKDF-SHA256.
#[derive(Debug)]
pub struct Agreement {
    /// The ring, on the same mount, whose private key takes part.
    pub base: KeyName,
    /// Its version; 0 for the latest.
    pub base_version: i64,
    /// The peer's public key, in PEM.
    pub peer_public_key: String,
    /// What the agreed key is for.
    pub key_type: CipherType,
}

/// Which versions are to be given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionChoice {
    /// Those that decrypt.
    All,
    /// The latest.
    Latest,
    /// This one.
    One(i64),
}

/// Keys as they are given out.
#[derive(Debug)]
pub struct Exported {
    /// Their type.
    pub key_type: KeyType,
    /// The text of each, in order.
    pub keys: Vec<(Version, SecretBytes)>,
    /// What ciphertexts of the type `aes256-gcm-siv` are bound to besides.
    pub seal_id: Option<SealId>,
}

/// A ring as a caller may see it.
#[derive(Clone, Debug)]
pub struct Description {
    /// Its row.
    pub ring: StoredRing,
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

/// The engine. All verbs take `&self`; whoever drops it early should call [`Transit::shutdown`] first.
#[derive(Debug)]
pub struct Transit {
    pub(crate) loader: Arc<Loader>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) data: DataPath,
    pub(crate) mounts: Arc<MountTable>,
    pub(crate) root_tokens: Arc<RootTokens>,
    pub(crate) listeners: Arc<Listeners>,
    pub(crate) settings: Settings,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) background: Mutex<Vec<JoinHandle<()>>>,
}

impl Transit {
    /// All enabled mounts, by path; a snapshot that costs nothing to take.
    pub fn mounts(&self) -> Arc<Vec<Mount>> {
        self.mounts.all()
    }

    /// Adds a mount.
    pub async fn enable_mount(
        &self,
        path: MountPath,
        settings: MountSettings,
    ) -> Result<(), MountError> {
        let (mounts, loader) = (Arc::clone(&self.mounts), Arc::clone(&self.loader));
        self.mount_task(async move {
            let (clock, entropy) = (loader.clock.as_ref(), loader.keys.entropy.as_ref());
            let gone = mounts.enable(path, settings, clock, entropy).await?;
            loader.cache.remove_mounts(&gone);
            Ok(())
        })
        .await
    }

    /// Edits a mount's settings, more than once if others change them meanwhile. Answers the settings as they are then, or
    /// why the edit refused.
    pub async fn tune_mount<E: Send + 'static>(
        &self,
        mount: MountId,
        edit: impl Fn(MountSettings) -> Result<MountSettings, E> + Send + Sync + 'static,
    ) -> Result<Result<MountSettings, E>, MountError> {
        let (mounts, loader) = (Arc::clone(&self.mounts), Arc::clone(&self.loader));
        self.mount_task(async move {
            let (tuned, gone) = mounts.tune(mount, edit).await?;
            loader.cache.remove_mounts(&gone);
            Ok(tuned)
        })
        .await
    }

    /// Takes a mount out of service; its rings are kept 30 days. `false` if there is none.
    pub async fn disable_mount(&self, path: MountPath) -> Result<bool, MountError> {
        let (mounts, loader) = (Arc::clone(&self.mounts), Arc::clone(&self.loader));
        self.mount_task(async move {
            let (found, gone) = mounts.disable(&path, loader.clock.as_ref()).await?;
            loader.cache.remove_mounts(&gone);
            Ok(found)
        })
        .await
    }

    /// Creates a ring; if one of that name exists, describes that and changes nothing.
    pub async fn create(
        &self,
        at: &Address,
        new: &NewRing,
        by: &Provenance,
    ) -> Result<Description, Error> {
        self.create_with(at, new, None, by).await
    }

    /// The same with the key pair that [`pair_for_ring`](Self::pair_for_ring) found for it. Without one, or if it is of
    /// another type, one is made.
    pub async fn create_with(
        &self,
        at: &Address,
        new: &NewRing,
        found: Option<FoundPair>,
        by: &Provenance,
    ) -> Result<Description, Error> {
        let key_type = self.key_type_of(at, new)?;
        let (at, new, by) = (at.clone(), new.clone(), by.clone());
        self.task(|life| async move {
            life.create(&at, (&new, key_type), found.as_ref(), &by)
                .await
        })
        .await
    }

    /// The type that a new ring's keys are of.
    pub(crate) fn key_type_of(&self, at: &Address, new: &NewRing) -> Result<KeyType, Error> {
        let mount = self.mounts.find(at.mount).ok_or(Error::NotFound)?;
        Ok(new.key_type.unwrap_or_else(|| {
            mount
                .settings
                .default_key_type
                .unwrap_or(self.settings.default_key_type)
                .into()
        }))
    }

    /// Describes a ring, read from the store. [`Error::NotFound`] if there is none.
    pub async fn describe(&self, at: &Address) -> Result<Description, Error> {
        let at = at.clone();
        self.task(|life| async move { life.describe(&at).await })
            .await
    }

    /// Names of a mount's rings in byte order, after `after`, at most `limit`.
    pub async fn list(
        &self,
        mount: MountId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<KeyName>, Error> {
        let after = after.map(str::to_owned);
        self.task(|life| async move {
            Ok(life
                .store
                .list_rings(mount, after.as_deref(), limit)
                .await?)
        })
        .await
    }

    /// Deletes a ring.
    pub async fn delete(&self, at: &Address, by: &Provenance) -> Result<(), Error> {
        let (at, by) = (at.clone(), by.clone());
        self.task(|life| async move { life.delete(&at, &by).await })
            .await
    }

    /// Changes a ring's settings.
    pub async fn configure(
        &self,
        at: &Address,
        change: &PolicyChange,
        by: &Provenance,
    ) -> Result<Description, Error> {
        let (at, change, by) = (at.clone(), change.clone(), by.clone());
        self.task(|life| async move {
            life.configure(&at, &change, &by).await?;
            life.describe_change(&at).await
        })
        .await
    }

    /// Adds a version. With `if_version`, only if that is the latest one.
    pub async fn rotate(
        &self,
        at: &Address,
        if_version: Option<i64>,
        by: &Provenance,
    ) -> Result<Description, Error> {
        self.rotate_with(at, if_version, None, by).await
    }

    /// The same with the key pair that [`pair_for_rotation`](Self::pair_for_rotation) found for it. Without one, or if it
    /// is of another type, one is made.
    pub async fn rotate_with(
        &self,
        at: &Address,
        if_version: Option<i64>,
        found: Option<FoundPair>,
        by: &Provenance,
    ) -> Result<Description, Error> {
        let (at, by) = (at.clone(), by.clone());
        let which = if_version.map_or(RotateIf::Always, RotateIf::Version);
        self.task(|life| async move {
            life.rotate(&at, (which, found.as_ref()), &by).await?;
            life.describe_change(&at).await
        })
        .await
    }

    /// Destroys the versions below this one.
    pub async fn trim(
        &self,
        at: &Address,
        min_available: Option<i64>,
        by: &Provenance,
    ) -> Result<Description, Error> {
        let (at, by) = (at.clone(), by.clone());
        self.task(|life| async move {
            life.trim(&at, min_available, &by).await?;
            life.describe_change(&at).await
        })
        .await
    }

    /// Sets a ring aside, where it keeps everything and serves nothing, or brings it back. The ring, and whether it was
    /// not so already.
    pub async fn set_aside(
        &self,
        at: &Address,
        aside: bool,
        by: &Provenance,
    ) -> Result<(Description, bool), Error> {
        let (at, by) = (at.clone(), by.clone());
        self.task(|life| async move {
            let changed = life.set_aside(&at, aside, &by).await?;
            Ok((life.describe_change(&at).await?, changed))
        })
        .await
    }

    /// The public half of a mount's wrapping key, a DER `SubjectPublicKeyInfo`; made on first use.
    pub async fn wrapping_key(&self, mount: MountId) -> Result<Vec<u8>, Error> {
        self.wrapping_key_with(mount, None).await
    }

    /// The same with the key pair that [`pair_for_wrapping_key`](Self::pair_for_wrapping_key) found for it.
    pub async fn wrapping_key_with(
        &self,
        mount: MountId,
        found: Option<FoundPair>,
    ) -> Result<Vec<u8>, Error> {
        self.task(|life| async move { life.wrapping_public_key(mount, found.as_ref()).await })
            .await
    }

    /// Makes the wrapping key of a mount that has none, with the key pair that
    /// [`pair_for_wrapping_key`](Self::pair_for_wrapping_key) found for it.
    pub async fn make_wrapping_key(&self, mount: MountId, found: FoundPair) -> Result<(), Error> {
        self.wrapping_key_with(mount, Some(found)).await.map(drop)
    }

    /// Makes a ring of a key from elsewhere.
    pub async fn import(
        &self,
        at: &Address,
        import: NewImport,
        by: &Provenance,
    ) -> Result<(), Error> {
        let (at, by) = (at.clone(), by.clone());
        self.task(|life| async move { life.import(&at, &import, &by).await })
            .await
    }

    /// Adds a key from elsewhere to a ring of such keys, or gives a version that is only public its private half:
    /// the one named, or the latest if it is its own.
    pub async fn import_version(
        &self,
        at: &Address,
        source: KeySource,
        version: Option<i64>,
        by: &Provenance,
    ) -> Result<(), Error> {
        let (at, by) = (at.clone(), by.clone());
        self.task(|life| async move { life.import_version(&at, &source, version, &by).await })
            .await
    }

    /// Makes a key of what two parties agree on, and puts it into a ring, which is made if it is not there.
    pub async fn agree(
        &self,
        at: &Address,
        agreement: Agreement,
        by: &Provenance,
    ) -> Result<(), Error> {
        let (at, by) = (at.clone(), by.clone());
        self.task(|life| async move { life.agree(&at, &agreement, &by).await })
            .await
    }

    /// The ring in the clear, as the text of a backup.
    pub async fn back_up(&self, at: &Address, by: &Provenance) -> Result<SecretBytes, Error> {
        let (at, by) = (at.clone(), by.clone());
        self.task(|life| async move { life.back_up(&at, &by).await })
            .await
    }

    /// Makes a ring of a backup, under this name or its own. With `force` it replaces a ring of that name.
    pub async fn restore(
        &self,
        (mount, name): (MountId, Option<KeyName>),
        backup: SecretBytes,
        force: bool,
        by: &Provenance,
    ) -> Result<(), Error> {
        let by = by.clone();
        self.task(|life| async move {
            life.restore((mount, name.as_ref()), backup, force, &by)
                .await
        })
        .await
    }

    /// A certification request (RFC 2986) for a version's key, in PEM, after a template; 0 is the latest version.
    pub async fn request_certificate(
        &self,
        at: &Address,
        version: i64,
        template: String,
    ) -> Result<String, Error> {
        let at = at.clone();
        self.task(|life| async move { life.request_certificate(&at, (version, &template)).await })
            .await
    }

    /// Keeps the certificates of a version's key, the leaf first, in PEM; 0 is the latest version.
    pub async fn set_certificate(
        &self,
        at: &Address,
        (version, pems): (i64, String),
        by: &Provenance,
    ) -> Result<(), Error> {
        let (at, by) = (at.clone(), by.clone());
        self.task(|life| async move { life.set_certificate(&at, (version, &pems), &by).await })
            .await
    }

    /// Gives keys out in the clear, or their public halves.
    pub async fn export(
        &self,
        at: &Address,
        what: (ExportKind, ExportFormat),
        choice: VersionChoice,
    ) -> Result<Exported, Error> {
        let at = at.clone();
        self.task(|life| async move { life.export(&at, what, choice).await })
            .await
    }

    /// Gives the keys of one ring out, wrapped for the RSA key of another.
    pub async fn byok_export(
        &self,
        source: &Address,
        destination: &Address,
        choice: VersionChoice,
        hash: ImportHash,
    ) -> Result<Exported, Error> {
        let (source, destination) = (source.clone(), destination.clone());
        self.task(|life| async move {
            life.byok_export((&source, &destination), choice, hash)
                .await
        })
        .await
    }

    /// A name's history after this sequence number, at most `limit` events; also of deleted rings.
    pub async fn history(
        &self,
        at: &Address,
        after: u64,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, Error> {
        let at = at.clone();
        self.task(
            |life| async move { Ok(life.store.history(at.mount, &at.name, after, limit).await?) },
        )
        .await
    }

    /// Seals every item of the job.
    pub fn encrypt(&self, at: &Address, job: Job) -> impl Future<Output = Result<Outcomes, Error>> {
        self.data.run(Verb::Encrypt, at, job)
    }

    /// Opens every item of the job.
    pub fn decrypt(&self, at: &Address, job: Job) -> impl Future<Output = Result<Outcomes, Error>> {
        self.data.run(Verb::Decrypt, at, job)
    }

    /// Opens every item of the job and seals it again.
    pub fn rewrap(&self, at: &Address, job: Job) -> impl Future<Output = Result<Outcomes, Error>> {
        self.data.run(Verb::Rewrap, at, job)
    }

    /// Base64 of the public key that each version of a ring derives for a context; those that decrypt, in order.
    pub async fn derived_public_keys(
        &self,
        at: &Address,
        context: SecretBytes,
    ) -> Result<Vec<(Version, String)>, Error> {
        self.data.derived_public_keys(at, context).await
    }

    /// Signs every input of the job, or makes its HMAC.
    pub async fn tag(
        &self,
        at: &Address,
        job: TagJob,
    ) -> Result<Vec<Result<Tag, ItemError>>, Error> {
        self.data.tag(at, job).await
    }

    /// Checks every signature or HMAC of the job.
    pub async fn check(
        &self,
        at: &Address,
        job: CheckJob,
    ) -> Result<Vec<Result<bool, ItemError>>, Error> {
        self.data.check(at, job).await
    }

    /// Whether there is such a ring. A warm one is known without asking the store.
    pub async fn is_there(&self, at: &Address) -> Result<bool, Error> {
        self.data.is_there(at).await
    }

    /// Makes a data key.
    pub async fn data_key(&self, at: &Address, new: NewDataKey<'_>) -> Result<DataKey, Error> {
        self.data.data_key(at, new).await
    }

    /// This many random bytes, from where the engine has its keys from.
    pub fn random(&self, length: usize) -> Result<SecretBytes, Error> {
        let entropy = self.loader.keys.entropy.as_ref();
        Ok(SecretBytes::generate(length, entropy)?)
    }

    /// The hash of this input; that of a long one is worked out on the worker threads.
    pub async fn hash(&self, hash: HashAlgorithm, input: SecretBytes) -> Result<Vec<u8>, Error> {
        self.data.hash(hash, input).await
    }

    /// The root token this text is, if it is one. Touches neither store nor KEK; one that was revoked or replaced is
    /// forgotten within one poll.
    pub fn root_token(&self, token: &str) -> Option<RootToken> {
        let hash = self.loader.keys.store.tokens.hash(token.as_bytes());
        self.root_tokens.find(&hash)
    }

    /// Revokes the root token with this accessor; whether there was one.
    pub async fn revoke_root_token(&self, accessor: &str) -> Result<bool, StoreError> {
        self.root_tokens
            .revoke(accessor, self.loader.clock.now())
            .await
    }

    /// The keys of entries and credentials.
    pub fn identity_keys(&self) -> Arc<IdentityKeys> {
        Arc::clone(&self.loader.keys.store.identity)
    }

    /// The keys of the audit logs.
    pub fn audit_keys(&self) -> Arc<AuditKeys> {
        Arc::clone(&self.loader.keys.store.audit)
    }

    /// Whether the store has answered within the time decryption may go on without it.
    pub fn is_current(&self) -> bool {
        let now = self.loader.clock.uptime();
        self.loader
            .freshness
            .is_within(now, Duration::ZERO, self.settings.decrypt_coast)
    }

    /// Tells this listener of every change to identity from now on. Follow first and then read, and nothing falls in
    /// between.
    pub fn follow(&self, listener: Arc<dyn IdentityListener>) {
        self.listeners.add(listener);
    }

    /// Whether something that was read from the store at this uptime has been confirmed within the time allowed: the
    /// store has answered since that nothing changed, or the read itself is that young.
    pub fn is_confirmed_within(&self, read_at_uptime: Duration, allowed: Duration) -> bool {
        let freshness = &self.loader.freshness;
        freshness.is_within(self.uptime(), read_at_uptime, allowed)
    }

    /// Whether the store did not answer the last poll.
    pub fn store_is_away(&self) -> bool {
        self.loader.freshness.store_is_away()
    }

    /// The engine's clock for ages; note it before a read whose age will matter.
    pub fn uptime(&self) -> Duration {
        self.loader.clock.uptime()
    }

    /// The store's id as text, for `cluster_id`.
    pub fn store_id(&self) -> String {
        self.loader.keys.store.store.to_string()
    }

    /// Gives booked uses back and stops the background work. Requests must have ended before. Dropped after that, the
    /// engine leaves no key behind, and nobody holds it but who took [`identity_keys`](Self::identity_keys) or
    /// [`audit_keys`](Self::audit_keys).
    pub async fn shutdown(&self) {
        self.give_up_waiting();
        self.stop.send_replace(true);
        self.listeners.clear();
        let background = std::mem::take(&mut *self.background());
        for task in background {
            // One that panicked has ended as well.
            drop(task.await);
        }
        self.loader.cache.clear();
        self.loader.ledger.flush().await;
    }

    fn background(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.background
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a verb on the engine's runtime, in a task of its own: a client that hangs up does not cancel it.
    pub(crate) async fn task<T, F>(
        &self,
        verb: impl FnOnce(Arc<Lifecycle>) -> F,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        if self.loader.freshness.store_is_away() {
            return Err(
                StoreError::Unavailable("it did not answer the last poll".to_owned()).into(),
            );
        }
        self.loader
            .runtime
            .spawn(verb(Arc::clone(&self.lifecycle)))
            .await
            .map_err(|_| Error::Worker)?
    }

    async fn mount_task<T: Send + 'static>(
        &self,
        verb: impl Future<Output = Result<T, MountError>> + Send + 'static,
    ) -> Result<T, MountError> {
        let broke_off = |_| MountError::Store(StoreError::OutcomeUnknown);
        self.loader.runtime.spawn(verb).await.map_err(broke_off)?
    }
}
