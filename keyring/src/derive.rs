//! Every derivation and every label there is. `HKDF[salt, info](ikm, n)` is n bytes of HKDF-SHA256
//! (RFC 5869), `HMAC(k, m)` is HMAC-SHA256 (RFC 2104), `||` joins bytes, `-` is no salt.
//!
//! | what | is |
//! |---|---|
//! | subkey of a derived ring | `HKDF[-, context](version key, key length)` |
//! | the same of a ring imported from Vault | `HMAC(version key, be32(0) \|\| context \|\| be32(256))` |
//! | seed of the Ed25519 pair of a context | `HKDF[-, context](seed \|\| public key, 32)` |
//! | key that two parties agree on | `HKDF[-, ""](ECDH, key length)` |
//! | convergent keys: cipher, nonce, nonce with A | `HKDF[-, context](version key, key length + 32 + 32)`, cut |
//! | convergent nonce | `HMAC(nonce key, P)`, cut |
//! | convergent nonce with associated data A | `HMAC(nonce key with A, be64(len A) \|\| A \|\| P)`, cut |
//! | material key | `HKDF[store secret, "sealring material v1"](DEK, 32)` |
//! | key of the unlock copy | `HKDF[-, "sealring unlock v1"](unlock key, 32)` |
//! | key of the checks inside tokens | `HKDF[-, "sealring token check v1"](token pepper, 32)` |
//! | key of a wrapped response | `HKDF[identity key, "sealring wrapped response v1"](wrapping token, 32)` |
//! | checksum of an unlock share | `SHA-256("sealring share v1" \|\| share)`, cut to 4 bytes |

use std::fmt;

use aws_lc_rs::hmac;
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::secret::Dek;

/// `HKDF[-, context](version key, out.len())`: the key of one context, the same bytes as Vault derives.
/// `out` is at most 255 blocks of 32 bytes.
pub fn subkey(version_key: &[u8], context: &[u8], out: &mut [u8]) {
    expand(None, version_key, context, out);
}

/// `HMAC(version key, be32(0) || context || be32(256))`: the key of one context in a ring whose keys Vault imported,
/// or made before it had HKDF (SP 800-108, counter mode). `out` is at most 32 bytes.
pub fn counter_subkey(version_key: &[u8], context: &[u8], out: &mut [u8]) {
    let mut mac = hmac::Context::with_key(&hmac_key(version_key));
    mac.update(&0_u32.to_be_bytes());
    mac.update(context);
    mac.update(&256_u32.to_be_bytes());
    let tag = mac.sign();
    out.copy_from_slice(
        tag.as_ref()
            .get(..out.len())
            .expect("no cipher key is longer than 32 bytes"),
    );
}

/// The keys of convergent encryption under one version and context. Wiped on drop.
///
/// The first two are Vault's version 3. The third is ours: without associated data in the nonce, two messages
/// with equal plaintext and different associated data share a nonce, which breaks GCM and Poly1305.
pub struct ConvergentKeys {
    expanded: Box<Zeroizing<[u8; LONGEST_CIPHER_KEY + 2 * NONCE_KEY_LEN]>>,
    key_len: usize,
}

impl ConvergentKeys {
    /// `HKDF[-, context](version key, key_len + 64)`; `key_len` is the cipher's and at most 32.
    pub fn derive(version_key: &[u8], context: &[u8], key_len: usize) -> Self {
        let mut keys = Self {
            expanded: Box::new(Zeroizing::new([0; _])),
            key_len,
        };
        let used = keys.expanded.get_mut(..key_len + 2 * NONCE_KEY_LEN);
        expand(
            None,
            version_key,
            context,
            used.expect("no cipher key is longer than 32 bytes"),
        );
        keys
    }

    /// The key that seals and opens.
    pub fn cipher_key(&self) -> &[u8] {
        self.part(0, self.key_len)
    }

    /// Fills `out`, at most 32 bytes, with the nonce of this message.
    pub fn nonce(&self, plaintext: &[u8], associated_data: &[u8], out: &mut [u8]) {
        let tag = if associated_data.is_empty() {
            hmac::sign(&hmac_key(self.part(self.key_len, NONCE_KEY_LEN)), plaintext)
        } else {
            let length = u64::try_from(associated_data.len()).expect("a length fits 64 bits");
            let mut context = hmac::Context::with_key(&hmac_key(
                self.part(self.key_len + NONCE_KEY_LEN, NONCE_KEY_LEN),
            ));
            context.update(&length.to_be_bytes());
            context.update(associated_data);
            context.update(plaintext);
            context.sign()
        };
        out.copy_from_slice(
            tag.as_ref()
                .get(..out.len())
                .expect("no nonce is longer than 32 bytes"),
        );
    }

    fn part(&self, start: usize, length: usize) -> &[u8] {
        self.expanded
            .get(start..start + length)
            .expect("the three keys lie inside what was expanded")
    }
}

impl fmt::Debug for ConvergentKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConvergentKeys(..)")
    }
}

/// `HKDF[store secret, "sealring material v1"](DEK, 32)`: seals what one key version holds. Takes both: the
/// KEK alone, or a database without its store secret, opens nothing.
pub fn material_key(dek: &Dek, store_secret: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    expand(
        Some(store_secret),
        dek.expose_secret(),
        b"sealring material v1",
        key.as_mut_slice(),
    );
    key
}

/// `HKDF[-, "sealring unlock v1"](unlock key, 32)`: seals the copy of the store secret that outlives sealing.
pub fn unlock_copy_key(unlock_key: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    expand(None, unlock_key, b"sealring unlock v1", key.as_mut_slice());
    key
}

/// `HKDF[-, "sealring token check v1"](token pepper, 32)`: makes the checks inside tokens.
pub fn token_check_key(pepper: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    expand(None, pepper, b"sealring token check v1", key.as_mut_slice());
    key
}

/// `HKDF[identity key, "sealring wrapped response v1"](wrapping token, 32)`: seals a response for who holds its
/// wrapping token. Takes both: the token alone, or a store without its tokens, opens nothing.
pub fn wrapped_response_key(identity_key: &[u8; 32], wrapping_token: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    expand(
        Some(identity_key),
        wrapping_token,
        b"sealring wrapped response v1",
        key.as_mut_slice(),
    );
    key
}

/// `SHA-256("sealring share v1" || share)`, its first 4 bytes: finds typing errors, proves nothing.
pub fn share_checksum(share: &[u8]) -> [u8; 4] {
    let digest = Sha256::new_with_prefix(b"sealring share v1")
        .chain_update(share)
        .finalize();
    let [a, b, c, d, ..]: [u8; 32] = digest.into();
    [a, b, c, d]
}

fn expand(salt: Option<&[u8]>, key: &[u8], info: &[u8], out: &mut [u8]) {
    Hkdf::<Sha256>::new(salt, key)
        .expand(info, out)
        .expect("no key is longer than 255 blocks");
}

fn hmac_key(bytes: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, bytes)
}

const LONGEST_CIPHER_KEY: usize = 32;
const NONCE_KEY_LEN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_convergent_keys_are_a_prefix_of_vaults_derivation() {
        for key_len in [16, 32] {
            let keys = ConvergentKeys::derive(&[7; 32], b"context", key_len);
            let mut vaults = vec![0; key_len + 32];
            subkey(&[7; 32], b"context", &mut vaults);
            assert_eq!(keys.cipher_key(), &vaults[..key_len]);
            let mut nonce = [0; 32];
            keys.nonce(b"plaintext", b"", &mut nonce);
            assert_eq!(
                nonce,
                *hmac::sign(&hmac_key(&vaults[key_len..]), b"plaintext").as_ref()
            );
        }
    }

    #[test]
    fn a_convergent_nonce_repeats_only_with_its_whole_message() {
        let keys = ConvergentKeys::derive(&[7; 32], b"context", 32);
        let nonce = |plaintext: &[u8], data: &[u8]| {
            let mut nonce = [0; 12];
            keys.nonce(plaintext, data, &mut nonce);
            nonce
        };
        assert_eq!(nonce(b"text", b"data"), nonce(b"text", b"data"));
        let nonces = [
            nonce(b"text", b""),
            nonce(b"text", b"data"),
            nonce(b"text", b"dat"),
            // The border between the two is in the length, so that moving it changes the nonce.
            nonce(b"atext", b"dat"),
            nonce(b"", b"datatext"),
            nonce(b"datatext", b""),
            nonce(b"", b""),
        ];
        for (index, one) in nonces.iter().enumerate() {
            assert!(
                !nonces[..index].contains(one),
                "nonce {index} repeats an earlier one"
            );
        }
    }

    #[test]
    fn a_shorter_nonce_is_the_beginning_of_a_longer_one() {
        let keys = ConvergentKeys::derive(&[7; 32], b"context", 32);
        let (mut short, mut long) = ([0; 12], [0; 24]);
        keys.nonce(b"text", b"data", &mut short);
        keys.nonce(b"text", b"data", &mut long);
        assert_eq!(short, long[..12]);
    }

    #[test]
    fn every_derivation_has_its_own_key() {
        let dek = Dek::from_slice(&[5; 32]).unwrap();
        let mut bare = [0; 32];
        subkey(&[5; 32], b"", &mut bare);
        let keys = [
            *material_key(&dek, &[6; 32]),
            *material_key(&dek, &[0; 32]),
            *unlock_copy_key(&[5; 32]),
            *unlock_copy_key(&[6; 32]),
            *token_check_key(&[5; 32]),
            *wrapped_response_key(&[6; 32], &[5; 32]),
            *wrapped_response_key(&[0; 32], &[5; 32]),
            bare,
        ];
        for (index, one) in keys.iter().enumerate() {
            assert!(
                !keys[..index].contains(one),
                "key {index} repeats an earlier one"
            );
        }
    }

    #[test]
    fn derived_keys_do_not_print() {
        assert_eq!(
            format!("{:?}", ConvergentKeys::derive(&[7; 32], b"", 32)),
            "ConvergentKeys(..)"
        );
    }
}
