//! Keeps the newest head of this node's chain in the store, where its disk is not.

use std::sync::Arc;
use std::time::Duration;

use keyring::store::audit::{AuditHead, AuditHeadStore};
use tokio::sync::watch;

/// Stores every head that is newer when the one before is stored, until the log is gone; then the last one.
pub async fn keep(mut heads: watch::Receiver<Option<AuditHead>>, store: Arc<dyn AuditHeadStore>) {
    let mut told = false;
    let mut open = true;
    while open {
        open = heads.changed().await.is_ok();
        let Some(head) = heads.borrow_and_update().clone() else {
            continue;
        };
        while let Err(error) = store.put_audit_head(&head).await {
            if !told {
                tracing::warn!(%error, "the head of the audit cannot be stored; it is tried again");
            }
            told = true;
            if !open || heads.has_changed().is_err() {
                return;
            }
            tokio::time::sleep(AGAIN).await;
            if heads.has_changed().unwrap_or(false) {
                break;
            }
        }
    }
}

const AGAIN: Duration = Duration::from_secs(1);
