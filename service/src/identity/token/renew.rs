//! Prolongs tokens, within what their role and mount allow now.

use std::time::Duration;

use keyring::entropy::EntropyError;
use keyring::store::StoreError;
use keyring::store::identity::{CredentialKind, Renewal};

use super::body::TokenBody;
use super::grant::Issued;
use super::lookup::{Found, Stored};
use crate::identity::Identity;
use crate::identity::token_params::{TokenKind, TokenParams};
use crate::identity::ttl::{self, Granted, PastMax, TtlLimits, TtlTerms};

/// Why a token was not renewed.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// Batch tokens cannot be.
    #[error("batch tokens cannot be renewed")]
    Batch,
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// It is gone.
    #[error("token not found")]
    NotFound,
    /// It was made not to be, or never expires.
    #[error("lease is not renewable")]
    NotRenewable,
    /// It has reached the greatest age it may.
    #[error(transparent)]
    PastMax(#[from] PastMax),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a renewal goes by.
#[derive(Clone, Debug, Default)]
pub struct RenewalTerms {
    /// The lifetime that is asked for; zero for what the role or the mount say.
    pub increment: Duration,
    /// What the role or user the token came from says now; absent if it came from none.
    pub params: Option<TokenParams>,
    /// What the mount allows now.
    pub limits: TtlLimits,
}

impl Identity {
    /// Renews a token. The answer has no text.
    pub async fn renew(&self, found: Found, terms: &RenewalTerms) -> Result<Issued, RenewError> {
        let mut stored = match found {
            Found::Batch(_) => return Err(RenewError::Batch),
            Found::Initial(_) => return Err(RenewError::NotRenewable),
            Found::Service(stored) => *stored,
        };
        let mut tries = TRIES;
        loop {
            match self.renew_once(&stored, terms).await {
                Err(RenewError::Store(StoreError::Conflict)) if tries > 0 => {}
                Err(RenewError::Store(StoreError::NotFound)) => return Err(RenewError::NotFound),
                renewed => return renewed,
            }
            tries -= 1;
            // Somebody else was faster; what counts is what the token is now.
            let row = self
                .credentials
                .credential(CredentialKind::Token, stored.row.hash);
            let row = row.await?.ok_or(RenewError::NotFound)?;
            let body = TokenBody::open(&self.keys, &row).map_err(|_| RenewError::NotFound)?;
            stored = Stored { body, row };
        }
    }

    async fn renew_once(
        &self,
        stored: &Stored,
        terms: &RenewalTerms,
    ) -> Result<Issued, RenewError> {
        let Stored { body, row } = stored;
        let now = self.clock.now();
        let expiry = body.expires().ok_or(RenewError::NotRenewable)?;
        if ttl::left(expiry, now).is_none() {
            return Err(RenewError::NotFound);
        }
        if !body.renewable {
            return Err(RenewError::NotRenewable);
        }
        let asked = ttl_terms(body, terms);
        let Granted { ttl, warnings } = ttl::grant(&asked, terms.limits, body.issued(), now)?;
        let renewed = TokenBody {
            expires_at: Some(now.plus(ttl).micros()),
            last_renewal: Some(now.micros()),
            ..body.clone()
        };
        let renewal = Renewal {
            read_expiry: row.expires_at,
            expires_at: renewed.expires(),
            body: renewed.seal(&self.keys, &row.hash)?,
        };
        let kind = CredentialKind::Token;
        self.credentials
            .renew_credential(kind, row.hash, &renewal)
            .await?;
        self.registry.inner().forget(&row.hash);
        Ok(Issued {
            text: None,
            accessor: renewed.accessor,
            policies: renewed.policies,
            meta: renewed.meta,
            ttl,
            renewable: true,
            kind: TokenKind::Service,
            orphan: stored.is_orphan(),
            num_uses: row.uses_left.unwrap_or_default(),
            warnings,
        })
    }
}

/// What role and token say, the lesser of both where each has a bound.
fn ttl_terms(body: &TokenBody, terms: &RenewalTerms) -> TtlTerms {
    let role = terms.params.as_ref();
    let lesser = |of_token: Duration, of_role: Option<Duration>| {
        let said = [Some(of_token), of_role];
        let said = said.into_iter().flatten().filter(|span| !span.is_zero());
        said.min().unwrap_or_default()
    };
    TtlTerms {
        increment: terms.increment,
        ttl: match role {
            Some(login) if body.role.is_none() => login.ttl,
            Some(_) | None => body.granted(),
        },
        period: lesser(body.period, role.map(|role| role.period)),
        max_ttl: role.map_or(body.max_ttl, |role| role.max_ttl),
        explicit_max_ttl: lesser(
            body.explicit_max_ttl,
            role.map(|role| role.explicit_max_ttl),
        ),
    }
}

/// How often somebody else may be faster.
const TRIES: u32 = 8;
