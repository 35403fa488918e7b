//! Heads of audit chains as rows.

use sqlx::FromRow;

use super::{known, unsigned};
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::audit::AuditHead;

#[derive(FromRow)]
pub(in crate::store) struct AuditHeadRow {
    chain: Vec<u8>,
    node: String,
    started_at: i64,
    records: i64,
    hash: Vec<u8>,
    at: i64,
    signature: Vec<u8>,
}

impl TryFrom<AuditHeadRow> for AuditHead {
    type Error = StoreError;

    fn try_from(row: AuditHeadRow) -> Result<Self, StoreError> {
        Ok(Self {
            chain: known(row.chain.try_into().ok(), "audit_heads.chain")?,
            node: row.node,
            started_at: Timestamp::from_micros(row.started_at),
            records: unsigned(row.records, "audit_heads.records")?,
            hash: known(row.hash.try_into().ok(), "audit_heads.hash")?,
            at: Timestamp::from_micros(row.at),
            signature: row.signature,
        })
    }
}
