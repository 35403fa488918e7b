//! Which cluster vouches for service accounts, and how it is asked.

use std::fmt;

use keyring::secret::SecretBytes;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::identity::methods::jose::key::KeyFault;
use crate::identity::methods::jose::key_set::KeySet;
use crate::identity::outbound::{OutboundUrl, UrlFault};

/// The configuration of a mount, as stored.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The base address of the API server.
    pub kubernetes_host: String,
    /// The CA certificates that are trusted for it; empty for the pod's, or the system's.
    pub kubernetes_ca_cert: String,
    /// What this server shows the API server; without it that is the pod's own token.
    pub token_reviewer_jwt: Option<ReviewerToken>,
    /// The keys that the cluster signs tokens with, in PEM.
    pub pem_keys: Vec<String>,
    /// Who tokens must be issued by.
    pub issuer: String,
    /// Whether the issuer is not looked at; absent if nothing was said.
    pub disable_iss_validation: Option<bool>,
    /// Whether the pod's CA certificate and token are not used.
    pub disable_local_ca_jwt: bool,
    /// Kept and given back; there are no entities here for metadata to be written to.
    pub use_annotations_as_alias_metadata: bool,
}

/// The token that the API server knows this server by. It is written only to where it is sealed.
pub struct ReviewerToken(SecretBytes);

/// Why a configuration cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigFault {
    /// The CA text holds no certificate, or one that does not read.
    #[error("The provided CA PEM data contains no valid certificates")]
    Ca,
    /// The address of the API server is none.
    #[error("invalid kubernetes_host: {0}")]
    Host(UrlFault),
    /// A key is none.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// Nothing says whom to trust at that address.
    #[error("kubernetes_ca_cert must be given when disable_local_ca_jwt is true")]
    NoCa,
    /// There is no address.
    #[error("no host provided")]
    NoHost,
    /// There is nothing to ask with.
    #[error(
        "token_reviewer_jwt or pem_keys must be given when disable_local_ca_jwt is true: the API is never asked with the \
         token of whoever logs in"
    )]
    NoReviewer,
    /// The token cannot stand in a header.
    #[error("token_reviewer_jwt contains characters that no token has")]
    Reviewer,
    /// There are more keys than a cluster may have.
    #[error("more than {} public keys", KeySet::MAX_KEYS)]
    TooManyKeys,
}

/// Who vouches for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vouching {
    /// The cluster's keys alone.
    Keys,
    /// The cluster's keys, and then the API server.
    KeysAndReview,
    /// The API server.
    Review,
}

impl Config {
    /// The address of the API server. One without a scheme is one of `https`.
    pub fn host(&self) -> Result<OutboundUrl, ConfigFault> {
        let host = self.kubernetes_host.as_str();
        let url = if host.contains("://") {
            OutboundUrl::parse(host)
        } else {
            OutboundUrl::parse(&format!("https://{host}"))
        };
        url.map_err(ConfigFault::Host)
    }

    /// Whether it can be stored.
    pub fn check(&self) -> Result<(), ConfigFault> {
        if self.kubernetes_host.is_empty() {
            return Err(ConfigFault::NoHost);
        }
        self.host()?;
        if !self.kubernetes_ca_cert.is_empty() && !has_certificates(&self.kubernetes_ca_cert) {
            return Err(ConfigFault::Ca);
        }
        if self.pem_keys.len() > KeySet::MAX_KEYS {
            return Err(ConfigFault::TooManyKeys);
        }
        KeySet::from_pems(&self.pem_keys)?;
        self.check_reviewer()
    }

    fn check_reviewer(&self) -> Result<(), ConfigFault> {
        let is_alone = self.disable_local_ca_jwt && self.vouching() != Vouching::Keys;
        if is_alone && self.kubernetes_ca_cert.is_empty() && !self.host()?.is_loopback() {
            return Err(ConfigFault::NoCa);
        }
        match &self.token_reviewer_jwt {
            Some(token) if !token.is_printable() => Err(ConfigFault::Reviewer),
            None if is_alone => Err(ConfigFault::NoReviewer),
            Some(_) | None => Ok(()),
        }
    }

    /// Who vouches for tokens. Keys do so alone unless a reviewer's token was given with them.
    pub const fn vouching(&self) -> Vouching {
        match (self.pem_keys.is_empty(), &self.token_reviewer_jwt) {
            (true, _) => Vouching::Review,
            (false, None) => Vouching::Keys,
            (false, Some(_)) => Vouching::KeysAndReview,
        }
    }

    /// Whether the issuer is not looked at: by default only if none is given.
    pub fn ignores_issuer(&self) -> bool {
        self.disable_iss_validation
            .unwrap_or(self.issuer.is_empty())
    }

    /// The issuer that tokens must name; `None` for any.
    pub fn expected_issuer(&self) -> Option<&str> {
        if self.ignores_issuer() {
            return None;
        }
        Some(match self.issuer.as_str() {
            "" => DEFAULT_ISSUER,
            given => given,
        })
    }
}

fn has_certificates(pem: &str) -> bool {
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
    let certificates = certificates.collect::<Result<Vec<_>, _>>();
    certificates.is_ok_and(|certificates| !certificates.is_empty())
}

/// Who issues tokens of the old kind.
const DEFAULT_ISSUER: &str = "kubernetes/serviceaccount";

impl ReviewerToken {
    /// The token of this text; `None` for the empty one.
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(SecretBytes::new(text.as_bytes().to_vec())))
    }

    /// The token. Who reads it is a grep for this name.
    pub const fn expose_secret(&self) -> &SecretBytes {
        &self.0
    }

    fn is_printable(&self) -> bool {
        let mut bytes = self.0.expose_secret().iter();
        bytes.all(u8::is_ascii_graphic)
    }
}

impl fmt::Debug for ReviewerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReviewerToken(..)")
    }
}

impl Serialize for ReviewerToken {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let text = std::str::from_utf8(self.0.expose_secret());
        to.serialize_str(text.map_err(serde::ser::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for ReviewerToken {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Ok(Self(SecretBytes::new(text.into_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(host: &str) -> Config {
        Config {
            kubernetes_host: host.to_owned(),
            ..Config::default()
        }
    }

    #[test]
    fn a_host_may_leave_out_its_scheme() {
        for host in [
            "https://k8s:443",
            "k8s",
            "k8s:443",
            "10.0.0.1",
            "http://127.0.0.1:8001",
        ] {
            assert_eq!(config(host).check(), Ok(()), "{host}");
        }
        assert_eq!(config("").check(), Err(ConfigFault::NoHost));
        let plain = config("http://k8s").check();
        assert_eq!(plain, Err(ConfigFault::Host(UrlFault::Plain)));
    }

    #[test]
    fn without_a_pod_a_ca_and_a_reviewer_are_needed_unless_keys_vouch() {
        let alone = || Config {
            disable_local_ca_jwt: true,
            ..config("https://k8s")
        };
        assert_eq!(alone().check(), Err(ConfigFault::NoCa));
        let local = Config {
            kubernetes_host: "http://127.0.0.1:8001".to_owned(),
            ..alone()
        };
        assert_eq!(local.check(), Err(ConfigFault::NoReviewer));
        let key = rcgen::KeyPair::generate().unwrap();
        let offline = Config {
            pem_keys: vec![key.public_key_pem()],
            ..alone()
        };
        assert_eq!(offline.check(), Ok(()));
    }

    #[test]
    fn an_issuer_that_is_given_counts_unless_that_is_switched_off() {
        let expected = |issuer: &str, disable| {
            let config = Config {
                issuer: issuer.to_owned(),
                disable_iss_validation: disable,
                ..config("k8s")
            };
            config.expected_issuer().map(str::to_owned)
        };
        assert_eq!(expected("", None), None);
        assert_eq!(expected("i", None).as_deref(), Some("i"));
        assert_eq!(expected("i", Some(true)), None);
        assert_eq!(expected("", Some(false)).as_deref(), Some(DEFAULT_ISSUER));
    }

    #[test]
    fn the_reviewers_token_is_written_to_its_entry_and_printed_nowhere() {
        let config = Config {
            token_reviewer_jwt: ReviewerToken::new("canary"),
            ..config("k8s")
        };
        assert!(!format!("{config:?}").contains("canary"));
        let stored = serde_json::to_string(&config).unwrap();
        let read: Config = serde_json::from_str(&stored).unwrap();
        let token = read.token_reviewer_jwt.unwrap();
        assert_eq!(token.expose_secret().expose_secret(), b"canary");
        assert!(ReviewerToken::new("").is_none());
        let odd = Config {
            token_reviewer_jwt: ReviewerToken::new("a\r\nx: y"),
            ..self::config("k8s")
        };
        assert_eq!(odd.check(), Err(ConfigFault::Reviewer));
    }
}
