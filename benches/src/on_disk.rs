//! Engines on an SQLite file with a software KEK beside it, as `sealring dev` has them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keyring::clock::SystemClock;
use keyring::entropy::SystemEntropy;
use keyring::ids::MountId;
use keyring::kek::software::SoftwareKek;
use keyring::name::{KeyName, MountPath};
use keyring::observer::Unobserved;
use keyring::setup::{InitPlan, initialise, open};
use keyring::store::sqlite::SqliteStore;
use keyring::test_support::bulk;
use keyring::transit::{Address, Parts, Settings, Transit};

/// An open engine with its store in reach.
#[derive(Debug)]
pub struct OnDisk {
    /// The engine.
    pub transit: Transit,
    /// Its store.
    pub store: Arc<SqliteStore>,
    /// Its one mount.
    pub mount: MountId,
    /// How long it took to open both.
    pub took: Duration,
}

impl OnDisk {
    /// Opens what is in the folder, and makes it first if there is nothing.
    pub async fn open(folder: &Path) -> Self {
        let key = folder.join("kek");
        let entropy = Arc::new(SystemEntropy);
        if !key.exists() {
            SoftwareKek::create(&key, entropy.clone()).expect("a KEK file can be written");
        }
        let began = Instant::now();
        let store = SqliteStore::open(&folder.join("store.sqlite")).await;
        let store = Arc::new(store.expect("the store opens"));
        let kek = SoftwareKek::open(&key, entropy.clone()).expect("the KEK file can be read");
        let parts = Parts {
            store: store.clone(),
            kek: Arc::new(kek),
            clock: Arc::new(SystemClock),
            entropy,
            observer: Arc::new(Unobserved),
        };
        let plan = InitPlan {
            shares: 1,
            threshold: 1,
            mount: MountPath::parse("transit").expect("a path"),
        };
        // Fails if it has been done before.
        let _ = initialise(&parts, &plan).await;
        let transit = open(parts, Settings::default()).await;
        let transit = transit.expect("the engine opens");
        let mount = transit.mounts().first().expect("a mount").id;
        Self {
            transit,
            store,
            mount,
            took: began.elapsed(),
        }
    }

    /// Adds rings until there are this many.
    pub async fn fill(&self, rings: u32) {
        for from in (0..rings).step_by(PER_TRANSACTION) {
            let to = rings.min(from + u32::try_from(PER_TRANSACTION).expect("a small number"));
            let filled = bulk::fill(&self.transit, &self.store, self.mount, (from..to).map(name));
            filled.await.expect("the store takes the rings");
        }
    }

    /// The address of the ring with this number.
    pub fn at(&self, number: u32) -> Address {
        Address {
            mount: self.mount,
            name: name(number),
        }
    }
}

/// The name of the ring with this number; names sort as their numbers do.
pub fn name(number: u32) -> KeyName {
    KeyName::parse(&format!("customer-{number:07}")).expect("a name")
}

const PER_TRANSACTION: usize = 10_000;
