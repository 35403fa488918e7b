//! Certificates made on the spot.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A CA of one test.
#[derive(Debug)]
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, PEM.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self {
            pem: params.self_signed(&key).unwrap().pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for this machine's loopback, fit for either side of a connection.
    pub(crate) fn issue(&self) -> Identity {
        let key = KeyPair::generate().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let params = CertificateParams::new(names).unwrap();
        Identity {
            certificate: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()
    }
}

impl Identity {
    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }

    /// One of this CA, or of nobody, with an extension that is critical and that nobody knows.
    pub(crate) fn with_unknown_extension(authority: Option<&Authority>) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let oid = [1, 3, 6, 1, 4, 1, 99999, 7];
        let mut extension = CustomExtension::from_oid_content(&oid, vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions.push(extension);
        let certificate = match authority {
            Some(authority) => params.signed_by(&key, &authority.issuer),
            None => params.self_signed(&key),
        };
        Self {
            certificate: certificate.unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    /// One of X.509 version 1, which has no extensions: the certificate of another, without its version and what only later
    /// versions have. Whoever signed it did not sign that.
    pub(crate) fn of_version_1() -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(Vec::new()).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let [tbs, algorithm, signature] = parts(contents(certificate.der())).try_into().unwrap();
        let fields = parts(contents(tbs));
        let is_of_version_1 = |field: &&&[u8]| !matches!(field[0], 0xa0 | 0xa3);
        let fields: Vec<u8> = fields
            .iter()
            .filter(is_of_version_1)
            .copied()
            .flatten()
            .copied()
            .collect();
        let whole = sequence(&[&sequence(&fields), algorithm, signature].concat());
        Self {
            certificate: pem::encode(&pem::Pem::new("CERTIFICATE", whole)),
            key: key.serialize_pem(),
        }
    }

    /// One that has signed itself, as a CA: what `openssl req -x509` makes.
    pub(crate) fn self_signed_authority() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "itself");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self {
            certificate: params.self_signed(&key).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    /// Writes `cert` and `key` into this directory.
    pub(crate) fn write_to(&self, directory: &Path) {
        fs::write(directory.join("cert"), &self.certificate).unwrap();
        self.write_key(&directory.join("key"));
    }

    pub(crate) fn write_key(&self, path: &Path) {
        fs::write(path, &self.key).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }
}

/// How many bytes of a DER element are its tag and length, and how many there are in all.
fn extent(der: &[u8]) -> (usize, usize) {
    let (first, more) = (usize::from(der[1]), &der[2..]);
    if first < 0x80 {
        return (2, 2 + first);
    }
    let count = first - 0x80;
    let length = more[..count]
        .iter()
        .fold(0, |length, byte| length << 8 | usize::from(*byte));
    (2 + count, 2 + count + length)
}

fn contents(der: &[u8]) -> &[u8] {
    let (head, end) = extent(der);
    &der[head..end]
}

/// The elements that stand one after the other.
fn parts(mut der: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while !der.is_empty() {
        let (part, rest) = der.split_at(extent(der).1);
        parts.push(part);
        der = rest;
    }
    parts
}

fn sequence(contents: &[u8]) -> Vec<u8> {
    let length = u16::try_from(contents.len()).unwrap();
    [&[0x30, 0x82], length.to_be_bytes().as_slice(), contents].concat()
}
