//! What only the PostgreSQL store promises of credentials: nothing is missed by who comes in between.

use std::time::Duration;

use keyring::store::identity::{CredentialKind, CredentialStore, Reach};
use keyring::store::{ChangeFeed, StoreError};
use keyring::test_support::postgres::PostgresServer;
use sqlx::{Connection, Executor, PgConnection};

use crate::fixtures::connect;
use crate::samples::{added, child, found, time, token};

const PATIENCE: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_revocation_that_commits_after_a_poll_is_still_told() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let url = server.new_database();
    let store = connect(&url).await;
    let (late, early) = (added(&store, token()).await, added(&store, token()).await);
    let start = store.end().await.unwrap();

    let mut other = PgConnection::connect(&url).await.unwrap();
    let mut revoking = other.begin().await.unwrap();
    let (sequence,): (i64,) =
        sqlx::query_as("INSERT INTO revocations (at) VALUES (200) RETURNING sequence")
            .fetch_one(&mut *revoking)
            .await
            .unwrap();
    sqlx::query("UPDATE credentials SET ended_by = $1 WHERE hash = $2")
        .bind(sequence)
        .bind(late.hash.0.as_slice())
        .execute(&mut *revoking)
        .await
        .unwrap();
    let revoked = store.revoke_credential(early.kind, early.hash, Reach::Alone, time(200));
    assert!(revoked.await.unwrap());
    let poll = store.changes_since(start).await.unwrap();
    assert_eq!(poll.revoked, [early.hash]);

    revoking.commit().await.unwrap();
    let poll = store.changes_since(poll.next).await.unwrap();
    assert!(poll.revoked.contains(&late.hash), "{poll:?}");
}

#[tokio::test]
async fn a_child_waits_for_the_revocation_of_its_parent_and_is_not_born() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let url = server.new_database();
    let store = connect(&url).await;
    let parent = added(&store, token()).await;
    let mut other = PgConnection::connect(&url).await.unwrap();
    let mut revoking = other.begin().await.unwrap();
    revoking
        .execute("UPDATE credentials SET ended_by = 1")
        .await
        .unwrap();

    let late = child(&parent);
    let birth = store.add_credential(&late);
    tokio::pin!(birth);
    let waits = tokio::time::timeout(PATIENCE, &mut birth).await;
    assert!(waits.is_err(), "{waits:?}");
    revoking.commit().await.unwrap();
    let outcome = birth.await;
    assert!(matches!(outcome, Err(StoreError::NotFound)), "{outcome:?}");
    assert_eq!(found(&store, &late).await, None);
}

#[tokio::test]
async fn a_revocation_waits_for_a_child_being_born_and_ends_it() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let url = server.new_database();
    let store = connect(&url).await;
    let root = added(&store, token()).await;
    // Deep in the tree, where the revocation comes last.
    let parent = added(&store, child(&root)).await;
    let late = child(&parent);
    let mut other = PgConnection::connect(&url).await.unwrap();
    let mut bearing = other.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM credentials WHERE hash = $1 FOR SHARE")
        .bind(parent.hash.0.as_slice())
        .execute(&mut *bearing)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO credentials (kind, hash, accessor, scope, parent, chosen, created_at, body)
         VALUES (1, $1, 'late', '', $2, FALSE, 0, '')",
    )
    .bind(late.hash.0.as_slice())
    .bind(parent.hash.0.as_slice())
    .execute(&mut *bearing)
    .await
    .unwrap();

    let revocation = store.revoke_credential(root.kind, root.hash, Reach::Tree, time(200));
    tokio::pin!(revocation);
    let waits = tokio::time::timeout(PATIENCE, &mut revocation).await;
    assert!(waits.is_err(), "{waits:?}");
    bearing.commit().await.unwrap();
    assert!(revocation.await.unwrap());
    for ended in [&root, &parent, &late] {
        assert_eq!(found(&store, ended).await, None);
    }
    let token = CredentialKind::Token;
    assert!(
        store
            .credential_by_accessor(token, "late")
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_revocation_gives_a_hint() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let url = server.new_database();
    let (here, there) = (connect(&url).await, connect(&url).await);
    let token = added(&there, token()).await;
    let long = Duration::from_secs(10);
    // The first hint says that it listens now.
    tokio::time::timeout(long, here.hint()).await.unwrap();
    let revoked = there.revoke_credential(token.kind, token.hash, Reach::Alone, time(1));
    assert!(revoked.await.unwrap());
    tokio::time::timeout(long, here.hint()).await.unwrap();
}
