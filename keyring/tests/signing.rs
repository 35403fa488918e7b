//! What rings of every type make and check: signatures, HMACs and RSA ciphertexts; and which rings there can be.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use aws_lc_rs::hmac;
use keyring::algorithm::{CipherType, KeyType, PairType};
use keyring::clock::SystemClock;
use keyring::error::{Error, ItemError, TagFault};
use keyring::hash::HashAlgorithm;
use keyring::job::{Job, OpenInput, Outcomes, SealInput};
use keyring::pair::{Marshaling, OaepError, RsaScheme, SignatureOptions};
use keyring::policy::{PolicyChange, RuleViolation};
use keyring::ring::Kdf;
use keyring::signing::{CheckJob, Tag, TagInput, TagJob, TagKind, TaggedInput};
use keyring::store::memory::MemoryStore;
use keyring::test_support::engine::{MemoryKek, TestEngine, base64, by_hand, only, quick};
use keyring::test_support::entropy::CountingEntropy;
use keyring::test_support::faulty_store::FaultyStore;
use keyring::transit::{Address, NewDataKey, NewRing};
use keyring::version::Version;

/// What is signed, and the context it is signed in.
type Message<'a> = (&'a [u8], &'a [u8]);

const MESSAGE: Message<'_> = (b"a message", b"");
const OTHER: Message<'_> = (b"another message", b"");
const HMAC: TagKind = TagKind::Hmac(HashAlgorithm::Sha2_256);

fn signature() -> TagKind {
    TagKind::Signature(SignatureOptions::default())
}

/// Every kind of tag that rings of this type make.
fn kinds(key_type: KeyType) -> Vec<TagKind> {
    let kinds = key_type.signs().then(signature);
    kinds.into_iter().chain([HMAC]).collect()
}

/// A ring of this type with nothing else chosen that can be left open.
fn of_type(key_type: impl Into<KeyType>) -> NewRing {
    let key_type = key_type.into();
    NewRing {
        key_type: Some(key_type),
        key_size: (key_type == KeyType::Hmac).then_some(48),
        ..NewRing::default()
    }
}

/// A new ring of this type, named for it.
async fn some_ring(engine: &TestEngine, key_type: impl Into<KeyType>) -> Address {
    let key_type = key_type.into();
    let name = format!("{}-{}", key_type.name(), key_type.number());
    engine.create(&name, &of_type(key_type)).await
}

fn derived_ed25519() -> NewRing {
    NewRing {
        derived: true,
        ..of_type(PairType::Ed25519)
    }
}

fn input((input, context): Message<'_>) -> TagInput {
    TagInput::decode(&base64(input), &base64(context)).expect("base64 is decoded")
}

async fn tag_with(
    engine: &TestEngine,
    at: &Address,
    (kind, key_version): (TagKind, i64),
    message: Message<'_>,
) -> Result<Tag, ItemError> {
    let job = TagJob {
        kind,
        key_version,
        items: vec![Ok(input(message))],
    };
    let made = engine.transit.tag(at, job).await.expect("the job runs");
    made.into_iter().next().expect("one item")
}

async fn tag(engine: &TestEngine, at: &Address, kind: TagKind, message: Message<'_>) -> Tag {
    let made = tag_with(engine, at, (kind, 0), message).await;
    made.expect("it is made")
}

async fn check(
    engine: &TestEngine,
    at: &Address,
    kind: TagKind,
    (message, tag): (Message<'_>, &str),
) -> Result<bool, ItemError> {
    let job = CheckJob {
        kind,
        items: vec![TaggedInput::decode(input(message), tag, kind)],
    };
    let checked = engine.transit.check(at, job).await.expect("the job runs");
    checked.into_iter().next().expect("one item")
}

/// The raw bytes behind `vault:v<version>:`.
fn payload(text: &str) -> Vec<u8> {
    let (_, payload) = text.rsplit_once(':').expect("a payload");
    let mut bytes = Vec::new();
    keyring::base64::decode_append(payload.as_bytes(), &mut bytes).expect("base64");
    bytes
}

#[tokio::test]
async fn what_a_ring_signs_it_verifies_and_no_other_input_or_ring_does() {
    let engine = TestEngine::in_memory().await;
    for pair_type in PairType::ALL {
        let at = some_ring(&engine, pair_type).await;
        // Finding long RSA keys takes long, so the other one is short.
        let other_type = if pair_type.is_rsa() {
            PairType::Rsa2048
        } else {
            pair_type
        };
        let other = engine
            .create(&format!("other-{pair_type:?}"), &of_type(other_type))
            .await;
        let made = tag(&engine, &at, signature(), MESSAGE).await;
        assert!(made.text.starts_with("vault:v1:"), "{}", made.text);
        assert_eq!((made.version, made.public_key), (Version::FIRST, None));
        let cases = [
            (&at, MESSAGE, true),
            (&at, OTHER, false),
            (&at, (b"".as_slice(), b"".as_slice()), false),
            (&other, MESSAGE, false),
            // Nothing is derived, so a context changes nothing.
            (&at, (MESSAGE.0, b"context".as_slice()), true),
        ];
        for (at, message, valid) in cases {
            let checked = check(&engine, at, signature(), (message, &made.text)).await;
            assert_eq!(checked, Ok(valid), "{pair_type:?} {}", at.name);
        }
    }
}

#[tokio::test]
async fn each_version_verifies_its_own_signatures_and_no_other_versions() {
    let engine = TestEngine::in_memory().await;
    let short = PairType::ALL
        .into_iter()
        .filter(|pair_type| !matches!(pair_type, PairType::Rsa3072 | PairType::Rsa4096));
    for key_type in short.map(KeyType::from).chain([KeyType::Hmac]) {
        let at = some_ring(&engine, key_type).await;
        for kind in kinds(key_type) {
            let version = engine.latest(&at).await;
            let first = tag(&engine, &at, kind, MESSAGE).await.text;
            engine.rotate(&at).await;
            let second = tag(&engine, &at, kind, MESSAGE).await.text;
            let rest = second.strip_prefix(&format!("vault:v{}:", version + 1));
            let disguised = format!("vault:v{version}:{}", rest.expect("the next version"));
            for (text, valid) in [(&first, true), (&second, true), (&disguised, false)] {
                let checked = check(&engine, &at, kind, (MESSAGE, text)).await;
                assert_eq!(checked, Ok(valid), "{key_type} {text}");
            }
        }
    }
}

#[tokio::test]
async fn signatures_for_the_web_are_written_without_padding() {
    let engine = TestEngine::in_memory().await;
    let kind = TagKind::Signature(SignatureOptions {
        marshaling: Marshaling::Jws,
        ..SignatureOptions::default()
    });
    for (pair_type, length) in [
        (PairType::EcdsaP256, 86),
        (PairType::EcdsaP384, 128),
        (PairType::EcdsaP521, 176),
    ] {
        let at = engine.create(pair_type.name(), &of_type(pair_type)).await;
        // Enough of them that one of the characters would show.
        for _ in 0..16 {
            let text = tag(&engine, &at, kind, MESSAGE).await.text;
            let payload = text.strip_prefix("vault:v1:").expect("the first version");
            assert_eq!(payload.len(), length, "{text}");
            assert!(!payload.contains(['+', '/', '=']), "{text}");
            assert_eq!(check(&engine, &at, kind, (MESSAGE, &text)).await, Ok(true));
            assert_eq!(check(&engine, &at, kind, (OTHER, &text)).await, Ok(false));
        }
    }
}

#[tokio::test]
async fn rsa_signatures_of_either_padding_are_not_those_of_the_other() {
    let engine = TestEngine::in_memory().await;
    let at = engine.create("rsa", &of_type(PairType::Rsa2048)).await;
    let [pss, pkcs1] = [RsaScheme::Pss, RsaScheme::Pkcs1v15].map(|scheme| {
        TagKind::Signature(SignatureOptions {
            scheme,
            ..SignatureOptions::default()
        })
    });
    for (made_as, other) in [(pss, pkcs1), (pkcs1, pss)] {
        let text = tag(&engine, &at, made_as, MESSAGE).await.text;
        for (checked_as, valid) in [(made_as, true), (other, false)] {
            let checked = check(&engine, &at, checked_as, (MESSAGE, &text)).await;
            assert_eq!(checked, Ok(valid));
        }
    }
}

#[tokio::test]
async fn each_context_has_a_key_pair_of_its_own() {
    let engine = TestEngine::in_memory().await;
    let at = engine.create("ring", &derived_ed25519()).await;
    let other = engine.create("other", &derived_ed25519()).await;
    let (one, two) = (
        (MESSAGE.0, b"one".as_slice()),
        (MESSAGE.0, b"two".as_slice()),
    );
    let made = tag(&engine, &at, signature(), one).await;
    let public_key = made.public_key.expect("a derived key is told");
    assert_eq!(public_key.len(), 44);

    let again = tag(&engine, &at, signature(), one).await;
    assert_eq!(again.text, made.text);
    let input_only = tag(&engine, &at, signature(), (OTHER.0, one.1)).await;
    for same in [again, input_only] {
        assert_eq!(same.public_key.as_ref(), Some(&public_key));
    }
    engine.rotate(&at).await;
    for (at, message) in [(&at, two), (&other, one), (&at, one)] {
        let other = tag(&engine, at, signature(), message).await;
        assert_ne!(other.public_key.expect("a key"), public_key);
    }
    for (at, message, valid) in [
        (&at, one, true),
        (&at, two, false),
        (&at, (OTHER.0, one.1), false),
        (&other, one, false),
    ] {
        let checked = check(&engine, at, signature(), (message, &made.text)).await;
        assert_eq!(checked, Ok(valid));
    }
}

#[tokio::test]
async fn a_ring_that_derives_does_not_sign_without_a_context_and_makes_hmacs_without_one() {
    let engine = TestEngine::in_memory().await;
    let at = engine.create("ring", &derived_ed25519()).await;
    let context = (MESSAGE.0, b"context".as_slice());
    let text = tag(&engine, &at, signature(), context).await.text;
    let refused = tag_with(&engine, &at, (signature(), 0), MESSAGE).await;
    assert_eq!(
        refused.map(|made| made.text),
        Err(ItemError::MissingContext)
    );
    let refused = check(&engine, &at, signature(), (MESSAGE, &text)).await;
    assert_eq!(refused, Err(ItemError::MissingContext));

    let with = tag(&engine, &at, HMAC, context).await;
    let without = tag(&engine, &at, HMAC, MESSAGE).await;
    assert_eq!((&with.text, with.public_key), (&without.text, None));
}

#[tokio::test]
async fn rings_of_every_type_make_hmacs_that_no_other_input_or_ring_has() {
    let engine = TestEngine::in_memory().await;
    let cold = engine.another_node(quick()).await;
    // The HMAC key has nothing to do with the length of an RSA key.
    let short = KeyType::ALL.into_iter().filter(|key_type| {
        !matches!(
            key_type,
            KeyType::Pair(PairType::Rsa3072 | PairType::Rsa4096)
        )
    });
    let other = engine.create("other", &NewRing::default()).await;
    for key_type in short {
        let at = some_ring(&engine, key_type).await;
        for hash in HashAlgorithm::ALL {
            let kind = TagKind::Hmac(hash);
            let made = tag(&engine, &at, kind, MESSAGE).await;
            assert_eq!((made.version, &made.public_key), (Version::FIRST, &None));
            let elsewhere = tag(&cold, &at, kind, MESSAGE).await;
            assert_eq!(made.text, elsewhere.text, "{key_type} {hash:?}");
            let length = payload(&made.text).len();
            let cut = base64(payload(&made.text).get(..length - 1).expect("shorter"));
            let cut = format!("vault:v1:{cut}");
            let cases = [
                (&at, MESSAGE, &made.text, true),
                (&at, OTHER, &made.text, false),
                (&other, MESSAGE, &made.text, false),
                (&at, MESSAGE, &cut, false),
            ];
            for (at, message, text, valid) in cases {
                let checked = check(&engine, at, kind, (message, text)).await;
                assert_eq!(checked, Ok(valid), "{key_type} {hash:?} {}", at.name);
            }
        }
    }
}

#[tokio::test]
async fn a_ring_of_type_hmac_uses_all_of_its_key_and_keeps_its_size_over_rotations() {
    for (key_type, size, length) in [
        (KeyType::Hmac, Some(32), 32),
        (KeyType::Hmac, Some(77), 77),
        (KeyType::Hmac, Some(512), 512),
        (CipherType::Aes128Gcm96.into(), None, 32),
    ] {
        let (store, kek) = (Arc::new(MemoryStore::new()), Arc::new(MemoryKek::new()));
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(CountingEntropy));
        let engine = TestEngine::with_entropy(store, kek, clock, entropy, quick()).await;
        let new = NewRing {
            key_size: size,
            ..of_type(key_type)
        };
        let at = engine.create("ring", &new).await;
        let key: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let expected = hmac::sign(&key, MESSAGE.0);
        for version in 1..=2 {
            let made = tag(&engine, &at, HMAC, MESSAGE).await;
            assert_eq!(made.version.number(), version);
            assert_eq!(
                payload(&made.text),
                expected.as_ref(),
                "{key_type} {size:?}"
            );
            let described = engine.transit.describe(&at).await.unwrap();
            assert_eq!(described.ring.key_size.map(i64::from), size);
            engine.rotate(&at).await;
        }
    }
}

/// A ring of seven versions with versions in every state, and a tag of each.
struct Ring {
    at: Address,
    kind: TagKind,
    tags: Vec<String>,
}

/// The latest of its versions.
const LATEST: i64 = 7;

impl Ring {
    async fn new(engine: &TestEngine, new: &NewRing, kind: TagKind) -> Self {
        let name = match kind {
            TagKind::Signature(_) => "signs",
            TagKind::Hmac(_) => "authenticates",
        };
        let key_type = new.key_type.expect("a type");
        let name = format!("{name}-{}", key_type.name());
        let at = engine.create(&name, new).await;
        let mut tags = vec![tag(engine, &at, kind, MESSAGE).await.text];
        for _ in 1..LATEST {
            engine.rotate(&at).await;
            tags.push(tag(engine, &at, kind, MESSAGE).await.text);
        }
        let change = PolicyChange {
            min_decryption: Some(4),
            min_encryption: Some(5),
            ..PolicyChange::default()
        };
        engine.configure(&at, &change).await;
        let trimmed = engine.transit.trim(&at, Some(3), &by_hand()).await;
        trimmed.expect("trimmed");
        Self { at, kind, tags }
    }

    async fn tag(&self, node: &TestEngine, key_version: i64) -> Result<i64, ItemError> {
        let made = tag_with(node, &self.at, (self.kind, key_version), MESSAGE).await;
        made.map(|made| i64::from(made.version.number()))
    }

    /// What comes of a tag that names this version.
    async fn check(&self, node: &TestEngine, version: i64) -> Result<bool, ItemError> {
        let place = usize::try_from(version - 1).expect("a version");
        let own = self.tags.get(place).cloned().unwrap_or_else(|| {
            let first = self.tags.first().expect("a tag");
            let (_, payload) = first.rsplit_once(':').expect("a payload");
            format!("vault:v{version}:{payload}")
        });
        check(node, &self.at, self.kind, (MESSAGE, &own)).await
    }
}

#[tokio::test]
async fn tags_are_made_and_checked_with_a_version_in_each_state_as_the_table_says() {
    use ItemError::{TooNew, TooOld, VersionBelowMinimum, VersionNegative};
    let latest = Version::new(7).expect("not zero");
    let above_latest = ItemError::VersionAboveLatest { latest };
    // version, make, check
    let table = [
        (0, Ok(LATEST), None),
        (1, Err(VersionBelowMinimum), Some(Err(TooOld))),
        (2, Err(VersionBelowMinimum), Some(Err(TooOld))),
        (3, Err(VersionBelowMinimum), Some(Err(TooOld))),
        (4, Err(VersionBelowMinimum), Some(Ok(true))),
        (5, Ok(5), Some(Ok(true))),
        (6, Ok(6), Some(Ok(true))),
        (LATEST, Ok(LATEST), Some(Ok(true))),
        (8, Err(above_latest), Some(Err(TooNew))),
        (i64::from(u32::MAX), Err(above_latest), Some(Err(TooNew))),
        (i64::MAX, Err(above_latest), None),
        (-1, Err(VersionNegative), None),
        (i64::MIN, Err(VersionNegative), None),
    ];
    let engine = TestEngine::in_memory().await;
    let mut rings = Vec::new();
    for key_type in [
        KeyType::Pair(PairType::Ed25519),
        KeyType::Pair(PairType::EcdsaP256),
        KeyType::Cipher(CipherType::Aes256Gcm96),
        KeyType::Hmac,
    ] {
        for kind in kinds(key_type) {
            rings.push(Ring::new(&engine, &of_type(key_type), kind).await);
        }
    }
    let cold = engine.another_node(quick()).await;
    for (node, ring) in [&engine, &cold]
        .into_iter()
        .flat_map(|node| rings.iter().map(move |ring| (node, ring)))
    {
        for (version, made, checked) in table {
            let name = &ring.at.name;
            assert_eq!(ring.tag(node, version).await, made, "{name} {version}");
            let Some(checked) = checked else { continue };
            assert_eq!(ring.check(node, version).await, checked, "{name} {version}");
        }
    }
}

#[tokio::test]
async fn without_a_minimum_for_encryption_an_archived_version_makes_no_tags() {
    let engine = TestEngine::in_memory().await;
    let at = engine.create("ring", &of_type(PairType::Ed25519)).await;
    engine.rotate(&at).await;
    let change = PolicyChange {
        min_decryption: Some(2),
        ..PolicyChange::default()
    };
    engine.configure(&at, &change).await;
    for kind in [signature(), HMAC] {
        for (version, expected) in [(1, Err(ItemError::NoSuchVersion)), (2, Ok(2))] {
            let made = tag_with(&engine, &at, (kind, version), MESSAGE).await;
            assert_eq!(made.map(|made| made.version.number()), expected);
        }
    }
}

#[tokio::test]
async fn a_node_that_has_not_heard_of_a_rotation_checks_with_the_new_version() {
    let engine = TestEngine::in_memory().await;
    let node = engine.another_node(quick()).await;
    for (kind, name) in [(signature(), "signs"), (HMAC, "authenticates")] {
        let at = engine.create(name, &of_type(PairType::EcdsaP256)).await;
        tag(&node, &at, kind, MESSAGE).await;
        engine.rotate(&at).await;
        let text = tag(&engine, &at, kind, MESSAGE).await.text;
        assert!(text.starts_with("vault:v2:"), "{text}");
        assert_eq!(check(&node, &at, kind, (MESSAGE, &text)).await, Ok(true));
    }
}

#[tokio::test]
async fn a_text_that_is_no_tag_keeps_its_place_and_its_fault() {
    let engine = TestEngine::in_memory().await;
    let at = engine.create("ring", &of_type(PairType::Ed25519)).await;
    let whole = tag(&engine, &at, signature(), MESSAGE).await.text;
    let table = [
        ("", TagFault::NoPrefix),
        ("vault", TagFault::NoPrefix),
        ("VAULT:v1:YQ==", TagFault::NoPrefix),
        ("vault:v1", TagFault::WrongFields),
        ("vault:v:YQ==", TagFault::BadVersion),
        ("vault:v0:YQ==", TagFault::BadVersion),
        ("vault:v01:YQ==", TagFault::BadVersion),
        ("vault:v-1:YQ==", TagFault::BadVersion),
        ("vault:v4294967296:YQ==", TagFault::BadVersion),
        ("vault:v1:Y", TagFault::BadBase64),
        ("vault:v1:????", TagFault::BadBase64),
    ];
    let broken = table.map(|(text, _)| TaggedInput::decode(input(MESSAGE), text, signature()));
    let sound = TaggedInput::decode(input(MESSAGE), &whole, signature());
    let job = CheckJob {
        kind: signature(),
        items: broken.into_iter().chain([sound]).collect(),
    };
    let checked = engine.transit.check(&at, job).await.unwrap();
    let faults = table.map(|(_, fault)| Err(ItemError::Tag(fault)));
    let expected: Vec<_> = faults.into_iter().chain([Ok(true)]).collect();
    assert_eq!(checked, expected);
}

#[tokio::test]
async fn tags_of_many_inputs_come_in_their_order() {
    let engine = TestEngine::in_memory().await;
    let at = engine.create("ring", &of_type(PairType::Ed25519)).await;
    for kind in [signature(), HMAC] {
        let texts: Vec<_> = (0..500).map(|number: u32| number.to_string()).collect();
        let items = texts.iter().map(|text| match text.as_str() {
            "7" | "300" => TagInput::decode("?", ""),
            text => TagInput::decode(&base64(text.as_bytes()), ""),
        });
        let job = TagJob {
            kind,
            key_version: 0,
            items: items.collect(),
        };
        let made = engine.transit.tag(&at, job).await.unwrap();
        assert_eq!(made.len(), texts.len());
        for (text, made) in texts.iter().zip(made) {
            if text == "7" || text == "300" {
                assert!(matches!(made, Err(ItemError::Input(_))), "{made:?}");
                continue;
            }
            let made = made.expect("it is made").text;
            let message = (text.as_bytes(), b"".as_slice());
            let checked = check(&engine, &at, kind, (message, &made)).await;
            assert_eq!(checked, Ok(true), "{text}");
        }
    }
}

#[tokio::test]
async fn warm_tags_touch_neither_store_nor_kek() {
    let store = Arc::new(FaultyStore::over(Arc::new(MemoryStore::new())));
    let engine = TestEngine::on(store.clone(), quick()).await;
    let mut rings = Vec::new();
    for new in [
        of_type(PairType::EcdsaP256),
        of_type(PairType::Rsa2048),
        derived_ed25519(),
        of_type(KeyType::Hmac),
        of_type(CipherType::Aes256GcmSiv),
    ] {
        let key_type = new.key_type.expect("a type");
        rings.push((engine.create(key_type.name(), &new).await, kinds(key_type)));
    }
    let message = (MESSAGE.0, b"context".as_slice());
    let cold = engine.another_node(quick()).await;
    let before = (cold.counts.cold(), store.loads());
    for (at, kinds) in &rings {
        for kind in kinds {
            tag(&cold, at, *kind, message).await;
        }
    }
    let after = (cold.counts.cold(), store.loads());
    assert_eq!(
        (after.0.0 - before.0.0, after.0.1 - before.0.1),
        (5, 5),
        "each ring is loaded and opened once"
    );
    assert_eq!(after.1 - before.1, 5);

    let (wraps, leases) = (cold.counts.wraps.load(Ordering::SeqCst), store.leases());
    store.set_away(true);
    engine.kek.set_away(true);
    for (at, kinds) in &rings {
        for kind in kinds {
            for _ in 0..3 {
                let text = tag(&cold, at, *kind, message).await.text;
                let checked = check(&cold, at, *kind, (message, &text)).await;
                assert_eq!(checked, Ok(true));
            }
        }
    }
    assert_eq!((cold.counts.cold(), store.loads()), after);
    let calls = (cold.counts.wraps.load(Ordering::SeqCst), store.leases());
    assert_eq!(calls, (wraps, leases), "and no uses are booked");
}

/// A job of one ciphertext with this associated data, kept or replaced.
fn opening(ciphertext: &str, data: (&[u8], Option<&[u8]>)) -> Job {
    let replaced = data.1.map(base64);
    let mut job = Job::new();
    job.push_ciphertext(&OpenInput {
        ciphertext,
        associated_data: &base64(data.0),
        new_associated_data: replaced.as_deref(),
        ..OpenInput::default()
    });
    job
}

fn sealing(plaintext: &[u8], associated_data: &[u8]) -> Job {
    let mut job = Job::new();
    job.push_plaintext(&SealInput {
        plaintext: &base64(plaintext),
        associated_data: &base64(associated_data),
        ..SealInput::default()
    });
    job
}

/// The text of the one item, or its error.
fn one(outcomes: Result<Outcomes, Error>) -> Result<String, ItemError> {
    let outcomes = outcomes.expect("the job runs");
    let done = outcomes.iter().next().expect("one item");
    done.map(|done| done.text.to_owned())
}

#[tokio::test]
async fn rsa_rings_encrypt_decrypt_and_rewrap() {
    let engine = TestEngine::in_memory().await;
    let at = engine.create("ring", &of_type(PairType::Rsa2048)).await;
    let other = engine.create("other", &of_type(PairType::Rsa2048)).await;
    let longest = [7; 190];
    for plaintext in [b"".as_slice(), b"x", b"4111 1111 1111 1111", &longest] {
        let sealed = engine.encrypt(&at, plaintext).await.unwrap();
        assert!(sealed.starts_with("vault:v1:"), "{sealed}");
        assert_eq!(payload(&sealed).len(), 256);
        let again = engine.encrypt(&at, plaintext).await.unwrap();
        assert_ne!(sealed, again, "OAEP is random");
        for sealed in [&sealed, &again] {
            assert_eq!(
                engine.decrypt(&at, sealed).await.unwrap(),
                base64(plaintext)
            );
        }
        let elsewhere = one(engine
            .transit
            .decrypt(&other, opening(&sealed, (b"", None)))
            .await);
        assert_eq!(elsewhere, Err(ItemError::Oaep(OaepError::Failed)));
    }
    let sealed = engine.encrypt(&at, b"x").await.unwrap();
    engine.rotate(&at).await;
    let rewrapped = engine
        .transit
        .rewrap(&at, opening(&sealed, (b"", None)))
        .await;
    let rewrapped = only(&rewrapped.unwrap()).unwrap();
    assert!(rewrapped.starts_with("vault:v2:"), "{rewrapped}");
    for sealed in [&sealed, &rewrapped] {
        assert_eq!(engine.decrypt(&at, sealed).await.unwrap(), base64(b"x"));
    }
    let new = NewDataKey {
        length: 32,
        context: "",
        associated_data: "",
        key_version: 0,
    };
    let key = engine.transit.data_key(&at, new).await.unwrap();
    let opened = engine.decrypt(&at, &key.ciphertext).await.unwrap();
    assert_eq!(opened.as_bytes(), key.plaintext.expose_secret());
}

#[tokio::test]
async fn rsa_rings_refuse_what_does_not_fit_or_cannot_be_bound_and_keep_the_order() {
    let engine = TestEngine::in_memory().await;
    let key_type = KeyType::Pair(PairType::Rsa2048);
    let at = engine.create("ring", &of_type(key_type)).await;
    let transit = &engine.transit;
    let sealed = engine.encrypt(&at, b"x").await.unwrap();
    let too_long = ItemError::Oaep(OaepError::TooLong);
    assert_eq!(
        one(transit.encrypt(&at, sealing(&[7; 191], b"")).await),
        Err(too_long)
    );

    let not_aead = Err(ItemError::NotAead(key_type));
    assert_eq!(
        one(transit.encrypt(&at, sealing(b"x", b"data")).await),
        not_aead
    );
    let data: [(&[u8], Option<&[u8]>); 3] =
        [(b"data", None), (b"data", Some(b"")), (b"", Some(b"data"))];
    for data in data {
        let refused = one(transit.rewrap(&at, opening(&sealed, data)).await);
        assert_eq!(refused, not_aead, "{data:?}");
        let refused = one(transit.decrypt(&at, opening(&sealed, data)).await);
        assert_eq!(refused, not_aead, "{data:?}");
    }
    for bytes in [
        Vec::new(),
        vec![0; 255],
        vec![0; 256],
        vec![0xFF; 256],
        vec![0; 257],
    ] {
        let text = format!("vault:v1:{}", base64(&bytes));
        let refused = one(transit.decrypt(&at, opening(&text, (b"", None))).await);
        let failed = Err(ItemError::Oaep(OaepError::Failed));
        assert_eq!(refused, failed, "{} bytes", bytes.len());
    }

    let mut batch = Job::new();
    for number in 0..40 {
        let plaintext = base64(&vec![7; number * 10]);
        batch.push_plaintext(&SealInput {
            plaintext: &plaintext,
            ..SealInput::default()
        });
    }
    let outcomes = transit.encrypt(&at, batch).await.unwrap();
    for (number, outcome) in outcomes.iter().enumerate() {
        match outcome.map(|done| done.text.to_owned()) {
            Ok(text) => {
                let opened = engine.decrypt(&at, &text).await.unwrap();
                assert_eq!(opened, base64(&vec![7; number * 10]));
            }
            Err(error) => assert_eq!((error, number >= 20), (too_long, true)),
        }
    }
    assert_eq!(outcomes.summary().failed, 20);
}

fn unsupported<T: std::fmt::Debug>(result: &Result<T, Error>, key_type: KeyType) {
    let refused = matches!(result, Err(Error::Unsupported(found)) if *found == key_type);
    assert!(refused, "{key_type}: {result:?}");
}

#[tokio::test]
async fn keys_that_cannot_do_something_are_not_asked_to() {
    let engine = TestEngine::in_memory().await;
    let transit = &engine.transit;
    let not_rsa = KeyType::ALL
        .into_iter()
        .filter(|key_type| !key_type.pair().is_some_and(PairType::is_rsa));
    for key_type in not_rsa {
        let at = some_ring(&engine, key_type).await;
        if key_type.cipher().is_none() {
            let text = "vault:v1:AAAA";
            unsupported(&transit.encrypt(&at, sealing(b"x", b"")).await, key_type);
            unsupported(
                &transit.decrypt(&at, opening(text, (b"", None))).await,
                key_type,
            );
            unsupported(
                &transit.rewrap(&at, opening(text, (b"", None))).await,
                key_type,
            );
            let new = NewDataKey {
                length: 32,
                context: "",
                associated_data: "",
                key_version: 0,
            };
            unsupported(&transit.data_key(&at, new).await, key_type);
        }
        if key_type.pair().is_none() {
            let job = TagJob {
                kind: signature(),
                key_version: 0,
                items: vec![Ok(input(MESSAGE))],
            };
            unsupported(&transit.tag(&at, job).await, key_type);
            let text = TaggedInput::decode(input(MESSAGE), "vault:v1:AAAA", signature());
            let job = CheckJob {
                kind: signature(),
                items: vec![text],
            };
            unsupported(&transit.check(&at, job).await, key_type);
        }
    }
}

fn set_aside<T: std::fmt::Debug>(what: &str, result: &Result<T, Error>) {
    let refused = matches!(result, Err(Error::Rule(RuleViolation::SoftDeleted)));
    assert!(refused, "{what}: {result:?}");
}

#[tokio::test]
async fn a_ring_that_is_set_aside_keeps_everything_and_serves_nothing_until_it_is_back() {
    let engine = TestEngine::in_memory().await;
    let transit = &engine.transit;
    // RSA keys do all that there is to do.
    let at = engine.create("ring", &of_type(PairType::Rsa2048)).await;
    let sealed = engine.encrypt(&at, b"x").await.unwrap();
    let signed = tag(&engine, &at, signature(), MESSAGE).await.text;
    let (ring, changed) = transit.set_aside(&at, true, &by_hand()).await.unwrap();
    assert!(ring.ring.soft_deleted && changed);

    let cold = engine.another_node(quick()).await;
    for node in [&engine, &cold] {
        let transit = &node.transit;
        set_aside("encrypt", &transit.encrypt(&at, sealing(b"x", b"")).await);
        let opened = || opening(&sealed, (b"", None));
        set_aside("decrypt", &transit.decrypt(&at, opened()).await);
        set_aside("rewrap", &transit.rewrap(&at, opened()).await);
        for kind in [signature(), HMAC] {
            let job = TagJob {
                kind,
                key_version: 0,
                items: vec![Ok(input(MESSAGE))],
            };
            set_aside("tag", &transit.tag(&at, job).await);
            let job = CheckJob {
                kind,
                items: vec![TaggedInput::decode(input(MESSAGE), &signed, kind)],
            };
            set_aside("check", &transit.check(&at, job).await);
        }
        set_aside("rotate", &transit.rotate(&at, None, &by_hand()).await);
    }
    let (ring, changed) = transit.set_aside(&at, true, &by_hand()).await.unwrap();
    assert!(ring.ring.soft_deleted && !changed, "twice is once");
    engine.configure(&at, &PolicyChange::default()).await;

    let (ring, changed) = transit.set_aside(&at, false, &by_hand()).await.unwrap();
    assert!(!ring.ring.soft_deleted && changed);
    assert_eq!(engine.decrypt(&at, &sealed).await.unwrap(), base64(b"x"));
    let checked = check(&engine, &at, signature(), (MESSAGE, &signed)).await;
    assert_eq!(checked, Ok(true));
    engine.rotate(&at).await;
}

#[tokio::test]
async fn key_sizes_are_for_keys_of_type_hmac_which_need_one_of_32_to_512_bytes() {
    use RuleViolation::{KeySizeMissing, KeySizeNotTaken, KeySizeOutOfRange};
    let aes = KeyType::Cipher(CipherType::Aes256GcmSiv);
    let ed25519 = KeyType::Pair(PairType::Ed25519);
    let table = [
        (KeyType::Hmac, None, Err(KeySizeMissing)),
        (KeyType::Hmac, Some(0), Err(KeySizeMissing)),
        (KeyType::Hmac, Some(31), Err(KeySizeOutOfRange(31))),
        (KeyType::Hmac, Some(32), Ok(Some(32))),
        (KeyType::Hmac, Some(512), Ok(Some(512))),
        (KeyType::Hmac, Some(513), Err(KeySizeOutOfRange(513))),
        (KeyType::Hmac, Some(-1), Err(KeySizeOutOfRange(-1))),
        (
            KeyType::Hmac,
            Some(i64::MAX),
            Err(KeySizeOutOfRange(i64::MAX)),
        ),
        (
            KeyType::Hmac,
            Some((1 << 32) + 32),
            Err(KeySizeOutOfRange((1 << 32) + 32)),
        ),
        (aes, None, Ok(None)),
        (aes, Some(0), Ok(None)),
        (aes, Some(32), Err(KeySizeNotTaken(aes))),
        (aes, Some(-1), Err(KeySizeNotTaken(aes))),
        (ed25519, Some(0), Ok(None)),
        (ed25519, Some(32), Err(KeySizeNotTaken(ed25519))),
    ];
    let engine = TestEngine::in_memory().await;
    for (number, (key_type, key_size, expected)) in table.into_iter().enumerate() {
        let at = engine.at(&format!("ring-{number}"));
        let new = NewRing {
            key_size,
            ..of_type(key_type)
        };
        let created = engine.transit.create(&at, &new, &by_hand()).await;
        match created {
            Ok(created) => assert_eq!(Ok(created.ring.key_size), expected, "{new:?}"),
            Err(Error::Rule(violation)) => {
                assert_eq!(Err(violation), expected, "{new:?}");
                assert!(!engine.transit.is_there(&at).await.unwrap());
            }
            Err(error) => panic!("{new:?}: {error}"),
        }
    }
    let texts = [
        (
            KeySizeMissing,
            "invalid key size for HMAC key, must be between 32 and 512 bytes",
        ),
        (KeySizeOutOfRange(-7), "invalid key_size -7"),
        (
            KeySizeNotTaken(aes),
            "key_size is not valid for algorithm aes256-gcm-siv",
        ),
    ];
    for (violation, text) in texts {
        assert_eq!(violation.to_string(), text);
    }
}

/// What the protocol says of a ring with these settings.
fn documented(new: &NewRing) -> Option<String> {
    let key_type = new.key_type.expect("a type");
    let name = key_type.name();
    let is_cipher = ["aes", "cha", "xch"]
        .iter()
        .any(|word| name.starts_with(word));
    let size = new.key_size.unwrap_or_default();
    if new.convergent && !new.derived {
        Some("convergent encryption requires derivation to be enabled".to_owned())
    } else if size != 0 && name != "hmac" {
        Some(format!("key_size is not valid for algorithm {name}"))
    } else if size == 0 && name == "hmac" {
        Some("invalid key size for HMAC key, must be between 32 and 512 bytes".to_owned())
    } else if new.derived && !is_cipher && name != "ed25519" {
        Some(format!(
            "key derivation and convergent encryption not supported for keys of type {name}"
        ))
    } else if new.convergent && name == "ed25519" {
        Some("convergent encryption not supported for keys of type ed25519".to_owned())
    } else {
        None
    }
}

/// Every type with every choice a caller has.
fn every_new_ring() -> Vec<NewRing> {
    let mut all = Vec::new();
    for key_type in KeyType::ALL {
        for key_size in [None, Some(0), Some(32)] {
            all.extend((0..8).map(|flags| NewRing {
                key_type: Some(key_type),
                derived: flags & 1 != 0,
                convergent: flags & 2 != 0,
                exportable: flags & 4 != 0,
                key_size,
                ..NewRing::default()
            }));
        }
    }
    all
}

#[tokio::test]
async fn rings_of_every_type_and_setting_are_created_or_refused_as_documented() {
    let engine = TestEngine::in_memory().await;
    let mut created = 0;
    for (number, new) in every_new_ring().into_iter().enumerate() {
        let expected = documented(&new);
        let key_type = new.key_type.expect("a type");
        if expected.is_none() && key_type.pair().is_some_and(PairType::is_rsa) {
            // Finding RSA keys takes long, and other tests do it.
            continue;
        }
        let at = engine.at(&format!("ring-{number}"));
        let outcome = engine.transit.create(&at, &new, &by_hand()).await;
        let described = match outcome {
            Ok(described) => described,
            Err(Error::Rule(violation)) => {
                assert_eq!(Some(violation.to_string()), expected, "{new:?}");
                assert!(!engine.transit.is_there(&at).await.unwrap());
                continue;
            }
            Err(error) => panic!("{new:?}: {error}"),
        };
        assert_eq!(expected, None, "{new:?}");
        created += 1;
        let ring = &described.ring;
        let found = (ring.key_type, ring.derived, ring.convergent, ring.kdf);
        assert_eq!(found, (key_type, new.derived, new.convergent, Kdf::Hkdf));
        assert_eq!(ring.policy.exportable, new.exportable);
        let size = (key_type == KeyType::Hmac).then_some(32);
        assert_eq!(ring.key_size, size, "{new:?}");
        let has_public_key = described
            .versions
            .iter()
            .all(|version| version.public_key.is_some());
        assert_eq!(has_public_key, key_type.signs(), "{new:?}");
        let made = tag(&engine, &at, HMAC, MESSAGE).await;
        let checked = check(&engine, &at, HMAC, (MESSAGE, &made.text)).await;
        assert_eq!(checked, Ok(true), "{new:?}");
    }
    // Ciphers: not derived, derived, convergent. Ed25519: not derived, derived. ECDSA and ML-DSA: not derived.
    // Each exportable or not, with no size or 0; and HMAC with 32.
    assert_eq!(created, 4 * (5 * 3 + 2 + 6) + 2);
}
