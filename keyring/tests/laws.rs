//! Laws of the data path: what holds for every key type, with and without derivation, contexts, associated data,
//! versions and batches.

use std::sync::Arc;

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use keyring::algorithm::CipherType;
use keyring::base64::decode_append;
use keyring::ciphertext::CiphertextError;
use keyring::clock::SystemClock;
use keyring::error::{Error, ItemError};
use keyring::job::{Job, OpenInput, Outcomes, SealInput};
use keyring::policy::PolicyChange;
use keyring::store::memory::MemoryStore;
use keyring::test_support::engine::{MemoryKek, TestEngine, base64, by_hand, only, quick, rounds};
use keyring::test_support::entropy::{CountingEntropy, MASK, RecordingEntropy};
use keyring::transit::{Address, NewDataKey, NewRing};
use keyring::version::Version;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Everything that a ciphertext depends on, as bytes.
#[derive(Clone, Debug)]
struct Message {
    plaintext: Vec<u8>,
    context: Vec<u8>,
    associated_data: Vec<u8>,
}

impl Message {
    fn texts(&self) -> [String; 3] {
        [&self.plaintext, &self.context, &self.associated_data].map(|bytes| base64(bytes))
    }
}

fn any_ring() -> impl Strategy<Value = NewRing> {
    let kinds = vec![(false, false), (true, false), (true, true)];
    (select(&CipherType::ALL), select(kinds)).prop_map(|(key_type, (derived, convergent))| {
        NewRing {
            key_type: Some(key_type.into()),
            derived,
            convergent,
            ..NewRing::default()
        }
    })
}

fn any_message() -> impl Strategy<Value = Message> {
    let plaintext = vec(any::<u8>(), 0..200);
    let context = vec(any::<u8>(), 1..40);
    let associated_data = vec(any::<u8>(), 0..40);
    (plaintext, context, associated_data).prop_map(|(plaintext, context, associated_data)| {
        Message {
            plaintext,
            context,
            associated_data,
        }
    })
}

async fn encrypt(
    engine: &TestEngine,
    at: &Address,
    message: &Message,
    key_version: i64,
) -> Result<String, Error> {
    let [plaintext, context, associated_data] = message.texts();
    let mut job = Job::new();
    job.push_plaintext(&SealInput {
        plaintext: &plaintext,
        context: &context,
        associated_data: &associated_data,
        key_version,
    });
    only(&engine.transit.encrypt(at, job).await?)
}

/// Decrypts with the message's context and associated data.
async fn decrypt(
    engine: &TestEngine,
    at: &Address,
    message: &Message,
    ciphertext: &str,
) -> Result<String, Error> {
    let [_, context, associated_data] = message.texts();
    let mut job = Job::new();
    job.push_ciphertext(&OpenInput {
        ciphertext,
        context: &context,
        associated_data: &associated_data,
        ..OpenInput::default()
    });
    only(&engine.transit.decrypt(at, job).await?)
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(test)
}

fn is_authentication(result: &Result<String, Error>) -> bool {
    matches!(result, Err(Error::Item(ItemError::Authentication(_))))
}

/// The ciphertext with one bit of its payload flipped.
fn flipped(ciphertext: &str, bit: Index) -> String {
    let (prefix, payload) = ciphertext.rsplit_once(':').expect("a ciphertext");
    let mut bytes = Vec::new();
    decode_append(payload.as_bytes(), &mut bytes).expect("base64");
    let bit = bit.index(bytes.len() * 8);
    if let Some(byte) = bytes.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
    format!("{prefix}:{}", base64(&bytes))
}

fn with_version(ciphertext: &str, version: u32) -> String {
    let (_, payload) = ciphertext.rsplit_once(':').expect("a ciphertext");
    format!("vault:v{version}:{payload}")
}

fn cases() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(u32::try_from(rounds(64, 1000)).unwrap_or(64))
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn decrypt_undoes_encrypt_with_every_version_and_still_does_after_rotations(
        ring in any_ring(),
        message in any_message(),
        versions in 1..4_i64,
        sealed_with in 0..4_i64,
        rotations_after in 0..3,
    ) {
        run(async {
            let engine = TestEngine::in_memory().await;
            let at = engine.create("ring", &ring).await;
            for _ in 1..versions {
                engine.rotate(&at).await;
            }
            let sealed_with = sealed_with.min(versions);
            let ciphertext = encrypt(&engine, &at, &message, sealed_with).await.unwrap();
            let number = if sealed_with == 0 { versions } else { sealed_with };
            prop_assert!(ciphertext.starts_with(&format!("vault:v{number}:")), "{ciphertext}");
            for _ in 0..rotations_after {
                engine.rotate(&at).await;
            }
            let cold = engine.another_node(quick()).await;
            for node in [&engine, &cold] {
                let plaintext = decrypt(node, &at, &message, &ciphertext).await.unwrap();
                prop_assert_eq!(plaintext, base64(&message.plaintext));
            }
            Ok(())
        })?;
    }

    #[test]
    fn rewrap_keeps_the_plaintext_and_moves_to_the_version_and_the_associated_data_asked_for(
        ring in any_ring(),
        message in any_message(),
        new_data in proptest::option::of(vec(any::<u8>(), 0..40)),
        asked in 0..4_i64,
    ) {
        run(async {
            let engine = TestEngine::in_memory().await;
            let at = engine.create("ring", &ring).await;
            let old = encrypt(&engine, &at, &message, 0).await.unwrap();
            engine.rotate(&at).await;
            engine.rotate(&at).await;
            let [_, context, associated_data] = message.texts();
            let new_text = new_data.as_deref().map(base64);
            let mut job = Job::new();
            job.push_ciphertext(&OpenInput {
                ciphertext: &old,
                context: &context,
                associated_data: &associated_data,
                new_associated_data: new_text.as_deref(),
                key_version: asked,
            });
            let rewrapped = only(&engine.transit.rewrap(&at, job).await.unwrap()).unwrap();
            let number = if asked == 0 { 3 } else { asked };
            prop_assert!(rewrapped.starts_with(&format!("vault:v{number}:")), "{rewrapped}");
            let moved = Message {
                associated_data: new_data.unwrap_or_else(|| message.associated_data.clone()),
                ..message.clone()
            };
            let plaintext = decrypt(&engine, &at, &moved, &rewrapped).await.unwrap();
            prop_assert_eq!(plaintext, base64(&message.plaintext));
            if moved.associated_data != message.associated_data {
                prop_assert!(is_authentication(&decrypt(&engine, &at, &message, &rewrapped).await));
            }
            if !ring.convergent {
                prop_assert_ne!(old, rewrapped);
            }
            Ok(())
        })?;
    }

    #[test]
    fn nothing_opens_with_a_flipped_bit_or_under_another_name_version_context_or_associated_data(
        ring in any_ring(),
        message in any_message(),
        bit in any::<Index>(),
        other in vec(any::<u8>(), 1..40),
    ) {
        run(async {
            let engine = TestEngine::in_memory().await;
            let at = engine.create("ring", &ring).await;
            let elsewhere = engine.create("other", &ring).await;
            let ciphertext = encrypt(&engine, &at, &message, 0).await.unwrap();
            engine.rotate(&at).await;
            let changed = [flipped(&ciphertext, bit), with_version(&ciphertext, 2)];
            for changed in changed {
                let result = decrypt(&engine, &at, &message, &changed).await;
                prop_assert!(is_authentication(&result), "{result:?}");
            }
            let result = decrypt(&engine, &elsewhere, &message, &ciphertext).await;
            prop_assert!(is_authentication(&result), "another name: {result:?}");
            if other != message.associated_data {
                let wrong = Message { associated_data: other.clone(), ..message.clone() };
                let result = decrypt(&engine, &at, &wrong, &ciphertext).await;
                prop_assert!(is_authentication(&result), "other data: {result:?}");
            }
            if other != message.context {
                let wrong = Message { context: other, ..message.clone() };
                let result = decrypt(&engine, &at, &wrong, &ciphertext).await;
                prop_assert_eq!(is_authentication(&result), ring.derived, "other context: {:?}", result);
            }
            Ok(())
        })?;
    }

    #[test]
    fn every_changed_letter_of_a_ciphertext_is_refused(
        ring in any_ring(),
        message in any_message(),
        at_letter in any::<Index>(),
        letter in any::<char>(),
    ) {
        run(async {
            let engine = TestEngine::in_memory().await;
            let at = engine.create("ring", &ring).await;
            let ciphertext = encrypt(&engine, &at, &message, 0).await.unwrap();
            let place = at_letter.index(ciphertext.len());
            let mut changed = ciphertext.clone();
            changed.replace_range(place..=place, letter.encode_utf8(&mut [0; 4]));
            if changed != ciphertext {
                let result = decrypt(&engine, &at, &message, &changed).await;
                prop_assert!(
                    matches!(
                        result,
                        Err(Error::Item(
                            ItemError::Authentication(_) | ItemError::Ciphertext(_) | ItemError::TooNew
                        ))
                    ),
                    "{changed}: {result:?}"
                );
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_batch_is_the_map_of_its_items_with_every_error_in_its_place(
        ring in any_ring(),
        items in vec((any_message(), 0..7_usize), 1..40),
    ) {
        run(async {
            let engine = TestEngine::in_memory().await;
            let at = engine.create("ring", &ring).await;
            engine.rotate(&at).await;
            let damaged = damaged(&engine, &at, &items).await;
            let mut batch = Job::new();
            let mut singles = Vec::new();
            for (message, text) in &damaged {
                let [_, context, associated_data] = message.texts();
                let input = OpenInput {
                    ciphertext: text,
                    context: &context,
                    associated_data: &associated_data,
                    ..OpenInput::default()
                };
                batch.push_ciphertext(&input);
                let mut job = Job::new();
                job.push_ciphertext(&input);
                singles.extend(texts(&engine.transit.decrypt(&at, job).await.unwrap()));
            }
            let batch = engine.transit.decrypt(&at, batch).await.unwrap();
            prop_assert_eq!(batch.len(), damaged.len());
            prop_assert_eq!(texts(&batch), singles);
            Ok(())
        })?;
    }

    #[test]
    fn equal_convergent_input_gives_equal_ciphertext_and_other_associated_data_another_nonce(
        key_type in select(&CipherType::ALL),
        message in any_message(),
        other in vec(any::<u8>(), 1..40),
    ) {
        run(async {
            let engine = TestEngine::in_memory().await;
            let new = NewRing {
                key_type: Some(key_type.into()),
                derived: true,
                convergent: true,
                ..NewRing::default()
            };
            let at = engine.create("ring", &new).await;
            let cold = engine.another_node(quick()).await;
            let one = encrypt(&engine, &at, &message, 0).await.unwrap();
            prop_assert_eq!(&one, &encrypt(&cold, &at, &message, 0).await.unwrap());
            let others = [
                Message { associated_data: other.clone(), ..message.clone() },
                Message { context: other.clone(), ..message.clone() },
                Message { plaintext: other, ..message.clone() },
            ];
            let changed = others.iter().filter(|other| other.texts() != message.texts());
            for other in changed {
                let other = encrypt(&engine, &at, other, 0).await.unwrap();
                prop_assert_ne!(nonce(key_type, &one), nonce(key_type, &other));
            }
            Ok(())
        })?;
    }
}

/// Each message as ciphertext, some in a way that does not decrypt.
async fn damaged(
    engine: &TestEngine,
    at: &Address,
    items: &[(Message, usize)],
) -> Vec<(Message, String)> {
    let mut damaged = Vec::new();
    for (message, damage) in items {
        let good = encrypt(engine, at, message, 1).await.expect("encrypted");
        let text = match damage {
            0 => String::new(),
            1 => "vault:v1:".to_owned(),
            2 => with_version(&good, 2),
            3 => with_version(&good, 9),
            4 => format!("{good}="),
            _ => good,
        };
        damaged.push((message.clone(), text));
    }
    damaged
}

fn texts(outcomes: &Outcomes) -> Vec<Result<String, ItemError>> {
    let texts = outcomes.iter();
    texts
        .map(|outcome| outcome.map(|done| done.text.to_owned()))
        .collect()
}

fn nonce(key_type: CipherType, ciphertext: &str) -> Vec<u8> {
    let (_, payload) = ciphertext.rsplit_once(':').expect("a ciphertext");
    let mut bytes = Vec::new();
    decode_append(payload.as_bytes(), &mut bytes).expect("base64");
    bytes.truncate(key_type.nonce_len());
    bytes
}

#[test]
fn below_the_minimum_for_decryption_nothing_opens_and_above_it_everything_does() {
    run(async {
        let engine = TestEngine::in_memory().await;
        let at = engine.create("ring", &NewRing::default()).await;
        let mut sealed = vec![engine.encrypt(&at, b"x").await.unwrap()];
        for _ in 0..3 {
            engine.rotate(&at).await;
            sealed.push(engine.encrypt(&at, b"x").await.unwrap());
        }
        for minimum in [2, 3, 4, 1] {
            let change = PolicyChange {
                min_decryption: Some(minimum),
                ..PolicyChange::default()
            };
            engine.configure(&at, &change).await;
            for (version, text) in (1..).zip(&sealed) {
                match engine.decrypt(&at, text).await {
                    Ok(_) => assert!(version >= minimum),
                    Err(Error::Item(ItemError::TooOld)) => assert!(version < minimum),
                    Err(error) => panic!("{error}"),
                }
            }
        }
    });
}

#[test]
fn a_large_batch_on_the_pool_gives_what_small_ones_give_where_the_request_is() {
    run(async {
        let engine = TestEngine::in_memory().await;
        let at = engine.create("ring", &NewRing::default()).await;
        let count = rounds(5000, 100_000);
        let plaintexts: Vec<_> = (0..count)
            .map(|i| base64(i.to_string().as_bytes()))
            .collect();
        let mut job = Job::new();
        for (index, plaintext) in plaintexts.iter().enumerate() {
            // Every tenth is broken, every ninth asks for a version that is not there.
            let broken = index % 10 == 3;
            job.push_plaintext(&SealInput {
                plaintext: if broken { "????" } else { plaintext },
                key_version: if index % 9 == 5 { 7 } else { 0 },
                ..SealInput::default()
            });
        }
        let sealed = texts(&engine.transit.encrypt(&at, job).await.unwrap());
        assert_eq!(sealed.len(), count);
        for (index, outcome) in sealed.iter().enumerate() {
            match outcome {
                Ok(text) => assert!(text.starts_with("vault:v1:")),
                Err(ItemError::Plaintext(_)) => assert_eq!(index % 10, 3),
                Err(error) => {
                    let latest = Version::FIRST;
                    let expected = ItemError::VersionAboveLatest { latest };
                    assert_eq!((*error, index % 9), (expected, 5));
                }
            }
        }
        let pooled = texts(&decrypt_all(&engine, &at, &sealed).await);
        let mut inline = Vec::new();
        for slice in sealed.chunks(1000) {
            inline.extend(texts(&decrypt_all(&engine, &at, slice).await));
        }
        assert_eq!(pooled, inline);
        for (opened, plaintext) in pooled.iter().zip(&plaintexts) {
            assert!(opened.as_ref().is_err() || opened.as_ref() == Ok(plaintext));
        }
        let opened = pooled.iter().filter(|opened| opened.is_ok()).count();
        assert_eq!(
            opened,
            sealed.iter().filter(|sealed| sealed.is_ok()).count()
        );
    });
}

#[test]
fn one_large_plaintext_goes_to_the_pool_and_comes_back() {
    run(async {
        let engine = TestEngine::in_memory().await;
        for key_type in CipherType::ALL {
            let new = NewRing {
                key_type: Some(key_type.into()),
                ..NewRing::default()
            };
            let at = engine.create(key_type.name(), &new).await;
            let plaintext = vec![7; 3 << 20];
            let sealed = engine.encrypt(&at, &plaintext).await.unwrap();
            assert_eq!(
                engine.decrypt(&at, &sealed).await.unwrap(),
                base64(&plaintext)
            );
        }
    });
}

async fn decrypt_all(
    engine: &TestEngine,
    at: &Address,
    sealed: &[Result<String, ItemError>],
) -> Outcomes {
    let mut job = Job::new();
    for sealed in sealed {
        job.push_ciphertext(&OpenInput {
            ciphertext: sealed.as_deref().unwrap_or("no ciphertext"),
            ..OpenInput::default()
        });
    }
    engine.transit.decrypt(at, job).await.expect("the job runs")
}

#[test]
fn a_data_key_opens_to_the_key_that_was_handed_out() {
    run(async {
        let engine = TestEngine::in_memory().await;
        let at = engine.create("ring", &NewRing::default()).await;
        for length in [16, 32, 64] {
            let new = NewDataKey {
                length,
                context: "",
                associated_data: &base64(b"row 7"),
                key_version: 0,
            };
            let key = engine.transit.data_key(&at, new).await.unwrap();
            let message = Message {
                plaintext: Vec::new(),
                context: Vec::new(),
                associated_data: b"row 7".to_vec(),
            };
            let opened = decrypt(&engine, &at, &message, &key.ciphertext)
                .await
                .unwrap();
            assert_eq!(opened.as_bytes(), key.plaintext.expose_secret());
            let mut bytes = Vec::new();
            decode_append(key.plaintext.expose_secret(), &mut bytes).unwrap();
            assert_eq!(bytes.len(), length);
        }
    });
}

#[test]
fn convergent_ciphertexts_are_the_published_vectors() {
    run(async {
        let (store, kek) = (Arc::new(MemoryStore::new()), Arc::new(MemoryKek::new()));
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(CountingEntropy));
        let engine = TestEngine::with_entropy(store, kek, clock, entropy, quick()).await;
        let vectors = [
            (
                CipherType::Aes256Gcm96,
                "Fe9pARQ9J9e6i2jrGaJTydaXAJt0vwHdtUw9TzJ/vzYX8+0tfmR33z9fVXcJLl0=",
            ),
            (
                CipherType::ChaCha20Poly1305,
                "Fe9pARQ9J9e6i2jrBdlaJDLPL0hNA4exOrpDeRNtGpwOa79ijbLVUSc9+YNbFy4=",
            ),
            (
                CipherType::Aes128Gcm96,
                "XbIdmyYHaIMeGpK4WIXZTMk+/y1k1am3AvL1b3FCMkibw+pz4mJbb0FXdFwGoQA=",
            ),
        ];
        let message = Message {
            plaintext: b"the quick brown fox".to_vec(),
            context: b"my-context".to_vec(),
            associated_data: Vec::new(),
        };
        for (key_type, payload) in vectors {
            let new = NewRing {
                key_type: Some(key_type.into()),
                derived: true,
                convergent: true,
                ..NewRing::default()
            };
            // The counting entropy gives every ring the same id: one store, one ring at a time.
            let at = engine.create("ring", &new).await;
            let sealed = encrypt(&engine, &at, &message, 0).await.unwrap();
            assert_eq!(sealed, format!("vault:v1:{payload}"), "{key_type}");
            let change = PolicyChange {
                deletion_allowed: Some(true),
                ..PolicyChange::default()
            };
            engine.configure(&at, &change).await;
            engine.transit.delete(&at, &by_hand()).await.unwrap();
        }
        // Vault's ciphertext of the same with associated data "aad" has another nonce and still opens.
        let new = NewRing {
            key_type: Some(CipherType::Aes256Gcm96.into()),
            derived: true,
            convergent: true,
            ..NewRing::default()
        };
        let at = engine.create("ring", &new).await;
        let with_data = Message {
            associated_data: b"aad".to_vec(),
            ..message
        };
        let vaults = "vault:v1:Fe9pARQ9J9e6i2jrGaJTydaXAJt0vwHdtUw9TzJ/v7gRE2M8SxvNmOA8+tg7AnE=";
        let opened = decrypt(&engine, &at, &with_data, vaults).await.unwrap();
        assert_eq!(opened, base64(b"the quick brown fox"));
    });
}

#[test]
fn ciphertexts_of_vaults_types_open_with_a_plain_cipher_under_the_raw_key() {
    run(async {
        let ciphers = [
            (CipherType::Aes128Gcm96, &aead::AES_128_GCM),
            (CipherType::Aes256Gcm96, &aead::AES_256_GCM),
            (CipherType::ChaCha20Poly1305, &aead::CHACHA20_POLY1305),
        ];
        for (key_type, cipher) in ciphers {
            let (store, kek) = (Arc::new(MemoryStore::new()), Arc::new(MemoryKek::new()));
            let entropy = Arc::new(RecordingEntropy::default());
            let clock = Arc::new(SystemClock);
            let engine =
                TestEngine::with_entropy(store, kek, clock, entropy.clone(), quick()).await;
            let new = NewRing {
                key_type: Some(key_type.into()),
                ..NewRing::default()
            };
            let at = engine.create("ring", &new).await;
            let message = Message {
                plaintext: b"plain".to_vec(),
                context: Vec::new(),
                associated_data: b"data".to_vec(),
            };
            let sealed = encrypt(&engine, &at, &message, 0).await.unwrap();
            let keys = entropy.masked_draws().into_iter().filter_map(|draw| {
                let key: Vec<_> = draw.iter().map(|byte| byte ^ MASK).collect();
                UnboundKey::new(cipher, &key).ok()
            });
            let opened: Vec<_> = keys
                .filter_map(|key| open_plainly(&LessSafeKey::new(key), &sealed, b"data"))
                .collect();
            assert_eq!(opened, [b"plain".to_vec()], "{key_type}");
        }
    });
}

/// `nonce(12) || ciphertext || tag(16)`, and nothing else bound but the caller's data.
fn open_plainly(key: &LessSafeKey, ciphertext: &str, associated_data: &[u8]) -> Option<Vec<u8>> {
    let payload = ciphertext.strip_prefix("vault:v1:")?;
    let mut bytes = Vec::new();
    decode_append(payload.as_bytes(), &mut bytes).ok()?;
    let (nonce, sealed) = bytes.split_at_mut_checked(12)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let opened = key.open_in_place(nonce, Aad::from(associated_data), sealed);
    opened.ok().map(|plaintext| plaintext.to_vec())
}

#[test]
fn a_ciphertext_shorter_than_its_nonce_or_tag_is_refused_and_an_empty_plaintext_is_not() {
    run(async {
        let engine = TestEngine::in_memory().await;
        for key_type in CipherType::ALL {
            let new = NewRing {
                key_type: Some(key_type.into()),
                ..NewRing::default()
            };
            let at = engine.create(key_type.name(), &new).await;
            for length in 0..key_type.nonce_len() + 16 {
                let text = format!("vault:v1:{}", base64(&vec![0; length]));
                let result = engine.decrypt(&at, &text).await;
                let too_short = matches!(
                    result,
                    Err(Error::Item(ItemError::Ciphertext(
                        CiphertextError::TooShort
                    )))
                );
                assert_eq!(too_short, length < key_type.nonce_len(), "{result:?}");
                assert!(too_short || is_authentication(&result), "{result:?}");
            }
            let empty = engine.encrypt(&at, b"").await.unwrap();
            assert_eq!(engine.decrypt(&at, &empty).await.unwrap(), "");
        }
    });
}
