//! Certification requests (PKCS#10, RFC 2986) for pairs, and the certificates (RFC 5280) that come of them.

use der::asn1::{BitString, ObjectIdentifier};
use der::pem::{LineEnding, PemLabel};
use der::{Decode, Encode, EncodePem};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::Certificate;
use x509_cert::ext::pkix::BasicConstraints;
use x509_cert::request::{CertReq, CertReqInfo};

use super::form::{self, ReadKeyError, type_name};
use super::public_key::read_public_der;
use crate::algorithm::PairType;

/// No request was made. The texts are the protocol's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError<E> {
    /// The template is not in PEM.
    #[error("could not decode PEM CSR")]
    NotPem,
    /// The template is not a certification request.
    #[error("could not parse the CSR")]
    Template,
    /// The key cannot be in a request.
    #[error("could not create the csr: the public key is not valid")]
    Key,
    /// The key did not sign.
    #[error("could not create the csr: {0}")]
    Sign(E),
}

/// What signs a request: answers the signature of its argument.
pub type Signer<'a, E> = dyn Fn(&[u8]) -> Result<Vec<u8>, E> + 'a;

/// A certification request for this public key (PKIX DER) in PEM: subject and attributes are the template's, which
/// may be empty, key and signature are new. `sign` answers the signature of its argument as X.509 has it: PKCS#1
/// v1.5 with SHA-256 for RSA, ECDSA in DER with the SHA-2 of the curve's size, Ed25519 and ML-DSA pure.
pub fn sign_request<E>(
    pair: PairType,
    template_pem: &str,
    spki: &[u8],
    sign: &Signer<'_, E>,
) -> Result<String, RequestError<E>> {
    let public_key = SubjectPublicKeyInfoOwned::from_der(spki).map_err(|_| RequestError::Key)?;
    let info = CertReqInfo {
        public_key,
        ..template(template_pem)?
    };
    let to_be_signed = info.to_der().map_err(|_| RequestError::Template)?;
    let signature = sign(&to_be_signed).map_err(RequestError::Sign)?;
    let request = CertReq {
        info,
        algorithm: signature_algorithm(pair),
        signature: BitString::from_bytes(&signature).map_err(|_| RequestError::Key)?,
    };
    request
        .to_pem(LineEnding::LF)
        .map_err(|_| RequestError::Template)
}

fn template<E>(text: &str) -> Result<CertReqInfo, RequestError<E>> {
    if text.is_empty() {
        return CertReqInfo::from_der(EMPTY_REQUEST).map_err(|_| RequestError::Template);
    }
    let block = pem::parse(text).map_err(|_| RequestError::NotPem)?;
    let request = CertReq::from_der(block.contents()).map_err(|_| RequestError::Template)?;
    Ok(request.info)
}

/// RFC 4055, RFC 5758, RFC 8410, RFC 9881.
fn signature_algorithm(pair: PairType) -> AlgorithmIdentifierOwned {
    let plain = |oid| AlgorithmIdentifierOwned {
        oid,
        parameters: None,
    };
    match pair {
        PairType::EcdsaP256 => plain(ECDSA_WITH_SHA256),
        PairType::EcdsaP384 => plain(ECDSA_WITH_SHA384),
        PairType::EcdsaP521 => plain(ECDSA_WITH_SHA512),
        PairType::Ed25519 | PairType::MlDsa44 | PairType::MlDsa65 | PairType::MlDsa87 => {
            plain(form::algorithm(pair).oid)
        }
        PairType::Rsa2048 | PairType::Rsa3072 | PairType::Rsa4096 => AlgorithmIdentifierOwned {
            oid: SHA256_WITH_RSA,
            parameters: Some(der::asn1::Null.into()),
        },
    }
}

/// A chain that no version can have. The texts are the protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Something in the text is not PEM.
    #[error("could not decode a PEM block in the certificate chain")]
    NotPem,
    /// No block is a certificate.
    #[error("provided certificate chain did not contain any valid PEM encoded certificate")]
    Empty,
    /// A block says it is a certificate and is none.
    #[error("could not parse a certificate in the certificate chain")]
    Certificate,
    /// The first certificate is a CA's.
    #[error(
        "failed to persist certificate chain: certificate in the first element is not a valid leaf certificate"
    )]
    FirstIsAuthority,
    /// The last of several certificates is not a CA's.
    #[error(
        "failed to persist certificate chain: certificate in the last element is not a valid CA certificate"
    )]
    LastIsNoAuthority,
    /// A certificate between them is not a CA's.
    #[error(
        "failed to persist certificate chain: could not validate if there is only one leaf certificate in the \
         provided chain"
    )]
    SeveralLeaves,
    /// The first certificate is for a key of another kind.
    #[error(
        "failed to persist certificate chain: could not validate key match between leaf certificate key and key \
         entry in transit: provided leaf certificate public key algorithm does not match the transit key type '{0}'"
    )]
    OtherType(&'static str),
    /// The first certificate is for another key.
    #[error(
        "failed to persist certificate chain: leaf certificate public key does not match the selected key version"
    )]
    OtherKey,
}

/// The certificates in this text (PEM, the leaf first) as DER, once they are found to be a chain for this public
/// key (PKIX DER). Signatures and dates are not looked at, as in the protocol.
pub fn check_chain(pair: PairType, pems: &str, spki: &[u8]) -> Result<Vec<Vec<u8>>, ChainError> {
    let ders = certificates(pems)?;
    let parsed: Result<Vec<_>, _> = ders.iter().map(|der| Certificate::from_der(der)).collect();
    let parsed = parsed.map_err(|_| ChainError::Certificate)?;
    let (leaf, authorities) = parsed.split_first().ok_or(ChainError::Empty)?;
    if is_authority(leaf)? {
        return Err(ChainError::FirstIsAuthority);
    }
    if let Some((last, between)) = authorities.split_last() {
        if !is_authority(last)? {
            return Err(ChainError::LastIsNoAuthority);
        }
        for certificate in between {
            if !is_authority(certificate)? {
                return Err(ChainError::SeveralLeaves);
            }
        }
    }
    check_key(pair, leaf, spki)?;
    Ok(ders)
}

/// Every certificate of the text; blocks of other kinds are passed over.
fn certificates(pems: &str) -> Result<Vec<Vec<u8>>, ChainError> {
    let pems = pems.trim();
    if !pems.is_empty() && !pems.ends_with("-----") {
        return Err(ChainError::NotPem);
    }
    let blocks = pem::parse_many(pems).map_err(|_| ChainError::NotPem)?;
    if blocks.is_empty() && !pems.is_empty() {
        return Err(ChainError::NotPem);
    }
    let certificates = blocks
        .into_iter()
        .filter(|block| [Certificate::PEM_LABEL, OLD_LABEL].contains(&block.tag()));
    Ok(certificates.map(pem::Pem::into_contents).collect())
}

fn is_authority(certificate: &Certificate) -> Result<bool, ChainError> {
    let constraints = certificate
        .tbs_certificate()
        .get_extension::<BasicConstraints>();
    let constraints = constraints.map_err(|_| ChainError::Certificate)?;
    Ok(constraints.is_some_and(|(_, constraints)| constraints.ca))
}

fn check_key(pair: PairType, leaf: &Certificate, spki: &[u8]) -> Result<(), ChainError> {
    let certified = leaf.tbs_certificate().subject_public_key_info().to_der();
    let certified = certified.map_err(|_| ChainError::Certificate)?;
    match read_public_der(pair, &certified) {
        Ok(certified) if certified == spki => Ok(()),
        Ok(_) | Err(ReadKeyError::OtherCurve { .. } | ReadKeyError::OtherSize { .. }) => {
            Err(ChainError::OtherKey)
        }
        Err(ReadKeyError::OtherType { .. }) => Err(ChainError::OtherType(type_name(pair))),
        Err(ReadKeyError::Private(_) | ReadKeyError::Public(_)) => Err(ChainError::Certificate),
    }
}

/// `CertificationRequestInfo` with an empty subject, an empty key and no attributes.
const EMPTY_REQUEST: &[u8] = &[
    0x30, 0x12, 0x02, 0x01, 0x00, 0x30, 0x00, 0x30, 0x09, 0x30, 0x04, 0x06, 0x02, 0x2a, 0x03, 0x03,
    0x01, 0x00, 0xa0, 0x00,
];

const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ECDSA_WITH_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");

/// What certificates were called before RFC 7468.
const OLD_LABEL: &str = "X509 CERTIFICATE";
