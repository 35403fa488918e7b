//! What a listener shows and trusts at one time, checked before anybody sees it: chain, key, client CAs.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

use super::files::{self, Flaw, TlsFault};
use crate::config::listener::{ClientAuth, Tls as Settings};

/// Chain, key and client CAs that belong together.
#[derive(Debug)]
pub(super) struct Material {
    pub(super) certified: Arc<CertifiedKey>,
    /// Present if clients need a certificate of a CA that is known here.
    pub(super) clients: Option<Arc<dyn ClientCertVerifier>>,
    /// Until when the certificate is valid, in seconds since 1970.
    pub(super) not_after: i64,
}

impl Material {
    /// Reads and checks all files. A key that is not the certificate's is a fault: somebody has replaced only one of them yet.
    pub(super) fn load(settings: &Settings) -> Result<Self, TlsFault> {
        let chain = certificates(&settings.cert_file)?;
        let not_after = not_after(&chain).map_err(|flaw| flaw.of(&settings.cert_file))?;
        let key_file = &settings.key_file;
        let pem = files::read_private(key_file)?;
        let key = PrivateKeyDer::from_pem_slice(pem.expose_secret())
            .map(Zeroizing::new)
            .map_err(|_| Flaw::Key.of(key_file))?;
        let key = any_supported_type(&key).map_err(|_| Flaw::Key.of(key_file))?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(_) => return Err(Flaw::Mismatch(settings.cert_file.clone()).of(key_file)),
        }
        let clients = match &settings.client_auth {
            ClientAuth::Off | ClientAuth::Request => None,
            ClientAuth::Require(ca_file) => Some(clients_of(ca_file)?),
        };
        Ok(Self {
            certified: Arc::new(certified),
            clients,
            not_after,
        })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let pem = files::read(path)?;
    let chain = CertificateDer::pem_slice_iter(pem.expose_secret())
        .collect::<Result<Vec<_>, PemError>>()
        .map_err(|_| Flaw::Pem.of(path))?;
    if chain.is_empty() {
        return Err(Flaw::NoCertificate.of(path));
    }
    Ok(chain)
}

fn not_after(chain: &[CertificateDer<'_>]) -> Result<i64, Flaw> {
    let end_entity = chain.first().ok_or(Flaw::NoCertificate)?;
    let (_, parsed) = X509Certificate::from_der(end_entity)
        .map_err(|error| Flaw::Certificate(error.to_string()))?;
    Ok(parsed.validity().not_after.timestamp())
}

/// Verifies clients by the CAs in this file, every one of which must be fit for it.
fn clients_of(path: &Path) -> Result<Arc<dyn ClientCertVerifier>, TlsFault> {
    let unfit = |error: &dyn std::error::Error| Flaw::Certificate(error.to_string()).of(path);
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| unfit(&error))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), super::provider())
        .build()
        .map_err(|error| unfit(&error))
}
