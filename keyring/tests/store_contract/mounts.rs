//! Mounts.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use keyring::algorithm::CipherType;
use keyring::ids::MountId;
use keyring::mount::{ListingVisibility, Mount, MountSettings};
use keyring::store::{KeyStore, StoreError, With};
use keyring::version::Version;

use crate::samples::{created, enabled, id, mount, path, rotated, time, version};

async fn paths(store: &dyn KeyStore) -> Vec<String> {
    store
        .mounts()
        .await
        .unwrap()
        .iter()
        .map(|mount| mount.path.to_string())
        .collect()
}

pub(crate) async fn enabled_mounts_are_listed_by_path(store: Arc<dyn KeyStore>) {
    assert_eq!(store.mounts().await.unwrap(), []);
    let settings = MountSettings {
        description: "für alle".to_owned(),
        default_key_type: Some(CipherType::Aes256GcmSiv),
        upsert: true,
        cache_size: 123,
        default_lease_ttl: Duration::from_secs(61),
        max_lease_ttl: Duration::from_hours(1),
        listing_visibility: Some(ListingVisibility::Unauthenticated),
    };
    let tuned = Mount {
        settings,
        ..mount("team/payments")
    };
    store.enable_mount(&tuned).await.unwrap();
    for at in ["b", "B", "a_b", "aB", "_"] {
        enabled(&*store, at).await;
    }
    assert_eq!(
        paths(&*store).await,
        ["B", "_", "aB", "a_b", "b", "team/payments"]
    );
    assert_eq!(store.mounts().await.unwrap().last(), Some(&tuned));
}

pub(crate) async fn a_path_that_is_taken_or_overlaps_is_refused(store: Arc<dyn KeyStore>) {
    let taken = enabled(&*store, "a/b").await;
    for at in ["a/b", "a", "a/b/c"] {
        let outcome = store.enable_mount(&mount(at)).await;
        assert!(
            matches!(outcome, Err(StoreError::Exists)),
            "{at}: {outcome:?}"
        );
    }
    assert_eq!(store.mounts().await.unwrap(), [taken]);
    // Siblings, and paths that only begin with the same letters, are no overlap; `_` is no wildcard.
    for at in ["a/c", "a/bc", "a_b", "ab", "b"] {
        enabled(&*store, at).await;
    }
}

pub(crate) async fn of_concurrent_overlapping_mounts_one_is_enabled(store: Arc<dyn KeyStore>) {
    let tasks = ["x", "x/y", "x", "x/y/z", "x/y", "x"].map(|at| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.enable_mount(&mount(at)).await })
    });
    let outcomes = join_all(tasks).await.into_iter().map(Result::unwrap);
    assert_eq!(outcomes.flatten().count(), 1);
    assert_eq!(paths(&*store).await.len(), 1);
}

pub(crate) async fn tuning_replaces_the_settings_of_an_enabled_mount(store: Arc<dyn KeyStore>) {
    let before = enabled(&*store, "transit").await;
    let settings = MountSettings {
        description: "x".repeat(1_024),
        default_key_type: Some(CipherType::ChaCha20Poly1305),
        upsert: true,
        cache_size: 10,
        default_lease_ttl: Duration::from_secs(1),
        max_lease_ttl: Duration::from_secs(2),
        listing_visibility: Some(ListingVisibility::Hidden),
    };
    let unset = MountSettings::default();
    store
        .tune_mount(before.id, &unset, &settings)
        .await
        .unwrap();
    assert_eq!(
        store.mounts().await.unwrap(),
        [Mount {
            settings: settings.clone(),
            ..before.clone()
        }]
    );
    store
        .tune_mount(before.id, &settings, &unset)
        .await
        .unwrap();
    assert_eq!(store.mounts().await.unwrap(), std::slice::from_ref(&before));

    store.disable_mount(&before.path, time(1)).await.unwrap();
    for nobody in [before.id, MountId::from_bytes(id())] {
        let outcome = store.tune_mount(nobody, &unset, &settings).await;
        assert!(matches!(outcome, Err(StoreError::NotFound)), "{outcome:?}");
    }
}

pub(crate) async fn settings_that_were_changed_meanwhile_are_not_replaced(
    store: Arc<dyn KeyStore>,
) {
    let mount = enabled(&*store, "transit").await;
    let read = MountSettings::default();
    let size = |cache_size| MountSettings {
        cache_size,
        ..MountSettings::default()
    };
    store.tune_mount(mount.id, &read, &size(10)).await.unwrap();
    let late = store.tune_mount(mount.id, &read, &size(11)).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
    let now = Mount {
        settings: size(10),
        ..mount.clone()
    };
    assert_eq!(store.mounts().await.unwrap(), [now]);

    let tasks = (100..116).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.tune_mount(mount.id, &size(10), &size(number)).await })
    });
    let outcomes = join_all(tasks).await.into_iter().map(Result::unwrap);
    assert_eq!(outcomes.flatten().count(), 1);
}

pub(crate) async fn a_disabled_mount_frees_its_path_and_keeps_its_rings(store: Arc<dyn KeyStore>) {
    let old = enabled(&*store, "transit").await;
    let ring = created(&*store, &old, "orders").await;
    assert!(
        !store
            .disable_mount(&path("elsewhere"), time(1))
            .await
            .unwrap()
    );
    assert!(
        store
            .disable_mount(&path("transit"), time(1))
            .await
            .unwrap()
    );
    assert!(
        !store
            .disable_mount(&path("transit"), time(2))
            .await
            .unwrap()
    );
    assert_eq!(paths(&*store).await, [""; 0]);

    let new = enabled(&*store, "transit/below").await;
    assert!(
        store
            .load_ring(new.id, &ring.name, With::Latest)
            .await
            .unwrap()
            .is_none()
    );
    let kept = store
        .load_ring(old.id, &ring.name, With::Latest)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept.ring, ring);
}

pub(crate) async fn restoring_brings_back_the_mount_disabled_last(store: Arc<dyn KeyStore>) {
    let missing = store.restore_mount(&path("transit")).await;
    assert!(matches!(missing, Err(StoreError::NotFound)), "{missing:?}");
    // Disabled in another order than they were made.
    let last = enabled(&*store, "transit").await;
    store
        .disable_mount(&path("transit"), time(30))
        .await
        .unwrap();
    enabled(&*store, "transit").await;
    store
        .disable_mount(&path("transit"), time(10))
        .await
        .unwrap();

    store.restore_mount(&path("transit")).await.unwrap();
    assert_eq!(store.mounts().await.unwrap(), std::slice::from_ref(&last));
    created(&*store, &last, "orders").await;
}

pub(crate) async fn restoring_to_a_taken_path_is_refused(store: Arc<dyn KeyStore>) {
    enabled(&*store, "a/b").await;
    store.disable_mount(&path("a/b"), time(1)).await.unwrap();
    for taken in ["a/b", "a", "a/b/c"] {
        let now = enabled(&*store, taken).await;
        let outcome = store.restore_mount(&path("a/b")).await;
        assert!(
            matches!(outcome, Err(StoreError::Exists)),
            "{taken}: {outcome:?}"
        );
        assert_eq!(store.mounts().await.unwrap(), std::slice::from_ref(&now));
        store.disable_mount(&now.path, time(0)).await.unwrap();
    }
    let missing = store.restore_mount(&path("b")).await;
    assert!(matches!(missing, Err(StoreError::NotFound)), "{missing:?}");
}

pub(crate) async fn purging_destroys_what_was_disabled_before(store: Arc<dyn KeyStore>) {
    let (kept, late, old) = (
        enabled(&*store, "kept").await,
        enabled(&*store, "late").await,
        enabled(&*store, "old").await,
    );
    for mount in [&kept, &late, &old] {
        let ring = created(&*store, mount, "orders").await;
        let ring = rotated(&*store, &ring).await;
        store.lease_usage(ring.id, version(2), 5).await.unwrap();
    }
    let doomed = store
        .load_ring(old.id, &crate::samples::name("orders"), With::Latest)
        .await
        .unwrap()
        .unwrap()
        .ring;
    store.disable_mount(&late.path, time(20)).await.unwrap();
    store.disable_mount(&old.path, time(10)).await.unwrap();
    assert_eq!(store.purge_mounts(time(10)).await.unwrap(), 0);
    assert_eq!(store.purge_mounts(time(20)).await.unwrap(), 1);

    let load = async |mount: &Mount| {
        store
            .load_ring(mount.id, &doomed.name, With::Latest)
            .await
            .unwrap()
    };
    assert!(load(&old).await.is_none());
    assert_eq!(store.versions(doomed.id, Version::FIRST).await.unwrap(), []);
    assert_eq!(store.usage(doomed.id, Version::FIRST).await.unwrap(), []);
    assert_eq!(
        store
            .history(old.id, &doomed.name, 0, 10)
            .await
            .unwrap()
            .len(),
        2
    );
    assert!(matches!(
        store.restore_mount(&old.path).await,
        Err(StoreError::NotFound)
    ));
    assert!(load(&kept).await.is_some() && load(&late).await.is_some());
    store.restore_mount(&late.path).await.unwrap();
    assert_eq!(paths(&*store).await, ["kept", "late"]);
}

pub(crate) async fn every_change_to_a_mount_grows_the_epoch(store: Arc<dyn KeyStore>) {
    let end = store.end().await.unwrap();
    let epoch = async || store.changes_since(end).await.unwrap().mounts_epoch;
    let mut epochs = vec![epoch().await];
    let mount = enabled(&*store, "transit").await;
    epochs.push(epoch().await);
    store
        .tune_mount(mount.id, &mount.settings, &mount.settings)
        .await
        .unwrap();
    epochs.push(epoch().await);
    store.disable_mount(&mount.path, time(1)).await.unwrap();
    epochs.push(epoch().await);
    store.restore_mount(&mount.path).await.unwrap();
    epochs.push(epoch().await);
    store.disable_mount(&mount.path, time(2)).await.unwrap();
    store.purge_mounts(time(3)).await.unwrap();
    epochs.push(epoch().await);
    assert!(
        epochs.is_sorted_by(|before, after| before < after),
        "{epochs:?}"
    );
    assert!(
        store
            .enable_mount(&enabled(&*store, "other").await)
            .await
            .is_err()
    );
}
