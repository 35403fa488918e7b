//! Every byte field at every short length, and every field with every wrong type: no harm comes of any of them.

use std::cell::RefCell;

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::client::{Answer, Request, Wire};
use crate::mount::{Mount, patiently};

/// A ring for each type, and for each way of using one that makes a difference. The two long ones of RSA are like the short one.
const RINGS: [(&str, &str); 15] = [
    ("aes128", r#"{"type":"aes128-gcm96"}"#),
    ("aes256", r#"{"type":"aes256-gcm96"}"#),
    ("siv", r#"{"type":"aes256-gcm-siv"}"#),
    ("chacha", r#"{"type":"chacha20-poly1305"}"#),
    ("xchacha", r#"{"type":"xchacha20-poly1305"}"#),
    ("derived", r#"{"type":"aes256-gcm96","derived":true}"#),
    (
        "convergent",
        r#"{"type":"aes256-gcm-siv","derived":true,"convergent_encryption":true}"#,
    ),
    ("p256", r#"{"type":"ecdsa-p256"}"#),
    ("p384", r#"{"type":"ecdsa-p384"}"#),
    ("p521", r#"{"type":"ecdsa-p521"}"#),
    ("ed25519", r#"{"type":"ed25519"}"#),
    ("ed-derived", r#"{"type":"ed25519","derived":true}"#),
    ("hmac", r#"{"type":"hmac","key_size":32}"#),
    ("ml-dsa", r#"{"type":"ml-dsa","parameter_set":"44"}"#),
    ("rsa", r#"{"type":"rsa-2048"}"#),
];

/// Rings of which single requests are sent too, not only batches.
const SINGLE: [&str; 3] = ["derived", "ed-derived", "rsa"];

/// A mount under fire, over one connection.
struct Target {
    mount: Mount,
    wire: RefCell<Wire>,
}

impl Target {
    fn new(path: &'static str) -> Self {
        let mount = Mount::new(path);
        for (name, body) in RINGS {
            mount.done(&format!("POST keys/{name}"), body);
        }
        let wire = RefCell::new(mount.wire());
        Self { mount, wire }
    }

    /// Sends it over the connection, or over a new one once the service has closed that, as it does in time.
    fn over_wire(&self, request: &Request) -> Answer {
        let mut wire = self.wire.borrow_mut();
        request.send_over(&mut wire).unwrap_or_else(|_| {
            *wire = self.mount.wire();
            request.send_over(&mut wire).unwrap()
        })
    }

    /// Sends it, and sees that the answer is one that the protocol has: a success, a mistake of the caller's, or one of the 500s
    /// that it answers mistakes of callers with.
    fn send(&self, what: &str, body: &str) -> Answer {
        let request = self.mount.request(what).body(body);
        let answer = patiently(|| self.over_wire(&request));
        let text = answer.text();
        let is_known = match answer.status {
            200 | 204 | 400 => true,
            500 => text.contains("1 error occurred") || text.contains("\"batch_results\""),
            _ => false,
        };
        assert!(is_known, "{what} {body}: {} {text}", answer.status);
        answer
    }
}

/// Texts of bytes in every short length.
fn coded() -> Vec<String> {
    let lengths = 0..=64;
    lengths
        .flat_map(|length| [0, 0xff].map(|fill| BASE64.encode(&vec![fill; length])))
        .collect()
}

/// A request with bytes in one field, and what the rest of it is.
const BYTE_FIELDS: [(&str, &str, &str); 15] = [
    ("encrypt", "plaintext", r#"{"context":"YQ=="}"#),
    ("encrypt", "context", r#"{"plaintext":"YQ=="}"#),
    (
        "encrypt",
        "associated_data",
        r#"{"plaintext":"YQ==","context":"YQ=="}"#,
    ),
    ("decrypt", "ciphertext", r#"{"context":"YQ=="}"#),
    ("decrypt", "context", r#"{"ciphertext":"vault:v1:AAAA"}"#),
    (
        "decrypt",
        "associated_data",
        r#"{"ciphertext":"vault:v1:AAAA","context":"YQ=="}"#,
    ),
    ("rewrap", "ciphertext", r#"{"context":"YQ=="}"#),
    (
        "rewrap",
        "associated_data",
        r#"{"ciphertext":"vault:v1:AAAA","context":"YQ=="}"#,
    ),
    ("sign", "input", r#"{"context":"YQ=="}"#),
    ("sign", "context", r#"{"input":""}"#),
    ("verify", "signature", r#"{"input":"","context":"YQ=="}"#),
    (
        "verify",
        "context",
        r#"{"input":"","signature":"vault:v1:AAAA"}"#,
    ),
    ("verify", "hmac", r#"{"input":""}"#),
    ("verify", "input", r#"{"hmac":"vault:v1:AAAA"}"#),
    ("hmac", "input", "{}"),
];

fn value_of(field: &str, text: &str) -> Value {
    if matches!(field, "ciphertext" | "hmac" | "signature") {
        json!(format!("vault:v1:{text}"))
    } else {
        json!(text)
    }
}

/// Nothing opens and nothing is valid that was not made with a key.
fn assert_not_forged(verb: &str, answer: &Answer, what: &str) {
    let text = answer.text();
    match verb {
        "decrypt" => assert!(
            !text.contains("\"plaintext\":\"") || text.contains("\"plaintext\":\"\",\"error\""),
            "{what} {text}"
        ),
        "rewrap" => assert!(!text.contains("\"ciphertext\":"), "{what} {text}"),
        "verify" => assert!(!text.contains("\"valid\":true"), "{what} {text}"),
        _ => {}
    }
}

#[test]
fn every_byte_field_takes_every_short_length_without_harm() {
    let target = Target::new("bytes");
    let before = target.mount.state();
    for (verb, field, rest) in BYTE_FIELDS {
        let rest: Value = serde_json::from_str(rest).unwrap();
        let bodies: Vec<Value> = coded()
            .iter()
            .map(|text| {
                let mut body = rest.clone();
                body[field] = value_of(field, text);
                body
            })
            .collect();
        for (name, _) in RINGS {
            let what = format!("POST {verb}/{name}");
            let batch = json!({"batch_input": bodies}).to_string();
            let answer = target.send(&what, &batch);
            assert_not_forged(verb, &answer, &what);
            if SINGLE.contains(&name) {
                for body in &bodies {
                    let answer = target.send(&what, &body.to_string());
                    assert_not_forged(verb, &answer, &format!("{what} {body}"));
                }
            }
        }
    }
    assert_eq!(target.mount.state(), before);
}

/// The same bytes as they are, and dressed up as PEM of this label.
fn dressed(label: &str) -> Vec<String> {
    let bare = coded();
    let armoured = bare
        .iter()
        .map(|text| format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n"));
    armoured.chain(bare.iter().cloned()).collect()
}

#[test]
fn every_form_of_a_key_takes_every_short_length_without_harm() {
    let target = Target::new("forms");
    let (mount, types) = (
        &target.mount,
        ["aes256-gcm96", "ecdsa-p521", "ed25519", "rsa-2048"],
    );
    mount.import_public("public", "ecdsa-p256", "p256");
    let before = mount.state();
    for text in dressed("PUBLIC KEY") {
        for kind in types {
            for field in ["ciphertext", "public_key"] {
                let body = json!({"type": kind, field: text});
                let answer = target.send("POST keys/new/import", &body.to_string());
                assert!(answer.status >= 400, "{body}");
            }
        }
        let body = json!({"type": "ml-dsa", "parameter_set": "87", "public_key": text});
        assert!(
            target
                .send("POST keys/new/import", &body.to_string())
                .status
                >= 400
        );
        for body in [
            json!({"public_key": text}),
            json!({"ciphertext": text, "version": 1}),
        ] {
            let answer = target.send("POST keys/public/import_version", &body.to_string());
            assert!(answer.status >= 400, "{body}");
        }
        for base in ["p256", "p384", "p521"] {
            let body = json!({"base_key_name": base, "peer_public_key": text});
            let answer = target.send("POST derive-key/new", &body.to_string());
            assert!(answer.status >= 400, "{body}");
        }
    }
    for text in dressed("CERTIFICATE") {
        let body = json!({"certificate_chain": text}).to_string();
        assert!(
            target.send("POST keys/p256/set-certificate", &body).status >= 400,
            "{body}"
        );
    }
    for text in dressed("CERTIFICATE REQUEST") {
        // Without a template there is an empty one.
        let body = json!({"csr": text}).to_string();
        let expected = if text.is_empty() { 200 } else { 400 };
        assert_eq!(
            target.send("POST keys/p256/csr", &body).status,
            expected,
            "{body}"
        );
    }
    for text in coded() {
        let body = json!({"backup": text, "force": true}).to_string();
        assert!(
            target.send("POST restore/p256", &body).status >= 400,
            "{body}"
        );
        assert!(target.send("POST restore", &body).status >= 400, "{body}");
    }
    assert_eq!(mount.state(), before);
}

/// What no field is meant to hold, or not every one.
const WRONG: [&str; 13] = [
    "null",
    "true",
    "0",
    "-1",
    "1.5",
    "1e400",
    "\"\"",
    "\"x\"",
    "[]",
    "[1]",
    "{}",
    "{\"a\":[{}]}",
    "[[{\"a\":null}]]",
];

/// Fields of requests on a ring that is there, which cannot do anything but fail, or what they do anyway.
const FIELDS: [(&str, &[&str]); 18] = [
    (
        "keys/RING",
        &[
            "type",
            "derived",
            "convergent_encryption",
            "exportable",
            "allow_plaintext_backup",
            "auto_rotate_period",
            "key_size",
            "parameter_set",
            "context",
            "name",
        ],
    ),
    ("keys/RING/trim", &["min_available_version"]),
    (
        "encrypt/RING",
        &[
            "plaintext",
            "context",
            "associated_data",
            "key_version",
            "type",
            "convergent_encryption",
            "partial_failure_response_code",
            "batch_input",
        ],
    ),
    (
        "decrypt/RING",
        &[
            "ciphertext",
            "context",
            "associated_data",
            "partial_failure_response_code",
            "batch_input",
        ],
    ),
    (
        "rewrap/RING",
        &[
            "ciphertext",
            "context",
            "associated_data",
            "new_associated_data",
            "key_version",
            "batch_input",
        ],
    ),
    (
        "datakey/plaintext/RING",
        &["bits", "context", "associated_data", "key_version"],
    ),
    (
        "datakey/wrapped/RING",
        &["bits", "context", "associated_data", "key_version"],
    ),
    ("sign/RING", &SIGN),
    ("sign/RING/sha2-256", &SIGN),
    ("verify/RING", &VERIFY),
    ("verify/RING/sha2-512", &VERIFY),
    (
        "hmac/RING",
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
        "keys/RING/import",
        &[
            "ciphertext",
            "public_key",
            "hash_function",
            "type",
            "parameter_set",
            "allow_rotation",
            "derived",
            "exportable",
            "allow_plaintext_backup",
            "context",
            "auto_rotate_period",
            "convergent_encryption",
            "seal_id",
        ],
    ),
    (
        "keys/RING/import_version",
        &["ciphertext", "public_key", "hash_function", "version"],
    ),
    ("keys/RING/csr", &["version", "csr"]),
    (
        "keys/RING/set-certificate",
        &["version", "certificate_chain"],
    ),
    ("restore/RING", &["backup", "force", "name"]),
    (
        "derive-key/RING",
        &[
            "key_derivation_algorithm",
            "peer_public_key",
            "base_key_name",
            "base_key_version",
            "derived_key_type",
        ],
    ),
];

const SIGN: [&str; 12] = [
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
    "urlalgorithm",
];

const VERIFY: [&str; 11] = [
    "input",
    "signature",
    "hmac",
    "context",
    "hash_algorithm",
    "algorithm",
    "prehashed",
    "signature_algorithm",
    "marshaling_algorithm",
    "salt_length",
    "batch_input",
];

/// Fields of items, and the one beside which they make sense.
const ITEM_FIELDS: [(&str, &[&str]); 6] = [
    (
        "encrypt",
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
        &["ciphertext", "context", "associated_data", "reference"],
    ),
    (
        "rewrap",
        &[
            "ciphertext",
            "context",
            "associated_data",
            "key_version",
            "reference",
        ],
    ),
    ("sign", &["input", "context", "reference"]),
    (
        "verify",
        &["input", "signature", "hmac", "context", "reference"],
    ),
    ("hmac", &["input", "reference"]),
];

/// What stands beside the field that is wrong.
const REST: &str = r#""plaintext":"","ciphertext":"vault:v1:AAAA","input":"","context":"YQ==","signature":"vault:v1:AAAA""#;

/// The same without this field, which stands before it.
fn beside(field: &str) -> String {
    let field = format!("\"{field}\"");
    let rest = REST.split(',').filter(|one| !one.starts_with(&field));
    let rest: Vec<&str> = [""].into_iter().chain(rest).collect();
    rest.join(",")
}

#[test]
fn every_field_takes_every_type_without_harm() {
    let target = Target::new("types");
    let before = target.mount.state();
    for ring in ["siv", "ed-derived", "rsa"] {
        for (path, fields) in FIELDS {
            let what = format!("POST {}", path.replace("RING", ring));
            for field in fields {
                for wrong in WRONG {
                    let answer = target.send(&what, &format!("{{\"{field}\":{wrong}}}"));
                    assert_refused_if_unreadable(&answer, wrong, &what);
                    let beside = beside(field);
                    target.send(&what, &format!("{{\"{field}\":{wrong}{beside}}}"));
                }
            }
        }
        for (verb, fields) in ITEM_FIELDS {
            let what = format!("POST {verb}/{ring}");
            for field in fields {
                for wrong in WRONG {
                    let item = format!("{{\"{field}\":{wrong}}}");
                    target.send(&what, &format!("{{\"batch_input\":[{item}]}}"));
                    target.send(&what, &format!("{{\"batch_input\":[{{{REST}}},{item}]}}"));
                }
            }
        }
    }
    assert_eq!(target.mount.state(), before);
    let names = target.mount.done("LIST keys", "");
    for (path, field) in SETTINGS {
        for wrong in WRONG {
            let answer = target.send(&format!("POST {path}"), &format!("{{\"{field}\":{wrong}}}"));
            assert_refused_if_unreadable(&answer, wrong, path);
        }
    }
    assert_eq!(target.mount.done("LIST keys", ""), names);
}

/// What may well be set to one of these.
const SETTINGS: [(&str, &str); 10] = [
    ("keys/siv/config", "min_decryption_version"),
    ("keys/siv/config", "min_encryption_version"),
    ("keys/siv/config", "deletion_allowed"),
    ("keys/siv/config", "exportable"),
    ("keys/siv/config", "allow_plaintext_backup"),
    ("keys/siv/config", "auto_rotate_period"),
    ("keys/siv/rotate", "if_version"),
    ("keys/siv/soft-delete-restore", "name"),
    ("cache-config", "size"),
    ("config/keys", "disable_upsert"),
];

/// A number that is none is no JSON, whoever is asked.
fn assert_refused_if_unreadable(answer: &Answer, value: &str, what: &str) {
    if value == "1e400" {
        assert_eq!(answer.status, 400, "{what}: {}", answer.text());
    }
}

#[test]
fn queries_of_every_kind_do_no_harm() {
    let target = Target::new("queries");
    let before = target.mount.state();
    for ring in ["siv", "p256", "rsa"] {
        for path in [
            "keys/RING?context=",
            "export/public-key/RING?format=",
            "export/encryption-key/RING/latest?format=",
            "export/signing-key/RING/",
            "export/hmac-key/RING/",
            "byok-export/rsa/RING?hash=",
            "byok-export/rsa/RING/",
            "backup/RING?force=",
        ] {
            for value in [
                "", "0", "-1", "x", "%00", "%ff", "9e9", "AAAA", "v1", "v", "latest", "[]", "%22",
            ] {
                let what = format!("GET {}{value}", path.replace("RING", ring));
                let request = target.mount.request(&what);
                let answer = patiently(|| target.over_wire(&request));
                let is_known = matches!(answer.status, 200 | 400 | 404)
                    || (answer.status == 500 && answer.text().contains("1 error occurred"));
                assert!(is_known, "{what}: {} {}", answer.status, answer.text());
            }
        }
    }
    assert_eq!(target.mount.state(), before);
}
