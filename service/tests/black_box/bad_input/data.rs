//! What `encrypt`, `decrypt`, `rewrap` and `datakey` refuse of rings of every type; what is said of ciphers alone is told with
//! their tests.

use serde_json::{Value, json};

use crate::mount::{ASIDE, Mount, NO_CONTEXT, NOT_BASE64, TOO_OLD};

const MISSING: &str = "encryption key not found";
/// Of these bytes, every ciphertext of an RSA ring would have to be longer.
const SHORT: &str = "vault:v1:AAAA";

/// Of `old`, only version 2 is in use.
fn furnished(path: &'static str) -> Mount {
    let mount = Mount::new(path);
    mount.rings(&[
        ("aes", json!({"type": "aes256-gcm96"})),
        ("aside", json!({})),
        ("derived", json!({"derived": true})),
        ("ec", json!({"type": "ecdsa-p256"})),
        ("ed", json!({"type": "ed25519"})),
        ("hmac", json!({"type": "hmac", "key_size": 32})),
        ("ml", json!({"type": "ml-dsa", "parameter_set": "65"})),
        ("old", json!({"type": "rsa-2048"})),
        ("rsa", json!({"type": "rsa-2048"})),
    ]);
    mount.rotate("old", 1);
    mount.done("POST keys/old/config", json!({"min_decryption_version": 2}));
    mount.import_public("public", "rsa-2048", "rsa");
    mount.done("DELETE keys/aside/soft-delete", "");
    mount
}

#[test]
fn a_key_that_does_not_encrypt_is_told_by_its_type() {
    let mount = furnished("no-cipher");
    for (name, kind) in [
        ("ec", "ecdsa-p256"),
        ("ed", "ed25519"),
        ("hmac", "hmac"),
        ("ml", "ml-dsa"),
    ] {
        let encryption = format!("message encryption not supported for key type {kind}");
        let decryption = format!("message decryption not supported for key type {kind}");
        let ciphertext = json!({"ciphertext": SHORT});
        let to = |verb: &str| format!("POST {verb}/{name}");
        let plaintext = json!({"plaintext": ""});
        let batch = json!({"batch_input": [{"plaintext": ""}]});
        mount.refuses(&[
            (&to("encrypt"), plaintext, 400, &encryption),
            (&to("datakey/plaintext"), json!({}), 400, &encryption),
            (&to("datakey/wrapped"), json!({}), 400, &encryption),
            (&to("decrypt"), ciphertext.clone(), 400, &decryption),
            (&to("rewrap"), ciphertext, 400, &decryption),
        ]);
        let answer = mount.send(&to("encrypt"), batch);
        assert_eq!(answer.status, 400);
        assert_eq!(answer.items()[0]["error"], encryption);
    }
}

#[test]
fn what_rsa_cannot_encrypt_or_decrypt_is_refused_with_its_reason() {
    let mount = furnished("bad-rsa");
    let aead = "'[0].associated_data' provided for non-AEAD cipher suite rsa-2048";
    let long = "failed to RSA encrypt the plaintext: message too long for RSA key size";
    let broken = "failed to RSA decrypt the ciphertext: crypto/rsa: decryption error";
    let public = "cannot decrypt ciphertext, key version does not have a private counterpart";
    // Beside SHA-256 in 2048 bits there is room for 190 bytes.
    let (fits, over) = ("AAAA".repeat(63) + "AA==", "AAAA".repeat(64));
    let sealed = mount.done("POST encrypt/public", json!({"plaintext": fits}));
    let sealed = json!({"ciphertext": sealed["ciphertext"]});
    assert_eq!(mount.done("POST decrypt/rsa", &sealed)["plaintext"], fits);
    mount.refuses(&[
        (
            "POST encrypt/rsa",
            json!({"plaintext": "", "associated_data": "YQ=="}),
            400,
            aead,
        ),
        ("POST encrypt/rsa", json!({"plaintext": over}), 500, long),
        (
            "POST encrypt/rsa",
            json!({"plaintext": "!"}),
            400,
            NOT_BASE64,
        ),
        (
            "POST encrypt/old",
            json!({"plaintext": "", "key_version": 1}),
            400,
            "no such key version",
        ),
        (
            "POST datakey/plaintext/rsa",
            json!({"associated_data": "YQ=="}),
            400,
            aead,
        ),
        (
            "POST datakey/wrapped/rsa",
            json!({"bits": 192}),
            400,
            "invalid bit length",
        ),
        (
            "POST decrypt/old",
            json!({"ciphertext": SHORT}),
            400,
            TOO_OLD,
        ),
        (
            "POST decrypt/rsa",
            json!({"ciphertext": SHORT}),
            500,
            broken,
        ),
        ("POST rewrap/rsa", json!({"ciphertext": SHORT}), 500, broken),
        (
            "POST decrypt/rsa",
            json!({"ciphertext": "vault:v1:"}),
            500,
            broken,
        ),
        ("POST decrypt/public", sealed.clone(), 500, public),
        ("POST rewrap/public", sealed, 500, public),
    ]);
}

#[test]
fn a_batch_of_an_rsa_key_has_the_status_of_what_its_items_did() {
    let mount = furnished("rsa-batches");
    let good = json!({"plaintext": "YQ=="});
    let aead = json!({"plaintext": "", "associated_data": "YQ=="});
    let long = json!({"plaintext": "AAAA".repeat(64)});
    for (items, status) in [
        (json!([good, good]), 200),
        (json!([good, aead]), 400),
        (json!([good, long]), 500),
        (json!([good, long, aead]), 400),
        (json!([long]), 500),
    ] {
        let answer = mount.send("POST encrypt/rsa", json!({"batch_input": items}));
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(answer.items().len(), items.as_array().unwrap().len());
        let mut body = json!({"batch_input": items});
        body["partial_failure_response_code"] = json!(207);
        let chosen = mount.send("POST encrypt/rsa", body);
        let expected = match (status, items[0] == good) {
            (200, _) => 200,
            (_, true) => 207,
            (status, false) => status,
        };
        assert_eq!(chosen.status, expected, "{items}");
    }
    let sealed = mount.done("POST encrypt/rsa", &good)["ciphertext"].take();
    let items = json!([{"ciphertext": sealed}, {"ciphertext": SHORT}, {"ciphertext": "x"}]);
    let opened = mount.send("POST decrypt/rsa", json!({"batch_input": items}));
    assert_eq!(
        (opened.status, &opened.items()[0]["plaintext"]),
        (400, &json!("YQ=="))
    );
    let moved = mount.send("POST rewrap/rsa", json!({"batch_input": items}));
    assert_eq!(moved.status, 200, "rewrap leaves it to the items");
    let errors: Vec<Value> = moved
        .items()
        .into_iter()
        .map(|mut item| item["error"].take())
        .collect();
    let broken = "failed to RSA decrypt the ciphertext: crypto/rsa: decryption error";
    assert_eq!(
        json!(errors),
        json!([null, broken, "invalid ciphertext: no prefix"])
    );
}

#[test]
fn fields_of_data_keys_are_refused_in_their_own_words() {
    let mount = furnished("bad-datakey");
    let factory =
        format!("unable to get associated_data/additional_data from factory[0]: {NOT_BASE64}");
    for form in ["plaintext", "wrapped"] {
        let to = |name: &str| format!("POST datakey/{form}/{name}");
        mount.refuses(&[
            (&to("none"), json!({}), 400, MISSING),
            (&to("aes"), json!({"bits": 0}), 400, "invalid bit length"),
            (&to("aes"), json!({"bits": -256}), 400, "invalid bit length"),
            (&to("aes"), json!({"associated_data": "!"}), 500, &factory),
            (
                &to("aes"),
                json!({"key_version": -1}),
                400,
                "requested version for encryption is negative",
            ),
            (
                &to("aes"),
                json!({"key_version": 2}),
                400,
                "requested version for encryption is higher than the latest key version",
            ),
            (&to("derived"), json!({}), 400, NO_CONTEXT),
            (
                &to("derived"),
                json!({"context": "!"}),
                400,
                "failed to base64-decode context",
            ),
            (&to("aside"), json!({}), 400, ASIDE),
        ]);
    }
    let form = "Invalid path, must be 'plaintext' or 'wrapped'";
    mount.refuses(&[("POST datakey/both/aes", json!({}), 400, form)]);
}
