//! Logins with a signed token of somebody else's (RFC 7519): whose keys count, who is who, and what roles ask for.

pub mod bound_claims;
pub mod config;
pub mod key_source;
pub mod login;
pub mod remote_keys;
pub mod role;

use std::net::IpAddr;
use std::sync::Arc;

use self::config::Config;
use self::key_source::{KeySource, KeySources, SourceFault};
use self::login::{Admitted, LoginFault};
use self::remote_keys::{RemoteFault, VerifyFault};
use self::role::Role;
use super::CONFIG;
use super::entry_shelf::EntryShelf;
use super::jose::jws::JwsFault;
use crate::detached::Detached;
use crate::identity::cidr;
use crate::identity::entries::EntryError;
use crate::identity::parts::Parts;
use crate::identity::token_params::TokenParams;

/// The issuers whose tokens are taken, one for each mount. Mounts are named by their accessors.
#[derive(Debug)]
pub struct Issuers {
    /// One configuration for each mount, named [`CONFIG`].
    pub configs: EntryShelf<Config>,
    /// The roles, by their names in lower case.
    pub roles: EntryShelf<Role>,
    sources: KeySources,
    parts: Parts,
}

/// What somebody shows to log in.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// The role, in lower case; empty for the default.
    pub role: &'a str,
    /// The token.
    pub token: &'a str,
    /// Where the caller is.
    pub remote: Option<IpAddr>,
}

/// Who has logged in, and what the token is to be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtLogin {
    /// Who.
    pub admitted: Admitted,
    /// Who, by the claim that says so as well: what two roles take from different claims is not the same name.
    pub name: String,
    /// The role's name.
    pub role: String,
    /// What the role says of tokens.
    pub params: TokenParams,
}

/// Why nobody has.
#[derive(Debug, thiserror::Error)]
pub enum JwtLoginError {
    /// The claims are not what is asked for.
    #[error(transparent)]
    Claims(#[from] LoginFault),
    /// An entry could not be read.
    #[error(transparent)]
    LookUp(#[from] EntryError),
    /// No role is named, and there is no default.
    #[error("missing role")]
    MissingRole,
    /// There is no token.
    #[error("missing token")]
    MissingToken,
    /// There is no such role.
    #[error("role could not be found")]
    NoRole,
    /// The method is not configured.
    #[error("could not load configuration")]
    NotConfigured,
    /// What is configured does not work any more.
    #[error("error configuring token validator: {0}")]
    Source(#[from] SourceFault),
    /// The token is not verified.
    #[error("error validating token: {0}")]
    Token(#[from] VerifyFault),
}

/// Why a configuration was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeFault {
    /// The keys cannot be had from where it says.
    #[error(transparent)]
    Remote(#[from] RemoteFault),
    /// It cannot be.
    #[error(transparent)]
    Source(#[from] SourceFault),
}

impl Issuers {
    /// No issuer is known yet.
    pub fn new(parts: Parts) -> Self {
        Self {
            configs: EntryShelf::new("jwt-config", &parts),
            roles: EntryShelf::new("jwt-role", &parts),
            sources: KeySources::default(),
            parts,
        }
    }

    /// To be called when entries have changed.
    pub fn entries_changed(&self) {
        self.configs.entries_changed();
        self.roles.entries_changed();
    }

    /// Whether a configuration can be stored: it can be, and its keys can be fetched.
    pub async fn probe(&self, config: &Config, on: &Detached) -> Result<(), ProbeFault> {
        config.check().map_err(SourceFault::from)?;
        let source = KeySource::new(config, Arc::clone(&self.parts.clock))?;
        Ok(source.probe(on).await?)
    }

    /// Logs somebody in. The signature comes before the role, so that strangers do not learn which roles there are, and
    /// make nobody look for any.
    pub async fn log_in(
        &self,
        mount: &str,
        attempt: Attempt<'_>,
        on: &Detached,
    ) -> Result<JwtLogin, JwtLoginError> {
        let config = self.configs.look_up(mount, CONFIG, attempt.remote).await?;
        let config = config.ok_or(JwtLoginError::NotConfigured)?;
        let name = match attempt.role {
            "" => config.value.default_role.as_str(),
            named => named,
        };
        if name.is_empty() {
            return Err(JwtLoginError::MissingRole);
        }
        if attempt.token.is_empty() {
            return Err(JwtLoginError::MissingToken);
        }
        let make = || KeySource::new(&config.value, Arc::clone(&self.parts.clock));
        let source = self.sources.of(mount, config.generation, make)?;
        let claims = source.verify(attempt.token, on).await?;
        let role = self.roles.look_up(mount, name, attempt.remote).await?;
        let role = &role.ok_or(JwtLoginError::NoRole)?.value;
        if !cidr::admits(&role.token.bound_cidrs, attempt.remote) {
            // Whoever is where the role is not for does not learn whether the token is good.
            return Err(VerifyFault::Token(JwsFault::Signature).into());
        }
        let now = self.parts.now();
        let admitted = role.admit(name, &claims, &config.value.bound_issuer, now)?;
        Ok(JwtLogin {
            name: serde_json::json!([role.user_claim, admitted.user]).to_string(),
            role: name.to_owned(),
            admitted,
            params: role.token.clone(),
        })
    }
}

impl std::fmt::Debug for Attempt<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Attempt(..)")
    }
}
