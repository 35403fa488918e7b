//! The key types a ring can have, with their names on the wire, stored numbers and sizes.

use std::fmt;

/// What a ring's keys are for and which cipher uses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
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

impl KeyType {
    /// Every key type, in the order of their names.
    pub const ALL: [Self; 5] = [
        Self::Aes128Gcm96,
        Self::Aes256Gcm96,
        Self::Aes256GcmSiv,
        Self::ChaCha20Poly1305,
        Self::XChaCha20Poly1305,
    ];

    /// The type with this name on the wire, spelled exactly.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|key_type| key_type.name() == name)
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
            Self::Aes128Gcm96 => "aes128-gcm96",
            Self::Aes256Gcm96 => "aes256-gcm96",
            Self::Aes256GcmSiv => "aes256-gcm-siv",
            Self::ChaCha20Poly1305 => "chacha20-poly1305",
            Self::XChaCha20Poly1305 => "xchacha20-poly1305",
        }
    }

    /// The number in stored rows and backups: `OpenBao`'s where it has the type, 20001 and up for ours.
    pub const fn number(self) -> u32 {
        match self {
            Self::Aes128Gcm96 => 8,
            Self::Aes256Gcm96 => 0,
            Self::Aes256GcmSiv => 20_001,
            Self::ChaCha20Poly1305 => 5,
            Self::XChaCha20Poly1305 => 11,
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

impl fmt::Display for KeyType {
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

    /// Whether it is an RSA key, which encrypts too.
    pub const fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096)
    }

    /// Whether it is a key on a NIST curve, which ECDH works with too.
    pub const fn is_ecdsa(self) -> bool {
        matches!(self, Self::EcdsaP256 | Self::EcdsaP384 | Self::EcdsaP521)
    }
}

/// Length of every cipher's authentication tag in bytes.
pub const TAG_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_lead_back_to_their_type() {
        for key_type in KeyType::ALL {
            assert_eq!(KeyType::from_name(key_type.name()), Some(key_type));
            assert_eq!(KeyType::from_number(key_type.number()), Some(key_type));
            assert_eq!(
                key_type.nonce_len() % 3,
                0,
                "{key_type} cannot be encoded in two parts"
            );
        }
        assert_eq!(KeyType::from_name("AES256-GCM96"), None);
        assert_eq!(KeyType::from_number(20_000), None);
    }
}
