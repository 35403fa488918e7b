//! How it starts, refuses to start, and stops.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::app::{TestApp, between};
use crate::set_up::{Home, Store, refused, sealring};
use crate::{eventually, pause};

fn printed(command: &mut Command) -> (Option<i32>, String, String) {
    let out = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (out.status.code(), text(out.stdout), text(out.stderr))
}

#[test]
fn the_terminal_shows_the_token_and_the_log_does_not() {
    let log = [("SEALRING_TELEMETRY__LOG_FILTER", "trace")];
    let app = TestApp::fresh(&log);
    let token = app.token.clone();
    assert!(token.starts_with("hvs.") && token.len() >= 28);
    assert!(app.greeting.contains(&format!("VAULT_TOKEN={token}")));
    assert_eq!(app.create("demo", "{}").status, 200);
    let log = app.stop();
    assert!(log.contains("ready"));
    assert!(!log.contains(&token));
}

#[test]
fn a_lost_root_token_file_gives_a_new_token() {
    let home = Home::new();
    let first = TestApp::dev(&home, &[]);
    let old = first.token.clone();
    first.stop();
    fs::remove_file(home.data().join("root-token")).unwrap();
    let second = TestApp::dev(&home, &[]);
    assert_ne!(second.token, old);
    assert_eq!(second.create("demo", "").status, 200);
}

#[test]
fn a_first_start_that_is_killed_anywhere_is_made_up_for() {
    for step in 0..12 {
        let home = Home::new();
        let mut command = home.dev(&[]);
        let mut cut = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        pause(Duration::from_millis(step * 6));
        cut.kill().unwrap();
        cut.wait().unwrap();
        let app = TestApp::dev(&home, &[]);
        assert_eq!(app.create("demo", "").status, 200, "step {step}");
        assert!(!home.data().join("first-start").exists());
        assert!(home.data().join("unlock-share").exists());
    }
}

#[test]
fn a_missing_file_is_asked_for_and_nothing_is_deleted() {
    let home = Home::new();
    TestApp::dev(&home, &[]).stop();
    let (data, aside) = (home.data(), home.path().join("aside"));
    for (lost, kept) in [("kek", "sealring.db"), ("sealring.db", "kek")] {
        fs::rename(data.join(lost), &aside).unwrap();
        let (status, sentence) = refused(&mut home.dev(&[]));
        assert_eq!(status, 78);
        assert!(
            sentence.contains(&format!("bring {lost} back")),
            "{sentence}"
        );
        assert!(data.join(kept).exists());
        fs::rename(&aside, data.join(lost)).unwrap();
    }
    TestApp::dev(&home, &[]);
}

#[test]
fn files_that_others_can_get_at_are_refused() {
    let home = Home::new();
    fs::create_dir(home.data()).unwrap();
    fs::set_permissions(home.data(), Permissions::from_mode(0o750)).unwrap();
    let (status, sentence) = refused(&mut home.dev(&[]));
    assert_eq!(status, 78);
    assert!(sentence.contains("has mode 0750"), "{sentence}");
    fs::set_permissions(home.data(), Permissions::from_mode(0o700)).unwrap();
    TestApp::dev(&home, &[]).stop();
    for file in ["kek", "root-token"] {
        let file = home.data().join(file);
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        let (status, sentence) = refused(&mut home.dev(&[]));
        assert_eq!(status, 78);
        assert!(sentence.contains("has mode 0640"), "{sentence}");
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn a_listener_that_cannot_be_had_is_named() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (address, status, expected) in [
        (taken.as_str(), 69, taken.as_str()),
        ("0.0.0.0:0", 78, "is not a loopback address"),
    ] {
        let mut command = sealring(&["dev", "--listen", address, "--data-dir"]);
        let (found, sentence) = refused(command.arg(home.data()));
        assert_eq!(found, status);
        assert!(sentence.contains(expected), "{sentence}");
    }
}

#[test]
fn usage_mistakes_have_a_status_of_their_own() {
    let home = Home::new();
    for words in [&["serve"][..], &["init"], &["server", "--no-such"], &[]] {
        assert_eq!(refused(&mut sealring(words)).0, 64, "{words:?}");
    }
    assert_eq!(printed(&mut sealring(&["--help"])).0, Some(0));
    assert_eq!(refused(&mut home.dev(&["--root-token", "a b"])).0, 64);
    let config = home.config(&Store::Sqlite, "");
    let mut init = config.command(&["init", "--shares", "2", "--threshold", "3"]);
    assert_eq!(refused(&mut init).0, 64);
}

#[test]
fn a_server_needs_init_once_and_only_once() {
    let home = Home::new();
    let config = home.config(&Store::Sqlite, "");
    assert_eq!(refused(&mut config.command(&["server"])).0, 78);
    let (status, handover, log) = printed(&mut config.command(&["init"]));
    assert_eq!(status, Some(0), "{log}");
    assert_eq!(handover.matches("unlock share ").count(), 5);
    let token = between(&handover, "root token: ", "\n");
    assert!(!log.contains(&token));
    let (status, sentence) = refused(&mut config.command(&["init"]));
    assert_eq!(status, 78);
    assert!(sentence.contains("already initialised"), "{sentence}");
    let app = config.serve(&token);
    assert_eq!(app.create("demo", "").status, 200);
    let seal = app.get("sys/seal-status").json();
    assert_eq!((&seal["t"], &seal["n"]), (&json!(3), &json!(5)));
}

#[test]
fn config_check_says_ok_or_names_every_mistake() {
    let home = Home::new();
    let config = home.config(&Store::Sqlite, "");
    let (_, said, _) = printed(&mut config.command(&["config", "check"]));
    assert!(said.ends_with("sealring.toml: ok\n"), "{said}");
    let mut command = config.command(&["config", "check"]);
    command
        .env("SEALRING_CACHE__IDLE", "soon")
        .env("SEALRING_LIMITS__WORKER_QUEUE", "0");
    let (status, mistakes) = refused(&mut command);
    assert_eq!(status, 78);
    for mistake in [
        "SEALRING_CACHE__IDLE: cache.idle: must be a duration",
        "limits.worker_queue",
    ] {
        assert!(mistakes.contains(mistake), "{mistakes}");
    }
}

#[test]
fn a_second_signal_ends_the_draining() {
    let app = TestApp::fresh(&[("SEALRING_SERVER__DRAIN_TIMEOUT", "10m")]);
    let stuck = app
        .request("POST", "transit/keys/stuck")
        .body("{}")
        .begin(1);
    eventually("the request in flight", || {
        app.awaits_a_body().then_some(())
    });
    app.signal(Signal::TERM);
    // Within a second it would be taken for the same request.
    pause(Duration::from_millis(1500));
    app.stop();
    drop(stuck);
}
