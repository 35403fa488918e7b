//! A key-encryption key in a PKCS#11 token: `SoftHSM`, loaded by the service as by no test before.

use std::fs;
use std::process::Command;
use std::thread;

use keyring::test_support::postgres::PostgresServer;
use keyring::test_support::softhsm::SoftHsm;
use serde_json::json;

use crate::app::TestApp;
use crate::client::Answer;
use crate::set_up::{ConfigFile, Home, Store, init, refused};
use crate::{eventually, of_full};

const PIN: &str = "pin-of-a-test";
const TOKEN: &str = "sealring-test";
const KEY_ID: &str = "5ea1";

struct Hsm {
    softhsm: SoftHsm,
    home: Home,
}

impl Hsm {
    fn start() -> Option<Self> {
        let softhsm = SoftHsm::start()?;
        softhsm.init_token(TOKEN, PIN);
        Some(Self {
            softhsm,
            home: Home::new(),
        })
    }

    fn config(&self, token: &str, pin: &str, key_id: &str) -> ConfigFile {
        self.config_on(&Store::Sqlite, token, pin, key_id)
    }

    fn config_on(&self, store: &Store, token: &str, pin: &str, key_id: &str) -> ConfigFile {
        let kek = format!(
            "kind = \"pkcs11\"\nmodule = \"{}\"\ntoken_label = \"{token}\"\npin = \"{pin}\"\nkey_id = \"{key_id}\"\n\
             key_label = \"sealring\"\nstate_dir = \"{}/state\"",
            self.softhsm.module().display(),
            self.home.path().display()
        );
        self.home.config_with_kek(store, &kek, "")
    }

    fn command(&self, config: &ConfigFile, word: &str) -> Command {
        let mut command = config.command(&[word]);
        command.env(SoftHsm::CONF_VARIABLE, self.softhsm.configuration());
        command
    }

    /// Initialises store and token, and gives the root token.
    fn init(&self) -> String {
        init(&mut self.command(&self.config(TOKEN, PIN, KEY_ID), "init"))
    }

    fn serve(&self, token: &str) -> TestApp {
        let config = self.config(TOKEN, PIN, KEY_ID);
        TestApp::start(&mut self.command(&config, "server"), token)
    }

    /// What the server says when it refuses to start, besides its log.
    fn refusal(&self, config: &ConfigFile) -> String {
        let (status, said) = refused(&mut self.command(config, "server"));
        assert_eq!(status, 78, "{said}");
        let mut sentences = said.lines().filter(|line| !line.starts_with('{'));
        let sentence = sentences.next().unwrap().to_owned();
        assert_eq!(sentences.next(), None, "{said}");
        assert!(!said.contains("wrong-pin") && !said.contains(PIN), "{said}");
        sentence
    }
}

#[test]
fn a_service_on_a_token_serves_and_finds_its_keys_again() {
    let Some(hsm) = Hsm::start() else {
        return;
    };
    let token = hsm.init();
    let app = hsm.serve(&token);
    let key = app.ring(json!({}));
    let old = app.seal(&key, "aGVsbG8=");
    app.rotate(&key, "").data();
    let new = app.seal(&key, "aGVsbG8=");
    app.kill();
    let app = hsm.serve(&token);
    assert_eq!(app.open(&key, &old), "aGVsbG8=");
    assert_eq!(app.open(&key, &new), "aGVsbG8=");
    assert!(
        !hsm.home.path().join("kek").exists(),
        "no key lies in a file"
    );
    app.stop();
    let again = refused(&mut hsm.command(&hsm.config(TOKEN, PIN, KEY_ID), "init"));
    assert_eq!(again.0, 78);
    assert!(again.1.contains("already initialised"), "{}", again.1);
}

#[test]
fn nodes_that_start_at_once_on_one_token_all_start_whether_or_not_they_share_their_state() {
    let (Some(server), Some(hsm)) = (PostgresServer::shared(), Hsm::start()) else {
        return;
    };
    let store = Store::Postgres(server.new_database());
    let config = hsm.config_on(&store, TOKEN, PIN, KEY_ID);
    let token = init(&mut hsm.command(&config, "init"));
    let start = |node: u32| {
        let mut command = hsm.command(&config, "server");
        let own = |name: &str| hsm.home.path().join(format!("{name}-{node}"));
        command.env("SEALRING_AUDIT__FILE__PATH", own("audit"));
        if node < 2 {
            command.env("SEALRING_KEK__STATE_DIR", own("state"));
        }
        TestApp::start(&mut command, &token)
    };
    for _ in 0..of_full(40) {
        let nodes: Vec<TestApp> = thread::scope(|scope| {
            let starts = [0, 1, 2, 3].map(|node| scope.spawn(move || start(node)));
            starts.map(|start| start.join().unwrap()).into()
        });
        for node in nodes {
            node.stop();
        }
    }
}

#[test]
fn a_wrong_pin_is_tried_once_and_named() {
    let Some(hsm) = Hsm::start() else {
        return;
    };
    let token = hsm.init();
    let wrong = hsm.config(TOKEN, "wrong-pin", KEY_ID);
    let first = hsm.refusal(&wrong);
    assert!(
        first.contains("refused the PIN; it will not be tried again"),
        "{first}"
    );
    for _ in 0..3 {
        let again = hsm.refusal(&wrong);
        assert!(
            again.contains("refused this PIN before, so it was not tried again"),
            "{again}"
        );
    }
    let app = hsm.serve(&token);
    assert_eq!(app.create("works", "").status, 200);
}

#[test]
fn a_missing_token_and_a_missing_key_are_named_and_nothing_is_made() {
    let Some(hsm) = Hsm::start() else {
        return;
    };
    hsm.init();
    let sentence = hsm.refusal(&hsm.config("no-such-token", PIN, KEY_ID));
    assert!(
        sentence.contains("no-such-token") && sentence.contains("is present"),
        "{sentence}"
    );
    for _ in 0..2 {
        let sentence = hsm.refusal(&hsm.config(TOKEN, PIN, "5ea2"));
        assert!(
            sentence.contains("holds no secret key with CKA_ID 5ea2"),
            "{sentence}"
        );
    }
    let absent = hsm.softhsm.path().join("tokens-aside");
    fs::rename(hsm.softhsm.token_directory(), &absent).unwrap();
    let sentence = hsm.refusal(&hsm.config(TOKEN, PIN, KEY_ID));
    assert!(
        sentence.contains("PKCS#11") || sentence.contains(TOKEN),
        "{sentence}"
    );
    let nowhere = hsm.config(TOKEN, PIN, KEY_ID);
    let mut command = hsm.command(&nowhere, "server");
    let (status, sentence) = refused(command.env("SEALRING_KEK__MODULE", "/nonexistent/pkcs11.so"));
    assert_eq!(status, 78);
    assert!(sentence.contains("/nonexistent/pkcs11.so"), "{sentence}");
}

#[test]
fn a_key_that_can_leave_the_token_is_not_used() {
    let Some(hsm) = Hsm::start() else {
        return;
    };
    hsm.init();
    let file = hsm.home.path().join("foreign-key");
    fs::write(&file, [7; 32]).unwrap();
    let imported = Command::new("softhsm2-util")
        .env(SoftHsm::CONF_VARIABLE, hsm.softhsm.configuration())
        .arg("--import")
        .arg(&file)
        .args([
            "--aes", "--token", TOKEN, "--label", "foreign", "--id", "5EA3", "--pin", PIN,
        ])
        .output()
        .unwrap();
    assert!(
        imported.status.success(),
        "{}",
        String::from_utf8_lossy(&imported.stderr)
    );
    let sentence = hsm.refusal(&hsm.config(TOKEN, PIN, "5ea3"));
    assert!(
        sentence.contains("the KEK in the token is not safe to use"),
        "{sentence}"
    );
}

fn unavailable(answer: &Answer) {
    let expected = "the key-encryption key is unavailable; nothing was changed; try again";
    assert_eq!(answer.refusal(), (503, expected.to_owned()));
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[test]
fn warm_traffic_does_not_notice_that_the_token_is_gone() {
    let Some(hsm) = Hsm::start() else {
        return;
    };
    let token = hsm.init();
    let app = hsm.serve(&token);
    let (warm, cold) = (app.ring(json!({})), app.ring(json!({})));
    app.seal(&cold, "");
    app.stop();
    let app = hsm.serve(&token);
    let ciphertext = app.seal(&warm, "aGVsbG8=");
    let aside = hsm.softhsm.path().join("tokens-aside");
    fs::rename(hsm.softhsm.token_directory(), &aside).unwrap();
    for _ in 0..5 {
        unavailable(&app.encrypt(&cold, json!({"plaintext": ""})));
        unavailable(&app.rotate(&warm, ""));
        unavailable(&app.create("new", ""));
        assert_eq!(app.open(&warm, &app.seal(&warm, "aGVsbG8=")), "aGVsbG8=");
        assert_eq!(app.open(&warm, &ciphertext), "aGVsbG8=");
    }
    app.configure(&warm, json!({"deletion_allowed": true}))
        .data();
    assert_eq!(app.read("new").status, 404);
    assert_eq!(app.latest(&warm), 1);
    fs::rename(&aside, hsm.softhsm.token_directory()).unwrap();
    eventually("the token back", || {
        (app.encrypt(&cold, json!({"plaintext": ""})).status == 200).then_some(())
    });
    eventually("rotation again", || {
        (app.rotate(&warm, "").status == 200).then_some(())
    });
    assert_eq!(app.open(&warm, &ciphertext), "aGVsbG8=");
    assert_eq!(app.create("new", "").status, 200);
}
