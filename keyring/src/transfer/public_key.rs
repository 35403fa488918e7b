//! Public keys as PKIX `SubjectPublicKeyInfo` (RFC 5280), alone or in PEM (RFC 7468).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ED25519, ML_DSA_44,
    ML_DSA_65, ML_DSA_87, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use der::asn1::{AnyRef, BitStringRef};
use der::{Decode, Encode};
use pkcs1::RsaPublicKeyRef;
use spki::SubjectPublicKeyInfoRef;

use super::form::{self, Found, ReadKeyError};
use crate::algorithm::PairType;

/// Reads a public key of this kind from the first block of a PEM text, and answers it as PKIX DER. The block is
/// PKIX whatever its label, except that PKCS#1 may say `RSA PUBLIC KEY`.
pub fn read_public_pem(pair: PairType, text: &str) -> Result<Vec<u8>, ReadKeyError> {
    let block = pem::parse(text).map_err(|_| ReadKeyError::Public("not in PEM format"))?;
    if block.tag() == "RSA PUBLIC KEY" {
        let key = PublicKey::new(block.contents());
        key.check_rsa(pair)?;
        return key.write(pair);
    }
    read_public_der(pair, block.contents())
}

/// Reads a public key of this kind from PKIX DER, and answers it in the one spelling this service writes.
pub fn read_public_der(pair: PairType, spki: &[u8]) -> Result<Vec<u8>, ReadKeyError> {
    let info = parse(spki)?;
    found(&info)?.check(pair, true)?;
    key_bits(&info)?.write(pair)
}

/// The kind-specific bytes of a public key: a point (SEC 1, uncompressed), an RSA key (PKCS#1), or the raw bytes
/// of Ed25519 and ML-DSA.
pub(super) struct PublicKey<'a> {
    bytes: &'a [u8],
}

impl<'a> PublicKey<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Those of a key this service wrote itself.
    pub(super) fn of(spki: &'a [u8]) -> Result<Self, ReadKeyError> {
        key_bits(&parse(spki)?)
    }

    pub(super) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// As PKIX DER, once aws-lc has accepted it.
    pub(super) fn write(&self, pair: PairType) -> Result<Vec<u8>, ReadKeyError> {
        if pair.is_ecdsa() && self.bytes.first() != Some(&UNCOMPRESSED) {
            return Err(ReadKeyError::Public(
                "failed to unmarshal elliptic curve point",
            ));
        }
        ParsedPublicKey::new(verification(pair), self.bytes).map_err(|_| REFUSED)?;
        let info = SubjectPublicKeyInfoRef {
            algorithm: form::algorithm(pair),
            subject_public_key: BitStringRef::from_bytes(self.bytes).map_err(|_| REFUSED)?,
        };
        info.to_der().map_err(|_| REFUSED)
    }

    fn check_rsa(&self, pair: PairType) -> Result<(), ReadKeyError> {
        let key = RsaPublicKeyRef::from_der(self.bytes)
            .map_err(|_| ReadKeyError::Public("the RSA public key is damaged"))?;
        Found::Rsa(key.modulus.as_bytes().len()).check(pair, true)
    }
}

fn parse(spki: &[u8]) -> Result<SubjectPublicKeyInfoRef<'_>, ReadKeyError> {
    SubjectPublicKeyInfoRef::from_der(spki)
        .map_err(|_| ReadKeyError::Public("not a PKIX public key"))
}

fn key_bits<'a>(info: &SubjectPublicKeyInfoRef<'a>) -> Result<PublicKey<'a>, ReadKeyError> {
    let bytes = info.subject_public_key.as_bytes().ok_or(REFUSED)?;
    Ok(PublicKey { bytes })
}

fn found(info: &SubjectPublicKeyInfoRef<'_>) -> Result<Found, ReadKeyError> {
    match info.algorithm.oid {
        form::EC => found_curve(info.algorithm.parameters),
        form::ED25519 => Ok(Found::Ed25519),
        form::RSA => {
            let key = RsaPublicKeyRef::from_der(key_bits(info)?.bytes)
                .map_err(|_| ReadKeyError::Public("the RSA public key is damaged"))?;
            Ok(Found::Rsa(key.modulus.as_bytes().len()))
        }
        form::X25519 => Ok(Found::X25519),
        oid => form::with_parameter_set(oid)
            .map(Found::MlDsa)
            .ok_or(ReadKeyError::Public("unknown public key algorithm")),
    }
}

fn found_curve(parameters: Option<AnyRef<'_>>) -> Result<Found, ReadKeyError> {
    let unknown = ReadKeyError::Public("unsupported elliptic curve");
    match parameters
        .and_then(|curve| curve.decode_as().ok())
        .ok_or(unknown)?
    {
        form::P224 => Ok(Found::P224),
        curve => form::on_curve(curve).map(Found::Curve).ok_or(unknown),
    }
}

/// aws-lc's name for verifying with such a key; which hash goes with it does not matter for reading.
fn verification(pair: PairType) -> &'static dyn VerificationAlgorithm {
    match pair {
        PairType::EcdsaP256 => &ECDSA_P256_SHA256_ASN1,
        PairType::EcdsaP384 => &ECDSA_P384_SHA384_ASN1,
        PairType::EcdsaP521 => &ECDSA_P521_SHA512_ASN1,
        PairType::Ed25519 => &ED25519,
        PairType::MlDsa44 => &ML_DSA_44,
        PairType::MlDsa65 => &ML_DSA_65,
        PairType::MlDsa87 => &ML_DSA_87,
        PairType::Rsa2048 | PairType::Rsa3072 | PairType::Rsa4096 => &RSA_PKCS1_2048_8192_SHA256,
    }
}

/// The first byte of a point that gives both coordinates (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 4;

const REFUSED: ReadKeyError = ReadKeyError::Public("the key is not valid");

#[cfg(test)]
mod tests {
    use super::super::private_key::public_of;
    use super::super::samples::sample;
    use super::*;

    #[test]
    fn a_public_key_in_pem_is_read_as_itself() {
        for pair in PairType::ALL {
            let spki = public_of(pair, sample(pair)).unwrap();
            let text = pem::encode(&pem::Pem::new("PUBLIC KEY", spki.clone()));
            for text in [
                text.clone(),
                text.replace("\r\n", "\n"),
                format!("a remark\n\n{}\nand more", text.trim()),
                format!("{text}{text}"),
            ] {
                assert_eq!(read_public_pem(pair, &text), Ok(spki.clone()), "{pair:?}");
            }
        }
    }

    #[test]
    fn an_rsa_public_key_may_come_as_pkcs1() {
        let pair = PairType::Rsa3072;
        let spki = public_of(pair, sample(pair)).unwrap();
        let inner = PublicKey::of(&spki).unwrap().bytes();
        let text = pem::encode(&pem::Pem::new("RSA PUBLIC KEY", inner));
        assert_eq!(read_public_pem(pair, &text), Ok(spki.clone()));
        assert_eq!(
            read_public_pem(PairType::Rsa2048, &text)
                .unwrap_err()
                .to_string(),
            "invalid key size: expected 256 bytes, got 384 bytes"
        );
    }

    #[test]
    fn every_other_kind_is_refused() {
        for asked in PairType::ALL {
            for given in PairType::ALL.into_iter().filter(|given| *given != asked) {
                let spki = public_of(given, sample(given)).unwrap();
                let message = read_public_der(asked, &spki).unwrap_err().to_string();
                assert!(message.starts_with("invalid "), "{message}");
            }
        }
        let rsa = public_of(PairType::Rsa2048, sample(PairType::Rsa2048)).unwrap();
        assert_eq!(
            read_public_der(PairType::EcdsaP384, &rsa)
                .unwrap_err()
                .to_string(),
            "invalid key type: expected ecdsa-p384, got *rsa.PublicKey"
        );
    }

    #[test]
    fn a_point_that_is_not_on_its_curve_is_refused() {
        for pair in [
            PairType::EcdsaP256,
            PairType::EcdsaP384,
            PairType::EcdsaP521,
        ] {
            let mut spki = public_of(pair, sample(pair)).unwrap();
            *spki.last_mut().unwrap() ^= 1;
            assert_eq!(read_public_der(pair, &spki), Err(REFUSED), "{pair:?}");
        }
    }

    #[test]
    fn a_compressed_point_is_refused_as_the_protocol_does() {
        let pair = PairType::EcdsaP256;
        let spki = public_of(pair, sample(pair)).unwrap();
        let mut point = PublicKey::of(&spki).unwrap().bytes()[..33].to_vec();
        point[0] = 2;
        assert_eq!(
            PublicKey::new(&point).write(pair).unwrap_err().to_string(),
            "error parsing public key: failed to unmarshal elliptic curve point"
        );
    }

    #[test]
    fn what_is_no_pem_is_refused() {
        for text in ["", "PUBLIC KEY", "-----BEGIN PUBLIC KEY-----\nAAAA"] {
            assert_eq!(
                read_public_pem(PairType::Ed25519, text)
                    .unwrap_err()
                    .to_string(),
                "error parsing public key: not in PEM format"
            );
        }
    }
}
