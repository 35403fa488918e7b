//! The keys behind the audit log: they sign checkpoints and make values comparable that must not be shown. And the
//! chain of hashes that ties every record to all before it.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use aws_lc_rs::{digest, hmac};

use crate::binding::push_field;
use crate::secret::Dek;

/// The store's keys for its audit logs; every node has the same.
pub struct AuditKeys {
    signing: Ed25519KeyPair,
    correlation: hmac::Key,
}

impl AuditKeys {
    /// The keys made of the store's audit signing seed (RFC 8032, section 5.1.5) and its correlation key.
    pub fn new(seed: &Dek, correlation: &Dek) -> Self {
        let signing = Ed25519KeyPair::from_seed_unchecked(seed.expose_secret());
        Self {
            signing: signing.expect("any 32 bytes are a seed"),
            correlation: hmac::Key::new(hmac::HMAC_SHA256, correlation.expose_secret()),
        }
    }

    /// Signs with Ed25519 (RFC 8032).
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        let signature = self.signing.sign(message);
        let bytes = signature.as_ref().try_into();
        bytes.expect("an Ed25519 signature is 64 bytes")
    }

    /// What [`verify`] needs to check the signatures. Not a secret.
    pub fn public_key(&self) -> [u8; PUBLIC_KEY_LEN] {
        let bytes = self.signing.public_key().as_ref().try_into();
        bytes.expect("an Ed25519 public key is 32 bytes")
    }

    /// HMAC-SHA256 of a value that a log must not show: equal values give equal ones, on every node and after every
    /// restart.
    pub fn correlate(&self, value: &[u8]) -> [u8; 32] {
        let tag = hmac::sign(&self.correlation, value);
        tag.as_ref().try_into().expect("HMAC-SHA256 is 32 bytes")
    }
}

impl fmt::Debug for AuditKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditKeys(..)")
    }
}

/// Whether the signature is the holder's of this public key over this message (Ed25519, RFC 8032).
pub fn verify(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key)
        .verify(message, signature)
        .is_ok()
}

/// A chain of SHA-256 hashes: each is of the one before and of a record, so it stands for all records so far, in
/// their order. `h(0) = SHA-256(field("sealring-audit-chain-1") || field(context))`, `h(n) = SHA-256(h(n-1) || record)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHash([u8; 32]);

impl ChainHash {
    /// The beginning of a chain that belongs to this context.
    pub fn start(context: &[u8]) -> Self {
        let mut first = Vec::with_capacity(64 + context.len());
        push_field(&mut first, b"sealring-audit-chain-1");
        push_field(&mut first, context);
        Self(bytes_of(&digest::digest(&digest::SHA256, &first)))
    }

    /// A chain that goes on from this hash.
    pub const fn resume(current: [u8; 32]) -> Self {
        Self(current)
    }

    /// Adds a record.
    pub fn extend(&mut self, record: &[u8]) {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.0);
        context.update(record);
        self.0 = bytes_of(&context.finish());
    }

    /// The hash that stands for all records so far.
    pub const fn current(&self) -> [u8; 32] {
        self.0
    }
}

fn bytes_of(digest: &digest::Digest) -> [u8; 32] {
    digest.as_ref().try_into().expect("SHA-256 is 32 bytes")
}

/// Length of a signature.
pub const SIGNATURE_LEN: usize = 64;

/// Length of a public key.
pub const PUBLIC_KEY_LEN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(seed: u8) -> AuditKeys {
        let key = |byte| Dek::from_slice(&[byte; 32]).unwrap();
        AuditKeys::new(&key(seed), &key(seed + 1))
    }

    fn hex<const N: usize>(digits: &str) -> [u8; N] {
        let bytes: Vec<u8> = (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect();
        bytes.try_into().unwrap()
    }

    #[test]
    fn signatures_are_those_of_rfc_8032() {
        // Section 7.1, test 2.
        let seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
        let seed = Dek::from_slice(&hex::<32>(seed)).unwrap();
        let keys = AuditKeys::new(&seed, &seed);
        let public = hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        let signature = hex(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        );
        assert_eq!(keys.public_key(), public);
        assert_eq!(keys.sign(&[0x72]), signature);
        assert!(verify(&public, &[0x72], &signature));
    }

    #[test]
    fn a_signature_is_of_one_message_by_one_key() {
        let signature = keys(1).sign(b"message");
        let public = keys(1).public_key();
        assert!(verify(&public, b"message", &signature));
        assert!(!verify(&public, b"massage", &signature));
        assert!(!verify(&keys(2).public_key(), b"message", &signature));
        for bit in 0..8 * SIGNATURE_LEN {
            let mut changed = signature;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(&public, b"message", &changed), "bit {bit}");
        }
        for malformed in [&public[1..], b"", &[0xff; 32]] {
            assert!(!verify(malformed, b"message", &signature));
        }
        assert!(!verify(&public, b"message", &signature[1..]));
    }

    #[test]
    fn equal_values_correlate_and_others_do_not() {
        assert_eq!(keys(1).correlate(b"value"), keys(1).correlate(b"value"));
        assert_ne!(keys(1).correlate(b"value"), keys(1).correlate(b"valve"));
        assert_ne!(keys(1).correlate(b"value"), keys(2).correlate(b"value"));
    }

    #[test]
    fn a_chain_stands_for_every_record_and_their_order() {
        let chain = |context: &[u8], records: &[&[u8]]| {
            let mut chain = ChainHash::start(context);
            for record in records {
                chain.extend(record);
            }
            chain.current()
        };
        let chains = [
            chain(b"node", &[]),
            chain(b"other", &[]),
            chain(b"node", &[b""]),
            chain(b"node", &[b"a", b"b"]),
            chain(b"node", &[b"b", b"a"]),
            chain(b"node", &[b"ab"]),
            chain(b"node", &[b"a", b"b", b""]),
            chain(b"other", &[b"a", b"b"]),
        ];
        for (index, one) in chains.iter().enumerate() {
            assert!(!chains[..index].contains(one), "{index} repeats");
        }
        let mut resumed = ChainHash::resume(chain(b"node", &[b"a"]));
        resumed.extend(b"b");
        assert_eq!(resumed.current(), chain(b"node", &[b"a", b"b"]));
    }

    #[test]
    fn a_chain_is_plain_sha_256() {
        let mut chain = ChainHash::resume([0; 32]);
        chain.extend(b"record");
        let joined = [[0; 32].as_slice(), b"record"].concat();
        let expected = digest::digest(&digest::SHA256, &joined);
        assert_eq!(chain.current(), expected.as_ref());
    }

    #[test]
    fn they_do_not_print() {
        assert_eq!(format!("{:?}", keys(1)), "AuditKeys(..)");
    }
}
