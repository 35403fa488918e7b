//! Which type of key a PKCS#8 (RFC 5958) or `SubjectPublicKeyInfo` (RFC 5280) says it holds. aws-lc does not
//! say why it rejects a key, and reads past the end of neither.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use der::Decode;
use der::asn1::ObjectIdentifier;
use pkcs8::PrivateKeyInfoRef;
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use super::PairError;
use crate::algorithm::PairType;

pub(super) fn check_pkcs8(pair_type: PairType, pkcs8: &[u8]) -> Result<(), PairError> {
    let info = PrivateKeyInfoRef::from_der(pkcs8).map_err(|_| PairError::Malformed)?;
    check(pair_type, &info.algorithm)
}

pub(super) fn check_public_key(pair_type: PairType, spki: &[u8]) -> Result<(), PairError> {
    let info = SubjectPublicKeyInfoRef::from_der(spki).map_err(|_| PairError::Malformed)?;
    check(pair_type, &info.algorithm)
}

/// The `SubjectPublicKeyInfo` of a key that aws-lc has parsed.
pub(super) fn public_key(
    key: &impl AsDer<PublicKeyX509Der<'static>>,
) -> Result<Box<[u8]>, PairError> {
    let der = key.as_der().map_err(|_| PairError::Malformed)?;
    Ok(der.as_ref().into())
}

/// Refuses a key that is written otherwise than we would write it. aws-lc takes several forms, and a key
/// would go out in another than it came in.
pub(super) fn check_canonical(
    key: &impl AsDer<PublicKeyX509Der<'static>>,
    spki: &[u8],
) -> Result<(), PairError> {
    if *public_key(key)? == *spki {
        Ok(())
    } else {
        Err(PairError::Malformed)
    }
}

fn check(pair_type: PairType, algorithm: &AlgorithmIdentifierRef<'_>) -> Result<(), PairError> {
    let (expected, curve) = identifiers(pair_type);
    let same_curve = curve.is_none() || algorithm.parameters_oid().ok() == curve;
    if algorithm.oid == expected && same_curve {
        Ok(())
    } else {
        Err(PairError::WrongType)
    }
}

/// The algorithm, and on a NIST curve the curve (RFC 5480, RFC 8410, RFC 9881, RFC 8017).
fn identifiers(pair_type: PairType) -> (ObjectIdentifier, Option<ObjectIdentifier>) {
    match pair_type {
        PairType::EcdsaP256 => (EC, Some(P256)),
        PairType::EcdsaP384 => (EC, Some(P384)),
        PairType::EcdsaP521 => (EC, Some(P521)),
        PairType::Ed25519 => (ED25519, None),
        PairType::MlDsa44 => (ML_DSA_44, None),
        PairType::MlDsa65 => (ML_DSA_65, None),
        PairType::MlDsa87 => (ML_DSA_87, None),
        PairType::Rsa2048 | PairType::Rsa3072 | PairType::Rsa4096 => (RSA, None),
    }
}

const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const ML_DSA_44: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.17");
const ML_DSA_65: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.18");
const ML_DSA_87: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.19");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
