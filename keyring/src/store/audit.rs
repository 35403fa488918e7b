//! The contract for the heads of audit chains: what a log must at least contain, kept where its writer's disk is not.

use std::fmt;

use async_trait::async_trait;

use super::StoreError;
use crate::clock::Timestamp;

/// The last signed checkpoint of one node's chain since one start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditHead {
    /// The chain: one for each start of a node.
    pub chain: [u8; 16],
    /// What the node is called.
    pub node: String,
    /// When the chain began.
    pub started_at: Timestamp,
    /// How many records the chain had at the checkpoint.
    pub records: u64,
    /// The chain's hash at the checkpoint.
    pub hash: [u8; 32],
    /// When the checkpoint was made.
    pub at: Timestamp,
    /// The signature over the checkpoint.
    pub signature: Vec<u8>,
}

/// The heads of all chains.
#[async_trait]
pub trait AuditHeadStore: Send + Sync + fmt::Debug {
    /// Replaces a chain's head by one with as many records or more; one with fewer changes nothing.
    async fn put_audit_head(&self, head: &AuditHead) -> Result<(), StoreError>;

    /// The heads of all chains, by start.
    async fn audit_heads(&self) -> Result<Vec<AuditHead>, StoreError>;
}
