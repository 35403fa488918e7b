//! Who may do what: tokens, policies, and what administrators write about them.

pub mod auth_methods;
pub mod auth_mounts;
pub mod cidr;
pub mod engine;
pub mod entries;
#[cfg(test)]
mod fixtures;
pub mod glob;
pub mod limits;
pub mod methods;
pub mod observer;
pub mod outbound;
pub mod parts;
pub mod plain_text;
pub mod policies;
pub mod policy;
pub mod policy_set;
pub mod powers;
pub mod token;
pub mod token_params;
pub mod ttl;
pub mod wrapping;

use std::sync::Arc;

use keyring::clock::Clock;
use keyring::entropy::Entropy;
use keyring::identity_keys::IdentityKeys;
use keyring::store::identity::{CredentialHash, CredentialStore, EntryStore};
use tokio::runtime::Handle;

use self::auth_methods::AuthMethods;
use self::engine::Engine;
use self::entries::{Entries, EntryError};
use self::limits::Limits;
use self::observer::IdentityObserver;
use self::parts::Parts;
use self::policies::Policies;
use self::token::registry::{Bounds, Inner, Registry};

/// Everything identity stands on.
#[derive(Clone, Debug)]
pub struct Foundation {
    /// Where administrators' entries are kept.
    pub entries: Arc<dyn EntryStore>,
    /// Where credentials are kept.
    pub credentials: Arc<dyn CredentialStore>,
    /// The keys of both.
    pub keys: Arc<IdentityKeys>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub entropy: Arc<dyn Entropy>,
    /// Where loads run.
    pub runtime: Handle,
    /// How much is kept in memory.
    pub bounds: Bounds,
    /// How much of what callers may do is remembered or looked for.
    pub limits: Limits,
    /// Who counts.
    pub observer: Arc<dyn IdentityObserver>,
}

/// What identity keeps in memory, and must hear of changes. Holds nothing of the engine, so that the engine may hold it.
#[derive(Debug)]
pub struct Caches {
    registry: Arc<Inner>,
    policies: Arc<Policies>,
    methods: Arc<AuthMethods>,
    runtime: Handle,
}

/// Tokens and policies.
#[derive(Debug)]
pub struct Identity {
    /// What administrators wrote.
    pub entries: Entries,
    /// Policies, compiled.
    pub policies: Arc<Policies>,
    /// Auth methods, and wrapped responses.
    pub methods: Arc<AuthMethods>,
    /// Tokens, by their text.
    pub registry: Registry,
    /// Credentials, as stored.
    pub credentials: Arc<dyn CredentialStore>,
    /// The keys of what is stored.
    pub keys: Arc<IdentityKeys>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub entropy: Arc<dyn Entropy>,
    /// How much of what callers may do is remembered.
    pub limits: Limits,
    engine: Arc<dyn Engine>,
}

impl Caches {
    /// Empty ones.
    pub fn new(on: &Foundation) -> Arc<Self> {
        let entries = Entries::new(Arc::clone(&on.entries), Arc::clone(&on.keys));
        let policies = Arc::new(Policies::new(entries));
        let registry = Arc::new(Inner::new(on, Arc::clone(&policies)));
        let methods = Arc::new(AuthMethods::new(&Parts::of(on)));
        Arc::new(Self {
            registry,
            policies,
            methods,
            runtime: on.runtime.clone(),
        })
    }

    /// These tokens have been revoked or used up.
    pub fn revoked(&self, hashes: &[CredentialHash]) {
        self.registry.revoked(hashes);
    }

    /// An entry, or which tokens were chosen, has changed.
    pub fn entries_changed(&self) {
        self.policies.changed();
        let registry = Arc::clone(&self.registry);
        let methods = Arc::clone(&self.methods);
        self.runtime.spawn(async move {
            if let Err(error) = methods.entries_changed().await {
                tracing::warn!(%error, "auth methods were not read again");
            }
            if let Err(error) = registry.refresh_chosen().await {
                tracing::warn!(%error, "chosen tokens were not read again");
            }
        });
    }

    /// Anything may have changed.
    pub fn everything_may_have_changed(&self) {
        self.registry.everything_may_have_changed();
        self.entries_changed();
    }
}

impl Identity {
    /// Forgets every token and policy it knows. For sealing.
    pub fn forget_everything(&self) {
        self.registry.inner().everything_may_have_changed();
        self.policies.changed();
    }

    /// Opens identity on a store, with caches that hear of its changes.
    pub async fn open(
        on: Foundation,
        caches: &Caches,
        engine: Arc<dyn Engine>,
    ) -> Result<Self, EntryError> {
        caches.registry.refresh_chosen().await?;
        caches.methods.entries_changed().await?;
        let registry = Registry::new(
            Arc::clone(&caches.registry),
            Arc::clone(&engine),
            on.runtime.clone(),
        );
        Ok(Self {
            entries: Entries::new(on.entries, Arc::clone(&on.keys)),
            policies: Arc::clone(&caches.policies),
            methods: Arc::clone(&caches.methods),
            registry,
            credentials: on.credentials,
            keys: on.keys,
            clock: on.clock,
            entropy: on.entropy,
            limits: on.limits,
            engine,
        })
    }
}
