//! Creating rings by encrypting with them, and the setting of a mount that allows it.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::thread;

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::{Answer, multi};
use crate::set_up::{Home, Store};

/// A new mount that allows it.
fn mount(app: &TestApp, path: &str) {
    let enabled = app.enable_mount(path, json!({"type": "transit"}));
    assert_eq!(enabled.status, 204, "{}", enabled.text());
    let config = format!("{path}/config/keys");
    assert_eq!(
        app.get(&config).data(),
        json!({"disable_upsert": true}),
        "nothing is created unasked"
    );
    let allowed = app.post(&config, json!({"disable_upsert": false}));
    assert_eq!(allowed.data(), json!({"disable_upsert": false}));
}

fn absent() -> (u16, String) {
    (400, "encryption key not found".to_owned())
}

#[test]
fn a_mount_creates_rings_by_encrypting_only_while_it_is_told_to() {
    let app = TestApp::shared();
    mount(&app, "upsert-setting");
    let encrypt = |key: &str| {
        app.post(
            &format!("upsert-setting/encrypt/{key}"),
            json!({"plaintext": ""}),
        )
    };
    assert_eq!(encrypt("a").data()["key_version"], 1);
    for off in [
        json!({"disable_upsert": true}),
        json!({"disable_upsert": "1"}),
    ] {
        let answer = app.post("upsert-setting/config/keys", off);
        assert_eq!(answer.data(), json!({"disable_upsert": true}));
        assert_eq!(encrypt("b").refusal(), absent());
        assert_eq!(encrypt("a").status, 200, "what is there encrypts");
    }
    // A write that does not name the field turns it off: that is the protocol's.
    let answer = app.post("upsert-setting/config/keys", "");
    assert_eq!(answer.data(), json!({"disable_upsert": false}));
    assert_eq!(encrypt("b").status, 200);
    let wrong = app.post(
        "upsert-setting/config/keys",
        json!({"disable_upsert": "no"}),
    );
    assert_eq!(wrong.status, 400);
    // Other settings of the mount are left alone, and leave it alone.
    app.tune_mount("upsert-setting", json!({"description": "x"}));
    assert_eq!(encrypt("c").status, 200);
    for other in ["decrypt", "rewrap"] {
        let body = json!({"ciphertext": "vault:v1:AAAA"});
        let answer = app.post(&format!("upsert-setting/{other}/d"), body);
        assert_eq!(answer.refusal(), absent(), "{other}");
    }
    let key = app.post("upsert-setting/datakey/wrapped/d", "");
    assert_eq!(key.refusal(), absent());
}

#[test]
fn the_new_ring_is_as_the_body_says() {
    let app = TestApp::shared();
    mount(&app, "upsert-kinds");
    for (key, body, kind, derived, convergent) in [
        (
            "plain",
            json!({"plaintext": ""}),
            "aes256-gcm-siv",
            false,
            Value::Null,
        ),
        (
            "typed",
            json!({"plaintext": "", "type": "chacha20-poly1305"}),
            "chacha20-poly1305",
            false,
            Value::Null,
        ),
        (
            "derived",
            json!({"plaintext": "", "context": "YQ=="}),
            "aes256-gcm-siv",
            true,
            json!(false),
        ),
        (
            "convergent",
            json!({"plaintext": "", "context": "YQ==", "convergent_encryption": true, "type": "aes128-gcm96"}),
            "aes128-gcm96",
            true,
            json!(true),
        ),
        (
            "batch",
            json!({"batch_input": [{"plaintext": "*", "context": "YQ=="}, {"plaintext": "", "context": "Yg=="}]}),
            "aes256-gcm-siv",
            true,
            json!(false),
        ),
    ] {
        let answer = app.post(&format!("upsert-kinds/encrypt/{key}"), &body);
        assert_eq!(
            answer.status,
            if key == "batch" { 400 } else { 200 },
            "{}",
            answer.text()
        );
        let data = app.get(&format!("upsert-kinds/keys/{key}")).data();
        assert_eq!(data["type"], kind, "{body}");
        assert_eq!(data["derived"], derived, "{body}");
        assert_eq!(data["convergent_encryption"], convergent, "{body}");
        assert_eq!(data["latest_version"], 1);
        // A ring that is there keeps its kind, whatever is said.
        let again = app.post(
            &format!("upsert-kinds/encrypt/{key}"),
            json!({"plaintext": "", "context": "YQ==", "type": "rsa-2048"}),
        );
        assert_eq!(again.status, 200, "{}", again.text());
    }
}

#[test]
fn nothing_is_created_by_what_cannot_be_encrypted() {
    let app = TestApp::shared();
    mount(&app, "upsert-refused");
    let key = |name: &str| app.get(&format!("upsert-refused/keys/{name}")).status;
    let unknown = "unknown key type";
    for (body, expected) in [
        (
            json!({"plaintext": "", "type": "ecdsa-p256"}),
            "key type not supported for this operation",
        ),
        (json!({"plaintext": "", "type": "rsa-4096"}), unknown),
        (json!({"plaintext": "", "type": "nonsense"}), unknown),
        (
            json!({"plaintext": "", "convergent_encryption": true}),
            "convergent encryption requires derivation to be enabled, so context is required",
        ),
        (json!({}), "missing plaintext to encrypt"),
        (json!({"batch_input": []}), "missing batch input to process"),
        (
            json!({"plaintext": "*"}),
            "illegal base64 data at input byte 0",
        ),
        (
            json!({"plaintext": "", "context": "*"}),
            "illegal base64 data at input byte 0",
        ),
        (
            json!({"plaintext": "", "key_version": 2}),
            "requested version for encryption is higher than the latest key version",
        ),
        (
            json!({"batch_input": [{"plaintext": "", "context": "YQ=="}, {"plaintext": ""}]}),
            "context should be set either in all the request blocks or in none",
        ),
    ] {
        let answer = app.post("upsert-refused/encrypt/x", &body);
        assert_eq!(answer.refusal(), (400, expected.to_owned()), "{body}");
    }
    let malformed = app.post("upsert-refused/encrypt/x", json!({"batch_input": [{}]}));
    assert_eq!(malformed.status, 500);
    let batch = json!({"batch_input": [{"plaintext": "*", "reference": "r"}, {"plaintext": "", "key_version": 7}]});
    let answer = app.post("upsert-refused/encrypt/x", batch);
    assert_eq!(answer.status, 400);
    let items = answer.items();
    assert_eq!(items.len(), 2);
    assert_eq!(items[0]["reference"], "r");
    assert!(
        items.iter().all(|item| item["error"].is_string()),
        "{items:?}"
    );
    assert_eq!(key("x"), 404);
}

#[test]
fn many_at_once_make_one_ring_and_all_of_them_can_be_opened() {
    let app = TestApp::shared();
    mount(&app, "upsert-race");
    for round in 0..5 {
        let path = format!("upsert-race/encrypt/r{round}");
        let threads: Vec<_> = (0..16)
            .map(|_| {
                let (app, path) = (Arc::clone(&app), path.clone());
                thread::spawn(move || app.post(&path, json!({"plaintext": "aGVsbG8="})))
            })
            .collect();
        let answers: Vec<Answer> = threads.into_iter().map(|it| it.join().unwrap()).collect();
        let ids: BTreeSet<_> = answers
            .iter()
            .map(|answer| answer.json()["request_id"].to_string())
            .collect();
        for answer in &answers {
            let body = json!({"ciphertext": answer.data()["ciphertext"]});
            let opened = app.post(&format!("upsert-race/decrypt/r{round}"), body);
            assert_eq!(opened.data()["plaintext"], "aGVsbG8=");
        }
        let history = app
            .get(&format!("upsert-race/keys/r{round}/history"))
            .data();
        let events = history["events"].as_array().unwrap();
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(
            (&events[0]["action"], &events[0]["actor"]),
            (&json!("create"), &json!("root"))
        );
        assert!(ids.contains(&events[0]["request_id"].to_string()));
    }
}

#[test]
fn only_who_may_create_does() {
    let app = TestApp::fresh(&[]);
    mount(&app, "upsert");
    let token = |capabilities: &[&str]| {
        let name = capabilities.join("-");
        let policy = json!({"path": {"upsert/encrypt/*": {"capabilities": capabilities}}});
        let body = json!({"policy": policy.to_string()});
        app.post(&format!("sys/policies/acl/{name}"), body);
        let body = json!({"policies": [name], "display_name": name});
        let made = app.post("auth/token/create", body).json();
        made["auth"]["client_token"].as_str().unwrap().to_owned()
    };
    let (create, update, both) = (
        token(&["create"]),
        token(&["update"]),
        token(&["create", "update"]),
    );
    let encrypt = |token: &str, key: &str| {
        let request = app.anonymous("POST", &format!("upsert/encrypt/{key}"));
        let request = request
            .header("X-Vault-Token", token)
            .header("X-Sealring-Reason", "why");
        request.body(json!({"plaintext": ""})).send()
    };
    let denied = (403, multi("permission denied"));
    assert_eq!(encrypt(&update, "a").refusal(), denied);
    assert_eq!(app.get("upsert/keys/a").status, 404);
    assert_eq!(encrypt(&create, "a").status, 200);
    assert_eq!(encrypt(&create, "a").refusal(), denied, "it is there now");
    assert_eq!(encrypt(&update, "a").status, 200);
    assert_eq!(encrypt(&both, "b").status, 200);
    assert_eq!(encrypt(&both, "b").status, 200);
    let event = app.get("upsert/keys/a/history").data()["events"][0].clone();
    assert_eq!(
        (&event["actor"], &event["reason"]),
        (&json!("token-create"), &json!("why"))
    );
}

#[test]
fn a_created_ring_is_on_record_before_and_after_and_encrypting_only_after() {
    let home = Home::new();
    let config = home.config(&Store::Sqlite, "");
    let app = config.serve(&config.init());
    mount(&app, "upsert");
    let wrapped = app
        .request("POST", "upsert/encrypt/a")
        .header("X-Vault-Wrap-TTL", "60")
        .body(json!({"plaintext": ""}))
        .send();
    assert!(
        wrapped.json()["wrap_info"]["token"].is_string(),
        "{}",
        wrapped.text()
    );
    app.post("upsert/encrypt/a", json!({"plaintext": ""}))
        .data();
    app.post("upsert/encrypt/b", json!({"plaintext": "*"}));
    app.stop();
    let log = fs::read_to_string(home.path().join("audit.log")).unwrap();
    let records = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let seen: Vec<_> = records
        .filter(|record| record["operation"] == "encrypt")
        .map(|record| format!("{} {}", record["kind"], record["key"]))
        .collect();
    let expected = ["intent a", "outcome a", "request a", "request b"];
    assert_eq!(seen.join(", ").replace('"', ""), expected.join(", "));
}
