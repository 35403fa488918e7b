//! The faulty store's entries, credentials and audit heads: away when the store is, else honest.

use async_trait::async_trait;

use super::FaultyStore;
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::audit::{AuditHead, AuditHeadStore};
use crate::store::identity::{
    AccessorPage, CredentialHash, CredentialKind, CredentialStore, EntryPlace, EntryStore, Group,
    GroupUse, Reach, Renewal, StoredCredential, StoredEntry,
};
use crate::version::Generation;

#[async_trait]
impl EntryStore for FaultyStore {
    async fn entry(&self, place: &EntryPlace) -> Result<Option<StoredEntry>, StoreError> {
        self.check()?;
        self.inner.entry(place).await
    }

    async fn entries(
        &self,
        kind: &str,
        scope: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        self.check()?;
        self.inner.entries(kind, scope, after, limit).await
    }

    async fn put_entry(
        &self,
        entry: &StoredEntry,
        read_at: Option<Generation>,
    ) -> Result<(), StoreError> {
        self.check()?;
        self.inner.put_entry(entry, read_at).await
    }

    async fn delete_entry(&self, place: &EntryPlace) -> Result<bool, StoreError> {
        self.check()?;
        self.inner.delete_entry(place).await
    }

    async fn retire_scope(&self, scope: &str, at: Timestamp) -> Result<(), StoreError> {
        self.check()?;
        self.inner.retire_scope(scope, at).await
    }
}

#[async_trait]
impl CredentialStore for FaultyStore {
    async fn add_credential(&self, credential: &StoredCredential) -> Result<(), StoreError> {
        self.check()?;
        self.inner.add_credential(credential).await
    }

    async fn credential(
        &self,
        kind: CredentialKind,
        hash: CredentialHash,
    ) -> Result<Option<StoredCredential>, StoreError> {
        self.check()?;
        self.inner.credential(kind, hash).await
    }

    async fn credential_by_accessor(
        &self,
        kind: CredentialKind,
        accessor: &str,
    ) -> Result<Option<StoredCredential>, StoreError> {
        self.check()?;
        self.inner.credential_by_accessor(kind, accessor).await
    }

    async fn accessors(
        &self,
        kind: CredentialKind,
        page: &AccessorPage<'_>,
    ) -> Result<Vec<String>, StoreError> {
        self.check()?;
        self.inner.accessors(kind, page).await
    }

    async fn chosen_credentials(
        &self,
        kind: CredentialKind,
    ) -> Result<Vec<CredentialHash>, StoreError> {
        self.check()?;
        self.inner.chosen_credentials(kind).await
    }

    async fn group_use(&self, group: Group<'_>, now: Timestamp) -> Result<GroupUse, StoreError> {
        self.check()?;
        self.inner.group_use(group, now).await
    }

    async fn renew_credential(
        &self,
        kind: CredentialKind,
        hash: CredentialHash,
        renewal: &Renewal,
    ) -> Result<(), StoreError> {
        self.check()?;
        self.inner.renew_credential(kind, hash, renewal).await
    }

    async fn use_credential(
        &self,
        kind: CredentialKind,
        hash: CredentialHash,
        now: Timestamp,
    ) -> Result<Option<u32>, StoreError> {
        self.check()?;
        self.inner.use_credential(kind, hash, now).await
    }

    async fn take_credential(
        &self,
        kind: CredentialKind,
        hash: CredentialHash,
        now: Timestamp,
    ) -> Result<Option<StoredCredential>, StoreError> {
        self.check()?;
        self.inner.take_credential(kind, hash, now).await
    }

    async fn revoke_credential(
        &self,
        kind: CredentialKind,
        hash: CredentialHash,
        reach: Reach,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.check()?;
        self.inner.revoke_credential(kind, hash, reach, at).await
    }

    async fn expire_families(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.check()?;
        self.inner.expire_families(now).await
    }

    async fn purge_credentials(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.check()?;
        self.inner.purge_credentials(before).await
    }
}

#[async_trait]
impl AuditHeadStore for FaultyStore {
    async fn put_audit_head(&self, head: &AuditHead) -> Result<(), StoreError> {
        self.check()?;
        self.inner.put_audit_head(head).await
    }

    async fn audit_heads(&self) -> Result<Vec<AuditHead>, StoreError> {
        self.check()?;
        self.inner.audit_heads().await
    }
}
