//! The texts in which keys are exported, to the byte as the protocol has them: which of them end in a newline
//! is part of it.

use pkcs8::PrivateKeyInfoRef;
use zeroize::Zeroizing;

use der::Decode;
use der::pem::{LineEnding, PemLabel};

use super::form::{self, ReadKeyError, secret_der};
use super::private_key::{PrivateKey, ed25519_point, read_private};
use super::public_key::PublicKey;
use crate::algorithm::PairType;
use crate::base64::{encode_append, encoded_len};
use crate::secret::SecretBytes;

/// What of a key is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportKind {
    /// The certificates of a pair.
    CertificateChain,
    /// The key that encrypts.
    EncryptionKey,
    /// The key of a version's HMACs.
    HmacKey,
    /// The public half of a pair.
    PublicKey,
    /// The key that signs.
    SigningKey,
}

impl ExportKind {
    /// Every kind of export, in the order of their names.
    pub const ALL: [Self; 5] = [
        Self::CertificateChain,
        Self::EncryptionKey,
        Self::HmacKey,
        Self::PublicKey,
        Self::SigningKey,
    ];

    /// The kind with this name on the wire, spelled exactly.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CertificateChain => "certificate-chain",
            Self::EncryptionKey => "encryption-key",
            Self::HmacKey => "hmac-key",
            Self::PublicKey => "public-key",
            Self::SigningKey => "signing-key",
        }
    }

    /// Whether nothing secret is in it, so that a ring that is not exportable gives it too.
    pub const fn is_public(self) -> bool {
        matches!(self, Self::CertificateChain | Self::PublicKey)
    }
}

/// In which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// What the key's type has had since before there were formats.
    Default,
    /// PKCS#8 or PKIX, DER in base64.
    Der,
    /// PKCS#8 or PKIX, in PEM (RFC 7468).
    Pem,
    /// The key's own bytes in base64.
    Raw,
}

impl ExportFormat {
    /// The format with this name on the wire, spelled exactly; nothing is the default.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "" => Some(Self::Default),
            "der" => Some(Self::Der),
            "pem" => Some(Self::Pem),
            "raw" => Some(Self::Raw),
            _ => None,
        }
    }
}

/// Nothing to export in this form. The texts are the protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// A key of bytes only, as DER or PEM. Says HMAC of encryption keys too.
    #[error("unknown format for HMAC key; supported values are `` or `raw`")]
    BytesOnly,
    /// An RSA key as raw bytes.
    #[error("unknown key format for rsa key; supported values are ``, `der`, or `pem`")]
    NoRawRsa,
    /// A key on a curve as raw bytes.
    #[error("unknown key format for ec key; supported values are ``, `der`, or `pem`")]
    NoRawEc,
    /// An ML-DSA key as raw bytes.
    #[error("unknown key format for ml-dsa key; supported values are ``, `der`, or `pem`")]
    NoRawMlDsa,
    /// A version without certificates.
    #[error("selected key version does not have a certificate chain imported")]
    NoCertificateChain,
    /// A pair that is not of its type, or damaged.
    #[error(transparent)]
    Key(#[from] ReadKeyError),
}

/// A symmetric key or an HMAC key.
pub fn bytes_text(key: &[u8], format: ExportFormat) -> Result<SecretBytes, ExportError> {
    match format {
        ExportFormat::Default | ExportFormat::Raw => Ok(secret_base64(key)),
        ExportFormat::Der | ExportFormat::Pem => Err(ExportError::BytesOnly),
    }
}

/// A pair's private key; no text at all if only the public half was ever imported.
pub fn private_text(
    pair: PairType,
    pkcs8: Option<&[u8]>,
    format: ExportFormat,
) -> Result<SecretBytes, ExportError> {
    check_raw(pair, format)?;
    let Some(pkcs8) = pkcs8 else {
        return Ok(SecretBytes::default());
    };
    let pkcs8 = read_private(pair, pkcs8)?;
    match format {
        ExportFormat::Der => Ok(secret_base64(pkcs8.expose_secret())),
        ExportFormat::Pem => Ok(pkcs8_pem(pair, &pkcs8)),
        ExportFormat::Default | ExportFormat::Raw => old_text(pair, &pkcs8),
    }
}

/// A pair's public key.
pub fn public_text(
    pair: PairType,
    spki: &[u8],
    format: ExportFormat,
) -> Result<String, ExportError> {
    check_raw(pair, format)?;
    match format {
        ExportFormat::Der => Ok(public_base64(spki)),
        ExportFormat::Default | ExportFormat::Raw if pair == PairType::Ed25519 => {
            Ok(public_key_text(pair, spki)?)
        }
        ExportFormat::Default | ExportFormat::Pem | ExportFormat::Raw => {
            let text = pem_text(PUBLIC_KEY, spki);
            Ok(String::from(ended(pair, &text)))
        }
    }
}

/// A pair's public key as reading the ring shows it: PEM with a final newline, Ed25519 as base64 of its 32 bytes.
pub fn public_key_text(pair: PairType, spki: &[u8]) -> Result<String, ReadKeyError> {
    if pair == PairType::Ed25519 {
        return Ok(public_base64(PublicKey::of(spki)?.bytes()));
    }
    Ok(String::clone(&pem_text(PUBLIC_KEY, spki)))
}

/// A version's certificates (DER), the leaf first, in PEM without a final newline.
pub fn certificate_chain_text(chain: &[Vec<u8>]) -> Result<String, ExportError> {
    if chain.is_empty() {
        return Err(ExportError::NoCertificateChain);
    }
    let texts = chain.iter().map(|der| pem_text(CERTIFICATE, der));
    let mut joined: String = texts.map(|text| String::clone(&text)).collect();
    joined.truncate(joined.trim_end().len());
    Ok(joined)
}

fn check_raw(pair: PairType, format: ExportFormat) -> Result<(), ExportError> {
    match (form::algorithm(pair).oid, format) {
        (form::RSA, ExportFormat::Raw) => Err(ExportError::NoRawRsa),
        (form::EC, ExportFormat::Raw) => Err(ExportError::NoRawEc),
        (form::ED25519, _) => Ok(()),
        (_, ExportFormat::Raw) => Err(ExportError::NoRawMlDsa),
        _ => Ok(()),
    }
}

/// What a type had before there were formats: PKCS#1, SEC 1, or `seed || public key` in base64.
fn old_text(pair: PairType, pkcs8: &SecretBytes) -> Result<SecretBytes, ExportError> {
    match PrivateKey::read(pkcs8.expose_secret())? {
        PrivateKey::Ec { scalar, .. } => {
            let der = sec1(pair, scalar, pkcs8)?;
            Ok(text(ended(
                pair,
                &pem_text("EC PRIVATE KEY", der.expose_secret()),
            )))
        }
        PrivateKey::Ed25519 { seed } => {
            let both = Zeroizing::new([seed, &ed25519_point(seed)?].concat());
            Ok(secret_base64(&both))
        }
        PrivateKey::MlDsa { .. } => Ok(pkcs8_pem(pair, pkcs8)),
        PrivateKey::Rsa(_) => {
            let info = PrivateKeyInfoRef::from_der(pkcs8.expose_secret())
                .map_err(|_| ReadKeyError::Private("not a PKCS#8 private key"))?;
            let pem = pem_text("RSA PRIVATE KEY", info.private_key.as_bytes());
            Ok(text(ended(pair, &pem)))
        }
        PrivateKey::X25519 => Err(ReadKeyError::Private("unknown algorithm").into()),
    }
}

/// SEC 1 names the curve inside, where PKCS#8 names it outside.
fn sec1(pair: PairType, scalar: &[u8], pkcs8: &SecretBytes) -> Result<SecretBytes, ReadKeyError> {
    let damaged = ReadKeyError::Private("the inner EC private key is damaged");
    let spki = super::private_key::public_of(pair, pkcs8.expose_secret())?;
    let curve = form::algorithm(pair)
        .parameters
        .and_then(|parameters| parameters.decode_as().ok());
    let key = sec1::EcPrivateKey {
        private_key: scalar,
        parameters: curve.map(sec1::EcParameters::NamedCurve),
        public_key: Some(PublicKey::of(&spki)?.bytes()),
    };
    secret_der(&key).map_err(|_| damaged)
}

fn pkcs8_pem(pair: PairType, pkcs8: &SecretBytes) -> SecretBytes {
    let pem = pem_text("PRIVATE KEY", pkcs8.expose_secret());
    text(ended(pair, &pem))
}

/// Keys on curves end without a newline, RSA and ML-DSA keys with one.
fn ended(pair: PairType, pem: &str) -> &str {
    if pair.is_ecdsa() || pair == PairType::Ed25519 {
        pem.trim_end()
    } else {
        pem
    }
}

fn pem_text(label: &str, der: &[u8]) -> Zeroizing<String> {
    let text = der::pem::encode_string(label, LineEnding::LF, der);
    Zeroizing::new(text.expect("labels are in order and keys are short"))
}

fn text(text: &str) -> SecretBytes {
    SecretBytes::new(text.as_bytes().to_vec())
}

fn secret_base64(bytes: &[u8]) -> SecretBytes {
    let mut text = Vec::with_capacity(encoded_len(bytes.len()));
    encode_append(bytes, &mut text);
    SecretBytes::new(text)
}

fn public_base64(bytes: &[u8]) -> String {
    let mut text = Vec::new();
    encode_append(bytes, &mut text);
    String::from_utf8(text).expect("base64 is ASCII")
}

const PUBLIC_KEY: &str = spki::SubjectPublicKeyInfoRef::PEM_LABEL;
const CERTIFICATE: &str = x509_cert::Certificate::PEM_LABEL;

#[cfg(test)]
mod tests {
    use super::super::private_key::public_of;
    use super::super::samples::sample;
    use super::*;

    #[test]
    fn ml_dsa_is_pkcs8_and_pkix_with_a_newline_behind_its_pem() {
        for pair in [PairType::MlDsa44, PairType::MlDsa65, PairType::MlDsa87] {
            let pkcs8 = read_private(pair, sample(pair)).unwrap();
            let spki = public_of(pair, sample(pair)).unwrap();
            for format in [ExportFormat::Default, ExportFormat::Pem] {
                let private = private_text(pair, Some(sample(pair)), format).unwrap();
                let private = std::str::from_utf8(private.expose_secret()).unwrap();
                assert!(private.ends_with("-----END PRIVATE KEY-----\n"));
                let inside = pem::parse(private).unwrap().into_contents();
                assert_eq!(inside, pkcs8.expose_secret());
                let public = public_text(pair, &spki, format).unwrap();
                assert!(public.ends_with("-----END PUBLIC KEY-----\n"));
                assert_eq!(pem::parse(public).unwrap().into_contents(), spki);
            }
            let der = private_text(pair, Some(sample(pair)), ExportFormat::Der).unwrap();
            assert_eq!(
                der.expose_secret(),
                secret_base64(pkcs8.expose_secret()).expose_secret()
            );
            let refused = private_text(pair, Some(sample(pair)), ExportFormat::Raw);
            assert_eq!(refused.unwrap_err(), ExportError::NoRawMlDsa);
            let refused = public_text(pair, &spki, ExportFormat::Raw);
            assert_eq!(refused.unwrap_err(), ExportError::NoRawMlDsa);
        }
    }

    #[test]
    fn names_lead_back_to_what_is_exported() {
        for kind in ExportKind::ALL {
            assert_eq!(ExportKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(ExportKind::from_name("Signing-Key"), None);
        assert_eq!(ExportFormat::from_name("PEM"), None);
    }
}
