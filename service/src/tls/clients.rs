//! What is asked of a client's certificate: that it leads to a CA of ours, or only that its key is there.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::Current;
use crate::config::listener::ClientAuth;

/// Verifies by what is current. With a CA file, the chain must lead there. Without one, the client proves to own the key
/// of its certificate (RFC 8446, 4.4.3), and nothing is said about who vouches for it.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    current: Arc<Current>,
    mandatory: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientVerifier {
    pub(super) fn new(current: Arc<Current>, auth: &ClientAuth) -> Self {
        Self {
            current,
            mandatory: matches!(auth, ClientAuth::Require(_)),
            algorithms: aws_lc_rs::default_provider().signature_verification_algorithms,
        }
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    // The list would have to outlive a reload. An empty one has clients show what they have.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if intermediates.len() > MAX_INTERMEDIATES {
            return Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        }
        match &self.current.0.load().clients {
            Some(known) => known.verify_client_cert(end_entity, intermediates, now),
            None if self.mandatory => {
                Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))
            }
            None => Ok(ClientCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = verify_tls12_signature(message, cert, dss, &self.algorithms);
        verified.or_else(|error| self.verify_by_key(message, cert, dss, error))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = verify_tls13_signature(message, cert, dss, &self.algorithms);
        verified.or_else(|error| {
            let key = key_of_other_kind(cert, &error).ok_or(error)?;
            verify_tls13_signature_with_raw_key(message, &key.whole, dss, &self.algorithms)
        })
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientVerifier {
    /// Verifies a signature of TLS 1.2 by the key alone.
    fn verify_by_key(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
        error: Error,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = key_of_other_kind(cert, &error).ok_or(error)?;
        let mut schemes = self.algorithms.mapping.iter();
        let algorithms = schemes.find(|(scheme, _)| *scheme == dss.scheme);
        let algorithms = algorithms.map_or(&[][..], |(_, algorithms)| algorithms);
        let fits = algorithms.iter().any(|algorithm| {
            let checked = algorithm.verify_signature(&key.bits, message, dss.signature());
            checked.is_ok()
        });
        fits.then(HandshakeSignatureValid::assertion)
            .ok_or(Error::InvalidCertificate(CertificateError::BadSignature))
    }
}

/// A public key as a certificate has it, DER.
struct PublicKey {
    /// With its algorithm.
    whole: SubjectPublicKeyInfoDer<'static>,
    /// Alone.
    bits: Vec<u8>,
}

/// The key of a certificate that is not of the kind rustls reads, as one of X.509 version 1 or with an extension that is
/// critical and unknown. To own its key can be proved all the same; who is let in by it is decided by who reads more of it.
fn key_of_other_kind(cert: &CertificateDer<'_>, error: &Error) -> Option<PublicKey> {
    if matches!(
        error,
        Error::InvalidCertificate(CertificateError::BadSignature)
    ) {
        return None;
    }
    let (rest, certificate) = X509Certificate::from_der(cert).ok()?;
    let key = certificate.public_key();
    rest.is_empty().then(|| PublicKey {
        whole: SubjectPublicKeyInfoDer::from(key.raw.to_vec()),
        bits: key.subject_public_key.data.to_vec(),
    })
}

/// Longer chains only cost time.
const MAX_INTERMEDIATES: usize = 9;
