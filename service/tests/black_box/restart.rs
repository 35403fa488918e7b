//! What a restart keeps, whether it was asked for or not.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::process::Signal;
use serde_json::json;

use crate::app::TestApp;
use crate::client::Wire;
use crate::set_up::{Home, refused};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Keys of every kind, each with a ciphertext of every version.
fn fill(app: &TestApp) -> Vec<(String, String, serde_json::Value)> {
    let mut made = Vec::new();
    app.enable_mount("team/a", json!({"type": "transit"}));
    for (kind, derived, convergent) in [
        ("aes128-gcm96", false, false),
        ("aes256-gcm96", true, false),
        ("aes256-gcm-siv", false, false),
        ("aes256-gcm-siv", true, true),
        ("chacha20-poly1305", true, true),
        ("xchacha20-poly1305", false, false),
    ] {
        let body = json!({"type": kind, "derived": derived, "convergent_encryption": convergent});
        for mount in ["transit", "team/a"] {
            let key = format!("{kind}-{derived}");
            app.post(&format!("{mount}/keys/{key}"), &body).data();
            for _ in 0..3 {
                let seal =
                    json!({"plaintext": "aGVsbG8=", "context": "AAAA", "associated_data": "YQ=="});
                let sealed = app.post(&format!("{mount}/encrypt/{key}"), seal).data();
                let open = json!({"ciphertext": sealed["ciphertext"], "context": "AAAA", "associated_data": "YQ=="});
                made.push((mount.to_owned(), key.clone(), open));
                app.post(&format!("{mount}/keys/{key}/rotate"), "").data();
            }
        }
    }
    made
}

fn check(app: &TestApp, made: &[(String, String, serde_json::Value)]) {
    for (mount, key, open) in made {
        let opened = app.post(&format!("{mount}/decrypt/{key}"), open).data();
        assert_eq!(opened["plaintext"], "aGVsbG8=", "{mount}/{key}");
        assert_eq!(
            app.get(&format!("{mount}/keys/{key}")).data()["latest_version"],
            4
        );
        let history = app.get(&format!("{mount}/keys/{key}/history")).data();
        assert_eq!(history["events"].as_array().unwrap().len(), 4);
    }
}

#[test]
fn every_key_is_readable_after_a_stop_and_after_a_kill() {
    let home = Home::new();
    let app = TestApp::dev(&home, &[]);
    let token = app.token.clone();
    let made = fill(&app);
    app.stop();
    let app = TestApp::dev(&home, &[]);
    check(&app, &made);
    app.kill();
    let app = TestApp::dev(&home, &[]);
    check(&app, &made);
    assert_eq!(app.token, token);
    assert_eq!(mode(&home.data()), 0o700);
    for file in fs::read_dir(home.data()).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn a_root_token_replaces_the_one_before_it() {
    let home = Home::new();
    let first = TestApp::dev(&home, &[]);
    let old = first.token.clone();
    first.stop();
    for token in ["chosen.one", "chosen-two"] {
        let app = TestApp::start(&mut home.dev(&["--root-token", token]), token);
        assert_eq!(app.get("sys/mounts").status, 200);
        assert_eq!(home.root_token(), token);
        assert_eq!(mode(&home.data().join("root-token")), 0o600);
        let before = app
            .anonymous("GET", "sys/mounts")
            .header("X-Vault-Token", &old);
        assert_eq!(before.send().status, 403);
    }
    let app = TestApp::dev(&home, &[]);
    assert_eq!(app.token, "chosen-two");
    assert_eq!(app.get("sys/mounts").status, 200);
}

#[test]
fn a_second_process_on_a_directory_is_refused_in_one_sentence_and_the_first_goes_on() {
    let home = Home::new();
    let app = TestApp::dev(&home, &[]);
    for _ in 0..2 {
        let (status, sentence) = refused(&mut home.dev(&[]));
        assert_eq!(status, 69);
        let expected = format!(
            "data directory {} is in use by another process",
            home.data().display()
        );
        assert!(sentence.contains(&expected), "{sentence}");
        assert_eq!(sentence.trim_end().lines().count(), 1, "{sentence}");
    }
    assert_eq!(app.create("still-here", "").status, 200);
}

#[test]
fn a_large_batch_in_flight_is_answered_whole_before_the_process_ends() {
    let home = Home::new();
    let app = TestApp::dev(&home, &[]);
    let key = app.ring(json!({}));
    let items = vec![json!({"plaintext": "aGVsbG8="}); 20_000];
    let body = json!({"batch_input": items}).to_string();
    let all_but_one = body.len() - 1;
    let request = app
        .request("POST", &format!("transit/encrypt/{key}"))
        .body(body);
    // All but the last byte is there, so that it is accepted and not done.
    let begun = request.begin(all_but_one);
    crate::eventually("the batch in flight", || app.awaits_a_body().then_some(()));
    // An idle connection is no request and holds nothing up.
    let _idle = Wire::connect(&app.address).unwrap();
    app.signal(Signal::TERM);
    crate::eventually("the end of serving others", || {
        let health = app.anonymous("GET", "sys/health");
        health.try_send().is_err().then_some(())
    });
    let answer = begun.finish();
    assert_eq!(answer.items().len(), 20_000);
    let mut app = app;
    assert_eq!(app.wait().code(), Some(0), "{}", app.log());
    let app = TestApp::dev(&home, &[]);
    let items = answer.items();
    for item in [&items[0], &items[19_999]] {
        assert_eq!(
            app.open(&key, item["ciphertext"].as_str().unwrap()),
            "aGVsbG8="
        );
    }
}
