//! What each kind of pair is called in key formats: its object identifiers, names and sizes.

use der::asn1::{AnyRef, ObjectIdentifier};
use spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use crate::algorithm::PairType;
use crate::secret::SecretBytes;

/// `rsaEncryption` (RFC 8017).
pub(super) const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// `id-RSASSA-PSS` (RFC 8017).
pub(super) const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
/// `id-ecPublicKey` (RFC 5480).
pub(super) const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// `id-Ed25519` (RFC 8410).
pub(super) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// `id-X25519` (RFC 8410); known only to be refused by name.
pub(super) const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");
/// Ed25519 as NSS names it, after draft-josefsson-pkix-newcurves-01.
pub(super) const NSS_ED25519: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11591.15.1");
/// `secp224r1` (RFC 5480); known only to be refused by name.
pub(super) const P224: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.33");

const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const ML_DSA_44: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.17");
const ML_DSA_65: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.18");
const ML_DSA_87: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.19");

/// The algorithm identifier of PKCS#8 and PKIX (RFC 5480, RFC 8017, RFC 8410, RFC 9881).
pub(super) fn algorithm(pair: PairType) -> AlgorithmIdentifierRef<'static> {
    let (oid, parameters) = match pair {
        PairType::EcdsaP256 => (EC, Some(AnyRef::from(&P256))),
        PairType::EcdsaP384 => (EC, Some(AnyRef::from(&P384))),
        PairType::EcdsaP521 => (EC, Some(AnyRef::from(&P521))),
        PairType::Ed25519 => (ED25519, None),
        PairType::MlDsa44 => (ML_DSA_44, None),
        PairType::MlDsa65 => (ML_DSA_65, None),
        PairType::MlDsa87 => (ML_DSA_87, None),
        PairType::Rsa2048 | PairType::Rsa3072 | PairType::Rsa4096 => (RSA, Some(AnyRef::NULL)),
    };
    AlgorithmIdentifierRef { oid, parameters }
}

/// The kind of pair on this named curve.
pub(super) fn on_curve(curve: ObjectIdentifier) -> Option<PairType> {
    match curve {
        P256 => Some(PairType::EcdsaP256),
        P384 => Some(PairType::EcdsaP384),
        P521 => Some(PairType::EcdsaP521),
        _ => None,
    }
}

/// The kind of pair with this ML-DSA parameter set.
pub(super) fn with_parameter_set(oid: ObjectIdentifier) -> Option<PairType> {
    match oid {
        ML_DSA_44 => Some(PairType::MlDsa44),
        ML_DSA_65 => Some(PairType::MlDsa65),
        ML_DSA_87 => Some(PairType::MlDsa87),
        _ => None,
    }
}

/// The kind of pair's name in the protocol.
pub(super) const fn type_name(pair: PairType) -> &'static str {
    match pair {
        PairType::EcdsaP256 => "ecdsa-p256",
        PairType::EcdsaP384 => "ecdsa-p384",
        PairType::EcdsaP521 => "ecdsa-p521",
        PairType::Ed25519 => "ed25519",
        PairType::MlDsa44 => "ml-dsa-44",
        PairType::MlDsa65 => "ml-dsa-65",
        PairType::MlDsa87 => "ml-dsa-87",
        PairType::Rsa2048 => "rsa-2048",
        PairType::Rsa3072 => "rsa-3072",
        PairType::Rsa4096 => "rsa-4096",
    }
}

/// What the protocol calls one key of this kind: its curve, or the name of its type.
pub const fn pair_name(pair: PairType) -> &'static str {
    match pair {
        PairType::EcdsaP256 => "P-256",
        PairType::EcdsaP384 => "P-384",
        PairType::EcdsaP521 => "P-521",
        PairType::Ed25519
        | PairType::MlDsa44
        | PairType::MlDsa65
        | PairType::MlDsa87
        | PairType::Rsa2048
        | PairType::Rsa3072
        | PairType::Rsa4096 => type_name(pair),
    }
}

/// Length in bytes of the number that makes a pair what it is: an RSA modulus, a coordinate of a curve's points,
/// a seed.
pub(super) const fn number_len(pair: PairType) -> usize {
    match pair {
        PairType::EcdsaP256
        | PairType::Ed25519
        | PairType::MlDsa44
        | PairType::MlDsa65
        | PairType::MlDsa87 => 32,
        PairType::EcdsaP384 => 48,
        PairType::EcdsaP521 => 66,
        PairType::Rsa2048 => 256,
        PairType::Rsa3072 => 384,
        PairType::Rsa4096 => 512,
    }
}

/// The DER encoding of a private structure. Reserved beforehand, so that it leaves no copy behind.
pub(super) fn secret_der(message: &impl der::Encode) -> Result<SecretBytes, der::Error> {
    let length = usize::try_from(message.encoded_len()?)?;
    let mut bytes = Zeroizing::new(vec![0; length]);
    message.encode_to_slice(&mut bytes)?;
    Ok(SecretBytes::new(std::mem::take(&mut *bytes)))
}

/// A key that is not what it should be. The texts are the protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadKeyError {
    /// Not a private key of a known kind, or a damaged one.
    #[error("error parsing asymmetric key: {0}")]
    Private(&'static str),
    /// Not a public key of a known kind, or a damaged one.
    #[error("error parsing public key: {0}")]
    Public(&'static str),
    /// A key of another kind.
    #[error("invalid key type: expected {expected}, got {got}")]
    OtherType {
        /// The kind asked for.
        expected: &'static str,
        /// The kind that came, named as the protocol's first implementation names it.
        got: &'static str,
    },
    /// A key on another curve.
    #[error("invalid curve: expected {expected}, got {got}")]
    OtherCurve {
        /// The curve asked for.
        expected: &'static str,
        /// The curve that came.
        got: &'static str,
    },
    /// An RSA key of another size.
    #[error("invalid key size: expected {expected} bytes, got {got} bytes")]
    OtherSize {
        /// Length of the modulus asked for, in bytes.
        expected: usize,
        /// Length of the modulus that came, in bytes.
        got: usize,
    },
}

/// Whether what a key was found to be is what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// On one of the curves there are pairs for.
    Curve(PairType),
    Ed25519,
    MlDsa(PairType),
    P224,
    /// The modulus has this many bytes.
    Rsa(usize),
    X25519,
}

impl Found {
    /// `Ok` if it is such a pair; `public` says which half it is, for the message.
    pub(super) fn check(self, asked: PairType, public: bool) -> Result<(), ReadKeyError> {
        match self {
            Self::Curve(pair) | Self::MlDsa(pair) if pair == asked => Ok(()),
            Self::Ed25519 if asked == PairType::Ed25519 => Ok(()),
            Self::Rsa(got) if asked.is_rsa() && got == number_len(asked) => Ok(()),
            Self::Rsa(got) if asked.is_rsa() => Err(ReadKeyError::OtherSize {
                expected: number_len(asked),
                got,
            }),
            Self::Curve(pair) if asked.is_ecdsa() => other_curve(asked, pair_name(pair)),
            Self::P224 if asked.is_ecdsa() => other_curve(asked, "P-224"),
            Self::Curve(_)
            | Self::Ed25519
            | Self::MlDsa(_)
            | Self::P224
            | Self::Rsa(_)
            | Self::X25519 => Err(ReadKeyError::OtherType {
                expected: type_name(asked),
                got: self.name(public),
            }),
        }
    }

    const fn name(self, public: bool) -> &'static str {
        match (self, public) {
            (Self::Curve(_) | Self::P224, false) => "*ecdsa.PrivateKey",
            (Self::Curve(_) | Self::P224, true) => "*ecdsa.PublicKey",
            (Self::Ed25519, false) => "ed25519.PrivateKey",
            (Self::Ed25519, true) => "ed25519.PublicKey",
            (Self::MlDsa(pair), _) => type_name(pair),
            (Self::Rsa(_), false) => "*rsa.PrivateKey",
            (Self::Rsa(_), true) => "*rsa.PublicKey",
            (Self::X25519, false) => "*ecdh.PrivateKey",
            (Self::X25519, true) => "*ecdh.PublicKey",
        }
    }
}

const fn other_curve(asked: PairType, got: &'static str) -> Result<(), ReadKeyError> {
    Err(ReadKeyError::OtherCurve {
        expected: pair_name(asked),
        got,
    })
}
