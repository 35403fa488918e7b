//! What a mount verifies tokens with, made once per configuration and kept as long as that is in force.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use keyring::clock::Clock;
use keyring::version::Generation;
use moka::sync::Cache;

use super::config::{Config, ConfigFault, KeyOrigin};
use super::remote_keys::{Place, RemoteFault, RemoteKeys, VerifyFault};
use crate::detached::Detached;
use crate::identity::methods::jose::claims::Claims;
use crate::identity::methods::jose::jws::Jws;
use crate::identity::methods::jose::key_set::KeySet;
use crate::identity::outbound::{ClientFault, Outbound, UrlFault};

/// The keys and algorithms of one configuration.
#[derive(Debug)]
pub struct KeySource {
    keys: Keys,
    algorithms: Vec<Algorithm>,
}

#[derive(Debug)]
enum Keys {
    Remote(Arc<RemoteKeys>),
    Static(KeySet),
}

/// Why there is no source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceFault {
    /// No HTTP client can be made for it.
    #[error(transparent)]
    Client(#[from] ClientFault),
    /// The configuration cannot be.
    #[error(transparent)]
    Config(#[from] ConfigFault),
    /// The discovery document has no address.
    #[error(transparent)]
    Url(#[from] UrlFault),
}

impl KeySource {
    /// The source of a configuration. Reads the system's CA certificates if it needs them.
    pub fn new(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, SourceFault> {
        let remote = |place, client| Keys::Remote(Arc::new(RemoteKeys::new(place, client, clock)));
        let keys = match config.origin()? {
            KeyOrigin::Discovery { issuer, ca_pem } => {
                let document = issuer.below(".well-known/openid-configuration")?;
                let client = Outbound::new(&issuer, ca_pem)?;
                let issuer = config.oidc_discovery_url.clone();
                remote(Place::Discovery(document, issuer), client)
            }
            KeyOrigin::Jwks { url, ca_pem } => {
                let client = Outbound::new(&url, ca_pem)?;
                remote(Place::Jwks(url), client)
            }
            KeyOrigin::Static(keys) => {
                Keys::Static(KeySet::from_pems(keys).map_err(ConfigFault::from)?)
            }
        };
        let algorithms = config.algorithms()?;
        Ok(Self { keys, algorithms })
    }

    /// Whether keys can be had.
    pub async fn probe(&self, on: &Detached) -> Result<(), RemoteFault> {
        match &self.keys {
            Keys::Remote(keys) => keys.probe(on).await,
            Keys::Static(_) => Ok(()),
        }
    }

    /// The claims of a token, if the issuer has signed it.
    pub async fn verify(&self, token: &str, on: &Detached) -> Result<Claims, VerifyFault> {
        let token = Jws::parse(token)?;
        match &self.keys {
            Keys::Remote(keys) => keys.verify(&token, &self.algorithms, on).await,
            Keys::Static(keys) => Ok(keys.verify(&token, &self.algorithms)?),
        }
    }
}

/// The sources in use, by the auth mount's accessor and the configuration's generation.
#[derive(Clone, Debug)]
pub struct KeySources(Cache<(String, Generation), Arc<KeySource>>);

impl KeySources {
    /// How many are kept.
    const KEPT: u64 = 1024;
    /// How long one is kept that nobody logs in by.
    const IDLE: Duration = Duration::from_hours(2);

    /// The source of a mount's configuration, made if there is none.
    pub fn of(
        &self,
        mount: &str,
        generation: Generation,
        make: impl FnOnce() -> Result<KeySource, SourceFault>,
    ) -> Result<Arc<KeySource>, SourceFault> {
        let key = (mount.to_owned(), generation);
        if let Some(source) = self.0.get(&key) {
            return Ok(source);
        }
        let source = self.0.try_get_with(key, || make().map(Arc::new));
        source.map_err(|fault| *fault)
    }
}

impl Default for KeySources {
    fn default() -> Self {
        let cache = Cache::builder().max_capacity(Self::KEPT);
        Self(cache.time_to_idle(Self::IDLE).build())
    }
}
