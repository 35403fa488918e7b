//! Rotations: races between nodes, the timer with time moved by hand, and wear.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keyring::algorithm::{KeyType, PairType};
use keyring::clock::{Clock, SystemClock};
use keyring::error::Error;
use keyring::history::{Action, Cause};
use keyring::name::KeyName;
use keyring::policy::{PolicyChange, RuleViolation};
use keyring::store::memory::MemoryStore;
use keyring::test_support::engine::{
    ManualClock, MemoryKek, TestEngine, by_hand, eventually, quick, rounds,
};
use keyring::test_support::faulty_store::{FaultyStore, Moment};
use keyring::transit::{Address, NewRing};
use tokio::task::JoinSet;

const HOUR: Duration = Duration::from_hours(1);

/// Nodes on one store, with one clock.
async fn nodes<C: Clock + 'static>(count: usize, clock: &Arc<C>) -> Vec<Arc<TestEngine>> {
    let (store, kek) = (Arc::new(MemoryStore::new()), Arc::new(MemoryKek::new()));
    let mut nodes = Vec::new();
    for _ in 0..count {
        let (store, kek, clock) = (store.clone(), Arc::clone(&kek), clock.clone());
        nodes.push(Arc::new(
            TestEngine::from_parts(store, kek, clock, quick()).await,
        ));
    }
    nodes
}

fn hourly() -> NewRing {
    NewRing {
        auto_rotate_period: HOUR,
        ..NewRing::default()
    }
}

/// The versions that rotations gave the ring, in order, with why.
async fn rotations(node: &TestEngine, at: &Address) -> Vec<(u32, Cause)> {
    let history = node.transit.history(at, 0, 1000).await.expect("history");
    let rotations = history
        .into_iter()
        .filter(|recorded| recorded.event.action == Action::Rotate);
    rotations
        .filter_map(|recorded| {
            let version = recorded.event.to_version?;
            Some((version.number(), recorded.event.by.cause))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_timers_give_one_version() {
    let clock = Arc::new(ManualClock::at(1_000_000));
    let nodes = nodes(16, &clock).await;
    let at = nodes[0].create("ring", &hourly()).await;
    for round in 2..=u32::try_from(rounds(6, 50)).unwrap() {
        clock.advance(HOUR);
        eventually("the rotation", async || nodes[0].latest(&at).await == round).await;
        let looks = nodes.iter().map(|node| node.looked_for_due_rings(2));
        futures_util::future::join_all(looks).await;
        let expected: Vec<_> = (2..=round).map(|version| (version, Cause::Timer)).collect();
        assert_eq!(rotations(&nodes[0], &at).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn due_rings_whose_keys_take_a_search_hold_up_no_others() {
    let clock = Arc::new(ManualClock::at(1_000_000));
    let nodes = nodes(1, &clock).await;
    let node = &nodes[0];
    let mut slow_ones = Vec::new();
    for number in 0..6 {
        let new = NewRing {
            key_type: Some(KeyType::Pair(PairType::Rsa2048)),
            ..hourly()
        };
        slow_ones.push(node.create(&format!("rsa{number}"), &new).await);
    }
    // Due after all of them.
    clock.advance(Duration::from_mins(5));
    let quick = node.create("quick", &hourly()).await;
    clock.advance(2 * HOUR);
    let rotated_at = async |at: &Address| {
        let history = node.transit.history(at, 0, 1000).await.expect("history");
        let rotation = history
            .into_iter()
            .find(|recorded| recorded.event.action == Action::Rotate);
        rotation.map(|recorded| recorded.sequence)
    };
    let mut order = Vec::new();
    for at in slow_ones.iter().chain([&quick]) {
        eventually("the rotation", async || rotated_at(at).await.is_some()).await;
        order.push((rotated_at(at).await, at.name.as_str().to_owned()));
    }
    order.sort();
    let place = order.iter().position(|(_, name)| name == "quick");
    assert!(place.is_some_and(|place| place <= 2), "{order:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn timers_are_not_starved_by_requests_and_neither_is_by_the_other() {
    let clock = Arc::new(ManualClock::at(1_000_000));
    let nodes = nodes(1, &clock).await;
    let node = &nodes[0];
    let rsa = NewRing {
        key_type: Some(KeyType::Pair(PairType::Rsa2048)),
        ..hourly()
    };
    let at = node.create("due", &rsa).await;
    // More than will ever be found in this test.
    let mut requests = JoinSet::new();
    for caller in 0..30 {
        for number in 0..8 {
            let (node, rsa, at) = (Arc::clone(node), rsa.clone(), at.clone());
            let name = KeyName::parse(&format!("new-{caller}-{number}")).unwrap();
            let at = Address { name, ..at };
            requests.spawn(async move {
                let owner = format!("caller {caller}");
                node.transit
                    .pair_for_ring(&at, &rsa, &owner)
                    .await
                    .map(drop)
            });
        }
    }
    eventually("a queue", async || node.transit.searches() > 200).await;
    clock.advance(2 * HOUR);
    eventually("the rotation", async || node.latest(&at).await == 2).await;
    assert!(
        node.transit.searches() > 100,
        "the timer waited for no request"
    );
    let name = KeyName::parse("quick").unwrap();
    let quick = Address { name, ..at.clone() };
    let owner = "caller 0";
    let found = node.transit.pair_for_ring(&quick, &hourly(), owner).await;
    assert!(matches!(found, Ok(None)), "other types wait for nothing");
    node.transit.give_up_waiting();
    let mut given_up = 0;
    while let Some(ended) = requests.join_next().await {
        given_up += usize::from(matches!(ended.unwrap(), Err(Error::Busy)));
    }
    assert!(given_up > 100, "{given_up}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_that_was_found_before_is_the_one_that_the_ring_gets() {
    let nodes = nodes(1, &Arc::new(SystemClock)).await;
    let node = &nodes[0];
    let at = node.create("other", &NewRing::default()).await;
    let at = Address {
        name: KeyName::parse("rsa").unwrap(),
        ..at
    };
    let rsa = NewRing {
        key_type: Some(KeyType::Pair(PairType::Rsa2048)),
        ..NewRing::default()
    };
    let found = node.transit.pair_for_ring(&at, &rsa, "a").await.unwrap();
    assert!(found.is_some());
    let made = node.transit.create_with(&at, &rsa, found, &by_hand()).await;
    assert_eq!(made.unwrap().ring.latest.number(), 1);
    let again = node.transit.pair_for_ring(&at, &rsa, "a").await.unwrap();
    assert!(again.is_none(), "it is there");
    let next = node.transit.pair_for_rotation(&at, Some(7), "a").await;
    assert!(next.unwrap().is_none(), "it will be refused");
    let next = node
        .transit
        .pair_for_rotation(&at, None, "a")
        .await
        .unwrap();
    assert!(next.is_some());
    // One of another type is of no use, and one is made.
    let strong = NewRing {
        key_type: Some(KeyType::Pair(PairType::Rsa3072)),
        ..NewRing::default()
    };
    let other = Address {
        name: KeyName::parse("strong").unwrap(),
        ..at.clone()
    };
    let made = node
        .transit
        .create_with(&other, &strong, next, &by_hand())
        .await;
    assert_eq!(
        made.unwrap().ring.key_type,
        KeyType::Pair(PairType::Rsa3072)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_manual_rotations_on_four_nodes_give_sixteen_versions_without_a_gap() {
    let clock = Arc::new(ManualClock::at(1_000_000));
    let nodes = nodes(4, &clock).await;
    for round in 0..rounds(5, 100) {
        let at = nodes[0]
            .create(&format!("ring{round}"), &NewRing::default())
            .await;
        let mut rotated = JoinSet::new();
        for turn in 0..16 {
            let (node, at) = (Arc::clone(&nodes[turn % 4]), at.clone());
            rotated.spawn(async move { node.transit.rotate(&at, None, &by_hand()).await });
        }
        for result in rotated.join_all().await {
            result.unwrap();
        }
        let expected: Vec<_> = (2..=17).map(|version| (version, Cause::Manual)).collect();
        assert_eq!(rotations(&nodes[1], &at).await, expected);
        let described = nodes[2].transit.describe(&at).await.unwrap();
        let numbers: Vec<_> = described
            .versions
            .iter()
            .map(|row| row.version.number())
            .collect();
        assert_eq!(numbers, (1..=17).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_ring_is_rotated_every_encrypt_succeeds_and_opens_again_on_every_node() {
    // What is confirmed is told from what is not by the time: it must go on.
    let nodes = nodes(3, &Arc::new(SystemClock)).await;
    let at = nodes[0].create("ring", &NewRing::default()).await;
    let rotated = Arc::new(AtomicBool::new(false));
    let mut encrypts = JoinSet::new();
    for node in nodes.iter().cycle().take(12) {
        let (node, at, nodes) = (Arc::clone(node), at.clone(), nodes.clone());
        let rotated = Arc::clone(&rotated);
        encrypts.spawn(async move {
            let mut turn = 0;
            while !rotated.load(Ordering::SeqCst) {
                let sealed = node.encrypt(&at, b"x").await.expect("encrypted");
                nodes[turn % 3].decrypt(&at, &sealed).await.expect("opened");
                turn += 1;
                // A warm request never waits: without this the tasks would keep the threads to themselves.
                tokio::task::yield_now().await;
            }
        });
    }
    let rotations = u32::try_from(rounds(50, 2000)).unwrap();
    for _ in 0..rotations {
        nodes[0].rotate(&at).await;
    }
    rotated.store(true, Ordering::SeqCst);
    encrypts.join_all().await;
    assert_eq!(nodes[0].latest(&at).await, 1 + rotations);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_rotations_of_one_version_one_is_done_and_the_others_are_told_so() {
    let clock = Arc::new(ManualClock::at(1_000_000));
    let nodes = nodes(4, &clock).await;
    let at = nodes[0].create("ring", &NewRing::default()).await;
    let mut rotated = JoinSet::new();
    for turn in 0..16 {
        let (node, at) = (Arc::clone(&nodes[turn % 4]), at.clone());
        rotated.spawn(async move { node.transit.rotate(&at, Some(1), &by_hand()).await });
    }
    let (done, refused): (Vec<_>, Vec<_>) = rotated
        .join_all()
        .await
        .into_iter()
        .partition(Result::is_ok);
    assert_eq!((done.len(), refused.len()), (1, 15));
    for refused in refused {
        let refused = refused.unwrap_err();
        assert!(
            matches!(refused, Error::Rule(RuleViolation::IfVersion { latest }) if latest.number() == 2),
            "{refused:?}"
        );
    }
    for wrong in [0, 1, 3, -1, i64::MAX] {
        let result = nodes[0].transit.rotate(&at, Some(wrong), &by_hand()).await;
        assert!(matches!(result, Err(Error::Rule(_))), "{result:?}");
    }
    assert_eq!(nodes[0].latest(&at).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_made_from_an_old_state_is_made_again_from_the_new_one_or_not_at_all() {
    let (memory, kek) = (Arc::new(MemoryStore::new()), Arc::new(MemoryKek::new()));
    let clock = Arc::new(ManualClock::at(1_000_000));
    let store = Arc::new(FaultyStore::over(memory.clone()));
    let held_up = store.clone();
    let slow = TestEngine::from_parts(held_up, kek.clone(), clock.clone(), quick()).await;
    let slow = Arc::new(slow);
    let quick_node = TestEngine::from_parts(memory, kek, clock, quick()).await;
    let at = slow.create("ring", &NewRing::default()).await;
    let gate = store.hold(Moment::BeforeChange);
    let task = |if_version| {
        let (slow, at) = (Arc::clone(&slow), at.clone());
        tokio::spawn(async move { slow.transit.rotate(&at, if_version, &by_hand()).await })
    };

    let conditional = task(Some(1));
    gate.arrived().await;
    quick_node.rotate(&at).await;
    gate.open();
    let result = conditional.await.unwrap();
    assert!(
        matches!(result, Err(Error::Rule(RuleViolation::IfVersion { .. }))),
        "{result:?}"
    );
    assert_eq!(quick_node.latest(&at).await, 2);

    let unconditional = task(None);
    gate.arrived().await;
    let change = PolicyChange {
        min_decryption: Some(2),
        ..PolicyChange::default()
    };
    quick_node.configure(&at, &change).await;
    store.release(Moment::BeforeChange);
    let described = unconditional.await.unwrap().unwrap();
    assert_eq!(described.ring.latest.number(), 3);
    assert_eq!(described.ring.policy.min_decryption.number(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_overtakes_another_nodes_answer_is_not_hidden_by_it() {
    let (memory, kek) = (Arc::new(MemoryStore::new()), Arc::new(MemoryKek::new()));
    let clock = Arc::new(ManualClock::at(1_000_000));
    let store = Arc::new(FaultyStore::over(memory.clone()));
    let held_up = store.clone();
    let slow = TestEngine::from_parts(held_up, kek.clone(), clock.clone(), quick()).await;
    let slow = Arc::new(slow);
    let quick_node = TestEngine::from_parts(memory, kek, clock, quick()).await;
    let at = slow.create("ring", &NewRing::default()).await;
    slow.encrypt(&at, b"x").await.unwrap();

    // The change to version 2 is made, its answer is on the way; version 3 comes and is told and loaded.
    let gate = store.hold(Moment::AfterChange);
    let task = tokio::spawn({
        let (slow, at) = (Arc::clone(&slow), at.clone());
        async move { slow.transit.rotate(&at, None, &by_hand()).await }
    });
    gate.arrived().await;
    quick_node.rotate(&at).await;
    eventually("version 3 is in use", async || {
        slow.encrypt(&at, b"x")
            .await
            .unwrap()
            .starts_with("vault:v3:")
    })
    .await;
    store.release(Moment::AfterChange);
    task.await.unwrap().unwrap();
    for _ in 0..3 {
        let sealed = slow.encrypt(&at, b"x").await.unwrap();
        assert!(sealed.starts_with("vault:v3:"), "{sealed}");
        slow.polled(1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_rotation_comes_within_a_second_of_its_time_and_not_before() {
    let clock = Arc::new(ManualClock::at(1_000_000));
    let nodes = nodes(1, &clock).await;
    let node = &nodes[0];
    let at = node.create("ring", &hourly()).await;
    for latest in 2..5 {
        let due = node
            .transit
            .describe(&at)
            .await
            .unwrap()
            .ring
            .due_at
            .unwrap();
        let left = due.micros() - clock.now().micros();
        clock.advance(Duration::from_micros(u64::try_from(left - 1).unwrap()));
        node.looked_for_due_rings(3).await;
        assert_eq!(node.latest(&at).await, latest - 1, "a microsecond early");
        clock.advance(Duration::from_micros(1));
        // Four looks a second: the second one from now began after the ring was due.
        node.looked_for_due_rings(2).await;
        assert_eq!(node.latest(&at).await, latest);
        node.encrypt(&at, b"x").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rings_that_were_made_together_are_not_due_together() {
    let clock = Arc::new(ManualClock::at(1_000_000));
    let nodes = nodes(1, &clock).await;
    let node = &nodes[0];
    for (hours, window) in [(1, 180), (24, 600), (24 * 365, 600)] {
        let mut dues = Vec::new();
        for number in 0..50 {
            let new = NewRing {
                auto_rotate_period: HOUR * hours,
                ..NewRing::default()
            };
            let at = node.create(&format!("h{hours}n{number}"), &new).await;
            node.rotate(&at).await;
            dues.push(
                node.transit
                    .describe(&at)
                    .await
                    .unwrap()
                    .ring
                    .due_at
                    .unwrap(),
            );
        }
        let latest = clock.now().plus(HOUR * hours);
        let earliest = latest.minus(Duration::from_secs(window));
        assert!(dues.iter().all(|due| (earliest..=latest).contains(due)));
        dues.sort_unstable();
        dues.dedup();
        assert!(dues.len() > 45, "{} of 50 differ", dues.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_counts_from_when_the_latest_version_was_made_and_can_be_turned_off() {
    let clock = Arc::new(ManualClock::at(1_000_000));
    let nodes = nodes(1, &clock).await;
    let node = &nodes[0];
    let at = node.create("ring", &NewRing::default()).await;
    clock.advance(HOUR * 2);
    let period = |period| PolicyChange {
        auto_rotate_period: Some(period),
        ..PolicyChange::default()
    };
    node.configure(&at, &period(HOUR * 3)).await;
    node.looked_for_due_rings(2).await;
    assert_eq!(node.latest(&at).await, 1);
    node.configure(&at, &period(HOUR)).await;
    eventually("the rotation", async || node.latest(&at).await == 2).await;
    node.configure(&at, &period(Duration::ZERO)).await;
    clock.advance(HOUR * 100);
    node.looked_for_due_rings(2).await;
    assert_eq!(node.latest(&at).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_fails_is_done_when_its_cause_is_gone() {
    let clock = Arc::new(ManualClock::at(1_000_000));
    let nodes = nodes(2, &clock).await;
    let at = nodes[0].create("ring", &hourly()).await;
    nodes[0].kek.set_away(true);
    clock.advance(HOUR);
    nodes[0].looked_for_due_rings(3).await;
    assert_eq!(nodes[0].latest(&at).await, 1);
    nodes[0].encrypt(&at, b"x").await.unwrap();
    nodes[0].kek.set_away(false);
    eventually("the rotation", async || nodes[0].latest(&at).await == 2).await;
}
