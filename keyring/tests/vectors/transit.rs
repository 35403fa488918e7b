//! Vault's derivations and convergent ciphertexts, our own convergent nonces, and Go's base64.

use keyring::aead::Cipher;
use keyring::algorithm::CipherType;
use keyring::base64;
use keyring::ciphertext;
use keyring::derive::{ConvergentKeys, subkey};

use crate::{Case, from_hex, to_hex, vectors};

#[test]
fn subkeys_are_vaults() {
    for case in Case::folder("transit/derived") {
        let expected = case.bytes("subkey");
        let mut key = vec![0; expected.len()];
        subkey(&case.bytes("key"), &case.bytes("context"), &mut key);
        assert_eq!(key, expected, "{}", case.name);
    }
}

#[test]
fn convergent_ciphertexts_are_vaults() {
    Case::folder("transit/convergent")
        .iter()
        .for_each(check_convergent);
}

#[test]
fn convergent_ciphertexts_with_associated_data_are_ours() {
    Case::folder("convergent").iter().for_each(check_convergent);
}

#[test]
fn base64_is_gos() {
    let table = std::fs::read_to_string(vectors().join("base64/go.txt")).unwrap();
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let mut ran = 0;
    for line in lines {
        // An empty text leaves its column empty, and so do empty bytes.
        let (text, answer) = line.split_once(' ').unwrap();
        let mut out = b"before".to_vec();
        let decoded = base64::decode_append(&from_hex(text), &mut out);
        let ours = match decoded {
            Ok(range) => format!("gives {}", to_hex(&out[range])),
            Err(error) => format!("fails {}", error.offset),
        };
        assert_eq!(ours.trim_end(), answer, "{text}");
        ran += 1;
    }
    assert!(ran >= 400, "{ran} lines");
}

fn check_convergent(case: &Case) {
    let key_type = CipherType::from_name(&case.text("type")).expect("a key type");
    let keys = ConvergentKeys::derive(
        &case.bytes("key"),
        &case.bytes("context"),
        key_type.key_len(),
    );
    let cipher = Cipher::new(key_type, keys.cipher_key()).expect("the derived key fits");
    let (plaintext, associated_data) = (case.bytes("plaintext"), case.bytes("associated_data"));
    let text = case.text("text");

    let parsed = ciphertext::parse(&text).expect("a ciphertext");
    let mut payload = Vec::new();
    parsed.decode_append(&mut payload).expect("a payload");
    let (nonce, body) = payload.split_at_mut(key_type.nonce_len());
    let length = cipher
        .open(nonce, &associated_data, body)
        .expect("authentic");
    assert_eq!(
        body.get(..length),
        Some(plaintext.as_slice()),
        "{}",
        case.name
    );

    let mut nonce = vec![0; key_type.nonce_len()];
    keys.nonce(&plaintext, &associated_data, &mut nonce);
    let mut body = plaintext;
    let tag = cipher
        .seal(&nonce, &associated_data, &mut body)
        .expect("a fitting nonce");
    body.extend_from_slice(&tag);
    let mut ours = Vec::new();
    ciphertext::write(parsed.version, &nonce, &body, &mut ours);
    assert_eq!(
        ours == text.as_bytes(),
        case.text("sealed_alike") == "yes",
        "{}",
        case.name
    );
}
