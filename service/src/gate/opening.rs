//! Opening a node: the engine on its store, the audit with the store's keys, and identity on both.

use std::sync::Arc;
use std::time::Duration;

use keyring::listener::IdentityListener;
use keyring::setup::{self, SetupError};
use keyring::store::KeyStore;
use keyring::store::identity::CredentialHash;
use keyring::transit::{Parts, Settings, Transit};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::Opened;
use crate::audit::witness::AuditWitness;
use crate::audit::{self, AuditLog, AuditObserver, AuditSetupError, Basis};
use crate::config::audit::Audit;
use crate::identity::entries::{Entries, EntryError};
use crate::identity::limits::Limits;
use crate::identity::observer::IdentityObserver;
use crate::identity::token::registry::Bounds;
use crate::identity::{Caches, Foundation, Identity};
use crate::quota::Quotas;

/// Why a node could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The audit could not begin.
    #[error(transparent)]
    Audit(#[from] AuditSetupError),
    /// The engine could not.
    #[error(transparent)]
    Engine(#[from] SetupError),
    /// What identity needs could not be read.
    #[error(transparent)]
    Identity(#[from] EntryError),
}

/// What a node is opened from, each time it is.
#[derive(Debug)]
pub struct Blueprint {
    /// Store, key-encryption key, clock and randomness.
    pub parts: Parts,
    /// Limits and times of the engine.
    pub settings: Settings,
    /// Where the audit is written.
    pub audit: Audit,
    /// Where the audit is counted.
    pub audit_observer: Arc<dyn AuditObserver>,
    /// How much of what callers may do is remembered or looked for.
    pub identity_limits: Limits,
    /// Where identity is counted.
    pub identity_observer: Arc<dyn IdentityObserver>,
    /// Threads that answer requests.
    pub workers: usize,
}

impl Blueprint {
    /// Opens everything behind the gate; `look` is told when the store is sealed. To be called on the runtime that its
    /// background work is to live on.
    pub(super) async fn open(&self, look: &Arc<Notify>) -> Result<Opened, OpenError> {
        let witness = Arc::new(AuditWitness::new(Arc::clone(&self.parts.clock)));
        let settings = Settings {
            witness: Arc::<AuditWitness>::clone(&witness),
            ..self.settings.clone()
        };
        let transit = Arc::new(setup::open(self.parts.clone(), settings).await?);
        match self.open_on(&transit, &witness, look).await {
            Ok(opened) => Ok(opened),
            Err(error) => {
                transit.shutdown().await;
                Err(error)
            }
        }
    }

    async fn open_on(
        &self,
        transit: &Arc<Transit>,
        witness: &AuditWitness,
        look: &Arc<Notify>,
    ) -> Result<Opened, OpenError> {
        let audit = self.begin_audit(transit).await?;
        witness.set_log(&audit, transit);
        let parts = &self.parts;
        let foundation = Foundation {
            entries: Arc::<dyn KeyStore>::clone(&parts.store),
            credentials: Arc::<dyn KeyStore>::clone(&parts.store),
            keys: transit.identity_keys(),
            clock: Arc::clone(&parts.clock),
            entropy: Arc::clone(&parts.entropy),
            runtime: Handle::current(),
            bounds: Bounds::default(),
            limits: self.identity_limits,
            observer: Arc::clone(&self.identity_observer),
        };
        let caches = Caches::new(&foundation);
        let quotas = Arc::new(Quotas::none(Arc::clone(&parts.clock)));
        let entries = Entries::new(
            Arc::clone(&foundation.entries),
            Arc::clone(&foundation.keys),
        );
        // Before anything is read that may change.
        transit.follow(Arc::new(Ears {
            caches: Arc::clone(&caches),
            entries: entries.clone(),
            look: Arc::clone(look),
            quotas: Arc::clone(&quotas),
            runtime: Handle::current(),
        }));
        quotas.refresh(&entries).await?;
        let engine = Arc::<Transit>::clone(transit);
        let identity = Identity::open(foundation, &caches, engine).await?;
        Ok(Opened {
            audit,
            identity: Arc::new(identity),
            quotas,
            store: Arc::clone(&parts.store),
            transit: Arc::clone(transit),
        })
    }

    async fn begin_audit(&self, transit: &Transit) -> Result<Arc<AuditLog>, OpenError> {
        let basis = Basis {
            keys: transit.audit_keys(),
            clock: Arc::clone(&self.parts.clock),
            entropy: Arc::clone(&self.parts.entropy),
            observer: Arc::clone(&self.audit_observer),
            workers: self.workers,
        };
        let (log, intents) = AuditLog::start(&self.audit, &basis)?;
        let log = Arc::new(log);
        tokio::spawn(audit::heads::keep(
            log.heads(),
            Arc::<dyn KeyStore>::clone(&self.parts.store),
        ));
        let clock = self.parts.clock.as_ref();
        audit::recovered::complete(&log, intents, &self.parts.store, clock).await;
        Ok(log)
    }
}

/// Hears of what the engine sees in the store, for identity and for the gate.
#[derive(Debug)]
struct Ears {
    caches: Arc<Caches>,
    entries: Entries,
    look: Arc<Notify>,
    quotas: Arc<Quotas>,
    runtime: Handle,
}

impl Ears {
    fn read_quotas_again(&self) {
        let (quotas, entries) = (Arc::clone(&self.quotas), self.entries.clone());
        self.runtime.spawn(async move {
            if let Err(error) = quotas.refresh(&entries).await {
                tracing::warn!(%error, "quotas were not read again");
            }
        });
    }
}

impl IdentityListener for Ears {
    fn identity_changed(&self, _epoch: u64) {
        self.caches.entries_changed();
        self.read_quotas_again();
    }

    fn revoked(&self, hashes: &[CredentialHash]) {
        self.caches.revoked(hashes);
    }

    fn everything_may_have_changed(&self) {
        self.caches.everything_may_have_changed();
        self.read_quotas_again();
    }

    fn sealed(&self) {
        self.look.notify_one();
    }
}

impl Opened {
    /// Ends what runs behind the gate and lets go of every key. Requests that still hold on to this go on with what
    /// they have.
    pub(super) async fn shutdown(&self) {
        self.transit.shutdown().await;
        self.identity.forget_everything();
        let audit = Arc::clone(&self.audit);
        let closed = tokio::task::spawn_blocking(move || audit.close(CLOSE_TIMEOUT)).await;
        if !closed.unwrap_or(false) {
            tracing::warn!("the audit was not closed in time");
        }
        let head = self.audit.heads().borrow().clone();
        if let Some(head) = head
            && let Err(error) = self.store.put_audit_head(&head).await
        {
            tracing::warn!(%error, "the last head of the audit was not stored");
        }
    }
}

const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
