//! A fresh store of each kind.

use std::sync::Arc;

use keyring::store::KeyStore;
use keyring::store::memory::MemoryStore;
use keyring::store::postgres::{PostgresOptions, PostgresStore};
use keyring::store::sqlite::SqliteStore;
use keyring::test_support::postgres::PostgresServer;
use tempfile::TempDir;

pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn KeyStore>,
    _folder: Option<TempDir>,
}

pub(crate) async fn memory() -> Option<Fixture> {
    Some(Fixture {
        store: Arc::new(MemoryStore::new()),
        _folder: None,
    })
}

pub(crate) async fn sqlite() -> Option<Fixture> {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("keys.db"))
        .await
        .unwrap();
    Some(Fixture {
        store: Arc::new(store),
        _folder: Some(folder),
    })
}

pub(crate) async fn postgres() -> Option<Fixture> {
    let url = PostgresServer::shared()?.new_database();
    Some(Fixture {
        store: Arc::new(connect(&url).await),
        _folder: None,
    })
}

pub(crate) async fn connect(url: &str) -> PostgresStore {
    PostgresStore::connect(&PostgresOptions::new(url.to_owned()))
        .await
        .unwrap()
}
