//! The emergency: `sys/seal` closes every node until enough unlock shares open the store again.

use std::io::Write as _;
use std::process::Stdio;

use keyring::test_support::postgres::PostgresServer;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::Answer;
use crate::eventually;
use crate::set_up::{ConfigFile, Home, Store, sealring};

fn seal(app: &TestApp) -> Answer {
    app.request("PUT", "sys/seal").send()
}

fn unseal(app: &TestApp, share: &str) -> Answer {
    app.anonymous("PUT", "sys/unseal")
        .body(json!({"key": share}))
        .send()
}

fn status(app: &TestApp) -> Value {
    app.anonymous("GET", "sys/seal-status").send().json()
}

fn is_sealed(app: &TestApp) -> bool {
    let answer = app.encrypt("k", json!({"plaintext": ""}));
    if answer.status == 200 {
        return false;
    }
    assert_eq!(answer.refusal(), (503, "Vault is sealed".to_owned()));
    assert_eq!(answer.header("retry-after"), Some("1"));
    true
}

fn check_sealed(app: &TestApp) {
    assert!(is_sealed(app));
    let health = app.anonymous("GET", "sys/health").send();
    assert_eq!(health.status, 503);
    assert_eq!(health.json()["sealed"], true);
    let status = status(app);
    assert_eq!(
        (&status["sealed"], &status["progress"]),
        (&json!(true), &json!(0))
    );
    assert_eq!(status.get("cluster_id"), None);
    for (method, path) in [
        ("GET", "sys/mounts"),
        ("GET", "auth/token/lookup-self"),
        ("PUT", "sys/seal"),
        ("GET", "no/such/path"),
    ] {
        let answer = app.request(method, path).send();
        assert_eq!(
            answer.refusal(),
            (503, "Vault is sealed".to_owned()),
            "{path}"
        );
        assert_eq!(app.anonymous(method, path).send().status, 503, "{path}");
    }
}

fn started(home: &Home, store: &Store) -> (ConfigFile, TestApp, Vec<String>) {
    let config = home.config(store, "");
    let (token, shares) = config.init_with_shares("3", "2");
    let app = config.serve(&token);
    (config, app, shares)
}

fn stays_sealed_until_unsealed(store: &Store) {
    let home = Home::new();
    let (config, app, shares) = started(&home, store);
    app.create("k", "").data();
    let sealed = app.seal("k", "aGVsbG8=");
    let token = app.token.clone();

    assert_eq!(seal(&app).status, 204);
    check_sealed(&app);
    app.stop();

    let app = config.serve(&token);
    check_sealed(&app);
    let answer = unseal(&app, &shares[2]);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["progress"], 1);
    assert_eq!(
        unseal(&app, &shares[2]).json()["progress"],
        1,
        "a share counts once"
    );
    assert!(is_sealed(&app));
    assert_eq!(unseal(&app, &shares[0]).json()["sealed"], false);
    assert_eq!(app.open("k", &sealed), "aGVsbG8=");
    assert_eq!(app.anonymous("GET", "sys/health").send().status, 200);

    app.stop();
    assert!(!is_sealed(&config.serve(&token)));
}

#[test]
fn a_sealed_sqlite_store_stays_sealed_over_restarts_until_enough_shares_come() {
    stays_sealed_until_unsealed(&Store::Sqlite);
}

#[test]
fn a_sealed_postgresql_store_stays_sealed_over_restarts_until_enough_shares_come() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    stays_sealed_until_unsealed(&Store::Postgres(server.new_database()));
}

#[test]
fn all_nodes_close_and_open_together() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let home = Home::new();
    let (config, a, shares) = started(&home, &Store::Postgres(server.new_database()));
    let b = config.serve_beside(&a.token);
    a.create("k", "").data();
    assert_eq!(b.encrypt("k", json!({"plaintext": ""})).status, 200);
    assert_eq!(seal(&a).status, 204);
    eventually("the other node closed", || is_sealed(&b).then_some(()));
    check_sealed(&b);
    unseal(&b, &shares[0]);
    assert_eq!(unseal(&b, &shares[1]).json()["sealed"], false);
    eventually("the first node open again", || {
        (!is_sealed(&a)).then_some(())
    });
}

#[test]
fn shares_that_are_wrong_open_nothing_and_spoil_nothing() {
    let home = Home::new();
    let (_, app, shares) = started(&home, &Store::Sqlite);
    let other = Home::new();
    let (_, _, foreign) = started(&other, &Store::Sqlite);
    app.create("k", "").data();
    seal(&app);
    let missing = "'key' must be specified in request body as JSON, or 'reset' set to true";
    assert_eq!(refused(&app, json!({})), (400, missing.to_owned()));
    let mistyped = shares[0].replace('0', "1");
    for key in ["x", "sealring-share-1:", mistyped.as_str()] {
        assert_eq!(
            refused(&app, json!({"key": key})),
            (400, "invalid key".to_owned())
        );
    }
    unseal(&app, &foreign[0]);
    unseal(&app, &shares[1]);
    let failed = unseal(&app, &foreign[1]);
    assert_eq!(failed.status, 400, "{}", failed.text());
    assert!(is_sealed(&app));
    let reset = app
        .anonymous("PUT", "sys/unseal")
        .body(json!({"reset": true}))
        .send();
    assert_eq!(reset.json()["progress"], 0);
    unseal(&app, &shares[1]);
    assert_eq!(unseal(&app, &shares[0]).json()["sealed"], false);
}

fn refused(app: &TestApp, body: Value) -> (u16, String) {
    app.anonymous("PUT", "sys/unseal")
        .body(body)
        .send()
        .refusal()
}

#[test]
fn shares_given_at_once_open_the_store_and_those_given_before_are_forgotten() {
    let home = Home::new();
    let (_, app, shares) = started(&home, &Store::Sqlite);
    app.create("k", "").data();
    seal(&app);
    assert_eq!(unseal(&app, &shares[2]).json()["progress"], 1);
    let too_few = "more unlock shares are needed".to_owned();
    assert_eq!(refused(&app, json!({"keys": [shares[1]]})), (400, too_few));
    let both = json!({"key": shares[0], "keys": [shares[1]]});
    let exclusive = "'key' and 'keys' exclude each other".to_owned();
    assert_eq!(refused(&app, both), (400, exclusive));
    assert_eq!(status(&app)["progress"], 1);
    let opened = app
        .anonymous("PUT", "sys/unseal")
        .body(json!({"keys": [shares[0], shares[1]]}))
        .send();
    assert_eq!(opened.status, 200, "{}", opened.text());
    assert_eq!(opened.json()["sealed"], false);
    assert!(!is_sealed(&app));

    seal(&app);
    check_sealed(&app);
    assert_eq!(unseal(&app, &shares[0]).json()["progress"], 1);
    assert!(is_sealed(&app));
    assert_eq!(unseal(&app, &shares[1]).json()["sealed"], false);

    // Nor does an open node take any.
    assert_eq!(unseal(&app, &shares[2]).json()["sealed"], false);
    seal(&app);
    assert_eq!(unseal(&app, &shares[0]).json()["progress"], 1);
    assert!(is_sealed(&app));
}

#[test]
fn a_share_with_another_threshold_is_refused() {
    let home = Home::new();
    let (_, app, shares) = started(&home, &Store::Sqlite);
    app.create("k", "").data();
    seal(&app);
    unseal(&app, &shares[0]);
    for (count, threshold) in [("1", "1"), ("3", "3")] {
        let other = Home::new();
        let (_, foreign) = other
            .config(&Store::Sqlite, "")
            .init_with_shares(count, threshold);
        for body in [json!({"key": foreign[0]}), json!({"keys": [foreign[0]]})] {
            let invalid = (400, "invalid key".to_owned());
            assert_eq!(refused(&app, body), invalid, "{threshold} of {count}");
        }
    }
    assert_eq!(status(&app)["progress"], 1);
    assert_eq!(unseal(&app, &shares[1]).json()["sealed"], false);
}

#[test]
fn sealing_needs_a_token_that_may() {
    let app = TestApp::fresh(&[]);
    assert_eq!(app.anonymous("PUT", "sys/seal").send().status, 403);
    assert_eq!(status(&app)["sealed"], false);
}

#[test]
fn the_operator_does_it_from_the_shell() {
    let home = Home::new();
    let (_, app, shares) = started(&home, &Store::Sqlite);
    let operator = |verb: &str, input: &str| {
        let mut command = sealring(&["operator", verb, "--address"]);
        command
            .arg(format!("http://{}", app.address))
            .env("VAULT_TOKEN", &app.token)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        let out = child.wait_with_output().unwrap();
        let said = if out.status.success() {
            out.stdout
        } else {
            out.stderr
        };
        (out.status.success(), String::from_utf8(said).unwrap())
    };
    assert_eq!(operator("status", ""), (true, "unsealed\n".to_owned()));
    assert!(operator("seal", "").0);
    let (done, said) = operator("unseal", &format!("{}\n", shares[0]));
    assert_eq!(
        (done, said.as_str()),
        (true, "sealed: 1 of 2 unlock shares given\n")
    );
    let (done, said) = operator("unseal", "nonsense\n");
    assert!(
        !done && said.contains("invalid key") && !said.contains("nonsense"),
        "{said}"
    );
    assert_eq!(
        operator("unseal", &shares[1]),
        (true, "unsealed\n".to_owned())
    );
    assert!(operator("seal", "").0);
    assert_eq!(
        operator("unseal", &format!("{}\n{}\n", shares[2], shares[0])),
        (true, "unsealed\n".to_owned())
    );
}
