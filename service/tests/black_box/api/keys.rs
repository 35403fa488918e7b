//! The life of keys: create, read, list, configure, rotate, trim, delete.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::multi;

const TYPES: [&str; 5] = [
    "aes128-gcm96",
    "aes256-gcm96",
    "aes256-gcm-siv",
    "chacha20-poly1305",
    "xchacha20-poly1305",
];

#[test]
fn a_created_key_shows_every_field_clients_read() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let mut data = app.read(&key).data();
    let made = data["keys"]["1"].as_i64().unwrap();
    assert!((1_700_000_000..5_000_000_000).contains(&made), "{made}");
    data["keys"]["1"].take();
    let expected = json!({
        "allow_plaintext_backup": false, "auto_rotate_period": 0, "deletion_allowed": false, "derived": false,
        "exportable": false, "imported_key": false, "keys": {"1": null}, "latest_version": 1,
        "min_available_version": 0, "min_decryption_version": 1, "min_encryption_version": 0, "name": key,
        "soft_deleted": false, "supports_decryption": true, "supports_derivation": true,
        "supports_encryption": true, "supports_signing": false, "type": "aes256-gcm-siv", "usage": {},
    });
    assert_eq!(data, expected);
}

#[test]
fn a_key_has_the_type_and_the_flags_it_was_created_with() {
    let app = TestApp::shared();
    for kind in TYPES {
        let body = json!({
            "type": kind, "derived": true, "convergent_encryption": "true", "exportable": 1,
            "allow_plaintext_backup": "T", "auto_rotate_period": "1h30m", "context": "AAAA", "key_size": 0,
        });
        let key = app.ring(body);
        let data = app.read(&key).data();
        for (field, expected) in [
            ("type", json!(kind)),
            ("derived", json!(true)),
            ("convergent_encryption", json!(true)),
            ("convergent_encryption_version", json!(-1)),
            ("kdf", json!("hkdf_sha256")),
            ("exportable", json!(true)),
            ("allow_plaintext_backup", json!(true)),
            ("auto_rotate_period", json!(5400)),
        ] {
            assert_eq!(data[field], expected, "{field} of {kind}");
        }
    }
}

#[test]
fn creating_a_key_again_answers_the_same_and_changes_nothing() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let before = app.read(&key).data();
    let again = app.create(&key, json!({"type": "aes128-gcm96", "derived": true}));
    assert_eq!(again.data(), before);
    assert_eq!(again.json()["warnings"], Value::Null);
    assert_eq!(app.read(&key).data(), before);
    assert_eq!(app.events(&key).len(), 1);
}

#[test]
fn what_cannot_be_created_is_refused_with_its_reason_and_not_created() {
    let app = TestApp::shared();
    let too_short = "auto rotate period must be 0 to disable or at least an hour";
    let not_offered = "this key type is not offered here; see the documentation for those that are";
    let not_converted = |field: &str| {
        format!("Field validation failed: error converting input for field \"{field}\"")
    };
    let negative = not_converted("auto_rotate_period") + ": cannot provide negative value";
    for (body, expected) in [
        (json!({"type": "slh-dsa"}), not_offered.to_owned()),
        (json!({"type": "aes256-gcm"}), "unknown key type".to_owned()),
        (
            json!({"convergent_encryption": true}),
            "convergent encryption requires derivation to be enabled".to_owned(),
        ),
        (json!({"auto_rotate_period": 3599}), too_short.to_owned()),
        (json!({"auto_rotate_period": "59m"}), too_short.to_owned()),
        (json!({"auto_rotate_period": -1}), negative.clone()),
        (json!({"auto_rotate_period": "-1h"}), negative),
        (
            json!({"auto_rotate_period": "soon"}),
            not_converted("auto_rotate_period"),
        ),
        (json!({"derived": "yes"}), not_converted("derived")),
        (json!({"exportable": []}), not_converted("exportable")),
        (
            json!({"key_size": 32}),
            "key_size is not valid for algorithm aes256-gcm-siv".to_owned(),
        ),
    ] {
        let answer = app.create("never-created", &body);
        assert_eq!(answer.refusal(), (400, expected), "{body}");
        assert_eq!(app.read("never-created").refusal(), (404, String::new()));
    }
}

#[test]
fn a_missing_key_is_answered_as_each_endpoint_has_it() {
    let app = TestApp::shared();
    let no_key = "encryption key not found";
    let ciphertext = json!({"ciphertext": "vault:v1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="});
    for (answer, expected) in [
        (app.read("nobody"), (404, "")),
        (app.history("nobody", ""), (404, "")),
        (
            app.delete("nobody"),
            (
                400,
                "error deleting policy nobody: could not delete key; not found",
            ),
        ),
        (
            app.configure("nobody", json!({"deletion_allowed": true})),
            (400, "no existing key named nobody could be found"),
        ),
        (app.rotate("nobody", ""), (400, "key not found")),
        (
            app.trim("nobody", json!({"min_available_version": 1})),
            (400, "invalid key name"),
        ),
        (
            app.encrypt("nobody", json!({"plaintext": ""})),
            (400, no_key),
        ),
        (
            app.encrypt("nobody", json!({"plaintext": "", "type": "aes256-gcm96"})),
            (400, no_key),
        ),
        (
            app.encrypt("nobody", json!({"batch_input": [{"plaintext": ""}]})),
            (400, no_key),
        ),
        (app.decrypt("nobody", &ciphertext), (400, no_key)),
        (app.rewrap("nobody", &ciphertext), (400, no_key)),
        (app.data_key("plaintext", "nobody", ""), (400, no_key)),
        (app.data_key("wrapped", "nobody", ""), (400, no_key)),
    ] {
        assert_eq!(answer.refusal(), (expected.0, expected.1.to_owned()));
    }
    assert_eq!(app.read("nobody").status, 404);
}

#[test]
fn keys_are_listed_in_order_and_page_by_page() {
    let app = TestApp::shared();
    app.enable_mount("listed", json!({"type": "transit"}));
    assert_eq!(app.list("listed", "").refusal(), (404, String::new()));
    let mut names = ["b", "a", "A", "a-1", "a.1", "_", "Z9"];
    for name in names {
        app.post(&format!("listed/keys/{name}"), "").data();
    }
    names.sort_unstable();
    let all = json!({"keys": names});
    for answer in [
        app.list("listed", ""),
        app.list("listed", "/"),
        app.get("listed/keys?list=true"),
        app.get("listed/keys/?list=True"),
        app.get("listed/keys?list=1"),
        app.list("listed", "?limit=0"),
        app.list("listed", "?limit=-1"),
        app.list("listed", "?limit=100&after="),
    ] {
        assert_eq!(answer.data(), all);
    }
    let mut after = String::new();
    for expected in names.chunks(3) {
        let page = app.list("listed", &format!("?limit=3&after={after}"));
        assert_eq!(page.data(), json!({"keys": expected}));
        after = (*expected.last().unwrap()).to_owned();
    }
    let beyond = app.list("listed", "?after=zzz");
    assert_eq!(beyond.refusal(), (404, String::new()));
    let between = app.list("listed", "?after=a-0&limit=1");
    assert_eq!(between.data(), json!({"keys": ["a-1"]}));
    for (query, status) in [("?list=x", 400), ("", 405), ("?list=false", 405)] {
        assert_eq!(
            app.get(&format!("listed/keys{query}")).status,
            status,
            "{query}"
        );
    }
    assert_eq!(app.list("listed", "?limit=x").status, 400);
}

#[test]
fn only_a_key_that_may_be_deleted_is_and_its_history_stays() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let ciphertext = app.seal(&key, "aGVsbG8=");
    let refused = format!("error deleting policy {key}: deletion is not allowed for this key");
    assert_eq!(app.delete(&key).refusal(), (400, refused.clone()));
    app.configure(&key, json!({"deletion_allowed": true}))
        .data();
    app.configure(&key, json!({"deletion_allowed": false}))
        .data();
    assert_eq!(app.delete(&key).refusal(), (400, refused));
    app.configure(&key, json!({"deletion_allowed": true}))
        .data();
    let gone = app.delete(&key);
    assert_eq!((gone.status, gone.text()), (204, ""));
    assert_eq!(app.read(&key).refusal(), (404, String::new()));
    let actions: Vec<_> = app
        .events(&key)
        .iter()
        .map(|event| event["action"].clone())
        .collect();
    assert_eq!(
        actions,
        ["create", "configure", "configure", "configure", "delete"]
    );
    app.create(&key, "").data();
    let other = app.decrypt(&key, json!({"ciphertext": ciphertext}));
    let expected = "cipher: message authentication failed".to_owned();
    assert_eq!(other.refusal(), (400, expected));
}

#[test]
fn a_configuration_obeys_every_rule_and_changes_nothing_when_it_breaks_one() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    for _ in 0..3 {
        app.rotate(&key, "").data();
    }
    app.configure(
        &key,
        json!({"min_decryption_version": 2, "min_encryption_version": 3}),
    )
    .data();
    let before = app.read(&key).data();
    for (body, expected) in [
        (
            json!({"min_decryption_version": -1}),
            "min decryption version cannot be negative",
        ),
        (
            json!({"min_decryption_version": 5}),
            "cannot set min decryption version of 5, latest key version is 4",
        ),
        (
            json!({"min_encryption_version": -1}),
            "min encryption version cannot be negative",
        ),
        (
            json!({"min_encryption_version": 5, "deletion_allowed": true}),
            "cannot set min encryption version of 5, latest key version is 4",
        ),
        (
            json!({"min_encryption_version": 1}),
            "cannot set min encryption/decryption values; min encryption version of 1 must be greater than or \
             equal to min decryption version of 2",
        ),
        (
            json!({"min_decryption_version": 4, "exportable": true}),
            "cannot set min encryption/decryption values; min encryption version of 3 must be greater than or \
             equal to min decryption version of 4",
        ),
        (
            json!({"auto_rotate_period": 60}),
            "auto rotate period must be 0 to disable or at least an hour",
        ),
    ] {
        let answer = app.configure(&key, &body);
        assert_eq!(answer.refusal(), (400, expected.to_owned()), "{body}");
        assert_eq!(app.read(&key).data(), before);
    }
    let same = app.configure(&key, json!({"min_decryption_version": "2"}));
    assert_eq!(same.data(), before);
    assert_eq!(
        app.events(&key).len(),
        5,
        "nothing was changed, nothing is told"
    );
}

#[test]
fn a_configuration_has_the_effects_the_protocol_gives_it() {
    let app = TestApp::shared();
    let key = app.ring(json!({"auto_rotate_period": "1h"}));
    let zero = app.configure(&key, json!({"min_decryption_version": 0}));
    assert_eq!(zero.data()["min_decryption_version"], 1);
    let warning = "since Vault 0.3 (prior to the OpenBao fork), transit key numbering starts at 1; forcing minimum \
                   to 1";
    assert_eq!(zero.warnings(), [warning]);
    for (body, field, expected) in [
        (json!({"exportable": true}), "exportable", json!(true)),
        (json!({"exportable": false}), "exportable", json!(true)),
        (
            json!({"allow_plaintext_backup": "1"}),
            "allow_plaintext_backup",
            json!(true),
        ),
        (
            json!({"allow_plaintext_backup": false}),
            "allow_plaintext_backup",
            json!(true),
        ),
        (
            json!({"auto_rotate_period": null}),
            "auto_rotate_period",
            json!(3600),
        ),
        (
            json!({"auto_rotate_period": "30d"}),
            "auto_rotate_period",
            json!(2_592_000),
        ),
        (
            json!({"auto_rotate_period": 0}),
            "auto_rotate_period",
            json!(0),
        ),
        (
            json!({"min_encryption_version": true}),
            "min_encryption_version",
            json!(1),
        ),
        (
            json!({"min_encryption_versoin": 0}),
            "min_encryption_version",
            json!(1),
        ),
        (
            json!({"min_encryption_version": ""}),
            "min_encryption_version",
            json!(0),
        ),
        (
            json!({"deletion_allowed": 1}),
            "deletion_allowed",
            json!(true),
        ),
    ] {
        assert_eq!(app.configure(&key, &body).data()[field], expected, "{body}");
    }
    let unknown = app.configure(&key, json!({"zeta": 1, "alpha": 2, "name": "other"}));
    let expected = [
        "Endpoint ignored these unrecognized parameters: [alpha zeta]",
        "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [name]",
    ];
    assert_eq!(unknown.warnings(), expected);
}

#[test]
fn a_rotation_can_ask_for_the_version_it_starts_from() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    assert_eq!(
        app.rotate(&key, json!({"if_version": 1})).data()["latest_version"],
        2
    );
    let mismatch = "if_version does not match: latest key version is 2".to_owned();
    for asked in [json!(1), json!(3), json!("0"), json!(-1)] {
        let answer = app.rotate(&key, json!({"if_version": asked}));
        assert_eq!(answer.refusal(), (400, mismatch.clone()));
    }
    for body in ["", "null", "{}", r#"{"external_key_ref_":1}"#] {
        assert_eq!(app.rotate(&key, body).status, 200, "{body}");
    }
    assert_eq!(app.latest(&key), 6);
}

#[test]
fn a_trim_obeys_its_rules_in_their_order() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let old = app.seal(&key, "aGVsbG8=");
    for _ in 0..10 {
        app.rotate(&key, "").data();
    }
    let refused = |asked: Value, expected: &str| {
        let answer = app.trim(&key, json!({"min_available_version": asked}));
        assert_eq!(answer.refusal(), (400, expected.to_owned()), "{asked}");
    };
    let missing = app.trim(&key, "").refusal();
    assert_eq!(missing, (400, "missing min_available_version".to_owned()));
    refused(json!(-1), "minimum available version cannot be decremented");
    let unset =
        "minimum available version cannot be set when minimum encryption version is not set";
    refused(json!(1), unset);
    app.configure(
        &key,
        json!({"min_decryption_version": 3, "min_encryption_version": 9}),
    )
    .data();
    let above = "minimum available version cannot be greater than";
    refused(json!(10), &format!("{above} minmum encryption version"));
    refused(json!(4), &format!("{above} minimum decryption version"));
    refused(json!(0), "minimum available version should be positive");
    let trimmed = app.trim(&key, json!({"min_available_version": "2"})).data();
    assert_eq!(trimmed["min_available_version"], 2);
    refused(json!(1), "minimum available version cannot be decremented");
    for (body, expected) in [
        (
            json!({"min_decryption_version": 1}),
            "min decryption version should not be less then min available version",
        ),
        (
            json!({"min_encryption_version": 0}),
            "min encryption version should not be less than min available version",
        ),
    ] {
        assert_eq!(
            app.configure(&key, &body).refusal(),
            (400, expected.to_owned())
        );
    }
    app.configure(&key, json!({"min_decryption_version": 2}))
        .data();
    let too_old = "ciphertext or signature version is disallowed by policy (too old)";
    let answer = app.decrypt(&key, json!({"ciphertext": old}));
    assert_eq!(answer.refusal(), (400, too_old.to_owned()));
}

#[test]
fn unknown_endpoints_of_a_key_are_told_apart_from_wrong_methods() {
    let app = TestApp::shared();
    let path = (404, multi("unsupported path"));
    let operation = (405, multi("unsupported operation"));
    let slash = (400, "cannot write to a path ending in '/'".to_owned());
    for (method, at, expected) in [
        ("GET", "transit", &path),
        ("GET", "transit/nothing", &path),
        ("POST", "transit/keys/a/unknown", &path),
        ("POST", "transit/keys/a/config/more", &path),
        ("GET", "transit/keys/a/", &path),
        ("GET", "transit/keys/-a", &path),
        ("POST", "transit/encrypt/a-", &path),
        ("POST", "transit/keys/a%20b", &path),
        ("GET", "transit/keys", &operation),
        ("POST", "transit/keys", &operation),
        ("DELETE", "transit/encrypt/a", &operation),
        ("GET", "transit/keys/a/rotate", &operation),
        ("PATCH", "transit/keys/a", &operation),
        ("LIST", "transit/keys/a", &operation),
        ("POST", "transit/keys/a/history", &operation),
        ("POST", "transit/keys/a/", &slash),
        ("PUT", "transit/encrypt/a/", &slash),
        ("POST", "transit/keys/", &slash),
    ] {
        let answer = app.request(method, at).send();
        assert_eq!(answer.refusal(), *expected, "{method} {at}");
    }
    let form = app.data_key("other", "a", "");
    let expected = "Invalid path, must be 'plaintext' or 'wrapped'".to_owned();
    assert_eq!(form.refusal(), (400, expected));
}
