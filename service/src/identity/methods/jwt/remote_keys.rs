//! Keys that an issuer publishes: fetched, kept for a while, fetched again when they change.
//!
//! One fetch at a time, whoever waits for it. Logins wait for one only if the keys at hand do not verify their token;
//! an issuer that is away or slow is not felt as long as its keys are not older than [`RemoteKeys::KEPT`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::FutureExt as _;
use jsonwebtoken::Algorithm;
use keyring::clock::Clock;
use serde_json::Value;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::detached::{Detached, NotRun};
use crate::identity::methods::jose::claims::Claims;
use crate::identity::methods::jose::jws::{JwsFault, Parsed};
use crate::identity::methods::jose::key_set::{KeySet, KeySetFault};
use crate::identity::methods::jose::strict_json;
use crate::identity::outbound::{FetchFault, Outbound, OutboundUrl, UrlFault};

/// The keys of an issuer that publishes them.
pub struct RemoteKeys {
    place: Place,
    client: Outbound,
    clock: Arc<dyn Clock>,
    current: ArcSwapOption<Fetched>,
    /// Held by whoever is fetching; inside, what the last try came to.
    turn: Arc<Mutex<Option<Tried>>>,
    fetches: AtomicU64,
}

/// Where keys are published.
#[derive(Clone, Debug)]
pub enum Place {
    /// Where this issuer's discovery document says.
    Discovery(OutboundUrl, String),
    /// Here.
    Jwks(OutboundUrl),
}

#[derive(Debug)]
struct Fetched {
    keys: KeySet,
    at: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Tried {
    at: Duration,
    fault: Option<RemoteFault>,
}

/// Why an issuer's keys are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteFault {
    /// The discovery document is none, or is somebody else's.
    #[error("the discovery document is malformed or names another issuer")]
    Discovery,
    /// The issuer did not answer as it should.
    #[error(transparent)]
    Fetch(#[from] FetchFault),
    /// What it answered is no set of keys.
    #[error(transparent)]
    Keys(#[from] KeySetFault),
    /// The fetch was not begun, or broke off.
    #[error("the keys could not be fetched now")]
    NotRun,
    /// The discovery document names an address that is none.
    #[error(transparent)]
    Url(#[from] UrlFault),
}

impl From<NotRun> for RemoteFault {
    fn from(_: NotRun) -> Self {
        Self::NotRun
    }
}

/// Why a token is not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyFault {
    /// There are no keys to verify it with.
    #[error("the issuer's keys cannot be fetched: {0}")]
    NoKeys(RemoteFault),
    /// The keys do not verify it.
    #[error(transparent)]
    Token(#[from] JwsFault),
}

impl RemoteKeys {
    /// How old keys may be before they are fetched again, in the background.
    pub const FRESH: Duration = Duration::from_mins(5);
    /// How old keys may be at most: so long an issuer may be away.
    pub const KEPT: Duration = Duration::from_hours(1);
    /// How long nothing is fetched after a fetch, however many tokens are signed by keys that nobody knows.
    pub const PAUSE: Duration = Duration::from_secs(10);
    /// How long nothing is fetched after a fetch that failed.
    pub const PAUSE_AFTER_FAULT: Duration = Duration::from_secs(2);

    /// Keys published at this place.
    pub fn new(place: Place, client: Outbound, clock: Arc<dyn Clock>) -> Self {
        Self {
            place,
            client,
            clock,
            current: ArcSwapOption::empty(),
            turn: Arc::default(),
            fetches: AtomicU64::new(0),
        }
    }

    /// How often keys have been asked for.
    pub fn fetches(&self) -> u64 {
        self.fetches.load(Ordering::Relaxed)
    }

    /// Fetches the keys now, unless that was done a moment ago: whether they can be fetched at all.
    pub async fn probe(self: &Arc<Self>, on: &Detached) -> Result<(), RemoteFault> {
        let seen = self.newest();
        match self.kept() {
            Some(_) => Ok(()),
            None => self.refresh(seen, on).await,
        }
    }

    /// The claims of a token, if one of the issuer's keys has signed it.
    pub async fn verify(
        self: &Arc<Self>,
        token: &Parsed<'_>,
        allowed: &[Algorithm],
        on: &Detached,
    ) -> Result<Claims, VerifyFault> {
        let seen = self.newest();
        if let Some(known) = &self.kept() {
            match known.keys.verify(token, allowed) {
                Err(JwsFault::Signature) => {}
                decided => {
                    self.refresh_in_background(known, on);
                    return Ok(decided?);
                }
            }
        }
        // Signed by a key that is not known, perhaps not yet.
        let fetched = self.refresh(seen, on).await;
        match (self.kept(), fetched) {
            (Some(now_known), _) => Ok(now_known.keys.verify(token, allowed)?),
            (None, Err(fault)) => Err(VerifyFault::NoKeys(fault)),
            (None, Ok(())) => Err(VerifyFault::NoKeys(RemoteFault::NotRun)),
        }
    }

    /// When the keys at hand were fetched, however old they are.
    fn newest(&self) -> Option<Duration> {
        self.current.load().as_ref().map(|fetched| fetched.at)
    }

    /// The keys at hand, unless they are too old.
    fn kept(&self) -> Option<Arc<Fetched>> {
        let known = self.current.load_full()?;
        (self.age(&known) < Self::KEPT).then_some(known)
    }

    fn age(&self, known: &Fetched) -> Duration {
        self.clock.uptime().saturating_sub(known.at)
    }

    fn refresh_in_background(self: &Arc<Self>, known: &Fetched, on: &Detached) {
        if self.age(known) < Self::FRESH {
            return;
        }
        if let Ok(turn) = Arc::clone(&self.turn).try_lock_owned()
            && self.may_try(*turn).is_ok()
        {
            // Begins with the first poll and goes on by itself.
            let _begun = on.run(Arc::clone(self).fetch(turn)).now_or_never();
        }
    }

    /// Fetches keys, or waits for who does; unless newer ones than those `seen` have come, or the last try was a moment ago.
    async fn refresh(
        self: &Arc<Self>,
        seen: Option<Duration>,
        on: &Detached,
    ) -> Result<(), RemoteFault> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        if self.newest() > seen {
            return Ok(());
        }
        self.may_try(*turn)?;
        on.run(Arc::clone(self).fetch(turn)).await?
    }

    /// What the last try came to, if it is too early for another.
    fn may_try(&self, last: Option<Tried>) -> Result<(), RemoteFault> {
        let Some(Tried { at, fault }) = last else {
            return Ok(());
        };
        let pause = match fault {
            Some(_) => Self::PAUSE_AFTER_FAULT,
            None => Self::PAUSE,
        };
        if self.clock.uptime().saturating_sub(at) >= pause {
            return Ok(());
        }
        Err(fault.unwrap_or(RemoteFault::NotRun))
    }

    async fn fetch(
        self: Arc<Self>,
        mut turn: OwnedMutexGuard<Option<Tried>>,
    ) -> Result<(), RemoteFault> {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        let began = self.clock.uptime();
        let fetched = self.ask().await;
        *turn = Some(Tried {
            at: self.clock.uptime(),
            fault: fetched.as_ref().err().copied(),
        });
        match fetched {
            Ok(keys) => {
                // The answer is at least as old as the question.
                self.current
                    .store(Some(Arc::new(Fetched { keys, at: began })));
                Ok(())
            }
            Err(fault) => {
                tracing::warn!(cause = %fault, "an issuer's keys could not be fetched");
                Err(fault)
            }
        }
    }

    async fn ask(&self) -> Result<KeySet, RemoteFault> {
        let keys = match &self.place {
            Place::Discovery(document, issuer) => {
                let document = self.client.get(document).await?;
                let named = named_place(&document, issuer)?;
                // Who is asked over a connection that can be trusted does not name one that cannot.
                self.client.get(&named).await?
            }
            Place::Jwks(url) => self.client.get(url).await?,
        };
        Ok(KeySet::from_jwks(&keys)?)
    }
}

/// Where a discovery document says that keys are.
fn named_place(document: &[u8], issuer: &str) -> Result<OutboundUrl, RemoteFault> {
    let document = strict_json::read_object(document).ok_or(RemoteFault::Discovery)?;
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    if text("issuer") != Some(issuer) {
        return Err(RemoteFault::Discovery);
    }
    let url = text("jwks_uri").ok_or(RemoteFault::Discovery)?;
    Ok(OutboundUrl::parse(url)?)
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
