//! What the store keeps for auditors: the heads of all chains, and the key that signs them.

use std::sync::Arc;

use keyring::observer::Unobserved;
use keyring::setup;
use keyring::store::audit::AuditHead;

use crate::backends::{self, Absent, Store};
use crate::config::Config;
use crate::failure::Failure;

/// The heads. Needs the store only.
pub(super) fn heads(config: Config) -> Result<Vec<AuditHead>, Failure> {
    backends::runtime()?.block_on(async {
        let store = Store::open(config.store).await?;
        let heads = store.audit_heads().audit_heads().await;
        store.close().await;
        Ok(heads?)
    })
}

/// The public key. Needs the key-encryption key too, and a store that is not sealed.
pub(super) fn public_key(config: Config) -> Result<[u8; 32], Failure> {
    let settings = config.engine_settings();
    backends::runtime()?.block_on(async {
        let store = Store::open(config.store).await?;
        let observer = Arc::new(Unobserved);
        let parts = backends::parts(&store, config.kek, Absent::Refuse, observer).await?;
        let transit = setup::open(parts, settings).await?;
        let key = transit.audit_keys().public_key();
        transit.shutdown().await;
        store.close().await;
        Ok(key)
    })
}
