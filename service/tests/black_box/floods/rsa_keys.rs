//! RSA keys take seconds to find. Whoever asks for many has a few wait, and nobody else does.

use std::collections::BTreeSet;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::Begun;
use crate::eventually;
use crate::set_up::Home;

/// One key at a time, and so many of one caller that wait.
fn few(share: &'static str) -> [(&'static str, &'static str); 3] {
    [
        ("SEALRING_LIMITS__RSA_SEARCHES", "1"),
        ("SEALRING_LIMITS__RSA_SHARE", share),
        ("SEALRING_SERVER__DRAIN_TIMEOUT", "40s"),
    ]
}

/// A token that may create rings and nothing else.
fn creator(app: &TestApp) -> String {
    let rules = r#"path "transit/keys/*" { capabilities = ["create", "update", "read"] }"#;
    let written = app.post("sys/policies/acl/creator", json!({"policy": rules}));
    assert_eq!(written.status, 204, "{}", written.text());
    let made = app.post("auth/token/create", json!({"policies": ["creator"]}));
    made.json()["auth"]["client_token"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Sends so many creates and waits for none of them.
fn flood(app: &TestApp, token: &str, count: usize) -> Vec<Begun> {
    let one = |number| {
        let body = json!({"type": "rsa-4096"}).to_string();
        let create = app.anonymous("POST", &format!("transit/keys/flood-{number}"));
        let create = create.header("X-Vault-Token", token).body(body.clone());
        create.begin(body.len())
    };
    (0..count).map(one).collect()
}

fn searches(app: &TestApp) -> u64 {
    let metrics = app.metrics();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("sealring_rsa_searches "));
    line.unwrap().parse().unwrap()
}

fn flooded(names: &Value) -> BTreeSet<String> {
    let names = names.as_array().into_iter().flatten();
    let names = names.map(|name| name.as_str().unwrap().to_owned());
    names.filter(|name| name.starts_with("flood-")).collect()
}

#[test]
fn a_flood_of_rsa_keys_holds_up_nobody_else_and_ends_with_its_client() {
    let home = Home::new();
    let app = TestApp::dev(&home, &few("3"));
    let (token, other) = (creator(&app), creator(&app));
    app.post("sys/auth/userpass", json!({"type": "userpass"}));
    app.post(
        "auth/userpass/users/ada",
        json!({"password": "open sesame"}),
    );
    let mut held = flood(&app, &token, 40);
    eventually("refusals beyond the share", || {
        let answered = held.iter().filter(|begun| begun.is_answered());
        (answered.count() >= 37).then_some(())
    });
    let refused = held.iter_mut().find(|begun| begun.is_answered());
    let refused = refused.unwrap().answer_now();
    let text = "too much of your work is waiting; nothing was done; try again";
    assert_eq!(refused.refusal(), (429, text.to_owned()));
    assert_eq!(refused.header("retry-after"), Some("1"));
    // At the first try, all of it.
    let create = |key_type: &str| {
        let create = app.anonymous("POST", &format!("transit/keys/other-{key_type}"));
        let create = create.header("X-Vault-Token", &other);
        create.body(json!({"type": key_type})).send()
    };
    for key_type in ["ecdsa-p256", "ed25519", "aes256-gcm96"] {
        assert_eq!(create(key_type).status, 200, "{key_type}");
    }
    let login = app.anonymous("POST", "auth/userpass/login/ada");
    let login = login.body(json!({"password": "open sesame"})).send();
    assert_eq!(login.status, 200, "{}", login.text());
    let logged_in = login.json()["auth"]["client_token"].clone();
    let revoked = app.post("auth/token/revoke", json!({"token": logged_in}));
    assert_eq!(revoked.status, 204, "{}", revoked.text());
    assert!(
        app.metrics()
            .contains("sealring_bounds_refused_total{bound=\"rsa_search\",reason=\"share\"} 37")
    );
    drop(held);
    eventually("an end of all searches", || {
        (searches(&app) == 0).then_some(())
    });
    // Those that were found while somebody still waited for them, and nothing that was only asked for. What was announced
    // before its client hung up is done to its end.
    let made = eventually("an end of all that was announced", || {
        let made = flooded(&app.list("transit", "").json_or_null()["data"]["keys"]);
        (made == announced(&home)).then_some(made)
    });
    assert!(made.len() <= 3, "{made:?}");
    assert_eq!(create("rsa-2048").status, 200, "there is room again");
    assert_eq!(announced(&home), made, "nothing else was announced");
    let sealed = app.post("sys/seal", json!({}));
    assert_eq!(sealed.status, 204, "{}", sealed.text());
}

/// The rings of the flood whose creation was announced in the audit.
fn announced(home: &Home) -> BTreeSet<String> {
    let audit = std::fs::read_to_string(home.data().join("audit.log")).unwrap();
    // The last line may be half written.
    let records = audit
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let intents = records.filter(|record| record["kind"] == "intent");
    let names = intents.filter_map(|record| Some(record["key"].as_str()?.to_owned()));
    names.filter(|name| name.starts_with("flood-")).collect()
}

#[test]
fn a_node_that_is_to_stop_gives_up_keys_that_nobody_searches_for_yet() {
    let mut app = TestApp::fresh(&few("30"));
    let token = creator(&app);
    let mut held = flood(&app, &token, 30);
    eventually("a queue", || (searches(&app) > 20).then_some(()));
    app.signal(Signal::TERM);
    let mut given_up = 0;
    for begun in &mut held {
        let answer = begun.answer_now();
        assert!(matches!(answer.status, 200 | 503), "{}", answer.text());
        given_up += usize::from(answer.status == 503);
    }
    assert!(given_up > 10, "{given_up}");
    assert_eq!(app.wait().code(), Some(0), "{}", app.log());
    assert!(
        !app.log().contains("requests were cut off"),
        "{}",
        app.log()
    );
}

#[test]
fn a_node_stops_also_while_keys_are_searched_for_that_nobody_waits_for() {
    let mut app = TestApp::fresh(&few("30"));
    let token = creator(&app);
    let held = flood(&app, &token, 30);
    eventually("a queue", || (searches(&app) > 20).then_some(()));
    drop(held);
    app.signal(Signal::TERM);
    assert_eq!(app.wait().code(), Some(0), "{}", app.log());
}
