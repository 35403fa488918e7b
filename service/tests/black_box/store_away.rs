//! PostgreSQL stops while the service serves.

use std::fs;

use keyring::test_support::postgres::PostgresServer;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::client::Answer;
use crate::eventually;
use crate::set_up::{Home, Store, refused};

fn unavailable(answer: &Answer) {
    let (status, text) = answer.refusal();
    assert_eq!(status, 503, "{text}");
    assert!(
        text.contains("unavailable") || text.contains("out of reach"),
        "{text}"
    );
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[test]
fn warm_traffic_goes_on_without_the_store_and_changes_wait_for_it() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let home = Home::new();
    let config = home.config(&Store::Postgres(server.new_database()), "");
    let token = config.init();
    let app = config.serve(&token);
    let (warm, cold) = (app.ring(json!({})), app.ring(json!({})));
    let old = app.seal(&warm, "aGVsbG8=");
    app.seal(&cold, "");
    app.stop();
    let app = config.serve(&token);
    app.seal(&warm, "");
    server.stop();
    for _ in 0..20 {
        assert_eq!(app.open(&warm, &app.seal(&warm, "aGVsbG8=")), "aGVsbG8=");
    }
    eventually("the poll that finds the store away", || {
        app.log().contains("the store is away").then_some(())
    });
    assert_eq!(app.open(&warm, &app.seal(&warm, "aGVsbG8=")), "aGVsbG8=");
    assert_eq!(app.open(&warm, &old), "aGVsbG8=");
    for answer in [
        app.rotate(&warm, ""),
        app.create("new", ""),
        app.configure(&warm, json!({"deletion_allowed": true})),
        app.trim(&warm, json!({"min_available_version": 1})),
        app.delete(&warm),
        app.read(&warm),
        app.list("transit", ""),
        app.history(&warm, ""),
        app.encrypt(&cold, json!({"plaintext": ""})),
        app.encrypt("never-there", json!({"plaintext": ""})),
        app.enable_mount("more", json!({"type": "transit"})),
    ] {
        unavailable(&answer);
    }
    assert_eq!(
        app.get("sys/health").status,
        200,
        "a node that coasts can serve"
    );
    server.restart();
    eventually("the store back", || {
        (app.rotate(&warm, "").status == 200).then_some(())
    });
    assert!(app.seal(&warm, "").starts_with("vault:v2:"));
    assert_eq!(app.open(&warm, &old), "aGVsbG8=");
    app.seal(&cold, "");
    for absent in ["new", "never-there"] {
        assert_eq!(app.read(absent).status, 404);
    }
    app.stop();
}

#[test]
fn a_strict_node_refuses_as_soon_as_the_store_is_away() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let home = Home::new();
    let store = Store::Postgres(server.new_database());
    let config = home.config(
        &store,
        "[coherence]\nstrict = true\npoll_interval = \"50ms\"",
    );
    let token = config.init();
    let app = config.serve(&token);
    let key = app.ring(json!({}));
    let ciphertext = app.seal(&key, "aGVsbG8=");
    server.stop();
    let refused_verbs = || {
        [
            app.encrypt(&key, json!({"plaintext": ""})),
            app.decrypt(&key, json!({"ciphertext": ciphertext})),
        ]
    };
    eventually("a refusal", || {
        refused_verbs()
            .iter()
            .all(|answer| answer.status == 503)
            .then_some(())
    });
    for answer in refused_verbs() {
        unavailable(&answer);
    }
    eventually("health that tells", || {
        (app.get("sys/health").status == 503).then_some(())
    });
    server.restart();
    eventually("the store back", || {
        let opened = app.decrypt(&key, json!({"ciphertext": ciphertext}));
        (opened.status == 200).then_some(())
    });
}

#[test]
fn a_start_without_the_store_is_refused_in_one_sentence_without_the_password() {
    let home = Home::new();
    let url = "postgres://sealring:hunter2@localhost/none?host=/nonexistent";
    let config = home.config(&Store::Postgres(url.to_owned()), "");
    for words in [["server"], ["init"]] {
        let (status, sentence) = refused(&mut config.command(&words));
        assert_eq!(status, 69, "{sentence}");
        let lines: Vec<_> = sentence
            .lines()
            .filter(|line| !line.starts_with('{'))
            .collect();
        assert_eq!(lines.len(), 1, "{sentence}");
        assert!(!sentence.contains("hunter2"), "{sentence}");
    }
}

#[test]
fn a_store_that_hangs_holds_up_neither_warm_traffic_nor_the_answer_to_changes() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let home = Home::new();
    let url = server.new_database();
    let config = home.config(&Store::Postgres(url.clone()), "");
    let app = config.serve(&config.init());
    let key = app.ring(json!({}));
    app.seal(&key, "");
    let frozen = freeze(&url);
    // Caught in the middle: it waits for the store, but not for ever.
    let caught = app.rotate(&key, "");
    unavailable(&caught);
    eventually("the poll that finds the store away", || {
        app.log().contains("the store is away").then_some(())
    });
    for _ in 0..20 {
        assert_eq!(app.open(&key, &app.seal(&key, "aGVsbG8=")), "aGVsbG8=");
    }
    unavailable(&app.rotate(&key, ""));
    unavailable(&app.read(&key));
    drop(frozen);
    eventually("the store back", || {
        (app.rotate(&key, "").status == 200).then_some(())
    });
    assert_eq!(app.open(&key, &app.seal(&key, "aGVsbG8=")), "aGVsbG8=");
}

/// Stopped processes, which go on when this is dropped.
struct Frozen(Vec<Pid>);

impl Drop for Frozen {
    fn drop(&mut self) {
        for process in &self.0 {
            let _ = kill_process(*process, Signal::CONT);
        }
    }
}

/// Stops every process of the server with this URL, so that its connections stay and nothing answers.
fn freeze(url: &str) -> Frozen {
    let (_, folder) = url.split_once("host=").unwrap();
    let postmaster = fs::read_to_string(format!("{folder}/data/postmaster.pid")).unwrap();
    let postmaster = postmaster.lines().next().unwrap();
    let children = format!("/proc/{postmaster}/task/{postmaster}/children");
    let children = fs::read_to_string(children).unwrap();
    let all = children.split_whitespace().chain([postmaster]);
    let all: Vec<Pid> = all
        .map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap())
        .collect();
    for process in &all {
        // One that has ended meanwhile answers nothing either.
        let _ = kill_process(*process, Signal::STOP);
    }
    Frozen(all)
}
