//! Backups: who may have one, where it can be restored, and what becomes of a damaged one.

use data_encoding::BASE64;
use keyring::algorithm::KeyType;
use serde_json::{Value, json};

use super::recorded::Recorded;
use crate::app::TestApp;
use crate::client::multi;

/// The protocol's words for nonces that nobody makes any more.
const OLD: &str = "refusing to support decryption with old convergent encryption key";
const MESSAGE: &str = "dGhlIHF1aWNrIGJyb3duIGZveA==";

#[test]
fn a_backup_needs_both_permissions() {
    let app = TestApp::shared();
    for (body, expected) in [
        (json!({}), "exporting is disallowed on the policy"),
        (
            json!({"allow_plaintext_backup": true}),
            "exporting is disallowed on the policy",
        ),
        (
            json!({"exportable": true}),
            "plaintext backup is disallowed on the policy",
        ),
    ] {
        let ring = app.ring(body);
        let refused = app.get(&format!("transit/backup/{ring}"));
        assert_eq!(refused.refusal(), (500, multi(expected)));
        app.configure(
            &ring,
            json!({"exportable": true, "allow_plaintext_backup": true}),
        )
        .data();
        back_up(&app, &ring);
        assert_eq!(app.read(&ring).data()["backup_info"]["version"], 1);
    }
    let refused = app.get("transit/backup/no-such-ring");
    let text = multi("key \"no-such-ring\" not found");
    assert_eq!(refused.refusal(), (500, text));
}

#[test]
fn rings_of_every_type_are_restored_under_another_name_with_all_they_can_do() {
    let app = TestApp::shared();
    for key_type in KeyType::ALL {
        let key_size = (key_type == KeyType::Hmac).then_some(64);
        let ring = app.ring(json!({
            "type": key_type.name(),
            "parameter_set": key_type.parameter_set(),
            "key_size": key_size.unwrap_or(0),
            "exportable": true,
            "allow_plaintext_backup": true,
        }));
        let first = made_with(&app, &ring, key_type);
        app.rotate(&ring, "").data();
        let second = made_with(&app, &ring, key_type);
        let restored = format!("restored-{ring}");
        let answer = restore(
            &app,
            &format!("transit/restore/{restored}"),
            &back_up(&app, &ring),
            false,
        );
        assert_eq!(answer, (204, String::new()), "{key_type}");
        for (path, body, expected) in first.into_iter().chain(second) {
            let answer = app.post(&format!("transit/{path}/{restored}"), body);
            assert_eq!(answer.data(), expected, "{key_type} {path}");
        }
        let data = app.read(&restored).data();
        assert_eq!(data["restore_info"]["version"], 2, "{key_type}");
        assert_eq!(app.latest(&restored), 2, "{key_type}");
        app.rotate(&restored, "").data();
    }
}

#[test]
fn a_ring_is_replaced_only_if_that_is_forced() {
    let app = TestApp::shared();
    let ring = app.ring(json!({"exportable": true, "allow_plaintext_backup": true}));
    let before = app.seal(&ring, MESSAGE);
    let backup = back_up(&app, &ring);
    app.rotate(&ring, "").data();
    let after = app.seal(&ring, MESSAGE);
    let exists = multi(&format!("key \"{ring}\" already exists"));
    for path in [
        "transit/restore".to_owned(),
        format!("transit/restore/{ring}"),
    ] {
        assert_eq!(restore(&app, &path, &backup, false), (500, exists.clone()));
        assert_eq!(app.open(&ring, &after), MESSAGE);
    }
    let forced = restore(&app, "transit/restore", &backup, true);
    assert_eq!(forced, (204, String::new()));
    assert_eq!(app.latest(&ring), 1);
    assert_eq!(app.open(&ring, &before), MESSAGE);
    let refused = app.decrypt(&ring, json!({"ciphertext": after}));
    let text = "invalid ciphertext: version is too new";
    assert_eq!(refused.refusal(), (400, text.to_owned()));
}

#[test]
fn a_backup_keeps_its_name_on_another_mount() {
    let app = TestApp::fresh(&[]);
    let ring = app.ring(json!({"exportable": true, "allow_plaintext_backup": true}));
    let (backup, ciphertext) = (back_up(&app, &ring), app.seal(&ring, MESSAGE));
    app.enable_mount("other", json!({"type": "transit"}));
    assert_eq!(restore(&app, "other/restore", &backup, false).0, 204);
    let opened = app.post(
        &format!("other/decrypt/{ring}"),
        json!({"ciphertext": ciphertext}),
    );
    assert_eq!(opened.data()["plaintext"], MESSAGE);
    // And takes the place of the ring it was made of.
    app.configure(&ring, json!({"deletion_allowed": true}))
        .data();
    assert_eq!(app.delete(&ring).status, 204);
    assert_eq!(restore(&app, "transit/restore", &backup, false).0, 204);
    assert_eq!(app.open(&ring, &ciphertext), MESSAGE);
}

#[test]
fn what_is_no_backup_is_refused_and_nothing_is_created() {
    let app = TestApp::shared();
    let text = "'backup' must be supplied".to_owned();
    for body in [json!({}), json!({"backup": ""}), json!({"backup": null})] {
        let refused = app.post("transit/restore/never-restored", body);
        assert_eq!(refused.refusal(), (400, text.clone()));
    }
    let whole = Recorded::all()["aes256-rotated"].backup().to_owned();
    let encoded = |text: &str| BASE64.encode(text.as_bytes());
    for backup in [
        "not base64".to_owned(),
        "AAAA".to_owned(),
        encoded("{}"),
        encoded("null"),
        encoded("{\"policy\":null,\"archived_keys\":null}"),
        encoded(&"[".repeat(100_000)),
        whole[..whole.len() / 2].to_owned(),
        whole[4..].to_owned(),
        format!("{whole}{whole}"),
    ] {
        refused_as_documented(&app, &backup);
    }
}

#[test]
fn edited_backups_are_refused_and_nothing_is_created() {
    type Edit = fn(&mut Value);
    let edits: [(&str, Edit); 15] = [
        ("no latest version", |ring| {
            ring["policy"]["latest_version"] = 0.into();
        }),
        ("a latest version that is not there", |ring| {
            ring["policy"]["latest_version"] = 3.into();
        }),
        ("a version beyond all numbers", |ring| {
            ring["policy"]["latest_version"] = u64::MAX.into();
        }),
        ("a minimum above the latest", |ring| {
            ring["policy"]["min_decryption_version"] = 3.into();
        }),
        ("a negative minimum", |ring| {
            ring["policy"]["min_decryption_version"] = (-1).into();
        }),
        ("an unknown type", |ring| ring["policy"]["type"] = 99.into()),
        ("a type whose keys are elsewhere", |ring| {
            ring["policy"]["type"] = 10_000.into();
        }),
        ("a type with other keys", |ring| {
            ring["policy"]["type"] = 8.into();
        }),
        ("a pair's type", |ring| ring["policy"]["type"] = 1.into()),
        ("an unknown derivation", |ring| {
            ring["policy"]["derived"] = true.into();
            ring["policy"]["kdf"] = 7.into();
        }),
        ("convergence without derivation", |ring| {
            ring["policy"]["convergent_encryption"] = true.into();
        }),
        ("old convergence", |ring| {
            ring["policy"]["derived"] = true.into();
            ring["policy"]["kdf"] = 1.into();
            ring["policy"]["convergent_encryption"] = true.into();
            ring["policy"]["keys"]["1"]["convergent_version"] = 2.into();
            ring["archived_keys"]["keys"][1]["convergent_version"] = 2.into();
        }),
        ("a short key", |ring| {
            ring["policy"]["keys"]["2"]["key"] = "AAAA".into();
            ring["archived_keys"]["keys"][2]["key"] = "AAAA".into();
        }),
        ("no keys", |ring| {
            ring["policy"]["keys"] = json!({});
            ring["archived_keys"]["keys"] = json!([]);
        }),
        ("a text for a number", |ring| {
            ring["policy"]["type"] = "0".into();
        }),
    ];
    let app = TestApp::shared();
    let whole = Recorded::all()["aes256-rotated"].backup().to_owned();
    for (what, edit) in edits {
        let mut document = document(&whole);
        edit(&mut document);
        let text = refused_as_documented(&app, &BASE64.encode(document.to_string().as_bytes()));
        assert!(!text.is_empty(), "{what}");
    }
    let mut renamed = document(&whole);
    renamed["policy"]["name"] = "a/path".into();
    let backup = BASE64.encode(renamed.to_string().as_bytes());
    let refused = restore(&app, "transit/restore", &backup, false);
    assert_eq!(refused, (500, multi("key names cannot be paths")));
}

#[test]
fn an_hmac_key_by_vaults_number_is_not_taken_for_a_cipher() {
    let app = TestApp::shared();
    let mut vaults = document(Recorded::all()["hmac-rotated"].backup());
    vaults["policy"]["type"] = 11.into();
    let backup = BASE64.encode(vaults.to_string().as_bytes());
    let refused = restore(&app, "transit/restore/never-restored", &backup, false);
    let text = "key_size is not valid for algorithm xchacha20-poly1305";
    assert_eq!(refused, (400, text.to_owned()));
    assert_eq!(app.read("never-restored").status, 404);
}

#[test]
fn every_damaged_backup_is_refused_or_a_ring_that_works() {
    let app = TestApp::shared();
    let (mut refused, mut taken) = (0, 0);
    for name in ["aes256-rotated", "ecdsa-p256", "rsa-2048"] {
        let whole = Recorded::all()[name].backup().to_owned();
        let step = whole.len() / 60;
        for place in (0..whole.len()).step_by(step) {
            let mut damaged = whole.clone().into_bytes();
            damaged[place] = if damaged[place] == b'A' { b'B' } else { b'A' };
            let damaged = String::from_utf8(damaged).unwrap();
            let ring = format!("damaged-{name}-{place}");
            match restore(&app, &format!("transit/restore/{ring}"), &damaged, false) {
                // A bit of a symmetric key, of a name or of a date: nobody can tell.
                (204, _) => {
                    let made = app.post(&format!("transit/hmac/{ring}"), json!({"input": MESSAGE}));
                    made.data();
                    taken += 1;
                }
                (status, text) => {
                    assert_documented(status, &text);
                    assert_eq!(app.read(&ring).status, 404, "{ring}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 100 && taken > 0, "{refused} {taken}");
}

fn refused_as_documented(app: &TestApp, backup: &str) -> String {
    let (status, text) = restore(app, "transit/restore/never-restored", backup, false);
    assert_documented(status, &text);
    assert_eq!(app.read("never-restored").status, 404, "{text}");
    text
}

/// The protocol answers these with 500; an error of the service's own would be without the bullet. What no ring can be is
/// refused as when it is created.
fn assert_documented(status: u16, text: &str) {
    if text == "convergent encryption requires derivation to be enabled" || text.starts_with(OLD) {
        assert_eq!(status, 400);
        return;
    }
    assert_eq!(status, 500, "{text}");
    assert!(text.starts_with("1 error occurred:\n\t* "), "{text}");
}

fn restore(app: &TestApp, path: &str, backup: &str, force: bool) -> (u16, String) {
    let answer = app.post(path, json!({"backup": backup, "force": force}));
    match answer.status {
        204 => (204, answer.text().to_owned()),
        _ => answer.refusal(),
    }
}

fn back_up(app: &TestApp, ring: &str) -> String {
    let backup = app.get(&format!("transit/backup/{ring}")).data()["backup"].take();
    backup.as_str().unwrap().to_owned()
}

fn document(backup: &str) -> Value {
    serde_json::from_slice(&BASE64.decode(backup.as_bytes()).unwrap()).unwrap()
}

/// Requests with what the latest version makes, and what must come back.
fn made_with(app: &TestApp, ring: &str, key_type: KeyType) -> Vec<(&'static str, Value, Value)> {
    let mac = app.post(&format!("transit/hmac/{ring}"), json!({"input": MESSAGE}));
    let body = json!({"input": MESSAGE, "hmac": mac.data()["hmac"]});
    let valid = json!({"valid": true});
    let mut made = vec![("verify", body, valid.clone())];
    if key_type.encrypts() {
        let body = json!({"ciphertext": app.seal(ring, MESSAGE)});
        made.push(("decrypt", body, json!({"plaintext": MESSAGE})));
    }
    if key_type.signs() {
        let signed = app.post(&format!("transit/sign/{ring}"), json!({"input": MESSAGE}));
        let body = json!({"input": MESSAGE, "signature": signed.data()["signature"]});
        made.push(("verify", body, valid));
    }
    made
}
