//! How often versions were used.

use std::sync::Arc;

use futures_util::future::join_all;
use keyring::history::Action;
use keyring::ids::RingId;
use keyring::store::{KeyStore, StoreError};
use keyring::version::Version;

use crate::samples::{created, enabled, event, id, rotated, version};

pub(crate) async fn bookings_add_up_for_each_version(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let ring = created(&*store, &mount, "orders").await;
    let ring = rotated(&*store, &rotated(&*store, &ring).await).await;
    assert_eq!(store.usage(ring.id, Version::FIRST).await.unwrap(), []);

    assert_eq!(
        store.lease_usage(ring.id, version(1), 1_024).await.unwrap(),
        1_024
    );
    assert_eq!(
        store
            .lease_usage(ring.id, version(1), 1 << 32)
            .await
            .unwrap(),
        1_024 + (1 << 32)
    );
    assert_eq!(store.lease_usage(ring.id, version(3), 7).await.unwrap(), 7);
    let all = [(version(1), 1_024 + (1 << 32)), (version(3), 7)];
    assert_eq!(store.usage(ring.id, Version::FIRST).await.unwrap(), all);
    assert_eq!(store.usage(ring.id, version(2)).await.unwrap(), all[1..]);

    // Outside generations: the ring can still be changed from the generation that was read before.
    rotated(&*store, &ring).await;
}

pub(crate) async fn concurrent_bookings_are_all_counted(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let ring = created(&*store, &mount, "orders").await;
    let tasks = (0..16).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.lease_usage(ring.id, version(1), 100).await.unwrap() })
    });
    let mut totals: Vec<_> = join_all(tasks)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    totals.sort_unstable();
    assert_eq!(
        totals,
        (1..=16).map(|count| count * 100).collect::<Vec<_>>()
    );
}

pub(crate) async fn returning_never_goes_below_zero(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let ring = created(&*store, &mount, "orders").await;
    store.lease_usage(ring.id, version(1), 100).await.unwrap();
    store.return_usage(ring.id, version(1), 60).await.unwrap();
    assert_eq!(
        store.usage(ring.id, Version::FIRST).await.unwrap(),
        [(version(1), 40)]
    );
    store
        .return_usage(ring.id, version(1), u64::MAX)
        .await
        .unwrap();
    assert_eq!(store.usage(ring.id, Version::FIRST).await.unwrap(), []);
    assert_eq!(store.lease_usage(ring.id, version(1), 1).await.unwrap(), 1);
}

pub(crate) async fn a_version_that_is_gone_cannot_be_booked(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let gone = created(&*store, &mount, "orders").await;
    store
        .delete_ring(gone.id, gone.generation, &event(&gone, Action::Delete))
        .await
        .unwrap();
    let there = created(&*store, &mount, "orders").await;

    for (ring, number) in [(gone.id, 1), (there.id, 2), (RingId::from_bytes(id()), 1)] {
        let outcome = store.lease_usage(ring, version(number), 10).await;
        assert!(matches!(outcome, Err(StoreError::NotFound)), "{outcome:?}");
        store.return_usage(ring, version(number), 10).await.unwrap();
        assert_eq!(store.usage(ring, Version::FIRST).await.unwrap(), []);
    }
}

pub(crate) async fn a_total_that_no_longer_fits_stays_large(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let ring = created(&*store, &mount, "orders").await;
    for _ in 0..2 {
        let total = store
            .lease_usage(ring.id, version(1), u64::MAX)
            .await
            .unwrap();
        assert!(total >= u64::MAX / 2, "{total}");
    }
}
