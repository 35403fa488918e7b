//! Keeps the gate as the store is: open while the store has its live secret, closed while it is sealed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyring::secret::SecretBytes;
use keyring::setup::{self, SetupError, UnsealError};
use keyring::store::StoreError;
use tokio::sync::Notify;
use uuid::Uuid;

use super::progress::{Progress, ShareRefusal, Step};
use super::{Blueprint, Gate, OpenError};

/// Opens and closes the gate of this node.
#[derive(Debug)]
pub struct Keeper {
    gate: Arc<Gate>,
    blueprint: Blueprint,
    progress: Mutex<Progress>,
    /// One turn at a time: whoever opens or closes sees the work of the one before as done.
    turn: tokio::sync::Mutex<()>,
    look: Arc<Notify>,
    /// Whether this node is sealing the store itself, and closes its gate by itself.
    is_sealing: AtomicBool,
}

/// Why a share did not bring the store closer to being open.
#[derive(Debug, thiserror::Error)]
pub enum UnsealFailure {
    /// The store was unsealed, but this node could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It was not taken in.
    #[error(transparent)]
    Share(#[from] ShareRefusal),
    /// The shares were tried and do not open the store.
    #[error(transparent)]
    Unseal(#[from] UnsealError),
}

impl Keeper {
    /// A keeper of this gate, which it has not touched yet. So many unlock shares open the store.
    pub fn new(gate: Arc<Gate>, blueprint: Blueprint, threshold: u8) -> Self {
        Self {
            gate,
            blueprint,
            progress: Mutex::new(Progress::new(threshold)),
            turn: tokio::sync::Mutex::default(),
            look: Arc::default(),
            is_sealing: AtomicBool::new(false),
        }
    }

    /// Opens the gate if the store is not sealed; whether it stands open now.
    pub async fn open(&self) -> Result<bool, OpenError> {
        let _turn = self.turn.lock().await;
        if self.gate.opened().is_some() {
            return Ok(true);
        }
        match self.blueprint.open(&self.look).await {
            Ok(opened) => {
                let mut progress = self.progress();
                self.gate.set(opened);
                progress.reset();
                Ok(true)
            }
            Err(OpenError::Engine(SetupError::Sealed)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes this token the store's only root token, and opens the gate anew with it.
    pub async fn replace_root_token(&self, token: &SecretBytes) -> Result<(), OpenError> {
        self.close().await;
        setup::replace_root_token(&self.blueprint.parts, token).await?;
        self.open().await.map(drop)
    }

    /// Seals the store, which closes the gates of all other nodes. This one's stays open, for the record of it, until
    /// [`close_own`](Self::close_own), which has to follow.
    pub async fn seal_store(&self) -> Result<(), StoreError> {
        self.is_sealing.store(true, Ordering::Release);
        let sealed = self.blueprint.parts.store.seal().await;
        if sealed.is_err() {
            self.is_sealing.store(false, Ordering::Release);
        }
        sealed
    }

    /// Closes this node's gate if this node has sealed the store.
    pub async fn close_own(&self) {
        if self.is_sealing.load(Ordering::Acquire) {
            tracing::warn!("the store was sealed by this node");
            self.close().await;
            self.is_sealing.store(false, Ordering::Release);
        }
    }

    /// Closes the gate and has everything behind it wiped.
    pub async fn close(&self) {
        let _turn = self.turn.lock().await;
        let closed = {
            let mut progress = self.progress();
            progress.reset();
            self.gate.close()
        };
        if let Some(opened) = closed {
            opened.shutdown().await;
        }
    }

    /// Takes one unlock share in, and unseals the store once there are enough. Whether the gate stands open now; while it
    /// does, nothing is taken in.
    pub async fn unseal(&self, share: &SecretBytes) -> Result<bool, UnsealFailure> {
        match self.take_in(share)? {
            None => Ok(true),
            Some(Step::More) => Ok(false),
            Some(Step::Enough(shares)) => self.unseal_with(&shares).await,
        }
    }

    /// Tries these unlock shares, and keeps none of them: whoever brings all of them is not concerned by what others bring.
    /// Whether the gate stands open now.
    pub async fn unseal_at_once(&self, shares: &[SecretBytes]) -> Result<bool, UnsealFailure> {
        if self.gate.opened().is_some() {
            return Ok(true);
        }
        let complete = self.progress().complete_among(shares)?;
        let complete = complete.ok_or(UnsealError::TooFew)?;
        self.unseal_with(&complete).await
    }

    /// Whether the gate is open is asked under the lock of what came in: whoever opens it forgets that under the same.
    fn take_in(&self, share: &SecretBytes) -> Result<Option<Step>, ShareRefusal> {
        let mut progress = self.progress();
        if self.gate.opened().is_some() {
            return Ok(None);
        }
        progress.add(share, self.uptime()).map(Some)
    }

    async fn unseal_with(&self, shares: &[SecretBytes]) -> Result<bool, UnsealFailure> {
        setup::unseal(&self.blueprint.parts, shares).await?;
        tracing::warn!("the store was unsealed by this node");
        Ok(self.open().await?)
    }

    /// Forgets the shares that came in.
    pub fn forget_shares(&self) {
        self.progress().reset();
    }

    /// How many shares came in that have not been tried, and the name of the attempt.
    pub fn shares_in(&self) -> (usize, Option<Uuid>) {
        let mut progress = self.progress();
        progress.expire(self.uptime());
        (progress.count(), progress.nonce())
    }

    /// Follows the store: opens the gate when another node unseals it, and closes it when one seals it. Never ends.
    pub async fn watch(&self) {
        loop {
            let asked = tokio::time::timeout(LOOK_INTERVAL, self.look.notified()).await;
            let is_open = self.gate.opened().is_some();
            // While it is open the engine follows the store, and asks.
            if is_open && asked.is_err() {
                continue;
            }
            let followed = if is_open {
                self.close_if_sealed().await
            } else {
                self.progress().expire(self.uptime());
                self.open_quietly().await
            };
            if let Err(error) = followed {
                tracing::debug!(%error, "the gate could not follow the store");
            }
        }
    }

    async fn close_if_sealed(&self) -> Result<(), OpenError> {
        let is_sealed = self.is_live().await? == Some(false);
        if is_sealed && !self.is_sealing.load(Ordering::Acquire) {
            tracing::warn!("the store was sealed by another node");
            self.close().await;
        }
        Ok(())
    }

    /// Asks the store before the key-encryption key is troubled.
    async fn open_quietly(&self) -> Result<(), OpenError> {
        if self.is_live().await? == Some(true) && self.open().await? {
            tracing::warn!("the store was unsealed");
        }
        Ok(())
    }

    /// Whether the store has its live secret; `None` if it was never initialised.
    async fn is_live(&self) -> Result<Option<bool>, SetupError> {
        let header = self.blueprint.parts.store.header().await?;
        Ok(header.map(|header| header.live_secret.is_some()))
    }

    fn uptime(&self) -> Duration {
        self.blueprint.parts.clock.uptime()
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How soon a sealed node notices that it may open.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
