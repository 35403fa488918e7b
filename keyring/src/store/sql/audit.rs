//! Heads of audit chains in SQL.

use async_trait::async_trait;

use super::statements::{Statements, params};
use super::{SqlStore, query, transaction};
use crate::store::StoreError;
use crate::store::audit::{AuditHead, AuditHeadStore};
use crate::store::rows::{AuditHeadRow, values};

#[async_trait]
impl<S: SqlStore> AuditHeadStore for S {
    async fn put_audit_head(&self, head: &AuditHead) -> Result<(), StoreError> {
        transaction(self, head.clone(), |db, head| {
            Box::pin(async move {
                let params = params![
                    &head.chain,
                    &head.node,
                    head.started_at,
                    head.records,
                    &head.hash,
                    head.at,
                    &head.signature,
                ];
                db.change(PUT_HEAD, params).await?;
                Ok(())
            })
        })
        .await
    }

    async fn audit_heads(&self) -> Result<Vec<AuditHead>, StoreError> {
        values(query::<_, AuditHeadRow>(self, HEADS, &[]).await?)
    }
}

const PUT_HEAD: &str = "
    INSERT INTO audit_heads (chain, node, started_at, records, hash, at, signature)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (chain) DO UPDATE SET
        node = excluded.node, started_at = excluded.started_at, records = excluded.records,
        hash = excluded.hash, at = excluded.at, signature = excluded.signature
    WHERE audit_heads.records <= excluded.records";

const HEADS: &str = "
    SELECT chain, node, started_at, records, hash, at, signature
    FROM audit_heads ORDER BY started_at, chain";
