//! What only the PostgreSQL store promises.

use std::time::{Duration, Instant};

use keyring::store::postgres::{PostgresOptions, PostgresStore};
use keyring::store::sql::StoreSetupError;
use keyring::store::{ChangeFeed, MountStore, RingStore, StoreError, With};
use keyring::test_support::postgres::PostgresServer;
use sqlx::{Connection, Executor, PgConnection};

use crate::fixtures::connect;
use crate::samples::{created, creation, enabled, ring, rotated, rotation, version_of};

async fn raw(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

#[tokio::test]
async fn a_transaction_that_commits_after_a_poll_is_still_seen() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let url = server.new_database();
    let store = connect(&url).await;
    let transit = enabled(&store, "transit").await;
    let ring = created(&store, &transit, "late").await;
    let start = store
        .changes_since(store.end().await.unwrap())
        .await
        .unwrap()
        .next;

    let mut other = raw(&url).await;
    let mut late = other.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO ring_history (at, mount_id, name, ring_id, generation, action, settings, actor, cause)
         VALUES (0, $1, 'late', $2, 77, 'rotate', '[]', 'test', 'manual')",
    )
    .bind(transit.id.as_bytes().as_slice())
    .bind(ring.id.as_bytes().as_slice())
    .execute(&mut *late)
    .await
    .unwrap();
    created(&store, &transit, "early").await;
    let poll = store.changes_since(start).await.unwrap();
    assert!(
        poll.rings
            .iter()
            .any(|changed| changed.name.as_str() == "early")
    );
    assert!(!poll.rings.iter().any(|changed| changed.generation.0 == 77));
    let (late_id,): (i64,) = sqlx::query_as("SELECT pg_current_xact_id()::text::bigint")
        .fetch_one(&mut *late)
        .await
        .unwrap();
    assert!(store.end().await.unwrap().rings <= u64::try_from(late_id).unwrap());

    late.commit().await.unwrap();
    let poll = store.changes_since(poll.next).await.unwrap();
    assert!(
        poll.rings.iter().any(|changed| changed.generation.0 == 77),
        "{poll:?}"
    );
}

#[tokio::test]
async fn a_transaction_in_another_database_repeats_changes_and_hides_none() {
    // Transaction ids belong to the whole server, so this needs one without other tests.
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let store = connect(&server.new_database()).await;
    let transit = enabled(&store, "transit").await;
    let mut stranger = raw(&server.new_database()).await;
    let mut open = stranger.begin().await.unwrap();
    open.execute("SELECT pg_current_xact_id()").await.unwrap();

    let start = store.end().await.unwrap();
    created(&store, &transit, "orders").await;
    let held = store.changes_since(start).await.unwrap();
    assert_eq!((held.next, held.rings.len()), (start, 1));
    assert_eq!(
        store.changes_since(held.next).await.unwrap().rings,
        held.rings
    );

    open.rollback().await.unwrap();
    let released = store.changes_since(held.next).await.unwrap();
    assert!(start.is_behind(released.next));
    assert_eq!(store.changes_since(released.next).await.unwrap().rings, []);
}

#[tokio::test]
async fn a_ring_is_not_created_on_a_mount_that_is_being_disabled() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let url = server.new_database();
    let store = connect(&url).await;
    let transit = enabled(&store, "transit").await;
    let mut other = raw(&url).await;
    let mut disabling = other.begin().await.unwrap();
    disabling
        .execute("UPDATE mounts SET disabled_at = 1")
        .await
        .unwrap();

    let ring = ring(&transit, "orders");
    let new = creation(&ring);
    let creation = store.create_ring(&new);
    tokio::pin!(creation);
    let waits = tokio::time::timeout(Duration::from_millis(200), &mut creation).await;
    assert!(waits.is_err(), "{waits:?}");
    disabling.commit().await.unwrap();
    let outcome = creation.await;
    assert!(matches!(outcome, Err(StoreError::NotFound)), "{outcome:?}");
}

#[tokio::test]
async fn a_change_of_another_process_gives_a_hint() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let url = server.new_database();
    let (here, there) = (connect(&url).await, connect(&url).await);
    // The first hint says that it listens now.
    tokio::time::timeout(Duration::from_secs(10), here.hint())
        .await
        .unwrap();
    let quiet = tokio::time::timeout(Duration::from_millis(100), here.hint()).await;
    assert!(quiet.is_err());

    let transit = enabled(&there, "transit").await;
    tokio::time::timeout(Duration::from_secs(10), here.hint())
        .await
        .unwrap();
    created(&there, &transit, "orders").await;
    tokio::time::timeout(Duration::from_secs(10), here.hint())
        .await
        .unwrap();
}

#[tokio::test]
async fn an_outage_is_reported_and_survived() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let url = server.new_database();
    let store = connect(&url).await;
    let transit = enabled(&store, "transit").await;
    let ring = created(&store, &transit, "orders").await;
    tokio::time::timeout(Duration::from_secs(10), store.hint())
        .await
        .unwrap();

    server.stop();
    let begun = Instant::now();
    let outcome = store.load_ring(transit.id, &ring.name, With::Latest).await;
    assert!(
        matches!(outcome, Err(StoreError::Unavailable(_))),
        "{outcome:?}"
    );
    let outcome = store.change_ring(&rotation(&ring)).await;
    assert!(
        matches!(outcome, Err(StoreError::Unavailable(_))),
        "{outcome:?}"
    );
    assert!(begun.elapsed() < Duration::from_secs(8));
    let refused = PostgresStore::connect(&PostgresOptions::new(url))
        .await
        .unwrap_err();
    assert!(
        matches!(refused, StoreSetupError::Unreachable(_)),
        "{refused}"
    );
    // Hints stop, and do not come for nothing over and over.
    let hints = async {
        loop {
            store.hint().await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(1_500), hints).await;

    server.restart();
    let ring = rotated(&store, &ring).await;
    let loaded = store
        .load_ring(transit.id, &ring.name, With::Latest)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (loaded.version, loaded.ring),
        (Some(version_of(&ring, 2)), ring)
    );
    tokio::time::timeout(Duration::from_secs(10), store.hint())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_connection_lost_while_committing_leaves_the_outcome_open() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let url = server.new_database();
    let store = connect(&url).await;
    let transit = enabled(&store, "transit").await;
    let ring = created(&store, &transit, "orders").await;
    at_commit(&url, "PERFORM pg_terminate_backend(pg_backend_pid());").await;

    let outcome = store.change_ring(&rotation(&ring)).await;
    assert!(
        matches!(outcome, Err(StoreError::OutcomeUnknown)),
        "{outcome:?}"
    );
    assert_eq!(store.mounts().await.unwrap(), [transit]);
}

#[tokio::test]
async fn a_transaction_given_up_for_another_is_made_again() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let url = server.new_database();
    let store = connect(&url).await;
    let transit = enabled(&store, "transit").await;
    let ring = created(&store, &transit, "orders").await;
    // Counting is not undone by a rollback, so only the first two commits fail.
    raw(&url)
        .await
        .execute("CREATE SEQUENCE commits")
        .await
        .unwrap();
    let body =
        "IF nextval('commits') <= 2 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF;";
    at_commit(&url, body).await;

    let ring = rotated(&store, &ring).await;
    let loaded = store
        .load_ring(transit.id, &ring.name, With::Latest)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(loaded.ring, ring);
    assert_eq!(
        store
            .history(transit.id, &ring.name, 0, 10)
            .await
            .unwrap()
            .len(),
        2
    );
}

/// Runs this when a transaction that wrote history commits.
async fn at_commit(url: &str, body: &str) {
    let statements = format!(
        "CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body} RETURN NULL; END$$;
         CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON ring_history
         DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit()"
    );
    raw(url)
        .await
        .execute(sqlx::AssertSqlSafe(statements))
        .await
        .unwrap();
}

#[tokio::test]
async fn abandoned_callers_leave_no_transaction_open() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let url = server.new_database();
    let store = connect(&url).await;
    let transit = enabled(&store, "transit").await;
    for round in 0..60 {
        let patience = Duration::from_micros(round * 50);
        let _ = tokio::time::timeout(
            patience,
            created(&store, &transit, &format!("ring-{round}")),
        )
        .await;
        let _ = tokio::time::timeout(patience, store.mounts()).await;
    }
    // All abandoned work is done once a mount that waits for it is disabled.
    store
        .disable_mount(&transit.path, crate::samples::time(1))
        .await
        .unwrap();
    let mut other = raw(&url).await;
    let open = "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND state LIKE 'idle in transaction%'
                AND state_change < now() - interval '300 milliseconds'";
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (count,): (i64,) = sqlx::query_as(open).fetch_one(&mut other).await.unwrap();
    assert_eq!(count, 0);
}

#[tokio::test]
async fn an_unsafe_server_is_refused() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let url = server.new_database();
    for (setting, word) in [
        ("fsync", "fsync=off"),
        ("full_page_writes", "full_page_writes=off"),
    ] {
        let mut admin = raw(&url).await;
        admin
            .execute(sqlx::AssertSqlSafe(format!(
                "ALTER SYSTEM SET {setting} = off"
            )))
            .await
            .unwrap();
        server.stop();
        server.restart();
        let refused = PostgresStore::connect(&PostgresOptions::new(url.clone()))
            .await
            .unwrap_err();
        assert!(
            matches!(&refused, StoreSetupError::Unusable(why) if why.contains(word)),
            "{refused}"
        );
        raw(&url)
            .await
            .execute(sqlx::AssertSqlSafe(format!("ALTER SYSTEM RESET {setting}")))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_relaxed_default_does_not_relax_commits() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let url = server.new_database();
    raw(&url).await.execute("DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END$$").await.unwrap();
    let store = connect(&url).await;
    let transit = enabled(&store, "transit").await;
    at_commit(
        &url,
        "IF current_setting('synchronous_commit') <> 'on' THEN RAISE EXCEPTION 'relaxed'; END IF;",
    )
    .await;
    created(&store, &transit, "orders").await;
}

#[tokio::test]
async fn transaction_ids_from_another_server_are_forgotten() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let url = server.new_database();
    let store = connect(&url).await;
    let transit = enabled(&store, "transit").await;
    created(&store, &transit, "old").await;
    raw(&url)
        .await
        .execute("UPDATE ring_history SET xid = 4000000000000")
        .await
        .unwrap();
    store.close().await;

    let store = connect(&url).await;
    let changes = store
        .changes_since(store.end().await.unwrap())
        .await
        .unwrap();
    assert!(
        changes
            .rings
            .iter()
            .all(|changed| changed.name.as_str() != "old"),
        "{changes:?}"
    );
}

#[tokio::test]
async fn setup_errors_hold_no_password() {
    for url in [
        "postgres://user:hunter2@localhost/db?host=/nonexistent",
        "postgres://user:hunter2@[broken/db",
        "mysql://user:hunter2@localhost:0/db",
        "postgres://user:hunter2@localhost/db?sslmode=hunter2",
    ] {
        let options = PostgresOptions::new(url.to_owned());
        let refused = PostgresStore::connect(&options).await.unwrap_err();
        let texts = format!("{refused} {refused:?} {options:?}");
        assert!(!texts.contains("hunter2"), "{texts}");
    }
}

#[tokio::test]
async fn several_replicas_may_start_at_once() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let url = server.new_database();
    let stores = futures_util::future::join_all((0..6).map(|_| connect(&url))).await;
    assert_eq!(stores.len(), 6);
}
