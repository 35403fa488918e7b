//! The stream of changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use keyring::history::Action;
use keyring::store::{Changes, KeyStore};

use crate::samples::{created, enabled, event, rotated};

fn seen(changes: &Changes) -> Vec<(String, u64)> {
    changes
        .rings
        .iter()
        .map(|changed| (changed.name.to_string(), changed.generation.0))
        .collect()
}

pub(crate) async fn every_kind_of_change_is_seen(store: Arc<dyn KeyStore>) {
    let start = store.end().await.unwrap();
    let mount = enabled(&*store, "transit").await;
    let ring = created(&*store, &mount, "orders").await;
    let ring = rotated(&*store, &ring).await;
    created(&*store, &mount, "bills").await;
    store
        .delete_ring(ring.id, ring.generation, &event(&ring, Action::Delete))
        .await
        .unwrap();

    let changes = store.changes_since(start).await.unwrap();
    let expected = [("orders", 1), ("orders", 2), ("bills", 1), ("orders", 2)];
    assert_eq!(
        seen(&changes),
        expected.map(|(name, generation)| (name.to_owned(), generation))
    );
    assert!(
        changes
            .rings
            .iter()
            .all(|changed| changed.mount == mount.id)
    );
    assert_eq!(
        changes.rings.first().map(|changed| changed.ring),
        Some(ring.id)
    );
    assert!(!changes.next.is_behind(start));
}

pub(crate) async fn a_poll_from_the_end_sees_only_later_changes(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let mut ring = created(&*store, &mount, "orders").await;
    for _ in 0..5 {
        let cursor = store
            .changes_since(store.end().await.unwrap())
            .await
            .unwrap()
            .next;
        ring = rotated(&*store, &ring).await;
        let changes = store.changes_since(cursor).await.unwrap();
        // A little earlier is allowed, and happens when other databases of the server hold transactions open.
        assert_eq!(
            seen(&changes).last(),
            Some(&("orders".to_owned(), ring.generation.0))
        );
        assert!(!changes.next.is_behind(cursor));
    }
}

pub(crate) async fn polling_during_concurrent_changes_misses_none(store: Arc<dyn KeyStore>) {
    let mut cursor = store.end().await.unwrap();
    let mount = enabled(&*store, "transit").await;
    let writers: Vec<_> = (0..6)
        .map(|writer| {
            let (store, mount) = (Arc::clone(&store), mount.clone());
            tokio::spawn(async move {
                let mut ring = created(&*store, &mount, &format!("ring-{writer}")).await;
                for _ in 0..10 {
                    ring = rotated(&*store, &ring).await;
                }
            })
        })
        .collect();
    let mut all = BTreeSet::new();
    while writers.iter().any(|writer| !writer.is_finished()) {
        let changes = store.changes_since(cursor).await.unwrap();
        all.extend(seen(&changes));
        cursor = changes.next;
        tokio::task::yield_now().await;
    }
    all.extend(seen(&store.changes_since(cursor).await.unwrap()));
    let expected: BTreeSet<_> = (0..6)
        .flat_map(|writer| (1..=11).map(move |generation| (format!("ring-{writer}"), generation)))
        .collect();
    assert_eq!(all, expected);
}
