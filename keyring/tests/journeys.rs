//! Whole ways of keys through the engine: by backup into another ring, and wrapped for a mount's wrapping key.

use keyring::algorithm::{CipherType, KeyType, PairType};
use keyring::test_support::engine::{TestEngine, by_hand};
use keyring::transfer::byok::ImportHash;
use keyring::transfer::export::{ExportFormat, ExportKind, public_key_text};
use keyring::transit::{Address, KeySource, NewImport, NewRing, VersionChoice};

const TYPES: [KeyType; 3] = [
    KeyType::Cipher(CipherType::Aes256Gcm96),
    KeyType::Pair(PairType::EcdsaP256),
    KeyType::Pair(PairType::Rsa2048),
];

async fn open_ring(engine: &TestEngine, key_type: KeyType) -> Address {
    let new = NewRing {
        key_type: Some(key_type),
        exportable: true,
        allow_plaintext_backup: true,
        ..NewRing::default()
    };
    engine.create(key_type.name(), &new).await
}

/// The latest key of a ring as it is exported.
async fn key(engine: &TestEngine, at: &Address, key_type: KeyType) -> Vec<u8> {
    let kind = if key_type.signs() {
        ExportKind::SigningKey
    } else {
        ExportKind::EncryptionKey
    };
    let what = (kind, ExportFormat::from_name("").expect("the usual one"));
    let exported = engine.transit.export(at, what, VersionChoice::Latest).await;
    let (_, key) = exported.expect("it is exported").keys.remove(0);
    key.expose_secret().to_vec()
}

#[tokio::test]
async fn a_backup_brings_the_same_keys_into_another_ring() {
    let engine = TestEngine::in_memory().await;
    for key_type in TYPES {
        let from = open_ring(&engine, key_type).await;
        let backup = engine.transit.back_up(&from, &by_hand()).await;
        let backup = backup.expect("it is backed up");
        let to = engine.at(&format!("{key_type}-restored"));
        let (place, by) = ((to.mount, Some(to.name.clone())), by_hand());
        let restored = engine.transit.restore(place, backup, false, &by);
        restored.await.expect("it is restored");
        let keys = (key(&engine, &from, key_type), key(&engine, &to, key_type));
        assert_eq!(keys.0.await, keys.1.await, "{key_type}");
    }
}

#[tokio::test]
async fn a_key_wrapped_for_a_mount_comes_in_as_the_same_key() {
    let engine = TestEngine::in_memory().await;
    let there = engine.at("there");
    let spki = engine.transit.wrapping_key(there.mount).await;
    let pem = public_key_text(PairType::Rsa4096, &spki.expect("it is made"));
    let wrapping = NewImport {
        key_type: PairType::Rsa4096.into(),
        source: KeySource::Public(pem.expect("it is a key")),
        ..NewImport::default()
    };
    let imported = engine.transit.import(&there, wrapping, &by_hand()).await;
    imported.expect("a public key is imported");
    for key_type in TYPES {
        let from = open_ring(&engine, key_type).await;
        let hash = ImportHash::Sha256;
        let choice = VersionChoice::Latest;
        let wrapped = engine.transit.byok_export(&from, &there, choice, hash);
        let (_, blob) = wrapped.await.expect("it is wrapped").keys.remove(0);
        let ciphertext = String::from_utf8(blob.expose_secret().to_vec()).expect("base64");
        let to = engine.at(&format!("{key_type}-imported"));
        let import = NewImport {
            key_type,
            source: KeySource::Private { ciphertext, hash },
            new: NewRing {
                exportable: true,
                ..NewRing::default()
            },
            ..NewImport::default()
        };
        let imported = engine.transit.import(&to, import, &by_hand()).await;
        imported.expect("it is imported");
        let keys = (key(&engine, &from, key_type), key(&engine, &to, key_type));
        assert_eq!(keys.0.await, keys.1.await, "{key_type}");
    }
}
