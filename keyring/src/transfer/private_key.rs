//! Private keys as PKCS#8 (RFC 5208, RFC 5958), read in every form the protocol knows and written in one.

use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, ML_DSA_44_SIGNING,
    ML_DSA_65_SIGNING, ML_DSA_87_SIGNING, PqdsaKeyPair, PqdsaSigningAlgorithm,
};
use der::asn1::{AnyRef, ContextSpecific, ObjectIdentifier, OctetStringRef};
use der::{Decode, Encode, Reader, SliceReader, TagMode, TagNumber};
use pkcs1::{RsaPrivateKeyRef, RsaPublicKeyRef};
use pkcs8::PrivateKeyInfoRef;
use sec1::EcPrivateKey;
use zeroize::Zeroizing;

pub use super::form::ReadKeyError;
use super::form::{self, Found, number_len, secret_der};
use super::public_key::PublicKey;
use crate::algorithm::PairType;
use crate::secret::SecretBytes;

/// Reads a private key of this kind: PKCS#8 v1 or v2; Ed25519 also wrapped as a key on a curve, RSA also under
/// the identifier of RSASSA-PSS, ML-DSA with its seed. Answers it in the one form this service keeps and exports,
/// which aws-lc has accepted. Public keys that came along are made anew and not believed.
pub fn read_private(pair: PairType, pkcs8: &[u8]) -> Result<SecretBytes, ReadKeyError> {
    let key = PrivateKey::read(pkcs8)?;
    key.found()?.check(pair, false)?;
    key.write(pair)
}

/// The PKIX DER (RFC 5280) of the public key that belongs to a private key of this kind.
pub fn public_of(pair: PairType, pkcs8: &[u8]) -> Result<Vec<u8>, ReadKeyError> {
    let key = PrivateKey::read(pkcs8)?;
    key.found()?.check(pair, false)?;
    key.public(pair)
}

/// A private key taken apart; borrows from what it was read from.
pub(super) enum PrivateKey<'a> {
    /// A number below the order of a curve, as long as it came.
    Ec {
        curve: ObjectIdentifier,
        scalar: &'a [u8],
    },
    Ed25519 {
        seed: &'a [u8],
    },
    MlDsa {
        parameter_set: PairType,
        seed: &'a [u8],
    },
    Rsa(Box<RsaPrivateKeyRef<'a>>),
    X25519,
}

impl<'a> PrivateKey<'a> {
    pub(super) fn read(pkcs8: &'a [u8]) -> Result<Self, ReadKeyError> {
        let info = PrivateKeyInfoRef::from_der(pkcs8)
            .map_err(|_| ReadKeyError::Private("not a PKCS#8 private key"))?;
        let inner = info.private_key.as_bytes();
        match info.algorithm.oid {
            form::EC => Self::read_ec(info.algorithm.parameters, inner),
            form::ED25519 => Self::read_ed25519(inner),
            form::RSA | form::RSA_PSS => Self::read_rsa(inner),
            form::X25519 => Ok(Self::X25519),
            oid => {
                let parameter_set = form::with_parameter_set(oid)
                    .ok_or(ReadKeyError::Private("unknown algorithm"))?;
                Self::read_ml_dsa(parameter_set, inner)
            }
        }
    }

    fn read_ec(parameters: Option<AnyRef<'_>>, inner: &'a [u8]) -> Result<Self, ReadKeyError> {
        let damaged = ReadKeyError::Private("the inner EC private key is damaged");
        let key = EcPrivateKey::from_der(inner).map_err(|_| damaged)?;
        let named = parameters.and_then(|parameters| parameters.decode_as().ok());
        let curve = named.or(key.parameters.and_then(sec1::EcParameters::named_curve));
        match curve.ok_or(ReadKeyError::Private("unknown elliptic curve"))? {
            // Some write X25519's identifier where they mean Ed25519, and the protocol lets them.
            form::X25519 | form::NSS_ED25519 => ed25519(key.private_key),
            curve => Ok(Self::Ec {
                curve,
                scalar: key.private_key,
            }),
        }
    }

    fn read_ed25519(inner: &'a [u8]) -> Result<Self, ReadKeyError> {
        let seed = <&OctetStringRef>::from_der(inner)
            .map_err(|_| ReadKeyError::Private("the inner Ed25519 private key is damaged"))?;
        ed25519(seed.as_bytes())
    }

    fn read_rsa(inner: &'a [u8]) -> Result<Self, ReadKeyError> {
        let key = RsaPrivateKeyRef::from_der(inner)
            .map_err(|_| ReadKeyError::Private("the inner RSA private key is damaged"))?;
        Ok(Self::Rsa(Box::new(key)))
    }

    /// The seed alone, or the seed and what aws-lc expands it to (RFC 9881 section 6).
    fn read_ml_dsa(parameter_set: PairType, inner: &'a [u8]) -> Result<Self, ReadKeyError> {
        let no_seed = ReadKeyError::Private("an ML-DSA private key needs its seed");
        let seed = ml_dsa_seed(inner).map_err(|_| no_seed)?;
        if seed.len() == number_len(parameter_set) {
            Ok(Self::MlDsa {
                parameter_set,
                seed,
            })
        } else {
            Err(no_seed)
        }
    }

    /// What it is, before anything is asked of it.
    pub(super) fn found(&self) -> Result<Found, ReadKeyError> {
        match self {
            Self::Ec { curve, .. } if *curve == form::P224 => Ok(Found::P224),
            Self::Ec { curve, .. } => form::on_curve(*curve)
                .map(Found::Curve)
                .ok_or(ReadKeyError::Private("unknown elliptic curve")),
            Self::Ed25519 { .. } => Ok(Found::Ed25519),
            Self::MlDsa { parameter_set, .. } => Ok(Found::MlDsa(*parameter_set)),
            Self::Rsa(key) => Ok(Found::Rsa(key.modulus.as_bytes().len())),
            Self::X25519 => Ok(Found::X25519),
        }
    }

    /// As PKCS#8, once aws-lc has accepted it.
    pub(super) fn write(&self, pair: PairType) -> Result<SecretBytes, ReadKeyError> {
        let written = match self {
            Self::Ec { scalar, .. } => write_ec(pair, scalar),
            Self::Ed25519 { seed } => write_ed25519(pair, seed),
            Self::MlDsa { seed, .. } => write_ml_dsa(pair, seed),
            Self::Rsa(key) => write_rsa(pair, key),
            Self::X25519 => return Err(ReadKeyError::Private("unknown algorithm")),
        };
        let written = written.map_err(|_| REFUSED)?;
        self.accepted(pair, written.expose_secret())?;
        Ok(written)
    }

    fn accepted(&self, pair: PairType, pkcs8: &[u8]) -> Result<(), ReadKeyError> {
        let accepted =
            match self {
                Self::Ec { .. } => ecdsa(pair)
                    .map(|algorithm| EcdsaKeyPair::from_pkcs8(algorithm, pkcs8).map(drop)),
                Self::Ed25519 { .. } => {
                    Some(Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map(drop))
                }
                Self::MlDsa { .. } => ml_dsa(pair)
                    .map(|algorithm| PqdsaKeyPair::from_pkcs8(algorithm, pkcs8).map(drop)),
                Self::Rsa(_) => Some(RsaKeyPair::from_pkcs8(pkcs8).map(drop)),
                Self::X25519 => None,
            };
        accepted.ok_or(REFUSED)?.map_err(|_| REFUSED)
    }

    fn public(&self, pair: PairType) -> Result<Vec<u8>, ReadKeyError> {
        let public = match self {
            Self::Ec { scalar, .. } => return ec_public_of(pair, scalar),
            Self::Ed25519 { seed } => ed25519_point(seed)?,
            Self::MlDsa { seed, .. } => {
                let algorithm = ml_dsa(pair).ok_or(REFUSED)?;
                let key = PqdsaKeyPair::from_seed(algorithm, seed).map_err(|_| REFUSED)?;
                key.public_key().as_ref().to_vec()
            }
            Self::Rsa(key) => {
                let public = RsaPublicKeyRef::from(key.as_ref());
                public.to_der().map_err(|_| REFUSED)?
            }
            Self::X25519 => return Err(REFUSED),
        };
        PublicKey::new(&public).write(pair)
    }
}

/// The bytes of the public key that belongs to an Ed25519 seed.
pub(super) fn ed25519_point(seed: &[u8]) -> Result<Vec<u8>, ReadKeyError> {
    let key = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| REFUSED)?;
    Ok(key.public_key().as_ref().to_vec())
}

/// A private key on this curve, from its number, as PKCS#8.
pub(super) fn ec_from_scalar(pair: PairType, scalar: &[u8]) -> Result<SecretBytes, ReadKeyError> {
    let curve = form::algorithm(pair)
        .parameters
        .and_then(|parameters| parameters.decode_as().ok())
        .ok_or(REFUSED)?;
    PrivateKey::Ec { curve, scalar }.write(pair)
}

/// An Ed25519 private key, from its seed, as PKCS#8.
pub(super) fn ed25519_from_seed(seed: &[u8]) -> Result<SecretBytes, ReadKeyError> {
    ed25519(seed)?.write(PairType::Ed25519)
}

/// The number of a private key on a curve, as long as the curve's coordinates.
pub(super) fn padded_scalar(
    pair: PairType,
    scalar: &[u8],
) -> Result<Zeroizing<Vec<u8>>, ReadKeyError> {
    let zeros = scalar.iter().take_while(|byte| **byte == 0).count();
    let significant = scalar.get(zeros..).unwrap_or_default();
    let mut padded = Zeroizing::new(vec![0; number_len(pair)]);
    let start = padded.len().checked_sub(significant.len());
    start
        .and_then(|start| padded.get_mut(start..))
        .ok_or(REFUSED)?
        .copy_from_slice(significant);
    Ok(padded)
}

/// aws-lc's name for signing on this curve; which hash goes with it does not matter for reading.
pub(super) fn ecdsa(pair: PairType) -> Option<&'static EcdsaSigningAlgorithm> {
    match pair {
        PairType::EcdsaP256 => Some(&ECDSA_P256_SHA256_ASN1_SIGNING),
        PairType::EcdsaP384 => Some(&ECDSA_P384_SHA384_ASN1_SIGNING),
        PairType::EcdsaP521 => Some(&ECDSA_P521_SHA512_ASN1_SIGNING),
        PairType::Ed25519
        | PairType::MlDsa44
        | PairType::MlDsa65
        | PairType::MlDsa87
        | PairType::Rsa2048
        | PairType::Rsa3072
        | PairType::Rsa4096 => None,
    }
}

fn ml_dsa(pair: PairType) -> Option<&'static PqdsaSigningAlgorithm> {
    match pair {
        PairType::MlDsa44 => Some(&ML_DSA_44_SIGNING),
        PairType::MlDsa65 => Some(&ML_DSA_65_SIGNING),
        PairType::MlDsa87 => Some(&ML_DSA_87_SIGNING),
        PairType::EcdsaP256
        | PairType::EcdsaP384
        | PairType::EcdsaP521
        | PairType::Ed25519
        | PairType::Rsa2048
        | PairType::Rsa3072
        | PairType::Rsa4096 => None,
    }
}

fn ed25519(seed: &[u8]) -> Result<PrivateKey<'_>, ReadKeyError> {
    if seed.len() == number_len(PairType::Ed25519) {
        Ok(PrivateKey::Ed25519 { seed })
    } else {
        Err(ReadKeyError::Private("an Ed25519 seed has 32 bytes"))
    }
}

/// `seed [0] OCTET STRING`, or `SEQUENCE { seed, expandedKey }`.
fn ml_dsa_seed(inner: &[u8]) -> der::Result<&[u8]> {
    let mut reader = SliceReader::new(inner)?;
    let seed = reader.context_specific::<&OctetStringRef>(TagNumber(0), TagMode::Implicit)?;
    if let Some(seed) = seed {
        reader.finish()?;
        return Ok(seed.as_bytes());
    }
    let seed = reader.sequence(|reader| {
        let seed = <&OctetStringRef>::decode(reader)?;
        <&OctetStringRef>::decode(reader)?;
        Ok::<_, der::Error>(seed)
    })?;
    reader.finish()?;
    Ok(seed.as_bytes())
}

fn ec_public_of(pair: PairType, scalar: &[u8]) -> Result<Vec<u8>, ReadKeyError> {
    let point = ec_point(pair, &padded_scalar(pair, scalar)?).map_err(|_| REFUSED)?;
    PublicKey::new(&point).write(pair)
}

/// Asks aws-lc for the point that belongs to a number, uncompressed.
fn ec_point(pair: PairType, scalar: &[u8]) -> der::Result<Vec<u8>> {
    let unusable = || der::ErrorKind::Failed;
    let alone = ec_info(pair, scalar, None)?;
    let algorithm = ecdsa(pair).ok_or_else(unusable)?;
    let key = EcdsaKeyPair::from_pkcs8(algorithm, alone.expose_secret()).map_err(|_| unusable())?;
    Ok(key.public_key().as_ref().to_vec())
}

fn write_ec(pair: PairType, scalar: &[u8]) -> der::Result<SecretBytes> {
    let scalar = padded_scalar(pair, scalar).map_err(|_| der::ErrorKind::Failed)?;
    let point = ec_point(pair, &scalar)?;
    ec_info(pair, &scalar, Some(&point))
}

fn ec_info(pair: PairType, scalar: &[u8], point: Option<&[u8]>) -> der::Result<SecretBytes> {
    let inner = secret_der(&EcPrivateKey {
        private_key: scalar,
        parameters: None,
        public_key: point,
    })?;
    info(pair, inner.expose_secret())
}

fn write_ed25519(pair: PairType, seed: &[u8]) -> der::Result<SecretBytes> {
    let inner = secret_der(&OctetStringRef::new(seed)?)?;
    info(pair, inner.expose_secret())
}

fn write_ml_dsa(pair: PairType, seed: &[u8]) -> der::Result<SecretBytes> {
    let inner = secret_der(&ContextSpecific {
        tag_number: TagNumber(0),
        tag_mode: TagMode::Implicit,
        value: OctetStringRef::new(seed)?,
    })?;
    info(pair, inner.expose_secret())
}

fn write_rsa(pair: PairType, key: &RsaPrivateKeyRef<'_>) -> der::Result<SecretBytes> {
    let inner = secret_der(key)?;
    info(pair, inner.expose_secret())
}

/// A PKCS#8 v1 `PrivateKeyInfo`.
pub(super) fn info(pair: PairType, inner: &[u8]) -> der::Result<SecretBytes> {
    secret_der(&PrivateKeyInfoRef::new(
        form::algorithm(pair),
        OctetStringRef::new(inner)?,
    ))
}

const REFUSED: ReadKeyError = ReadKeyError::Private("the key is not valid");

#[cfg(test)]
mod tests {
    use super::super::samples::sample;
    use super::*;

    #[test]
    fn what_is_written_is_read_as_itself() {
        for pair in PairType::ALL {
            let written = read_private(pair, sample(pair)).unwrap();
            let again = read_private(pair, written.expose_secret()).unwrap();
            assert_eq!(written.expose_secret(), again.expose_secret(), "{pair:?}");
            assert_eq!(
                public_of(pair, sample(pair)),
                public_of(pair, again.expose_secret()),
                "{pair:?}"
            );
        }
    }

    #[test]
    fn every_other_kind_is_refused_by_name() {
        for asked in PairType::ALL {
            for given in PairType::ALL.into_iter().filter(|given| *given != asked) {
                let message = read_private(asked, sample(given)).unwrap_err().to_string();
                let expected = if asked.is_ecdsa() && given.is_ecdsa() {
                    let (asked, given) = (form::pair_name(asked), form::pair_name(given));
                    format!("invalid curve: expected {asked}, got {given}")
                } else if asked.is_rsa() && given.is_rsa() {
                    let (asked, given) = (number_len(asked), number_len(given));
                    format!("invalid key size: expected {asked} bytes, got {given} bytes")
                } else {
                    format!(
                        "invalid key type: expected {}, got ",
                        form::type_name(asked)
                    )
                };
                assert!(message.starts_with(&expected), "{message}");
            }
        }
    }

    #[test]
    fn ed25519_may_come_as_a_key_on_a_curve() {
        let seed = [7; 32];
        let plain = ed25519_from_seed(&seed).unwrap();
        for curve in [form::X25519, form::NSS_ED25519] {
            let inner = EcPrivateKey {
                private_key: &seed,
                parameters: None,
                public_key: None,
            }
            .to_der()
            .unwrap();
            let wrapped = PrivateKeyInfoRef::new(
                spki::AlgorithmIdentifierRef {
                    oid: form::EC,
                    parameters: Some(AnyRef::from(&curve)),
                },
                OctetStringRef::new(&inner).unwrap(),
            );
            let read = read_private(PairType::Ed25519, &wrapped.to_der().unwrap()).unwrap();
            assert_eq!(read.expose_secret(), plain.expose_secret());
        }
    }

    #[test]
    fn ed25519_may_come_with_its_public_key() {
        let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let plain = ed25519_from_seed(&[7; 32]).unwrap();
        for pkcs8 in [key.to_pkcs8().unwrap(), key.to_pkcs8v1().unwrap()] {
            let read = read_private(PairType::Ed25519, pkcs8.as_ref()).unwrap();
            assert_eq!(read.expose_secret(), plain.expose_secret());
        }
    }

    #[test]
    fn rsa_may_come_under_the_identifier_of_pss() {
        let plain = read_private(PairType::Rsa2048, sample(PairType::Rsa2048)).unwrap();
        let mut info = PrivateKeyInfoRef::from_der(plain.expose_secret()).unwrap();
        info.algorithm.oid = form::RSA_PSS;
        info.algorithm.parameters = None;
        let read = read_private(PairType::Rsa2048, &info.to_der().unwrap()).unwrap();
        assert_eq!(read.expose_secret(), plain.expose_secret());
    }

    #[test]
    fn a_curve_key_may_leave_out_its_public_key_and_leading_zeros() {
        for (scalar, pair) in [
            (&[9_u8][..], PairType::EcdsaP256),
            (&[0, 0, 1, 2, 3], PairType::EcdsaP384),
            (&[5; 66][1..], PairType::EcdsaP521),
        ] {
            let short = ec_info(pair, scalar, None).unwrap();
            let read = read_private(pair, short.expose_secret()).unwrap();
            let full = ec_from_scalar(pair, &padded_scalar(pair, scalar).unwrap()).unwrap();
            assert_eq!(read.expose_secret(), full.expose_secret());
        }
    }

    #[test]
    fn a_number_outside_the_curves_order_is_refused() {
        for pair in [
            PairType::EcdsaP256,
            PairType::EcdsaP384,
            PairType::EcdsaP521,
        ] {
            for scalar in [vec![0; number_len(pair)], vec![255; number_len(pair)]] {
                assert_eq!(ec_from_scalar(pair, &scalar).unwrap_err(), REFUSED);
            }
            let long = vec![1; number_len(pair) + 1];
            assert_eq!(ec_from_scalar(pair, &long).unwrap_err(), REFUSED);
        }
    }

    #[test]
    fn an_rsa_key_whose_numbers_do_not_fit_is_refused() {
        let written = read_private(PairType::Rsa2048, sample(PairType::Rsa2048)).unwrap();
        let PrivateKey::Rsa(mut key) = PrivateKey::read(written.expose_secret()).unwrap() else {
            panic!("not RSA");
        };
        key.prime1 = key.prime2;
        let changed = write_rsa(PairType::Rsa2048, &key).unwrap();
        let refused = read_private(PairType::Rsa2048, changed.expose_secret());
        assert_eq!(refused.unwrap_err(), REFUSED);
    }

    #[test]
    fn ml_dsa_may_bring_what_its_seed_expands_to_but_not_come_without_it() {
        let pair = PairType::MlDsa44;
        let plain = read_private(pair, sample(pair)).unwrap();
        let PrivateKey::MlDsa { seed, .. } = PrivateKey::read(plain.expose_secret()).unwrap()
        else {
            panic!("not ML-DSA");
        };
        let key = PqdsaKeyPair::from_seed(&ML_DSA_44_SIGNING, seed).unwrap();
        let expanded = aws_lc_rs::encoding::AsRawBytes::as_raw_bytes(&key.private_key()).unwrap();
        let expanded = OctetStringRef::new(expanded.as_ref()).unwrap();
        let seed = OctetStringRef::new(seed).unwrap();
        let both = info(pair, &vec![seed, expanded].to_der().unwrap()).unwrap();
        let read = read_private(pair, both.expose_secret()).unwrap();
        assert_eq!(read.expose_secret(), plain.expose_secret());
        let alone = info(pair, &expanded.to_der().unwrap()).unwrap();
        assert_eq!(
            read_private(pair, alone.expose_secret())
                .unwrap_err()
                .to_string(),
            "error parsing asymmetric key: an ML-DSA private key needs its seed"
        );
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for junk in [
            &b""[..],
            b"0",
            &[0x30, 0x80],
            &[0; 64],
            b"-----BEGIN PRIVATE KEY-----",
        ] {
            assert_eq!(
                read_private(PairType::Ed25519, junk)
                    .unwrap_err()
                    .to_string(),
                "error parsing asymmetric key: not a PKCS#8 private key"
            );
        }
    }
}
