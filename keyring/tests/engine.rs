//! The engine as a whole: what its verbs do together, and what they cost when cold and when warm.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use keyring::error::{Error, ItemError};
use keyring::policy::PolicyChange;
use keyring::test_support::engine::{TestEngine, base64, by_hand, quick};
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
