//! Rotations the engine makes by itself: recorded before and after, and not made unrecorded.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use keyring::algorithm::CipherType;
use keyring::history::{Action, Cause};
use keyring::store::memory::MemoryStore;
use keyring::test_support::engine::{ManualClock, MemoryKek, TestEngine, eventually, quick};
use keyring::transit::{Address, NewRing, Settings};
use keyring::witness::{ChangeWitness, Refused, WitnessedChange, WitnessedOutcome};

/// Notes what it sees, and refuses when told to.
#[derive(Debug, Default)]
struct Witness {
    refuses: AtomicBool,
    seen: Mutex<Vec<(WitnessedChange, Option<String>)>>,
}

impl Witness {
    fn seen(&self) -> Vec<(WitnessedChange, Option<String>)> {
        self.seen.lock().unwrap().clone()
    }

    fn note(&self, change: &WitnessedChange, outcome: Option<String>) {
        self.seen.lock().unwrap().push((change.clone(), outcome));
    }
}

#[async_trait]
impl ChangeWitness for Witness {
    async fn intent(&self, change: &WitnessedChange) -> Result<(), Refused> {
        self.note(change, None);
        if self.refuses.load(Ordering::SeqCst) {
            return Err(Refused);
        }
        Ok(())
    }

    async fn outcome(&self, change: &WitnessedChange, outcome: &WitnessedOutcome) {
        let what = match outcome {
            WitnessedOutcome::Failed(_) => "failed".to_owned(),
            WitnessedOutcome::NotNeeded => "not needed".to_owned(),
            WitnessedOutcome::Rotated { from, to } => format!("{from} to {to}"),
        };
        self.note(change, Some(what));
    }
}

struct Scene {
    engine: TestEngine,
    witness: Arc<Witness>,
    clock: Arc<ManualClock>,
}

impl Scene {
    async fn with(settings: Settings) -> Self {
        let (witness, clock) = (
            Arc::new(Witness::default()),
            Arc::new(ManualClock::at(1_000_000)),
        );
        let settings = Settings {
            witness: witness.clone(),
            ..settings
        };
        let (store, kek) = (Arc::new(MemoryStore::new()), Arc::new(MemoryKek::new()));
        let engine = TestEngine::from_parts(store, kek, clock.clone(), settings).await;
        Self {
            engine,
            witness,
            clock,
        }
    }

    async fn hourly(&self) -> Address {
        let new = NewRing {
            auto_rotate_period: Duration::from_hours(1),
            ..NewRing::default()
        };
        self.engine.create("ring", &new).await
    }

    async fn is_rotated(&self, at: &Address) -> bool {
        self.engine.latest(at).await == 2
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_rotation_is_recorded_before_and_after_under_one_id() {
    let scene = Scene::with(quick()).await;
    let at = scene.hourly().await;
    scene.engine.looked_for_due_rings(2).await;
    assert_eq!(scene.witness.seen(), []);
    scene.clock.advance(Duration::from_hours(2));
    let has_outcome = || scene.witness.seen().len() >= 2;
    eventually("both records", async || has_outcome()).await;
    let seen = scene.witness.seen();
    let (intent, _) = seen.first().unwrap().clone();
    assert_eq!((intent.mount, &intent.name), (at.mount, &at.name));
    assert_eq!(intent.cause, Cause::Timer);
    assert_eq!(
        seen,
        [
            (intent.clone(), None),
            (intent.clone(), Some("1 to 2".to_owned()))
        ]
    );
    let id = &intent.request_id;
    let is_uuid = id.len() == 36 && id.as_bytes().get(14) == Some(&b'4');
    assert!(
        is_uuid && id.split('-').map(str::len).eq([8, 4, 4, 4, 12]),
        "{id}"
    );
    let events = scene
        .engine
        .parts
        .store
        .events_of_request(id)
        .await
        .unwrap();
    let actions: Vec<_> = events
        .iter()
        .map(|recorded| recorded.event.action)
        .collect();
    assert_eq!(actions, [Action::Rotate]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_cannot_be_recorded_is_not_made_and_made_later() {
    let scene = Scene::with(quick()).await;
    let at = scene.hourly().await;
    scene.witness.refuses.store(true, Ordering::SeqCst);
    scene.clock.advance(Duration::from_hours(2));
    eventually("a second try", async || scene.witness.seen().len() >= 2).await;
    assert!(!scene.is_rotated(&at).await);
    let seen = scene.witness.seen();
    assert!(
        seen.iter().all(|(_, outcome)| outcome.is_none()),
        "no outcome without an intent"
    );
    scene.witness.refuses.store(false, Ordering::SeqCst);
    eventually("the rotation", async || scene.is_rotated(&at).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_fails_is_recorded_as_failed() {
    let scene = Scene::with(quick()).await;
    let at = scene.hourly().await;
    scene.engine.kek.set_away(true);
    scene.clock.advance(Duration::from_hours(2));
    let failed = Some("failed".to_owned());
    let has_failed = || {
        scene
            .witness
            .seen()
            .iter()
            .any(|(_, outcome)| *outcome == failed)
    };
    eventually("the failure", async || has_failed()).await;
    scene.engine.kek.set_away(false);
    eventually("the rotation", async || scene.is_rotated(&at).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_by_usage_is_recorded_too() {
    let settings = Settings {
        rotate_at_uses: 100,
        ..quick()
    };
    let scene = Scene::with(settings).await;
    let counted = NewRing {
        key_type: Some(CipherType::Aes256Gcm96.into()),
        ..NewRing::default()
    };
    let at = scene.engine.create("ring", &counted).await;
    scene.engine.encrypt_many(&at, 200).await.unwrap();
    eventually("the rotation", async || scene.is_rotated(&at).await).await;
    let seen = scene.witness.seen();
    assert_eq!(seen.first().unwrap().0.cause, Cause::Usage);
}
