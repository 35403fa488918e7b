//! Public keys that verify tokens, each for the algorithms of its own kind only. Shared secrets are no keys here.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};
use x509_parser::asn1_rs::oid;
use x509_parser::oid_registry::Oid;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// A public key.
pub struct VerificationKey {
    id: Option<String>,
    kind: Kind,
    only: Option<Algorithm>,
    key: DecodingKey,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ed25519,
    P256,
    P384,
    Rsa,
}

/// Why a text is no key this server takes. Says nothing of what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// It is a key of a kind that is not supported, or an RSA key with fewer than 2048 or more than 8192 bits.
    #[error("the key is none of RSA of 2048 to 8192 bits, ECDSA on P-256 or P-384, and Ed25519")]
    Kind,
    /// It is neither a public key nor a certificate in PEM.
    #[error("data does not contain any valid RSA or ECDSA public keys")]
    Pem,
}

/// An algorithm that is supported, by its name (RFC 7518, 3.1).
pub fn algorithm(name: &str) -> Option<Algorithm> {
    ALGORITHMS
        .into_iter()
        .find_map(|(known, algorithm)| (known == name).then_some(algorithm))
}

/// Every algorithm that is supported: signatures only.
pub const ALGORITHMS: [(&str, Algorithm); 9] = [
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
];

impl Kind {
    const fn algorithms(self) -> &'static [Algorithm] {
        match self {
            Self::Ed25519 => &[Algorithm::EdDSA],
            Self::P256 => &[Algorithm::ES256],
            Self::P384 => &[Algorithm::ES384],
            Self::Rsa => &[
                Algorithm::PS256,
                Algorithm::PS384,
                Algorithm::PS512,
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
            ],
        }
    }
}

impl VerificationKey {
    /// The key of a PEM text: a public key (RFC 5280, `SubjectPublicKeyInfo`), or a certificate, of which only its key is
    /// taken.
    pub fn from_pem(text: &str) -> Result<Self, KeyFault> {
        let pem = Pem::iter_from_buffer(text.as_bytes()).next();
        let pem = pem.and_then(Result::ok).ok_or(KeyFault::Pem)?;
        if pem.label == "CERTIFICATE" {
            let certificate = pem.parse_x509().map_err(|_| KeyFault::Pem)?;
            return Self::from_spki(certificate.public_key());
        }
        match SubjectPublicKeyInfo::from_der(&pem.contents) {
            Ok((rest, spki)) if rest.is_empty() && pem.label == "PUBLIC KEY" => {
                Self::from_spki(&spki)
            }
            Ok(_) | Err(_) => Err(KeyFault::Pem),
        }
    }

    fn from_spki(spki: &SubjectPublicKeyInfo<'_>) -> Result<Self, KeyFault> {
        let bits = &spki.subject_public_key.data;
        if spki.algorithm.algorithm == ED25519 {
            return Self::ed25519(bits).ok_or(KeyFault::Kind);
        }
        let key = match spki.parsed().map_err(|_| KeyFault::Kind)? {
            PublicKey::RSA(key) => Self::rsa(key.modulus, key.exponent),
            PublicKey::EC(point) => curve(spki).and_then(|kind| Self::ec(kind, point.data())),
            PublicKey::DSA(_)
            | PublicKey::GostR3410(_)
            | PublicKey::GostR3410_2012(_)
            | PublicKey::Unknown(_) => None,
        };
        key.ok_or(KeyFault::Kind)
    }

    /// The key of a JWK (RFC 7517); `None` if it is not one that verifies tokens.
    pub fn from_jwk(jwk: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        if jwk.contains_key("use") && text("use") != Some("sig") {
            return None;
        }
        if let Some(operations) = jwk.get("key_ops") {
            let operations = operations.as_array()?;
            operations.iter().find(|operation| *operation == "verify")?;
        }
        let bytes = |name: &str| BASE64URL_NOPAD.decode(text(name)?.as_bytes()).ok();
        let mut key = match (text("kty")?, text("crv")) {
            ("EC", Some("P-256")) => Self::ec(Kind::P256, &point(&bytes("x")?, &bytes("y")?))?,
            ("EC", Some("P-384")) => Self::ec(Kind::P384, &point(&bytes("x")?, &bytes("y")?))?,
            ("OKP", Some("Ed25519")) => Self::ed25519(&bytes("x")?)?,
            ("RSA", _) => Self::rsa(&bytes("n")?, &bytes("e")?)?,
            _ => return None,
        };
        if jwk.contains_key("alg") {
            let only = algorithm(text("alg")?)?;
            key.kind.algorithms().contains(&only).then_some(())?;
            key.only = Some(only);
        }
        if jwk.contains_key("kid") {
            key.id = Some(text("kid")?.to_owned());
        }
        Some(key)
    }

    const fn new(kind: Kind, key: DecodingKey) -> Self {
        Self {
            id: None,
            kind,
            only: None,
            key,
        }
    }

    fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let (modulus, exponent) = (trimmed(modulus), trimmed(exponent));
        let fits = (256..=1024).contains(&modulus.len()) && (1..=5).contains(&exponent.len());
        let key = || DecodingKey::from_rsa_raw_components(modulus, exponent);
        fits.then(|| Self::new(Kind::Rsa, key()))
    }

    fn ec(kind: Kind, point: &[u8]) -> Option<Self> {
        let length = match kind {
            Kind::P256 => 65,
            Kind::P384 => 97,
            Kind::Ed25519 | Kind::Rsa => return None,
        };
        let fits = point.len() == length && point.first() == Some(&4);
        fits.then(|| Self::new(kind, DecodingKey::from_ec_der(point)))
    }

    fn ed25519(bytes: &[u8]) -> Option<Self> {
        let key = || DecodingKey::from_ed_der(bytes);
        (bytes.len() == 32).then(|| Self::new(Kind::Ed25519, key()))
    }

    /// Whether this key is used with the algorithm.
    pub fn is_for(&self, algorithm: Algorithm) -> bool {
        match self.only {
            Some(only) => only == algorithm,
            None => self.kind.algorithms().contains(&algorithm),
        }
    }

    /// Whether it is the key of this id. A key without an id may be any.
    pub fn may_be(&self, id: &str) -> bool {
        self.id.as_deref().is_none_or(|own| own == id)
    }

    /// Whether it verifies the signature, given in base64, of a message.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &str) -> bool {
        self.is_for(algorithm)
            && jsonwebtoken::crypto::verify(signature, message, &self.key, algorithm) == Ok(true)
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerificationKey(..)")
    }
}

/// RFC 8410
const ED25519: Oid<'static> = oid!(1.3.101.112);
/// RFC 5480
const P256: Oid<'static> = oid!(1.2.840.10045.3.1.7);
const P384: Oid<'static> = oid!(1.3.132.0.34);

fn curve(spki: &SubjectPublicKeyInfo<'_>) -> Option<Kind> {
    let named = spki.algorithm.parameters.as_ref()?.as_oid().ok()?;
    [(P256, Kind::P256), (P384, Kind::P384)]
        .into_iter()
        .find_map(|(oid, kind)| (oid == named).then_some(kind))
}

/// An uncompressed point (SEC 1, 2.3.3).
fn point(x: &[u8], y: &[u8]) -> Vec<u8> {
    // Of coordinates of different lengths nothing should become that has the right length.
    if x.len() == y.len() {
        [&[4], x, y].concat()
    } else {
        Vec::new()
    }
}

/// A number without its leading zeros.
fn trimmed(mut number: &[u8]) -> &[u8] {
    while let Some((0, rest)) = number.split_first() {
        number = rest;
    }
    number
}
