//! Sealing and unsealing, and who hears of it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should say where"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyring::clock::SystemClock;
use keyring::entropy::SystemEntropy;
use keyring::identity_keys::Rejected;
use keyring::listener::IdentityListener;
use keyring::name::MountPath;
use keyring::observer::Unobserved;
use keyring::secret::SecretBytes;
use keyring::setup::{
    InitPlan, SealState, SetupError, UnsealError, examine_share, initialise, open,
    replace_root_token, seal_state, unseal,
};
use keyring::store::KeyStore;
use keyring::store::identity::{
    CredentialHash, CredentialKind, CredentialStore, EntryPlace, Reach, StoredCredential,
    StoredEntry,
};
use keyring::store::memory::MemoryStore;
use keyring::store::sqlite::SqliteStore;
use keyring::test_support::engine::{ManualClock, MemoryKek, TestEngine, eventually, quick};
use keyring::test_support::faulty_store::FaultyStore;
use keyring::transit::{NewRing, Parts};
use keyring::version::Generation;

fn parts_on(store: Arc<dyn KeyStore>) -> Parts {
    Parts {
        store,
        kek: Arc::new(MemoryKek::new()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        observer: Arc::new(Unobserved),
    }
}

/// A store of five shares, three of which open it.
async fn initialised(store: Arc<dyn KeyStore>) -> (Parts, Vec<SecretBytes>) {
    let parts = parts_on(store);
    let plan = InitPlan {
        shares: 5,
        threshold: 3,
        mount: MountPath::parse("transit").unwrap(),
    };
    let shares = initialise(&parts, &plan).await.unwrap().shares;
    (parts, shares)
}

async fn in_memory() -> (Parts, Vec<SecretBytes>) {
    initialised(Arc::new(MemoryStore::new())).await
}

fn some(shares: &[SecretBytes], which: &[usize]) -> Vec<SecretBytes> {
    let texts = which.iter().map(|index| shares[*index].expose_secret());
    texts.map(|text| SecretBytes::new(text.to_vec())).collect()
}

#[tokio::test]
async fn a_sealed_store_opens_again_with_enough_shares() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = SqliteStore::open(&folder.path().join("keys.db"))
        .await
        .unwrap();
    let stores: [Arc<dyn KeyStore>; 2] = [Arc::new(MemoryStore::new()), Arc::new(sqlite)];
    for store in stores {
        let (parts, shares) = initialised(store).await;
        let state = |sealed| SealState {
            sealed,
            shares: 5,
            threshold: 3,
        };
        let engine = open(parts.clone(), quick()).await.unwrap();
        let public_key = engine.audit_keys().public_key();
        engine.shutdown().await;
        for which in [[0, 1, 2], [4, 2, 0]] {
            assert_eq!(
                seal_state(parts.store.as_ref()).await.unwrap(),
                state(false)
            );
            parts.store.seal().await.unwrap();
            assert_eq!(seal_state(parts.store.as_ref()).await.unwrap(), state(true));
            let sealed = open(parts.clone(), quick()).await;
            assert!(matches!(sealed, Err(SetupError::Sealed)), "{sealed:?}");
            unseal(&parts, &some(&shares, &which)).await.unwrap();
            let engine = open(parts.clone(), quick()).await.unwrap();
            assert_eq!(engine.audit_keys().public_key(), public_key);
            engine.shutdown().await;
        }
        // Of a store that is open nothing is asked.
        unseal(&parts, &[]).await.unwrap();
    }
}

#[tokio::test]
async fn shares_that_do_not_do_leave_the_store_sealed() {
    let (parts, shares) = in_memory().await;
    let (_, others) = in_memory().await;
    parts.store.seal().await.unwrap();
    let outcome = async |shares: &[SecretBytes]| unseal(&parts, shares).await.unwrap_err();
    for too_few in [&[][..], &[0, 1], &[3, 3, 3, 3]] {
        let refused = outcome(&some(&shares, too_few)).await;
        assert!(matches!(refused, UnsealError::TooFew), "{refused:?}");
    }
    let mut mixed = some(&shares, &[0, 1]);
    mixed.extend(some(&others, &[2]));
    for wrong in [mixed, some(&others, &[0, 1, 2])] {
        let refused = outcome(&wrong).await;
        assert!(matches!(refused, UnsealError::Rejected), "{refused:?}");
    }
    for text in ["", "sealring-share-1:", "\u{fffd}", "x"] {
        let mut malformed = some(&shares, &[0, 1, 2]);
        malformed.push(SecretBytes::new(text.as_bytes().to_vec()));
        let refused = outcome(&malformed).await;
        assert!(matches!(refused, UnsealError::Malformed), "{refused:?}");
        let examined = examine_share(malformed.last().unwrap());
        assert!(
            matches!(examined, Err(UnsealError::Malformed)),
            "{examined:?}"
        );
    }
    let mut mistyped = shares[0].expose_secret().to_vec();
    let last = mistyped.last_mut().unwrap();
    *last = if *last == b'0' { b'1' } else { b'0' };
    let examined = examine_share(&SecretBytes::new(mistyped));
    assert!(
        matches!(examined, Err(UnsealError::Malformed)),
        "{examined:?}"
    );
    assert!(seal_state(parts.store.as_ref()).await.unwrap().sealed);
    let sets: Vec<_> = shares
        .iter()
        .map(|share| examine_share(share).unwrap())
        .collect();
    assert!(sets.iter().all(|(set, _)| *set == sets[0].0));
    assert_eq!(
        sets.iter().map(|(_, number)| *number).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5]
    );
}

#[tokio::test]
async fn a_kek_that_is_away_or_another_leaves_the_store_sealed() {
    let (parts, shares) = in_memory().await;
    parts.store.seal().await.unwrap();
    let kek = Arc::new(MemoryKek::new());
    let with = |kek: &Arc<MemoryKek>| Parts {
        kek: kek.clone(),
        ..parts.clone()
    };
    let refused = unseal(&with(&kek), &shares).await.unwrap_err();
    assert!(
        matches!(refused, UnsealError::Setup(SetupError::Integrity(_))),
        "{refused:?}"
    );
    kek.set_away(true);
    let refused = unseal(&with(&kek), &shares).await.unwrap_err();
    assert!(
        matches!(refused, UnsealError::Setup(SetupError::Kek(_))),
        "{refused:?}"
    );
    assert!(seal_state(parts.store.as_ref()).await.unwrap().sealed);
    let empty = parts_on(Arc::new(MemoryStore::new()));
    let state = seal_state(empty.store.as_ref()).await;
    assert!(
        matches!(state, Err(SetupError::NotInitialised)),
        "{state:?}"
    );
    let refused = unseal(&empty, &shares).await.unwrap_err();
    assert!(
        matches!(refused, UnsealError::Setup(SetupError::NotInitialised)),
        "{refused:?}"
    );
}

/// Notes what it is told.
#[derive(Debug, Default)]
struct Listener(Mutex<Vec<Told>>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Changed(u64),
    Everything,
    Revoked(CredentialHash),
    Sealed,
}

impl Listener {
    fn told(&self) -> Vec<Told> {
        self.0.lock().unwrap().clone()
    }

    fn note(&self, told: Told) {
        self.0.lock().unwrap().push(told);
    }

    async fn hears(&self, what: &str, told: impl Fn(&Told) -> bool) {
        eventually(what, async || self.told().iter().any(&told)).await;
    }
}

impl IdentityListener for Listener {
    fn identity_changed(&self, epoch: u64) {
        self.note(Told::Changed(epoch));
    }

    fn revoked(&self, hashes: &[CredentialHash]) {
        for hash in hashes {
            self.note(Told::Revoked(*hash));
        }
    }

    fn everything_may_have_changed(&self) {
        self.note(Told::Everything);
    }

    fn sealed(&self) {
        self.note(Told::Sealed);
    }
}

fn token(hash: u8) -> StoredCredential {
    StoredCredential {
        kind: CredentialKind::Token,
        hash: CredentialHash([hash; 32]),
        accessor: hash.to_string(),
        scope: String::new(),
        parent: None,
        chosen: false,
        created_at: keyring::clock::Timestamp::from_micros(0),
        expires_at: None,
        uses_left: None,
        body: Vec::new(),
    }
}

async fn revoke(store: &dyn KeyStore, token: &StoredCredential) {
    let at = keyring::clock::Clock::now(&SystemClock);
    let revoked = store.revoke_credential(token.kind, token.hash, Reach::Tree, at);
    assert!(revoked.await.unwrap());
}

#[tokio::test]
async fn a_listener_hears_of_what_others_change() {
    let engine = TestEngine::in_memory().await;
    let listener = Arc::new(Listener::default());
    engine.transit.follow(listener.clone());
    let store = &engine.parts.store;
    let token = token(1);
    store.add_credential(&token).await.unwrap();
    engine.polled(2).await;
    assert_eq!(listener.told(), []);
    revoke(store.as_ref(), &token).await;
    listener
        .hears("the revocation", |told| *told == Told::Revoked(token.hash))
        .await;
    let place = EntryPlace {
        kind: "policy".to_owned(),
        scope: String::new(),
        name: "p".to_owned(),
    };
    let (generation, body) = (Generation::FIRST, Vec::new());
    let entry = StoredEntry {
        place,
        generation,
        body,
    };
    store.put_entry(&entry, None).await.unwrap();
    listener
        .hears("the policy", |told| matches!(told, Told::Changed(_)))
        .await;
    assert!(!listener.told().contains(&Told::Sealed));
    store.seal().await.unwrap();
    listener
        .hears("the sealing", |told| *told == Told::Sealed)
        .await;
    assert!(!listener.told().contains(&Told::Everything));
}

#[tokio::test]
async fn a_store_that_has_gone_back_in_time_is_trusted_in_nothing() {
    let store = Arc::new(FaultyStore::over(Arc::new(MemoryStore::new())));
    let engine = TestEngine::on(store.clone(), quick()).await;
    let listener = Arc::new(Listener::default());
    engine.transit.follow(listener.clone());
    let token = token(1);
    store.add_credential(&token).await.unwrap();
    revoke(store.as_ref(), &token).await;
    listener
        .hears("the revocation", |told| *told == Told::Revoked(token.hash))
        .await;
    engine.polled(2).await;
    assert!(!listener.told().contains(&Told::Everything));
    store.set_rewound(true);
    listener
        .hears("the older copy", |told| *told == Told::Everything)
        .await;
}

#[tokio::test]
async fn who_was_away_too_long_trusts_nothing() {
    let (clock, kek) = (
        Arc::new(ManualClock::at(1_000_000)),
        Arc::new(MemoryKek::new()),
    );
    let store = Arc::new(FaultyStore::over(Arc::new(MemoryStore::new())));
    let engine = TestEngine::from_parts(store.clone(), kek, clock.clone(), quick()).await;
    let listener = Arc::new(Listener::default());
    engine.transit.follow(listener.clone());
    for (minutes, is_too_long) in [(29, false), (31, true)] {
        store.set_away(true);
        engine.polled(2).await;
        clock.advance(Duration::from_mins(minutes));
        store.set_away(false);
        engine.polled(2).await;
        let told = listener.told().contains(&Told::Everything);
        assert_eq!(told, is_too_long, "{minutes}");
    }
}

#[tokio::test]
async fn a_root_token_that_is_revoked_or_replaced_is_forgotten() {
    let engine = TestEngine::in_memory().await;
    let parts = &engine.parts;
    let listener = Arc::new(Listener::default());
    engine.transit.follow(listener.clone());
    let is_known = |text: &str| engine.transit.root_token(text).is_some();
    for text in ["first", "second"] {
        let token = SecretBytes::new(text.as_bytes().to_vec());
        replace_root_token(parts, &token).await.unwrap();
        eventually("the token is known", async || is_known(text)).await;
    }
    assert!(!is_known("first"));
    let stored = parts.store.root_tokens().await.unwrap();
    let hash = CredentialHash(stored.first().unwrap().hash);
    let at = parts.clock.now();
    assert!(parts.store.revoke_root_token(hash, at).await.unwrap());
    eventually("the token is forgotten", async || !is_known("second")).await;
    listener
        .hears("its end", |told| *told == Told::Revoked(hash))
        .await;
}

#[tokio::test]
async fn freshness_is_told_as_the_store_answers() {
    let store = Arc::new(FaultyStore::over(Arc::new(MemoryStore::new())));
    let engine = TestEngine::on(store.clone(), quick()).await;
    engine.create("ring", &NewRing::default()).await;
    let (transit, long) = (&engine.transit, Duration::from_mins(10));
    let start = transit.uptime();
    engine.polled(2).await;
    assert!(transit.is_confirmed_within(start, long) && !transit.store_is_away());
    store.set_away(true);
    eventually("it is missed", async || transit.store_is_away()).await;
    let none = Duration::ZERO;
    assert!(!transit.is_confirmed_within(start, none));
    assert!(transit.is_confirmed_within(start, long));
    assert!(
        transit.is_confirmed_within(transit.uptime() + long, none),
        "a read that young"
    );
}

#[tokio::test]
async fn no_body_opens_in_the_place_of_another() {
    let engine = TestEngine::in_memory().await;
    let keys = engine.transit.identity_keys();
    let entry = |kind: &str, scope: &str, name: &str| {
        keys.place_of_entry(&EntryPlace {
            kind: kind.to_owned(),
            scope: scope.to_owned(),
            name: name.to_owned(),
        })
    };
    let credential = |kind, text: &[u8]| keys.place_of_credential(kind, &keys.hash(kind, text));
    let mut places = vec![
        entry("policy", "", "admin"),
        entry("policy", "", "guest"),
        entry("policy", "admin", ""),
        entry("approle-role", "auth_1", "admin"),
        entry("approle-role", "auth_2", "admin"),
    ];
    for kind in CredentialKind::ALL {
        places.extend([credential(kind, b"mine"), credential(kind, b"yours")]);
    }
    let plain = SecretBytes::new(b"{\"policies\":[\"root\"]}".to_vec());
    for (origin, from) in places.iter().enumerate() {
        let sealed = keys.seal(from, &plain).unwrap();
        for (place, at) in places.iter().enumerate() {
            let opened = keys.open(at, &sealed);
            let opened = opened.map(|opened| opened.expose_secret() == plain.expose_secret());
            let expected = if place == origin {
                Ok(true)
            } else {
                Err(Rejected)
            };
            assert_eq!(opened, expected, "{origin} for {place}");
        }
        for bit in 0..8 * sealed.len() {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                keys.open(from, &changed).map(drop),
                Err(Rejected),
                "bit {bit}"
            );
        }
    }
}
