//! Rings of OpenBao move here: by their backups, or key by key.

use keyring::algorithm::{KeyType, PairType};
use keyring::entropy::SystemEntropy;
use keyring::transfer::backup::{self, BackupRing, BackupVersion};
use keyring::transfer::byok::{ImportHash, wrap};
use keyring::transfer::public_key::read_public_pem;
use serde_json::{Value, json};

use super::recorded::{Call, Recorded, exports};
use crate::app::TestApp;
use crate::client::{Answer, multi};

#[test]
fn what_openbao_made_is_used_after_its_backup_was_restored() {
    let app = TestApp::shared();
    let mut repeated = 0;
    for (name, recorded) in Recorded::all() {
        let ring = restored(&app, &name, &recorded);
        let data = app.read(&ring).data();
        let document = backup::read(recorded.backup()).unwrap();
        assert_eq!(data["name"], ring);
        assert_eq!(data["latest_version"], document.latest_version);
        assert_eq!(data["derived"], document.derived);
        let minimum = data["min_decryption_version"].as_u64().unwrap();
        let (archived, open): (Vec<_>, Vec<_>) = recorded
            .calls
            .iter()
            .partition(|call| u64::from(call.version) < minimum);
        for call in open {
            call.repeat(&app, &ring);
        }
        if !archived.is_empty() {
            unarchive(&app, &ring, &archived);
        }
        repeated += recorded.calls.len();
    }
    assert_eq!(repeated, 443);
}

/// Older versions than the minimum come along as well, and are used once they may be.
fn unarchive(app: &TestApp, ring: &str, calls: &[&Call]) {
    let too_old = "ciphertext or signature version is disallowed by policy (too old)";
    let (first, path) = (calls[0], format!("transit/decrypt/{ring}"));
    let refused = app.post(&path, first.body.clone());
    assert_eq!(refused.refusal(), (400, too_old.to_owned()));
    let minimum =
        json!({"min_decryption_version": first.version, "min_encryption_version": first.version});
    app.configure(ring, minimum).data();
    for call in calls {
        call.repeat(app, ring);
    }
}

#[test]
fn restored_rings_export_what_openbao_exports() {
    let app = TestApp::shared();
    let (rings, mut compared) = (Recorded::all(), 0);
    for (name, kinds) in exports() {
        let ring = restored(&app, &name, &rings[&name]);
        for (kind, formats) in kinds {
            for (format, keys) in formats {
                let path = format!("transit/export/{kind}/{ring}?format={format}");
                // Where OpenBao has no other form of it, there is but one text.
                let data = app.get(&path).data();
                assert_eq!(data["keys"], json!(keys), "{path}");
                compared += keys.len();
            }
        }
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn what_openbao_made_is_used_after_each_version_was_imported() {
    let app = TestApp::shared();
    let (mut rings, mut repeated) = (0, 0);
    for (name, recorded) in Recorded::all() {
        let document = backup::read(recorded.backup()).unwrap();
        if !keeps_its_meaning(&document) {
            continue;
        }
        let ring = imported(&app, &name, &document);
        for call in recorded.calls.iter().filter(|call| !call.needs_hmac_key) {
            call.repeat(&app, &ring);
            repeated += 1;
        }
        rings += 1;
    }
    assert_eq!((rings, repeated), (22, 297));
}

/// Whether what a ring made can be used with its keys alone. Versions are counted anew, keys of 256 bits derive in another way
/// (in OpenBao too), and no convergent key can be imported.
fn keeps_its_meaning(document: &BackupRing) -> bool {
    let key_type = KeyType::from_number(document.key_type_number).unwrap();
    let is_long = key_type
        .cipher()
        .is_some_and(|cipher| cipher.key_len() == 32);
    let derives_alike = !document.derived || document.kdf == 0 || !is_long;
    document.versions[0].version == 1 && derives_alike && !document.convergent_encryption
}

#[test]
fn keys_of_256_bits_derive_in_openbaos_other_way_once_they_were_imported() {
    let app = TestApp::shared();
    let rings = Recorded::all();
    for name in ["aes256-derived", "chacha20-derived"] {
        let document = backup::read(rings[name].backup()).unwrap();
        let ring = imported(&app, name, &document);
        let call = &rings[name].calls[0];
        let refused = app.post(&format!("transit/decrypt/{ring}"), call.body.clone());
        let (status, text) = refused.refusal();
        assert_eq!(status, 400, "{name}");
        assert!(text.ends_with("message authentication failed"), "{text}");
    }
}

#[test]
fn a_convergent_key_is_not_imported() {
    let app = TestApp::shared();
    let body = json!({"convergent_encryption": true, "derived": true, "ciphertext": "QUFB"});
    let refused = app.post("transit/keys/convergent-import/import", body);
    let text = multi("import cannot be used on keys with convergent encryption enabled");
    assert_eq!(refused.refusal(), (500, text));
    assert_eq!(app.read("convergent-import").status, 404);
}

/// Restores a backup under another name than it was made with, which nobody else uses.
fn restored(app: &TestApp, name: &str, recorded: &Recorded) -> String {
    let ring = fresh_name(app, name);
    let restored = app.post(
        &format!("transit/restore/{ring}"),
        json!({"backup": recorded.backup(), "name": "has-no-effect"}),
    );
    assert_eq!(restored.status, 204, "{name}: {}", restored.text());
    ring
}

/// Imports each version of a ring, wrapped as OpenBao's users wrap them.
fn imported(app: &TestApp, name: &str, document: &BackupRing) -> String {
    let ring = fresh_name(app, name);
    let key_type = KeyType::from_number(document.key_type_number).unwrap();
    for version in &document.versions {
        let body = json!({
            "ciphertext": blob(app, version),
            "type": key_type.name(),
            "derived": document.derived,
            "hash_function": "sha256",
        });
        let answer = import(app, &ring, version.version, body);
        assert_eq!(answer.status, 204, "{name}: {}", answer.text());
    }
    let data = app.read(&ring).data();
    assert_eq!(data["imported_key"], true);
    assert_eq!(data["latest_version"], document.latest_version);
    ring
}

fn import(app: &TestApp, ring: &str, version: u32, body: Value) -> Answer {
    let verb = if version == 1 {
        "import"
    } else {
        "import_version"
    };
    app.post(&format!("transit/keys/{ring}/{verb}"), body)
}

fn blob(app: &TestApp, version: &BackupVersion) -> String {
    let pem = app.get("transit/wrapping_key").data()["public_key"].take();
    let spki = read_public_pem(PairType::Rsa4096, pem.as_str().unwrap()).unwrap();
    let key = version.key.as_ref().unwrap();
    wrap(key, &spki, ImportHash::Sha256, &SystemEntropy).unwrap()
}

fn fresh_name(app: &TestApp, name: &str) -> String {
    // A ring of its own reserves the number in its name.
    format!("{}-{name}", app.ring(json!({})))
}
