//! Somebody edits the database behind the service's back, and the service notices.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, SqliteConnection};

use crate::set_up::{Home, Store, refused};

/// Runs a statement on the database of a server that is stopped; how many rows it touched.
pub(crate) fn edit(home: &Home, statement: &str) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(edited(&home.path().join("sealring.db"), statement))
}

async fn edited(database: &Path, statement: &str) -> u64 {
    let options = SqliteConnectOptions::new().filename(database);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let done = connection.execute(AssertSqlSafe(statement)).await.unwrap();
    connection.close().await.unwrap();
    done.rows_affected()
}

#[test]
fn a_start_without_one_of_the_stores_secrets_is_refused_by_its_name_and_makes_no_new_one() {
    for (purpose, name) in [
        (30_001, "key of the row MACs"),
        (30_002, "token pepper"),
        (30_003, "identity key"),
        (30_004, "audit signing key"),
        (30_005, "audit correlation key"),
    ] {
        let home = Home::new();
        let config = home.config(&Store::Sqlite, "");
        config.init();
        let gone = format!("DELETE FROM store_secrets WHERE purpose = {purpose}");
        assert_eq!(edit(&home, &gone), 1);
        for _ in 0..2 {
            let (status, sentence) = refused(&mut config.command(&["server"]));
            assert_eq!(status, 78, "{sentence}");
            assert!(sentence.contains(name), "{sentence}");
        }
    }
}
