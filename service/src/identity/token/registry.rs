//! From presented text to a token: one keyed hash and one look into the cache while all is warm.
//!
//! The cache never holds what was read before a revocation it was told of: loads and revocations meet in the table of
//! flights. A token that has expired here may have been renewed elsewhere, so the store is asked before it is refused.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt as _;
use keyring::clock::Clock;
use keyring::identity_keys::IdentityKeys;
use keyring::store::StoreError;
use keyring::store::identity::{CredentialHash, CredentialKind, CredentialStore};
use moka::sync::Cache;
use tokio::runtime::Handle;

use super::body::TokenBody;
use super::entry::{Moment, TokenEntry};
use super::flights::{Flights, Landing};
use super::text::{Shape, sealed_body};
use crate::identity::Foundation;
use crate::identity::engine::Engine;
use crate::identity::observer::IdentityObserver;
use crate::identity::policies::Policies;
use crate::identity::policy_set::PolicySet;
use crate::identity::token_params::TokenKind;

/// Why a presented text gives no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no token, has expired or been revoked, or is used from elsewhere than it may.
    #[error("permission denied")]
    Denied,
    /// A stored token does not pass its integrity check.
    #[error("a stored token failed its integrity check")]
    Tampered,
    /// The store cannot say.
    #[error("the store cannot say now whether this is a token")]
    Unavailable,
}

/// How much the registry keeps.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// At most this many tokens.
    pub tokens: u64,
    /// At most this many bytes, as estimated.
    pub bytes: u64,
    /// A token is read again after this long, whatever has been heard of it.
    pub age: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            tokens: 1_000_000,
            bytes: 256 << 20,
            age: Duration::from_hours(1),
        }
    }
}

/// All tokens this node knows.
#[derive(Debug)]
pub struct Registry {
    inner: Arc<Inner>,
    engine: Arc<dyn Engine>,
    runtime: Handle,
}

/// What loads and revocations share; without the engine, which tells it of revocations.
#[derive(Debug)]
pub struct Inner {
    keys: Arc<IdentityKeys>,
    store: Arc<dyn CredentialStore>,
    clock: Arc<dyn Clock>,
    policies: Arc<Policies>,
    live: Cache<CredentialHash, Arc<TokenEntry>>,
    /// Tokens with a right check that are in no row, by when that was found out.
    absent: Cache<CredentialHash, Duration>,
    chosen: ArcSwap<HashSet<CredentialHash>>,
    flights: Flights,
    age: Duration,
    observer: Arc<dyn IdentityObserver>,
}

/// What a load came to.
pub(crate) type Loaded = Result<Option<Arc<TokenEntry>>, Refusal>;

impl Inner {
    /// An empty registry.
    pub(crate) fn new(on: &Foundation, policies: Arc<Policies>) -> Self {
        let bounds = on.bounds;
        // One bound serves both: no entry weighs less than its share of the bytes if it were one of `tokens`.
        let floor = u32::try_from(bounds.bytes / bounds.tokens.max(1)).unwrap_or(u32::MAX);
        let live = Cache::builder()
            .max_capacity(bounds.bytes)
            .weigher(move |_: &CredentialHash, entry: &Arc<TokenEntry>| {
                u32::try_from(entry.weight()).unwrap_or(u32::MAX).max(floor)
            })
            .build();
        Self {
            keys: Arc::clone(&on.keys),
            store: Arc::clone(&on.credentials),
            clock: Arc::clone(&on.clock),
            policies,
            live,
            absent: Cache::new(MAX_ABSENT),
            chosen: ArcSwap::default(),
            flights: Flights::default(),
            age: bounds.age,
            observer: Arc::clone(&on.observer),
        }
    }

    /// These tokens have been revoked or used up.
    pub fn revoked(&self, hashes: &[CredentialHash]) {
        for hash in hashes {
            self.flights.ground(hash, || self.live.invalidate(hash));
        }
    }

    /// Anything may have been revoked: nothing that was read before now counts.
    pub fn everything_may_have_changed(&self) {
        self.flights.ground_all(|| {
            self.live.invalidate_all();
            self.absent.invalidate_all();
        });
    }

    /// Reads anew which tokens were chosen by somebody.
    pub async fn refresh_chosen(&self) -> Result<(), StoreError> {
        let chosen = self.store.chosen_credentials(CredentialKind::Token).await?;
        self.chosen.store(Arc::new(chosen.into_iter().collect()));
        Ok(())
    }

    /// This token was changed on this node: it is read again when it is next used.
    pub(crate) fn forget(&self, hash: &CredentialHash) {
        self.flights.ground(hash, || self.live.invalidate(hash));
    }

    /// A token was chosen, or made on this node.
    pub(crate) fn note_issued(&self, hash: CredentialHash, chosen: bool) {
        self.absent.invalidate(&hash);
        if chosen {
            self.chosen.rcu(|known| {
                let mut known = HashSet::clone(known);
                known.insert(hash);
                known
            });
        }
    }

    /// Whether the store is worth asking for a text of this shape.
    pub(crate) fn may_be_stored(&self, shape: Shape, hash: &CredentialHash) -> bool {
        match shape {
            Shape::Batch => false,
            Shape::Checked => true,
            Shape::Other => self.chosen.load().contains(hash),
        }
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment {
            now: self.clock.now(),
            uptime: self.clock.uptime(),
        }
    }

    /// How many tokens are held, and their bytes as estimated.
    pub fn size(&self) -> (u64, u64) {
        self.live.run_pending_tasks();
        (self.live.entry_count(), self.live.weighted_size())
    }

    fn is_known_absent(&self, hash: &CredentialHash) -> bool {
        let uptime = self.clock.uptime();
        let found_out = self.absent.get(hash);
        found_out.is_some_and(|at| uptime.saturating_sub(at) < ABSENT_FOR)
    }

    /// Reads a stored token, and keeps it unless it was revoked meanwhile.
    async fn load(&self, hash: CredentialHash) -> Loaded {
        for _ in 0..LOADS {
            let read = self.moment();
            self.observer.token_read();
            let row = self.store.credential(CredentialKind::Token, hash).await;
            let row = row.map_err(|_| Refusal::Unavailable)?;
            let entry = match row {
                None => None,
                Some(row) => {
                    let body = TokenBody::open(&self.keys, &row).map_err(|_| Refusal::Tampered)?;
                    let powers = self.policies.powers(&body.policies);
                    TokenEntry::new(&body, hash, row.parent, powers, read).map(Arc::new)
                }
            };
            let landed = self.flights.land(&hash, || {
                if let Some(entry) = &entry {
                    self.live.insert(hash, Arc::clone(entry));
                } else {
                    self.live.invalidate(&hash);
                    self.absent.insert(hash, read.uptime);
                }
            });
            if landed == Landing::Safe {
                return Ok(entry);
            }
        }
        Err(Refusal::Unavailable)
    }
}

impl Registry {
    /// The registry, asking this engine for root tokens and loading on this runtime.
    pub fn new(inner: Arc<Inner>, engine: Arc<dyn Engine>, runtime: Handle) -> Self {
        Self {
            inner,
            engine,
            runtime,
        }
    }

    /// What loads and revocations share.
    pub fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// The token that a text presented from this address is.
    pub async fn resolve(
        &self,
        text: &str,
        remote: Option<IpAddr>,
    ) -> Result<Arc<TokenEntry>, Refusal> {
        if text.is_empty() || text.len() > super::text::MAX_BATCH_LEN {
            return Err(Refusal::Denied);
        }
        let hash = self.inner.keys.hash(CredentialKind::Token, text.as_bytes());
        let entry = match self.warm(&hash) {
            Some(entry) => entry,
            // In a box: the future of each request would be as large as this one.
            None => self.cold(text, hash).boxed().await?,
        };
        // The first root token is in no row whose end this cache would be told.
        if entry.is_initial && self.engine.root_token(text).is_none() {
            self.inner.live.invalidate(&hash);
            return Err(Refusal::Denied);
        }
        if entry.admits(remote) {
            Ok(entry)
        } else {
            Err(Refusal::Denied)
        }
    }

    /// The token, if it and all it goes away with are known, alive and recent.
    fn warm(&self, hash: &CredentialHash) -> Option<Arc<TokenEntry>> {
        if !self.engine.is_current() {
            return None;
        }
        let uptime = self.inner.clock.uptime();
        let entry = self.usable(hash, uptime)?;
        let mut parent = entry.parent;
        while let Some(hash) = parent {
            parent = self.usable(&hash, uptime)?.parent;
        }
        Some(entry)
    }

    fn usable(&self, hash: &CredentialHash, uptime: Duration) -> Option<Arc<TokenEntry>> {
        let entry = self.inner.live.get(hash)?;
        (entry.is_live(uptime) && entry.age(uptime) < self.inner.age).then_some(entry)
    }

    async fn cold(&self, text: &str, hash: CredentialHash) -> Result<Arc<TokenEntry>, Refusal> {
        let shape = Shape::of(&self.inner.keys, text);
        let entry = match shape {
            Shape::Batch => self.unsealed(text, hash),
            Shape::Checked | Shape::Other => match self.initial(text, hash) {
                Some(root) => Some(root),
                None if self.inner.may_be_stored(shape, &hash) => self.stored(hash).await?,
                None => None,
            },
        };
        let entry = entry.ok_or(Refusal::Denied)?;
        if self.lineage_is_alive(entry.parent).await? {
            return Ok(entry);
        }
        // Its parent may have been revoked alone, which made it an orphan.
        let entry = match entry.kind {
            TokenKind::Batch => None,
            TokenKind::Service => self.read(hash).await?,
        };
        let entry = entry.ok_or(Refusal::Denied)?;
        if self.lineage_is_alive(entry.parent).await? {
            Ok(entry)
        } else {
            Err(Refusal::Denied)
        }
    }

    /// Whether this parent, and every token it goes away with, is alive.
    pub(crate) async fn lineage_is_alive(
        &self,
        parent: Option<CredentialHash>,
    ) -> Result<bool, Refusal> {
        let mut parent = parent;
        let mut child = None;
        for _ in 0..=TokenBody::MAX_DEPTH {
            let Some(hash) = parent else {
                return Ok(true);
            };
            parent = match self.stored(hash).await? {
                Some(known) => {
                    child = Some(hash);
                    known.parent
                }
                // It may have been revoked alone, which made orphans of its children; they are read again.
                None => match self.orphaned(child.take(), hash).await? {
                    Some(known) => known.parent,
                    None => return Ok(false),
                },
            };
        }
        Ok(false)
    }

    /// A token as it is in the store now, if it is there and no child of this one any more.
    async fn orphaned(&self, child: Option<CredentialHash>, of: CredentialHash) -> Loaded {
        let Some(child) = child else {
            return Ok(None);
        };
        let known = self.read(child).await?;
        Ok(known.filter(|known| known.parent != Some(of)))
    }

    /// A stored token: as known if that is recent and the store is there, else as read now.
    pub(crate) async fn stored(&self, hash: CredentialHash) -> Loaded {
        let current = self.engine.is_current();
        if let Some(entry) = self.usable(&hash, self.inner.clock.uptime())
            && current
        {
            return Ok(Some(entry));
        }
        if self.inner.is_known_absent(&hash) && current {
            return Ok(None);
        }
        self.read(hash).await
    }

    async fn read(&self, hash: CredentialHash) -> Loaded {
        let inner = Arc::clone(&self.inner);
        let load = move || async move { inner.load(hash).await };
        self.inner.flights.join(hash, &self.runtime, load).await
    }

    /// The root token that `init` made.
    fn initial(&self, text: &str, hash: CredentialHash) -> Option<Arc<TokenEntry>> {
        let root = self.engine.root_token(text)?;
        let body = TokenBody {
            accessor: root.accessor.to_string(),
            display_name: "root".to_owned(),
            issued_at: root.created_at.micros(),
            policies: PolicySet::root(),
            ..TokenBody::default()
        };
        let powers = self.inner.policies.powers(&body.policies);
        let entry = TokenEntry::new(&body, hash, None, powers, self.inner.moment())?;
        let entry = self.keep(entry.initial());
        // It may have been replaced since, and the cache told of it before the entry was there.
        if self.engine.root_token(text).is_none() {
            self.inner.live.invalidate(&hash);
            return None;
        }
        Some(entry)
    }

    fn unsealed(&self, text: &str, hash: CredentialHash) -> Option<Arc<TokenEntry>> {
        let body = TokenBody::open_batch(&self.inner.keys, &sealed_body(text)?)?;
        let powers = self.inner.policies.powers(&body.policies);
        let parent = body.parent.map(CredentialHash);
        let entry = TokenEntry::new(&body, hash, parent, powers, self.inner.moment())?;
        Some(self.keep(entry))
    }

    fn keep(&self, entry: TokenEntry) -> Arc<TokenEntry> {
        let entry = Arc::new(entry);
        self.inner.live.insert(entry.hash, Arc::clone(&entry));
        entry
    }
}

/// How many hashes of absent tokens are kept.
const MAX_ABSENT: u64 = 10_000;
/// How long a token that is in no row is not asked for again.
const ABSENT_FOR: Duration = Duration::from_secs(1);
/// How often a load begins again because everything may have changed while it ran.
const LOADS: usize = 4;

#[cfg(test)]
mod tests;
