//! Values that a caller got wrong are never repeated: not in an answer, not in a log.

use serde_json::{Value, json};

use crate::app::TestApp;

/// Stands in fields of every kind. Contains what base64 has and what a name cannot have.
const CANARY: &str = "Q0FOQVJZ+Q0FOQVJZ/Q0FOQVJZ=";

const FIELDS: [(&str, &[&str]); 26] = [
    (
        "transit/keys/canary-new",
        &[
            "type",
            "derived",
            "convergent_encryption",
            "exportable",
            "allow_plaintext_backup",
            "auto_rotate_period",
            "key_size",
            "context",
            "name",
        ],
    ),
    (
        "transit/keys/KEY/config",
        &[
            "min_decryption_version",
            "min_encryption_version",
            "deletion_allowed",
            "exportable",
            "allow_plaintext_backup",
            "auto_rotate_period",
            "name",
        ],
    ),
    ("transit/keys/KEY/rotate", &["if_version", "name"]),
    ("transit/keys/KEY/trim", &["min_available_version", "name"]),
    (
        "transit/encrypt/KEY",
        &[
            "plaintext",
            "context",
            "associated_data",
            "key_version",
            "type",
            "convergent_encryption",
            "partial_failure_response_code",
            "batch_input",
            "name",
            "nonce",
        ],
    ),
    (
        "transit/decrypt/KEY",
        &[
            "ciphertext",
            "context",
            "associated_data",
            "partial_failure_response_code",
            "batch_input",
            "name",
        ],
    ),
    (
        "transit/rewrap/KEY",
        &[
            "ciphertext",
            "context",
            "associated_data",
            "new_associated_data",
            "key_version",
            "batch_input",
            "name",
        ],
    ),
    (
        "transit/datakey/plaintext/KEY",
        &[
            "bits",
            "context",
            "key_version",
            "associated_data",
            "name",
            "plaintext",
        ],
    ),
    ("transit/sign/EC", &SIGNATURE_FIELDS),
    ("transit/sign/EC/none", &SIGNATURE_FIELDS),
    ("transit/verify/EC", &SIGNATURE_FIELDS),
    ("transit/verify/EC//sha2-256", &SIGNATURE_FIELDS),
    (
        "transit/hmac/EC",
        &[
            "input",
            "algorithm",
            "key_version",
            "batch_input",
            "name",
            "urlalgorithm",
        ],
    ),
    (
        "transit/keys/canary-import/import",
        &[
            "ciphertext",
            "public_key",
            "hash_function",
            "type",
            "parameter_set",
            "allow_rotation",
            "derived",
            "context",
            "auto_rotate_period",
            "convergent_encryption",
            "seal_id",
            "name",
        ],
    ),
    (
        "transit/keys/canary-public/import_version",
        &["ciphertext", "public_key", "hash_function", "version"],
    ),
    ("transit/keys/EC/csr", &["version", "csr"]),
    (
        "transit/keys/EC/set-certificate",
        &["version", "certificate_chain"],
    ),
    ("transit/restore", &["backup", "force", "name"]),
    (
        "transit/derive-key/canary-agreed",
        &[
            "key_derivation_algorithm",
            "peer_public_key",
            "base_key_name",
            "base_key_version",
            "derived_key_type",
        ],
    ),
    ("transit/config/keys", &["disable_upsert"]),
    ("transit/cache-config", &["size"]),
    ("sys/plugins/reload/backend", &["plugin", "mounts", "scope"]),
    (
        "transit/hash",
        &["input", "algorithm", "format", "urlalgorithm"],
    ),
    ("transit/random", &["bytes", "format", "source", "urlbytes"]),
    (
        "sys/mounts/canary-mount",
        &[
            "type",
            "description",
            "config",
            "options",
            "default_key_type",
            "default_lease_ttl",
            "max_lease_ttl",
            "listing_visibility",
            "local",
        ],
    ),
    (
        "sys/mounts/KEY/tune",
        &["description", "config", "options", "default_key_type"],
    ),
];

/// Of `sign`, of `verify`, or of both.
const SIGNATURE_FIELDS: [&str; 14] = [
    "input",
    "context",
    "hash_algorithm",
    "algorithm",
    "key_version",
    "prehashed",
    "signature_algorithm",
    "marshaling_algorithm",
    "salt_length",
    "batch_input",
    "signature_context",
    "signature",
    "hmac",
    "name",
];

const ITEM_FIELDS: [(&str, &str, &[&str]); 6] = [
    ("sign", "input", &["input", "context", "reference"]),
    (
        "verify",
        "signature",
        &["input", "signature", "hmac", "context", "reference"],
    ),
    ("hmac", "input", &["input", "reference"]),
    (
        "encrypt",
        "plaintext",
        &[
            "plaintext",
            "context",
            "associated_data",
            "key_version",
            "reference",
        ],
    ),
    (
        "decrypt",
        "ciphertext",
        &["ciphertext", "context", "associated_data", "reference"],
    ),
    (
        "rewrap",
        "ciphertext",
        &[
            "ciphertext",
            "context",
            "associated_data",
            "new_associated_data",
            "key_version",
        ],
    ),
];

/// The canary in every JSON type that can hold it.
fn wrong_values() -> Vec<Value> {
    vec![
        json!(CANARY),
        json!([CANARY]),
        json!({CANARY: CANARY}),
        json!([{CANARY: [CANARY]}]),
        json!(format!("vault:v1:{CANARY}")),
        json!(format!("{CANARY}h")),
    ]
}

#[test]
fn no_field_of_any_endpoint_repeats_a_wrong_value() {
    let app = TestApp::fresh(&[("SEALRING_TELEMETRY__LOG_FILTER", "trace")]);
    let key = app.ring(json!({}));
    let pair = app.ring(json!({"type": "ecdsa-p256"}));
    let exported = app.get(&format!("transit/export/public-key/{pair}")).data();
    let public = json!({"type": "ecdsa-p256", "public_key": exported["keys"]["1"]});
    app.post("transit/keys/canary-public/import", public);
    let check = |path: &str, body: &Value| {
        let path = path.replace(
            "KEY",
            if path.ends_with("tune") {
                "transit"
            } else {
                &key
            },
        );
        let path = path.replace("EC", &pair);
        let answer = app.post(&path, body);
        assert!(
            !answer.text().contains("Q0FOQVJZ"),
            "{path} {body}: {}",
            answer.text()
        );
        assert!(
            (200..501).contains(&answer.status),
            "{path} {body}: {}",
            answer.status
        );
        if answer.status < 300 {
            assert_ne!(body.as_object().unwrap().len(), 0, "{path} {body}");
        }
    };
    for (path, fields) in FIELDS {
        for field in fields {
            for value in wrong_values() {
                check(path, &json!({*field: value}));
            }
        }
    }
    for (verb, needed, fields) in ITEM_FIELDS {
        let ring = if matches!(verb, "sign" | "verify") {
            "EC"
        } else {
            "KEY"
        };
        let path = format!("transit/{verb}/{ring}");
        for field in fields {
            // What a reference holds comes back; that is what it is for.
            for value in wrong_values()
                .into_iter()
                .skip(usize::from(*field == "reference"))
            {
                let mut item = json!({needed: ""});
                item[*field] = value;
                if !(*field == "reference" && item["reference"].is_string()) {
                    check(&path, &json!({"batch_input": [item]}));
                }
            }
        }
        for wrong in wrong_values() {
            check(&path, &json!({"batch_input": wrong}));
            check(&path, &json!({"batch_input": [wrong]}));
        }
    }
    let log = app.stop();
    assert!(!log.contains("Q0FOQVJZ"), "the log repeats a value");
}

#[test]
fn a_value_in_the_place_of_a_name_is_not_repeated() {
    let app = TestApp::fresh(&[("SEALRING_TELEMETRY__LOG_FILTER", "trace")]);
    let key = app.ring(json!({}));
    let broken = format!("{{\"plaintext\": \"{CANARY}\" \"{CANARY}\"}}");
    for body in [
        json!({CANARY: 1}).to_string(),
        broken,
        format!("plaintext={CANARY}"),
        CANARY.to_owned(),
    ] {
        for path in [
            "encrypt", "decrypt", "rewrap", "keys", "sign", "verify", "hmac", "restore",
        ] {
            let answer = app.post(&format!("transit/{path}/{key}"), body.as_str());
            assert!(
                !answer.text().contains("Q0FOQVJZ"),
                "{path}: {}",
                answer.text()
            );
        }
    }
    for path in [
        format!("transit/keys/{CANARY}"),
        format!("transit/{CANARY}/x"),
        format!("{CANARY}/keys/x"),
        format!("sys/{CANARY}"),
        format!("sys/mounts/{CANARY}"),
        format!("transit/datakey/{CANARY}/x"),
        format!("transit/keys?list={CANARY}"),
        format!("transit/keys?list=true&limit={CANARY}"),
        format!("transit/keys/{key}/history?after={CANARY}"),
        format!("transit/keys/{key}?context={CANARY}"),
        format!("transit/sign/{key}/{CANARY}"),
        format!("transit/verify/{key}/{CANARY}"),
        format!("transit/hmac/{key}/{CANARY}"),
        format!("transit/export/{CANARY}/{key}"),
        format!("transit/export/hmac-key/{key}/{CANARY}"),
        format!("transit/export/hmac-key/{key}?format={CANARY}"),
        format!("transit/byok-export/{CANARY}/{key}"),
        format!("transit/byok-export/{key}/{key}/{CANARY}"),
        format!("transit/byok-export/{key}/{key}?hash={CANARY}"),
        format!("transit/backup/{CANARY}"),
        format!("transit/restore/{CANARY}"),
        format!("sys/health?activecode={CANARY}"),
        format!("sys/metrics?format={CANARY}"),
    ] {
        for method in ["GET", "POST", "DELETE", "PATCH"] {
            let answer = app.request(method, &path).send();
            assert!(
                !answer.text().contains("Q0FOQVJZ"),
                "{method} {path}: {}",
                answer.text()
            );
        }
    }
    for header in [
        "X-Vault-Token",
        "Authorization",
        "X-Vault-Namespace",
        "X-Vault-Wrap-TTL",
        "X-Sealring-Reason",
    ] {
        let request = app.request("POST", &format!("transit/keys/{key}/rotate"));
        let answer = request.header(header, &format!("{CANARY}\u{e9}")).send();
        assert!(
            !answer.text().contains("Q0FOQVJZ"),
            "{header}: {}",
            answer.text()
        );
    }
    let log = app.stop();
    assert!(!log.contains("Q0FOQVJZ"), "the log repeats a value");
}
