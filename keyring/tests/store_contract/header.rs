//! The store's own header, secrets and root tokens.

use std::sync::Arc;

use futures_util::future::join_all;
use keyring::store::identity::CredentialHash;
use keyring::store::{KeyStore, StoreError, StoreHeader};

use crate::samples::{header, mount, root_token, secret, time, wrapped};

pub(crate) async fn a_new_store_has_no_header(store: Arc<dyn KeyStore>) {
    assert_eq!(store.header().await.unwrap(), None);
    assert_eq!(store.secrets().await.unwrap(), []);
    assert_eq!(store.root_tokens().await.unwrap(), []);
}

pub(crate) async fn a_store_is_initialised_once(store: Arc<dyn KeyStore>) {
    let (first, secrets, transit) = (
        header(),
        [secret(1), secret(2), secret(u32::MAX)],
        mount("transit"),
    );
    store.initialise(&first, &secrets, &transit).await.unwrap();
    let outcome = store
        .initialise(&header(), &[secret(9)], &mount("other"))
        .await;

    assert!(matches!(outcome, Err(StoreError::Exists)), "{outcome:?}");
    assert_eq!(store.header().await.unwrap(), Some(first));
    assert_eq!(store.secrets().await.unwrap(), secrets);
    assert_eq!(store.mounts().await.unwrap(), [transit]);
}

pub(crate) async fn a_sealed_header_has_no_live_secret(store: Arc<dyn KeyStore>) {
    let sealed = StoreHeader {
        live_secret: None,
        shares: 255,
        threshold: 1,
        ..header()
    };
    store
        .initialise(&sealed, &[], &mount("transit"))
        .await
        .unwrap();
    assert_eq!(store.header().await.unwrap(), Some(sealed));
}

pub(crate) async fn of_concurrent_initialisations_one_succeeds(store: Arc<dyn KeyStore>) {
    let tasks = (0..8).map(|number| {
        let (store, mount) = (Arc::clone(&store), mount(&format!("mount-{number}")));
        tokio::spawn(async move { store.initialise(&header(), &[secret(1)], &mount).await })
    });
    let outcomes = join_all(tasks).await.into_iter().map(Result::unwrap);
    assert_eq!(outcomes.flatten().count(), 1);
    assert_eq!(store.mounts().await.unwrap().len(), 1);
    assert_eq!(store.secrets().await.unwrap(), [secret(1)]);
}

async fn state(store: &dyn KeyStore) -> (u64, bool) {
    let end = store.end().await.unwrap();
    let changes = store.changes_since(end).await.unwrap();
    (changes.identity_epoch, changes.sealed)
}

pub(crate) async fn sealing_deletes_the_live_secret_and_is_told(store: Arc<dyn KeyStore>) {
    for outcome in [store.seal().await, store.unseal(&wrapped(1)).await] {
        assert!(matches!(outcome, Err(StoreError::NotFound)), "{outcome:?}");
    }
    assert!(
        !state(&*store).await.1,
        "a store without a header is not sealed"
    );
    let first = header();
    store
        .initialise(&first, &[], &mount("transit"))
        .await
        .unwrap();
    let live = async || store.header().await.unwrap().unwrap().live_secret;
    let (before, sealed) = state(&*store).await;
    assert!(!sealed);

    // What is there is not replaced.
    store.unseal(&wrapped(1)).await.unwrap();
    assert_eq!(live().await, first.live_secret);
    for _ in 0..2 {
        store.seal().await.unwrap();
        let header = StoreHeader {
            live_secret: None,
            ..first.clone()
        };
        assert_eq!(store.header().await.unwrap(), Some(header));
        assert!(state(&*store).await.1);
    }
    let (while_sealed, _) = state(&*store).await;
    assert!(while_sealed > before);
    for byte in [2, 3] {
        store.unseal(&wrapped(byte)).await.unwrap();
        assert_eq!(live().await, Some(wrapped(2)));
    }
    let (after, sealed) = state(&*store).await;
    assert!(after > while_sealed && !sealed);
}

pub(crate) async fn a_root_token_that_goes_is_told(store: Arc<dyn KeyStore>) {
    let hash = |byte| CredentialHash([byte; 32]);
    store.replace_root_tokens(&root_token(1)).await.unwrap();
    let cursor = store.end().await.unwrap();
    let (before, _) = state(&*store).await;
    store.replace_root_tokens(&root_token(2)).await.unwrap();
    assert!(!store.revoke_root_token(hash(1), time(5)).await.unwrap());
    assert!(store.revoke_root_token(hash(2), time(5)).await.unwrap());
    assert!(!store.revoke_root_token(hash(2), time(5)).await.unwrap());
    assert_eq!(store.root_tokens().await.unwrap(), []);
    let changes = store.changes_since(cursor).await.unwrap();
    assert_eq!(changes.revoked, [hash(1), hash(2)]);
    assert!(changes.identity_epoch > before);
}

pub(crate) async fn a_root_token_replaces_all_others(store: Arc<dyn KeyStore>) {
    store.replace_root_tokens(&root_token(1)).await.unwrap();
    store.replace_root_tokens(&root_token(2)).await.unwrap();
    assert_eq!(store.root_tokens().await.unwrap(), [root_token(2)]);
    store.replace_root_tokens(&root_token(2)).await.unwrap();
    let tasks = (3..11).map(|byte| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.replace_root_tokens(&root_token(byte)).await.unwrap() })
    });
    join_all(tasks).await;
    assert_eq!(store.root_tokens().await.unwrap().len(), 1);
}
