//! Fixtures of the benches: engines, rings with many versions, jobs. Small where `cargo test` runs each bench
//! once, full where `cargo bench` measures.

use std::hint::black_box;
use std::sync::Arc;

use keyring::algorithm::{CipherType, KeyType};
use keyring::clock::{Clock, SystemClock};
use keyring::job::{Job, OpenInput, SealInput};
use keyring::signing::{CheckJob, TagInput, TagJob, TagKind, TaggedInput};
use keyring::store::memory::MemoryStore;
use keyring::test_support::engine::{MemoryKek, TestEngine, base64, by_hand};
use keyring::transit::{Address, NewRing, Settings};
use tokio::runtime::{Builder, Runtime};

use crate::time::{Began, Elapsed};

pub mod bare;
pub mod identity;
pub mod memory;
pub mod on_disk;
pub mod ratio;
pub mod time;

/// An engine on a store in memory, and a runtime whose threads do its background work.
#[derive(Debug)]
pub struct Fixture {
    /// The engine.
    pub engine: Arc<TestEngine>,
    /// Where it runs.
    pub runtime: Runtime,
}

impl Fixture {
    /// An engine with production's settings.
    pub fn new() -> Self {
        Self::with(Settings::default())
    }

    /// An engine with these settings.
    pub fn with(settings: Settings) -> Self {
        Self::on_clock(Arc::new(SystemClock), settings)
    }

    /// An engine with this clock. Valgrind needs one that does not read the kernel's own code.
    pub fn on_clock(clock: Arc<dyn Clock>, settings: Settings) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime starts");
        let (store, kek) = (Arc::new(MemoryStore::new()), Arc::new(MemoryKek::new()));
        let engine = TestEngine::from_parts(store, kek, clock, settings);
        let engine = runtime.block_on(engine);
        Self {
            engine: Arc::new(engine),
            runtime,
        }
    }

    /// A new ring of this type.
    pub fn ring(&self, key_type: impl Into<KeyType>) -> Address {
        let key_type = key_type.into();
        let set = key_type.parameter_set().unwrap_or_default();
        let at = self.engine.at(&format!("{key_type}{set}"));
        self.create(&at, key_type);
        at
    }

    /// A new ring of the default type that was used once and then rotated until it has this many versions, with
    /// the ciphertext of its first.
    pub fn ring_of(&self, versions: u32) -> (Address, String) {
        let at = self.engine.at(&format!("versions-{versions}"));
        self.create(&at, CipherType::Aes256GcmSiv.into());
        self.runtime.block_on(async {
            let sealed = self.engine.encrypt(&at, b"sealed with the first version");
            let sealed = sealed.await.expect("the engine encrypts");
            for _ in 1..versions {
                let rotated = self.engine.transit.rotate(&at, None, &by_hand()).await;
                rotated.expect("the ring rotates");
            }
            (at, sealed)
        })
    }

    fn create(&self, at: &Address, key_type: KeyType) {
        let new = NewRing {
            key_type: Some(key_type),
            ..NewRing::default()
        };
        let by = by_hand();
        let created = self.engine.transit.create(at, &new, &by);
        self.runtime.block_on(created).expect("the ring is created");
    }

    /// How long it takes to do this so many times, one after the other, without leaving the runtime in between.
    pub fn time(&self, times: u64, mut step: impl AsyncFnMut()) -> Elapsed {
        self.runtime.block_on(async {
            let began = Began::now();
            for _ in 0..times {
                step().await;
            }
            began.elapsed()
        })
    }

    /// How long it takes to encrypt so many of this base64 in one request, so many times.
    pub fn time_seals(&self, times: u64, at: &Address, plaintext: &str, items: usize) -> Elapsed {
        let transit = &self.engine.transit;
        self.time(times, async || {
            let job = seal_job(black_box(plaintext), items);
            let outcomes = transit.encrypt(at, job).await;
            black_box(outcomes.expect("the engine encrypts").text_len());
        })
    }

    /// Encrypts this base64 in so many requests at once, and waits for all of them.
    pub async fn seal_at_once(&self, requests: usize, at: &Address, plaintext: &str, items: usize) {
        let spawned = (0..requests).map(|_| {
            let (engine, at) = (Arc::clone(&self.engine), at.clone());
            let job = seal_job(plaintext, items);
            tokio::spawn(async move { engine.transit.encrypt(&at, job).await })
        });
        for request in spawned.collect::<Vec<_>>() {
            let outcomes = request.await.expect("the request ends");
            black_box(outcomes.expect("the engine encrypts").text_len());
        }
    }
}

impl Default for Fixture {
    fn default() -> Self {
        Self::new()
    }
}

/// A job that encrypts this base64 so many times.
pub fn seal_job(plaintext: &str, items: usize) -> Job {
    let mut job = Job::new();
    for _ in 0..items {
        job.push_plaintext(&SealInput {
            plaintext,
            ..SealInput::default()
        });
    }
    job
}

/// A job that decrypts this ciphertext so many times.
pub fn open_job(ciphertext: &str, items: usize) -> Job {
    let mut job = Job::new();
    for _ in 0..items {
        job.push_ciphertext(&OpenInput {
            ciphertext,
            ..OpenInput::default()
        });
    }
    job
}

/// A job that signs this base64 so many times, or makes so many HMACs of it.
pub fn tag_job(input: &str, kind: TagKind, items: usize) -> TagJob {
    TagJob {
        kind,
        key_version: 0,
        items: (0..items).map(|_| TagInput::decode(input, "")).collect(),
    }
}

/// A job that checks so many times whether this text is the signature or HMAC of this base64.
pub fn check_job(input: &str, tag: &str, kind: TagKind, items: usize) -> CheckJob {
    let item = || TaggedInput::decode(TagInput::decode(input, "")?, tag, kind);
    CheckJob {
        kind,
        items: (0..items).map(|_| item()).collect(),
    }
}

/// Base64 of this many bytes that do not repeat soon.
pub fn plaintext(length: usize) -> String {
    base64(&bytes(length))
}

/// This many bytes that do not repeat soon.
pub fn bytes(length: usize) -> Vec<u8> {
    (0..=250_u8).cycle().take(length).collect()
}

/// Whether this run measures; without `--bench` criterion runs everything once, and fixtures can be small.
pub fn is_measuring() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}
