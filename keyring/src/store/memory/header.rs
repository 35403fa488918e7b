//! The store's own header, secrets and root tokens, in memory.

use async_trait::async_trait;

use super::MemoryStore;
use crate::mount::Mount;
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

    async fn add_secret(&self, secret: &StoredSecret) -> Result<(), StoreError> {
        let secrets = &mut self.state().secrets;
        if secrets.iter().any(|there| there.purpose == secret.purpose) {
            return Err(StoreError::Exists);
        }
        secrets.push(secret.clone());
        secrets.sort_by_key(|secret| secret.purpose);
        Ok(())
    }

    async fn root_tokens(&self) -> Result<Vec<StoredRootToken>, StoreError> {
        Ok(self.state().root_tokens.clone())
    }

    async fn replace_root_tokens(&self, token: &StoredRootToken) -> Result<(), StoreError> {
        self.state().root_tokens = vec![token.clone()];
        Ok(())
    }
}
