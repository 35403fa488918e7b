//! One auth method mounted at `auth/<path>/`: its kind, its names, its settings.

use std::fmt;
use std::time::Duration;

use keyring::entropy::{Entropy, EntropyError};
use keyring::name::MountPath;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::identity::methods::userpass::lockout::LockoutRule;
use crate::identity::token_params::TokenType;
use crate::identity::ttl::{TtlLimits, seconds};

/// How callers prove who they are.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MethodKind {
    /// A role id and a secret id.
    AppRole,
    /// A TLS client certificate.
    Cert,
    /// A signed token of somebody else's (RFC 7519).
    Jwt,
    /// A service account's token.
    Kubernetes,
    /// A token of this server. There is one such method, built in.
    Token,
    /// A name and a password.
    Userpass,
}

impl MethodKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::AppRole,
        Self::Cert,
        Self::Jwt,
        Self::Kubernetes,
        Self::Token,
        Self::Userpass,
    ];

    /// The protocol's word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::AppRole => "approle",
            Self::Cert => "cert",
            Self::Jwt => "jwt",
            Self::Kubernetes => "kubernetes",
            Self::Token => "token",
            Self::Userpass => "userpass",
        }
    }

    /// The kind of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

impl fmt::Display for MethodKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What an operator sets on a mount.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct AuthMountConfig {
    /// The operator's words about it.
    pub description: String,
    /// How long tokens live whose role does not say; zero for the system's default.
    #[serde(with = "seconds")]
    pub default_lease_ttl: Duration,
    /// How long tokens may live at most; zero for the system's maximum.
    #[serde(with = "seconds")]
    pub max_lease_ttl: Duration,
    /// What kind of tokens logins give.
    pub token_type: TokenType,
    /// Whether who shows no token may see that it is there.
    pub listed_unauthenticated: bool,
    /// When failed logins lock a user out, if an operator has said so; for methods with users.
    pub lockout: Option<LockoutRule>,
}

impl AuthMountConfig {
    /// The longest description, in bytes.
    pub const MAX_DESCRIPTION_LEN: usize = 4096;

    /// The token type of this word, as mounts may have it; nothing is the default.
    pub fn token_type(word: &str) -> Option<TokenType> {
        match TokenType::parse(word)? {
            TokenType::Default if word.is_empty() => Some(TokenType::DefaultService),
            TokenType::Default => None,
            known @ (TokenType::Batch
            | TokenType::DefaultBatch
            | TokenType::DefaultService
            | TokenType::Service) => Some(known),
        }
    }

    /// How long tokens of its logins may live.
    pub fn limits(&self) -> TtlLimits {
        TtlLimits::tuned(self.default_lease_ttl, self.max_lease_ttl)
    }

    /// The lock-out that holds.
    pub fn lockout(&self) -> LockoutRule {
        self.lockout.unwrap_or_default()
    }
}

impl Default for AuthMountConfig {
    fn default() -> Self {
        Self {
            description: String::new(),
            default_lease_ttl: Duration::ZERO,
            max_lease_ttl: Duration::ZERO,
            token_type: TokenType::DefaultService,
            listed_unauthenticated: false,
            lockout: None,
        }
    }
}

/// A mounted auth method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthMount {
    /// Where it answers, below `auth/`, without slashes at either end.
    pub path: MountPath,
    /// How callers prove who they are there.
    pub kind: MethodKind,
    /// Names it once and for all; a path mounted again has another. The scope of everything that belongs to it.
    pub accessor: String,
    /// The same, for clients that want a UUID.
    pub uuid: Uuid,
    /// Its settings.
    pub config: AuthMountConfig,
}

impl AuthMount {
    /// A new mount with new random names.
    pub fn generate(
        path: MountPath,
        kind: MethodKind,
        config: AuthMountConfig,
        entropy: &dyn Entropy,
    ) -> Result<Self, EntropyError> {
        let mut random = [0; 16];
        entropy.fill(&mut random)?;
        let uuid = uuid::Builder::from_random_bytes(random).into_uuid();
        let mut short = [0; 4];
        entropy.fill(&mut short)?;
        let short = data_encoding::HEXLOWER.encode(&short);
        Ok(Self {
            path,
            kind,
            accessor: format!("auth_{kind}_{short}"),
            uuid,
            config,
        })
    }

    /// The method that every server has at `auth/token/`.
    pub fn built_in_token(path: MountPath) -> Self {
        Self {
            path,
            kind: MethodKind::Token,
            accessor: "auth_token_00000000".to_owned(),
            uuid: Uuid::nil(),
            config: AuthMountConfig {
                description: "token based credentials".to_owned(),
                ..AuthMountConfig::default()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use keyring::entropy::SystemEntropy;

    use super::*;

    #[test]
    fn words_and_kinds_are_one_to_one() {
        for kind in MethodKind::ALL {
            assert_eq!(MethodKind::parse(kind.word()), Some(kind));
            let stored = serde_json::to_value(kind).unwrap();
            assert_eq!(stored, kind.word());
        }
        for word in ["", "oidc", "AppRole", "github"] {
            assert_eq!(MethodKind::parse(word), None, "{word}");
        }
        for word in ["batch", "default-batch", "default-service", "service"] {
            let parsed = AuthMountConfig::token_type(word).unwrap();
            assert_eq!(parsed.word(), word);
        }
        let unsaid = AuthMountConfig::token_type("");
        assert_eq!(unsaid, Some(AuthMountConfig::default().token_type));
        assert_eq!(AuthMountConfig::token_type("default"), None);
    }

    #[test]
    fn a_path_mounted_twice_has_two_accessors() {
        let make = || {
            let path = MountPath::parse("team/apps").unwrap();
            let config = AuthMountConfig::default();
            AuthMount::generate(path, MethodKind::AppRole, config, &SystemEntropy).unwrap()
        };
        let (one, two) = (make(), make());
        let hex = one.accessor.strip_prefix("auth_approle_").unwrap();
        assert!(hex.len() == 8 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert!(one.accessor != two.accessor && one.uuid != two.uuid);
    }
}
