//! What is refused of the life of rings of every type: making, reading, rotating and trimming them, and setting them aside.

use serde_json::json;

use crate::mount::{ASIDE, Mount, Row};

const NOT_OFFERED: &str =
    "this key type is not offered here; see the documentation for those that are";
const PARAMETER_SET: &str = "invalid parameter set: must be one of 44, 65, 87";
const PERIOD: &str = "auto rotate period must be 0 to disable or at least an hour";

#[test]
fn what_is_refused_of_a_new_key_is_refused_of_one_that_is_there_too() {
    let mount = Mount::new("bad-keys");
    mount.rings(&[("there", json!({}))]);
    let derivation = "key derivation and convergent encryption not supported for keys of type";
    let size = "key_size is not valid for algorithm";
    let [rsa, ec, hmac] =
        ["rsa-2048", "ecdsa-p256", "hmac"].map(|kind| format!("{derivation} {kind}"));
    let [size_aes, size_rsa] = ["aes256-gcm96", "rsa-4096"].map(|kind| format!("{size} {kind}"));
    for to in ["POST keys/new", "PUT keys/there"] {
        let rows: &[Row<'_>] = &[
            (to, json!({"auto_rotate_period": 3599}), 400, PERIOD),
            (
                to,
                json!({"type": "ed25519", "convergent_encryption": true}),
                400,
                "convergent encryption requires derivation to be enabled",
            ),
            (to, json!({"type": "RSA-2048"}), 400, "unknown key type"),
            (
                to,
                json!({"type": "aes256-gcm96 "}),
                400,
                "unknown key type",
            ),
            (to, json!({"type": "external-key"}), 400, NOT_OFFERED),
            (to, json!({"type": "aes256-cmac"}), 400, NOT_OFFERED),
            (to, json!({"type": "ml-dsa"}), 400, PARAMETER_SET),
            (
                to,
                json!({"type": "ml-dsa", "parameter_set": "ml-dsa-44"}),
                400,
                PARAMETER_SET,
            ),
            (
                to,
                json!({"type": "aes256-gcm96", "key_size": 32}),
                400,
                &size_aes,
            ),
            (
                to,
                json!({"type": "rsa-4096", "key_size": 512}),
                400,
                &size_rsa,
            ),
            (
                to,
                json!({"type": "hmac", "key_size": 31}),
                400,
                "invalid key_size 31",
            ),
            (
                to,
                json!({"type": "hmac", "key_size": 513}),
                400,
                "invalid key_size 513",
            ),
            (
                to,
                json!({"type": "hmac", "key_size": -1}),
                400,
                "invalid key_size -1",
            ),
            (
                to,
                json!({"type": "hmac"}),
                500,
                "invalid key size for HMAC key, must be between 32 and 512 bytes",
            ),
            (to, json!({"type": "rsa-2048", "derived": true}), 500, &rsa),
            (to, json!({"type": "ecdsa-p256", "derived": true}), 500, &ec),
            (
                to,
                json!({"type": "hmac", "derived": true, "key_size": 32}),
                500,
                &hmac,
            ),
            (
                to,
                json!({"type": "ed25519", "derived": true, "convergent_encryption": true}),
                500,
                "convergent encryption not supported for keys of type ed25519",
            ),
        ];
        mount.refuses(rows);
    }
}

#[test]
fn the_other_failures_of_a_keys_life_are_the_protocols() {
    let mount = Mount::new("bad-lives");
    mount.rings(&[
        ("derived", json!({"type": "ed25519", "derived": true})),
        ("ec", json!({"type": "ecdsa-p256"})),
        ("aside", json!({})),
    ]);
    mount.import_public("imported", "ecdsa-p256", "ec");
    mount.done("DELETE keys/aside/soft-delete", "");
    mount.refuses(&[
        (
            "GET keys/derived?context=!",
            json!({}),
            400,
            "failed to base64-decode context",
        ),
        (
            "GET keys/ec?context=!",
            json!({}),
            400,
            "failed to base64-decode context",
        ),
        ("GET keys/none?context=YQ==", json!({}), 404, ""),
        (
            "POST keys/imported/rotate",
            json!({}),
            500,
            "imported key imported does not allow rotation within Vault",
        ),
        ("POST keys/aside/rotate", json!({}), 500, ASIDE),
        ("POST keys/none/rotate", json!({}), 400, "key not found"),
        ("POST keys/none/trim", json!({}), 400, "invalid key name"),
        (
            "POST keys/ec/trim",
            json!({}),
            400,
            "missing min_available_version",
        ),
        (
            "POST keys/ec/config",
            json!({"auto_rotate_period": "59m59s"}),
            400,
            PERIOD,
        ),
        (
            "POST keys/none/config",
            json!({}),
            400,
            "no existing key named none could be found",
        ),
        (
            "DELETE keys/ec",
            json!({}),
            400,
            "error deleting policy ec: deletion is not allowed for this key",
        ),
        (
            "DELETE keys/none",
            json!({}),
            400,
            "error deleting policy none: could not delete key; not found",
        ),
    ]);
}

/// The verbs that a ring which is set aside refuses, with the status each has for it. `base` and `rsa` are in use.
fn refused_aside() -> Vec<(&'static str, serde_json::Value, u16, &'static str)> {
    let sealed = json!({"ciphertext": "vault:v1:AAAA"});
    let source = "for source key: refusing to use soft-deleted key";
    let destination = "for destination key: refusing to use soft-deleted key";
    vec![
        ("POST encrypt/aes", json!({"plaintext": ""}), 400, ASIDE),
        ("POST decrypt/aes", sealed.clone(), 400, ASIDE),
        ("POST rewrap/aes", sealed.clone(), 400, ASIDE),
        ("POST decrypt/rsa", sealed, 400, ASIDE),
        ("POST datakey/plaintext/aes", json!({}), 400, ASIDE),
        ("POST datakey/wrapped/aes", json!({}), 400, ASIDE),
        ("POST hmac/aes", json!({"input": ""}), 400, ASIDE),
        (
            "POST verify/rsa",
            json!({"signature": "vault:v1:AAAA"}),
            400,
            ASIDE,
        ),
        (
            "POST verify/aes",
            json!({"hmac": "vault:v1:AAAA"}),
            400,
            ASIDE,
        ),
        ("POST sign/rsa", json!({"input": ""}), 500, ASIDE),
        (
            "POST sign/rsa",
            json!({"batch_input": [{"input": ""}]}),
            500,
            ASIDE,
        ),
        ("POST keys/aes/rotate", json!({}), 500, ASIDE),
        (
            "POST keys/imported/import_version",
            json!({"public_key": ""}),
            500,
            ASIDE,
        ),
        ("GET export/encryption-key/aes", json!({}), 500, ASIDE),
        ("GET export/signing-key/rsa/latest", json!({}), 500, ASIDE),
        ("GET export/hmac-key/aes/1", json!({}), 500, ASIDE),
        ("GET export/public-key/rsa", json!({}), 500, ASIDE),
        ("GET export/certificate-chain/rsa", json!({}), 500, ASIDE),
        ("GET backup/aes", json!({}), 500, ASIDE),
        ("GET byok-export/rsa/used", json!({}), 500, destination),
        ("GET byok-export/used-rsa/aes", json!({}), 500, source),
        (
            "POST derive-key/agreed",
            json!({"base_key_name": "ec", "peer_public_key": "x"}),
            500,
            ASIDE,
        ),
    ]
}

#[test]
fn a_key_that_is_set_aside_serves_nothing_and_keeps_everything() {
    let mount = Mount::new("aside");
    let open = json!({"exportable": true, "allow_plaintext_backup": true});
    let of = |kind: &str| {
        let mut body = open.clone();
        body["type"] = json!(kind);
        body
    };
    mount.rings(&[
        ("aes", of("aes256-gcm96")),
        ("ec", of("ecdsa-p256")),
        ("rsa", of("rsa-2048")),
        ("used", of("aes256-gcm96")),
        ("used-rsa", of("rsa-2048")),
        ("derived", json!({"type": "ed25519", "derived": true})),
    ]);
    mount.import_public("imported", "ecdsa-p256", "ec");
    let sealed = mount.done("POST encrypt/aes", json!({"plaintext": "YQ=="}));
    let signed = mount.done("POST sign/ec", json!({}));
    let backup = mount.done("GET backup/aes", "");
    let aside = ["aes", "derived", "ec", "imported", "rsa"];
    for name in aside {
        let path = format!("DELETE keys/{name}/soft-delete");
        assert_eq!(mount.done(&path, "")["soft_deleted"], true);
        let again = mount.send(&path, "");
        assert_eq!(again.data()["soft_deleted"], true);
        assert_eq!(again.warnings(), ["key was already marked as soft deleted"]);
    }
    mount.refuses(&refused_aside());
    let batch = mount.send(
        "POST encrypt/aes",
        json!({"batch_input": [{"plaintext": ""}]}),
    );
    assert_eq!(batch.status, 400);
    assert_eq!(batch.items()[0]["error"], ASIDE);
    // What does not use its keys goes on.
    let listed = mount.done("LIST keys", "");
    assert_eq!(listed["keys"].as_array().unwrap().len(), 7);
    for name in aside {
        let shown = mount.done(&format!("GET keys/{name}?context=YQ=="), "");
        assert_eq!(shown["soft_deleted"], true);
    }
    let config = json!({"deletion_allowed": true, "min_encryption_version": 1});
    mount.done("POST keys/aes/config", config);
    mount.done("POST keys/aes/trim", json!({"min_available_version": 1}));
    mount.done("POST keys/ec/csr", json!({}));
    mount.done(
        "POST restore/aes",
        json!({"backup": backup["backup"], "force": true}),
    );
    mount.done("POST keys/rsa/config", json!({"deletion_allowed": true}));
    assert_eq!(mount.send("DELETE keys/rsa", "").status, 204);
    // And all is there again once it is brought back.
    let path = "POST keys/ec/soft-delete-restore";
    assert_eq!(mount.done(path, "")["soft_deleted"], false);
    assert_eq!(
        mount.send(path, "").warnings(),
        ["key was already restored"]
    );
    let body = json!({"signature": signed["signature"]});
    assert_eq!(mount.done("POST verify/ec", body)["valid"], true);
    let body = json!({"ciphertext": sealed["ciphertext"]});
    assert_eq!(mount.done("POST decrypt/aes", body)["plaintext"], "YQ==");
    for what in [
        "DELETE keys/none/soft-delete",
        "PUT keys/none/soft-delete-restore",
    ] {
        let answer = mount.send(what, "");
        assert_eq!((answer.status, answer.text()), (204, ""), "{what}");
    }
}

#[test]
fn what_is_not_base64_in_a_query_is_refused_where_it_is_asked_for() {
    let mount = Mount::new("bad-queries");
    mount.rings(&[("derived", json!({"type": "ed25519", "derived": true}))]);
    let shown = mount.done("GET keys/derived?context=YQ%3D%3D", "");
    let public = shown["keys"]["1"]["public_key"].as_str().unwrap();
    assert_eq!(public.len(), 44);
    for query in ["context=YQ", "context=YQ%3D", "context=Y", "context=%21"] {
        let what = format!("GET keys/derived?{query}");
        mount.refuses(&[(&what, json!({}), 400, "failed to base64-decode context")]);
    }
    let none = mount.done("GET keys/derived?context=", "");
    assert_eq!(none["keys"]["1"]["public_key"], "");
}
