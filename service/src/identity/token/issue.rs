//! Makes tokens, for logins and for other tokens.

use std::net::IpAddr;
use std::time::Duration;

use keyring::entropy::EntropyError;
use keyring::store::StoreError;
use keyring::store::identity::{CredentialHash, CredentialKind, Group, StoredCredential};

use super::body::TokenBody;
use super::grant::{AuthMountLimits, Issued, NewToken};
use super::registry::Refusal;
use super::text::{ChoiceFault, MAX_BATCH_LEN, TokenText, generate_accessor};
use crate::identity::Identity;
use crate::identity::cidr::Cidr;
use crate::identity::policy_set::PolicySet;
use crate::identity::token_params::{TokenKind, TokenParams};
use crate::identity::ttl::{self, Granted, PastMax, TtlTerms};

/// Why a token was not made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// Nobody counts the uses of batch tokens.
    #[error("batch tokens cannot have \"num_uses\" set")]
    BatchUses,
    /// A batch token cannot be revoked, so there is none that may do everything.
    #[error("batch tokens cannot be root tokens")]
    BatchRoot,
    /// The text that was chosen cannot be.
    #[error(transparent)]
    Choice(#[from] ChoiceFault),
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The token is to be bound to an address and comes from none.
    #[error("a token cannot be bound to an address that the request does not have")]
    NoAddress,
    /// The token it is made from has made as many as one may have.
    #[error("this token has made too many tokens that have not ended yet")]
    ParentFull,
    /// The token it is made from is gone.
    #[error("parent token lookup failed: no parent found")]
    ParentGone,
    /// It would have no time to live.
    #[error(transparent)]
    PastMax(#[from] PastMax),
    /// Nobody logs in to do everything.
    #[error("auth methods cannot create root tokens")]
    RootByLogin,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something it stands on does not pass its integrity check.
    #[error("a stored token failed its integrity check")]
    Tampered,
    /// The text that was chosen is taken.
    #[error("cannot create a token with a duplicate ID")]
    Taken,
    /// It would descend from too many tokens.
    #[error("a token can descend from at most 32 others")]
    TooDeep,
    /// What is said of it does not fit into a batch token.
    #[error("the token's policies and metadata are too long")]
    TooLong,
}

impl From<Refusal> for IssueError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied => Self::ParentGone,
            Refusal::Tampered => Self::Tampered,
            Refusal::Unavailable => Self::Store(StoreError::Unavailable(
                "a token could not be looked up".to_owned(),
            )),
        }
    }
}

impl Identity {
    /// Makes a token within what its mount allows.
    pub async fn issue(
        &self,
        new: NewToken,
        limits: &AuthMountLimits,
    ) -> Result<Issued, IssueError> {
        let depth = self.depth_below(new.parent).await?;
        let kind = limits.token_type.kind(new.params.token_type);
        self.check_siblings(new.parent, kind).await?;
        let (body, warnings) = self.body_of(&new, kind, depth, limits)?;
        let text = match kind {
            TokenKind::Batch => self.batch_text(&body)?,
            TokenKind::Service => self.add(&body, new.parent, new.chosen).await?,
        };
        Ok(Issued {
            text: Some(text),
            accessor: body.accessor,
            policies: body.policies,
            meta: body.meta,
            ttl: body.creation_ttl,
            renewable: body.renewable,
            kind,
            orphan: new.parent.is_none() && !body.root_child,
            num_uses: body.num_uses,
            warnings,
        })
    }

    /// Refuses one more child of a token that has too many. Batch tokens take no room.
    async fn check_siblings(
        &self,
        parent: Option<CredentialHash>,
        kind: TokenKind,
    ) -> Result<(), IssueError> {
        let Some(parent) = parent.filter(|_| kind == TokenKind::Service) else {
            return Ok(());
        };
        let children = Group::Children(parent);
        let children = self.credentials.group_use(children, self.clock.now());
        if children.await?.count < self.limits.child_tokens {
            Ok(())
        } else {
            Err(IssueError::ParentFull)
        }
    }

    async fn depth_below(&self, parent: Option<CredentialHash>) -> Result<u8, IssueError> {
        let Some(parent) = parent else {
            return Ok(0);
        };
        let known = self.registry.stored(parent).await?;
        let depth = known.ok_or(IssueError::ParentGone)?.depth;
        if depth >= TokenBody::MAX_DEPTH {
            return Err(IssueError::TooDeep);
        }
        Ok(depth + 1)
    }

    fn body_of(
        &self,
        new: &NewToken,
        kind: TokenKind,
        depth: u8,
        limits: &AuthMountLimits,
    ) -> Result<(TokenBody, Vec<String>), IssueError> {
        let params = &new.params;
        let policies = policies_of(params);
        check(new, kind, &policies)?;
        let now = self.clock.now();
        let granted = lifetime(params, &policies, limits, now)?;
        let ttl = granted.as_ref().map(|granted| granted.ttl);
        let service = kind == TokenKind::Service;
        let accessor = if service {
            generate_accessor(self.entropy.as_ref())?
        } else {
            String::new()
        };
        let body = TokenBody {
            accessor,
            // A token that never expires must not become useless by a change of addresses.
            bound_cidrs: match ttl {
                None => Vec::new(),
                Some(_) => bindings(params, new.remote)?,
            },
            creation_ttl: ttl.unwrap_or_default(),
            depth,
            display_name: new.display_name.clone(),
            entity_id: String::new(),
            expires_at: ttl.map(|ttl| now.plus(ttl).micros()),
            explicit_max_ttl: params.explicit_max_ttl,
            issued_at: now.micros(),
            kind,
            last_renewal: None,
            max_ttl: params.max_ttl,
            meta: new.meta.clone(),
            num_uses: params.num_uses,
            owner: new.owner.clone(),
            parent: (!service)
                .then_some(new.parent.map(|hash| hash.0))
                .flatten(),
            path: new.path.clone(),
            period: params.period,
            policies,
            renewable: service && ttl.is_some() && !new.not_renewable,
            role: new.role.clone(),
            root_child: new.root_child,
            scope: new.scope.clone(),
            ttl: params.ttl,
        };
        let warnings = granted.map(|granted| granted.warnings).unwrap_or_default();
        Ok((body, warnings))
    }

    fn batch_text(&self, body: &TokenBody) -> Result<TokenText, IssueError> {
        let text = TokenText::batch(&body.seal_batch(&self.keys)?);
        if text.as_secret().len() > MAX_BATCH_LEN {
            return Err(IssueError::TooLong);
        }
        Ok(text)
    }

    async fn add(
        &self,
        body: &TokenBody,
        parent: Option<CredentialHash>,
        chosen: Option<TokenText>,
    ) -> Result<TokenText, IssueError> {
        let is_chosen = chosen.is_some();
        let text = match chosen {
            Some(text) => match text.choice_fault() {
                Some(fault) => return Err(fault.into()),
                None => text,
            },
            None => TokenText::generate(&self.keys, self.entropy.as_ref())?,
        };
        let presented = text.as_secret().expose_secret();
        let hash = self.keys.hash(CredentialKind::Token, presented);
        let row = StoredCredential {
            kind: CredentialKind::Token,
            hash,
            accessor: body.accessor.clone(),
            scope: body.scope.clone(),
            parent,
            chosen: is_chosen,
            created_at: body.issued(),
            expires_at: body.expires(),
            uses_left: (body.num_uses > 0).then_some(body.num_uses),
            body: body.seal(&self.keys, &hash)?,
        };
        if is_chosen && self.engine.root_token(text.expose_secret()).is_some() {
            return Err(IssueError::Taken);
        }
        match self.credentials.add_credential(&row).await {
            Ok(()) => {}
            Err(StoreError::Exists) if is_chosen => return Err(IssueError::Taken),
            Err(StoreError::NotFound) => return Err(IssueError::ParentGone),
            Err(error) => return Err(error.into()),
        }
        self.registry.inner().note_issued(hash, is_chosen);
        Ok(text)
    }
}

fn policies_of(params: &TokenParams) -> PolicySet {
    if params.no_default_policy {
        params.policies.clone()
    } else {
        params.policies.with_default()
    }
}

fn check(new: &NewToken, kind: TokenKind, policies: &PolicySet) -> Result<(), IssueError> {
    if policies.is_root() && !new.scope.is_empty() {
        return Err(IssueError::RootByLogin);
    }
    if kind == TokenKind::Batch && policies.is_root() {
        return Err(IssueError::BatchRoot);
    }
    if kind == TokenKind::Batch && new.params.num_uses > 0 {
        return Err(IssueError::BatchUses);
    }
    Ok(())
}

/// How long it lives; none for a root token of which nothing else is said: it lives for ever.
fn lifetime(
    params: &TokenParams,
    policies: &PolicySet,
    limits: &AuthMountLimits,
    now: keyring::clock::Timestamp,
) -> Result<Option<Granted>, PastMax> {
    let terms = TtlTerms {
        increment: Duration::ZERO,
        ttl: params.ttl,
        period: params.period,
        max_ttl: params.max_ttl,
        explicit_max_ttl: params.explicit_max_ttl,
    };
    if !policies.is_root() || !params.ttl.is_zero() || !params.period.is_zero() {
        return ttl::grant(&terms, limits.ttl, now, now).map(Some);
    }
    if params.explicit_max_ttl.is_zero() {
        return Ok(None);
    }
    let whole = TtlTerms {
        ttl: params.explicit_max_ttl,
        ..terms
    };
    ttl::grant(&whole, limits.ttl, now, now).map(Some)
}

fn bindings(params: &TokenParams, remote: Option<IpAddr>) -> Result<Vec<Cidr>, IssueError> {
    if params.strictly_bind_ip {
        let remote = remote.ok_or(IssueError::NoAddress)?;
        return Ok(vec![Cidr::of(remote)]);
    }
    Ok(params.bound_cidrs.clone())
}

#[cfg(test)]
mod tests;
