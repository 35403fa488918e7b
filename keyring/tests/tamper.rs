//! Rows that somebody changed behind the service's back: every one is refused, and nothing else breaks.

use std::sync::Arc;
use std::time::Duration;

use keyring::algorithm::{KeyType, PairType};
use keyring::binding::Origin;
use keyring::clock::{SystemClock, Timestamp};
use keyring::derive::material_key;
use keyring::error::Error;
use keyring::hash::HashAlgorithm;
use keyring::ids::{KekId, MountId, RingId};
use keyring::kek::WrappedDek;
use keyring::name::KeyName;
use keyring::policy::PolicyChange;
use keyring::record::open_secret;
use keyring::ring::{Kdf, Moment, StoredRing, StoredVersion};
use keyring::row_mac::RowMac;
use keyring::setup::{SetupError, open};
use keyring::signing::{TagInput, TagJob, TagKind};
use keyring::store::memory::MemoryStore;
use keyring::store::{HeaderStore, LoadedRing, StoreHeader, StoredSecret, With};
use keyring::store_keys::Purpose;
use keyring::test_support::engine::{MemoryKek, TestEngine, by_hand, quick};
use keyring::test_support::faulty_store::{Edit, FaultyStore};
use keyring::transit::{Address, NewRing, Parts};
use keyring::version::{Generation, Version};

/// Three rings of three versions each, and a ciphertext of every version.
struct Scene {
    store: Arc<FaultyStore>,
    engine: TestEngine,
    places: Vec<(Address, Version, String)>,
}

impl Scene {
    async fn new() -> Self {
        let store = Arc::new(FaultyStore::over(Arc::new(MemoryStore::new())));
        let engine = TestEngine::on(store.clone(), quick()).await;
        let mut places = Vec::new();
        for name in ["one", "two", "three"] {
            let period = NewRing {
                auto_rotate_period: Duration::from_hours(24),
                ..NewRing::default()
            };
            let at = engine.create(name, &period).await;
            for number in 1..=3 {
                if number > 1 {
                    engine.rotate(&at).await;
                }
                let sealed = engine.encrypt(&at, b"x").await.expect("encrypted");
                let version = Version::new(number).expect("not zero");
                places.push((at.clone(), version, sealed));
            }
        }
        Self {
            store,
            engine,
            places,
        }
    }

    /// The row of every version, as stored.
    async fn rows(&self) -> Vec<StoredVersion> {
        let mut rows = Vec::new();
        for (at, version, _) in &self.places {
            rows.push(row(&self.store, at, *version).await);
        }
        rows
    }

    /// What a node says that starts now and decrypts one ciphertext, with every row edited that it reads.
    async fn decrypt_cold(&self, place: usize, edit: Option<Edit>) -> Result<String, Error> {
        let node = self.engine.another_node(quick()).await;
        self.store.set_edit(edit);
        let (at, _, sealed) = self.places.get(place).expect("a place");
        let result = node.decrypt(at, sealed).await;
        self.store.set_edit(None);
        result
    }
}

async fn row(store: &FaultyStore, at: &Address, version: Version) -> StoredVersion {
    let with = With::Version(version);
    let loaded = store.truth().load_ring(at.mount, &at.name, with).await;
    let loaded = loaded
        .expect("the store answers")
        .expect("the ring is there");
    loaded.version.expect("the version is there")
}

/// The store's row MAC, as somebody has it who holds store and KEK.
async fn row_mac(parts: &Parts) -> RowMac {
    let header = parts.store.header().await.expect("the store answers");
    let header = header.expect("it is initialised");
    let live = header.live_secret.expect("it is not sealed");
    let binding = Purpose::StoreSecret.binding(header.store, &header.kek);
    let secret = parts
        .kek
        .unwrap_dek(&live, &binding)
        .await
        .expect("unwrapped");
    let secrets = parts.store.secrets().await.expect("the store answers");
    let record = secrets
        .iter()
        .find(|record| record.purpose == Purpose::RowMac.number())
        .expect("the record is there");
    let binding = Purpose::RowMac.binding(header.store, &record.kek);
    let dek = parts.kek.unwrap_dek(&record.wrapped, &binding).await;
    let key = material_key(&dek.expect("unwrapped"), secret.expose_secret());
    let key = open_secret(&record.material, &key, &binding.encode()).expect("opened");
    RowMac::new(key.expose_secret())
}

fn is_integrity<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Integrity(_)))
}

#[tokio::test]
async fn no_versions_row_serves_in_the_place_of_another() {
    let scene = Scene::new().await;
    let rows = scene.rows().await;
    for place in 0..rows.len() {
        for (origin, row) in rows.iter().enumerate() {
            // As it is, and with its ring and number written over to those of its new place.
            let mut disguised = row.clone();
            disguised.ring = rows[place].ring;
            disguised.version = rows[place].version;
            for replacement in [row.clone(), disguised] {
                let edit: Edit = Arc::new(move |loaded| loaded.version = Some(replacement.clone()));
                let result = scene.decrypt_cold(place, Some(edit)).await;
                assert_eq!(result.is_ok(), origin == place, "{origin} for {place}");
                assert!(result.is_ok() || is_integrity(&result), "{result:?}");
            }
        }
    }
}

#[tokio::test]
async fn no_wrapped_key_or_material_opens_in_the_place_of_another_even_under_a_right_mac() {
    let scene = Scene::new().await;
    let rows = scene.rows().await;
    let keys = row_mac(&scene.engine.parts).await;
    for place in 0..rows.len() {
        for origin in (0..rows.len()).filter(|origin| *origin != place) {
            let (there, here) = (&rows[origin], &rows[place]);
            let forged = [
                StoredVersion {
                    wrapped: there.wrapped.clone(),
                    ..here.clone()
                },
                StoredVersion {
                    material: there.material.clone(),
                    ..here.clone()
                },
                StoredVersion {
                    wrapped: there.wrapped.clone(),
                    material: there.material.clone(),
                    ..here.clone()
                },
            ];
            for forged in forged {
                let forged = keys.signed_version(forged);
                let edit: Edit = Arc::new(move |loaded| loaded.version = Some(forged.clone()));
                let result = scene.decrypt_cold(place, Some(edit)).await;
                assert!(is_integrity(&result), "{origin} for {place}: {result:?}");
            }
        }
    }
}

#[tokio::test]
async fn no_rings_row_serves_in_the_place_of_another() {
    let scene = Scene::new().await;
    let mut rings = Vec::new();
    for name in ["one", "two", "three"] {
        let at = scene.engine.at(name);
        let loaded = scene
            .store
            .truth()
            .load_ring(at.mount, &at.name, With::Latest);
        rings.push(loaded.await.unwrap().unwrap());
    }
    for (place, _) in rings.iter().enumerate() {
        for (origin, other) in rings
            .iter()
            .enumerate()
            .filter(|(origin, _)| *origin != place)
        {
            let replacement = other.clone();
            let edit: Edit = Arc::new(move |loaded| *loaded = replacement.clone());
            let result = scene.decrypt_cold(3 * place + 2, Some(edit)).await;
            assert!(is_integrity(&result), "{origin} for {place}: {result:?}");
        }
    }
}

#[tokio::test]
async fn every_changed_bit_of_a_versions_row_is_refused_and_the_other_versions_still_open() {
    let scene = Scene::new().await;
    let latest = 2;
    let row = scene.rows().await.remove(latest);
    let changed = changed_versions(&row);
    assert!(changed.len() > 1000, "{}", changed.len());
    let node = scene.engine.another_node(quick()).await;
    let (at, _, sealed) = &scene.places[latest];
    let (_, _, of_version_one) = &scene.places[0];
    for (column, changed) in changed {
        let version = changed.clone();
        scene
            .store
            .set_edit(Some(Arc::new(move |loaded: &mut LoadedRing| {
                if loaded
                    .version
                    .as_ref()
                    .is_some_and(|row| row.version.number() == 3)
                {
                    loaded.version = Some(version.clone());
                }
            })));
        let result = node.decrypt(at, sealed).await;
        assert!(is_integrity(&result), "{column}: {result:?}");
        let result = node.encrypt(at, b"x").await;
        assert!(is_integrity(&result), "{column}: {result:?}");
        node.decrypt(at, of_version_one).await.unwrap();
        let describe = node.transit.describe(at).await;
        assert!(is_integrity(&describe), "{column}: {describe:?}");
        let rotated = node.transit.rotate(at, None, &by_hand()).await;
        assert!(is_integrity(&rotated), "{column}: {rotated:?}");
    }
    scene.store.set_edit(None);
    node.decrypt(at, sealed).await.unwrap();
    let history = node.transit.history(at, 0, 100).await.unwrap();
    assert_eq!(history.len(), 3, "nothing was written meanwhile");
}

#[tokio::test]
async fn every_changed_bit_of_a_rings_row_is_refused_and_the_other_rings_still_work() {
    let scene = Scene::new().await;
    let (at, version, sealed) = &scene.places[2];
    let with = With::Version(*version);
    let loaded = scene.store.truth().load_ring(at.mount, &at.name, with);
    let ring = loaded.await.unwrap().unwrap().ring;
    let changed = changed_rings(&ring);
    assert!(changed.len() > 800, "{}", changed.len());
    let node = scene.engine.another_node(quick()).await;
    let (elsewhere, _, other) = &scene.places[5];
    for (column, changed) in changed {
        let (name, row) = (at.name.clone(), changed.clone());
        scene
            .store
            .set_edit(Some(Arc::new(move |loaded: &mut LoadedRing| {
                if loaded.ring.name == name {
                    loaded.ring = row.clone();
                }
            })));
        let results = [
            node.decrypt(at, sealed).await.map(drop),
            node.encrypt(at, b"x").await.map(drop),
            node.transit.describe(at).await.map(drop),
            node.transit.rotate(at, None, &by_hand()).await.map(drop),
            node.transit
                .configure(at, &PolicyChange::default(), &by_hand())
                .await
                .map(drop),
            node.transit.trim(at, Some(1), &by_hand()).await.map(drop),
            node.transit.delete(at, &by_hand()).await,
            node.transit
                .create(at, &NewRing::default(), &by_hand())
                .await
                .map(drop),
        ];
        for result in results {
            assert!(is_integrity(&result), "{column}: {result:?}");
        }
        node.decrypt(elsewhere, other).await.unwrap();
    }
    // When it is due is no part of what is bound: it says nothing that the settings do not say.
    let elsewhen = Arc::new(|loaded: &mut LoadedRing| loaded.ring.due_at = None);
    scene.store.set_edit(Some(elsewhen));
    node.decrypt(at, sealed).await.unwrap();
}

#[tokio::test]
async fn a_changed_public_key_or_certificate_is_refused() {
    let store = Arc::new(FaultyStore::over(Arc::new(MemoryStore::new())));
    let engine = TestEngine::on(store.clone(), quick()).await;
    let new = NewRing {
        key_type: Some(PairType::EcdsaP256.into()),
        ..NewRing::default()
    };
    let at = engine.create("ring", &new).await;
    let public_key = row(&store, &at, Version::FIRST).await.public_key;
    let public_key = public_key.expect("a pair has one");
    let keys = flips(&public_key).into_iter().map(Some);
    let mut changed: Vec<(_, Option<&str>)> = keys.map(|key| (key, None)).collect();
    changed.extend([
        (None, None),
        (Some(Vec::new()), None),
        (Some(public_key.clone()), Some("")),
        (Some(public_key.clone()), Some("a certificate")),
    ]);
    let node = engine.another_node(quick()).await;
    for (key, chain) in changed {
        let chain = chain.map(str::to_owned);
        let edit: Edit = Arc::new(move |loaded| {
            if let Some(row) = loaded.version.as_mut() {
                row.public_key.clone_from(&key);
                row.certificate_chain.clone_from(&chain);
            }
        });
        store.set_edit(Some(edit));
        let result = hmac(&node, &at).await;
        assert!(is_integrity(&result), "{result:?}");
    }
    store.set_edit(None);
    hmac(&node, &at).await.unwrap();
}

#[tokio::test]
async fn no_changed_public_key_of_any_version_is_shown() {
    let store = Arc::new(FaultyStore::over(Arc::new(MemoryStore::new())));
    let engine = TestEngine::on(store.clone(), quick()).await;
    let new = NewRing {
        key_type: Some(PairType::EcdsaP256.into()),
        ..NewRing::default()
    };
    let at = engine.create("ring", &new).await;
    let other = engine.create("other", &new).await;
    engine.rotate(&at).await;
    let foreign = row(&store, &other, Version::FIRST).await;
    let newer = row(&store, &at, Version::new(2).expect("not zero")).await;
    let edits: [fn(&mut StoredVersion, &StoredVersion); 3] = [
        |row, other| row.public_key.clone_from(&other.public_key),
        |row, _| row.certificate_chain = Some("a certificate".to_owned()),
        |row, other| *row = other.clone(),
    ];
    for edit in edits {
        let foreign = foreign.clone();
        store.set_row_edit(Some(Arc::new(move |row: &mut StoredVersion| {
            if row.version == Version::FIRST {
                edit(row, &foreign);
            }
        })));
        let described = engine.transit.describe(&at).await;
        assert!(is_integrity(&described), "{described:?}");
    }
    store.set_row_edit(None);
    let described = engine.transit.describe(&at).await.unwrap();
    assert_eq!(described.versions.len(), 2);
    assert_eq!(described.versions[1].public_key, newer.public_key);
}

/// Has the latest version make an HMAC.
async fn hmac(node: &TestEngine, at: &Address) -> Result<(), Error> {
    let job = TagJob {
        kind: TagKind::Hmac(HashAlgorithm::Sha2_256),
        key_version: 0,
        items: vec![TagInput::decode("", "")],
    };
    node.transit.tag(at, job).await.map(drop)
}

/// The row with each bit of each of its columns flipped, as far as the column's type can hold that.
fn changed_versions(row: &StoredVersion) -> Vec<(&'static str, StoredVersion)> {
    let StoredVersion {
        ring,
        version,
        origin: _,
        kek,
        wrapped,
        material,
        created_at,
        public_key: _,
        certificate_chain: _,
        mac,
    } = row;
    let mut changed = changed_public_halves(row);
    let mut add = |column, change: &dyn Fn(&mut StoredVersion)| {
        let mut row = row.clone();
        change(&mut row);
        changed.push((column, row));
    };
    for bytes in flips(ring.as_bytes()) {
        add("ring", &|row| {
            row.ring = RingId::try_from(&*bytes).expect("16 bytes");
        });
    }
    for number in flipped_numbers(version.number()) {
        add("version", &|row| row.version = number);
    }
    for origin in (1..=4)
        .filter_map(Origin::from_number)
        .filter(|other| *other != row.origin)
    {
        add("origin", &|row| row.origin = origin);
    }
    for text in flips(kek.as_str().as_bytes()) {
        if let Some(kek) = String::from_utf8(text)
            .ok()
            .and_then(|text| KekId::parse(&text))
        {
            add("kek", &|row| row.kek = kek.clone());
        }
    }
    for bytes in flips(wrapped.as_bytes()) {
        let wrapped = WrappedDek::from_bytes(bytes).expect("as long as before");
        add("wrapped", &|row| row.wrapped = wrapped.clone());
    }
    for bytes in flips(material) {
        add("material", &|row| row.material.clone_from(&bytes));
    }
    for bytes in flips(&created_at.micros().to_be_bytes()) {
        add("created_at", &|row| row.created_at = timestamp(&bytes));
    }
    for bytes in flips(mac) {
        add("mac", &|row| row.mac.copy_from_slice(&bytes));
    }
    changed
}

/// The row with something public that it did not have.
fn changed_public_halves(row: &StoredVersion) -> Vec<(&'static str, StoredVersion)> {
    let keys = [Vec::new(), vec![0]].map(|bytes| StoredVersion {
        public_key: Some(bytes),
        ..row.clone()
    });
    let chains = ["", "x"].map(|text| StoredVersion {
        certificate_chain: Some(text.to_owned()),
        ..row.clone()
    });
    let keys = keys.map(|row| ("public_key", row)).into_iter();
    keys.chain(chains.map(|row| ("certificate_chain", row)))
        .collect()
}

/// The row with each bit of each of its bound columns flipped, as far as the column's type can hold that.
fn changed_rings(row: &StoredRing) -> Vec<(&'static str, StoredRing)> {
    let mut changed = changed_identities(row);
    changed.extend(changed_journeys(row));
    let mut add = |column, change: &dyn Fn(&mut StoredRing)| {
        let mut row = row.clone();
        change(&mut row);
        changed.push((column, row));
    };
    let numbers = flipped_numbers(row.policy.min_decryption.number());
    for number in numbers {
        add("min_decryption", &|row| row.policy.min_decryption = number);
    }
    for number in flipped_numbers(0) {
        add("min_encryption", &|row| {
            row.policy.min_encryption = Some(number);
        });
        add("min_available", &|row| row.min_available = Some(number));
    }
    for number in flipped_numbers(row.latest.number()) {
        add("latest", &|row| row.latest = number);
    }
    add("deletion_allowed", &|row| {
        row.policy.deletion_allowed ^= true;
    });
    add("exportable", &|row| row.policy.exportable ^= true);
    add("allow_plaintext_backup", &|row| {
        row.policy.allow_plaintext_backup ^= true;
    });
    add("derived", &|row| row.derived ^= true);
    add("convergent", &|row| row.convergent ^= true);
    add("auto_rotate_period", &|row| {
        row.policy.auto_rotate_period = None;
    });
    let period = row
        .policy
        .auto_rotate_period
        .map_or(0, |period| period.as_secs());
    for bytes in flips(&period.to_be_bytes()) {
        let seconds = u64::from_be_bytes(bytes.try_into().expect("8 bytes"));
        add("auto_rotate_period", &|row| {
            row.policy.auto_rotate_period = Some(Duration::from_secs(seconds));
        });
    }
    for bytes in flips(&row.mac) {
        add("mac", &|row| row.mac.copy_from_slice(&bytes));
    }
    changed
}

/// The row with each column changed that only some rings use.
fn changed_journeys(row: &StoredRing) -> Vec<(&'static str, StoredRing)> {
    let mut changed = Vec::new();
    let mut add = |column, change: &dyn Fn(&mut StoredRing)| {
        let mut row = row.clone();
        change(&mut row);
        changed.push((column, row));
    };
    add("kdf", &|row| row.kdf = Kdf::Counter);
    for size in [0, 32, u32::MAX] {
        add("key_size", &|row| row.key_size = Some(size));
    }
    add("soft_deleted", &|row| row.soft_deleted ^= true);
    add("imported", &|row| row.journey.imported ^= true);
    add("allow_rotation", &|row| row.journey.allow_rotation ^= true);
    for (at, version) in [(0, Version::FIRST), (1, row.latest)] {
        let moment = Some(Moment {
            at: Timestamp::from_micros(at),
            version,
        });
        add("backed_up", &|row| row.journey.backed_up = moment);
        add("restored", &|row| row.journey.restored = moment);
    }
    changed
}

fn changed_identities(row: &StoredRing) -> Vec<(&'static str, StoredRing)> {
    let mut changed = Vec::new();
    let mut add = |column, change: &dyn Fn(&mut StoredRing)| {
        let mut row = row.clone();
        change(&mut row);
        changed.push((column, row));
    };
    for bytes in flips(row.id.as_bytes()) {
        add("id", &|row| {
            row.id = RingId::try_from(&*bytes).expect("16 bytes");
        });
    }
    for bytes in flips(row.mount.as_bytes()) {
        add("mount", &|row| {
            row.mount = MountId::try_from(&*bytes).expect("16 bytes");
        });
    }
    for text in flips(row.name.as_str().as_bytes()) {
        if let Some(name) = String::from_utf8(text)
            .ok()
            .and_then(|text| KeyName::parse(&text))
        {
            add("name", &|row| row.name = name.clone());
        }
    }
    for key_type in KeyType::ALL
        .into_iter()
        .filter(|other| *other != row.key_type)
    {
        add("key_type", &|row| row.key_type = key_type);
    }
    for bytes in flips(&row.created_at.micros().to_be_bytes()) {
        add("created_at", &|row| row.created_at = timestamp(&bytes));
    }
    for bytes in flips(&row.generation.0.to_be_bytes()) {
        let number = u64::from_be_bytes(bytes.try_into().expect("8 bytes"));
        add("generation", &|row| row.generation = Generation(number));
    }
    changed
}

/// These bytes with each of their bits flipped, one at a time.
fn flips(bytes: &[u8]) -> Vec<Vec<u8>> {
    let flip = |bit: usize| {
        let mut changed = bytes.to_vec();
        if let Some(byte) = changed.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
        changed
    };
    (0..8 * bytes.len()).map(flip).collect()
}

fn flipped_numbers(number: u32) -> Vec<Version> {
    let flipped = (0..u32::BITS).filter_map(|bit| Version::new(number ^ (1 << bit)));
    flipped.collect()
}

fn timestamp(bytes: &[u8]) -> Timestamp {
    Timestamp::from_micros(i64::from_be_bytes(bytes.try_into().expect("8 bytes")))
}

#[tokio::test]
async fn a_versions_row_that_is_missing_is_an_integrity_error_and_no_unknown_version() {
    let scene = Scene::new().await;
    for place in 0..3 {
        let number = scene.places[place].1;
        let edit: Edit = Arc::new(move |loaded| {
            loaded.version = loaded.version.take().filter(|row| row.version != number);
        });
        let result = scene.decrypt_cold(place, Some(edit.clone())).await;
        assert!(is_integrity(&result), "{result:?}");
        // The other versions of the ring are none the worse.
        scene
            .decrypt_cold((place + 1) % 3, Some(edit))
            .await
            .unwrap();
    }
    // Without its latest version a ring neither encrypts nor rotates nor pretends to be whole.
    let (at, latest, _) = &scene.places[2];
    let (node, latest) = (scene.engine.another_node(quick()).await, *latest);
    scene
        .store
        .set_edit(Some(Arc::new(move |loaded: &mut LoadedRing| {
            loaded.version = loaded.version.take().filter(|row| row.version != latest);
        })));
    assert!(is_integrity(&node.encrypt(at, b"x").await));
    assert!(is_integrity(
        &node.transit.rotate(at, None, &by_hand()).await
    ));
    assert!(is_integrity(&node.transit.describe(at).await));
}

#[tokio::test]
async fn one_broken_version_does_not_break_the_requests_that_wait_for_another() {
    let scene = Scene::new().await;
    let node = Arc::new(scene.engine.another_node(quick()).await);
    scene
        .store
        .set_edit(Some(Arc::new(|loaded: &mut LoadedRing| {
            if let Some(row) = loaded
                .version
                .as_mut()
                .filter(|row| row.version.number() == 1)
            {
                row.mac = [0; 32];
            }
        })));
    for _ in 0..20 {
        let tasks: Vec<_> = (0..30)
            .map(|i| {
                let (at, version, sealed) = scene.places[i % 3].clone();
                let node = Arc::clone(&node);
                tokio::spawn(async move { (version, node.decrypt(&at, &sealed).await) })
            })
            .collect();
        for task in tasks {
            let (version, result) = task.await.unwrap();
            assert_eq!(
                is_integrity(&result),
                version == Version::FIRST,
                "{version}: {result:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_store_does_not_open_under_another_key_encryption_key() {
    let scene = Scene::new().await;
    let mut parts = scene.engine.parts.clone();
    // The same id, another key.
    parts.kek = Arc::new(MemoryKek::new());
    let opened = open(parts, quick()).await;
    assert!(
        matches!(opened, Err(SetupError::Integrity(_))),
        "{opened:?}"
    );
}

#[tokio::test]
async fn store_secrets_that_changed_places_are_refused() {
    let scene = Scene::new().await;
    let header = scene.store.header().await.unwrap().unwrap();
    let secrets = scene.store.secrets().await.unwrap();
    let mount = scene.store.truth().mounts().await.unwrap().remove(0);
    assert_eq!(secrets.len(), Purpose::RECORDS.len());
    let other_header = StoreHeader {
        live_secret: Some(secrets[0].wrapped.clone()),
        ..header.clone()
    };
    let mut cases = vec![
        (header.clone(), secrets.clone(), true),
        (other_header, secrets.clone(), false),
    ];
    let pairs = (0..secrets.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
    for (one, other) in pairs {
        let whole = exchanged(&secrets, one, other);
        let (mut wrapped, mut material) = (secrets.clone(), secrets.clone());
        for place in [one, other] {
            wrapped[place].wrapped.clone_from(&whole[place].wrapped);
            material[place].material.clone_from(&whole[place].material);
        }
        for swapped in [whole, wrapped, material] {
            cases.push((header.clone(), swapped, false));
        }
    }
    for (header, secrets, opens) in cases {
        let store = MemoryStore::new();
        store.initialise(&header, &secrets, &mount).await.unwrap();
        let mut parts = scene.engine.parts.clone();
        parts.store = Arc::new(store);
        parts.clock = Arc::new(SystemClock);
        let opened = open(parts, quick()).await;
        let refused = matches!(opened, Err(SetupError::Integrity(_)));
        assert_eq!((opened.is_ok(), refused), (opens, !opens), "{opened:?}");
    }
}

/// The secrets with what two of them hold exchanged, each still under its own purpose.
fn exchanged(secrets: &[StoredSecret], one: usize, other: usize) -> Vec<StoredSecret> {
    let mut exchanged = secrets.to_vec();
    exchanged.swap(one, other);
    for (secret, place) in exchanged.iter_mut().zip(secrets) {
        secret.purpose = place.purpose;
    }
    exchanged
}
