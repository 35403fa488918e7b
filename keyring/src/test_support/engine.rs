//! A whole engine for a test: any store, a KEK in memory, a clock moved by hand, and a count of what it calls.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::binding::Binding;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::entropy::{Entropy, SystemEntropy};
use crate::fair_queue::QueueError;
use crate::history::{Action, Cause, Provenance};
use crate::ids::KekId;
use crate::job::{Job, OpenInput, Outcomes, SealInput};
use crate::kek::{Kek, KekError, WrappedDek};
use crate::name::{KeyName, MountPath};
use crate::observer::{KekVerb, Observer, Outcome};
use crate::policy::PolicyChange;
use crate::record::{open_secret, seal_secret};
use crate::secret::{Dek, SecretBytes};
use crate::setup::{InitPlan, initialise, open};
use crate::store::KeyStore;
use crate::store::memory::MemoryStore;
use crate::transit::{Address, NewRing, Parts, Settings, Transit};

/// An engine with its parts in reach.
#[derive(Debug)]
pub struct TestEngine {
    /// The engine.
    pub transit: Transit,
    /// What it is built from; another node on the same store is another engine from the same parts.
    pub parts: Parts,
    /// What it called.
    pub counts: Arc<Counts>,
    /// The KEK, which can be told to fail.
    pub kek: Arc<MemoryKek>,
}

impl TestEngine {
    /// An engine on a store in memory, with production's settings but a quick poll.
    pub async fn in_memory() -> Self {
        Self::on(Arc::new(MemoryStore::new()), quick()).await
    }

    /// An engine on this store, initialised if it was not.
    pub async fn on(store: Arc<dyn KeyStore>, settings: Settings) -> Self {
        let kek = Arc::new(MemoryKek::new());
        Self::from_parts(store, kek, Arc::new(SystemClock), settings).await
    }

    /// An engine from these parts, the store initialised if it was not.
    pub async fn from_parts(
        store: Arc<dyn KeyStore>,
        kek: Arc<MemoryKek>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Self {
        Self::with_entropy(store, kek, clock, Arc::new(SystemEntropy), settings).await
    }

    /// An engine from these parts and this randomness, the store initialised if it was not.
    pub async fn with_entropy(
        store: Arc<dyn KeyStore>,
        kek: Arc<MemoryKek>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        settings: Settings,
    ) -> Self {
        let counts = Arc::new(Counts::default());
        let parts = Parts {
            store,
            kek: kek.clone(),
            clock,
            entropy,
            observer: counts.clone(),
        };
        if parts
            .store
            .header()
            .await
            .expect("the store answers")
            .is_none()
        {
            let mount = MountPath::parse("transit").expect("a path");
            let plan = InitPlan {
                shares: 1,
                threshold: 1,
                mount,
            };
            initialise(&parts, &plan)
                .await
                .expect("an empty store can be initialised");
        }
        let transit = open(parts.clone(), settings)
            .await
            .expect("the store opens");
        Self {
            transit,
            parts,
            counts,
            kek,
        }
    }

    /// Another node on the same store, with a count of its own.
    pub async fn another_node(&self, settings: Settings) -> Self {
        let parts = &self.parts;
        let (store, clock) = (Arc::clone(&parts.store), Arc::clone(&parts.clock));
        Self::from_parts(store, Arc::clone(&self.kek), clock, settings).await
    }

    /// The address of a ring on the first mount.
    pub fn at(&self, name: &str) -> Address {
        let mount = self.transit.mounts().first().expect("a mount").id;
        Address {
            mount,
            name: KeyName::parse(name).expect("a name"),
        }
    }

    /// A new ring with this name.
    pub async fn create(&self, name: &str, new: &NewRing) -> Address {
        let at = self.at(name);
        let created = self.transit.create(&at, new, &by_hand()).await;
        created.expect("a ring can be created");
        at
    }

    /// Adds a version.
    pub async fn rotate(&self, at: &Address) {
        let rotated = self.transit.rotate(at, None, &by_hand()).await;
        rotated.expect("the ring can be rotated");
    }

    /// Changes settings.
    pub async fn configure(&self, at: &Address, change: &PolicyChange) {
        let configured = self.transit.configure(at, change, &by_hand()).await;
        configured.expect("the settings can be changed");
    }

    /// The booked uses of each version, as the store has them.
    pub async fn usage(&self, at: &Address) -> Vec<(u32, u64)> {
        let described = self.transit.describe(at).await;
        let usage = described.expect("the ring is there").usage;
        usage
            .into_iter()
            .map(|(version, uses)| (version.number(), uses))
            .collect()
    }

    /// Encrypts this many plaintexts in one request.
    pub async fn encrypt_many(
        &self,
        at: &Address,
        items: usize,
    ) -> Result<(), crate::error::Error> {
        let mut job = Job::new();
        for _ in 0..items {
            job.push_plaintext(&SealInput::default());
        }
        let outcomes = self.transit.encrypt(at, job).await?;
        for outcome in outcomes.iter() {
            outcome?;
        }
        Ok(())
    }

    /// Returns when the engine has polled the store this many times more, in vain or not.
    pub async fn polled(&self, times: u64) {
        let Counts {
            polls,
            missed_polls,
            ..
        } = self.counts.as_ref();
        let all = || polls.load(Ordering::SeqCst) + missed_polls.load(Ordering::SeqCst);
        let until = all() + times;
        eventually("polls", async || all() >= until).await;
    }

    /// Returns when the engine has looked for due rings this many times more.
    pub async fn looked_for_due_rings(&self, times: u64) {
        let checks = &self.counts.due_checks;
        let until = checks.load(Ordering::SeqCst) + times;
        eventually("looks for due rings", async || {
            checks.load(Ordering::SeqCst) >= until
        })
        .await;
    }

    /// The latest version, as the store has it.
    pub async fn latest(&self, at: &Address) -> u32 {
        let described = self.transit.describe(at).await;
        described.expect("the ring is there").ring.latest.number()
    }

    /// Encrypts one plaintext.
    pub async fn encrypt(
        &self,
        at: &Address,
        plaintext: &[u8],
    ) -> Result<String, crate::error::Error> {
        let mut job = Job::new();
        job.push_plaintext(&SealInput {
            plaintext: &base64(plaintext),
            ..SealInput::default()
        });
        only(&self.transit.encrypt(at, job).await?)
    }

    /// Decrypts one ciphertext to base64.
    pub async fn decrypt(
        &self,
        at: &Address,
        ciphertext: &str,
    ) -> Result<String, crate::error::Error> {
        let mut job = Job::new();
        job.push_ciphertext(&OpenInput {
            ciphertext,
            ..OpenInput::default()
        });
        only(&self.transit.decrypt(at, job).await?)
    }
}

/// Production's settings with a poll every 20 ms.
pub fn quick() -> Settings {
    Settings {
        poll_interval: Duration::from_millis(20),
        ..Settings::default()
    }
}

/// A change somebody asked for.
pub fn by_hand() -> Provenance {
    Provenance {
        actor: "tester".to_owned(),
        accessor: Some("accessor".to_owned()),
        request_id: Some("request".to_owned()),
        cause: Cause::Manual,
        reason: None,
    }
}

/// Base64 of these bytes.
pub fn base64(bytes: &[u8]) -> String {
    let mut text = Vec::new();
    crate::base64::encode_append(bytes, &mut text);
    String::from_utf8(text).expect("base64 is ASCII")
}

/// Returns when the condition holds. Panics with `what` after ten seconds.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), wait).await;
    assert!(waited.is_ok(), "not within ten seconds: {what}");
}

/// How many rounds an expensive test takes: `full` with `SEALRING_FULL=1`, else `small`.
pub fn rounds(small: usize, full: usize) -> usize {
    if std::env::var("SEALRING_FULL").is_ok_and(|value| value == "1") {
        full
    } else {
        small
    }
}

/// The text of a job's one item.
pub fn only(outcomes: &Outcomes) -> Result<String, crate::error::Error> {
    let done = outcomes
        .iter()
        .next()
        .expect("a job of one item has one outcome")?;
    Ok(done.text.to_owned())
}

/// How often the engine called what.
#[derive(Debug, Default)]
pub struct Counts {
    /// Rings read from the store into the cache.
    pub loads: AtomicU64,
    /// DEKs wrapped.
    pub wraps: AtomicU64,
    /// DEKs unwrapped.
    pub unwraps: AtomicU64,
    /// Polls the store answered.
    pub polls: AtomicU64,
    /// Polls it did not answer.
    pub missed_polls: AtomicU64,
    /// Rings in the cache when it was last tidied.
    pub cached: AtomicU64,
    /// Looks for rings that are due.
    pub due_checks: AtomicU64,
}

impl Counts {
    /// Loads and unwraps so far.
    pub fn cold(&self) -> (u64, u64) {
        (
            self.loads.load(Ordering::SeqCst),
            self.unwraps.load(Ordering::SeqCst),
        )
    }
}

impl Observer for Counts {
    fn ring_loaded(&self, _: Outcome, _: Duration) {
        self.loads.fetch_add(1, Ordering::SeqCst);
    }

    fn kek_called(&self, verb: KekVerb, _: Outcome, _: Duration) {
        let counter = match verb {
            KekVerb::Wrap => &self.wraps,
            KekVerb::Unwrap => &self.unwraps,
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }

    fn ring_changed(&self, _: Action, _: Cause) {}

    fn store_polled(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Done => &self.polls,
            Outcome::Failed => &self.missed_polls,
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }

    fn rotations_overdue(&self, _: u64) {
        self.due_checks.fetch_add(1, Ordering::SeqCst);
    }

    fn key_search_refused(&self, _: QueueError) {}

    fn cache_size(&self, rings: u64, _: u64) {
        self.cached.store(rings, Ordering::SeqCst);
    }
}

/// A KEK that lives and dies with the test, and fails when told to.
#[derive(Debug)]
pub struct MemoryKek {
    id: KekId,
    key: [u8; 32],
    away: Mutex<bool>,
}

impl MemoryKek {
    /// A new random key.
    pub fn new() -> Self {
        let mut key = [0; 32];
        SystemEntropy
            .fill(&mut key)
            .expect("the kernel gives randomness");
        Self {
            id: KekId::parse("memory:test").expect("an id"),
            key,
            away: Mutex::new(false),
        }
    }

    /// Makes it unavailable, or available again.
    pub fn set_away(&self, away: bool) {
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = away;
    }

    fn check(&self) -> Result<(), KekError> {
        if *self.away.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err(KekError::Unavailable("the test took it away".to_owned()));
        }
        Ok(())
    }
}

impl Default for MemoryKek {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Kek for MemoryKek {
    fn id(&self) -> &KekId {
        &self.id
    }

    async fn wrap_dek(&self, dek: &Dek, binding: &Binding) -> Result<WrappedDek, KekError> {
        self.check()?;
        let secret = SecretBytes::new(dek.expose_secret().to_vec());
        let sealed = seal_secret(&secret, &self.key, &binding.encode(), &SystemEntropy);
        Ok(WrappedDek::from_bytes(sealed.expect("sealing works")).expect("of the right length"))
    }

    async fn unwrap_dek(&self, wrapped: &WrappedDek, binding: &Binding) -> Result<Dek, KekError> {
        self.check()?;
        let opened = open_secret(wrapped.as_bytes(), &self.key, &binding.encode());
        let opened = opened.map_err(|_| KekError::Rejected)?;
        Dek::from_slice(opened.expose_secret()).ok_or(KekError::Rejected)
    }
}

/// A clock that only the test moves.
#[derive(Debug, Default)]
pub struct ManualClock {
    micros: AtomicI64,
}

impl ManualClock {
    /// A clock at this time.
    pub fn at(seconds: i64) -> Self {
        Self {
            micros: AtomicI64::new(seconds.saturating_mul(1_000_000)),
        }
    }

    /// Moves wall clock and uptime forward.
    pub fn advance(&self, span: Duration) {
        let micros = i64::try_from(span.as_micros()).expect("a short span");
        self.micros.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros.load(Ordering::SeqCst))
    }

    fn uptime(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::SeqCst).unsigned_abs())
    }
}
