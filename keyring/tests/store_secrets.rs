//! The store's own secrets: each store has its own, and one that was taken away is missed and not made anew.
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
use keyring::transit::Parts;

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

fn same(one: &IdentityKeys, other: &IdentityKeys) -> bool {
    let sealed = one.seal(b"place", &SecretBytes::default()).unwrap();
    one.hash(CredentialKind::Token, b"text") == other.hash(CredentialKind::Token, b"text")
        && other.open(b"place", &sealed).is_ok()
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
async fn whichever_secret_is_taken_away_it_is_named_and_none_is_made_in_its_place() {
    for taken in Purpose::RECORDS {
        let kept = Purpose::RECORDS.into_iter().filter(|other| *other != taken);
        let parts = parts_with(&kept.collect::<Vec<_>>()).await;
        let before = parts.store.secrets().await.unwrap();
        let refused = open(parts.clone(), quick()).await;
        let named =
            matches!(&refused, Err(SetupError::MissingSecret(words)) if *words == taken.words());
        assert!(named, "{refused:?}");
        assert_eq!(parts.store.secrets().await.unwrap(), before);
    }
}
