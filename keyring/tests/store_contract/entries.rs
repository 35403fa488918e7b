//! Entries: what administrators write.

use std::sync::Arc;

use futures_util::future::join_all;
use keyring::store::identity::StoredEntry;
use keyring::store::{KeyStore, StoreError};
use keyring::version::Generation;

use crate::samples::{added, entry, found, place, time, token, written};

async fn epoch(store: &dyn KeyStore) -> u64 {
    let end = store.end().await.unwrap();
    store.changes_since(end).await.unwrap().identity_epoch
}

fn after(entry: &StoredEntry, body: &[u8]) -> StoredEntry {
    StoredEntry {
        generation: entry.generation.next(),
        body: body.to_vec(),
        ..entry.clone()
    }
}

async fn names(store: &dyn KeyStore, after: Option<&str>, limit: u32) -> Vec<String> {
    let entries = store.entries("policy", "", after, limit).await.unwrap();
    entries.into_iter().map(|entry| entry.place.name).collect()
}

pub(crate) async fn an_entry_is_read_as_it_was_written(store: Arc<dyn KeyStore>) {
    let at = place("policy", "", "für alle/x");
    assert_eq!(store.entry(&at).await.unwrap(), None);
    let first = StoredEntry {
        body: (0..=255).collect(),
        ..entry(&at)
    };
    store.put_entry(&first, None).await.unwrap();
    assert_eq!(store.entry(&at).await.unwrap(), Some(first.clone()));
    let second = after(&first, b"");
    store
        .put_entry(&second, Some(first.generation))
        .await
        .unwrap();
    assert_eq!(store.entry(&at).await.unwrap(), Some(second));
}

pub(crate) async fn an_entry_stands_in_one_place_alone(store: Arc<dyn KeyStore>) {
    let places = [
        place("policy", "", "a"),
        place("policy", "a", ""),
        place("role", "", "a"),
        place("policy", "", "A"),
    ];
    for at in &places {
        written(&*store, at).await;
    }
    for at in &places {
        assert_eq!(store.entry(at).await.unwrap(), Some(entry(at)));
    }
    assert!(store.delete_entry(&places[0]).await.unwrap());
    assert!(!store.delete_entry(&places[0]).await.unwrap());
    assert_eq!(store.entry(&places[0]).await.unwrap(), None);
    for at in &places[1..] {
        assert_eq!(store.entry(at).await.unwrap(), Some(entry(at)));
    }
    let unwritable = place("policy", "", "a\0");
    assert_eq!(store.entry(&unwritable).await.unwrap(), None);
    assert!(!store.delete_entry(&unwritable).await.unwrap());
}

pub(crate) async fn an_entry_changes_from_the_generation_that_was_read(store: Arc<dyn KeyStore>) {
    let at = place("policy", "", "a");
    let first = entry(&at);
    let gone = store.put_entry(&first, Some(Generation::FIRST)).await;
    assert!(matches!(gone, Err(StoreError::Conflict)), "{gone:?}");
    assert_eq!(store.entry(&at).await.unwrap(), None);
    store.put_entry(&first, None).await.unwrap();
    let again = store.put_entry(&after(&first, b"x"), None).await;
    assert!(matches!(again, Err(StoreError::Exists)), "{again:?}");
    let second = after(&first, b"second");
    store
        .put_entry(&second, Some(first.generation))
        .await
        .unwrap();
    let stale = store
        .put_entry(&after(&first, b"x"), Some(first.generation))
        .await;
    assert!(matches!(stale, Err(StoreError::Conflict)), "{stale:?}");
    assert_eq!(store.entry(&at).await.unwrap(), Some(second));
}

pub(crate) async fn of_concurrent_changes_to_an_entry_one_succeeds(store: Arc<dyn KeyStore>) {
    let first = written(&*store, &place("policy", "", "a")).await;
    for read_at in [None, Some(first.generation)] {
        let writes = (0..8_u8).map(|body| {
            let (store, mut next) = (Arc::clone(&store), after(&first, &[body]));
            if read_at.is_none() {
                "new".clone_into(&mut next.place.name);
            }
            tokio::spawn(async move { store.put_entry(&next, read_at).await.is_ok() })
        });
        let written = join_all(writes).await.into_iter().map(Result::unwrap);
        assert_eq!(written.filter(|done| *done).count(), 1, "{read_at:?}");
    }
}

pub(crate) async fn entries_are_listed_in_byte_order_page_by_page(store: Arc<dyn KeyStore>) {
    for name in ["b", "a", "a-b", "B", "a_b", "é", "a/b", "ab", ""] {
        written(&*store, &place("policy", "", name)).await;
    }
    written(&*store, &place("policy", "other", "aa")).await;
    written(&*store, &place("role", "", "aa")).await;
    let all = ["", "B", "a", "a-b", "a/b", "a_b", "ab", "b", "é"];
    assert_eq!(names(&*store, None, 100).await, all);
    assert_eq!(names(&*store, None, 3).await, all[..3]);
    assert_eq!(names(&*store, Some("a"), 2).await, all[3..5]);
    assert_eq!(names(&*store, Some(""), 100).await, all[1..]);
    assert_eq!(names(&*store, Some("a-c"), 100).await, all[4..]);
    assert_eq!(names(&*store, Some("é"), 100).await, [""; 0]);
    assert_eq!(names(&*store, None, 0).await, [""; 0]);
    assert_eq!(
        store.entries("policy", "nobody", None, 9).await.unwrap(),
        []
    );
}

pub(crate) async fn every_change_to_an_entry_grows_the_epoch(store: Arc<dyn KeyStore>) {
    let mut seen = epoch(&*store).await;
    let at = place("policy", "s", "a");
    let first = entry(&at);
    store.put_entry(&first, None).await.unwrap();
    for step in 0..4 {
        let now = epoch(&*store).await;
        assert!(now > seen, "{step}");
        seen = now;
        match step {
            0 => store
                .put_entry(&after(&first, b""), Some(first.generation))
                .await
                .unwrap(),
            1 => assert!(store.delete_entry(&at).await.unwrap()),
            2 => store.retire_scope("s", time(1)).await.unwrap(),
            _ => {}
        }
    }
    // What was refused changes nothing.
    store.put_entry(&first, None).await.unwrap();
    let seen = epoch(&*store).await;
    store.put_entry(&first, None).await.unwrap_err();
    assert_eq!(epoch(&*store).await, seen);
}

pub(crate) async fn a_scope_retires_with_its_entries_and_credentials(store: Arc<dyn KeyStore>) {
    let (mine, other) = (place("role", "auth_1", "a"), place("role", "auth_2", "a"));
    let server = place("policy", "", "a");
    for at in [&mine, &other, &server] {
        written(&*store, at).await;
    }
    let scoped = |scope: &str| {
        let scope = scope.to_owned();
        keyring::store::identity::StoredCredential { scope, ..token() }
    };
    let issued = added(&*store, scoped("auth_1")).await;
    let elsewhere = added(&*store, scoped("auth_2")).await;
    let below = crate::samples::child(&issued);
    let below = added(&*store, below).await;
    let cursor = store.end().await.unwrap();

    store.retire_scope("auth_1", time(200)).await.unwrap();
    assert_eq!(store.entry(&mine).await.unwrap(), None);
    assert_eq!(store.entry(&other).await.unwrap(), Some(entry(&other)));
    assert_eq!(store.entry(&server).await.unwrap(), Some(entry(&server)));
    for gone in [&issued, &below] {
        assert_eq!(found(&*store, gone).await, None);
    }
    assert_eq!(found(&*store, &elsewhere).await, Some(elsewhere));
    let mut told = store.changes_since(cursor).await.unwrap().revoked;
    told.sort_unstable();
    let mut expected = [issued.hash, below.hash];
    expected.sort_unstable();
    assert_eq!(told, expected);

    store.retire_scope("", time(200)).await.unwrap();
    assert_eq!(store.entry(&server).await.unwrap(), Some(entry(&server)));
}
