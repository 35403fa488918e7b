//! Values to store. Stores do not look into them, so any bytes will do.

use std::sync::atomic::{AtomicU64, Ordering};

use keyring::algorithm::CipherType;
use keyring::binding::Origin;
use keyring::clock::Timestamp;
use keyring::history::{Action, Cause, HistoryEvent, Provenance};
use keyring::ids::{KekId, MountId, RingId, StoreId};
use keyring::kek::WrappedDek;
use keyring::mount::{Mount, MountSettings};
use keyring::name::{KeyName, MountPath};
use keyring::policy::RingPolicy;
use keyring::ring::{Journey, Kdf, StoredRing, StoredVersion};
use keyring::store::identity::{
    CredentialHash, CredentialKind, EntryPlace, StoredCredential, StoredEntry,
};
use keyring::store::{
    KeyStore, RingChange, RingCreation, StoreHeader, StoredRootToken, StoredSecret,
};
use keyring::version::{Generation, Version};

pub(crate) fn id() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [0xA5; 16];
    bytes[8..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    bytes
}

pub(crate) fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub(crate) fn name(text: &str) -> KeyName {
    KeyName::parse(text).unwrap()
}

pub(crate) fn path(text: &str) -> MountPath {
    MountPath::parse(text).unwrap()
}

pub(crate) fn version(number: u32) -> Version {
    Version::new(number).unwrap()
}

pub(crate) fn kek() -> KekId {
    KekId::parse("software:00ff").unwrap()
}

pub(crate) fn wrapped(byte: u8) -> WrappedDek {
    WrappedDek::from_bytes(vec![byte; WrappedDek::LEN]).unwrap()
}

pub(crate) fn mount(at: &str) -> Mount {
    Mount {
        id: MountId::from_bytes(id()),
        path: path(at),
        created_at: time(1_700_000_000_000_001),
        settings: MountSettings::default(),
    }
}

/// A mount that is enabled in the store.
pub(crate) async fn enabled(store: &dyn KeyStore, at: &str) -> Mount {
    let mount = mount(at);
    store.enable_mount(&mount).await.unwrap();
    mount
}

/// A ring with every optional field absent.
pub(crate) fn ring(mount: &Mount, called: &str) -> StoredRing {
    StoredRing {
        id: RingId::from_bytes(id()),
        mount: mount.id,
        name: name(called),
        key_type: CipherType::Aes256Gcm96.into(),
        derived: false,
        convergent: false,
        kdf: Kdf::Hkdf,
        key_size: None,
        created_at: time(1_700_000_000_000_002),
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
        mac: [1; 32],
    }
}

pub(crate) fn version_of(ring: &StoredRing, number: u32) -> StoredVersion {
    StoredVersion {
        ring: ring.id,
        version: version(number),
        origin: Origin::Generated,
        kek: kek(),
        wrapped: wrapped(2),
        material: vec![3; 77],
        created_at: time(1_700_000_000_000_000 + i64::from(number)),
        public_key: None,
        certificate_chain: None,
        mac: [4; 32],
    }
}

pub(crate) fn event(ring: &StoredRing, action: Action) -> HistoryEvent {
    HistoryEvent {
        at: time(1_700_000_000_000_003),
        mount: ring.mount,
        name: ring.name.clone(),
        ring: ring.id,
        generation: ring.generation,
        action,
        from_version: None,
        to_version: Some(ring.latest),
        settings: "[]".to_owned(),
        by: Provenance::service(Cause::Manual),
    }
}

/// A ring that is in the store.
pub(crate) async fn created(store: &dyn KeyStore, mount: &Mount, called: &str) -> StoredRing {
    let ring = ring(mount, called);
    put(store, &ring).await;
    ring
}

pub(crate) async fn put(store: &dyn KeyStore, ring: &StoredRing) {
    store.create_ring(&creation(ring)).await.unwrap();
}

/// The ring with its first version.
pub(crate) fn creation(ring: &StoredRing) -> RingCreation {
    RingCreation {
        ring: ring.clone(),
        versions: vec![version_of(ring, 1)],
        event: event(ring, Action::Create),
        replaces: None,
    }
}

/// The rotation that follows the ring as it is given.
pub(crate) fn rotation(ring: &StoredRing) -> RingChange {
    let latest = ring.latest.next().unwrap();
    let after = StoredRing {
        generation: ring.generation.next(),
        latest,
        mac: [9; 32],
        ..ring.clone()
    };
    RingChange {
        read_at: ring.generation,
        added: Some(version_of(ring, latest.number())),
        replaced: None,
        trimmed_below: None,
        event: event(&after, Action::Rotate),
        ring: after,
    }
}

/// Rotates the ring in the store; the ring after it.
pub(crate) async fn rotated(store: &dyn KeyStore, ring: &StoredRing) -> StoredRing {
    let change = rotation(ring);
    store.change_ring(&change).await.unwrap();
    change.ring
}

pub(crate) fn header() -> StoreHeader {
    StoreHeader {
        store: StoreId::from_bytes(id()),
        kek: kek(),
        live_secret: Some(wrapped(5)),
        unlock_copy: vec![6; 60],
        shares: 5,
        threshold: 3,
        created_at: time(1_700_000_000_000_004),
    }
}

pub(crate) fn secret(purpose: u32) -> StoredSecret {
    StoredSecret {
        purpose,
        kek: kek(),
        wrapped: wrapped(7),
        material: vec![8; 60],
    }
}

pub(crate) fn root_token(byte: u8) -> StoredRootToken {
    StoredRootToken {
        hash: [byte; 32],
        accessor: format!("accessor-{byte}"),
        created_at: time(i64::from(byte)),
    }
}

pub(crate) fn place(kind: &str, scope: &str, called: &str) -> EntryPlace {
    EntryPlace {
        kind: kind.to_owned(),
        scope: scope.to_owned(),
        name: called.to_owned(),
    }
}

/// An entry as it is first written.
pub(crate) fn entry(at: &EntryPlace) -> StoredEntry {
    StoredEntry {
        place: at.clone(),
        generation: Generation::FIRST,
        body: b"sealed".to_vec(),
    }
}

/// An entry that is in the store.
pub(crate) async fn written(store: &dyn KeyStore, at: &EntryPlace) -> StoredEntry {
    let entry = entry(at);
    store.put_entry(&entry, None).await.unwrap();
    entry
}

/// An orphaned token without an expiry, whose hash and accessor nobody else has.
pub(crate) fn token() -> StoredCredential {
    credential(CredentialKind::Token)
}

pub(crate) fn credential(kind: CredentialKind) -> StoredCredential {
    let mut hash = [0x5A; 32];
    hash[..16].copy_from_slice(&id());
    StoredCredential {
        kind,
        hash: CredentialHash(hash),
        accessor: hash.map(|byte| format!("{byte:02x}")).concat(),
        scope: "auth_token".to_owned(),
        parent: None,
        chosen: false,
        created_at: time(100),
        expires_at: None,
        uses_left: None,
        body: b"sealed".to_vec(),
    }
}

/// A child of a token.
pub(crate) fn child(of: &StoredCredential) -> StoredCredential {
    StoredCredential {
        parent: Some(of.hash),
        ..token()
    }
}

/// A credential that is in the store.
pub(crate) async fn added(store: &dyn KeyStore, credential: StoredCredential) -> StoredCredential {
    store.add_credential(&credential).await.unwrap();
    credential
}

/// The credential as the store has it.
pub(crate) async fn found(
    store: &dyn KeyStore,
    credential: &StoredCredential,
) -> Option<StoredCredential> {
    let StoredCredential { kind, hash, .. } = credential;
    store.credential(*kind, *hash).await.unwrap()
}
