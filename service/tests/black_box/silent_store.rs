//! The network to PostgreSQL falls silent in the middle of a poll: the node says so, and follows again over a new connection.

use keyring::test_support::postgres::PostgresServer;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::app::TestApp;
use crate::set_up::{Home, Store};
use crate::silent_proxy::SilentProxy;
use crate::{PATIENCE, eventually};

/// What a poll reads: the table that it waits for, and what makes it read that table.
const STATEMENTS: [(&str, &str); 5] = [
    ("ring_history", ""),
    ("revocations", ""),
    ("mounts", "UPDATE mounts_epoch SET epoch = epoch + 1"),
    ("root_tokens", "UPDATE identity_epoch SET epoch = epoch + 1"),
    ("identity_epoch", ""),
];

/// A database, one node that reaches it well, and one behind a network that may fall silent.
struct Nodes {
    a: TestApp,
    b: TestApp,
    proxy: SilentProxy,
    database: String,
    _home: Home,
}

fn nodes() -> Option<Nodes> {
    let database = PostgresServer::shared()?.new_database();
    let proxy = SilentProxy::to(&database);
    let home = Home::new();
    let config = home.config(&Store::Postgres(database.clone()), "");
    let token = config.init();
    let a = config.serve(&token);
    let mut behind = config.command(&["server"]);
    behind
        .env("SEALRING_STORE__URL", proxy.url())
        .env("SEALRING_AUDIT__FILE__PATH", home.path().join("behind.log"));
    let b = TestApp::start(&mut behind, &token);
    Some(Nodes {
        a,
        b,
        proxy,
        database,
        _home: home,
    })
}

#[test]
fn whatever_a_poll_was_reading_when_the_network_fell_silent_it_follows_again() {
    let Some(nodes) = nodes() else {
        return;
    };
    for (table, cause) in STATEMENTS {
        nodes.fall_silent_while_reading(table, cause);
        nodes.revocation_arrives(table);
    }
}

impl Nodes {
    /// Holds the table until the poll waits for it, and cuts the connection while it does.
    fn fall_silent_while_reading(&self, table: &str, cause: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut holder = PgConnection::connect(&self.database).await.unwrap();
            let mut watcher = PgConnection::connect(&self.database).await.unwrap();
            let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
            holder.execute(AssertSqlSafe(lock)).await.unwrap();
            if !cause.is_empty() {
                watcher.execute(AssertSqlSafe(cause)).await.unwrap();
            }
            // Both nodes poll four times a second.
            let waiting = wait_for_two(&mut watcher, table);
            tokio::time::timeout(PATIENCE, waiting).await.unwrap();
            self.proxy.fall_silent();
            holder.execute("ROLLBACK").await.unwrap();
        });
    }

    fn revocation_arrives(&self, table: &str) {
        let created = self
            .a
            .post("auth/token/create", json!({"policies": ["default"]}));
        let auth = created.json()["auth"].clone();
        let token = auth["client_token"].as_str().unwrap();
        let known = |app: &TestApp| {
            let request = app.anonymous("GET", "auth/token/lookup-self");
            request.header("x-vault-token", token).send().status
        };
        eventually("the new token on the node behind the network", || {
            (known(&self.b) == 200).then_some(())
        });
        let revoked = self.a.post("auth/token/revoke", json!({"token": token}));
        assert_eq!(revoked.status, 204);
        eventually(&format!("the revocation, after silence at {table}"), || {
            (known(&self.b) == 403).then_some(())
        });
        assert!(self.b.log().contains("the store is away"), "{table}");
    }
}

/// Returns when both nodes' polls wait for a lock on this table.
async fn wait_for_two(watcher: &mut PgConnection, table: &str) {
    let waiting =
        "SELECT count(DISTINCT l.pid) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
        WHERE NOT l.granted AND c.relname = $1";
    loop {
        let (count,): (i64,) = sqlx::query_as(waiting)
            .bind(table)
            .fetch_one(&mut *watcher)
            .await
            .unwrap();
        if count >= 2 {
            return;
        }
        tokio::task::yield_now().await;
    }
}
