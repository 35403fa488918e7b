//! Rings, their versions and their history.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use keyring::algorithm::{CipherType, KeyType};
use keyring::binding::Origin;
use keyring::history::{Action, Cause, HistoryEvent, Provenance};
use keyring::ids::{MountId, RingId};
use keyring::policy::RingPolicy;
use keyring::ring::{Journey, Kdf, Moment, StoredRing, StoredVersion};
use keyring::store::{
    DueKind, DueRing, KeyStore, LoadedRing, RingChange, RingCreation, StoreError, VersionSummary,
    With,
};
use keyring::version::{Generation, Version};

use crate::creations::full_version;
use crate::samples::{
    created, creation, enabled, event, id, mount, name, path, put, ring, rotated, rotation, time,
    version, version_of,
};

pub(crate) async fn load(store: &dyn KeyStore, ring: &StoredRing) -> LoadedRing {
    store
        .load_ring(ring.mount, &ring.name, With::Latest)
        .await
        .unwrap()
        .unwrap()
}

pub(crate) async fn events(store: &dyn KeyStore, ring: &StoredRing) -> Vec<HistoryEvent> {
    let recorded = store
        .history(ring.mount, &ring.name, 0, 1_000)
        .await
        .unwrap();
    recorded
        .into_iter()
        .map(|recorded| recorded.event)
        .collect()
}

pub(crate) async fn numbers(store: &dyn KeyStore, ring: &StoredRing) -> Vec<u32> {
    let versions = store.versions(ring.id, Version::FIRST).await.unwrap();
    versions
        .into_iter()
        .map(|summary| summary.version.number())
        .collect()
}

pub(crate) fn full_ring(sparse: StoredRing) -> StoredRing {
    StoredRing {
        key_type: CipherType::XChaCha20Poly1305.into(),
        derived: true,
        convergent: true,
        kdf: Kdf::Counter,
        key_size: Some(77),
        latest: version(7),
        min_available: Some(version(3)),
        generation: Generation(12),
        policy: RingPolicy {
            min_decryption: version(4),
            min_encryption: Some(version(5)),
            deletion_allowed: true,
            exportable: true,
            allow_plaintext_backup: true,
            auto_rotate_period: Some(Duration::from_hours(24)),
        },
        soft_deleted: true,
        journey: Journey {
            imported: true,
            allow_rotation: true,
            backed_up: Some(Moment {
                at: time(-6),
                version: version(5),
            }),
            restored: Some(Moment {
                at: time(7),
                version: version(3),
            }),
        },
        due_at: Some(time(-5)),
        mac: [0xFF; 32],
        ..sparse
    }
}

fn full_event(ring: &StoredRing) -> HistoryEvent {
    HistoryEvent {
        from_version: Some(version(6)),
        settings: r#"[{"setting":"exportable","from":"false","to":"true"}]"#.to_owned(),
        by: Provenance {
            actor: "alice".to_owned(),
            accessor: Some("accessor".to_owned()),
            request_id: Some("request".to_owned()),
            cause: Cause::Restore,
            reason: Some("après la pluie".to_owned()),
        },
        ..event(ring, Action::Create)
    }
}

pub(crate) async fn a_created_ring_is_loaded_as_it_was_written(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let sparse = created(&*store, &mount, "sparse").await;
    let loaded = load(&*store, &sparse).await;
    assert_eq!(loaded.version, Some(version_of(&sparse, 1)));
    assert_eq!(loaded.ring, sparse);
    assert_eq!(
        events(&*store, &sparse).await,
        [event(&sparse, Action::Create)]
    );

    let full = full_ring(ring(&mount, "full"));
    let first = StoredVersion {
        origin: Origin::Derived,
        ..full_version(&full, 7)
    };
    let whole = RingCreation {
        versions: vec![first.clone()],
        event: full_event(&full),
        ..creation(&full)
    };
    store.create_ring(&whole).await.unwrap();
    let loaded = load(&*store, &full).await;
    assert_eq!(loaded.version, Some(first));
    assert_eq!(loaded.ring, full);
    assert_eq!(events(&*store, &full).await, [full_event(&full)]);
}

pub(crate) async fn a_ring_or_version_that_is_not_there_is_absent(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let there = created(&*store, &mount, "there").await;
    let after = rotated(&*store, &there).await;
    let with = async |with| {
        store
            .load_ring(mount.id, &there.name, with)
            .await
            .unwrap()
            .unwrap()
    };

    assert_eq!(
        with(With::Latest).await.version,
        Some(version_of(&there, 2))
    );
    assert_eq!(
        with(With::Version(version(1))).await.version,
        Some(version_of(&there, 1))
    );
    let beyond = with(With::Version(version(3))).await;
    assert_eq!((beyond.ring, beyond.version), (after, None));

    for (mount, called) in [
        (mount.id, "elsewhere"),
        (mount.id, "There"),
        (MountId::from_bytes(id()), "there"),
    ] {
        let absent = store
            .load_ring(mount, &name(called), With::Latest)
            .await
            .unwrap();
        assert!(absent.is_none(), "{called}");
    }
    let nobody = RingId::from_bytes(id());
    assert_eq!(store.versions(nobody, Version::FIRST).await.unwrap(), []);
    assert_eq!(
        store
            .history(mount.id, &name("elsewhere"), 0, 10)
            .await
            .unwrap(),
        []
    );
}

pub(crate) async fn a_second_ring_of_a_name_is_refused(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let first = created(&*store, &mount, "orders").await;
    let second = ring(&mount, "orders");
    let outcome = store.create_ring(&creation(&second)).await;

    assert!(matches!(outcome, Err(StoreError::Exists)), "{outcome:?}");
    assert_eq!(load(&*store, &first).await.ring, first);
    assert_eq!(events(&*store, &first).await.len(), 1);
    assert_eq!(numbers(&*store, &second).await, [0; 0]);
}

pub(crate) async fn a_name_on_another_mount_is_another_ring(store: Arc<dyn KeyStore>) {
    let (here, there) = (
        enabled(&*store, "here").await,
        enabled(&*store, "there").await,
    );
    let one = created(&*store, &here, "orders").await;
    let other = created(&*store, &there, "orders").await;
    let one = rotated(&*store, &one).await;

    assert_eq!(load(&*store, &one).await.ring, one);
    assert_eq!(load(&*store, &other).await.ring, other);
    assert_eq!(events(&*store, &other).await.len(), 1);
}

pub(crate) async fn a_ring_on_a_missing_or_disabled_mount_is_refused(store: Arc<dyn KeyStore>) {
    let gone = enabled(&*store, "gone").await;
    store.disable_mount(&gone.path, time(1)).await.unwrap();
    for mount in [gone, mount("never")] {
        let ring = ring(&mount, "orders");
        let outcome = store.create_ring(&creation(&ring)).await;
        assert!(matches!(outcome, Err(StoreError::NotFound)), "{outcome:?}");
        assert!(
            store
                .load_ring(mount.id, &ring.name, With::Latest)
                .await
                .unwrap()
                .is_none()
        );
        assert_eq!(events(&*store, &ring).await, []);
    }
}

pub(crate) async fn a_change_is_written_whole(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let before = created(&*store, &mount, "orders").await;
    let after = StoredRing {
        generation: Generation(2),
        latest: version(2),
        ..full_ring(before.clone())
    };
    let change = RingChange {
        ring: after.clone(),
        event: full_event(&after),
        ..rotation(&before)
    };
    store.change_ring(&change).await.unwrap();

    let loaded = load(&*store, &before).await;
    assert_eq!((loaded.ring, loaded.version), (after.clone(), change.added));
    assert_eq!(
        events(&*store, &before).await,
        [event(&before, Action::Create), change.event]
    );
    assert_eq!(numbers(&*store, &before).await, [1, 2]);

    // A change of settings adds no version, and takes back what it can.
    let plain = StoredRing {
        generation: Generation(3),
        latest: version(2),
        ..before
    };
    let change = RingChange {
        read_at: Generation(2),
        added: None,
        ring: plain.clone(),
        ..rotation(&after)
    };
    store.change_ring(&change).await.unwrap();
    assert_eq!(load(&*store, &plain).await.ring, plain);
    assert_eq!(numbers(&*store, &plain).await, [1, 2]);
}

pub(crate) async fn a_stale_change_writes_nothing(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let before = created(&*store, &mount, "orders").await;
    let now = rotated(&*store, &before).await;
    let stale = RingChange {
        trimmed_below: Some(version(2)),
        ..rotation(&before)
    };
    let early = RingChange {
        read_at: Generation(3),
        ..rotation(&now)
    };

    for change in [stale, early] {
        let change = RingChange {
            added: Some(version_of(&before, 9)),
            ..change
        };
        let outcome = store.change_ring(&change).await;
        assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}");
        assert_eq!(load(&*store, &now).await.ring, now);
        assert_eq!(numbers(&*store, &now).await, [1, 2]);
        assert_eq!(events(&*store, &now).await.len(), 2);
    }
}

pub(crate) async fn a_change_to_a_ring_that_is_gone_conflicts(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let gone = created(&*store, &mount, "orders").await;
    store
        .delete_ring(gone.id, gone.generation, &event(&gone, Action::Delete))
        .await
        .unwrap();
    let outcome = store.change_ring(&rotation(&gone)).await;
    assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}");

    // Nor does it reach the ring that has its name and generation now.
    let successor = created(&*store, &mount, "orders").await;
    let outcome = store.change_ring(&rotation(&gone)).await;
    assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}");
    assert_eq!(load(&*store, &successor).await.ring, successor);
    assert_eq!(events(&*store, &successor).await.len(), 3);
}

pub(crate) async fn a_version_number_that_exists_conflicts_and_writes_nothing(
    store: Arc<dyn KeyStore>,
) {
    let mount = enabled(&*store, "transit").await;
    let before = created(&*store, &mount, "orders").await;
    let double = StoredVersion {
        material: vec![0xEE; 77],
        ..version_of(&before, 1)
    };
    let outcome = store
        .change_ring(&RingChange {
            added: Some(double),
            ..rotation(&before)
        })
        .await;

    assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}");
    let loaded = load(&*store, &before).await;
    assert_eq!(
        (loaded.version, loaded.ring),
        (Some(version_of(&before, 1)), before.clone())
    );
    assert_eq!(events(&*store, &before).await.len(), 1);
}

pub(crate) async fn of_concurrent_changes_from_one_generation_one_succeeds(
    store: Arc<dyn KeyStore>,
) {
    let mount = enabled(&*store, "transit").await;
    let before = created(&*store, &mount, "orders").await;
    let tasks = (0..16).map(|_| {
        let (store, change) = (Arc::clone(&store), rotation(&before));
        tokio::spawn(async move { store.change_ring(&change).await })
    });
    let outcomes: Vec<_> = join_all(tasks)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();

    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let lost = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Err(StoreError::Conflict)));
    assert_eq!(lost.count(), 15, "{outcomes:?}");
    assert_eq!(numbers(&*store, &before).await, [1, 2]);
    assert_eq!(events(&*store, &before).await.len(), 2);
}

pub(crate) async fn a_trim_destroys_old_versions_and_their_usage(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let ring = created(&*store, &mount, "orders").await;
    let ring = rotated(&*store, &rotated(&*store, &ring).await).await;
    for number in 1..=3 {
        store
            .lease_usage(ring.id, version(number), 10)
            .await
            .unwrap();
    }
    let trimmed = StoredRing {
        min_available: Some(version(3)),
        generation: Generation(4),
        ..ring.clone()
    };
    let event = event(&trimmed, Action::Trim);
    let trim = RingChange {
        read_at: ring.generation,
        ring: trimmed,
        added: None,
        replaced: None,
        trimmed_below: Some(version(3)),
        event,
    };
    store.change_ring(&trim).await.unwrap();

    assert_eq!(numbers(&*store, &ring).await, [3]);
    assert_eq!(
        store.usage(ring.id, Version::FIRST).await.unwrap(),
        [(version(3), 10)]
    );
    let old = store
        .load_ring(mount.id, &ring.name, With::Version(version(2)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((old.ring, old.version), (trim.ring, None));
}

pub(crate) async fn a_deleted_ring_leaves_only_its_history(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let first = created(&*store, &mount, "orders").await;
    let ring = rotated(&*store, &first).await;
    store.lease_usage(ring.id, version(2), 10).await.unwrap();
    let last = HistoryEvent {
        to_version: None,
        ..event(&ring, Action::Delete)
    };
    store
        .delete_ring(ring.id, ring.generation, &last)
        .await
        .unwrap();

    assert!(
        store
            .load_ring(mount.id, &ring.name, With::Latest)
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(store.list_rings(mount.id, None, 10).await.unwrap(), []);
    assert_eq!(numbers(&*store, &ring).await, [0; 0]);
    assert_eq!(store.usage(ring.id, Version::FIRST).await.unwrap(), []);
    assert_eq!(
        events(&*store, &ring).await,
        [
            event(&first, Action::Create),
            event(&ring, Action::Rotate),
            last
        ]
    );
}

pub(crate) async fn a_stale_deletion_deletes_nothing(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let before = created(&*store, &mount, "orders").await;
    let now = rotated(&*store, &before).await;
    for (ring, read_at) in [
        (now.id, before.generation),
        (RingId::from_bytes(id()), now.generation),
    ] {
        let outcome = store
            .delete_ring(ring, read_at, &event(&now, Action::Delete))
            .await;
        assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}");
    }
    assert_eq!(load(&*store, &now).await.ring, now);
    assert_eq!(numbers(&*store, &now).await, [1, 2]);
    assert_eq!(events(&*store, &now).await.len(), 2);
}

pub(crate) async fn a_deleted_name_can_be_created_again(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let first = created(&*store, &mount, "orders").await;
    store
        .delete_ring(first.id, first.generation, &event(&first, Action::Delete))
        .await
        .unwrap();
    let second = created(&*store, &mount, "orders").await;

    assert_eq!(load(&*store, &second).await.ring, second);
    let actions: Vec<_> = events(&*store, &second)
        .await
        .iter()
        .map(|event| (event.action, event.ring))
        .collect();
    let expected = [
        (Action::Create, first.id),
        (Action::Delete, first.id),
        (Action::Create, second.id),
    ];
    assert_eq!(actions, expected);
}

pub(crate) async fn names_are_listed_in_byte_order_page_by_page(store: Arc<dyn KeyStore>) {
    let (mount, other) = (
        enabled(&*store, "transit").await,
        enabled(&*store, "other").await,
    );
    created(&*store, &other, "elsewhere").await;
    // Names that a locale sorts in another order than their bytes.
    let mut names: Vec<String> = (0..2_000).map(|number| format!("k{number}")).collect();
    names.extend(
        [
            "A", "a", "B", "b", "_", "_a", "a-b", "a.b", "aB", "ab", "a_b", "Z9", "z",
        ]
        .map(str::to_owned),
    );
    let writes = names.iter().map(|called| created(&*store, &mount, called));
    futures_util::stream::iter(writes)
        .buffer_unordered(8)
        .count()
        .await;
    names.sort();

    let mut listed: Vec<String> = Vec::new();
    loop {
        let page = store
            .list_rings(mount.id, listed.last().map(String::as_str), 300)
            .await
            .unwrap();
        assert!(page.len() <= 300);
        if page.is_empty() {
            break;
        }
        listed.extend(page.iter().map(ToString::to_string));
    }
    assert_eq!(listed, names);
}

pub(crate) async fn a_page_begins_after_any_text(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    for called in ["a", "b", "c"] {
        created(&*store, &mount, called).await;
    }
    let page = async |after| {
        let names = store.list_rings(mount.id, Some(after), 10).await.unwrap();
        names
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(page("").await, "a b c");
    assert_eq!(page("a").await, "b c");
    assert_eq!(page("aa").await, "b c");
    assert_eq!(page("a\0z").await, "b c");
    assert_eq!(page("\0").await, "a b c");
    assert_eq!(page("é").await, "");
    assert_eq!(page("' OR 1=1 --").await, "a b c");
    assert_eq!(store.list_rings(mount.id, None, 0).await.unwrap(), []);
    assert_eq!(
        store
            .list_rings(MountId::from_bytes(id()), None, 10)
            .await
            .unwrap(),
        []
    );
}

pub(crate) async fn versions_are_listed_from_any_number(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let mut ring = created(&*store, &mount, "orders").await;
    for _ in 0..10 {
        ring = rotated(&*store, &ring).await;
    }
    let versions = store.versions(ring.id, version(9)).await.unwrap();
    let expected = [9, 10, 11].map(|number| VersionSummary {
        version: version(number),
        created_at: version_of(&ring, number).created_at,
        public_key: None,
        certificate_chain: None,
    });
    assert_eq!(versions, expected);
}

pub(crate) async fn history_is_paged_in_order(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let mut ring = created(&*store, &mount, "orders").await;
    for _ in 0..6 {
        ring = rotated(&*store, &ring).await;
        created(&*store, &mount, &format!("noise-{}", ring.latest)).await;
    }
    let (mut after, mut generations) = (0, Vec::new());
    loop {
        let page = store.history(mount.id, &ring.name, after, 3).await.unwrap();
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        assert!(last.sequence > after);
        after = last.sequence;
        generations.extend(page.iter().map(|recorded| recorded.event.generation.0));
    }
    assert_eq!(generations, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(
        store
            .history(mount.id, &ring.name, u64::MAX, 3)
            .await
            .unwrap(),
        []
    );
}

pub(crate) async fn due_rings_come_in_the_order_they_are_overdue(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    for (called, due_at) in [
        ("never", None),
        ("third", Some(30)),
        ("first", Some(10)),
        ("later", Some(41)),
        ("second", Some(20)),
        ("now", Some(40)),
    ] {
        put(
            &*store,
            &StoredRing {
                due_at: due_at.map(time),
                ..ring(&mount, called)
            },
        )
        .await;
    }
    let due = store
        .due_for_rotation(DueKind::Quick, time(40), 10)
        .await
        .unwrap();
    let names: Vec<_> = due.iter().map(|due| due.name.as_str()).collect();
    assert_eq!(names, ["first", "second", "third", "now"]);
    let expected = DueRing {
        mount: mount.id,
        name: name("first"),
        key_type: ring(&mount, "first").key_type,
        generation: Generation::FIRST,
        due_at: time(10),
    };
    assert_eq!(
        store
            .due_for_rotation(DueKind::Quick, time(40), 1)
            .await
            .unwrap(),
        [expected]
    );
    assert_eq!(
        store
            .due_for_rotation(DueKind::Quick, time(9), 10)
            .await
            .unwrap(),
        []
    );
}

pub(crate) async fn rings_whose_keys_take_a_search_are_due_apart_from_others(
    store: Arc<dyn KeyStore>,
) {
    let mount = enabled(&*store, "transit").await;
    for (number, key_type) in KeyType::ALL.into_iter().enumerate() {
        let called = format!("due-{number}");
        let due = StoredRing {
            due_at: Some(time(10)),
            key_type,
            ..ring(&mount, &called)
        };
        put(&*store, &due).await;
    }
    let mut all = 0;
    for kind in [DueKind::Quick, DueKind::Searched] {
        let due = store.due_for_rotation(kind, time(10), 100).await.unwrap();
        let is_right = |due: &DueRing| {
            let is_rsa = matches!(due.key_type, KeyType::Pair(pair) if pair.is_rsa());
            is_rsa == (kind == DueKind::Searched)
        };
        assert!(!due.is_empty() && due.iter().all(is_right), "{due:?}");
        all += due.len();
    }
    assert_eq!(all, KeyType::ALL.len());
}

pub(crate) async fn rings_on_disabled_mounts_are_not_due(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    put(
        &*store,
        &StoredRing {
            due_at: Some(time(10)),
            ..ring(&mount, "orders")
        },
    )
    .await;
    store
        .disable_mount(&path("transit"), time(20))
        .await
        .unwrap();
    assert_eq!(
        store
            .due_for_rotation(DueKind::Quick, time(40), 10)
            .await
            .unwrap(),
        []
    );
    store.restore_mount(&path("transit")).await.unwrap();
    assert_eq!(
        store
            .due_for_rotation(DueKind::Quick, time(40), 10)
            .await
            .unwrap()
            .len(),
        1
    );
}

pub(crate) async fn a_caller_that_goes_away_leaves_nothing_half_done(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let mut ring = created(&*store, &mount, "orders").await;
    for round in 0..40 {
        let change = rotation(&ring);
        let patience = Duration::from_micros(round * 100);
        let _ = tokio::time::timeout(patience, store.change_ring(&change)).await;
        // Whatever became of it, the next one finds a store that works and rows that fit together.
        ring = load(&*store, &ring).await.ring;
        match store.change_ring(&rotation(&ring)).await {
            Ok(()) | Err(StoreError::Conflict) => {}
            Err(error) => unreachable!("{error:?}"),
        }
        let loaded = load(&*store, &ring).await;
        assert_eq!(
            loaded.version,
            Some(version_of(&ring, loaded.ring.latest.number()))
        );
        ring = loaded.ring;
    }
    let latest = ring.latest.number();
    assert_eq!(
        numbers(&*store, &ring).await,
        (1..=latest).collect::<Vec<_>>()
    );
    assert_eq!(
        events(&*store, &ring).await.len(),
        usize::try_from(latest).unwrap()
    );
}

pub(crate) async fn what_a_request_changed_is_found_by_its_id(store: Arc<dyn KeyStore>) {
    let mount = enabled(&*store, "transit").await;
    let mut expected = Vec::new();
    for (called, request) in [("a", "one"), ("b", "two"), ("c", "one"), ("d", "")] {
        let ring = ring(&mount, called);
        let mut event = event(&ring, Action::Create);
        event.by.request_id = Some(request.to_owned()).filter(|request| !request.is_empty());
        let noted = RingCreation {
            event: event.clone(),
            ..creation(&ring)
        };
        store.create_ring(&noted).await.unwrap();
        expected.extend((request == "one").then_some(event));
    }
    let recorded = store.events_of_request("one").await.unwrap();
    let found: Vec<_> = recorded
        .iter()
        .map(|recorded| recorded.event.clone())
        .collect();
    assert_eq!(found, expected);
    assert!(recorded.is_sorted_by_key(|recorded| recorded.sequence));
    for nobody in ["three", "", "one\0"] {
        assert_eq!(store.events_of_request(nobody).await.unwrap(), []);
    }
}
