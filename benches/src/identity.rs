//! A node's identity on a store in memory, with policies and tokens.

use std::sync::Arc;

use keyring::clock::SystemClock;
use keyring::entropy::SystemEntropy;
use keyring::identity_keys::IdentityKeys;
use keyring::secret::{Dek, SecretBytes};
use keyring::store::memory::MemoryStore;
use keyring::transit::RootToken;
use service::identity::engine::Engine;
use service::identity::limits::Limits;
use service::identity::observer::Unobserved;
use service::identity::policy::PolicyName;
use service::identity::policy_set::PolicySet;
use service::identity::token::grant::{AuthMountLimits, NewToken};
use service::identity::token::registry::Bounds;
use service::identity::token_params::TokenParams;
use service::identity::{Caches, Foundation, Identity};
use tokio::runtime::{Builder, Runtime};

use crate::time::{Began, Elapsed};

/// Identity, and a runtime whose threads do its background work.
#[derive(Debug)]
pub struct Node {
    /// Tokens and policies.
    pub identity: Identity,
    runtime: Runtime,
}

/// An engine whose store is always there, and that knows no root token.
#[derive(Debug)]
struct AlwaysThere;

impl Engine for AlwaysThere {
    fn root_token(&self, _: &str) -> Option<RootToken> {
        None
    }

    fn is_current(&self) -> bool {
        true
    }
}

impl Node {
    /// A node whose store has this many policies.
    pub fn with_policies(policies: usize) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime starts");
        let identity = runtime.block_on(async {
            let store = Arc::new(MemoryStore::new());
            let pepper = SecretBytes::new(vec![1; 32]);
            let sealing = Dek::from_slice(&[2; 32]).expect("32 bytes are a key");
            let entropy = Arc::new(SystemEntropy);
            let foundation = Foundation {
                entries: Arc::<MemoryStore>::clone(&store),
                credentials: store,
                keys: Arc::new(IdentityKeys::new(&pepper, sealing, entropy.clone())),
                clock: Arc::new(SystemClock),
                entropy,
                runtime: tokio::runtime::Handle::current(),
                limits: Limits::default(),
                bounds: Bounds::default(),
                observer: Arc::new(Unobserved),
            };
            let caches = Caches::new(&foundation);
            let identity = Identity::open(foundation, &caches, Arc::new(AlwaysThere)).await;
            let identity = identity.expect("identity opens");
            for number in 0..policies {
                let name = PolicyName::parse(&format!("app-{number}")).expect("a name");
                let text = POLICY.replace("KEY", &format!("key-{number}"));
                let put = identity.policies.put(&name, &text).await;
                put.expect("the policy is written");
            }
            identity
        });
        Self { identity, runtime }
    }

    /// A new token that may encrypt and little else.
    pub fn token(&self) -> String {
        let token = NewToken {
            params: TokenParams {
                policies: PolicySet::new(["app-0"]),
                ..TokenParams::default()
            },
            display_name: "token-app".to_owned(),
            path: "auth/token/create".to_owned(),
            ..NewToken::default()
        };
        let limits = AuthMountLimits::default();
        let issued = self.identity.issue(token, &limits);
        let issued = self.runtime.block_on(issued).expect("the token is issued");
        let text = issued.text.expect("a new token has a text");
        text.expose_secret().to_owned()
    }

    /// Resolves a token, which must be one.
    pub fn resolve(&self, token: &str) {
        let entry = self
            .runtime
            .block_on(self.identity.registry.resolve(token, None));
        entry.expect("the token is known");
    }

    /// How long it takes to do this so many times, one after the other.
    pub fn time(&self, times: u64, mut step: impl AsyncFnMut()) -> Elapsed {
        self.runtime.block_on(async {
            let began = Began::now();
            for _ in 0..times {
                step().await;
            }
            began.elapsed()
        })
    }
}

/// What an application's policy looks like.
const POLICY: &str = r#"
path "transit/encrypt/orders" { capabilities = ["update"] }
path "transit/decrypt/orders" { capabilities = ["update"] }
path "transit/keys/KEY" { capabilities = ["read"] }
path "transit/+/KEY-*" { capabilities = ["update"] }
"#;
