//! The root tokens as the store had them last, so that no request waits for it.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::clock::Timestamp;
use crate::store::identity::CredentialHash;
use crate::store::{KeyStore, StoreError, StoredRootToken};

/// A root token as far as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootToken {
    /// Names the token without giving it away. Shared, because every request asks for it.
    pub accessor: Arc<str>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The root tokens.
#[derive(Debug)]
pub(crate) struct RootTokens {
    store: Arc<dyn KeyStore>,
    by_hash: ArcSwap<HashMap<[u8; 32], RootToken>>,
}

impl RootTokens {
    pub(crate) async fn read(store: Arc<dyn KeyStore>) -> Result<Self, StoreError> {
        let tokens = Self {
            store,
            by_hash: ArcSwap::default(),
        };
        tokens.refresh().await?;
        Ok(tokens)
    }

    pub(crate) async fn refresh(&self) -> Result<(), StoreError> {
        let tokens = self.store.root_tokens().await?.into_iter().map(by_hash);
        self.by_hash.store(Arc::new(tokens.collect()));
        Ok(())
    }

    /// Revokes the token with this accessor; whether there was one. Other nodes notice with their next poll.
    pub(crate) async fn revoke(&self, accessor: &str, at: Timestamp) -> Result<bool, StoreError> {
        let tokens = self.store.root_tokens().await?;
        let Some(token) = tokens.into_iter().find(|token| token.accessor == accessor) else {
            return Ok(false);
        };
        let revoked = self
            .store
            .revoke_root_token(CredentialHash(token.hash), at)
            .await?;
        self.by_hash.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.remove(&token.hash);
            known
        });
        Ok(revoked)
    }

    pub(crate) fn find(&self, hash: &[u8; 32]) -> Option<RootToken> {
        self.by_hash.load().get(hash).cloned()
    }
}

fn by_hash(token: StoredRootToken) -> ([u8; 32], RootToken) {
    let StoredRootToken {
        hash,
        accessor,
        created_at,
    } = token;
    let accessor = accessor.into();
    (
        hash,
        RootToken {
            accessor,
            created_at,
        },
    )
}
