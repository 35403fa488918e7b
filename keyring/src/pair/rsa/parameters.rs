//! aws-lc-rs's parameters of RSA signatures for each hash. It wants them to live as long as the program, and a
//! salt's length is part of them, so that there is one of each for every length.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaParameters, RsaPssSaltLength,
    RsaSignatureEncoding,
};

use crate::hash::HashAlgorithm;

/// What one hash signs and verifies with.
pub(super) struct ForHash {
    pub(super) hash: HashAlgorithm,
    pub(super) pkcs1_signing: &'static RsaSignatureEncoding,
    pss_signing: LazyLock<Vec<RsaSignatureEncoding>>,
    pss_verifying: LazyLock<Vec<RsaParameters>>,
}

impl ForHash {
    /// With a salt of this many bytes; `None` if no key is as long.
    pub(super) fn pss_signing(&'static self, salt: usize) -> Option<&'static RsaSignatureEncoding> {
        self.pss_signing.get(salt)
    }

    /// With a salt of this many bytes; `None` if no key is as long.
    pub(super) fn pss_verifying(&'static self, salt: usize) -> Option<&'static RsaParameters> {
        self.pss_verifying.get(salt)
    }

    /// The most that fits: emLen - hLen - 2 (RFC 8017 section 9.1.1); emLen is the modulus's length in bytes,
    /// since its bits are a multiple of eight.
    pub(super) fn longest_salt(&self, modulus_len: usize) -> usize {
        modulus_len.saturating_sub(self.hash.output_len() + 2)
    }

    /// What other implementations sign with: the longest, the hash's length, and the fixed ones in use. Not
    /// every length there is, since each costs a verification when the signature is wrong.
    pub(super) fn likely_salts(&self, modulus_len: usize) -> Vec<usize> {
        let mut salts = vec![self.longest_salt(modulus_len), self.hash.output_len()];
        let others = [0, 20, 28, 32, 48, 64].into_iter();
        salts.extend(others.filter(|salt| *salt != self.hash.output_len()));
        salts
    }
}

/// The ways of verifying that callers use unless told otherwise, for a modulus of this many bytes.
pub(super) fn usual(modulus_len: usize) -> impl Iterator<Item = &'static RsaParameters> {
    let pkcs1 = HashAlgorithm::ALL.into_iter().filter_map(pkcs1_verifying);
    let pss = [&SHA256, &SHA384, &SHA512].into_iter();
    let pss = pss.flat_map(move |of: &'static ForHash| {
        [of.longest_salt(modulus_len), of.hash.output_len()].map(|salt| of.pss_verifying(salt))
    });
    pkcs1.chain(pss.flatten())
}

/// The parameters of the hashes that aws-lc-rs signs with.
pub(super) fn for_hash(hash: HashAlgorithm) -> Option<&'static ForHash> {
    match hash {
        HashAlgorithm::Sha2_256 => Some(&SHA256),
        HashAlgorithm::Sha2_384 => Some(&SHA384),
        HashAlgorithm::Sha2_512 => Some(&SHA512),
        HashAlgorithm::Sha1
        | HashAlgorithm::Sha2_224
        | HashAlgorithm::Sha3_224
        | HashAlgorithm::Sha3_256
        | HashAlgorithm::Sha3_384
        | HashAlgorithm::Sha3_512 => None,
    }
}

/// PKCS#1 v1.5, which may be verified under one hash more than it is made with.
pub(super) fn pkcs1_verifying(hash: HashAlgorithm) -> Option<&'static RsaParameters> {
    match hash {
        HashAlgorithm::Sha1 => Some(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY),
        HashAlgorithm::Sha2_256 => Some(&RSA_PKCS1_2048_8192_SHA256),
        HashAlgorithm::Sha2_384 => Some(&RSA_PKCS1_2048_8192_SHA384),
        HashAlgorithm::Sha2_512 => Some(&RSA_PKCS1_2048_8192_SHA512),
        HashAlgorithm::Sha2_224
        | HashAlgorithm::Sha3_224
        | HashAlgorithm::Sha3_256
        | HashAlgorithm::Sha3_384
        | HashAlgorithm::Sha3_512 => None,
    }
}

/// The hash as aws-lc-rs has it, if an RSA signature may be over it.
pub(super) fn digest(hash: HashAlgorithm) -> Option<&'static digest::Algorithm> {
    match hash {
        HashAlgorithm::Sha1 => Some(&digest::SHA1_FOR_LEGACY_USE_ONLY),
        HashAlgorithm::Sha2_256 => Some(&digest::SHA256),
        HashAlgorithm::Sha2_384 => Some(&digest::SHA384),
        HashAlgorithm::Sha2_512 => Some(&digest::SHA512),
        HashAlgorithm::Sha2_224
        | HashAlgorithm::Sha3_224
        | HashAlgorithm::Sha3_256
        | HashAlgorithm::Sha3_384
        | HashAlgorithm::Sha3_512 => None,
    }
}

static SHA256: ForHash = ForHash {
    hash: HashAlgorithm::Sha2_256,
    pkcs1_signing: &RSA_PKCS1_SHA256,
    pss_signing: LazyLock::new(|| salted(|salt| RSA_PSS_SHA256.with_pss_salt_length(salt))),
    pss_verifying: LazyLock::new(|| {
        salted(|salt| RSA_PSS_2048_8192_SHA256.with_pss_salt_length(salt))
    }),
};

static SHA384: ForHash = ForHash {
    hash: HashAlgorithm::Sha2_384,
    pkcs1_signing: &RSA_PKCS1_SHA384,
    pss_signing: LazyLock::new(|| salted(|salt| RSA_PSS_SHA384.with_pss_salt_length(salt))),
    pss_verifying: LazyLock::new(|| {
        salted(|salt| RSA_PSS_2048_8192_SHA384.with_pss_salt_length(salt))
    }),
};

static SHA512: ForHash = ForHash {
    hash: HashAlgorithm::Sha2_512,
    pkcs1_signing: &RSA_PKCS1_SHA512,
    pss_signing: LazyLock::new(|| salted(|salt| RSA_PSS_SHA512.with_pss_salt_length(salt))),
    pss_verifying: LazyLock::new(|| {
        salted(|salt| RSA_PSS_2048_8192_SHA512.with_pss_salt_length(salt))
    }),
};

fn salted<T>(with: impl Fn(RsaPssSaltLength) -> T) -> Vec<T> {
    let lengths = 0..=LONGEST_SALT;
    lengths
        .map(|length| with(RsaPssSaltLength::Custom(length)))
        .collect()
}

/// In bytes: beside SHA-256 in a modulus of 4096 bits.
const LONGEST_SALT: u16 = 512 - 32 - 2;
