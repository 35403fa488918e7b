//! What is known of secret ids without asking the store: which were not there a moment ago, and which were chosen by
//! somebody, so that nothing in them tells them from garbage.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use keyring::store::identity::{CredentialHash, CredentialKind, CredentialStore};
use moka::sync::Cache;
use tokio::sync::Mutex;

use crate::identity::entries::EntryError;

/// What is known of secret ids.
pub(super) struct SecretIdsKnown {
    absent: Cache<CredentialHash, ()>,
    /// Grows whenever a secret id may have been chosen, here or elsewhere.
    epoch: AtomicU64,
    chosen: ArcSwap<(u64, HashSet<CredentialHash>)>,
    /// Held by whoever reads which were chosen.
    turn: Mutex<()>,
}

impl SecretIdsKnown {
    /// Nothing is known yet.
    pub(super) fn new() -> Self {
        Self {
            absent: Cache::builder()
                .max_capacity(MAX_ABSENT)
                .time_to_live(ABSENT_FOR)
                .build(),
            epoch: AtomicU64::new(1),
            chosen: ArcSwap::default(),
            turn: Mutex::default(),
        }
    }

    /// To be called when entries have changed, as they do when a secret id is chosen.
    pub(super) fn entries_changed(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }

    /// A secret id was made on this node that may have been asked for before.
    pub(super) fn appeared(&self, hash: CredentialHash, chosen: bool) {
        self.absent.invalidate(&hash);
        if chosen {
            self.entries_changed();
        }
    }

    /// A secret id was not in the store now.
    pub(super) fn note_absent(&self, hash: CredentialHash) {
        self.absent.insert(hash, ());
    }

    /// Whether it was not there a moment ago.
    pub(super) fn is_absent(&self, hash: &CredentialHash) -> bool {
        self.absent.contains_key(hash)
    }

    /// Whether somebody chose this secret id; read from the store once for all who ask between two changes.
    pub(super) async fn is_chosen(
        &self,
        hash: &CredentialHash,
        store: &dyn CredentialStore,
    ) -> Result<bool, EntryError> {
        if let Some(is_chosen) = self.known(hash) {
            return Ok(is_chosen);
        }
        let _turn = self.turn.lock().await;
        if let Some(is_chosen) = self.known(hash) {
            return Ok(is_chosen);
        }
        // Taken before the store is asked: an answer from before a change never counts after it.
        let epoch = self.epoch.load(Ordering::SeqCst);
        let chosen = store.chosen_credentials(CredentialKind::SecretId).await;
        let chosen: HashSet<_> = chosen.map_err(EntryError::from)?.into_iter().collect();
        let is_chosen = chosen.contains(hash);
        self.chosen.store(Arc::new((epoch, chosen)));
        Ok(is_chosen)
    }

    fn known(&self, hash: &CredentialHash) -> Option<bool> {
        let known = self.chosen.load();
        let (epoch, chosen) = &**known;
        let is_current = *epoch == self.epoch.load(Ordering::SeqCst);
        // One that was taken away since is found out when it is looked for.
        (is_current || chosen.contains(hash)).then(|| chosen.contains(hash))
    }
}

impl fmt::Debug for SecretIdsKnown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretIdsKnown").finish_non_exhaustive()
    }
}

/// How many absent secret ids are remembered.
const MAX_ABSENT: u64 = 50_000;
/// For how long: another node may make a secret id of the same text.
const ABSENT_FOR: Duration = Duration::from_secs(1);
