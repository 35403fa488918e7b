//! Single requests to encrypt, decrypt, rewrap and make data keys.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::{Answer, multi};

pub(super) const TYPES: [(&str, usize, &str); 5] = [
    ("aes128-gcm96", 12, "cipher"),
    ("aes256-gcm96", 12, "cipher"),
    ("aes256-gcm-siv", 12, "cipher"),
    ("chacha20-poly1305", 12, "chacha20poly1305"),
    ("xchacha20-poly1305", 24, "chacha20poly1305"),
];

pub(super) const NO_CONTEXT: &str = "missing 'context' for key derivation; the key was created using a derived key, \
                                     which means additional, per-request information must be included in order to \
                                     perform operations with the key";

fn refused(answer: &Answer, expected: &str) {
    assert_eq!(answer.refusal(), (400, expected.to_owned()));
}

#[test]
fn every_type_opens_what_it_sealed_and_nothing_else() {
    let app = TestApp::shared();
    for (kind, nonce, word) in TYPES {
        let key = app.ring(json!({"type": kind}));
        let sealed = app.encrypt(
            &key,
            json!({"plaintext": "aGVsbG8=", "associated_data": "YWQ="}),
        );
        assert_eq!(sealed.data()["key_version"], 1);
        let ciphertext = sealed.data()["ciphertext"].as_str().unwrap().to_owned();
        let payload = ciphertext.strip_prefix("vault:v1:").unwrap();
        assert_eq!(payload.len(), (nonce + 5 + 16).div_ceil(3) * 4, "{kind}");
        let open = |more: Value| {
            let mut body = json!({"ciphertext": ciphertext});
            body.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            app.decrypt(&key, body)
        };
        let opened = open(json!({"associated_data": "YWQ="})).data();
        assert_eq!(opened, json!({"plaintext": "aGVsbG8="}));
        let failed = format!("{word}: message authentication failed");
        refused(&open(json!({})), &failed);
        refused(&open(json!({"associated_data": "YWU="})), &failed);
        let other = app.ring(json!({"type": kind}));
        let elsewhere = app.decrypt(
            &other,
            json!({"ciphertext": ciphertext, "associated_data": "YWQ="}),
        );
        refused(&elsewhere, &failed);
    }
}

#[test]
fn an_empty_plaintext_is_a_plaintext() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    for plaintext in [json!(""), json!(null), json!("\n")] {
        let data = app.encrypt(&key, json!({"plaintext": plaintext})).data();
        let ciphertext = data["ciphertext"].as_str().unwrap();
        assert_eq!(ciphertext.len(), "vault:v1:".len() + 40);
        assert_eq!(app.open(&key, ciphertext), "");
    }
    for body in [
        "",
        "null",
        "{}",
        r#"{"batch_input":null}"#,
        r#"{"context":"AAAA"}"#,
    ] {
        refused(&app.encrypt(&key, body), "missing plaintext to encrypt");
    }
}

#[test]
fn megabytes_come_back_as_they_went() {
    let app = TestApp::shared();
    let key = app.ring(json!({"type": "aes256-gcm96"}));
    let plaintext = "aGVsbG8h".repeat(1 << 19);
    assert_eq!(app.open(&key, &app.seal(&key, &plaintext)), plaintext);
}

#[test]
fn two_ciphertexts_of_one_plaintext_differ_unless_the_key_is_convergent() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    assert_ne!(app.seal(&key, "aGVsbG8="), app.seal(&key, "aGVsbG8="));
    let key = app.ring(json!({"derived": true, "convergent_encryption": true}));
    let seal = |context: &str, data: &str| {
        let body = json!({"plaintext": "aGVsbG8=", "context": context, "associated_data": data});
        app.encrypt(&key, body).data()["ciphertext"].clone()
    };
    assert_eq!(seal("AAAA", ""), seal("AAAA", ""));
    assert_eq!(seal("AAAA", "YQ=="), seal("AAAA", "YQ=="));
    assert_ne!(seal("AAAA", ""), seal("AAAB", ""));
    assert_ne!(seal("AAAA", ""), seal("AAAA", "YQ=="));
}

#[test]
fn a_derived_key_needs_the_context_it_sealed_with() {
    let app = TestApp::shared();
    let key = app.ring(json!({"derived": true}));
    let body = json!({"plaintext": "aGVsbG8=", "context": "Y29udGV4dA=="});
    let ciphertext = app.encrypt(&key, body).data()["ciphertext"].clone();
    let open =
        |context: &str| app.decrypt(&key, json!({"ciphertext": ciphertext, "context": context}));
    assert_eq!(open("Y29udGV4dA==").data()["plaintext"], "aGVsbG8=");
    refused(&open("b3RoZXI="), "cipher: message authentication failed");
    refused(&open(""), NO_CONTEXT);
    refused(&app.encrypt(&key, json!({"plaintext": ""})), NO_CONTEXT);
    refused(
        &app.rewrap(&key, json!({"ciphertext": ciphertext})),
        NO_CONTEXT,
    );
    refused(&app.data_key("wrapped", &key, ""), NO_CONTEXT);
    let plain = app.ring(json!({}));
    let ignored = app
        .encrypt(&plain, json!({"plaintext": "aGVsbG8=", "context": "AAAA"}))
        .data();
    assert_eq!(
        app.open(&plain, ignored["ciphertext"].as_str().unwrap()),
        "aGVsbG8="
    );
}

#[test]
fn versions_are_chosen_within_the_limits_and_typed_weakly() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    for _ in 0..3 {
        app.rotate(&key, "").data();
    }
    let with = |version: Value| app.encrypt(&key, json!({"plaintext": "", "key_version": version}));
    for (asked, used) in [
        (json!(0), 4),
        (json!("0"), 4),
        (json!(""), 4),
        (json!(null), 4),
        (json!(1), 1),
        (json!("2"), 2),
        (json!("0x3"), 3),
        (json!(true), 1),
    ] {
        let data = with(asked.clone()).data();
        assert_eq!(data["key_version"], used, "{asked}");
        let prefix = format!("vault:v{used}:");
        assert!(data["ciphertext"].as_str().unwrap().starts_with(&prefix));
    }
    let above = "requested version for encryption is higher than the latest key version";
    refused(
        &with(json!(-1)),
        "requested version for encryption is negative",
    );
    refused(&with(json!(5)), above);
    refused(&with(json!(i64::MAX)), above);
    refused(
        &with(json!("one")),
        "error converting input for field \"key_version\"",
    );
    app.configure(&key, json!({"min_encryption_version": 3}))
        .data();
    let below = "requested version for encryption is less than the minimum encryption key version";
    refused(&with(json!(2)), below);
    app.configure(
        &key,
        json!({"min_encryption_version": 0, "min_decryption_version": 3}),
    )
    .data();
    refused(&with(json!(2)), "no such key version");
    assert_eq!(with(json!(3)).data()["key_version"], 3);
}

#[test]
fn bad_base64_is_told_where_it_breaks() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let derived = app.ring(json!({"derived": true}));
    let factory = |text: &str| {
        let text = format!("unable to get associated_data/additional_data from factory[0]: {text}");
        (500, multi(&text))
    };
    for (bad, offset) in [
        ("ab-d", 2),
        ("YWJ", 0),
        ("YWJjZA", 4),
        ("YWJjZA=", 7),
        ("YWJjZA==x", 8),
        ("=", 0),
        ("ab_d", 2),
    ] {
        let text = format!("illegal base64 data at input byte {offset}");
        refused(&app.encrypt(&key, json!({"plaintext": bad})), &text);
        refused(
            &app.encrypt(&derived, json!({"plaintext": "", "context": bad})),
            &text,
        );
        let body = json!({"plaintext": "", "associated_data": bad});
        assert_eq!(app.encrypt(&key, body).refusal(), factory(&text), "{bad}");
        let body = json!({"context": bad});
        refused(
            &app.data_key("wrapped", &derived, body),
            "failed to base64-decode context",
        );
    }
    assert_eq!(
        app.open(&key, &app.seal(&key, "aGVs\r\nbG8=\n")),
        "aGVsbG8="
    );
    let body = json!({"plaintext": "", "associated_data": "!"});
    app.create("never-sealed", "").data();
    assert_eq!(app.encrypt("never-sealed", body).status, 500);
}

#[test]
fn a_ciphertext_is_taken_apart_before_any_key_is_touched() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    app.rotate(&key, "").data();
    let number = "invalid ciphertext: version number could not be decoded";
    let payload = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";
    for (ciphertext, expected) in [
        ("", "missing ciphertext to decrypt"),
        ("hello", "invalid ciphertext: no prefix"),
        ("vault:", "invalid ciphertext: no prefix"),
        ("Vault:v1:AAAA", "invalid ciphertext: no prefix"),
        (" vault:v1:AAAA", "invalid ciphertext: no prefix"),
        ("vault:v", "invalid ciphertext: wrong number of fields"),
        ("vault:v1", "invalid ciphertext: wrong number of fields"),
        (
            "vault:v1;AAAA",
            "invalid ciphertext: wrong number of fields",
        ),
        ("vault:vx:AAAA", number),
        ("vault:v:AAAA", number),
        ("vault:v+1:AAAA", number),
        ("vault:v01:AAAA", number),
        ("vault:v0:AAAA", number),
        ("vault:v-1:AAAA", number),
        ("vault:v99999999999999999999:AAAA", number),
        ("vault:v3:", "invalid ciphertext: version is too new"),
        (
            "vault:v1:!!!!",
            "invalid ciphertext: could not decode base64",
        ),
        (
            "vault:v1:AAA",
            "invalid ciphertext: could not decode base64",
        ),
        (
            "vault:v1:AA==\n",
            "invalid ciphertext: could not decode base64",
        ),
        (
            "vault:v1:AAAA:AAAA",
            "invalid ciphertext: could not decode base64",
        ),
        ("vault:v1:", "invalid ciphertext length"),
        ("vault:v1:AAAA", "invalid ciphertext length"),
    ] {
        for answer in [
            app.decrypt(&key, json!({"ciphertext": ciphertext})),
            app.rewrap(&key, json!({"ciphertext": ciphertext})),
        ] {
            assert_eq!(
                answer.refusal(),
                (400, expected.to_owned()),
                "{ciphertext:?}"
            );
        }
    }
    let forged = json!({"ciphertext": format!("vault:v2:{payload}")});
    refused(
        &app.decrypt(&key, &forged),
        "cipher: message authentication failed",
    );
    for body in ["", "null", "{}", r#"{"ciphertext":null}"#] {
        refused(&app.decrypt(&key, body), "missing ciphertext to decrypt");
    }
}

#[test]
fn a_minimum_version_closes_old_ciphertexts_and_opens_them_again() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let old = app.seal(&key, "aGVsbG8=");
    app.rotate(&key, "").data();
    app.configure(&key, json!({"min_decryption_version": 2}))
        .data();
    let too_old = "ciphertext or signature version is disallowed by policy (too old)";
    refused(&app.decrypt(&key, json!({"ciphertext": old})), too_old);
    refused(&app.rewrap(&key, json!({"ciphertext": old})), too_old);
    let keys = app.read(&key).data()["keys"].clone();
    assert_eq!(keys.as_object().unwrap().keys().collect::<Vec<_>>(), ["2"]);
    app.configure(&key, json!({"min_decryption_version": 1}))
        .data();
    assert_eq!(app.open(&key, &old), "aGVsbG8=");
}

#[test]
fn a_rewrap_moves_to_the_latest_version_with_the_same_or_new_associated_data() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let body = json!({"plaintext": "aGVsbG8=", "associated_data": "YQ=="});
    let old = app.encrypt(&key, body).data()["ciphertext"].clone();
    app.rotate(&key, "").data();
    let failed = "cipher: message authentication failed";
    refused(&app.rewrap(&key, json!({"ciphertext": old})), failed);
    for (more, data) in [
        (json!({}), "YQ=="),
        (json!({"new_associated_data": "Yg=="}), "Yg=="),
        (json!({"new_associated_data": ""}), ""),
        (json!({"new_associated_data": null}), "YQ=="),
    ] {
        let mut body = json!({"ciphertext": old, "associated_data": "YQ=="});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let moved = app.rewrap(&key, &body).data();
        assert_eq!(moved["key_version"], 2, "{body}");
        let open = |data: &str| {
            let body = json!({"ciphertext": moved["ciphertext"], "associated_data": data});
            app.decrypt(&key, body)
        };
        assert_eq!(open(data).data()["plaintext"], "aGVsbG8=", "{body}");
        refused(&open("Yw=="), failed);
    }
    let again = json!({"ciphertext": app.seal(&key, "aGVsbG8="), "key_version": "1"});
    assert_eq!(app.rewrap(&key, &again).data()["key_version"], 1);
    let bad = json!({"ciphertext": old, "associated_data": "!"});
    assert_eq!(app.rewrap(&key, bad).status, 400);
}

#[test]
fn a_data_key_opens_to_the_key_it_showed() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    for (body, length) in [
        (json!({}), 44),
        (json!({"bits": 128}), 24),
        (json!({"bits": "256"}), 44),
        (json!({"bits": 512}), 88),
    ] {
        let made = app.data_key("plaintext", &key, &body).data();
        let plaintext = made["plaintext"].as_str().unwrap();
        assert_eq!(plaintext.len(), length, "{body}");
        assert_eq!(
            app.open(&key, made["ciphertext"].as_str().unwrap()),
            plaintext
        );
        let wrapped = app.data_key("wrapped", &key, &body).data();
        assert_eq!(wrapped["plaintext"], Value::Null);
        assert_eq!(
            app.open(&key, wrapped["ciphertext"].as_str().unwrap())
                .len(),
            length
        );
    }
    for bits in [json!(0), json!(1), json!(-128), json!(1024), json!(null)] {
        refused(
            &app.data_key("wrapped", &key, json!({"bits": bits})),
            "invalid bit length",
        );
    }
    let bound = app
        .data_key(
            "wrapped",
            &key,
            json!({"associated_data": "YQ==", "key_version": 1}),
        )
        .data();
    let body = json!({"ciphertext": bound["ciphertext"], "associated_data": "YQ=="});
    assert_eq!(app.decrypt(&key, body).status, 200);
    let above = "requested version for encryption is higher than the latest key version";
    refused(
        &app.data_key("wrapped", &key, json!({"key_version": 9})),
        above,
    );
}

#[test]
fn uses_are_counted_by_version_and_shown() {
    let app = TestApp::shared();
    let key = app.ring(json!({"type": "aes256-gcm96"}));
    app.seal(&key, "");
    app.rotate(&key, "").data();
    let items = vec![json!({"plaintext": ""}); 3000];
    app.encrypt(&key, json!({"batch_input": items})).data();
    let usage = app.read(&key).data()["usage"].clone();
    // Booked in blocks: never below the truth.
    assert!(usage["1"].as_u64().unwrap() >= 1, "{usage}");
    assert!(usage["2"].as_u64().unwrap() >= 3000, "{usage}");
}

#[test]
fn every_byte_field_works_at_every_short_length() {
    let app = TestApp::shared();
    for (kind, _, _) in TYPES {
        let plain = app.ring(json!({"type": kind}));
        let derived = app.ring(json!({"type": kind, "derived": true}));
        for length in 0..=64_usize {
            let bytes: String = base64(length);
            for (key, context) in [(&plain, String::new()), (&derived, base64(length.max(1)))] {
                let mut body =
                    json!({"plaintext": bytes, "associated_data": bytes, "context": context});
                let ciphertext = app.encrypt(key, &body).data()["ciphertext"].clone();
                body["ciphertext"] = ciphertext;
                let opened = app.decrypt(key, &body).data();
                assert_eq!(opened["plaintext"], bytes, "{kind} {length}");
            }
        }
    }
}

#[test]
fn ciphertexts_of_every_short_length_are_refused_without_harm() {
    let app = TestApp::shared();
    for (kind, nonce, word) in TYPES {
        let key = app.ring(json!({"type": kind}));
        for length in 0..=64_usize {
            let ciphertext = format!("vault:v1:{}", base64(length));
            let expected = if length < nonce {
                "invalid ciphertext length".to_owned()
            } else {
                format!("{word}: message authentication failed")
            };
            let answer = app.decrypt(&key, json!({"ciphertext": ciphertext}));
            assert_eq!(answer.refusal(), (400, expected), "{kind} {length}");
        }
    }
}

/// Base64 of this many zero bytes.
fn base64(length: usize) -> String {
    let whole = "AAAA".repeat(length / 3);
    let tail = match length % 3 {
        0 => "",
        1 => "AA==",
        _ => "AAA=",
    };
    whole + tail
}
