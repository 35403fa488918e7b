//! Two processes on one PostgreSQL, which clients take for one service.

use std::thread;

use keyring::test_support::postgres::PostgresServer;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::app::TestApp;
use crate::set_up::{Home, Store};
use crate::{eventually, of_full};

struct Nodes {
    a: TestApp,
    b: TestApp,
    _home: Home,
}

fn nodes(more: &str) -> Option<Nodes> {
    let url = PostgresServer::shared()?.new_database();
    let home = Home::new();
    let config = home.config(&Store::Postgres(url), more);
    let token = config.init();
    Some(Nodes {
        a: config.serve(&token),
        b: config.serve_beside(&token),
        _home: home,
    })
}

#[test]
fn a_change_on_one_node_is_soon_obeyed_by_the_other() {
    let Some(Nodes { a, b, _home }) = nodes("") else {
        return;
    };
    let key = a.ring(json!({}));
    let old = b.seal(&key, "aGVsbG8=");
    a.rotate(&key, "").data();
    eventually("version 2 on the other node", || {
        b.seal(&key, "").starts_with("vault:v2:").then_some(())
    });
    assert_eq!(b.open(&key, &old), "aGVsbG8=");
    a.configure(&key, json!({"min_decryption_version": 2}))
        .data();
    let too_old = "ciphertext or signature version is disallowed by policy (too old)";
    let answer = eventually("the minimum on the other node", || {
        let answer = b.decrypt(&key, json!({"ciphertext": old}));
        (answer.status != 200).then_some(answer)
    });
    assert_eq!(answer.refusal(), (400, too_old.to_owned()));
    a.configure(&key, json!({"deletion_allowed": true})).data();
    assert_eq!(a.delete(&key).status, 204);
    let answer = eventually("the deletion on the other node", || {
        let answer = b.encrypt(&key, json!({"plaintext": ""}));
        (answer.status != 200).then_some(answer)
    });
    assert_eq!(
        answer.refusal(),
        (400, "encryption key not found".to_owned())
    );
    a.create(&key, "").data();
    eventually("the new key of that name on the other node", || {
        (b.encrypt(&key, json!({"plaintext": ""})).status == 200).then_some(())
    });
    a.enable_mount("team", json!({"type": "transit"}));
    a.post("team/keys/k", "").data();
    eventually("the mount on the other node", || {
        (b.get("team/keys/k").status == 200).then_some(())
    });
    a.disable_mount("team");
    eventually("the mount gone from the other node", || {
        (b.get("team/keys/k").status == 404).then_some(())
    });
}

#[test]
fn what_one_node_sealed_the_other_opens_at_once() {
    let Some(Nodes { a, b, _home }) = nodes("") else {
        return;
    };
    let key = a.ring(json!({}));
    b.seal(&key, "");
    for (from, to) in [(&a, &b), (&b, &a)].into_iter().cycle().take(40) {
        let latest = from.rotate(&key, "").data()["latest_version"]
            .as_u64()
            .unwrap();
        let ciphertext = from.seal(&key, "aGVsbG8=");
        assert!(
            ciphertext.starts_with(&format!("vault:v{latest}:")),
            "the node that rotated uses it at once"
        );
        // Cold on the other node and newer than it knows: never "too new", never "not found".
        assert_eq!(to.open(&key, &ciphertext), "aGVsbG8=");
        let fresh = from.ring(json!({}));
        assert_eq!(to.open(&fresh, &from.seal(&fresh, "aGVsbG8=")), "aGVsbG8=");
    }
    let forged = format!("vault:v99:{}", "A".repeat(40));
    let answer = b.decrypt(&key, json!({"ciphertext": forged}));
    assert_eq!(
        answer.refusal(),
        (400, "invalid ciphertext: version is too new".to_owned())
    );
}

#[test]
fn sixteen_rotations_at_once_make_sixteen_versions() {
    let Some(Nodes { a, b, _home }) = nodes("") else {
        return;
    };
    let key = a.ring(json!({}));
    thread::scope(|scope| {
        for node in [&a, &b].into_iter().cycle().take(16) {
            let key = &key;
            scope.spawn(move || {
                node.rotate(key, "").data();
            });
        }
    });
    assert_eq!((a.latest(&key), b.latest(&key)), (17, 17));
    let told: Vec<_> = b
        .events(&key)
        .iter()
        .map(|event| event["to_version"].as_u64().unwrap())
        .collect();
    assert_eq!(told, (1..=17).collect::<Vec<_>>());
    let conditional = ["if_version"; 8].map(|field| json!({field: 17}));
    let won = thread::scope(|scope| {
        let nodes = [&a, &b].into_iter().cycle();
        let tries: Vec<_> = nodes
            .zip(&conditional)
            .map(|(node, body)| {
                scope.spawn({
                    let key = &key;
                    move || node.rotate(key, body).status
                })
            })
            .collect();
        tries
            .into_iter()
            .map(|one| one.join().unwrap())
            .filter(|status| *status == 200)
            .count()
    });
    assert_eq!(
        (won, a.latest(&key)),
        (1, 18),
        "of those that ask for one version, one wins"
    );
}

#[test]
fn concurrent_creates_of_one_name_make_one_key() {
    let Some(Nodes { a, b, _home }) = nodes("") else {
        return;
    };
    for round in 0..10 {
        let key = format!("contested-{round}");
        let create = |node: &TestApp| {
            node.create(&key, "").data();
            node.seal(&key, "aGVsbG8=")
        };
        let create = &create;
        let sealed: Vec<String> = thread::scope(|scope| {
            let both = [&a, &b, &a, &b].map(|node| scope.spawn(move || create(node)));
            both.into_iter().map(|one| one.join().unwrap()).collect()
        });
        for ciphertext in &sealed {
            assert_eq!(
                (a.open(&key, ciphertext), b.open(&key, ciphertext)),
                ("aGVsbG8=".to_owned(), "aGVsbG8=".to_owned())
            );
        }
        assert_eq!(a.events(&key).len(), 1);
    }
}

#[test]
fn a_period_brings_one_rotation_when_it_is_due_however_many_nodes_there_are() {
    let Some(Nodes { a, b, _home }) = nodes("[rotation]\nshortest_period = \"2s\"") else {
        return;
    };
    let refused = a.create("hasty", json!({"auto_rotate_period": 1}));
    let expected = "auto rotate period must be 0 to disable or at least 2 seconds";
    assert_eq!(refused.refusal(), (400, expected.to_owned()));
    let key = a.ring(json!({"auto_rotate_period": 2}));
    eventually("four rotations", || (b.latest(&key) >= 5).then_some(()));
    a.configure(&key, json!({"auto_rotate_period": 0})).data();
    let events = b.events(&key);
    let made: Vec<&Value> = events
        .iter()
        .filter(|event| event["action"] != "configure")
        .collect();
    let versions: Vec<_> = made
        .iter()
        .map(|event| event["to_version"].as_u64().unwrap())
        .collect();
    assert!(
        versions
            .iter()
            .copied()
            .eq(1..=u64::try_from(made.len()).unwrap()),
        "{versions:?}"
    );
    for event in &made[1..] {
        assert_eq!(
            (&event["action"], &event["cause"]),
            (&json!("rotate"), &json!("timer"))
        );
        assert_eq!(
            (&event["actor"], &event["accessor"]),
            (&json!("sealring"), &Value::Null)
        );
    }
    let times: Vec<_> = made
        .iter()
        .map(|event| OffsetDateTime::parse(event["time"].as_str().unwrap(), &Rfc3339).unwrap())
        .collect();
    let spans: Vec<_> = times
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_seconds_f64())
        .collect();
    // At most a twentieth early, never twice for one period.
    assert!(spans.iter().all(|span| *span >= 1.9), "{spans:?}");
    // A machine under load may delay one or another, but not all of them.
    assert!(spans.iter().any(|span| *span <= 3.0), "{spans:?}");
    let latest = a.latest(&key);
    assert_eq!(latest, u64::try_from(made.len()).unwrap());
}

#[test]
fn a_key_that_is_worn_is_rotated_by_one_of_the_nodes() {
    let more = "[rotation]\nrotate_at_uses = 5000\nrefuse_at_uses = 50000";
    let Some(Nodes { a, b, _home }) = nodes(more) else {
        return;
    };
    let key = a.ring(json!({"type": "aes256-gcm96"}));
    let body = json!({"batch_input": vec![json!({"plaintext": ""}); 1000]});
    eventually("a rotation by usage", || {
        a.encrypt(&key, &body).items();
        b.encrypt(&key, &body).items();
        (a.latest(&key) >= 2).then_some(())
    });
    let events = a.events(&key);
    assert_eq!(
        (&events[1]["action"], &events[1]["cause"]),
        (&json!("rotate"), &json!("usage"))
    );
    let versions: Vec<_> = events
        .iter()
        .map(|event| event["to_version"].as_u64().unwrap())
        .collect();
    assert!(
        versions
            .iter()
            .copied()
            .eq(1..=u64::try_from(versions.len()).unwrap()),
        "{versions:?}"
    );
}

#[test]
fn a_storm_of_changes_gives_no_error_but_those_of_the_protocol() {
    let Some(Nodes { a, b, _home }) = nodes("") else {
        return;
    };
    let names = ["storm-0", "storm-1", "storm-2"];
    let storm = |node: &TestApp| {
        let mut sealed: Vec<Value> = Vec::new();
        for _ in 0..of_full(3000) {
            let key = names[rand::random_range(0..names.len())];
            let answer = match rand::random_range(0..8) {
                0 => node.create(key, ""),
                1 => node.rotate(key, ""),
                2 => node.configure(
                    key,
                    json!({"min_decryption_version": rand::random_range(0..3)}),
                ),
                3 => node.configure(key, json!({"deletion_allowed": true})),
                4 if rand::random_bool(0.3) => node.delete(key),
                5 => node.read(key),
                6 if !sealed.is_empty() => {
                    let ciphertext = &sealed[rand::random_range(0..sealed.len())];
                    let batch = json!({"batch_input": [{"ciphertext": ciphertext}]});
                    node.rewrap(key, &batch);
                    node.decrypt(key, json!({"ciphertext": ciphertext}))
                }
                _ => {
                    let answer = node.encrypt(key, json!({"plaintext": "aGVsbG8="}));
                    if answer.status == 200 {
                        sealed.push(answer.data()["ciphertext"].clone());
                    }
                    answer
                }
            };
            if answer.status >= 400 {
                let refusal = answer.refusal();
                assert!(matches!(refusal.0, 400 | 404), "{refusal:?}");
            }
        }
    };
    thread::scope(|scope| {
        for node in [&a, &b, &a, &b] {
            scope.spawn(|| storm(node));
        }
    });
    for key in names {
        a.create(key, "").data();
        let events = a.events(key);
        let sequence: Vec<_> = events
            .iter()
            .map(|event| event["sequence"].as_u64().unwrap())
            .collect();
        assert!(sequence.is_sorted(), "{sequence:?}");
        let latest = a.latest(key);
        assert_eq!(b.latest(key), latest);
        let ring = &events.last().unwrap()["ring"];
        let made = events
            .iter()
            .filter(|event| event["ring"] == *ring && event["to_version"] == latest);
        assert!(made.count() >= 1);
        let sealed = a.seal(key, "aGVsbG8=");
        assert_eq!(b.open(key, &sealed), "aGVsbG8=");
    }
}
