//! What every role and user of every auth method says about the tokens it gives.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cidr::Cidr;
use super::policy_set::PolicySet;
use super::ttl::seconds;

/// The role fields common to all auth methods; zero durations and counts mean that nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenParams {
    /// `token_bound_cidrs`: where the tokens may be used from; empty for anywhere.
    pub bound_cidrs: Vec<Cidr>,
    /// `token_explicit_max_ttl`: the age no token can be renewed past, periodic or not.
    #[serde(with = "seconds")]
    pub explicit_max_ttl: Duration,
    /// `token_max_ttl`: the age tokens can be renewed to.
    #[serde(with = "seconds")]
    pub max_ttl: Duration,
    /// `token_no_default_policy`: whether the policy `default` is not added.
    pub no_default_policy: bool,
    /// `token_num_uses`: how many requests a token is good for.
    pub num_uses: u32,
    /// `token_period`: makes periodic tokens.
    #[serde(with = "seconds")]
    pub period: Duration,
    /// `token_policies`.
    pub policies: PolicySet,
    /// `token_strictly_bind_ip`: whether tokens are bound to the address of the login.
    pub strictly_bind_ip: bool,
    /// `token_ttl`: the lifetime, at the login and at each renewal.
    #[serde(with = "seconds")]
    pub ttl: Duration,
    /// `token_type`.
    pub token_type: TokenType,
}

/// What kind of tokens to give, as far as the role or the mount has an opinion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenType {
    /// Batch tokens.
    Batch,
    /// What the mount says.
    #[default]
    Default,
    /// Batch tokens, unless the caller or the role says otherwise.
    DefaultBatch,
    /// Service tokens, unless the caller or the role says otherwise.
    DefaultService,
    /// Service tokens.
    Service,
}

/// What a token is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenKind {
    /// All of it is in its text; nothing is stored, so it can be neither renewed nor revoked.
    Batch,
    /// It is stored.
    #[default]
    Service,
}

impl TokenKind {
    /// The protocol's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Service => "service",
        }
    }
}

impl TokenType {
    /// The type with this name; the empty one means nothing is said.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "" | "default" => Self::Default,
            "batch" => Self::Batch,
            "default-batch" => Self::DefaultBatch,
            "default-service" => Self::DefaultService,
            "service" => Self::Service,
            _ => return None,
        })
    }

    /// The protocol's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Default => "default",
            Self::DefaultBatch => "default-batch",
            Self::DefaultService => "default-service",
            Self::Service => "service",
        }
    }

    /// What a mount of this type gives where the role, or the caller, says `wish`.
    pub const fn kind(self, wish: Self) -> TokenKind {
        match (self, wish) {
            (Self::Batch, _)
            | (
                Self::Default | Self::DefaultBatch | Self::DefaultService,
                Self::Batch | Self::DefaultBatch,
            )
            | (Self::DefaultBatch, Self::Default) => TokenKind::Batch,
            (Self::Service, _)
            | (
                Self::Default | Self::DefaultBatch | Self::DefaultService,
                Self::DefaultService | Self::Service,
            )
            | (Self::Default | Self::DefaultService, Self::Default) => TokenKind::Service,
        }
    }
}

/// Why parameters contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamsFault {
    /// Batch tokens cannot be renewed.
    #[error(
        "'token_type' cannot be 'batch' or 'default_batch' when set to generate periodic tokens"
    )]
    BatchPeriod,
    /// Nobody counts the uses of batch tokens.
    #[error(
        "'token_type' cannot be 'batch' or 'default_batch' when set to generate tokens with limited use count"
    )]
    BatchUses,
    /// Two bindings at once.
    #[error("'token_strictly_bind_ip' conflicts with 'token_bound_cidrs'; set only one")]
    TwoBindings,
    /// The lifetime is beyond the maximum.
    #[error("'token_ttl' cannot be greater than 'token_max_ttl'")]
    TtlAboveMax,
}

impl TokenParams {
    /// Whether the parameters go together.
    pub fn check(&self) -> Result<(), ParamsFault> {
        let batch = matches!(self.token_type, TokenType::Batch | TokenType::DefaultBatch);
        if batch && !self.period.is_zero() {
            return Err(ParamsFault::BatchPeriod);
        }
        if batch && self.num_uses > 0 {
            return Err(ParamsFault::BatchUses);
        }
        if !self.max_ttl.is_zero() && self.ttl > self.max_ttl {
            return Err(ParamsFault::TtlAboveMax);
        }
        if self.strictly_bind_ip && !self.bound_cidrs.is_empty() {
            return Err(ParamsFault::TwoBindings);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_decides_unless_it_only_has_a_default() {
        use TokenType::{Batch, Default, DefaultBatch, DefaultService, Service};
        for (mount, wish, expected) in [
            (Default, Default, TokenKind::Service),
            (DefaultService, Batch, TokenKind::Batch),
            (DefaultService, DefaultBatch, TokenKind::Batch),
            (DefaultBatch, Default, TokenKind::Batch),
            (DefaultBatch, Service, TokenKind::Service),
            (Batch, Service, TokenKind::Batch),
            (Service, Batch, TokenKind::Service),
        ] {
            assert_eq!(mount.kind(wish), expected, "{mount:?} {wish:?}");
        }
    }

    #[test]
    fn types_read_back_from_their_words() {
        use TokenType::{Batch, Default, DefaultBatch, DefaultService, Service};
        for kind in [Batch, Default, DefaultBatch, DefaultService, Service] {
            assert_eq!(TokenType::parse(kind.word()), Some(kind));
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json, format!("\"{}\"", kind.word()));
        }
        assert_eq!(TokenType::parse("Service"), None);
    }

    #[test]
    fn contradictions_are_refused() {
        let fine = TokenParams::default();
        assert_eq!(fine.check(), Ok(()));
        let batch = TokenParams {
            token_type: TokenType::Batch,
            ..TokenParams::default()
        };
        let period = TokenParams {
            period: Duration::from_secs(1),
            ..batch.clone()
        };
        assert_eq!(period.check(), Err(ParamsFault::BatchPeriod));
        let uses = TokenParams {
            num_uses: 1,
            ..batch
        };
        assert_eq!(uses.check(), Err(ParamsFault::BatchUses));
        let long = TokenParams {
            ttl: Duration::from_secs(2),
            max_ttl: Duration::from_secs(1),
            ..TokenParams::default()
        };
        assert_eq!(long.check(), Err(ParamsFault::TtlAboveMax));
        let bound = TokenParams {
            strictly_bind_ip: true,
            bound_cidrs: vec![Cidr::parse("::1").unwrap()],
            ..TokenParams::default()
        };
        assert_eq!(bound.check(), Err(ParamsFault::TwoBindings));
    }

    #[test]
    fn what_is_not_stored_is_not_said() {
        let read: TokenParams = serde_json::from_str("{\"ttl\":60}").unwrap();
        assert_eq!(read.ttl, Duration::from_mins(1));
        assert_eq!(read.token_type, TokenType::Default);
        let again = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<TokenParams>(&again).unwrap(), read);
    }
}
