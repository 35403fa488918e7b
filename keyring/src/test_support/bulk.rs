//! Fills a store with many rings at once, for measurements that no one ring shows.

use crate::algorithm::CipherType;
use crate::error::Error;
use crate::history::{Action, HistoryEvent};
use crate::ids::{MountId, RingId, SealId};
use crate::name::KeyName;
use crate::policy::RingPolicy;
use crate::ring::{Journey, Kdf, StoredRing};
use crate::store::RingCreation;
use crate::store::sqlite::SqliteStore;
use crate::test_support::engine::by_hand;
use crate::transit::Transit;
use crate::version::{Generation, Version};

/// Creates a ring for each of the names, all in one transaction. The engine must be open on this store; its
/// cache is left as it was.
pub async fn fill(
    transit: &Transit,
    store: &SqliteStore,
    mount: MountId,
    names: impl IntoIterator<Item = KeyName>,
) -> Result<(), Error> {
    let keys = &transit.lifecycle.keys;
    let mut rings = Vec::new();
    for name in names {
        let now = keys.clock.now();
        let ring = keys.store.rows.signed_ring(StoredRing {
            id: RingId::generate(keys.entropy.as_ref())?,
            mount,
            name,
            key_type: CipherType::Aes256GcmSiv.into(),
            derived: false,
            convergent: false,
            kdf: Kdf::Hkdf,
            key_size: None,
            created_at: now,
            generation: Generation::FIRST,
            latest: Version::FIRST,
            min_available: None,
            policy: RingPolicy {
                min_decryption: Version::FIRST,
                min_encryption: None,
                deletion_allowed: false,
                exportable: false,
                allow_plaintext_backup: false,
                auto_rotate_period: None,
            },
            soft_deleted: false,
            journey: Journey::default(),
            due_at: None,
            mac: [0; 32],
        });
        let seal_id = SealId::generate(keys.entropy.as_ref())?;
        let (version, _) = keys
            .make_version(&ring, (Version::FIRST, None), seal_id, now)
            .await?;
        let event = created(&ring);
        rings.push(RingCreation {
            ring,
            versions: vec![version],
            event,
            replaces: None,
        });
    }
    Ok(store.create_rings(rings).await?)
}

fn created(ring: &StoredRing) -> HistoryEvent {
    HistoryEvent {
        at: ring.created_at,
        mount: ring.mount,
        name: ring.name.clone(),
        ring: ring.id,
        generation: ring.generation,
        action: Action::Create,
        from_version: None,
        to_version: Some(ring.latest),
        settings: "{}".to_owned(),
        by: by_hand(),
    }
}
