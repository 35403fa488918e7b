//! Hash functions by the protocol's names, and HMAC (RFC 2104) over them.

use aws_lc_rs::{digest, hmac as aws_hmac};
use hmac::{KeyInit, Mac, SimpleHmac};
use sha3::{Digest as _, Sha3_224, Sha3_256, Sha3_384, Sha3_512};

/// A hash function (FIPS 180-4, FIPS 202).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashAlgorithm {
    /// SHA-1; broken against collisions, kept for old signatures and for HMAC.
    Sha1,
    /// SHA-224.
    Sha2_224,
    /// SHA-256.
    Sha2_256,
    /// SHA-384.
    Sha2_384,
    /// SHA-512.
    Sha2_512,
    /// SHA3-224.
    Sha3_224,
    /// SHA3-256.
    Sha3_256,
    /// SHA3-384.
    Sha3_384,
    /// SHA3-512.
    Sha3_512,
}

impl HashAlgorithm {
    /// Every hash function, in the order of their names.
    pub const ALL: [Self; 9] = [
        Self::Sha1,
        Self::Sha2_224,
        Self::Sha2_256,
        Self::Sha2_384,
        Self::Sha2_512,
        Self::Sha3_224,
        Self::Sha3_256,
        Self::Sha3_384,
        Self::Sha3_512,
    ];

    /// The hash function with this name on the wire, spelled exactly.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hash| hash.name() == name)
    }

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha2_224 => "sha2-224",
            Self::Sha2_256 => "sha2-256",
            Self::Sha2_384 => "sha2-384",
            Self::Sha2_512 => "sha2-512",
            Self::Sha3_224 => "sha3-224",
            Self::Sha3_256 => "sha3-256",
            Self::Sha3_384 => "sha3-384",
            Self::Sha3_512 => "sha3-512",
        }
    }

    /// Length of its output in bytes.
    pub const fn output_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha2_224 | Self::Sha3_224 => 28,
            Self::Sha2_256 | Self::Sha3_256 => 32,
            Self::Sha2_384 | Self::Sha3_384 => 48,
            Self::Sha2_512 | Self::Sha3_512 => 64,
        }
    }

    /// The hash of this input.
    pub fn digest(self, input: &[u8]) -> Vec<u8> {
        let aws_lc = |algorithm| digest::digest(algorithm, input).as_ref().to_vec();
        match self {
            Self::Sha1 => aws_lc(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            Self::Sha2_224 => aws_lc(&digest::SHA224),
            Self::Sha2_256 => aws_lc(&digest::SHA256),
            Self::Sha2_384 => aws_lc(&digest::SHA384),
            Self::Sha2_512 => aws_lc(&digest::SHA512),
            // aws-lc-rs has the three longer ones only.
            Self::Sha3_224 => Sha3_224::digest(input).to_vec(),
            Self::Sha3_256 => aws_lc(&digest::SHA3_256),
            Self::Sha3_384 => aws_lc(&digest::SHA3_384),
            Self::Sha3_512 => aws_lc(&digest::SHA3_512),
        }
    }

    /// The HMAC of this input under this key, in full length.
    pub fn hmac(self, key: &[u8], input: &[u8]) -> HmacTag {
        let aws_lc = |algorithm| {
            let tag = aws_hmac::sign(&aws_hmac::Key::new(algorithm, key), input);
            HmacTag(tag.as_ref().to_vec())
        };
        match self {
            Self::Sha1 => aws_lc(aws_hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
            Self::Sha2_224 => aws_lc(aws_hmac::HMAC_SHA224),
            Self::Sha2_256 => aws_lc(aws_hmac::HMAC_SHA256),
            Self::Sha2_384 => aws_lc(aws_hmac::HMAC_SHA384),
            Self::Sha2_512 => aws_lc(aws_hmac::HMAC_SHA512),
            // aws-lc-rs has no HMAC over SHA-3.
            Self::Sha3_224 => rust_crypto::<SimpleHmac<Sha3_224>>(key, input),
            Self::Sha3_256 => rust_crypto::<SimpleHmac<Sha3_256>>(key, input),
            Self::Sha3_384 => rust_crypto::<SimpleHmac<Sha3_384>>(key, input),
            Self::Sha3_512 => rust_crypto::<SimpleHmac<Sha3_512>>(key, input),
        }
    }
}

/// The HMAC of a message.
#[derive(Clone, Debug)]
pub struct HmacTag(Vec<u8>);

impl HmacTag {
    /// The tag's bytes, as many as its hash function gives.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is this tag, in time that does not depend on where they differ.
    pub fn is(&self, other: &[u8]) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.0.as_slice(), other).into()
    }
}

fn rust_crypto<M: Mac + KeyInit>(key: &[u8], input: &[u8]) -> HmacTag {
    let mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of every length");
    HmacTag(mac.chain_update(input).finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_hash() {
        for hash in HashAlgorithm::ALL {
            assert_eq!(HashAlgorithm::from_name(hash.name()), Some(hash));
            assert_eq!(hash.digest(b"").len(), hash.output_len());
            assert_eq!(hash.hmac(b"", b"").as_bytes().len(), hash.output_len());
        }
        assert_eq!(HashAlgorithm::from_name("none"), None);
        assert_eq!(HashAlgorithm::from_name("SHA2-256"), None);
    }

    #[test]
    fn the_protocols_own_vectors_of_hmac_hold() {
        use HashAlgorithm::{Sha2_224, Sha2_256, Sha2_384, Sha3_224, Sha3_256, Sha3_384};
        let key = b"01234567890123456789012345678901";
        let input = b"the quick brown fox";
        for (hash, expected) in [
            (Sha2_224, "3p+ZWVquYDvu2dSTCa65Y3fgoMfIAc6fNaBbtg=="),
            (Sha2_256, "UcBvm5VskkukzZHlPgm3p5P/Yr/PV6xpuOGZISya3A4="),
            (
                Sha2_384,
                "jDB9YXdPjpmr29b1JCIEJO93IydlKVfD9mA2EO9OmJtJQg3QAV5tcRRRb7IQGW9p",
            ),
            (Sha3_224, "TGipmKH8LR/BkMolYpDYy0BJCIhTtGPDhV2VkQ=="),
            (Sha3_256, "+px9V/7QYLfdK808zPESC2T/L33uFf4Blzsn9Jy838o="),
            (
                Sha3_384,
                "YGoRwN4UdTRYZeOER86jsQOB8piWenzLDzJ2wJQK/Jq59rAsY8lh7SCdqqCyFg70",
            ),
        ] {
            let tag = hash.hmac(key, input);
            let mut text = Vec::new();
            crate::base64::encode_append(tag.as_bytes(), &mut text);
            assert_eq!(String::from_utf8(text).unwrap(), expected, "{hash:?}");
            assert!(tag.is(tag.as_bytes()) && !tag.is(b""));
        }
    }
}
