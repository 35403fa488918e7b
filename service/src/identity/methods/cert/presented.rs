//! What a certificate (RFC 5280) says of its owner. It is read only after it has been verified.

use keyring::clock::Timestamp;
use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::AttributeTypeAndValue;

use crate::identity::plain_text::is_plain;

/// The facts of a certificate, as texts. What is no text, or has characters in it that do not show, is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presented {
    /// The common name of its subject; empty if there is none. Of several, the last.
    pub common_name: String,
    /// The names in its subject alternative name extension.
    pub dns_names: Vec<String>,
    /// The mail addresses there.
    pub email_addresses: Vec<String>,
    /// The URIs there.
    pub uris: Vec<String>,
    /// The organizational units of its subject.
    pub organizational_units: Vec<String>,
    /// Extensions whose value is a string, by their OID.
    pub extensions: Vec<(String, String)>,
    /// Its serial number, decimal.
    pub serial_number: String,
    /// Which key it is for, in hex; empty if it does not say.
    pub subject_key_id: String,
    /// Which key signed it, in hex; empty if it does not say.
    pub authority_key_id: String,
    /// Whether it is the certificate of an authority.
    pub is_ca: bool,
    /// Whether it is for clients: it says so, or does not say what it is for.
    pub is_for_clients: bool,
    valid: (i64, i64),
}

/// How many names of one kind are read.
const MAX_NAMES: usize = 100;

impl Presented {
    /// The facts of a certificate in DER; `None` if it does not read, or has an extension twice.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        // Fails if an extension is there twice.
        certificate.extensions_map().ok()?;
        let names = certificate.subject_alternative_name().ok()?;
        let names = names.map_or(&[][..], |names| names.value.general_names.as_slice());
        let subject = certificate.subject();
        let usage = certificate.extended_key_usage().ok()?;
        let validity = certificate.validity();
        Some(Self {
            common_name: subject
                .iter_common_name()
                .filter_map(text)
                .last()
                .unwrap_or_default(),
            dns_names: of_kind(names, |name| {
                let GeneralName::DNSName(name) = name else {
                    return None;
                };
                Some((*name).to_owned())
            }),
            email_addresses: of_kind(names, |name| {
                let GeneralName::RFC822Name(name) = name else {
                    return None;
                };
                Some((*name).to_owned())
            }),
            uris: of_kind(names, |name| {
                let GeneralName::URI(name) = name else {
                    return None;
                };
                Some((*name).to_owned())
            }),
            organizational_units: subject
                .iter_organizational_unit()
                .filter_map(text)
                .take(MAX_NAMES)
                .collect(),
            extensions: string_extensions(&certificate),
            serial_number: certificate.tbs_certificate.serial.to_string(),
            subject_key_id: key_id(&certificate, |extension| {
                let ParsedExtension::SubjectKeyIdentifier(id) = extension else {
                    return None;
                };
                Some(id.0.to_vec())
            }),
            authority_key_id: key_id(&certificate, |extension| {
                let ParsedExtension::AuthorityKeyIdentifier(id) = extension else {
                    return None;
                };
                Some(id.key_identifier.as_ref()?.0.to_vec())
            }),
            is_ca: certificate.is_ca(),
            is_for_clients: usage.is_none_or(|usage| usage.value.client_auth || usage.value.any),
            valid: (
                validity.not_before.timestamp(),
                validity.not_after.timestamp(),
            ),
        })
    }

    /// What tells it from all others that a role of this name takes, as it is written to tokens.
    pub fn identity<'a>(&'a self, role: &'a str) -> [(&'static str, &'a str); 5] {
        [
            ("authority_key_id", &self.authority_key_id),
            ("cert_name", role),
            ("common_name", &self.common_name),
            ("serial_number", &self.serial_number),
            ("subject_key_id", &self.subject_key_id),
        ]
    }

    /// Whether it is valid at this instant: both ends are within (RFC 5280, 4.1.2.5).
    pub const fn is_valid_at(&self, now: Timestamp) -> bool {
        self.valid.0 <= now.seconds() && now.seconds() <= self.valid.1
    }
}

/// The names of one kind.
fn of_kind(names: &[GeneralName<'_>], kind: fn(&GeneralName<'_>) -> Option<String>) -> Vec<String> {
    let names = names.iter().filter_map(kind);
    names
        .filter(|name| is_plain(name))
        .take(MAX_NAMES)
        .collect()
}

fn text(attribute: &AttributeTypeAndValue<'_>) -> Option<String> {
    let text = attribute.as_str().ok()?.to_owned();
    Some(text).filter(|text| is_plain(text))
}

/// The extensions whose value is any of ASN.1's string types.
fn string_extensions(certificate: &X509Certificate<'_>) -> Vec<(String, String)> {
    let extensions = certificate.iter_extensions();
    let read = extensions.filter_map(|extension| {
        let (rest, value) = Any::from_der(extension.value).ok()?;
        let is_string = [
            Tag::Utf8String,
            Tag::PrintableString,
            Tag::Ia5String,
            Tag::NumericString,
            Tag::T61String,
        ]
        .contains(&value.tag());
        let value = str::from_utf8(value.data)
            .ok()
            .filter(|_| is_string && rest.is_empty())?;
        Some((extension.oid.to_id_string(), value.to_owned()))
    });
    read.filter(|(_, value)| is_plain(value)).collect()
}

fn key_id(
    certificate: &X509Certificate<'_>,
    kind: fn(&ParsedExtension<'_>) -> Option<Vec<u8>>,
) -> String {
    let mut extensions = certificate.iter_extensions();
    let id = extensions.find_map(|extension| kind(extension.parsed_extension()));
    let pairs = id
        .unwrap_or_default()
        .into_iter()
        .map(|byte| format!("{byte:02x}"));
    pairs.collect::<Vec<_>>().join(":")
}
