//! RFC 8452 (AES-GCM-SIV) and RFC 5869 (HKDF).

use aes_gcm_siv::aead::{Aead, Payload};
use aes_gcm_siv::{Aes128GcmSiv, Aes256GcmSiv, KeyInit, Nonce};
use hkdf::Hkdf;
use keyring::aead::Cipher;
use keyring::algorithm::{CipherType, TAG_LEN};
use keyring::derive::subkey;
use proptest::collection::vec;
use proptest::prelude::*;
use sha2::Sha256;

use crate::Case;

#[test]
fn rfc_8452_appendix_c_holds_in_both_implementations() {
    let tables = ["aes_128", "aes_256", "counter_wrap"]
        .map(|name| Case::table(&format!("rfc8452/{name}.txt")));
    let cases = tables.iter().flatten();
    let mut ran = (0, 0);
    for case in cases {
        let (key, nonce, associated_data) = (
            case.bytes("key"),
            case.bytes("nonce"),
            case.bytes("associated_data"),
        );
        let (plaintext, ciphertext) = (case.bytes("plaintext"), case.bytes("ciphertext"));
        let other = reference_seal(&key, &nonce, &associated_data, &plaintext);
        assert_eq!(other, ciphertext, "{}", case.name);
        ran.0 += 1;
        // No key type has the cipher with a key of 16 bytes.
        if key.len() == CipherType::Aes256GcmSiv.key_len() {
            let cipher = Cipher::new(CipherType::Aes256GcmSiv, &key).unwrap();
            let mut buffer = plaintext.clone();
            let tag = cipher.seal(&nonce, &associated_data, &mut buffer).unwrap();
            buffer.extend_from_slice(&tag);
            assert_eq!(buffer, ciphertext, "{}", case.name);
            let length = cipher.open(&nonce, &associated_data, &mut buffer).unwrap();
            assert_eq!(buffer[..length], plaintext, "{}", case.name);
            ran.1 += 1;
        }
    }
    assert_eq!(
        ran,
        (50, 26),
        "all of appendix C, and all of it for 32-byte keys"
    );
}

#[test]
fn rfc_5869_appendix_a_holds() {
    for case in Case::folder("rfc5869") {
        let (key, salt, info) = (case.bytes("key"), case.bytes("salt"), case.bytes("info"));
        let expected = case.bytes("output");
        let mut output = vec![0; expected.len()];
        Hkdf::<Sha256>::new(Some(&salt), &key)
            .expand(&info, &mut output)
            .unwrap();
        assert_eq!(output, expected, "{}", case.name);
        if salt.is_empty() {
            subkey(&key, &info, &mut output);
            assert_eq!(output, expected, "{}", case.name);
        }
    }
}

proptest! {
    /// Two independent implementations seal alike and open each other's messages.
    #[test]
    fn aes_256_gcm_siv_agrees_with_the_other_implementation(
        key in any::<[u8; 32]>(),
        nonce in any::<[u8; 12]>(),
        associated_data in vec(any::<u8>(), 0..80),
        plaintext in vec(any::<u8>(), 0..300),
    ) {
        let cipher = Cipher::new(CipherType::Aes256GcmSiv, &key).unwrap();
        let mut sealed = plaintext.clone();
        let tag = cipher.seal(&nonce, &associated_data, &mut sealed).unwrap();
        sealed.extend_from_slice(&tag);
        let mut other = reference_seal(&key, &nonce, &associated_data, &plaintext);
        prop_assert_eq!(&sealed, &other);
        let length = cipher.open(&nonce, &associated_data, &mut other).unwrap();
        prop_assert_eq!(length, other.len() - TAG_LEN);
        prop_assert_eq!(&other[..length], plaintext);
    }
}

fn reference_seal(key: &[u8], nonce: &[u8], associated_data: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let nonce = Nonce::try_from(nonce).expect("12 bytes");
    let payload = Payload {
        msg: plaintext,
        aad: associated_data,
    };
    let sealed = match key.len() {
        16 => Aes128GcmSiv::new_from_slice(key)
            .expect("16 bytes")
            .encrypt(&nonce, payload),
        _ => Aes256GcmSiv::new_from_slice(key)
            .expect("32 bytes")
            .encrypt(&nonce, payload),
    };
    sealed.expect("a short message")
}
