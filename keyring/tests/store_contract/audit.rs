//! Heads of audit chains.

use std::sync::Arc;

use keyring::store::KeyStore;
use keyring::store::audit::AuditHead;

use crate::samples::{id, time};

fn head(started_at: i64, records: u64) -> AuditHead {
    AuditHead {
        chain: id(),
        node: "knoten-ä".to_owned(),
        started_at: time(started_at),
        records,
        hash: [7; 32],
        at: time(started_at + 5),
        signature: vec![9; 64],
    }
}

pub(crate) async fn heads_are_kept_by_start(store: Arc<dyn KeyStore>) {
    assert_eq!(store.audit_heads().await.unwrap(), []);
    let (late, early, same) = (head(20, 0), head(10, 1 << 40), head(20, 3));
    for head in [&late, &early, &same] {
        store.put_audit_head(head).await.unwrap();
    }
    assert_eq!(store.audit_heads().await.unwrap(), [early, late, same]);
}

pub(crate) async fn a_head_never_goes_back(store: Arc<dyn KeyStore>) {
    let first = head(10, 100);
    store.put_audit_head(&first).await.unwrap();
    let with = |records, byte| AuditHead {
        records,
        hash: [byte; 32],
        at: time(50),
        signature: vec![byte; 64],
        ..first.clone()
    };
    store.put_audit_head(&with(99, 1)).await.unwrap();
    assert_eq!(
        store.audit_heads().await.unwrap(),
        std::slice::from_ref(&first)
    );
    for next in [with(100, 2), with(101, 3), with(1 << 40, 4)] {
        store.put_audit_head(&next).await.unwrap();
        assert_eq!(store.audit_heads().await.unwrap(), [next]);
    }
}
