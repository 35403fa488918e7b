//! Killed again and again while keys are created and rotated: what was acknowledged is there, and one key for each version.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keyring::test_support::postgres::PostgresServer;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::set_up::{Home, Store};
use crate::{of_full, pause};

/// What the service has acknowledged, line by line, in a file that outlives it.
struct Oracle {
    file: Mutex<File>,
    made: AtomicUsize,
}

impl Oracle {
    fn open(path: &Path) -> Self {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        Self {
            file: Mutex::new(file),
            made: AtomicUsize::new(0),
        }
    }

    fn note(&self, key: &str, version: &Value, ciphertext: Option<&Value>, plaintext: &str) {
        let line = json!({"key": key, "version": version, "ciphertext": ciphertext, "plaintext": plaintext});
        writeln!(self.file.lock().unwrap(), "{line}").unwrap();
    }

    fn number(&self) -> usize {
        self.made.fetch_add(1, Ordering::Relaxed)
    }
}

/// Lines of the oracle from this one on.
fn acknowledged(path: &Path, from: usize) -> Vec<Value> {
    let lines = BufReader::new(File::open(path).unwrap()).lines();
    lines
        .skip(from)
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect()
}

/// Base64 that is another for each number.
fn plaintext(number: usize) -> String {
    format!("{number:08}")
}

/// Rotates a key and seals with the new version, until the service is gone.
fn rotate_until_killed(app: &TestApp, oracle: &Oracle, key: &str) {
    let rotate = app.request("POST", &format!("transit/keys/{key}/rotate"));
    while let Ok(answer) = rotate.try_send() {
        if answer.status == 200 {
            oracle.note(key, &answer.data()["latest_version"], None, "");
        }
        if seal_once(app, oracle, key).is_none() {
            return;
        }
    }
}

/// Creates keys and seals with each, until the service is gone.
fn create_until_killed(app: &TestApp, oracle: &Oracle) {
    loop {
        let key = format!("made-{}", oracle.number());
        let create = app.request("POST", &format!("transit/keys/{key}"));
        match create.try_send() {
            Ok(answer) if answer.status == 200 => oracle.note(&key, &json!(1), None, ""),
            Ok(answer) => panic!("{} {}", answer.status, answer.text()),
            Err(_) => return,
        }
        if seal_once(app, oracle, &key).is_none() {
            return;
        }
    }
}

fn seal_once(app: &TestApp, oracle: &Oracle, key: &str) -> Option<()> {
    let plaintext = plaintext(oracle.number());
    let encrypt = app.request("POST", &format!("transit/encrypt/{key}"));
    let answer = encrypt
        .body(json!({"plaintext": plaintext}))
        .try_send()
        .ok()?;
    let data = answer.data();
    oracle.note(
        key,
        &data["key_version"],
        Some(&data["ciphertext"]),
        &plaintext,
    );
    Some(())
}

/// Everything acknowledged is there and opens.
fn check(app: &TestApp, lines: &[Value]) {
    let keys: BTreeSet<&str> = lines
        .iter()
        .map(|line| line["key"].as_str().unwrap())
        .collect();
    for key in keys {
        let latest = check_versions(app, key);
        let own = || lines.iter().filter(|line| line["key"] == key);
        for line in own() {
            assert!(
                line["version"].as_u64().unwrap() <= latest,
                "{line} was lost"
            );
        }
        let sealed: Vec<&Value> = own()
            .filter(|line| line["ciphertext"].is_string())
            .collect();
        for batch in sealed.chunks(1000) {
            let items: Vec<_> = batch
                .iter()
                .map(|line| json!({"ciphertext": line["ciphertext"]}))
                .collect();
            let opened = app.decrypt(key, json!({"batch_input": items}));
            for (line, item) in batch.iter().zip(opened.items()) {
                assert_eq!(item["plaintext"], line["plaintext"], "{line} gave {item}");
            }
        }
    }
}

/// Each version of a key exists once, and its history tells of each once.
fn check_versions(app: &TestApp, key: &str) -> u64 {
    let data = app.read(key).data();
    let latest = data["latest_version"].as_u64().unwrap();
    assert_eq!(
        data["keys"].as_object().unwrap().len(),
        usize::try_from(latest).unwrap()
    );
    let mut after = json!(0);
    let mut told = Vec::new();
    while !after.is_null() {
        let page = app
            .history(key, &format!("?limit=1000&after={after}"))
            .data();
        let events = page["events"].as_array().unwrap();
        told.extend(
            events
                .iter()
                .map(|event| event["to_version"].as_u64().unwrap()),
        );
        after = page["next_after"].clone();
    }
    assert!(told.iter().copied().eq(1..=latest), "{key}: {told:?}");
    latest
}

fn kill_again_and_again(home: &Home, start: impl Fn() -> TestApp) {
    let path = home.path().join("oracle");
    let oracle = Oracle::open(&path);
    start().create("rotated", "").data();
    let mut checked = 0;
    for _ in 0..of_full(200) {
        let app = start();
        let lines = acknowledged(&path, checked);
        check(&app, &lines);
        checked += lines.len();
        let time = Duration::from_millis(rand::random_range(1..=200));
        std::thread::scope(|scope| {
            scope.spawn(|| rotate_until_killed(&app, &oracle, "rotated"));
            scope.spawn(|| rotate_until_killed(&app, &oracle, "rotated"));
            scope.spawn(|| create_until_killed(&app, &oracle));
            pause(time);
            app.signal(rustix::process::Signal::KILL);
        });
    }
    let app = start();
    let lines = acknowledged(&path, 0);
    assert!(
        lines.len() > of_full(200),
        "hardly anything was acknowledged"
    );
    check(&app, &lines);
}

#[test]
fn what_sqlite_acknowledged_outlives_every_kill() {
    let home = Home::new();
    kill_again_and_again(&home, || TestApp::dev(&home, &[]));
}

#[test]
fn what_postgresql_acknowledged_outlives_every_kill() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let home = Home::new();
    let config = home.config(&Store::Postgres(server.new_database()), "");
    let token = config.init();
    kill_again_and_again(&home, || config.serve(&token));
}
