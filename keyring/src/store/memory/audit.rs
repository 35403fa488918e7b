//! Heads of audit chains in memory.

use async_trait::async_trait;

use super::MemoryStore;
use crate::store::StoreError;
use crate::store::audit::{AuditHead, AuditHeadStore};

#[async_trait]
impl AuditHeadStore for MemoryStore {
    async fn put_audit_head(&self, head: &AuditHead) -> Result<(), StoreError> {
        let heads = &mut self.state().audit_heads;
        match heads.iter_mut().find(|there| there.chain == head.chain) {
            None => heads.push(head.clone()),
            Some(there) if there.records <= head.records => *there = head.clone(),
            Some(_) => {}
        }
        heads.sort_by_key(|head| (head.started_at, head.chain));
        Ok(())
    }

    async fn audit_heads(&self) -> Result<Vec<AuditHead>, StoreError> {
        Ok(self.state().audit_heads.clone())
    }
}
