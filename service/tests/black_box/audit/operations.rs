//! Every operation on keys is recorded by its name, with the mount and the ring it was about, and with nothing of what was sent or
//! answered.

use std::fs;

use serde_json::{Value, json};

use super::{files_of, records_of, verify};
use crate::app::TestApp;
use crate::set_up::{Home, Store};

/// Whether an operation changes something, and so is recorded before and after.
const CHANGES: [&str; 14] = [
    "backup",
    "certificate_set",
    "derive_key",
    "import",
    "import_version",
    "key_configure",
    "key_create",
    "key_delete",
    "key_rotate",
    "key_soft_delete",
    "key_soft_restore",
    "key_trim",
    "keys_config_write",
    "restore",
];

/// The method and the path below the mount, what the operation is called, and the ring it is about.
const REQUESTS: [(&str, &str, &str, Option<&str>); 34] = [
    ("POST", "sign/ec", "sign", Some("ec")),
    ("POST", "sign/ec//sha2-256", "sign", Some("ec")),
    ("POST", "sign/none", "sign", Some("none")),
    ("PUT", "verify/ec/sha2-256", "verify", Some("ec")),
    ("POST", "verify/none", "verify", Some("none")),
    ("POST", "hmac/aes", "hmac", Some("aes")),
    ("POST", "hmac/aes/sha2-512", "hmac", Some("aes")),
    ("GET", "export/hmac-key/aes", "export", Some("aes")),
    (
        "GET",
        "export/encryption-key/aes/latest",
        "export",
        Some("aes"),
    ),
    ("GET", "export/public-key/ec/1", "export", Some("ec")),
    ("GET", "export/kitty/aes", "export", Some("aes")),
    ("GET", "export/hmac-key/none", "export", Some("none")),
    ("GET", "byok-export/rsa/aes", "byok_export", Some("aes")),
    ("GET", "byok-export/none/aes/1", "byok_export", Some("aes")),
    ("GET", "backup/aes", "backup", Some("aes")),
    ("GET", "backup/none", "backup", Some("none")),
    ("POST", "restore/aes", "restore", Some("aes")),
    ("POST", "restore", "restore", None),
    ("GET", "wrapping_key", "wrapping_key", None),
    ("POST", "keys/new/import", "import", Some("new")),
    (
        "PUT",
        "keys/aes/import_version",
        "import_version",
        Some("aes"),
    ),
    ("POST", "keys/ec/csr", "certificate_request", Some("ec")),
    (
        "POST",
        "keys/ec/set-certificate",
        "certificate_set",
        Some("ec"),
    ),
    ("POST", "derive-key/new", "derive_key", Some("new")),
    (
        "DELETE",
        "keys/ec/soft-delete",
        "key_soft_delete",
        Some("ec"),
    ),
    (
        "DELETE",
        "keys/none/soft-delete",
        "key_soft_delete",
        Some("none"),
    ),
    (
        "POST",
        "keys/ec/soft-delete-restore",
        "key_soft_restore",
        Some("ec"),
    ),
    ("POST", "keys/aes/config", "key_configure", Some("aes")),
    ("POST", "keys/aes/rotate", "key_rotate", Some("aes")),
    ("POST", "keys/aes/trim", "key_trim", Some("aes")),
    ("GET", "keys/aes?context=YQ==", "key_read", Some("aes")),
    (
        "POST",
        "datakey/plaintext/aes",
        "datakey_plaintext",
        Some("aes"),
    ),
    ("POST", "config/keys", "keys_config_write", None),
    ("DELETE", "keys/aes", "key_delete", Some("aes")),
];

fn furnished(app: &TestApp) {
    app.enable_mount("audited/here", json!({"type": "transit"}));
    for (ring, kind) in [
        ("aes", "aes256-gcm96"),
        ("ec", "ecdsa-p256"),
        ("rsa", "rsa-2048"),
    ] {
        let body = json!({"type": kind, "exportable": true, "allow_plaintext_backup": true});
        app.post(&format!("audited/here/keys/{ring}"), body).data();
    }
}

/// The records of a request that came after these.
fn records_after<'r>(
    records: &'r [Value],
    operation: &str,
    seen: &mut Vec<String>,
) -> Vec<&'r Value> {
    let of_operation = |record: &&Value| {
        let request = record["request"].as_str().unwrap_or_default();
        record["operation"] == operation && !seen.iter().any(|one| one == request)
    };
    let first = records.iter().find(of_operation);
    let request = first.unwrap_or_else(|| panic!("no record of {operation}"))["request"].clone();
    seen.push(request.as_str().unwrap().to_owned());
    records
        .iter()
        .filter(|record| record["request"] == request)
        .collect()
}

#[test]
fn operations_on_keys_are_recorded_by_name_and_ring_and_nothing_else() {
    let home = Home::new();
    let config = home.config(&Store::Sqlite, "");
    let app = config.serve(&config.init());
    furnished(&app);
    let canary = "Y2FuYXJ5LWNhbmFyeS1jYW5hcnk=";
    let body = json!({
        "input": canary, "signature": canary, "ciphertext": canary, "backup": canary, "peer_public_key": canary,
        "base_key_name": "ec", "certificate_chain": canary, "csr": canary, "context": canary, "type": canary,
    });
    let mut answers = Vec::new();
    for (method, path, _, _) in REQUESTS {
        let request = app.request(method, &format!("audited/here/{path}"));
        let answer = request.body(&body).send();
        assert_ne!(answer.status, 503, "{method} {path}: {}", answer.text());
        answers.push(answer);
    }
    app.stop();
    let log = home.path().join("audit.log");
    let text = fs::read_to_string(&log).unwrap();
    let decoded = "canary-canary";
    assert!(
        !text.contains(canary) && !text.contains(decoded),
        "a value is in the log"
    );
    for answer in &answers {
        let keys = answer.json_or_null()["data"]["keys"].take();
        for key in keys
            .as_object()
            .into_iter()
            .flat_map(serde_json::Map::values)
        {
            let key = key.as_str().unwrap_or("none of it is there");
            assert!(!text.contains(&key[..16]), "a key is in the log");
        }
    }
    let records: Vec<_> = records_of(&log)
        .into_iter()
        .filter(|record| record["mount"] == "audited/here")
        .skip_while(|record| record["operation"] != "sign")
        .collect();
    let mut seen = Vec::new();
    for ((method, path, operation, ring), answer) in REQUESTS.into_iter().zip(&answers) {
        let own = records_after(&records, operation, &mut seen);
        let kinds: Vec<_> = own
            .iter()
            .map(|record| record["kind"].as_str().unwrap())
            .collect();
        let expected: &[&str] = if CHANGES.contains(&operation) {
            &["intent", "outcome"]
        } else {
            &["request"]
        };
        assert_eq!(kinds, expected, "{method} {path}");
        for record in &own {
            assert_eq!(record["key"], json!(ring), "{method} {path} {record}");
        }
        let last = own.last().unwrap();
        assert_eq!(last["status"], answer.status, "{method} {path} {last}");
    }
    let (status, said) = verify(&[], &files_of(&log));
    assert_eq!(status, 0, "{said}");
}
