//! The store's own secrets: what an older store lacks is added once, what was taken away is noticed.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

use std::sync::Arc;

use keyring::identity_keys::IdentityKeys;
use keyring::secret::SecretBytes;
use keyring::setup::{SetupError, open};
use keyring::store::identity::CredentialKind;
use keyring::store::memory::MemoryStore;
use keyring::store::{HeaderStore, StoredSecret};
use keyring::store_keys::Purpose;
use keyring::test_support::engine::{TestEngine, quick};
use keyring::transit::{Parts, Transit};

/// The parts of an engine on a store with only these of another store's secrets.
async fn parts_with(purposes: &[Purpose]) -> Parts {
    let engine = TestEngine::in_memory().await;
    let header = engine.parts.store.header().await.unwrap().unwrap();
    let secrets = engine.parts.store.secrets().await.unwrap();
    let is_kept = |secret: &StoredSecret| {
        let mut kept = purposes.iter();
        kept.any(|purpose| purpose.number() == secret.purpose)
    };
    let secrets: Vec<_> = secrets.into_iter().filter(is_kept).collect();
    let mount = engine.transit.mounts().first().unwrap().clone();
    let store = MemoryStore::new();
    store.initialise(&header, &secrets, &mount).await.unwrap();
    Parts {
        store: Arc::new(store),
        ..engine.parts
    }
}

async fn opened(parts: &Parts) -> Transit {
    open(parts.clone(), quick()).await.unwrap()
}

fn same(one: &IdentityKeys, other: &IdentityKeys) -> bool {
    let sealed = one.seal(b"place", &SecretBytes::default()).unwrap();
    one.hash(CredentialKind::Token, b"text") == other.hash(CredentialKind::Token, b"text")
        && other.open(b"place", &sealed).is_ok()
}

#[tokio::test]
async fn a_store_from_before_identity_gets_its_secrets_once() {
    let parts = parts_with(&[Purpose::RowMac, Purpose::TokenPepper]).await;
    let (one, other) = tokio::join!(opened(&parts), opened(&parts));
    let secrets = parts.store.secrets().await.unwrap();
    assert_eq!(secrets.len(), Purpose::RECORDS.len());
    let third = opened(&parts).await;
    assert_eq!(parts.store.secrets().await.unwrap(), secrets);
    for node in [&other, &third] {
        assert!(same(&one.identity_keys(), &node.identity_keys()));
        assert_eq!(
            one.audit_keys().public_key(),
            node.audit_keys().public_key()
        );
        assert_eq!(
            one.audit_keys().correlate(b"x"),
            node.audit_keys().correlate(b"x")
        );
    }
}

#[tokio::test]
async fn stores_do_not_share_their_keys() {
    let (one, other) = (TestEngine::in_memory().await, TestEngine::in_memory().await);
    let (one, other) = (one.transit, other.transit);
    assert!(!same(&one.identity_keys(), &other.identity_keys()));
    assert_ne!(
        one.audit_keys().public_key(),
        other.audit_keys().public_key()
    );
    assert_ne!(
        one.audit_keys().correlate(b"x"),
        other.audit_keys().correlate(b"x")
    );
}

#[tokio::test]
async fn a_secret_that_every_store_had_is_missed() {
    for kept in [[Purpose::RowMac], [Purpose::TokenPepper]] {
        let refused = open(parts_with(&kept).await, quick()).await;
        assert!(
            matches!(refused, Err(SetupError::Integrity(_))),
            "{refused:?}"
        );
    }
}
