//! Rings that are written with all their versions, or in the place of another, and versions that are replaced.

use std::sync::Arc;

use futures_util::future::join_all;
use keyring::binding::Origin;
use keyring::history::Action;
use keyring::name::KeyName;
use keyring::ring::{StoredRing, StoredVersion};
use keyring::store::{KeyStore, RingChange, RingCreation, StoreError, VersionSummary, With};
use keyring::version::{Generation, Version};

use crate::rings::{events, full_ring, load, numbers};
use crate::samples::{
    created, creation, enabled, event, id, name, put, ring, rotated, rotation, version, version_of,
};

/// A version with every optional field present.
pub(crate) fn full_version(ring: &StoredRing, number: u32) -> StoredVersion {
    let number_byte = u8::try_from(number).unwrap();
    StoredVersion {
        origin: Origin::Imported,
        material: vec![number_byte; 4_096],
        public_key: Some(vec![number_byte, 0, 0xFF]),
        certificate_chain: Some(format!("-----BEGIN CERTIFICATE-----\n{number}\n")),
        ..version_of(ring, number)
    }
}

/// A ring restored with versions 3 to 7.
fn restored(sparse: StoredRing) -> RingCreation {
    let ring = full_ring(sparse);
    RingCreation {
        versions: (3..=7).map(|number| full_version(&ring, number)).collect(),
        event: event(&ring, Action::Create),
        ring,
        replaces: None,
    }
}

async fn rows(store: &dyn KeyStore, ring: &StoredRing) -> Vec<StoredVersion> {
    store.version_rows(ring.id, Version::FIRST).await.unwrap()
}

pub(crate) async fn a_ring_is_created_with_all_its_versions(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let new = restored(ring(&mount, "orders"));
    store.create_ring(&new).await.unwrap();

    let loaded = load(&*store, &new.ring).await;
    assert_eq!(loaded.ring, new.ring);
    assert_eq!(loaded.version.as_ref(), new.versions.last());
    assert_eq!(rows(&*store, &new.ring).await, new.versions);
    for row in &new.versions {
        let with = With::Version(row.version);
        let loaded = store.load_ring(mount.id, &new.ring.name, with).await;
        assert_eq!(loaded.unwrap().unwrap().version.as_ref(), Some(row));
    }
    let summaries = new.versions.iter().map(|row| VersionSummary {
        version: row.version,
        created_at: row.created_at,
        public_key: row.public_key.clone(),
        certificate_chain: row.certificate_chain.clone(),
    });
    assert_eq!(
        store.versions(new.ring.id, Version::FIRST).await.unwrap(),
        summaries.collect::<Vec<_>>()
    );
    assert_eq!(events(&*store, &new.ring).await, [new.event]);
}

pub(crate) async fn version_rows_are_read_from_any_number(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let new = restored(ring(&mount, "orders"));
    store.create_ring(&new).await.unwrap();
    created(&*store, &mount, "other").await;
    for (from, skipped) in [(1, 0), (3, 0), (5, 2), (7, 4), (8, 5), (u32::MAX, 5)] {
        let rows = store.version_rows(new.ring.id, version(from)).await;
        let expected: Vec<_> = new.versions.iter().skip(skipped).cloned().collect();
        assert_eq!(rows.unwrap(), expected, "from {from}");
    }
    let nobody = ring(&mount, "nobody");
    assert_eq!(rows(&*store, &nobody).await, []);
}

pub(crate) async fn a_creation_takes_the_place_of_the_ring_it_names(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let first = created(&*store, &mount, "orders").await;
    let old = rotated(&*store, &first).await;
    let bystander = created(&*store, &mount, "bystander").await;
    for ring in [&old, &bystander] {
        store
            .lease_usage(ring.id, Version::FIRST, 10)
            .await
            .unwrap();
    }
    let new = RingCreation {
        replaces: Some((old.id, old.generation)),
        ..restored(ring(&mount, "orders"))
    };
    store.create_ring(&new).await.unwrap();

    assert_eq!(load(&*store, &old).await.ring, new.ring);
    assert_eq!(rows(&*store, &new.ring).await, new.versions);
    assert_eq!(rows(&*store, &old).await, []);
    let usage = async |ring: &StoredRing| store.usage(ring.id, Version::FIRST).await.unwrap();
    assert_eq!(
        (usage(&old).await, usage(&new.ring).await),
        (vec![], vec![])
    );
    let outcome = store.change_ring(&rotation(&old)).await;
    assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}");
    assert_eq!(
        events(&*store, &old).await,
        [
            event(&first, Action::Create),
            event(&old, Action::Rotate),
            new.event
        ]
    );

    assert_eq!(load(&*store, &bystander).await.ring, bystander);
    assert_eq!(usage(&bystander).await, [(Version::FIRST, 10)]);
}

pub(crate) async fn a_creation_in_the_place_of_what_is_not_there_writes_nothing(
    store: Arc<dyn KeyStore>,
) {
    let mount = enabled(&*store, "transit").await;
    let before = created(&*store, &mount, "orders").await;
    let now = rotated(&*store, &before).await;
    let bystander = created(&*store, &mount, "bystander").await;
    let gone = created(&*store, &mount, "gone").await;
    store
        .delete_ring(gone.id, gone.generation, &event(&gone, Action::Delete))
        .await
        .unwrap();
    let nobody = ring(&mount, "nobody");
    let cases = [
        // It has moved on, or not yet arrived there.
        ("orders", Some((now.id, before.generation))),
        ("orders", Some((now.id, Generation(3)))),
        // Another ring has the name.
        ("orders", Some((nobody.id, now.generation))),
        ("orders", Some((bystander.id, bystander.generation))),
        // The name is free.
        ("gone", Some((gone.id, gone.generation))),
        ("gone", Some((bystander.id, bystander.generation))),
    ];
    for (called, replaces) in cases {
        let new = RingCreation {
            replaces,
            ..restored(ring(&mount, called))
        };
        let outcome = store.create_ring(&new).await;
        let conflicts = matches!(outcome, Err(StoreError::Conflict));
        assert!(conflicts, "{called} {replaces:?}: {outcome:?}");
        assert_eq!(rows(&*store, &new.ring).await, []);
    }
    let outcome = store.create_ring(&restored(ring(&mount, "orders"))).await;
    assert!(matches!(outcome, Err(StoreError::Exists)), "{outcome:?}");

    assert_eq!(load(&*store, &now).await.ring, now);
    assert_eq!(numbers(&*store, &now).await, [1, 2]);
    assert_eq!(load(&*store, &bystander).await.ring, bystander);
    assert_eq!(events(&*store, &now).await.len(), 2);
    assert_eq!(events(&*store, &gone).await.len(), 2);
}

pub(crate) async fn of_concurrent_creations_in_one_place_one_succeeds(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let old = created(&*store, &mount, "orders").await;
    let tasks = (0..16).map(|_| {
        let new = RingCreation {
            replaces: Some((old.id, old.generation)),
            ..restored(ring(&mount, "orders"))
        };
        let store = Arc::clone(&store);
        tokio::spawn(async move { (store.create_ring(&new).await, new) })
    });
    let outcomes: Vec<_> = join_all(tasks)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();

    let mut won = outcomes.iter().filter(|(outcome, _)| outcome.is_ok());
    let (_, winner) = won.next().unwrap();
    assert!(won.next().is_none(), "{outcomes:?}");
    let lost = outcomes
        .iter()
        .filter(|(outcome, _)| matches!(outcome, Err(StoreError::Conflict)));
    assert_eq!(lost.count(), 15, "{outcomes:?}");
    assert_eq!(load(&*store, &old).await.ring, winner.ring);
    assert_eq!(rows(&*store, &winner.ring).await, winner.versions);
    assert_eq!(events(&*store, &old).await.len(), 2);
}

/// A change to the ring that puts this version in the place of the one with its number.
fn replacement(ring: &StoredRing, row: StoredVersion) -> RingChange {
    let after = StoredRing {
        generation: ring.generation.next(),
        mac: [7; 32],
        ..ring.clone()
    };
    RingChange {
        read_at: ring.generation,
        added: None,
        replaced: Some(row),
        trimmed_below: None,
        event: event(&after, Action::Complete),
        ring: after,
    }
}

pub(crate) async fn a_replaced_version_leaves_all_others_and_its_usage(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let first = created(&*store, &mount, "orders").await;
    let ring = rotated(&*store, &rotated(&*store, &first).await).await;
    let other = created(&*store, &mount, "other").await;
    store.lease_usage(ring.id, version(2), 10).await.unwrap();
    let full = StoredVersion {
        mac: [5; 32],
        ..full_version(&ring, 2)
    };
    let plain = version_of(&ring, 2);
    let mut before = ring;
    // There and back again: what is absent takes the place of what was present, too.
    for row in [full, plain] {
        let change = replacement(&before, row.clone());
        store.change_ring(&change).await.unwrap();
        before = change.ring;
        assert_eq!(
            rows(&*store, &before).await,
            [version_of(&before, 1), row, version_of(&before, 3)]
        );
        assert_eq!(load(&*store, &before).await.ring, before);
    }
    assert_eq!(rows(&*store, &other).await, [version_of(&other, 1)]);
    assert_eq!(
        store.usage(before.id, Version::FIRST).await.unwrap(),
        [(version(2), 10)]
    );
    assert_eq!(events(&*store, &before).await.len(), 5);
}

pub(crate) async fn a_version_that_is_not_there_is_not_replaced(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let before = created(&*store, &mount, "orders").await;
    let now = rotated(&*store, &before).await;
    let stale = RingChange {
        read_at: before.generation,
        ..replacement(&now, full_version(&now, 1))
    };
    for change in [
        replacement(&now, full_version(&now, 3)),
        replacement(&now, full_version(&now, 9)),
        stale,
    ] {
        let outcome = store.change_ring(&change).await;
        assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}");
        assert_eq!(load(&*store, &now).await.ring, now);
        assert_eq!(
            rows(&*store, &now).await,
            [version_of(&now, 1), version_of(&now, 2)]
        );
        assert_eq!(events(&*store, &now).await.len(), 2);
    }
}

pub(crate) async fn the_reserved_name_is_loaded_and_never_listed(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    // Neighbours of the reserved name in the order of bytes.
    for called in ["a", "import", "import-1", "import.x", "importer", "z"] {
        created(&*store, &mount, called).await;
    }
    let wrapping = StoredRing {
        name: KeyName::wrapping_key(),
        ..ring(&mount, "anything")
    };
    put(&*store, &wrapping).await;
    let loaded = load(&*store, &wrapping).await;
    assert_eq!(loaded.ring, wrapping);
    assert_eq!(loaded.version, Some(version_of(&wrapping, 1)));
    let outcome = store
        .create_ring(&creation(&StoredRing {
            id: keyring::ids::RingId::from_bytes(id()),
            ..wrapping.clone()
        }))
        .await;
    assert!(matches!(outcome, Err(StoreError::Exists)), "{outcome:?}");

    let listed = ["a", "import", "import-1", "import.x", "importer", "z"].map(name);
    for limit in 1..=8 {
        let mut pages: Vec<KeyName> = Vec::new();
        loop {
            let after = pages.last().map(KeyName::as_str);
            let page = store.list_rings(mount.id, after, limit).await.unwrap();
            // A page that the reserved name shortened would look like the last one.
            let left = listed.len() - pages.len();
            assert_eq!(page.len(), left.min(usize::try_from(limit).unwrap()));
            if page.is_empty() {
                break;
            }
            pages.extend(page);
        }
        assert_eq!(pages, listed, "pages of {limit}");
    }
    let after = store.list_rings(mount.id, Some("import/wrapping-key"), 10);
    assert_eq!(after.await.unwrap(), listed[4..]);

    assert_eq!(events(&*store, &wrapping).await.len(), 1);
    let rotated = rotated(&*store, &wrapping).await;
    assert_eq!(load(&*store, &rotated).await.ring, rotated);
    store
        .delete_ring(
            rotated.id,
            rotated.generation,
            &event(&rotated, Action::Delete),
        )
        .await
        .unwrap();
    assert_eq!(events(&*store, &wrapping).await.len(), 3);
}
