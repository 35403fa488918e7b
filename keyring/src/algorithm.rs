//! The key types a ring can have, with their names on the wire, stored numbers and sizes.

use std::fmt;

use crate::base64::encoded_len;

/// What a ring's keys are for and what uses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// Seals and opens with a cipher.
    Cipher(CipherType),
    /// Makes HMACs, and nothing else; its length is the ring's own.
    Hmac,
    /// Signs, and if it is an RSA key encrypts, with a key pair.
    Pair(PairType),
}

impl KeyType {
    /// Every key type.
    pub const ALL: [Self; 16] = [
        Self::Cipher(CipherType::Aes128Gcm96),
        Self::Cipher(CipherType::Aes256Gcm96),
        Self::Cipher(CipherType::Aes256GcmSiv),
        Self::Cipher(CipherType::ChaCha20Poly1305),
        Self::Cipher(CipherType::XChaCha20Poly1305),
        Self::Pair(PairType::EcdsaP256),
        Self::Pair(PairType::EcdsaP384),
        Self::Pair(PairType::EcdsaP521),
        Self::Pair(PairType::Ed25519),
        Self::Hmac,
        Self::Pair(PairType::MlDsa44),
        Self::Pair(PairType::MlDsa65),
        Self::Pair(PairType::MlDsa87),
        Self::Pair(PairType::Rsa2048),
        Self::Pair(PairType::Rsa3072),
        Self::Pair(PairType::Rsa4096),
    ];

    /// The type with this name and parameter set on the wire, spelled exactly. Only `ml-dsa` has parameter sets, and
    /// needs one.
    pub fn from_name(name: &str, parameter_set: Option<&str>) -> Option<Self> {
        Self::ALL.into_iter().find(|key_type| {
            key_type.name() == name
                && key_type
                    .parameter_set()
                    .is_none_or(|set| Some(set) == parameter_set)
        })
    }

    /// The type with this stored number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|key_type| key_type.number() == number)
    }

    /// The name on the wire, Vault's where Vault has the type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cipher(cipher) => cipher.name(),
            Self::Hmac => "hmac",
            Self::Pair(pair) => pair.name(),
        }
    }

    /// What tells types of one name apart on the wire.
    pub const fn parameter_set(self) -> Option<&'static str> {
        match self {
            Self::Pair(PairType::MlDsa44) => Some("44"),
            Self::Pair(PairType::MlDsa65) => Some("65"),
            Self::Pair(PairType::MlDsa87) => Some("87"),
            Self::Cipher(_) | Self::Hmac | Self::Pair(_) => None,
        }
    }

    /// The number in stored rows and backups: `OpenBao`'s where it has the type, 20001 and up for ours.
    pub const fn number(self) -> u32 {
        match self {
            Self::Cipher(CipherType::Aes256Gcm96) => 0,
            Self::Pair(PairType::EcdsaP256) => 1,
            Self::Pair(PairType::Ed25519) => 2,
            Self::Pair(PairType::Rsa2048) => 3,
            Self::Pair(PairType::Rsa4096) => 4,
            Self::Cipher(CipherType::ChaCha20Poly1305) => 5,
            Self::Pair(PairType::EcdsaP384) => 6,
            Self::Pair(PairType::EcdsaP521) => 7,
            Self::Cipher(CipherType::Aes128Gcm96) => 8,
            Self::Pair(PairType::Rsa3072) => 9,
            Self::Hmac => 10,
            Self::Cipher(CipherType::XChaCha20Poly1305) => 11,
            Self::Cipher(CipherType::Aes256GcmSiv) => 20_001,
            Self::Pair(PairType::MlDsa44) => 20_044,
            Self::Pair(PairType::MlDsa65) => 20_065,
            Self::Pair(PairType::MlDsa87) => 20_087,
        }
    }

    /// The cipher, if it is one.
    pub const fn cipher(self) -> Option<CipherType> {
        match self {
            Self::Cipher(cipher) => Some(cipher),
            Self::Hmac | Self::Pair(_) => None,
        }
    }

    /// The kind of key pair, if it is one.
    pub const fn pair(self) -> Option<PairType> {
        match self {
            Self::Pair(pair) => Some(pair),
            Self::Cipher(_) | Self::Hmac => None,
        }
    }

    /// Whether it encrypts and decrypts.
    pub const fn encrypts(self) -> bool {
        match self {
            Self::Cipher(_) => true,
            Self::Pair(pair) => pair.is_rsa(),
            Self::Hmac => false,
        }
    }

    /// Whether it signs and verifies.
    pub const fn signs(self) -> bool {
        matches!(self, Self::Pair(_))
    }

    /// Whether a key for each context can be derived from it.
    pub const fn derives(self) -> bool {
        matches!(self, Self::Cipher(_) | Self::Pair(PairType::Ed25519))
    }

    /// Whether random nonces bound the number of messages under one key to 2^32 (SP 800-38D section 8.3).
    /// Such rings rotate by count and in the end refuse.
    pub const fn counts_to_a_limit(self) -> bool {
        match self {
            Self::Cipher(cipher) => cipher.counts_to_a_limit(),
            Self::Hmac | Self::Pair(_) => false,
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<CipherType> for KeyType {
    fn from(cipher: CipherType) -> Self {
        Self::Cipher(cipher)
    }
}

impl From<PairType> for KeyType {
    fn from(pair: PairType) -> Self {
        Self::Pair(pair)
    }
}

/// A cipher that authenticates what it encrypts and what comes along with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CipherType {
    /// AES-128 in GCM with a random 96-bit nonce (NIST SP 800-38D).
    Aes128Gcm96,
    /// AES-256 in GCM with a random 96-bit nonce (NIST SP 800-38D).
    Aes256Gcm96,
    /// AES-256-GCM-SIV (RFC 8452); the default: a repeated nonce leaks only equality.
    Aes256GcmSiv,
    /// ChaCha20-Poly1305 (RFC 8439).
    ChaCha20Poly1305,
    /// XChaCha20-Poly1305 with a 192-bit nonce (draft-irtf-cfrg-xchacha).
    XChaCha20Poly1305,
}

impl CipherType {
    /// Every cipher, in the order of their names.
    pub const ALL: [Self; 5] = [
        Self::Aes128Gcm96,
        Self::Aes256Gcm96,
        Self::Aes256GcmSiv,
        Self::ChaCha20Poly1305,
        Self::XChaCha20Poly1305,
    ];

    /// The cipher with this name on the wire, spelled exactly.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cipher| cipher.name() == name)
    }

    /// The name on the wire, Vault's where Vault has the type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128Gcm96 => "aes128-gcm96",
            Self::Aes256Gcm96 => "aes256-gcm96",
            Self::Aes256GcmSiv => "aes256-gcm-siv",
            Self::ChaCha20Poly1305 => "chacha20-poly1305",
            Self::XChaCha20Poly1305 => "xchacha20-poly1305",
        }
    }

    /// Length of the cipher key in bytes.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128Gcm96 => 16,
            Self::Aes256Gcm96
            | Self::Aes256GcmSiv
            | Self::ChaCha20Poly1305
            | Self::XChaCha20Poly1305 => 32,
        }
    }

    /// Length of the nonce in bytes; always a multiple of three, so that nonce and body encode to
    /// base64 separately.
    pub const fn nonce_len(self) -> usize {
        match self {
            Self::Aes128Gcm96 | Self::Aes256Gcm96 | Self::Aes256GcmSiv | Self::ChaCha20Poly1305 => {
                12
            }
            Self::XChaCha20Poly1305 => 24,
        }
    }

    /// Whether random nonces bound the number of messages under one key to 2^32 (SP 800-38D section 8.3).
    /// Such rings rotate by count and in the end refuse.
    pub const fn counts_to_a_limit(self) -> bool {
        match self {
            Self::Aes128Gcm96 | Self::Aes256Gcm96 | Self::ChaCha20Poly1305 => true,
            Self::Aes256GcmSiv | Self::XChaCha20Poly1305 => false,
        }
    }

    /// Whether a nonce may come from a generator that a resumed snapshot repeats.
    pub const fn forgives_nonce_reuse(self) -> bool {
        matches!(self, Self::Aes256GcmSiv)
    }
}

impl fmt::Display for CipherType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A kind of key pair: what it signs or, for RSA, also encrypts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PairType {
    /// ECDSA on P-256 (FIPS 186-5).
    EcdsaP256,
    /// ECDSA on P-384 (FIPS 186-5).
    EcdsaP384,
    /// ECDSA on P-521 (FIPS 186-5).
    EcdsaP521,
    /// Ed25519, pure (RFC 8032).
    Ed25519,
    /// ML-DSA-44, pure, with an empty context (FIPS 204).
    MlDsa44,
    /// ML-DSA-65, pure, with an empty context (FIPS 204).
    MlDsa65,
    /// ML-DSA-87, pure, with an empty context (FIPS 204).
    MlDsa87,
    /// RSA with a modulus of 2048 bits: PSS, PKCS#1 v1.5, OAEP (RFC 8017).
    Rsa2048,
    /// RSA with a modulus of 3072 bits.
    Rsa3072,
    /// RSA with a modulus of 4096 bits.
    Rsa4096,
}

impl PairType {
    /// Every kind of pair.
    pub const ALL: [Self; 10] = [
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::EcdsaP521,
        Self::Ed25519,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
    ];

    /// The name on the wire; the three of `ml-dsa` share one.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::EcdsaP521 => "ecdsa-p521",
            Self::Ed25519 => "ed25519",
            Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => "ml-dsa",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
        }
    }

    /// Length of its longest signature in bytes; of RSA keys that of a ciphertext too.
    pub const fn block_len(self) -> usize {
        match self {
            // In DER, the longer of the two forms.
            Self::EcdsaP256 => 72,
            Self::EcdsaP384 => 104,
            Self::EcdsaP521 => 139,
            Self::Ed25519 => 64,
            Self::MlDsa44 => 2420,
            Self::MlDsa65 => 3309,
            Self::MlDsa87 => 4627,
            Self::Rsa2048 => 256,
            Self::Rsa3072 => 384,
            Self::Rsa4096 => 512,
        }
    }

    /// How many of them fit into one answer, which is not to be longer than 60,000,000 bytes.
    pub const fn blocks_in_answer(self) -> usize {
        LONGEST_ANSWER / (encoded_len(self.block_len()) + AROUND_BLOCK)
    }

    /// Whether it is an RSA key, which encrypts too.
    pub const fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096)
    }

    /// Whether it is a key on a NIST curve, which ECDH works with too.
    pub const fn is_ecdsa(self) -> bool {
        matches!(self, Self::EcdsaP256 | Self::EcdsaP384 | Self::EcdsaP521)
    }
}

const LONGEST_ANSWER: usize = 60_000_000;
/// What stands around a signature in an answer: names, a version, a short reference.
const AROUND_BLOCK: usize = 128;

/// Length of every cipher's authentication tag in bytes.
pub const TAG_LEN: usize = 16;

/// The shortest key of a ring of type `hmac`, in bytes.
pub const SHORTEST_HMAC_KEY: usize = 32;
/// The longest key of a ring of type `hmac`, in bytes.
pub const LONGEST_HMAC_KEY: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_lead_back_to_their_type() {
        for key_type in KeyType::ALL {
            let found = KeyType::from_name(key_type.name(), key_type.parameter_set());
            assert_eq!(found, Some(key_type));
            assert_eq!(KeyType::from_number(key_type.number()), Some(key_type));
        }
        assert_eq!(KeyType::from_name("AES256-GCM96", None), None);
        assert_eq!(KeyType::from_name("ml-dsa", None), None);
        assert_eq!(KeyType::from_name("ml-dsa", Some("45")), None);
        assert_eq!(KeyType::from_number(20_000), None);
    }

    #[test]
    fn nonces_can_be_encoded_apart_from_what_follows() {
        for cipher in CipherType::ALL {
            assert_eq!(
                cipher.nonce_len() % 3,
                0,
                "{cipher} cannot be encoded in two parts"
            );
        }
    }
}
