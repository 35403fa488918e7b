//! Finds tokens in the store, by text or by accessor: what is read here is what the store says now.

use keyring::store::StoreError;
use keyring::store::identity::{AccessorPage, CredentialHash, CredentialKind, StoredCredential};
use keyring::transit::RootToken;

use super::body::TokenBody;
use super::registry::Refusal;
use super::text::{Shape, sealed_body};
use crate::identity::Identity;
use crate::identity::ttl;

/// A token as the store has it.
#[derive(Debug)]
pub enum Found {
    /// All that is known of it is in its text.
    Batch(Box<TokenBody>),
    /// `init` made it.
    Initial(RootToken),
    /// It is in this row.
    Service(Box<Stored>),
}

/// A service token with its row.
#[derive(Debug)]
pub struct Stored {
    /// What is known of it.
    pub body: TokenBody,
    /// Its row.
    pub row: StoredCredential,
}

/// Why a token was not looked up.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It does not pass its integrity check.
    #[error("a stored token failed its integrity check")]
    Tampered,
}

impl Stored {
    /// Whether it has no parent.
    pub fn is_orphan(&self) -> bool {
        self.row.parent.is_none() && !self.body.root_child
    }
}

impl Identity {
    /// The token this text is. A text that is garbage costs no query.
    pub async fn find(&self, text: &str) -> Result<Option<Found>, LookupError> {
        let hash = self.keys.hash(CredentialKind::Token, text.as_bytes());
        let shape = Shape::of(&self.keys, text);
        if shape == Shape::Batch {
            return self.find_batch(text).await;
        }
        if let Some(root) = self.engine.root_token(text) {
            return Ok(Some(Found::Initial(root)));
        }
        if !self.registry.inner().may_be_stored(shape, &hash) {
            return Ok(None);
        }
        let row = self.credentials.credential(CredentialKind::Token, hash);
        self.opened(row.await?).await
    }

    /// The service token with this accessor.
    pub async fn find_by_accessor(&self, accessor: &str) -> Result<Option<Found>, LookupError> {
        let row = self
            .credentials
            .credential_by_accessor(CredentialKind::Token, accessor);
        self.opened(row.await?).await
    }

    /// Accessors of service tokens that have not expired, in byte order.
    pub async fn accessors(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, LookupError> {
        let page = AccessorPage {
            scope: None,
            now: self.clock.now(),
            after,
            limit,
        };
        let accessors = self.credentials.accessors(CredentialKind::Token, &page);
        Ok(accessors.await?)
    }

    async fn find_batch(&self, text: &str) -> Result<Option<Found>, LookupError> {
        let sealed = sealed_body(text);
        let body = sealed.and_then(|sealed| TokenBody::open_batch(&self.keys, &sealed));
        let Some(body) = body.filter(|body| self.is_live(body)) else {
            return Ok(None);
        };
        let alive = self.is_alive(body.parent.map(CredentialHash)).await?;
        Ok(alive.then(|| Found::Batch(Box::new(body))))
    }

    async fn opened(&self, row: Option<StoredCredential>) -> Result<Option<Found>, LookupError> {
        let Some(row) = row else {
            return Ok(None);
        };
        let body = TokenBody::open(&self.keys, &row).map_err(|_| LookupError::Tampered)?;
        if !self.is_live(&body) || !self.is_alive(row.parent).await? {
            return Ok(None);
        }
        Ok(Some(Found::Service(Box::new(Stored { body, row }))))
    }

    fn is_live(&self, body: &TokenBody) -> bool {
        let now = self.clock.now();
        body.expires().is_none_or(|at| ttl::left(at, now).is_some())
    }

    /// Whether a token's parent, and all its, are alive.
    async fn is_alive(&self, parent: Option<CredentialHash>) -> Result<bool, LookupError> {
        match self.registry.lineage_is_alive(parent).await {
            Ok(alive) => Ok(alive),
            Err(Refusal::Denied) => Ok(false),
            Err(Refusal::Tampered) => Err(LookupError::Tampered),
            Err(Refusal::Unavailable) => Err(unreachable_store()),
        }
    }
}

fn unreachable_store() -> LookupError {
    LookupError::Store(StoreError::Unavailable(
        "a token could not be looked up".to_owned(),
    ))
}
