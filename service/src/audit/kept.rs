//! What the store keeps for auditors: the heads of all chains, and the key that signs them.

use std::sync::Arc;

use keyring::observer::Unobserved;
use keyring::setup;
use keyring::store::audit::AuditHead;

use super::encode::hex;
use super::given;
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

/// The heads, each of which the key must have signed.
pub(super) fn signed_heads(config: Config, key: &[u8; 32]) -> Result<Vec<AuditHead>, Failure> {
    checked(heads(config)?, key)
}

fn checked(heads: Vec<AuditHead>, key: &[u8; 32]) -> Result<Vec<AuditHead>, Failure> {
    match heads.iter().find(|head| !given::is_signed_by(head, key)) {
        None => Ok(heads),
        Some(head) => Err(Failure::Data(format!(
            "the key has not signed the head that the store keeps of chain {}",
            hex(&head.chain)
        ))),
    }
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

#[cfg(test)]
mod tests {
    use keyring::clock::Timestamp;

    use super::*;

    #[test]
    fn a_head_that_the_key_has_not_signed_is_refused() {
        let head = AuditHead {
            chain: [1; 16],
            node: "node-1".to_owned(),
            started_at: Timestamp::from_micros(5),
            records: 7,
            hash: [2; 32],
            at: Timestamp::from_micros(9),
            signature: vec![3; 64],
        };
        let Err(Failure::Data(text)) = checked(vec![head], &[4; 32]) else {
            panic!("it was taken");
        };
        assert!(text.contains("0101"), "{text}");
    }
}
