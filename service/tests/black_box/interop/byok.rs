//! Keys that openssl made and wrapped are imported and used.

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::openssl::{OpenSsl, PAIRS};
use crate::app::TestApp;
use crate::client::multi;
use crate::set_up::Home;

const MESSAGE: &str = "dGhlIHF1aWNrIGJyb3duIGZveA==";

/// What is not a pair, with the length of its keys.
const RAW: [(&str, usize); 6] = [
    ("aes128-gcm96", 16),
    ("aes256-gcm96", 32),
    ("aes256-gcm-siv", 32),
    ("chacha20-poly1305", 32),
    ("xchacha20-poly1305", 32),
    ("hmac", 48),
];

#[test]
fn the_wrapping_key_is_the_same_at_every_call_and_after_a_restart() {
    let home = Home::new();
    let app = TestApp::dev(&home, &[]);
    let read = |app: &TestApp| app.get("transit/wrapping_key").data()["public_key"].take();
    let key = read(&app);
    assert_eq!(read(&app), key);
    app.enable_mount("other", json!({"type": "transit"}));
    assert_ne!(app.get("other/wrapping_key").data()["public_key"], key);
    // It is not a ring among others.
    assert_eq!(app.list("transit", "").status, 404);
    app.stop();
    let app = TestApp::dev(&home, &[]);
    assert_eq!(read(&app), key);
}

#[test]
fn keys_of_every_cipher_are_imported_and_used() {
    let Some(openssl) = OpenSsl::found() else {
        return;
    };
    let app = TestApp::shared();
    for (key_type, length) in RAW {
        openssl.run(&["rand", "-out", "raw", &length.to_string()]);
        let ring = import(
            &app,
            &wrapped(&openssl, &app, "raw", "sha256"),
            key_type,
            "SHA256",
        );
        if key_type == "hmac" {
            let key = data_encoding::HEXLOWER.encode(&openssl.bytes("raw"));
            let mac = format!("hexkey:{key}");
            openssl.write("message", BASE64.decode(MESSAGE.as_bytes()).unwrap());
            let arguments = [
                "dgst", "-sha256", "-mac", "HMAC", "-macopt", &mac, "-binary",
            ];
            openssl.run(&[&arguments[..], &["-out", "mac", "message"]].concat());
            let made = app.post(&format!("transit/hmac/{ring}"), json!({"input": MESSAGE}));
            let expected = format!("vault:v1:{}", BASE64.encode(&openssl.bytes("mac")));
            assert_eq!(made.data()["hmac"], expected);
            assert_eq!(app.read(&ring).data()["key_size"], 48);
        } else {
            let ciphertext = app.seal(&ring, MESSAGE);
            assert_eq!(app.open(&ring, &ciphertext), MESSAGE, "{key_type}");
            let keys = app
                .get(&format!("transit/export/encryption-key/{ring}"))
                .data()["keys"]
                .take();
            assert_eq!(
                keys["1"],
                BASE64.encode(&openssl.bytes("raw")),
                "{key_type}"
            );
        }
    }
}

#[test]
fn pairs_of_every_kind_are_imported_and_used() {
    let Some(openssl) = OpenSsl::found() else {
        return;
    };
    let app = TestApp::shared();
    for (key_type, how) in PAIRS {
        let public = openssl.generate(how);
        let ring = import(
            &app,
            &wrapped(&openssl, &app, "key.der", "sha256"),
            key_type,
            "SHA256",
        );
        let shown = app
            .get(&format!("transit/export/public-key/{ring}?format=pem"))
            .data();
        let shown = shown["keys"]["1"].as_str().unwrap();
        assert_eq!(shown.trim_end(), public.trim_end(), "{key_type}");
        assert_eq!(
            signed_and_verified(&app, &ring, &ring),
            json!({"valid": true})
        );
        if key_type.starts_with("rsa") {
            assert_eq!(app.open(&ring, &app.seal(&ring, MESSAGE)), MESSAGE);
        }
    }
}

#[test]
fn a_public_key_is_imported_and_completed_by_its_private_half() {
    let Some(openssl) = OpenSsl::found() else {
        return;
    };
    let app = TestApp::shared();
    for (key_type, how) in PAIRS {
        let public = openssl.generate(how);
        let blob = wrapped(&openssl, &app, "key.der", "sha256");
        let whole = import(&app, &blob, key_type, "SHA256");
        let ring = format!("public-of-{whole}");
        let answer = app.post(
            &format!("transit/keys/{ring}/import"),
            json!({"public_key": public, "type": key_type}),
        );
        assert_eq!(answer.status, 204, "{key_type}: {}", answer.text());
        assert_eq!(
            signed_and_verified(&app, &whole, &ring),
            json!({"valid": true})
        );
        let refused = app.post(&format!("transit/sign/{ring}"), json!({"input": MESSAGE}));
        let text = "requested version for signing does not contain a private part";
        assert_eq!(refused.refusal(), (500, multi(text)), "{key_type}");
        let answer = app.post(
            &format!("transit/keys/{ring}/import_version"),
            json!({"ciphertext": blob}),
        );
        assert_eq!(answer.status, 204, "{key_type}: {}", answer.text());
        assert_eq!(app.latest(&ring), 1, "{key_type}");
        assert_eq!(
            signed_and_verified(&app, &ring, &whole),
            json!({"valid": true})
        );
    }
}

#[test]
fn each_hash_of_a_wrapped_key_is_the_one_that_is_named() {
    let Some(openssl) = OpenSsl::found() else {
        return;
    };
    let app = TestApp::shared();
    openssl.run(&["rand", "-out", "raw", "32"]);
    for (hash, name) in [
        ("sha1", "SHA1"),
        ("sha256", "sha256"),
        ("sha384", "Sha384"),
        ("sha512", "SHA512"),
    ] {
        let blob = wrapped(&openssl, &app, "raw", hash);
        let ring = import(&app, &blob, "aes256-gcm96", name);
        assert_eq!(app.open(&ring, &app.seal(&ring, MESSAGE)), MESSAGE);
        let other = if hash == "sha1" { "SHA256" } else { "SHA1" };
        let body = json!({"ciphertext": blob, "hash_function": other});
        let refused = app.post(&format!("transit/keys/not-{ring}/import"), body);
        let text = multi("crypto/rsa: decryption error");
        assert_eq!(refused.refusal(), (500, text), "{name}");
    }
}

#[test]
fn blobs_of_another_key_or_type_or_make_are_refused_and_nothing_is_created() {
    let Some(openssl) = OpenSsl::found() else {
        return;
    };
    let app = TestApp::shared();
    openssl.run(&["rand", "-out", "raw", "32"]);
    let good = wrapped(&openssl, &app, "raw", "sha256");
    let mut flipped = BASE64.decode(good.as_bytes()).unwrap();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    let short = BASE64.encode(&flipped[..512]);
    let flipped = BASE64.encode(&flipped);
    let size = |key_type: &str| {
        format!("error importing key: invalid key size 32 bytes for key type {key_type}")
    };
    openssl.generate(&["EC", "ec_paramgen_curve:P-256"]);
    let p256 = wrapped(&openssl, &app, "key.der", "sha256");
    for (body, expected) in [
        (
            json!({"ciphertext": good, "type": "aes128-gcm96"}),
            Some(size("aes128-gcm96")),
        ),
        (
            json!({"ciphertext": flipped}),
            Some("kwp: unwrap failed integrity check".into()),
        ),
        (
            json!({"ciphertext": short}),
            Some("provided ciphertext is too short".into()),
        ),
        (
            json!({"ciphertext": null}),
            Some("provided ciphertext is too short".into()),
        ),
        (json!({"ciphertext": p256, "type": "ecdsa-p384"}), None),
        (json!({"ciphertext": p256, "type": "ed25519"}), None),
        (json!({"ciphertext": p256, "type": "rsa-2048"}), None),
        (json!({"ciphertext": good, "type": "ecdsa-p256"}), None),
        (
            json!({"public_key": openssl.text("public.pem"), "type": "aes256-gcm96"}),
            Some("provided type does not support public_key import".into()),
        ),
        (
            json!({"public_key": openssl.text("public.pem"), "type": "ecdsa-p521"}),
            None,
        ),
        (json!({"public_key": "no key", "type": "ecdsa-p256"}), None),
    ] {
        let refused = app.post("transit/keys/never-imported/import", body.clone());
        let (status, text) = refused.refusal();
        assert_eq!(status, 500, "{body}");
        if let Some(expected) = expected {
            assert_eq!(text, multi(&expected), "{body}");
        }
        assert_eq!(app.read("never-imported").status, 404, "{body}");
    }
}

/// The key in a file, wrapped as users of openssl do it, for the wrapping key of the mount.
fn wrapped(openssl: &OpenSsl, app: &TestApp, file: &str, hash: &str) -> String {
    let key = app.get("transit/wrapping_key").data()["public_key"].take();
    openssl.write("wrapping.pem", key.as_str().unwrap());
    openssl.run(&["rand", "-out", "ephemeral", "32"]);
    let kek = data_encoding::HEXLOWER.encode(&openssl.bytes("ephemeral"));
    let wrap = [
        "enc",
        "-id-aes256-wrap-pad",
        "-e",
        "-K",
        &kek,
        "-iv",
        "A65959A6",
    ];
    openssl.run(&[&wrap[..], &["-in", file, "-out", "wrapped"]].concat());
    let options = [
        "rsa_padding_mode:oaep".to_owned(),
        format!("rsa_oaep_md:{hash}"),
        format!("rsa_mgf1_md:{hash}"),
    ];
    let mut encrypt = vec!["pkeyutl", "-encrypt", "-pubin", "-inkey", "wrapping.pem"];
    encrypt.extend(["-in", "ephemeral", "-out", "encrypted"]);
    for option in &options {
        encrypt.extend(["-pkeyopt", option]);
    }
    openssl.run(&encrypt);
    BASE64.encode(&[openssl.bytes("encrypted"), openssl.bytes("wrapped")].concat())
}

fn import(app: &TestApp, blob: &str, key_type: &str, hash: &str) -> String {
    let ring = format!("imported-{}", app.ring(json!({})));
    let body = json!({
        "ciphertext": blob,
        "exportable": true,
        "hash_function": hash,
        "type": key_type,
    });
    let answer = app.post(&format!("transit/keys/{ring}/import"), body);
    assert_eq!(answer.status, 204, "{key_type}: {}", answer.text());
    let data = app.read(&ring).data();
    assert_eq!(data["imported_key"], true);
    assert_eq!(data["type"], key_type);
    ring
}

fn signed_and_verified(app: &TestApp, with: &str, by: &str) -> Value {
    let made = app.post(&format!("transit/sign/{with}"), json!({"input": MESSAGE}));
    let signature = made.data()["signature"].take();
    let body = json!({"input": MESSAGE, "signature": signature});
    app.post(&format!("transit/verify/{by}"), body).data()
}
