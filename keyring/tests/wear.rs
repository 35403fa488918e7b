//! Uses are counted: never too few, rotated in time, refused at the cap.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keyring::algorithm::CipherType;
use keyring::clock::SystemClock;
use keyring::error::{Error, ItemError};
use keyring::history::Cause;
use keyring::store::memory::MemoryStore;
use keyring::test_support::engine::{MemoryKek, TestEngine, eventually, quick, rounds};
use keyring::test_support::faulty_store::{FaultyStore, Moment};
use keyring::transit::{Address, NewRing, Settings};
use tokio::task::JoinSet;

fn of_type(key_type: CipherType) -> NewRing {
    NewRing {
        key_type: Some(key_type.into()),
        ..NewRing::default()
    }
}

/// The booked uses of all versions.
async fn booked(node: &TestEngine, at: &Address) -> u64 {
    node.usage(at).await.into_iter().map(|(_, uses)| uses).sum()
}

fn worn_at(rotate_at_uses: u64, refuse_at_uses: u64) -> Settings {
    Settings {
        rotate_at_uses,
        refuse_at_uses,
        ..quick()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_worn_is_replaced_and_one_that_does_not_wear_is_not() {
    let store = Arc::new(MemoryStore::new());
    let node = TestEngine::on(store, worn_at(20_000, 10_000_000)).await;
    for key_type in CipherType::ALL {
        let at = node.create(key_type.name(), &of_type(key_type)).await;
        for _ in 0..30 {
            node.encrypt_many(&at, 1000).await.unwrap();
        }
        if key_type.counts_to_a_limit() {
            eventually("the rotation", async || node.latest(&at).await > 1).await;
            let history = node.transit.history(&at, 0, 10).await.unwrap();
            assert_eq!(history[1].event.by.cause, Cause::Usage);
            eventually("the new version is in use", async || {
                let sealed = node.encrypt(&at, b"x").await.unwrap();
                !sealed.starts_with("vault:v1:")
            })
            .await;
        } else {
            node.looked_for_due_rings(2).await;
            assert_eq!(node.latest(&at).await, 1, "{key_type}");
        }
        assert!(booked(&node, &at).await >= 30_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_cannot_be_replaced_refuses_at_the_cap_and_goes_on_when_it_can() {
    let (store, kek) = (Arc::new(MemoryStore::new()), Arc::new(MemoryKek::new()));
    let settings = worn_at(10_000, 50_000);
    let clock = Arc::new(SystemClock);
    let mut nodes = Vec::new();
    for _ in 0..4 {
        let (store, kek, clock) = (store.clone(), kek.clone(), clock.clone());
        nodes.push(Arc::new(
            TestEngine::from_parts(store, kek, clock, settings.clone()).await,
        ));
    }
    let at = nodes[0]
        .create("ring", &of_type(CipherType::Aes256Gcm96))
        .await;
    for node in &nodes {
        node.encrypt(&at, b"x").await.unwrap();
    }
    kek.set_away(true);
    let sealed = Arc::new(AtomicU64::new(4));
    let mut tasks = JoinSet::new();
    for node in nodes.iter().cycle().take(16) {
        let (node, at, sealed) = (Arc::clone(node), at.clone(), Arc::clone(&sealed));
        tasks.spawn(async move {
            loop {
                match node.encrypt_many(&at, 100).await {
                    Ok(()) => sealed.fetch_add(100, Ordering::SeqCst),
                    Err(Error::Item(ItemError::UsageExhausted)) => return,
                    // So many at once that nobody got what was booked.
                    Err(Error::Busy) => 0,
                    Err(error) => panic!("{error}"),
                };
            }
        });
    }
    tasks.join_all().await;
    let sealed = sealed.load(Ordering::SeqCst);
    assert!((10_000..=50_000).contains(&sealed), "{sealed} were sealed");
    assert_eq!(nodes[0].latest(&at).await, 1);
    kek.set_away(false);
    eventually("it encrypts again, with a new version", async || {
        let sealed = nodes[0].encrypt(&at, b"x").await;
        sealed.is_ok_and(|sealed| sealed.starts_with("vault:v2:"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stored_count_is_never_below_the_truth_and_exact_after_a_shutdown() {
    let (store, kek) = (Arc::new(MemoryStore::new()), Arc::new(MemoryKek::new()));
    let clock = Arc::new(SystemClock);
    let mut nodes = Vec::new();
    for _ in 0..4 {
        let (store, kek, clock) = (store.clone(), kek.clone(), clock.clone());
        nodes.push(Arc::new(
            TestEngine::from_parts(store, kek, clock, quick()).await,
        ));
    }
    let at = nodes[0].create("ring", &NewRing::default()).await;
    let sealed = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for (number, node) in nodes.iter().cycle().take(12).enumerate() {
        let (node, at, sealed) = (Arc::clone(node), at.clone(), Arc::clone(&sealed));
        tasks.spawn(async move {
            for turn in 0..rounds(40, 1000) {
                let items = (turn * 37 + number * 11) % 700;
                node.encrypt_many(&at, items).await.expect("encrypted");
                sealed.fetch_add(u64::try_from(items).expect("small"), Ordering::SeqCst);
            }
        });
    }
    while !tasks.is_empty() {
        let before = sealed.load(Ordering::SeqCst);
        let stored = booked(&nodes[0], &at).await;
        assert!(
            stored >= before,
            "{stored} are booked, {before} were sealed"
        );
        tokio::select! {
            Some(ended) = tasks.join_next() => ended.unwrap(),
            () = tokio::task::yield_now() => {}
        }
    }
    for node in &nodes[1..] {
        node.transit.shutdown().await;
    }
    let last = &nodes[0];
    last.transit.shutdown().await;
    let watcher = last.another_node(quick()).await;
    assert_eq!(booked(&watcher, &at).await, sealed.load(Ordering::SeqCst));
}

#[test]
fn a_node_that_is_gone_without_a_word_leaves_a_count_that_is_not_too_low() {
    let (store, kek) = (Arc::new(MemoryStore::new()), Arc::new(MemoryKek::new()));
    let node = || {
        let (store, kek) = (store.clone(), kek.clone());
        TestEngine::from_parts(store, kek, Arc::new(SystemClock), quick())
    };
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let gone = runtime();
    let at = gone.block_on(async {
        let node = node().await;
        let at = node.create("ring", &NewRing::default()).await;
        node.encrypt_many(&at, 1500).await.unwrap();
        std::mem::forget(node);
        at
    });
    gone.shutdown_background();
    runtime().block_on(async {
        let stored = booked(&node().await, &at).await;
        assert!(stored >= 1500, "{stored}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_every_cached_ring_is_given_back_at_shutdown() {
    let store = Arc::new(MemoryStore::new());
    let node = TestEngine::on(store, quick()).await;
    let mut rings = Vec::new();
    for number in 0..rounds(1000, 4000) {
        let at = node
            .create(&format!("ring{number}"), &NewRing::default())
            .await;
        node.encrypt(&at, b"x").await.unwrap();
        rings.push(at);
    }
    node.transit.shutdown().await;
    let watcher = node.another_node(quick()).await;
    for at in rings {
        assert_eq!(watcher.usage(&at).await, [(1, 1)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_a_ring_that_leaves_the_cache_is_given_back() {
    let store = Arc::new(MemoryStore::new());
    let settings = Settings {
        cache_idle: Duration::from_millis(200),
        ..quick()
    };
    let node = TestEngine::on(store, settings).await;
    let at = node.create("ring", &NewRing::default()).await;
    node.encrypt(&at, b"x").await.unwrap();
    eventually("the rest is given back", async || {
        node.usage(&at).await == [(1, 1)]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_made_while_the_store_was_away_are_booked_when_it_is_back() {
    let store = Arc::new(FaultyStore::over(Arc::new(MemoryStore::new())));
    let node = TestEngine::on(store.clone(), quick()).await;
    let at = node.create("ring", &of_type(CipherType::Aes256Gcm96)).await;
    node.encrypt_many(&at, 10).await.unwrap();
    store.set_away(true);
    for _ in 0..10 {
        node.encrypt_many(&at, 1000).await.unwrap();
    }
    store.set_away(false);
    // Nobody encrypts any more: the count is brought up to date all the same.
    eventually("the debt is booked", async || {
        let described = node.transit.describe(&at).await;
        described.is_ok_and(|described| described.usage.iter().any(|(_, uses)| *uses >= 10_010))
    })
    .await;
    node.transit.shutdown().await;
    assert_eq!(booked(&node.another_node(quick()).await, &at).await, 10_010);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_uses_of_a_ring_that_left_memory_while_the_store_was_away_are_booked_too() {
    let store = Arc::new(FaultyStore::over(Arc::new(MemoryStore::new())));
    let settings = Settings {
        cache_idle: Duration::from_millis(1500),
        ..quick()
    };
    let node = TestEngine::on(store.clone(), settings).await;
    let at = node.create("ring", &of_type(CipherType::Aes256Gcm96)).await;
    node.encrypt_many(&at, 10).await.unwrap();
    store.set_away(true);
    for _ in 0..5 {
        node.encrypt_many(&at, 1000).await.unwrap();
    }
    for (what, rings) in [("the ring is counted", 1), ("the ring has left", 0)] {
        eventually(what, async || {
            node.counts.cached.load(Ordering::SeqCst) == rings
        })
        .await;
    }
    store.set_away(false);
    let polled = async || node.transit.describe(&at).await.is_ok();
    eventually("the store is back", polled).await;
    eventually("the uses are booked", async || {
        booked(&node, &at).await >= 5010
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_while_uses_are_booked_costs_no_uses() {
    let store = Arc::new(FaultyStore::over(Arc::new(MemoryStore::new())));
    let node = Arc::new(TestEngine::on(store.clone(), quick()).await);
    let at = node.create("ring", &NewRing::default()).await;
    let gate = store.hold(Moment::BeforeLease);
    for _ in 0..10 {
        let hung_up = tokio::spawn({
            let (node, at) = (Arc::clone(&node), at.clone());
            async move { node.encrypt(&at, b"x").await }
        });
        if store.leases() == 0 {
            gate.arrived().await;
        }
        tokio::task::yield_now().await;
        hung_up.abort();
        let _ = hung_up.await;
    }
    store.release(Moment::BeforeLease);
    node.encrypt(&at, b"x").await.unwrap();
    assert_eq!(store.leases(), 1, "one booking served them all");
}
