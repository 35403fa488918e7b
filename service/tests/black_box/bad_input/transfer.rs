//! What is refused of keys on their way in and out: exports, backups, imports, agreements and certificates.

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::mount::{ASIDE, Mount, NOT_BASE64, Row};
use crate::tls::authority::Authority;

/// Rings that may go out. Of `old`, only version 2 is in use; `closed` and its likes may not go out.
fn furnished(path: &'static str) -> Mount {
    let mount = Mount::new(path);
    let of = |kind: &str| json!({"type": kind, "exportable": true, "allow_plaintext_backup": true});
    let closed = json!({"type": "ecdsa-p256"});
    mount.rings(&[
        ("aes", of("aes256-gcm96")),
        ("aes128", of("aes128-gcm96")),
        ("closed", closed),
        ("ec", of("ecdsa-p256")),
        ("ed", of("ed25519")),
        ("derived", json!({"type": "ed25519", "derived": true})),
        ("half", json!({"exportable": true})),
        (
            "hmac",
            json!({"type": "hmac", "key_size": 48, "exportable": true}),
        ),
        ("old", of("aes256-gcm96")),
        ("rsa", of("rsa-2048")),
    ]);
    mount.rotate("old", 1);
    mount.done("POST keys/old/config", json!({"min_decryption_version": 2}));
    mount
}

#[test]
fn what_is_not_exported_is_refused_with_its_reason() {
    let mount = furnished("bad-exports");
    let private = "private key material is not exportable";
    let kind = "invalid export type";
    let bytes = "unknown format for HMAC key; supported values are `` or `raw`";
    let rsa = "unknown key format for rsa key; supported values are ``, `der`, or `pem`";
    let ec = "unknown key format for ec key; supported values are ``, `der`, or `pem`";
    let certificate = "selected key version does not have a certificate chain imported";
    let rows = [
        ("export/kitty/aes", 400, kind),
        ("export/Encryption-Key/none", 400, kind),
        ("export/encryption-key/none", 404, ""),
        ("export/public-key/none/latest", 404, ""),
        ("export/encryption-key/aes?format=x", 400, "invalid format"),
        (
            "export/encryption-key/aes?format=PEM",
            400,
            "invalid format",
        ),
        ("export/signing-key/closed", 400, private),
        ("export/hmac-key/closed", 400, private),
        (
            "export/encryption-key/ec",
            400,
            "encryption not supported for the key",
        ),
        (
            "export/encryption-key/hmac",
            400,
            "encryption not supported for the key",
        ),
        (
            "export/signing-key/aes",
            400,
            "signing not supported for the key",
        ),
        (
            "export/certificate-chain/aes",
            400,
            "certificate chain not supported for keys that do not support signing",
        ),
        ("export/encryption-key/aes/x", 400, "invalid key version"),
        ("export/encryption-key/aes/v", 400, "invalid key version"),
        ("export/encryption-key/aes/1/2", 400, "invalid key version"),
        (
            "export/encryption-key/aes/Latest",
            400,
            "invalid key version",
        ),
        (
            "export/encryption-key/aes/99999999999999999999",
            400,
            "invalid key version",
        ),
        (
            "export/encryption-key/old/v1",
            400,
            "version for export is below minimum decryption version",
        ),
        (
            "export/encryption-key/old/3",
            400,
            "version does not exist or cannot be found",
        ),
        (
            "export/encryption-key/aes/4294967297",
            400,
            "version does not exist or cannot be found",
        ),
        ("export/signing-key/rsa?format=raw", 500, rsa),
        ("export/public-key/rsa?format=raw", 500, rsa),
        ("export/signing-key/ec?format=raw", 500, ec),
        ("export/public-key/ec?format=raw", 500, ec),
        ("export/encryption-key/aes?format=der", 500, bytes),
        ("export/hmac-key/rsa?format=pem", 500, bytes),
        ("export/certificate-chain/ec", 500, certificate),
        (
            "export/public-key/aes",
            500,
            "unknown key type aes256-gcm96 for export type public-key",
        ),
        (
            "export/public-key/hmac",
            500,
            "unknown key type hmac for export type public-key",
        ),
        (
            "byok-export/none/aes",
            500,
            "no such destination key to export to",
        ),
        ("byok-export/rsa/none", 500, "no such source key for export"),
        (
            "byok-export/aes/ec",
            500,
            "unsupported key type in use; must be a rsa key",
        ),
        (
            "byok-export/ec/aes",
            500,
            "unsupported key type in use; must be a rsa key",
        ),
        ("byok-export/rsa/closed", 400, "key is not exportable"),
        ("byok-export/rsa/aes?hash=md5", 400, "unknown hash function"),
        (
            "byok-export/rsa/aes?hash=SHA224",
            400,
            "OAEP with SHA224 is not supported",
        ),
        ("byok-export/rsa/aes/x", 400, "invalid key version"),
        (
            "byok-export/rsa/aes/2",
            400,
            "version does not exist or cannot be found",
        ),
        (
            "backup/closed",
            500,
            "exporting is disallowed on the policy",
        ),
        (
            "backup/half",
            500,
            "plaintext backup is disallowed on the policy",
        ),
        ("backup/none", 500, "key \"none\" not found"),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(path, status, text)| (format!("GET {path}"), *status, *text))
        .collect();
    let rows: Vec<Row<'_>> = rows
        .iter()
        .map(|(what, status, text)| (what.as_str(), Value::Null, *status, *text))
        .collect();
    mount.refuses(&rows);
}

/// The text of a backup with something in it replaced.
fn changed(backup: &str, from: &str, to: &str) -> String {
    let text = String::from_utf8(BASE64.decode(backup.as_bytes()).unwrap()).unwrap();
    assert!(text.contains(from), "{from} is not in the backup");
    BASE64.encode(text.replace(from, to).as_bytes())
}

#[test]
fn a_backup_that_is_not_one_restores_nothing() {
    let mount = furnished("bad-backups");
    let missing = "'backup' must be supplied";
    let whole = mount.done("GET backup/aes", "")["backup"].take();
    let whole = whole.as_str().unwrap();
    let to_new = |backup: String| json!({"backup": backup});
    let coded = |text: &str| json!({"backup": BASE64.encode(text.as_bytes())});
    let there = "key \"aes\" already exists";
    mount.refuses(&[
        ("POST restore", json!({}), 400, missing),
        ("POST restore/new", json!({"backup": ""}), 400, missing),
        (
            "POST restore/new",
            json!({"backup": null, "force": true}),
            400,
            missing,
        ),
        ("POST restore/new", json!({"backup": "!"}), 500, NOT_BASE64),
        ("POST restore", json!({"backup": whole}), 500, there),
        (
            "POST restore",
            json!({"backup": whole, "name": "new"}),
            500,
            there,
        ),
        (
            "POST restore/ec",
            json!({"backup": whole}),
            500,
            "key \"ec\" already exists",
        ),
        (
            "POST restore",
            to_new(changed(whole, "\"name\":\"aes\"", "\"name\":\"a/b\"")),
            500,
            "key names cannot be paths",
        ),
        (
            "POST restore/new",
            to_new(changed(whole, "\"type\":0", "\"type\":10000")),
            500,
            "the key type of the backup is not supported",
        ),
        (
            "POST restore/new",
            to_new(changed(
                whole,
                "\"version_template\":\"\"",
                "\"version_template\":\"x\"",
            )),
            500,
            "the version template of the backup is not supported",
        ),
        (
            "POST restore/new",
            to_new(changed(
                whole,
                "\"convergent_encryption\":false",
                "\"convergent_encryption\":true",
            )),
            400,
            "convergent encryption requires derivation to be enabled",
        ),
    ]);
    // Where it says what is wrong in detail, it is enough that it is refused as what the protocol has for it.
    let before = mount.state();
    for body in [
        coded("{}"),
        coded("null"),
        coded("[]"),
        coded("{\"policy\":{}}"),
        coded("{\"policy\":{\"name\":\"new\",\"type\":0}}"),
        to_new(changed(
            whole,
            "\"latest_version\":1",
            "\"latest_version\":2",
        )),
        to_new(changed(
            whole,
            "\"latest_version\":1",
            "\"latest_version\":0",
        )),
        to_new(changed(
            whole,
            "\"latest_version\":1",
            "\"latest_version\":4294967297",
        )),
        to_new(changed(
            whole,
            "\"min_decryption_version\":1",
            "\"min_decryption_version\":7",
        )),
        to_new(changed(
            whole,
            "\"min_decryption_version\":1",
            "\"min_decryption_version\":-1",
        )),
        to_new(changed(
            whole,
            "\"min_available_version\":0",
            "\"min_available_version\":5",
        )),
        to_new(changed(whole, "\"type\":0", "\"type\":8")),
        to_new(changed(whole, "\"type\":0", "\"type\":1")),
        to_new(changed(whole, "\"type\":0", "\"type\":2")),
        to_new(changed(whole, "\"type\":0", "\"type\":3")),
        to_new(changed(whole, "\"type\":0", "\"type\":-1")),
        to_new(whole[..whole.len() / 2 / 4 * 4].to_owned()),
    ] {
        let answer = mount.send("POST restore/new", &body);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, 500, "{body} {text}");
        assert!(text.contains("1 error occurred"), "{body} {text}");
    }
    assert_eq!(mount.state(), before);
}

#[test]
fn a_backup_brings_no_timer_and_no_hmac_key_that_would_be_refused_otherwise() {
    let mount = Mount::new("edited-backups");
    let open = json!({"exportable": true, "allow_plaintext_backup": true});
    let mut hmac = open.clone();
    (hmac["type"], hmac["key_size"]) = (json!("hmac"), json!(32));
    mount.rings(&[("aes", open), ("hmac", hmac)]);
    let [aes, hmac] = ["aes", "hmac"].map(|ring| {
        let text = mount.done(&format!("GET backup/{ring}"), "")["backup"].take();
        text.as_str().unwrap().to_owned()
    });
    let period = |nanos: u64| {
        let text = format!("\"auto_rotate_period\":{nanos}");
        json!({"backup": changed(&aes, "\"auto_rotate_period\":0", &text)})
    };
    let mut short: Value =
        serde_json::from_slice(&BASE64.decode(hmac.as_bytes()).unwrap()).unwrap();
    short["policy"]["keys"]["1"]["key"] = json!("AA==");
    let short = BASE64.encode(short.to_string().as_bytes());
    let hour = 3_600_000_000_000;
    mount.refuses(&[
        (
            "POST restore/new",
            period(hour - 1),
            400,
            "auto rotate period must be 0 to disable or at least an hour",
        ),
        (
            "POST restore/new",
            json!({"backup": short}),
            500,
            "version 1 of the backup is missing or damaged",
        ),
    ]);
    mount.done("POST restore/timed", period(hour));
    mount.done("POST restore/same", json!({"backup": hmac}));
}

#[test]
fn a_backup_without_keys_for_hmacs_gets_new_ones() {
    let mount = furnished("old-backups");
    let whole = mount.done("GET backup/aes", "")["backup"].take();
    let bare = changed(whole.as_str().unwrap(), "\"hmac_key\":", "\"hmac_kex\":");
    let mut made = Vec::new();
    for ring in ["one", "two"] {
        mount.done(&format!("POST restore/{ring}"), json!({"backup": bare}));
        let hmac = mount.done(&format!("POST hmac/{ring}"), json!({"input": ""}));
        made.push(hmac["hmac"].as_str().unwrap().to_owned());
        let exported = mount.done(&format!("GET export/hmac-key/{ring}"), "");
        assert_eq!(exported["keys"]["1"].as_str().unwrap().len(), 44);
    }
    assert_ne!(made[0], made[1], "an empty key makes one HMAC for all");
}

/// A ring that holds the public half of the mount's wrapping key: what is wrapped for it can be imported.
fn wrapping(mount: &Mount) {
    let pem = mount.done("GET wrapping_key", "")["public_key"].take();
    let body = json!({"type": "rsa-4096", "public_key": pem});
    mount.done("POST keys/wrapping/import", body);
}

/// A ring's key, wrapped to be imported.
fn blob(mount: &Mount, ring: &str) -> String {
    let exported = mount.done(&format!("GET byok-export/wrapping/{ring}/latest"), "");
    let (_, text) = exported["keys"].as_object().unwrap().iter().next().unwrap();
    text.as_str().unwrap().to_owned()
}

fn with_bytes(blob: &str, change: impl FnOnce(&mut Vec<u8>)) -> Value {
    let mut bytes = BASE64.decode(blob.as_bytes()).unwrap();
    change(&mut bytes);
    json!({"ciphertext": BASE64.encode(&bytes)})
}

fn public(mount: &Mount, ring: &str) -> Value {
    let exported = mount.done(&format!("GET export/public-key/{ring}?format=pem"), "");
    exported["keys"]["1"].clone()
}

#[test]
fn what_is_not_imported_is_refused_with_its_reason() {
    let mount = furnished("bad-imports");
    wrapping(&mount);
    let [aes, aes128, ec, ed] = ["aes", "aes128", "ec", "ed"].map(|ring| blob(&mount, ring));
    let [ec_public, rsa_public, edwards] = ["ec", "rsa", "ed"].map(|ring| public(&mount, ring));
    let convergent = "import cannot be used on keys with convergent encryption enabled";
    let short = "provided ciphertext is too short";
    let decryption = "crypto/rsa: decryption error";
    let not_pem = "error importing key: error parsing public key: not in PEM format";
    let no_public = "provided type does not support public_key import";
    let exists = "the import path cannot be used with an existing key; use import-version to rotate an existing \
                  imported key";
    let to = "POST keys/new/import";
    mount.refuses(&[
        (
            to,
            json!({"ciphertext": aes, "convergent_encryption": false}),
            500,
            convergent,
        ),
        (
            to,
            json!({"ciphertext": aes, "convergent_encryption": null}),
            500,
            convergent,
        ),
        (
            to,
            json!({"ciphertext": aes, "auto_rotate_period": "1h"}),
            500,
            "allow_rotation must be set to true if auto-rotation is enabled",
        ),
        (
            to,
            json!({"ciphertext": aes, "auto_rotate_period": 60, "allow_rotation": true}),
            400,
            "auto rotate period must be 0 to disable or at least an hour",
        ),
        (
            to,
            json!({"ciphertext": aes, "type": "aes"}),
            400,
            "unknown key type",
        ),
        (
            to,
            json!({"ciphertext": aes, "hash_function": "md5"}),
            400,
            "unknown hash function",
        ),
        (
            to,
            json!({"ciphertext": aes, "hash_function": "sha224"}),
            400,
            "OAEP with SHA224 is not supported",
        ),
        (
            to,
            json!({"ciphertext": aes, "seal_id": "AAAA"}),
            400,
            "seal_id must be 16 bytes in base64",
        ),
        (
            "POST keys/aes/import",
            json!({"ciphertext": aes}),
            500,
            exists,
        ),
        (to, json!({"ciphertext": "!"}), 500, NOT_BASE64),
        (to, json!({"ciphertext": ""}), 500, short),
        (
            to,
            json!({"ciphertext": null, "public_key": ec_public, "type": "ecdsa-p256"}),
            500,
            short,
        ),
        (
            to,
            with_bytes(&aes, |bytes| bytes.truncate(512)),
            500,
            short,
        ),
        (to, with_bytes(&aes, |bytes| bytes[7] ^= 1), 500, decryption),
        (
            to,
            json!({"ciphertext": aes, "hash_function": "SHA512"}),
            500,
            decryption,
        ),
        (
            to,
            with_bytes(&aes, |bytes| bytes[520] ^= 1),
            500,
            "kwp: unwrap failed integrity check",
        ),
        (
            to,
            with_bytes(&aes, |bytes| bytes.push(0)),
            500,
            "kwp: wrapped key size must be a multiple of 8 bytes",
        ),
        (
            to,
            with_bytes(&aes, |bytes| bytes.truncate(528)),
            500,
            "kwp: wrapped key size too small",
        ),
        (
            to,
            json!({"ciphertext": aes128}),
            500,
            "error importing key: invalid key size 16 bytes for key type aes256-gcm96",
        ),
        (
            to,
            json!({"ciphertext": aes128, "type": "hmac"}),
            500,
            "error importing key: invalid key size 16 bytes for key type hmac",
        ),
        (to, json!({}), 500, no_public),
        (to, json!({"public_key": ec_public}), 500, no_public),
        (
            to,
            json!({"public_key": ec_public, "type": "hmac"}),
            500,
            no_public,
        ),
        (
            to,
            json!({"public_key": edwards, "type": "ed25519", "derived": true}),
            500,
            no_public,
        ),
        (to, json!({"type": "ecdsa-p256"}), 500, not_pem),
        (
            to,
            json!({"public_key": "x", "type": "rsa-2048"}),
            500,
            not_pem,
        ),
        (
            to,
            json!({"public_key": ec_public, "type": "ecdsa-p384"}),
            500,
            "error importing key: invalid curve: expected P-384, got P-256",
        ),
        (
            to,
            json!({"public_key": rsa_public, "type": "rsa-4096"}),
            500,
            "error importing key: invalid key size: expected 512 bytes, got 256 bytes",
        ),
        (
            to,
            json!({"ciphertext": ec, "type": "ecdsa-p256", "derived": true}),
            500,
            "key derivation and convergent encryption not supported for keys of type ecdsa-p256",
        ),
    ]);
    // The names that it has for kinds of keys are not ours.
    let before = mount.state();
    for (body, part) in [
        (
            json!({"ciphertext": aes, "type": "rsa-2048"}),
            "error parsing asymmetric key",
        ),
        (
            json!({"ciphertext": ec, "type": "ecdsa-p521"}),
            "invalid curve: expected ",
        ),
        (
            json!({"ciphertext": ec, "type": "rsa-2048"}),
            "invalid key type: expected ",
        ),
        (
            json!({"ciphertext": ed, "type": "ecdsa-p256"}),
            "invalid key type: expected ",
        ),
        (
            json!({"public_key": edwards, "type": "rsa-2048"}),
            "invalid key type: expected ",
        ),
        (
            json!({"public_key": ec_public, "type": "ed25519"}),
            "invalid key type: expected ",
        ),
    ] {
        let (status, text) = mount.send(to, &body).refusal();
        assert!(
            status == 500 && text.contains(part),
            "{body}: {status} {text}"
        );
    }
    assert_eq!(mount.state(), before);
    let imported = json!({"ciphertext": aes, "type": "AES256-GCM96", "hash_function": "sha256"});
    assert_eq!(mount.done(to, &imported), Value::Null);
}

#[test]
fn versions_that_are_not_imported_are_refused_with_their_reason() {
    let mount = furnished("bad-versions");
    wrapping(&mount);
    let [aes, ec, closed] = ["aes", "ec", "hmac"].map(|ring| blob(&mount, ring));
    let other_public = public(&mount, "closed");
    mount.done(
        "POST keys/private/import",
        json!({"ciphertext": ec, "type": "ecdsa-p256"}),
    );
    mount.done("POST keys/cipher/import", json!({"ciphertext": aes}));
    let body = json!({"public_key": other_public, "type": "ecdsa-p256"});
    mount.done("POST keys/other/import", body);
    let generated = "the import_version endpoint can only be used with an imported key";
    let no_version = "no such key version";
    let private = "POST keys/private/import_version";
    let other = "POST keys/other/import_version";
    mount.refuses(&[
        (
            "POST keys/none/import_version",
            json!({"ciphertext": aes}),
            500,
            "no key found with name none; to import a new key, use the import/ endpoint",
        ),
        (
            "POST keys/aes/import_version",
            json!({"ciphertext": aes}),
            500,
            generated,
        ),
        (
            private,
            json!({"ciphertext": ec, "version": 1}),
            500,
            "private key imported, key version cannot be updated",
        ),
        (
            other,
            json!({"public_key": other_public, "version": 1}),
            500,
            "cannot add a public key to a key version that already has a public key set",
        ),
        (
            "POST keys/cipher/import_version",
            json!({"ciphertext": aes, "version": 1}),
            500,
            "provided type does not support importing key versions",
        ),
        (
            "POST keys/cipher/import_version",
            json!({"public_key": other_public}),
            500,
            "provided type does not support public_key import",
        ),
        (
            other,
            json!({"ciphertext": ec, "version": 1}),
            500,
            "cannot import key, key pair does not match",
        ),
        (
            other,
            json!({"ciphertext": ec, "version": 2}),
            500,
            no_version,
        ),
        (
            other,
            json!({"ciphertext": ec, "version": 0}),
            500,
            no_version,
        ),
        (
            other,
            json!({"ciphertext": ec, "version": -1}),
            500,
            no_version,
        ),
        (
            other,
            json!({"ciphertext": ec, "hash_function": "x"}),
            400,
            "unknown hash function",
        ),
        (
            other,
            json!({"ciphertext": ""}),
            500,
            "provided ciphertext is too short",
        ),
        (
            other,
            json!({}),
            500,
            "error importing key: error parsing public key: not in PEM format",
        ),
        (
            "POST keys/cipher/import_version",
            json!({"ciphertext": closed}),
            500,
            "error importing key: invalid key size 48 bytes for key type aes256-gcm96",
        ),
    ]);
}

#[test]
fn a_ring_without_its_private_key_derives_nothing_and_is_not_restored() {
    let mount = furnished("bad-halves");
    let open = json!({"exportable": true, "allow_plaintext_backup": true});
    let body = json!({"type": "ed25519", "public_key": public(&mount, "ed")});
    mount.done("POST keys/half-a-pair/import", body);
    mount.done("POST keys/half-a-pair/config", open);
    let backup = mount.done("GET backup/half-a-pair", "")["backup"].take();
    let whole = backup.as_str().unwrap();
    let derived = changed(whole, "\"derived\":false", "\"derived\":true");
    mount.refuses(&[(
        "POST restore/new",
        json!({"backup": derived}),
        500,
        "version 1 of the backup is missing or damaged",
    )]);
    mount.done("POST restore/new", json!({"backup": whole}));
}

#[test]
fn keys_that_are_not_agreed_on_are_refused_with_their_reason() {
    let mount = furnished("bad-agreements");
    let [ec, rsa] = ["closed", "rsa"].map(|ring| public(&mount, ring));
    mount.rings(&[("p384", json!({"type": "ecdsa-p384"}))]);
    mount.import_public("half-a-pair", "ecdsa-p256", "closed");
    let with = |base: &str, peer: &Value| json!({"base_key_name": base, "peer_public_key": peer});
    let mut other = with("ec", &ec);
    other["derived_key_type"] = json!("rsa-2048");
    let mut x25519 = with("ec", &ec);
    x25519["key_derivation_algorithm"] = json!("x25519");
    let mut version = with("ec", &ec);
    version["base_key_version"] = json!(2);
    let mut negative = with("ec", &ec);
    negative["base_key_version"] = json!(-1);
    let to = "POST derive-key/new";
    mount.refuses(&[
        (to, with("none", &ec), 400, "base key not found"),
        (to, with("", &ec), 400, "missing or invalid base_key_name"),
        (to, with("a/b", &ec), 400, "missing or invalid base_key_name"),
        (to, json!({"base_key_name": "ec"}), 400, "missing peer_public_key"),
        (to, other, 400, "unknown derived_key_type"),
        (to, x25519, 400, "key_derivation_algorithm must be 'ecdh'"),
        (to, version, 500, "no such key version"),
        (to, negative, 500, "no such key version"),
        (to, with("aes", &ec), 400, "key type aes256-gcm96 does not support key agreement"),
        (to, with("rsa", &ec), 400, "key type rsa-2048 does not support key agreement"),
        (to, with("half-a-pair", &ec), 400, "the base key is not valid"),
        (to, with("ec", &rsa), 400, "supplied peer public key is not an ECDSA key"),
        (
            to,
            with("p384", &ec),
            400,
            "base private key type ecdsa-p384 does not match peer public key curve",
        ),
        (
            to,
            with("ec", &json!("x")),
            400,
            "failed to parse supplied peer public key PEM: error parsing public key: not in PEM format",
        ),
        (
            "POST derive-key/aes",
            with("ec", &ec),
            500,
            "the import_version endpoint can only be used with an imported key",
        ),
    ]);
    assert_eq!(mount.done(to, with("ec", &ec)), Value::Null);
    let read = mount.done("GET keys/new", "");
    assert_eq!(
        (&read["imported_key"], &read["latest_version"]),
        (&json!(true), &json!(1))
    );
    mount.done("DELETE keys/new/soft-delete", "");
    mount.refuses(&[(to, with("ec", &ec), 500, ASIDE)]);
    mount.done("POST keys/new/soft-delete-restore", json!({}));
    let read = mount.done("GET keys/new", "");
    assert_eq!(read["latest_version"], json!(1));
}

#[test]
fn certificates_that_do_not_fit_are_refused_with_their_reason() {
    let mount = furnished("bad-certificates");
    mount.import_public("half-a-pair", "ecdsa-p256", "ec");
    let authority = Authority::new("an authority");
    let (one, two) = (authority.issue().certificate, authority.issue().certificate);
    let chain = |pems: &[&str]| json!({"certificate_chain": pems.concat()});
    let (ca, pem) = (
        authority.pem.as_str(),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let set = "POST keys/ec/set-certificate";
    let persist = "failed to persist certificate chain:";
    let [first, last, several, other_key] = [
        "certificate in the first element is not a valid leaf certificate",
        "certificate in the last element is not a valid CA certificate",
        "could not validate if there is only one leaf certificate in the provided chain",
        "leaf certificate public key does not match the selected key version",
    ]
    .map(|why| format!("{persist} {why}"));
    let other_type = format!(
        "{persist} could not validate key match between leaf certificate key and key entry in transit: provided leaf \
         certificate public key algorithm does not match the transit key type 'rsa-2048'"
    );
    let mut rows: Vec<Row<'_>> = vec![
        (
            "POST keys/none/csr",
            json!({}),
            400,
            "key with provided name 'none' not found",
        ),
        (
            "POST keys/aes/csr",
            json!({}),
            400,
            "key type 'aes256-gcm96' does not support signing",
        ),
        (
            "POST keys/hmac/csr",
            json!({}),
            400,
            "key type 'hmac' does not support signing",
        ),
        (
            "POST keys/derived/csr",
            json!({}),
            400,
            "operation not supported for keys with derivation enabled",
        ),
        (
            "POST keys/ec/csr",
            json!({"csr": "x"}),
            400,
            "could not decode PEM CSR",
        ),
        (
            "POST keys/ec/csr",
            json!({"csr": pem}),
            400,
            "could not parse the CSR",
        ),
        (
            "POST keys/ec/csr",
            json!({"version": 2}),
            400,
            "no such key version",
        ),
        (
            "POST keys/ec/csr",
            json!({"version": -1}),
            400,
            "no such key version",
        ),
        (
            "POST keys/half-a-pair/csr",
            json!({}),
            400,
            "could not create the csr: requested version does not contain a private part",
        ),
    ];
    rows.extend([
        (set, json!({}), 400, "missing certificate_chain"),
        (
            set,
            json!({"certificate_chain": null}),
            400,
            "missing certificate_chain",
        ),
        (
            set,
            json!({"certificate_chain": "x"}),
            400,
            "could not decode a PEM block in the certificate chain",
        ),
        (
            set,
            chain(&[pem]),
            400,
            "could not parse a certificate in the certificate chain",
        ),
        (set, chain(&[ca]), 400, first.as_str()),
        (set, chain(&[&one, &two]), 400, last.as_str()),
        (set, chain(&[&one, &two, ca]), 400, several.as_str()),
        (set, chain(&[&one, ca]), 500, other_key.as_str()),
        (
            "POST keys/rsa/set-certificate",
            chain(&[&one]),
            400,
            other_type.as_str(),
        ),
        (
            "POST keys/none/set-certificate",
            chain(&[&one]),
            400,
            "key with provided name 'none' not found",
        ),
        (
            "POST keys/aes/set-certificate",
            chain(&[&one]),
            400,
            "key type 'aes256-gcm96' does not support signing",
        ),
        (
            "POST keys/derived/set-certificate",
            chain(&[&one]),
            400,
            "operation not supported for keys with derivation enabled",
        ),
    ]);
    let mut missing = chain(&[&one]);
    missing["version"] = json!(2);
    rows.push((set, missing, 400, "no such key version"));
    mount.refuses(&rows);
}
