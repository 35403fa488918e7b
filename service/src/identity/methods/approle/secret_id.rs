//! What is known of a secret id besides its hash, and what may be asked of a new one.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::role::Role;
use crate::identity::cidr::{self, Cidr};
use crate::identity::ttl::seconds;

/// What is asked of a new secret id; what is absent is as the role says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretIdTerms {
    /// Where logins with it may come from; empty for anywhere the role allows.
    pub cidrs: Vec<Cidr>,
    /// Where tokens of such logins may be used from; empty for anywhere the role allows.
    pub token_bound_cidrs: Vec<Cidr>,
    /// Put into the metadata of the tokens.
    pub metadata: BTreeMap<String, String>,
    /// How many logins it is good for; zero for any number.
    pub num_uses: Option<u32>,
    /// How long it is good for; zero for ever.
    pub ttl: Option<Duration>,
}

/// What is stored of a secret id, sealed.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct SecretIdBody {
    /// Where logins with it may come from; empty for anywhere the role allows.
    pub cidrs: Vec<Cidr>,
    /// Where tokens of such logins may be used from; empty for where the role says.
    pub token_bound_cidrs: Vec<Cidr>,
    /// Put into the metadata of the tokens.
    pub metadata: BTreeMap<String, String>,
    /// How long it is good for from its creation on; zero for ever.
    #[serde(with = "seconds")]
    pub ttl: Duration,
}

/// Why a secret id is not made as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermsFault {
    /// Addresses beyond those of the role.
    #[error(
        "failed to verify subset relationship between CIDR blocks on the role and CIDR blocks on the secret ID"
    )]
    CidrsBeyondRole,
    /// Too much metadata.
    #[error("metadata is too long")]
    Metadata,
    /// The role does without secret ids.
    #[error("bind_secret_id is not set on the role")]
    NotBound,
    /// A longer life than the role's.
    #[error("ttl cannot be longer than the role's secret_id_ttl")]
    Ttl,
    /// More uses than the role's.
    #[error("num_uses cannot be higher than the role's secret_id_num_uses")]
    Uses,
}

impl SecretIdBody {
    /// How many bytes the keys and values of the metadata may have in all.
    pub const MAX_METADATA_LEN: usize = 16 << 10;

    /// What such a secret id is for this role, on a mount whose tokens live at most `max_ttl`, and how many uses it has.
    pub fn granted(
        terms: SecretIdTerms,
        role: &Role,
        max_ttl: Duration,
    ) -> Result<(Self, u32), TermsFault> {
        if !role.bind_secret_id {
            return Err(TermsFault::NotBound);
        }
        let within =
            |own: &[Cidr], of_role: &[Cidr]| of_role.is_empty() || cidr::covers(of_role, own);
        if !within(&terms.cidrs, &role.secret_id_bound_cidrs)
            || !within(&terms.token_bound_cidrs, &role.token.bound_cidrs)
        {
            return Err(TermsFault::CidrsBeyondRole);
        }
        let uses = terms.num_uses.unwrap_or(role.secret_id_num_uses);
        if role.secret_id_num_uses > 0 && !(1..=role.secret_id_num_uses).contains(&uses) {
            return Err(TermsFault::Uses);
        }
        let ttl = terms.ttl.unwrap_or(role.secret_id_ttl);
        if !role.secret_id_ttl.is_zero() && (ttl.is_zero() || ttl > role.secret_id_ttl) {
            return Err(TermsFault::Ttl);
        }
        let metadata_len: usize = terms.metadata.iter().map(|(k, v)| k.len() + v.len()).sum();
        if metadata_len > Self::MAX_METADATA_LEN {
            return Err(TermsFault::Metadata);
        }
        let body = Self {
            cidrs: terms.cidrs,
            token_bound_cidrs: terms.token_bound_cidrs,
            metadata: terms.metadata,
            ttl: ttl.min(max_ttl),
        };
        Ok((body, uses))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_hours(768);

    fn role() -> Role {
        let mut role = Role::new("id".to_owned(), "scope".to_owned());
        role.secret_id_num_uses = 5;
        role.secret_id_ttl = Duration::from_mins(10);
        role
    }

    fn cidrs(texts: &[&str]) -> Vec<Cidr> {
        texts.iter().filter_map(|text| Cidr::parse(text)).collect()
    }

    #[test]
    fn what_is_not_asked_is_as_the_role_says() {
        let (body, uses) = SecretIdBody::granted(SecretIdTerms::default(), &role(), MAX).unwrap();
        assert_eq!((body.ttl, uses), (Duration::from_mins(10), 5));
        let free = Role::new("id".to_owned(), "scope".to_owned());
        let (body, uses) = SecretIdBody::granted(SecretIdTerms::default(), &free, MAX).unwrap();
        assert_eq!((body.ttl, uses), (Duration::ZERO, 0));
        let long = SecretIdTerms {
            ttl: Some(MAX * 2),
            ..SecretIdTerms::default()
        };
        let (body, _) = SecretIdBody::granted(long, &free, MAX).unwrap();
        assert_eq!(body.ttl, MAX);
    }

    #[test]
    fn nothing_goes_beyond_the_role() {
        for (num_uses, ttl, fault) in [
            (Some(6), None, TermsFault::Uses),
            (Some(0), None, TermsFault::Uses),
            (None, Some(601), TermsFault::Ttl),
            (None, Some(0), TermsFault::Ttl),
        ] {
            let terms = SecretIdTerms {
                num_uses,
                ttl: ttl.map(Duration::from_secs),
                ..SecretIdTerms::default()
            };
            assert_eq!(SecretIdBody::granted(terms, &role(), MAX), Err(fault));
        }
        let mut bound = role();
        bound.secret_id_bound_cidrs = cidrs(&["10.0.0.0/8", "192.0.2.1"]);
        bound.token.bound_cidrs = cidrs(&["10.0.0.0/8"]);
        let cases: [(&[&str], &[&str], bool); 5] = [
            (&["10.1.0.0/16", "192.0.2.1"], &[], true),
            (&["10.0.0.0/8"], &["10.0.0.1"], true),
            (&["10.0.0.0/7"], &[], false),
            (&["192.0.2.0/24"], &[], false),
            (&[], &["11.0.0.1"], false),
        ];
        for (own, of_tokens, fine) in cases {
            let terms = SecretIdTerms {
                cidrs: cidrs(own),
                token_bound_cidrs: cidrs(of_tokens),
                ..SecretIdTerms::default()
            };
            let granted = SecretIdBody::granted(terms, &bound, MAX);
            assert_eq!(granted.is_ok(), fine, "{own:?} {of_tokens:?}");
        }
    }

    #[test]
    fn a_role_without_secret_ids_gets_none() {
        let mut role = role();
        role.bind_secret_id = false;
        let refused = SecretIdBody::granted(SecretIdTerms::default(), &role, MAX);
        assert_eq!(refused, Err(TermsFault::NotBound));
    }
}
