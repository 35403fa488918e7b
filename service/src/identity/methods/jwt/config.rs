//! Whose tokens are taken: where their keys come from, and what all of them must say.

use jsonwebtoken::Algorithm;
use serde::{Deserialize, Serialize};

use crate::identity::methods::jose::key::{self, KeyFault};
use crate::identity::methods::jose::key_set::KeySet;
use crate::identity::outbound::{OutboundUrl, UrlFault};

/// The configuration of a mount, as it is written and read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The issuer whose discovery document (`OpenID` Connect Discovery 1.0) names its keys.
    pub oidc_discovery_url: String,
    /// The CA certificates that are trusted for it; empty for the system's.
    pub oidc_discovery_ca_pem: String,
    /// Where the keys are published as a JWK set.
    pub jwks_url: String,
    /// The CA certificates that are trusted for it; empty for the system's.
    pub jwks_ca_pem: String,
    /// The keys themselves, in PEM.
    pub jwt_validation_pubkeys: Vec<String>,
    /// The algorithms that are accepted; empty for all that are supported.
    pub jwt_supported_algs: Vec<String>,
    /// The issuer that tokens must name; empty for any.
    pub bound_issuer: String,
    /// The role of logins that name none; empty for none.
    pub default_role: String,
}

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOrigin<'c> {
    /// A discovery document names them.
    Discovery {
        /// The issuer.
        issuer: OutboundUrl,
        /// Its CA certificates.
        ca_pem: &'c str,
    },
    /// They are published as a JWK set.
    Jwks {
        /// Where.
        url: OutboundUrl,
        /// Its CA certificates.
        ca_pem: &'c str,
    },
    /// They are written down.
    Static(&'c [String]),
}

/// Why a configuration cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigFault {
    /// An algorithm is unknown, not supported, or not one of a public key.
    #[error(
        "invalid jwt_supported_algs: unsupported signing algorithm; supported are ES256, ES384, EdDSA, PS256, PS384, \
         PS512, RS256, RS384 and RS512"
    )]
    Algorithms,
    /// The address of the discovery document is none.
    #[error("invalid oidc_discovery_url: {0}")]
    DiscoveryUrl(UrlFault),
    /// The address of the JWK set is none.
    #[error("invalid jwks_url: {0}")]
    JwksUrl(UrlFault),
    /// A key is none.
    #[error("error parsing public key: {0}")]
    Key(#[from] KeyFault),
    /// No origin of keys is named, or several are.
    #[error(
        "exactly one of 'jwt_validation_pubkeys', 'jwks_url' or 'oidc_discovery_url' must be set"
    )]
    Origin,
    /// There are more keys than an issuer may have.
    #[error("more than {} public keys", KeySet::MAX_KEYS)]
    TooManyKeys,
}

impl Config {
    /// Where the keys come from.
    pub fn origin(&self) -> Result<KeyOrigin<'_>, ConfigFault> {
        let discovery = self.oidc_discovery_url.as_str();
        match (
            discovery,
            self.jwks_url.as_str(),
            self.jwt_validation_pubkeys.as_slice(),
        ) {
            ("", "", keys @ [_, ..]) => Ok(KeyOrigin::Static(keys)),
            ("", url, []) if !url.is_empty() => Ok(KeyOrigin::Jwks {
                url: OutboundUrl::parse(url).map_err(ConfigFault::JwksUrl)?,
                ca_pem: &self.jwks_ca_pem,
            }),
            (issuer, "", []) if !issuer.is_empty() => Ok(KeyOrigin::Discovery {
                issuer: OutboundUrl::parse(issuer).map_err(ConfigFault::DiscoveryUrl)?,
                ca_pem: &self.oidc_discovery_ca_pem,
            }),
            _ => Err(ConfigFault::Origin),
        }
    }

    /// The algorithms that are accepted.
    pub fn algorithms(&self) -> Result<Vec<Algorithm>, ConfigFault> {
        if self.jwt_supported_algs.is_empty() {
            return Ok(key::ALGORITHMS.map(|(_, algorithm)| algorithm).to_vec());
        }
        let names = self.jwt_supported_algs.iter();
        names
            .map(|name| key::algorithm(name).ok_or(ConfigFault::Algorithms))
            .collect()
    }

    /// Whether it can be stored.
    pub fn check(&self) -> Result<(), ConfigFault> {
        if let KeyOrigin::Static(keys) = self.origin()? {
            if keys.len() > KeySet::MAX_KEYS {
                return Err(ConfigFault::TooManyKeys);
            }
            KeySet::from_pems(keys)?;
        }
        self.algorithms().map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(url: &str) -> Config {
        Config {
            jwks_url: url.to_owned(),
            ..Config::default()
        }
    }

    #[test]
    fn keys_come_from_exactly_one_place() {
        let jwks = url("https://a/keys");
        let discovery = Config {
            oidc_discovery_url: "https://a".to_owned(),
            ..Config::default()
        };
        assert!(matches!(jwks.origin(), Ok(KeyOrigin::Jwks { .. })));
        assert!(matches!(
            discovery.origin(),
            Ok(KeyOrigin::Discovery { .. })
        ));
        let keys = vec!["x".to_owned()];
        for wrong in [
            Config::default(),
            Config {
                oidc_discovery_url: "https://a".to_owned(),
                ..jwks.clone()
            },
            Config {
                jwt_validation_pubkeys: keys.clone(),
                ..jwks
            },
            Config {
                jwt_validation_pubkeys: keys.clone(),
                ..discovery
            },
        ] {
            assert_eq!(wrong.check(), Err(ConfigFault::Origin));
        }
        let unreadable = Config {
            jwt_validation_pubkeys: keys,
            ..Config::default()
        };
        assert_eq!(unreadable.check(), Err(ConfigFault::Key(KeyFault::Pem)));
        let plain = url("http://issuer.example.com/").check();
        assert_eq!(plain, Err(ConfigFault::JwksUrl(UrlFault::Plain)));
    }

    #[test]
    fn only_algorithms_of_public_keys_are_accepted() {
        let with = |names: &[&str]| Config {
            jwt_supported_algs: names.iter().map(|name| (*name).to_owned()).collect(),
            ..url("https://a/")
        };
        assert_eq!(with(&[]).algorithms().unwrap().len(), 9);
        let algorithms = with(&["RS256", "ES384"]).algorithms();
        assert_eq!(algorithms, Ok(vec![Algorithm::RS256, Algorithm::ES384]));
        for wrong in ["HS256", "none", "rs256", "ES512", ""] {
            assert_eq!(
                with(&["RS256", wrong]).check(),
                Err(ConfigFault::Algorithms)
            );
        }
    }
}
