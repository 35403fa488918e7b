//! Killed while identities change: acknowledged writes and revocations are there after every restart.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use keyring::test_support::postgres::PostgresServer;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{looks_at_itself, policy};
use crate::app::TestApp;
use crate::client::Answer;
use crate::set_up::{Home, Store};
use crate::{of_full, pause};

/// What was acknowledged: policies, roles and users with what they say, tokens with whether they are good.
#[derive(Debug, Default)]
struct Acknowledged {
    policies: BTreeMap<String, Value>,
    roles: BTreeMap<String, u64>,
    users: BTreeMap<String, u64>,
    tokens: BTreeMap<String, bool>,
    count: usize,
}

/// The answer, if the service was still there; it must be a success.
fn answered(app: &TestApp, path: &str, body: &Value) -> Option<Answer> {
    let answer = app.request("POST", path).body(body).try_send().ok()?;
    assert!(
        answer.status < 300,
        "{path}: {} {}",
        answer.status,
        answer.text()
    );
    Some(answer)
}

/// One round of each kind of write under names of its own, the acknowledged ones noted; `None` once the service is gone.
fn write_each(app: &TestApp, noted: &Mutex<Acknowledged>, name: &str) -> Option<()> {
    let note = |add: &dyn Fn(&mut Acknowledged)| {
        let mut noted = noted.lock().unwrap();
        noted.count += 1;
        add(&mut noted);
    };
    let policy = policy(&format!("transit/encrypt/{name}"), "update");
    answered(app, &format!("sys/policies/acl/{name}"), &policy)?;
    note(&|noted| {
        noted
            .policies
            .insert(name.to_owned(), policy["policy"].clone());
    });
    let number = rand::random_range(1..1000);
    let body = json!({"token_num_uses": number});
    answered(app, &format!("auth/approle/role/{name}"), &body)?;
    note(&|noted| {
        noted.roles.insert(name.to_owned(), number);
    });
    let made = answered(app, "auth/token/create", &json!({"policies": name}))?;
    let auth = made.json()["auth"].take();
    let token = auth["client_token"].as_str().unwrap();
    note(&|noted| {
        noted.tokens.insert(token.to_owned(), true);
    });
    if rand::random_bool(0.5) {
        // Until it is acknowledged nobody knows.
        noted.lock().unwrap().tokens.remove(token);
        answered(app, "auth/token/revoke", &json!({"token": token}))?;
        note(&|noted| {
            noted.tokens.insert(token.to_owned(), false);
        });
    }
    let user = json!({"token_num_uses": number, "password": name});
    answered(app, &format!("auth/userpass/users/{name}"), &user)?;
    note(&|noted| {
        noted.users.insert(name.to_owned(), number);
    });
    Some(())
}

/// Writes under names that come again, so that entries are also changed.
fn write_until_killed(app: &TestApp, noted: &Mutex<Acknowledged>, writer: &str) {
    for number in 0.. {
        let name = format!("n-{writer}-{}", number % 7);
        if write_each(app, noted, &name).is_none() {
            // Whether the last write was made is open.
            let mut noted = noted.lock().unwrap();
            noted.policies.remove(&name);
            noted.roles.remove(&name);
            noted.users.remove(&name);
            return;
        }
    }
}

fn check(app: &TestApp, noted: &Acknowledged) {
    for (name, text) in &noted.policies {
        let read = app.get(&format!("sys/policies/acl/{name}")).data();
        assert_eq!(read["policy"], *text, "{name}");
    }
    let uses = |path: String| app.get(&path).data()["token_num_uses"].clone();
    for (name, number) in &noted.roles {
        assert_eq!(uses(format!("auth/approle/role/{name}")), *number, "{name}");
    }
    for (name, number) in &noted.users {
        assert_eq!(
            uses(format!("auth/userpass/users/{name}")),
            *number,
            "{name}"
        );
    }
    for (token, is_good) in &noted.tokens {
        let expected = if *is_good { 200 } else { 403 };
        assert_eq!(looks_at_itself(app, token), expected);
    }
}

fn kill_again_and_again(home: &Home, store: &Store) {
    let config = home.config(store, "");
    let token = config.init();
    let app = config.serve(&token);
    for kind in ["approle", "userpass"] {
        assert_eq!(
            app.post(&format!("sys/auth/{kind}"), json!({"type": kind}))
                .status,
            204
        );
    }
    app.stop();
    let mut count = 0;
    for round in 0..of_full(60) {
        let app = config.serve(&token);
        let noted = Mutex::new(Acknowledged::default());
        thread::scope(|scope| {
            for writer in 0..3 {
                let (app, noted) = (&app, &noted);
                scope.spawn(move || {
                    write_until_killed(app, noted, &format!("{writer}-{}", round % 5));
                });
            }
            pause(Duration::from_millis(rand::random_range(50..=400)));
            app.signal(Signal::KILL);
        });
        drop(app);
        let app = config.serve(&token);
        let noted = noted.into_inner().unwrap();
        count += noted.count;
        check(&app, &noted);
        app.kill();
    }
    assert!(count > of_full(60) * 5, "hardly anything was acknowledged");
}

#[test]
fn what_sqlite_acknowledged_of_identities_outlives_every_kill() {
    kill_again_and_again(&Home::new(), &Store::Sqlite);
}

#[test]
fn what_postgresql_acknowledged_of_identities_outlives_every_kill() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    kill_again_and_again(&Home::new(), &Store::Postgres(server.new_database()));
}
