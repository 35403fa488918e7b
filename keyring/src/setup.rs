//! Making a store ready once, and opening it at every start.

use crate::entropy::EntropyError;
use crate::kek::KekError;
use crate::name::MountPath;
use crate::secret::SecretBytes;
use crate::store::StoreError;
use crate::transit::{Parts, Settings, Transit};

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
}

/// What initialising gives out, once.
#[derive(Debug)]
pub struct Initialised {
    /// The unlock shares in their text form; each is a secret.
    pub shares: Vec<SecretBytes>,
}

/// Makes the store's secrets, wraps them, and writes header, secrets and first mount in one transaction.
pub async fn initialise(_parts: &Parts, _plan: &InitPlan) -> Result<Initialised, SetupError> {
    todo!()
}

/// Makes this token the store's only root token.
pub async fn replace_root_token(_parts: &Parts, _token: &SecretBytes) -> Result<(), SetupError> {
    todo!()
}

/// Opens an initialised store: unwraps its secrets, checks them, loads mounts and root tokens, and starts the
/// background work (polling, timer rotation, usage) on the current tokio runtime.
pub async fn open(_parts: Parts, _settings: Settings) -> Result<Transit, SetupError> {
    todo!()
}
