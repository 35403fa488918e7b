//! A role: which certificates it takes, what they must be called, and what the tokens given for them are like.

use std::collections::BTreeMap;

use keyring::clock::Timestamp;
use serde::{Deserialize, Serialize};

use super::chain::{ChainFault, TrustFault, Trusted};
use super::presented::Presented;
use crate::connection::ClientCertificates;
use crate::identity::glob;
use crate::identity::plain_text::is_plain;
use crate::identity::token_params::{ParamsFault, TokenParams};

/// A role as stored. Every list of globs that is not empty must have one that matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Role {
    /// What is trusted, in PEM: authorities, or one certificate itself.
    pub certificate: String,
    /// Globs for the common name, or a DNS or mail name.
    pub allowed_names: Vec<String>,
    /// Globs for the common name.
    pub allowed_common_names: Vec<String>,
    /// Globs for a DNS name.
    pub allowed_dns_sans: Vec<String>,
    /// Globs for a mail address.
    pub allowed_email_sans: Vec<String>,
    /// Globs for a URI.
    pub allowed_uri_sans: Vec<String>,
    /// Globs for an organizational unit.
    pub allowed_organizational_units: Vec<String>,
    /// Extensions that must all be there, as `oid:glob`.
    pub required_extensions: Vec<String>,
    /// OIDs of extensions that are written to the metadata.
    pub allowed_metadata_extensions: Vec<String>,
    /// What tokens are called; empty for the role's name.
    pub display_name: String,
    /// What its tokens are like.
    pub token: TokenParams,
}

/// Why a role cannot be as it is asked to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleFault {
    /// What its tokens are called has characters that do not show.
    #[error("display_name must not have control characters or others that do not show")]
    DisplayName,
    /// A demanded extension is not of the form `oid:glob`.
    #[error("required_extensions must be of the form oid:value")]
    Extensions,
    /// The token fields contradict each other.
    #[error(transparent)]
    Params(#[from] ParamsFault),
    /// There is nothing to trust.
    #[error(transparent)]
    Trust(#[from] TrustFault),
}

/// Why a certificate does not log in; the later ones come closer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum CertFault {
    /// It is not trusted.
    #[error(transparent)]
    Chain(#[from] ChainFault),
    /// It is trusted, and called something else.
    #[error("no chain matching all constraints could be found for this login certificate")]
    Names,
}

impl Role {
    /// Whether it can be stored.
    pub fn check(&self) -> Result<(), RoleFault> {
        self.token.check()?;
        Trusted::read(&self.certificate)?;
        if !is_plain(&self.display_name) {
            return Err(RoleFault::DisplayName);
        }
        let mut extensions = self.required_extensions.iter();
        if extensions.all(|extension| extension.contains(':')) {
            Ok(())
        } else {
            Err(RoleFault::Extensions)
        }
    }

    /// What a chain says of its owner, if this role takes it at this instant.
    pub fn admit(
        &self,
        shown: &ClientCertificates,
        now: Timestamp,
    ) -> Result<Presented, CertFault> {
        let trusted = Trusted::read(&self.certificate).map_err(|_| ChainFault::Untrusted)?;
        let presented = trusted.admit(shown, now)?;
        self.names_match(&presented)
            .then_some(presented)
            .ok_or(CertFault::Names)
    }

    fn names_match(&self, presented: &Presented) -> bool {
        let common = std::slice::from_ref(&presented.common_name);
        let (dns, emails) = (&presented.dns_names, &presented.email_addresses);
        is_one(&self.allowed_names, common.iter().chain(dns).chain(emails))
            && is_one(&self.allowed_common_names, common)
            && is_one(&self.allowed_dns_sans, dns)
            && is_one(&self.allowed_email_sans, emails)
            && is_one(&self.allowed_uri_sans, &presented.uris)
            && is_one(
                &self.allowed_organizational_units,
                &presented.organizational_units,
            )
            && self
                .required_extensions
                .iter()
                .all(|required| has(presented, required))
    }

    /// What tokens are called.
    pub fn called<'a>(&'a self, name: &'a str) -> &'a str {
        match self.display_name.as_str() {
            "" => name,
            given => given,
        }
    }

    /// What is written to the token: that, and the extensions that are to be.
    pub fn metadata(&self, name: &str, presented: &Presented) -> BTreeMap<String, String> {
        let mut metadata: BTreeMap<String, String> = presented
            .identity(name)
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        for (oid, value) in &presented.extensions {
            if self.allowed_metadata_extensions.contains(oid) {
                metadata
                    .entry(oid.replace('.', "-"))
                    .or_insert_with(|| value.clone());
            }
        }
        metadata
    }
}

/// Whether one of the names matches one of the globs, if there are any.
fn is_one<'n>(globs: &[String], names: impl IntoIterator<Item = &'n String>) -> bool {
    globs.is_empty() || names.into_iter().any(|name| glob::any_matches(globs, name))
}

fn has(presented: &Presented, required: &str) -> bool {
    let Some((oid, glob)) = required.split_once(':') else {
        return false;
    };
    let mut extensions = presented.extensions.iter();
    extensions.any(|(known, value)| known == oid && glob::matches(glob, value))
}

#[cfg(test)]
mod tests;
