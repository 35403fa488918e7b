//! The engine as a whole: what its verbs do together, and what they cost when cold and when warm.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use keyring::error::{Error, ItemError};
use keyring::policy::PolicyChange;
use keyring::store::memory::MemoryStore;
use keyring::test_support::engine::{TestEngine, base64, by_hand, eventually, quick, rounds};
use keyring::test_support::faulty_store::{FaultyStore, Moment};
use keyring::transit::NewRing;

#[tokio::test]
async fn what_was_encrypted_decrypts_after_rotations_until_the_minimum_forbids_it() {
    let engine = TestEngine::in_memory().await;
    let at = engine.at("orders");
    engine
        .transit
        .create(&at, &NewRing::default(), &by_hand())
        .await
        .unwrap();
    let first = engine.encrypt(&at, b"4111 1111 1111 1111").await.unwrap();
    assert!(first.starts_with("vault:v1:"), "{first}");
    for _ in 0..3 {
        engine.transit.rotate(&at, None, &by_hand()).await.unwrap();
    }
    let second = engine.encrypt(&at, b"x").await.unwrap();
    assert!(second.starts_with("vault:v4:"), "{second}");
    assert_eq!(
        engine.decrypt(&at, &first).await.unwrap(),
        base64(b"4111 1111 1111 1111")
    );
    let change = PolicyChange {
        min_decryption: Some(2),
        ..PolicyChange::default()
    };
    engine
        .transit
        .configure(&at, &change, &by_hand())
        .await
        .unwrap();
    let refused = engine.decrypt(&at, &first).await;
    assert!(
        matches!(refused, Err(Error::Item(ItemError::TooOld))),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_for_one_cold_ring_make_one_store_read_and_one_kek_call() {
    let engine = TestEngine::in_memory().await;
    let at = engine.at("orders");
    engine
        .transit
        .create(&at, &NewRing::default(), &by_hand())
        .await
        .unwrap();
    let cold = Arc::new(engine.another_node(quick()).await);
    let before = cold.counts.cold();
    let tasks: Vec<_> = (0..1000)
        .map(|_| {
            let (cold, at) = (Arc::clone(&cold), at.clone());
            tokio::spawn(async move { cold.encrypt(&at, b"x").await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let after = cold.counts.cold();
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 1));
    assert_eq!(
        engine.counts.loads.load(Ordering::SeqCst),
        0,
        "the creating node needs no load"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_neither_cancels_nor_repeats_a_load() {
    let store = Arc::new(FaultyStore::over(Arc::new(MemoryStore::new())));
    let engine = TestEngine::on(store.clone(), quick()).await;
    let at = engine.create("orders", &NewRing::default()).await;
    let cold = Arc::new(engine.another_node(quick()).await);
    let before = store.loads();
    let gate = store.hold(Moment::AfterLoad);
    let request = || {
        let (cold, at) = (Arc::clone(&cold), at.clone());
        tokio::spawn(async move { cold.encrypt(&at, b"x").await })
    };
    let hung_up = request();
    gate.arrived().await;
    for hung_up in [hung_up, request(), request()] {
        hung_up.abort();
        assert!(hung_up.await.unwrap_err().is_cancelled());
    }
    let patient = request();
    store.release(Moment::AfterLoad);
    patient.await.unwrap().unwrap();
    cold.encrypt(&at, b"x").await.unwrap();
    assert_eq!(store.loads() - before, 1);
    assert_eq!(cold.counts.unwraps.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_during_a_change_leaves_all_of_it_or_nothing() {
    let store = Arc::new(FaultyStore::over(Arc::new(MemoryStore::new())));
    let engine = Arc::new(TestEngine::on(store.clone(), quick()).await);
    let at = engine.create("orders", &NewRing::default()).await;
    let rotation = || {
        let (engine, at) = (Arc::clone(&engine), at.clone());
        tokio::spawn(async move { engine.transit.rotate(&at, None, &by_hand()).await })
    };
    for moment in [Moment::BeforeChange, Moment::AfterChange] {
        let before = engine.latest(&at).await;
        let gate = store.hold(moment);
        let hung_up = rotation();
        gate.arrived().await;
        hung_up.abort();
        assert!(hung_up.await.is_err());
        store.release(moment);
        eventually("what was begun is done", async || {
            engine.latest(&at).await == before + 1
        })
        .await;
    }
    // And at whatever moment chance gives.
    for turn in 0..rounds(100, 5000) {
        let hung_up = rotation();
        for _ in 0..turn % 7 {
            tokio::task::yield_now().await;
        }
        hung_up.abort();
        let _ = hung_up.await;
    }
    engine.rotate(&at).await;
    let latest = engine.latest(&at).await;
    let described = engine.transit.describe(&at).await.unwrap();
    let numbers: Vec<_> = described
        .versions
        .iter()
        .map(|row| row.version.number())
        .collect();
    assert_eq!(numbers, (1..=latest).collect::<Vec<_>>());
    let history = engine.transit.history(&at, 0, 100_000).await.unwrap();
    let versions: Vec<_> = history
        .iter()
        .filter_map(|recorded| Some(recorded.event.to_version?.number()))
        .collect();
    assert_eq!(versions, numbers);
    assert!(
        engine
            .encrypt(&at, b"x")
            .await
            .unwrap()
            .starts_with(&format!("vault:v{latest}:"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_answer_was_lost_is_found_and_not_made_twice() {
    let store = Arc::new(FaultyStore::over(Arc::new(MemoryStore::new())));
    let engine = TestEngine::on(store.clone(), quick()).await;
    store.set_loses_answers(true);
    let at = engine.create("orders", &NewRing::default()).await;
    for latest in 2..5 {
        engine.rotate(&at).await;
        assert_eq!(engine.latest(&at).await, latest);
        let sealed = engine.encrypt(&at, b"x").await.unwrap();
        assert!(sealed.starts_with(&format!("vault:v{latest}:")), "{sealed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_nodes_that_create_one_ring_get_the_same_one() {
    let engine = TestEngine::in_memory().await;
    let mut nodes = Vec::new();
    for _ in 0..16 {
        nodes.push(Arc::new(engine.another_node(quick()).await));
    }
    for round in 0..rounds(10, 200) {
        let at = engine.at(&format!("ring{round}"));
        let mut tasks = tokio::task::JoinSet::new();
        for node in &nodes {
            let (node, at) = (Arc::clone(node), at.clone());
            tasks.spawn(async move {
                let created = node
                    .transit
                    .create(&at, &NewRing::default(), &by_hand())
                    .await;
                let sealed = node.encrypt(&at, b"x").await.unwrap();
                (created.unwrap().ring.id, sealed)
            });
        }
        let created = tasks.join_all().await;
        for (id, sealed) in &created {
            assert_eq!(*id, created[0].0);
            nodes[0].decrypt(&at, sealed).await.unwrap();
        }
        let history = engine.transit.history(&at, 0, 100).await.unwrap();
        assert_eq!(history.len(), 1);
    }
}
