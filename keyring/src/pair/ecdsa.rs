//! ECDSA on the NIST curves (FIPS 186-5).
//!
//! aws-lc-rs signs on each curve under one hash only. Every other hash comes to the same number as a digest of
//! that length: ECDSA keeps the leftmost bits of a longer one and reads a shorter one as a small number.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P521_SHA512_ASN1, ECDSA_P521_SHA512_ASN1_SIGNING, ECDSA_P521_SHA512_FIXED, EcdsaKeyPair,
    EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, KeyPair, ParsedPublicKey,
};
use der::asn1::IntRef;
use der::{Reader, SliceReader};

use super::error::Refused;
use super::{Marshaling, PairError, SignError, SignatureOptions, VerifyError, standard_form};
use crate::algorithm::PairType;
use crate::secret::SecretBytes;

pub(super) struct Ecdsa {
    curve: Curve,
    private: Option<EcdsaKeyPair>,
    /// The same key twice: aws-lc-rs ties the form of the signature to it.
    asn1: ParsedPublicKey,
    fixed: ParsedPublicKey,
}

pub(super) fn generate(pair_type: PairType) -> Result<SecretBytes, PairError> {
    let pair = EcdsaKeyPair::generate(curve(pair_type)?.signing);
    let pkcs8 = pair.and_then(|pair| pair.to_pkcs8v1());
    let pkcs8 = pkcs8.map_err(|_| PairError::Unavailable)?;
    Ok(SecretBytes::new(pkcs8.as_ref().to_vec()))
}

pub(super) fn from_pkcs8(
    pair_type: PairType,
    pkcs8: &[u8],
) -> Result<(Ecdsa, Box<[u8]>), PairError> {
    let pair = EcdsaKeyPair::from_pkcs8(curve(pair_type)?.signing, pkcs8);
    let pair = pair.map_err(|_| PairError::Malformed)?;
    let public_key = standard_form::public_key(pair.public_key())?;
    Ok((Ecdsa::new(pair_type, Some(pair), &public_key)?, public_key))
}

impl Ecdsa {
    pub(super) fn new(
        pair_type: PairType,
        private: Option<EcdsaKeyPair>,
        spki: &[u8],
    ) -> Result<Self, PairError> {
        let curve = curve(pair_type)?;
        let parsed = |algorithm| ParsedPublicKey::new(algorithm, spki);
        let asn1 = parsed(curve.asn1).map_err(|_| PairError::Malformed)?;
        let fixed = parsed(curve.fixed).map_err(|_| PairError::Malformed)?;
        standard_form::check_canonical(&asn1, spki)?;
        Ok(Self {
            curve,
            private,
            asn1,
            fixed,
        })
    }

    pub(super) fn has_private(&self) -> bool {
        self.private.is_some()
    }

    pub(super) fn sign(&self, input: &[u8], how: &SignatureOptions) -> Result<Vec<u8>, SignError> {
        let private = self.private.as_ref().ok_or(SignError::NoPrivateKey)?;
        let digest = self.curve.digest_of(input, how)?;
        let signature = private
            .sign_digest(&digest)
            .map_err(|_| SignError::Failed)?;
        match how.marshaling {
            Marshaling::Asn1 => Ok(signature.as_ref().to_vec()),
            Marshaling::Jws => {
                fixed(signature.as_ref(), self.curve.order_len).ok_or(SignError::Failed)
            }
        }
    }

    pub(super) fn verify(
        &self,
        input: &[u8],
        signature: &[u8],
        how: &SignatureOptions,
    ) -> Result<bool, VerifyError> {
        let digest = self.curve.digest_of(input, how)?;
        let verified = match how.marshaling {
            Marshaling::Asn1 => {
                numbers(signature)?;
                self.asn1.verify_digest_sig(&digest, signature)
            }
            Marshaling::Jws => self.fixed.verify_digest_sig(&digest, signature),
        };
        Ok(verified.is_ok())
    }
}

struct Curve {
    signing: &'static EcdsaSigningAlgorithm,
    asn1: &'static EcdsaVerificationAlgorithm,
    fixed: &'static EcdsaVerificationAlgorithm,
    digest: &'static digest::Algorithm,
    /// Length of the order in bytes.
    order_len: usize,
}

impl Curve {
    fn digest_of(&self, input: &[u8], how: &SignatureOptions) -> Result<Digest, Refused> {
        if how.prehashed {
            return self.fitted(input);
        }
        let hash = how.hash.ok_or(Refused::HashNotSupported)?;
        self.fitted(hash.digest(input).as_ref())
    }

    /// A digest of the curve's own hash that is the same number as this one (FIPS 186-5 section 6.4.1).
    fn fitted(&self, digest: &[u8]) -> Result<Digest, Refused> {
        let length = self.digest.output_len();
        // The order of P-521 has more bits than its hash, so that cutting there would change the number.
        if digest.len() > length && length < self.order_len {
            return Err(Refused::DigestLength);
        }
        let kept = digest.get(..length).unwrap_or(digest);
        let mut fitted = vec![0; length.saturating_sub(kept.len())];
        fitted.extend_from_slice(kept);
        Digest::import_less_safe(&fitted, self.digest).map_err(|_| Refused::DigestLength)
    }
}

fn curve(pair_type: PairType) -> Result<Curve, PairError> {
    match pair_type {
        PairType::EcdsaP256 => Ok(Curve {
            signing: &ECDSA_P256_SHA256_ASN1_SIGNING,
            asn1: &ECDSA_P256_SHA256_ASN1,
            fixed: &ECDSA_P256_SHA256_FIXED,
            digest: &digest::SHA256,
            order_len: 32,
        }),
        PairType::EcdsaP384 => Ok(Curve {
            signing: &ECDSA_P384_SHA384_ASN1_SIGNING,
            asn1: &ECDSA_P384_SHA384_ASN1,
            fixed: &ECDSA_P384_SHA384_FIXED,
            digest: &digest::SHA384,
            order_len: 48,
        }),
        PairType::EcdsaP521 => Ok(Curve {
            signing: &ECDSA_P521_SHA512_ASN1_SIGNING,
            asn1: &ECDSA_P521_SHA512_ASN1,
            fixed: &ECDSA_P521_SHA512_FIXED,
            digest: &digest::SHA512,
            order_len: 66,
        }),
        PairType::Ed25519
        | PairType::MlDsa44
        | PairType::MlDsa65
        | PairType::MlDsa87
        | PairType::Rsa2048
        | PairType::Rsa3072
        | PairType::Rsa4096 => Err(PairError::WrongType),
    }
}

/// r and s out of their DER. Whether they are in range is for the curve to say.
fn numbers(signature: &[u8]) -> Result<[IntRef<'_>; 2], VerifyError> {
    let invalid = |_| VerifyError::SignatureInvalid;
    let mut reader = SliceReader::new(signature).map_err(invalid)?;
    let numbers = reader.sequence(|inner| Ok([inner.decode()?, inner.decode()?]));
    let numbers = numbers.map_err(invalid)?;
    if reader.is_finished() {
        Ok(numbers)
    } else {
        Err(VerifyError::ExtraData)
    }
}

/// r || s, each of this length, out of their DER.
fn fixed(signature: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut fixed = Vec::with_capacity(2 * length);
    for number in numbers(signature).ok()? {
        // A leading zero says only that the number is not negative.
        let bytes = number.as_bytes();
        let bytes = bytes.strip_prefix(&[0]).unwrap_or(bytes);
        let padding = length.checked_sub(bytes.len())?;
        fixed.resize(fixed.len() + padding, 0);
        fixed.extend_from_slice(bytes);
    }
    Some(fixed)
}
