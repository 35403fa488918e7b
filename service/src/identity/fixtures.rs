//! What the tests of identity stand on.

mod watched;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyring::clock::{Clock as _, Timestamp};
use keyring::entropy::SystemEntropy;
use keyring::identity_keys::IdentityKeys;
use keyring::name::KeyName;
use keyring::secret::{Dek, SecretBytes};
use keyring::store::identity::{CredentialHash, CredentialKind};
use keyring::store::memory::MemoryStore;
use keyring::test_support::engine::ManualClock;
use keyring::transit::RootToken;
use tokio::runtime::Handle;

use super::engine::Engine;
use super::entries::Entries;
use super::limits::Limits;
use super::methods::look_ups::LookUps;
use super::observer::Unobserved;
use super::parts::Parts;
use super::token::grant::{AuthMountLimits, Issued, NewToken};
use super::token::lookup::{Found, Stored};
use super::token::registry::Bounds;
use super::token_params::TokenParams;
use super::{Caches, Foundation, Identity};

pub(crate) use self::watched::WatchedStore;

/// The keys of a store, the same in every test.
pub(crate) fn keys() -> Arc<IdentityKeys> {
    Arc::new(IdentityKeys::new(
        &SecretBytes::new(vec![1; 32]),
        Dek::from_slice(&[2; 32]).unwrap(),
        Arc::new(SystemEntropy),
    ))
}

/// An engine that knows one root token and says of the store what it is told.
#[derive(Debug, Default)]
pub(crate) struct TestEngine {
    pub(crate) root: Mutex<Option<String>>,
    pub(crate) stale: AtomicBool,
}

impl Engine for TestEngine {
    fn root_token(&self, text: &str) -> Option<RootToken> {
        let root = self.root.lock().unwrap();
        (root.as_deref() == Some(text)).then(|| RootToken {
            accessor: "root-accessor".into(),
            created_at: Timestamp::from_micros(0),
        })
    }

    fn is_current(&self) -> bool {
        !self.stale.load(Ordering::SeqCst)
    }
}

/// A node: identity with its parts in reach.
pub(crate) struct Node {
    pub(crate) identity: Arc<Identity>,
    pub(crate) caches: Arc<Caches>,
    pub(crate) store: Arc<WatchedStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) engine: Arc<TestEngine>,
}

impl Node {
    /// A node on a store of its own.
    pub(crate) async fn new() -> Self {
        let clock = Arc::new(ManualClock::at(1_800_000_000));
        let store = Arc::new(WatchedStore::over(Arc::new(MemoryStore::new())));
        Self::on(store, clock).await
    }

    /// Another node on the same store.
    pub(crate) async fn another(&self) -> Self {
        let store = Arc::new(WatchedStore::over(self.store.inner()));
        Self::on(store, Arc::clone(&self.clock)).await
    }

    async fn on(store: Arc<WatchedStore>, clock: Arc<ManualClock>) -> Self {
        let foundation = Foundation {
            entries: store.inner(),
            credentials: Arc::<WatchedStore>::clone(&store),
            keys: keys(),
            clock: Arc::<ManualClock>::clone(&clock),
            entropy: Arc::new(SystemEntropy),
            runtime: Handle::current(),
            bounds: Bounds::default(),
            limits: Limits::default(),
            observer: Arc::new(Unobserved),
        };
        let engine = Arc::new(TestEngine::default());
        let caches = Caches::new(&foundation);
        let opened = Identity::open(foundation, &caches, Arc::<TestEngine>::clone(&engine));
        Self {
            identity: Arc::new(opened.await.unwrap()),
            caches,
            store,
            clock,
            engine,
        }
    }

    /// A token with this lifetime in seconds, an orphan unless it has a parent.
    pub(crate) async fn token(&self, ttl: u64, parent: Option<CredentialHash>) -> Token {
        let params = TokenParams {
            ttl: Duration::from_secs(ttl),
            ..TokenParams::default()
        };
        self.issue(NewToken {
            params,
            parent,
            ..NewToken::default()
        })
        .await
    }

    pub(crate) async fn issue(&self, new: NewToken) -> Token {
        let issued = self.identity.issue(new, &AuthMountLimits::default()).await;
        Token::of(&issued.unwrap())
    }

    /// Whether the token is let in.
    pub(crate) async fn lets_in(&self, token: &Token) -> bool {
        self.identity
            .registry
            .resolve(&token.text, None)
            .await
            .is_ok()
    }

    /// The token as stored.
    pub(crate) async fn stored(&self, token: &Token) -> Option<Stored> {
        match self.identity.find(&token.text).await.unwrap()? {
            Found::Service(stored) => Some(*stored),
            Found::Batch(_) | Found::Initial(_) => panic!("not a service token"),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// A token that was issued.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) hash: CredentialHash,
}

impl Token {
    fn of(issued: &Issued) -> Self {
        let text = issued.text.as_ref().unwrap().expose_secret().to_owned();
        let hash = keys().hash(CredentialKind::Token, text.as_bytes());
        Self { text, hash }
    }
}

/// A store in memory with a clock that stands at 1,000,000 s, and what rooms of identity are built from on them.
pub(crate) fn parts() -> (Parts, Arc<ManualClock>) {
    let store = Arc::new(MemoryStore::new());
    let clock = Arc::new(ManualClock::at(1_000_000));
    let limits = Limits::default();
    let parts = Parts {
        entries: Entries::new(store.clone(), keys()),
        entry_store: store.clone(),
        credentials: store,
        keys: keys(),
        clock: clock.clone(),
        entropy: Arc::new(SystemEntropy),
        limits,
        look_ups: LookUps::new(limits.look_ups, limits.look_ups_of_address),
    };
    (parts, clock)
}

/// A name.
pub(crate) fn name(text: &str) -> KeyName {
    KeyName::parse(text).unwrap()
}

/// A secret text.
pub(crate) fn secret(text: &str) -> SecretBytes {
    SecretBytes::new(text.as_bytes().to_vec())
}
