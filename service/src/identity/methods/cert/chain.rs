//! Whether a chain of certificates leads to one that is trusted (RFC 5280, 6). Pure: the time is an argument.

use std::sync::Arc;
use std::time::Duration;

use keyring::clock::Timestamp;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, Error, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, UnixTime};

use super::presented::Presented;
use crate::connection::ClientCertificates;

/// What a role trusts: authorities, or one certificate itself.
#[derive(Debug)]
pub enum Trusted {
    /// Certificates that authorities have signed for clients.
    Authorities(Vec<(CertificateDer<'static>, Presented)>),
    /// This certificate.
    Itself(CertificateDer<'static>, Box<Presented>),
}

/// Why a text is nothing to trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustFault {
    /// A certificate trusted itself is not for clients.
    #[error(
        "nonCA certificates should have TLS client authentication set as an extended key usage"
    )]
    NotForClients,
    /// There are more certificates than a role may have.
    #[error("at most {} certificates can be trusted by one role", Trusted::MAX)]
    TooMany,
    /// There is no certificate in it, or one that does not read.
    #[error("failed to parse certificate")]
    Unreadable,
}

/// Why a chain is not trusted; the later one comes closer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum ChainFault {
    /// It leads to nothing that is trusted.
    #[error("invalid certificate or no client certificate supplied")]
    Untrusted,
    /// The client's certificate is over, or has not begun.
    #[error("the client certificate has expired or is not yet valid")]
    Time,
}

impl Trusted {
    /// How many certificates a role may trust.
    pub const MAX: usize = 32;

    /// What a PEM text holds. The first certificate decides which of the two it is, as in Vault.
    pub fn read(pem: &str) -> Result<Self, TrustFault> {
        let certificates = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| TrustFault::Unreadable)?;
        if certificates.len() > Self::MAX {
            return Err(TrustFault::TooMany);
        }
        let mut read = Vec::new();
        for certificate in certificates {
            let facts = Presented::read(&certificate).ok_or(TrustFault::Unreadable)?;
            read.push((certificate, facts));
        }
        match read.first() {
            None => Err(TrustFault::Unreadable),
            Some((_, first)) if first.is_ca => {
                read.retain(|(_, facts)| facts.is_ca);
                Ok(Self::Authorities(read))
            }
            Some((_, first)) if !first.is_for_clients => Err(TrustFault::NotForClients),
            Some((certificate, first)) => {
                Ok(Self::Itself(certificate.clone(), Box::new(first.clone())))
            }
        }
    }

    /// The facts of the client's certificate, if it is trusted at this instant.
    pub fn admit(
        &self,
        shown: &ClientCertificates,
        now: Timestamp,
    ) -> Result<Presented, ChainFault> {
        let facts = Presented::read(shown.end_entity()).ok_or(ChainFault::Untrusted)?;
        match self {
            // An authority vouches for itself, as one does that somebody made for a single client.
            Self::Authorities(authorities)
                if facts.is_for_clients
                    && authorities
                        .iter()
                        .any(|(authority, _)| authority == shown.end_entity()) =>
            {
                facts
                    .is_valid_at(now)
                    .then_some(facts)
                    .ok_or(ChainFault::Time)
            }
            Self::Authorities(authorities) => {
                verify(authorities, shown, now)?;
                Ok(facts)
            }
            Self::Itself(certificate, _) if certificate != shown.end_entity() => {
                Err(ChainFault::Untrusted)
            }
            Self::Itself(..) if facts.is_valid_at(now) => Ok(facts),
            Self::Itself(..) => Err(ChainFault::Time),
        }
    }
}

/// Verifies as TLS does. An authority that is over vouches for nobody, which TLS would not look at.
fn verify(
    authorities: &[(CertificateDer<'static>, Presented)],
    shown: &ClientCertificates,
    now: Timestamp,
) -> Result<(), ChainFault> {
    let mut roots = RootCertStore::empty();
    let in_force = authorities
        .iter()
        .filter(|(_, facts)| facts.is_valid_at(now));
    roots.add_parsable_certificates(in_force.map(|(certificate, _)| certificate.clone()));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = verifier.build().map_err(|_| ChainFault::Untrusted)?;
    let seconds = u64::try_from(now.seconds()).map_err(|_| ChainFault::Time)?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    match verifier.verify_client_cert(shown.end_entity(), shown.intermediates(), at) {
        Ok(_) => Ok(()),
        Err(Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        )) => Err(ChainFault::Time),
        Err(_) => Err(ChainFault::Untrusted),
    }
}
