//! Signatures by others: the protocol's own and OpenSSL's; and ML-DSA by a second implementation.

use keyring::algorithm::PairType;
use keyring::base64;
use keyring::derive::subkey;
use keyring::hash::HashAlgorithm;
use keyring::pair::{Pair, RsaScheme, SaltLength, SignatureOptions};
use ml_dsa::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePublicKey};
use ml_dsa::{Keypair, MlDsa44, MlDsa65, MlDsa87, SignatureEncoding, Signer, Verifier};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::Case;

#[test]
fn the_protocols_signatures_hold() {
    for case in Case::folder("transit/signatures") {
        let pair = Pair::from_pkcs8(pair_type(&case), &case.bytes("private_key")).unwrap();
        assert_eq!(pair.public_key(), case.bytes("public_key"), "{}", case.name);
        let (input, mut signature) = (case.bytes("input"), Vec::new());
        base64::decode_append(case.text("signature").as_bytes(), &mut signature).unwrap();
        let how = SignatureOptions::default();
        assert_eq!(
            pair.verify(&input, &signature, &how),
            Ok(true),
            "{}",
            case.name
        );
        let ours = pair.sign(&input, &how).unwrap();
        assert_eq!(pair.verify(&input, &ours, &how), Ok(true), "{}", case.name);
        assert_eq!(
            ours == signature,
            case.text("repeats") == "yes",
            "{}",
            case.name
        );
    }
}

#[test]
fn derived_ed25519_pairs_are_the_protocols() {
    let seed: [u8; 32] = std::array::from_fn(|index| u8::try_from(index).unwrap());
    let root = Pair::from_ed25519_seed(&seed).unwrap();
    let root = root.ed25519_seed_and_public().expect("a private half");
    let mut derived = [0; 32];
    subkey(root.expose_secret(), b"my-context", &mut derived);
    let derived = Pair::from_ed25519_seed(&derived).unwrap();
    let cases = Case::folder("transit/signatures");
    let case = cases.iter().find(|case| case.name == "ed25519_derived");
    assert_eq!(derived.public_key(), case.unwrap().bytes("public_key"));
}

#[test]
fn openssls_signatures_verify_and_no_other_inputs() {
    let mut ran = 0;
    for case in Case::table("openssl/signatures.txt") {
        let pair = Pair::from_public_key(pair_type(&case), &case.bytes("public_key")).unwrap();
        let (mut input, signature) = (case.bytes("input"), case.bytes("signature"));
        let hash = HashAlgorithm::from_name(&case.text("hash"));
        let how = SignatureOptions {
            hash,
            prehashed: hash.is_none(),
            scheme: match case.text("scheme").as_str() {
                "pss" => RsaScheme::Pss,
                _ => RsaScheme::Pkcs1v15,
            },
            salt: match case.text("salt").as_str() {
                "auto" => SaltLength::Auto,
                "hash" => SaltLength::Hash,
                number => SaltLength::Bytes(number.parse().unwrap()),
            },
            ..SignatureOptions::default()
        };
        let verified = pair.verify(&input, &signature, &how);
        assert_eq!(verified, Ok(true), "{}", case.name);
        input[0] ^= 1;
        let verified = pair.verify(&input, &signature, &how);
        assert_eq!(verified, Ok(false), "{}", case.name);
        ran += 1;
    }
    println!("OpenSSL's signatures: {ran} ran");
    assert_eq!(ran, 64);
}

/// Signs here and verifies there, and back, with a pair that both read from the same seed.
macro_rules! agree {
    ($parameters:ty, $pair_type:expr, $input:expr) => {{
        let pkcs8 = Pair::generate($pair_type).unwrap();
        let pair = Pair::from_pkcs8($pair_type, pkcs8.expose_secret()).unwrap();
        let other = ml_dsa::SigningKey::<$parameters>::from_pkcs8_der(pkcs8.expose_secret());
        let other = other.expect("the seed form");
        let public = other.verifying_key().to_public_key_der().unwrap();
        prop_assert_eq!(pair.public_key(), public.as_bytes());

        let how = SignatureOptions::default();
        let theirs = other.sign($input).to_vec();
        prop_assert_eq!(pair.verify($input, &theirs, &how), Ok(true));

        let ours = pair.sign($input, &how).unwrap();
        let ours = ml_dsa::Signature::<$parameters>::try_from(ours.as_slice()).unwrap();
        let public = ml_dsa::VerifyingKey::<$parameters>::from_public_key_der(pair.public_key());
        let public = public.expect("our public key");
        prop_assert!(public.verify($input, &ours).is_ok());
        prop_assert!(
            public
                .verify(b"another input than any drawn, being long", &ours)
                .is_err()
        );
    }};
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn ml_dsa_agrees_with_the_other_implementation(input in vec(any::<u8>(), 0..30)) {
        agree!(MlDsa44, PairType::MlDsa44, &input);
        agree!(MlDsa65, PairType::MlDsa65, &input);
        agree!(MlDsa87, PairType::MlDsa87, &input);
    }
}

fn pair_type(case: &Case) -> PairType {
    let types = [
        ("ecdsa-p256", PairType::EcdsaP256),
        ("ecdsa-p384", PairType::EcdsaP384),
        ("ecdsa-p521", PairType::EcdsaP521),
        ("ed25519", PairType::Ed25519),
        ("rsa-2048", PairType::Rsa2048),
    ];
    let found = types
        .into_iter()
        .find(|(name, _)| *name == case.text("type"));
    found.expect("the name of a pair").1
}
