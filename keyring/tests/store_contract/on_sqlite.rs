//! What only the SQLite store promises.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use keyring::store::sqlite::SqliteStore;
use keyring::store::{ChangeFeed, HeaderStore, RingStore, StoreError, UsageStore, With};
use keyring::version::Version;
use sqlx::{Connection, Executor, SqliteConnection};

use crate::samples::{created, enabled, header, mount, rotated, secret, version, version_of};

#[tokio::test]
async fn what_was_acknowledged_survives_a_reopen() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.db");
    let store = SqliteStore::open(&file).await.unwrap();
    let transit = mount("transit");
    let header = header();
    store
        .initialise(&header, &[secret(1)], &transit)
        .await
        .unwrap();
    let ring = rotated(&store, &created(&store, &transit, "orders").await).await;
    store.lease_usage(ring.id, version(2), 5).await.unwrap();
    let end = store.end().await.unwrap();
    store.close().await;
    assert!(matches!(
        store.header().await,
        Err(StoreError::Unavailable(_))
    ));
    drop(store);

    let store = SqliteStore::open(&file).await.unwrap();
    assert_eq!(store.header().await.unwrap(), Some(header));
    let loaded = store
        .load_ring(transit.id, &ring.name, With::Latest)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (loaded.version, loaded.ring),
        (Some(version_of(&ring, 2)), ring.clone())
    );
    assert_eq!(
        store.usage(ring.id, Version::FIRST).await.unwrap(),
        [(version(2), 5)]
    );
    assert_eq!(
        store
            .history(transit.id, &ring.name, 0, 10)
            .await
            .unwrap()
            .len(),
        2
    );
    assert_eq!(store.end().await.unwrap(), end);
}

#[tokio::test]
async fn a_file_is_open_only_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.db");
    let store = SqliteStore::open(&file).await.unwrap();
    let refused = SqliteStore::open(&file).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .ends_with("keys.db: another process has it open"),
        "{refused}"
    );
    drop(store);
    SqliteStore::open(&file).await.unwrap();
}

#[tokio::test]
async fn its_files_are_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("keys.db"))
        .await
        .unwrap();
    enabled(&store, "transit").await;
    let files: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(files.len() >= 3, "the database, its log and its lock");
    for file in files {
        assert_eq!(
            file.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{}",
            file.path().display()
        );
    }
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let refused = SqliteStore::open(&folder.path().join("missing/keys.db"))
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("No such file or directory"),
        "{refused}"
    );
    assert!(!folder.path().join("missing").exists());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.db");
    std::fs::write(
        &file,
        "not a database, but somebody's only copy of something".repeat(20),
    )
    .unwrap();
    let before = std::fs::read(&file).unwrap();
    SqliteStore::open(&file).await.unwrap_err();
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn a_row_that_cannot_be_true_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.db");
    let store = SqliteStore::open(&file).await.unwrap();
    let transit = enabled(&store, "transit").await;
    for (called, damage, column) in [
        (
            "a",
            "UPDATE rings SET key_type = 9999 WHERE name = 'a'",
            "rings.key_type",
        ),
        (
            "b",
            "UPDATE rings SET latest = 0 WHERE name = 'b'",
            "rings.latest",
        ),
        (
            "c",
            "UPDATE rings SET mac = x'00' WHERE name = 'c'",
            "rings.mac",
        ),
        (
            "d",
            "UPDATE rings SET generation = -1 WHERE name = 'd'",
            "rings.generation",
        ),
        (
            "e",
            "UPDATE ring_versions SET wrapped = x'00'",
            "ring_versions.wrapped",
        ),
        (
            "f",
            "UPDATE ring_versions SET kek = ''",
            "ring_versions.kek",
        ),
        (
            "g",
            "UPDATE ring_versions SET origin = 77",
            "ring_versions.origin",
        ),
    ] {
        let ring = created(&store, &transit, called).await;
        tamper(&file, damage).await;
        let outcome = store.load_ring(transit.id, &ring.name, With::Latest).await;
        assert!(
            matches!(outcome, Err(StoreError::Corrupt(named)) if named == column),
            "{outcome:?}"
        );
        tamper(&file, "DELETE FROM rings").await;
    }
}

#[tokio::test]
async fn it_never_hints() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("keys.db"))
        .await
        .unwrap();
    let (hint, ()) = tokio::join!(
        tokio::time::timeout(Duration::from_millis(50), store.hint()),
        async {
            enabled(&store, "transit").await;
        }
    );
    assert!(hint.is_err());
}

async fn tamper(file: &Path, statement: &'static str) {
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", file.display()))
        .await
        .unwrap();
    connection.execute(statement).await.unwrap();
    connection.close().await.unwrap();
}
