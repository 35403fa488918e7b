//! Making a store ready once, and opening it at every start.

use std::sync::{Arc, Mutex};

use subtle::ConstantTimeEq;
use tokio::sync::{mpsc, watch};

use crate::background::{Caretaker, Follower, Overdue, Patience, Rotator, Seen};
use crate::cache::{Bounds, RingCache};
use crate::data::DataPath;
use crate::derive::unlock_copy_key;
use crate::entropy::{Entropy, EntropyError};
use crate::fair_queue::QueueBounds;
use crate::freshness::Freshness;
use crate::ids::{MountId, StoreId};
use crate::kek::KekError;
use crate::key_search::KeySearches;
use crate::keys::KeyRoom;
use crate::lifecycle::Lifecycle;
use crate::load::Loader;
use crate::mount::{Mount, MountSettings};
use crate::mounts::MountTable;
use crate::name::MountPath;
use crate::record::seal_secret;
use crate::root_tokens::RootTokens;
use crate::secret::{Dek, SecretBytes};
use crate::shares::{SplitError, split};
use crate::store::{DueKind, StoreError, StoreHeader, StoredRootToken};
use crate::store_keys::Purpose;
use crate::transit::{Parts, Settings, Transit};
use crate::usage::{Limits, UsageLedger, WornVersion};
use crate::workers::Workers;
use secrets::{new_secret, record_error, store_keys};
pub use unseal::{SealState, UnsealError, examine_share, seal_state, unseal};

mod secrets;
mod unseal;

/// How a store is to be initialised.
#[derive(Clone, Debug)]
pub struct InitPlan {
    /// How many unlock shares to make, 1 to 255.
    pub shares: u8,
    /// How many of them open a sealed store, 1 to `shares`.
    pub threshold: u8,
    /// The first mount.
    pub mount: MountPath,
}

/// Why a store could not be initialised or opened.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The store is initialised already; nothing was changed.
    #[error("the store is already initialised")]
    AlreadyInitialised,
    /// The random source failed.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// A stored secret fails its check or cannot be true.
    #[error("the store does not open under this key-encryption key: {0}")]
    Integrity(&'static str),
    /// The KEK is unavailable.
    #[error(transparent)]
    Kek(#[from] KekError),
    /// A secret that every store has is not there: its row was taken away. Nothing is made in its place.
    #[error(
        "the {0} is missing from the store's secrets; nothing is made in its place: restore the database from a backup"
    )]
    MissingSecret(&'static str),
    /// The store was made with another KEK.
    #[error("the store was initialised with key-encryption key {expected}, not with {found}")]
    OtherKek {
        /// The KEK the store was made with.
        expected: String,
        /// The KEK that was configured.
        found: String,
    },
    /// The store has not been initialised.
    #[error("the store is not initialised; run `sealring init` once")]
    NotInitialised,
    /// The live copy of the store secret has been deleted: the store is sealed.
    #[error("the store is sealed")]
    Sealed,
    /// The number of shares or the threshold makes no sense.
    #[error("the threshold must be between 1 and the number of shares")]
    Shares,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The worker threads could not be started.
    #[error("the worker threads could not be started")]
    Workers,
}

/// What initialising gives out, once.
#[derive(Debug)]
pub struct Initialised {
    /// The unlock shares in their text form; each is a secret.
    pub shares: Vec<SecretBytes>,
}

/// Makes the store's secrets, wraps them, and writes header, secrets and first mount in one transaction.
pub async fn initialise(parts: &Parts, plan: &InitPlan) -> Result<Initialised, SetupError> {
    if parts.store.header().await?.is_some() {
        return Err(SetupError::AlreadyInitialised);
    }
    let entropy = parts.entropy.as_ref();
    let store = StoreId::generate(entropy)?;
    let kek = parts.kek.id();
    let secret = Dek::generate(entropy)?;
    let binding = Purpose::StoreSecret.binding(store, kek);
    let live = parts.kek.wrap_dek(&secret, &binding).await?;
    let reopened = parts.kek.unwrap_dek(&live, &binding).await?;
    if !bool::from(secret.expose_secret().ct_eq(reopened.expose_secret())) {
        return Err(SetupError::Integrity(
            "the key-encryption key does not give back what it wrapped",
        ));
    }
    let (unlock_copy, shares) = unlock_copy(&secret, plan, &binding.encode(), entropy)?;
    let mut secrets = Vec::new();
    for purpose in Purpose::RECORDS {
        secrets.push(new_secret(parts, store, &secret, purpose).await?);
    }
    let now = parts.clock.now();
    let header = StoreHeader {
        store,
        kek: kek.clone(),
        live_secret: Some(live),
        unlock_copy,
        shares: plan.shares,
        threshold: plan.threshold,
        created_at: now,
    };
    let id = MountId::generate(entropy)?;
    let mount = Mount {
        id,
        path: plan.mount.clone(),
        created_at: now,
        settings: MountSettings::default(),
    };
    match parts.store.initialise(&header, &secrets, &mount).await {
        Ok(()) => Ok(Initialised { shares }),
        Err(StoreError::Exists) => Err(SetupError::AlreadyInitialised),
        Err(error) => Err(error.into()),
    }
}

/// The copy of the store secret that outlives sealing, and the shares that open it.
fn unlock_copy(
    secret: &Dek,
    plan: &InitPlan,
    place: &[u8],
    entropy: &dyn Entropy,
) -> Result<(Vec<u8>, Vec<SecretBytes>), SetupError> {
    let unlock_key = Dek::generate(entropy)?;
    let unlock_key = unlock_key.expose_secret();
    let shares =
        split(unlock_key, plan.shares, plan.threshold, entropy).map_err(|error| match error {
            SplitError::Entropy(error) => SetupError::Entropy(error),
            SplitError::Threshold => SetupError::Shares,
        })?;
    let secret = SecretBytes::new(secret.expose_secret().to_vec());
    let copy =
        seal_secret(&secret, &unlock_copy_key(unlock_key), place, entropy).map_err(record_error)?;
    let texts = shares
        .iter()
        .map(|share| SecretBytes::new(share.expose_text().as_bytes().to_vec()));
    Ok((copy, texts.collect()))
}

/// Makes this token the store's only root token.
pub async fn replace_root_token(parts: &Parts, token: &SecretBytes) -> Result<(), SetupError> {
    let keys = store_keys(parts).await?;
    let mut accessor = [0; 16];
    parts.entropy.fill(&mut accessor)?;
    let token = StoredRootToken {
        hash: keys.tokens.hash(token.expose_secret()),
        accessor: StoreId::from_bytes(accessor).to_string(),
        created_at: parts.clock.now(),
    };
    Ok(parts.store.replace_root_tokens(&token).await?)
}

/// Opens an initialised store: unwraps its secrets, checks them, loads mounts and root tokens, and starts the
/// background work (polling, timer rotation, usage) on the current tokio runtime.
pub async fn open(parts: Parts, settings: Settings) -> Result<Transit, SetupError> {
    let keys = Arc::new(KeyRoom {
        store: store_keys(&parts).await?,
        kek: Arc::clone(&parts.kek),
        entropy: Arc::clone(&parts.entropy),
        clock: Arc::clone(&parts.clock),
        observer: Arc::clone(&parts.observer),
        searches: key_searches(&settings, &parts),
    });
    let limits = Limits {
        rotate_at: settings.rotate_at_uses,
        refuse_at: settings.refuse_at_uses,
    };
    let (ledger, streams) =
        UsageLedger::new(Arc::clone(&parts.store), Arc::clone(&parts.clock), limits);
    let worn = streams.settle(Arc::clone(&parts.store));
    let bounds = Bounds {
        rings: settings.cache_rings,
        bytes: settings.cache_bytes,
        idle: settings.cache_idle,
    };
    let loader = Arc::new(Loader {
        store: Arc::clone(&parts.store),
        keys: Arc::clone(&keys),
        cache: RingCache::new(bounds),
        freshness: Freshness::new(parts.clock.uptime()),
        ledger: Arc::new(ledger),
        clock: Arc::clone(&parts.clock),
        observer: Arc::clone(&parts.observer),
        runtime: tokio::runtime::Handle::current(),
    });
    let lifecycle = Arc::new(Lifecycle {
        store: Arc::clone(&parts.store),
        keys,
        loader: Arc::clone(&loader),
        settings: settings.clone(),
    });
    start(parts, settings, loader, lifecycle, worn).await
}

fn key_searches(settings: &Settings, parts: &Parts) -> KeySearches {
    let bounds = QueueBounds {
        at_once: settings.key_searches,
        all: settings.key_search_queue,
        share: settings.key_search_share,
    };
    KeySearches::new(bounds, Arc::clone(&parts.observer))
}

fn workers(settings: &Settings) -> Result<Workers, SetupError> {
    let jobs = settings.worker_queue;
    let batches = jobs.saturating_mul(BATCHES_PER_JOB);
    Workers::new(settings.worker_threads, jobs, batches).map_err(|_| SetupError::Workers)
}

/// How many signatures may wait for each large job that may. Most are short, and every client may wait for one.
const BATCHES_PER_JOB: usize = 16;

/// Begins to follow the store before reading what it follows, so that no change falls in between.
async fn start(
    parts: Parts,
    settings: Settings,
    loader: Arc<Loader>,
    lifecycle: Arc<Lifecycle>,
    worn: mpsc::Receiver<WornVersion>,
) -> Result<Transit, SetupError> {
    let began = parts.clock.uptime();
    let cursor = parts.store.end().await?;
    let changes = parts.store.changes_since(cursor).await?;
    let mounts = Arc::new(MountTable::read(Arc::clone(&parts.store)).await?);
    let root_tokens = Arc::new(RootTokens::read(Arc::clone(&parts.store)).await?);
    let data = DataPath {
        loader: Arc::clone(&loader),
        workers: workers(&settings)?,
        entropy: parts.entropy,
        settings: settings.clone(),
    };
    let (stop, stopped) = watch::channel(false);
    let listeners = Arc::default();
    let follower = Follower {
        loader: Arc::clone(&loader),
        mounts: Arc::clone(&mounts),
        root_tokens: Arc::clone(&root_tokens),
        listeners: Arc::clone(&listeners),
        cursor,
        seen: Seen::of(&changes, began),
        interval: settings.poll_interval,
    };
    let overdue = Arc::<Overdue>::default();
    let rotator = |kind, worn| Rotator {
        kind,
        overdue: Arc::clone(&overdue),
        lifecycle: Arc::clone(&lifecycle),
        worn,
        witness: Arc::clone(&settings.witness),
        patience: Patience::default(),
    };
    // Only ciphers wear.
    let (_, nothing_worn) = mpsc::channel(1);
    let quick = rotator(DueKind::Quick, worn);
    let searched = rotator(DueKind::Searched, nothing_worn);
    let caretaker = Caretaker {
        store: parts.store,
        clock: parts.clock,
    };
    let background = vec![
        tokio::spawn(follower.run(stopped.clone())),
        tokio::spawn(quick.run(stopped.clone())),
        tokio::spawn(searched.run(stopped.clone())),
        tokio::spawn(caretaker.run(stopped)),
    ];
    Ok(Transit {
        loader,
        lifecycle,
        data,
        mounts,
        root_tokens,
        listeners,
        settings,
        stop,
        background: Mutex::new(background),
    })
}
