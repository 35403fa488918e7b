//! The way to a cluster: made once per configuration, kept as long as that is in force.
//!
//! The API server is always asked with a token of this server's own, the configured one or the pod's; the caller's token
//! is what the question is about, and never what it is asked with.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keyring::clock::Timestamp;
use keyring::fair_queue::{FairQueue, QueueBounds, QueueError};
use keyring::secret::SecretBytes;
use keyring::version::Generation;
use moka::sync::Cache;

use super::account::ServiceAccount;
use super::config::{Config, ConfigFault, Vouching};
use super::offline::{self, Expected, OfflineFault};
use super::review::{self, ReviewFault};
use crate::identity::entries::Entry;
use crate::identity::methods::jose::jws::{Jws, JwsFault};
use crate::identity::methods::jose::key_set::KeySet;
use crate::identity::methods::origin::Origin;
use crate::identity::outbound::{ClientFault, FetchFault, Outbound, OutboundUrl};

/// A cluster that vouches for service accounts.
#[derive(Debug)]
pub struct Connection {
    config: Arc<Entry<Config>>,
    keys: KeySet,
    client: Outbound,
    reviews: OutboundUrl,
    pod: PodFiles,
    /// Reviews, by who asks for them.
    room: FairQueue<Origin>,
}

/// What Kubernetes puts into every pod.
#[derive(Clone, Debug)]
pub struct PodFiles {
    /// The cluster's CA certificates.
    pub ca: PathBuf,
    /// The pod's own token, renewed by the cluster.
    pub token: PathBuf,
}

impl Default for PodFiles {
    fn default() -> Self {
        let directory = Path::new("/var/run/secrets/kubernetes.io/serviceaccount");
        Self {
            ca: directory.join("ca.crt"),
            token: directory.join("token"),
        }
    }
}

/// Why there is no way to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionFault {
    /// No HTTP client can be made for it.
    #[error(transparent)]
    Client(#[from] ClientFault),
    /// The configuration cannot be.
    #[error(transparent)]
    Config(#[from] ConfigFault),
}

/// Why nobody vouches for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VouchFault {
    /// As many tokens are being reviewed as may be at once.
    #[error("too many token reviews are under way")]
    Busy,
    /// Too many from this address are being asked about.
    #[error("too many tokens from this address are being reviewed")]
    ShareFull,
    /// Who issued the token is not who must have.
    #[error("invalid issuer (iss) claim")]
    Issuer,
    /// What the keys and the API server say differs.
    #[error("the token and its review tell of different service accounts")]
    Mismatch,
    /// This server has no token to ask with.
    #[error("no token_reviewer_jwt is configured, and this is no pod with a token of its own")]
    NoReviewer,
    /// The keys do not verify it.
    #[error(transparent)]
    Offline(#[from] OfflineFault),
    /// The API server does not vouch for it.
    #[error(transparent)]
    Review(#[from] ReviewFault),
    /// The token is too long to ask about.
    #[error("token is too long")]
    TooLong,
    /// The API server gave no answer.
    #[error("the Kubernetes API could not be asked: {0}")]
    Unanswered(#[from] FetchFault),
}

impl Connection {
    /// How many reviews are under way at once at most.
    const MAX_REVIEWS: usize = 32;
    /// How many wait beside them, and how many of one client address wait or are under way.
    const REVIEWS: QueueBounds = QueueBounds {
        at_once: Self::MAX_REVIEWS,
        all: 8 * Self::MAX_REVIEWS,
        share: 2 * Self::MAX_REVIEWS,
    };
    /// How long the pod's token may be.
    const MAX_TOKEN: usize = 64 * 1024;

    /// The way to the cluster of a configuration. Reads CA certificates from the pod or the system if it needs them.
    pub async fn new(entry: Arc<Entry<Config>>, pod: PodFiles) -> Result<Self, ConnectionFault> {
        let config = &entry.value;
        let keys = KeySet::from_pems(&config.pem_keys).map_err(ConfigFault::from)?;
        let host = config.host()?;
        let reviews = host.below(review::PATH).map_err(ConfigFault::Host)?;
        let mut ca_pem = config.kubernetes_ca_cert.clone();
        if ca_pem.is_empty() && !config.disable_local_ca_jwt {
            ca_pem = tokio::fs::read_to_string(&pod.ca).await.unwrap_or_default();
        }
        let client = match Outbound::new(&host, &ca_pem) {
            Err(ClientFault::NoCertificates) if config.vouching() == Vouching::Keys => {
                Outbound::to_nobody()
            }
            made => made?,
        };
        Ok(Self {
            config: entry,
            keys,
            client,
            reviews,
            pod,
            room: FairQueue::new(Self::REVIEWS),
        })
    }

    /// The account of a token, if the cluster vouches for it and for its being meant for the audience.
    pub async fn vouch(
        &self,
        token: &str,
        audience: &str,
        (now, remote): (Timestamp, Option<IpAddr>),
    ) -> Result<ServiceAccount, VouchFault> {
        if token.len() > Jws::MAX_LENGTH {
            return Err(VouchFault::TooLong);
        }
        let expected = |reviewed| Expected {
            audience,
            issuer: self.config.value.expected_issuer(),
            reviewed,
        };
        match self.config.value.vouching() {
            Vouching::Keys => Ok(offline::verify(token, &self.keys, expected(false), now)?),
            Vouching::KeysAndReview => {
                let account = offline::verify(token, &self.keys, expected(true), now)?;
                let reviewed = self.review(token, audience, remote).await?;
                let is_same = account.user() == reviewed.user() && account.uid == reviewed.uid;
                is_same.then_some(account).ok_or(VouchFault::Mismatch)
            }
            Vouching::Review => {
                let reviewed = self.review(token, audience, remote).await?;
                self.with_claims(token, reviewed)
            }
        }
    }

    /// What else the token says that the API server has vouched for: who issued it, and the secret it lies in. Where it
    /// speaks of another account it is not what was reviewed.
    fn with_claims(
        &self,
        token: &str,
        reviewed: ServiceAccount,
    ) -> Result<ServiceAccount, VouchFault> {
        let claims = Jws::parse(token).and_then(|token| token.jws.claims());
        let claims = match (claims, self.config.value.expected_issuer()) {
            (Ok(claims), None) => claims,
            (Ok(claims), Some(issuer)) if claims.issuer() == issuer => claims,
            (Ok(_) | Err(_), Some(_)) => return Err(VouchFault::Issuer),
            // A token that only the API server can read.
            (Err(JwsFault::Malformed | JwsFault::Algorithm | JwsFault::Critical), None) => {
                return Ok(reviewed);
            }
            (Err(JwsFault::Claims | JwsFault::Signature | JwsFault::TooLong), None) => {
                return Err(VouchFault::Mismatch);
            }
        };
        match ServiceAccount::from_claims(&claims) {
            Some(account) if account.user() == reviewed.user() && account.uid == reviewed.uid => {
                Ok(account)
            }
            Some(_) | None => Err(VouchFault::Mismatch),
        }
    }

    async fn review(
        &self,
        token: &str,
        audience: &str,
        remote: Option<IpAddr>,
    ) -> Result<ServiceAccount, VouchFault> {
        let turn = self.room.turn(Origin::of(remote)).await;
        let _turn = turn.map_err(|error| match error {
            QueueError::Closed | QueueError::Full => VouchFault::Busy,
            QueueError::ShareFull => VouchFault::ShareFull,
        })?;
        let question = review::question(token, audience);
        let answer = if let Some(reviewer) = &self.config.value.token_reviewer_jwt {
            let reviewer = reviewer.expose_secret();
            self.client.post(&self.reviews, reviewer, question).await?
        } else {
            let reviewer = self.pod_token().await.ok_or(VouchFault::NoReviewer)?;
            self.client.post(&self.reviews, &reviewer, question).await?
        };
        Ok(review::answer(&answer, audience)?)
    }

    /// The pod's token, read anew each time because the cluster renews it.
    async fn pod_token(&self) -> Option<SecretBytes> {
        if self.config.value.disable_local_ca_jwt {
            return None;
        }
        let token = SecretBytes::new(tokio::fs::read(&self.pod.token).await.ok()?);
        let trimmed = token.expose_secret().trim_ascii();
        let fits = (1..=Self::MAX_TOKEN).contains(&trimmed.len());
        fits.then(|| SecretBytes::new(trimmed.to_vec()))
    }
}

/// The connections in use, by the auth mount's accessor and the configuration's generation.
#[derive(Clone, Debug)]
pub struct Connections(Cache<(String, Generation), Arc<Connection>>);

impl Connections {
    /// How many are kept.
    const KEPT: u64 = 1024;
    /// How long one is kept that nobody logs in by.
    const IDLE: Duration = Duration::from_hours(2);

    /// The connection of a mount's configuration, made if there is none.
    pub async fn of(
        &self,
        mount: &str,
        generation: Generation,
        make: impl Future<Output = Result<Connection, ConnectionFault>>,
    ) -> Result<Arc<Connection>, ConnectionFault> {
        let key = (mount.to_owned(), generation);
        if let Some(connection) = self.0.get(&key) {
            return Ok(connection);
        }
        // Of several made at once the last one stays.
        let connection = Arc::new(make.await?);
        self.0.insert(key, Arc::clone(&connection));
        Ok(connection)
    }
}

impl Default for Connections {
    fn default() -> Self {
        let cache = Cache::builder().max_capacity(Self::KEPT);
        Self(cache.time_to_idle(Self::IDLE).build())
    }
}

#[cfg(test)]
mod tests;
