//! The store's own header, secrets and root tokens, in memory.

use async_trait::async_trait;

use super::MemoryStore;
use super::credentials::Revocation;
use crate::clock::Timestamp;
use crate::kek::WrappedDek;
use crate::mount::Mount;
use crate::store::identity::CredentialHash;
use crate::store::{HeaderStore, StoreError, StoreHeader, StoredRootToken, StoredSecret};

#[async_trait]
impl HeaderStore for MemoryStore {
    async fn header(&self) -> Result<Option<StoreHeader>, StoreError> {
        Ok(self.state().header.clone())
    }

    async fn initialise(
        &self,
        header: &StoreHeader,
        secrets: &[StoredSecret],
        mount: &Mount,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.header.is_some() {
            return Err(StoreError::Exists);
        }
        state.add_mount(mount)?;
        state.header = Some(header.clone());
        state.secrets = secrets.to_vec();
        state.secrets.sort_by_key(|secret| secret.purpose);
        Ok(())
    }

    async fn secrets(&self) -> Result<Vec<StoredSecret>, StoreError> {
        Ok(self.state().secrets.clone())
    }

    async fn root_tokens(&self) -> Result<Vec<StoredRootToken>, StoreError> {
        Ok(self.state().root_tokens.clone())
    }

    async fn replace_root_tokens(&self, token: &StoredRootToken) -> Result<(), StoreError> {
        let state = &mut *self.state();
        let replaced = std::mem::replace(&mut state.root_tokens, vec![token.clone()]);
        let hashes = replaced.iter().map(|replaced| replaced.hash);
        let others = hashes.filter(|hash| *hash != token.hash);
        let tokens = others.map(CredentialHash).collect();
        state.identity.revocations.push(Revocation { tokens });
        state.identity.epoch += 1;
        Ok(())
    }

    async fn revoke_root_token(
        &self,
        hash: CredentialHash,
        _at: Timestamp,
    ) -> Result<bool, StoreError> {
        let state = &mut *self.state();
        let before = state.root_tokens.len();
        state.root_tokens.retain(|token| token.hash != hash.0);
        let is_found = state.root_tokens.len() < before;
        let tokens = is_found.then_some(hash).into_iter().collect();
        state.identity.revocations.push(Revocation { tokens });
        state.identity.epoch += 1;
        Ok(is_found)
    }

    async fn seal(&self) -> Result<(), StoreError> {
        let state = &mut *self.state();
        let header = state.header.as_mut().ok_or(StoreError::NotFound)?;
        header.live_secret = None;
        state.identity.epoch += 1;
        Ok(())
    }

    async fn unseal(&self, live: &WrappedDek) -> Result<(), StoreError> {
        let state = &mut *self.state();
        let header = state.header.as_mut().ok_or(StoreError::NotFound)?;
        header.live_secret.get_or_insert_with(|| live.clone());
        state.identity.epoch += 1;
        Ok(())
    }
}
