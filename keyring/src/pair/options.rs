//! How a signature is made or checked, where its key leaves a choice.

use crate::hash::HashAlgorithm;

/// How a signature is made or checked. What does not fit a key's type is ignored, as the protocol has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignatureOptions {
    /// The hash of the input; `None` is the protocol's `none`. ECDSA and RSA.
    pub hash: Option<HashAlgorithm>,
    /// Whether the input is the hash already. ECDSA and RSA.
    pub prehashed: bool,
    /// The padding. RSA.
    pub scheme: RsaScheme,
    /// The length of the salt. RSA-PSS.
    pub salt: SaltLength,
    /// How the two numbers are written. ECDSA.
    pub marshaling: Marshaling,
}

impl Default for SignatureOptions {
    fn default() -> Self {
        Self {
            hash: Some(HashAlgorithm::Sha2_256),
            prehashed: false,
            scheme: RsaScheme::Pss,
            salt: SaltLength::Auto,
            marshaling: Marshaling::Asn1,
        }
    }
}

/// How an RSA signature is padded (RFC 8017).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RsaScheme {
    /// RSASSA-PSS, with MGF1 over the same hash.
    Pss,
    /// RSASSA-PKCS1-v1_5.
    Pkcs1v15,
    /// One that nobody here knows. RSA keys refuse it; others ignore it, as they ignore every padding.
    Unknown,
}

/// How long the salt of an RSASSA-PSS signature is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaltLength {
    /// Signs with the longest that fits; verifies the longest, the hash's, and 0, 20, 28, 32, 48, 64.
    Auto,
    /// As long as the hash.
    Hash,
    /// This many bytes; 0 is `Auto`, as in Go.
    Bytes(u32),
}

/// How an ECDSA signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marshaling {
    /// DER of `SEQUENCE { r, s }` (RFC 3279 section 2.2.3).
    Asn1,
    /// r || s, each padded with zeros to the length of the curve's order: 32, 48 or 66 bytes (RFC 7518
    /// section 3.4).
    Jws,
}

/// The hash of OAEP and of its MGF1. aws-lc-rs has no OAEP with SHA-224.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OaepHash {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}
