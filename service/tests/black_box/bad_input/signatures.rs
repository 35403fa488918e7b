//! What `sign`, `verify` and `hmac` refuse, and what becomes of batches of which some items are refused.

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::mount::{ASIDE, BATCH_EMPTY, Mount, NO_CONTEXT, NOT_BASE64, TOO_OLD};

const UNSUPPORTED_BY_RSA: &str = "hash_algorithm is not supported for this key type: RSA signs with sha2-256, \
                                  sha2-384 and sha2-512, ECDSA with none only if prehashed";
const NONE_NEEDS: &str =
    "hash_algorithm=none requires both prehashed=true and signature_algorithm=pkcs1v15";
const NOT_A_LIST: &str =
    "failed to parse batch input: source data must be an array or slice, got: string";
const NOT_A_MAP: &str = "failed to parse batch input: [0] expected a map, got 'json.Number'";

/// Of `ec`, versions 3 and 4 sign and 2 to 4 verify; of `old`, 2 signs and verifies.
fn furnished(path: &'static str) -> Mount {
    let mount = Mount::new(path);
    let ecdsa = json!({"type": "ecdsa-p256"});
    mount.rings(&[
        ("aes", json!({"type": "aes256-gcm96"})),
        ("aside", ecdsa.clone()),
        ("derived", json!({"type": "ed25519", "derived": true})),
        ("ec", ecdsa.clone()),
        ("ed", json!({"type": "ed25519"})),
        ("hmac", json!({"type": "hmac", "key_size": 32})),
        ("ml", json!({"type": "ml-dsa", "parameter_set": "44"})),
        ("old", ecdsa),
        ("rsa", json!({"type": "rsa-2048"})),
    ]);
    mount.rotate("ec", 3);
    let minimums = json!({"min_decryption_version": 2, "min_encryption_version": 3});
    mount.done("POST keys/ec/config", minimums);
    mount.rotate("old", 1);
    mount.done("POST keys/old/config", json!({"min_decryption_version": 2}));
    mount.import_public("public", "ecdsa-p256", "ec");
    mount.done("DELETE keys/aside/soft-delete", "");
    mount
}

fn not_base64() -> String {
    format!("unable to decode input as base64: {NOT_BASE64}")
}

#[test]
fn what_is_not_signed_is_refused_with_its_reason() {
    let mount = furnished("bad-sign");
    let not_base64 = not_base64();
    let no_context = format!("error deriving key: {NO_CONTEXT}");
    let hash = "invalid hash algorithm";
    let salt = "salt length neither 'auto', 'hash', nor an int";
    let pkcs1 = json!({"hash_algorithm": "none", "signature_algorithm": "pkcs1v15"});
    let bare =
        json!({"hash_algorithm": "none", "prehashed": true, "signature_algorithm": "pkcs1v15"});
    mount.refuses(&[
        ("POST sign/none", json!({}), 400, "signing key not found"),
        ("POST sign/aes", json!({}), 400, "key type aes256-gcm96 does not support signing"),
        ("POST sign/hmac", json!({}), 400, "key type hmac does not support signing"),
        ("POST sign/ec/sha2-257", json!({}), 400, hash),
        ("POST sign/ec/sha2-256/more", json!({}), 400, hash),
        ("POST sign/ec/SHA2-256", json!({}), 400, hash),
        ("POST sign/ec", json!({"hash_algorithm": "md5"}), 400, hash),
        ("POST sign/ec", json!({"hash_algorithm": "", "algorithm": "md5"}), 400, hash),
        ("POST sign/ed", json!({"hash_algorithm": "md5"}), 400, hash),
        ("POST sign/ec", json!({"marshaling_algorithm": "der"}), 400, "invalid marshaling type"),
        ("POST sign/rsa", json!({"marshaling_algorithm": "JWS"}), 400, "invalid marshaling type"),
        ("POST sign/rsa", json!({"salt_length": "foobar"}), 400, salt),
        ("POST sign/ed", json!({"salt_length": "foobar"}), 400, salt),
        ("POST sign/rsa", json!({"salt_length": "1.5"}), 400, salt),
        ("POST sign/rsa", json!({"salt_length": "-2"}), 400, "salt length is invalid"),
        ("POST sign/ec", json!({"salt_length": -2}), 400, "salt length is invalid"),
        ("POST sign/rsa/none", json!({}), 400, NONE_NEEDS),
        ("POST sign/rsa/none", json!({"prehashed": true}), 400, NONE_NEEDS),
        ("POST sign/rsa", pkcs1, 400, NONE_NEEDS),
        ("POST sign/ec", json!({"hash_algorithm": "none"}), 400, NONE_NEEDS),
        ("POST sign/rsa", bare, 400, UNSUPPORTED_BY_RSA),
        ("POST sign/rsa/sha1", json!({}), 400, UNSUPPORTED_BY_RSA),
        ("POST sign/rsa/sha3-256", json!({}), 400, UNSUPPORTED_BY_RSA),
        (
            "POST sign/rsa",
            json!({"prehashed": true, "input": "YQ=="}),
            400,
            "prehashed input does not have the length of the hash",
        ),
        ("POST sign/ec", json!({"input": "!"}), 400, &not_base64),
        ("POST sign/derived", json!({"context": "!"}), 400, "failed to base64-decode context"),
        ("POST sign/ec", json!({"signature_context": "YQ=="}), 400, "signature_context is not supported"),
        ("POST sign/ec", json!({"key_version": -1}), 500, "requested version for signing is negative"),
        (
            "POST sign/ec",
            json!({"key_version": "5"}),
            500,
            "requested version for signing is higher than the latest key version",
        ),
        (
            "POST sign/ec",
            json!({"key_version": 2}),
            500,
            "requested version for signing is less than the minimum encryption key version",
        ),
        ("POST sign/old", json!({"key_version": 1}), 500, "no such key version"),
        (
            "POST sign/public",
            json!({}),
            500,
            "requested version for signing does not contain a private part",
        ),
        ("POST sign/rsa", json!({"salt_length": 223}), 500, "requested salt length 223 is invalid"),
        (
            "POST sign/rsa",
            json!({"signature_algorithm": "x"}),
            500,
            "unsupported rsa signature algorithm",
        ),
        ("POST sign/derived", json!({}), 500, &no_context),
        ("POST sign/derived", json!({"context": ""}), 500, &no_context),
        ("POST sign/aside", json!({}), 500, ASIDE),
        ("POST sign/ec", json!({"batch_input": []}), 400, BATCH_EMPTY),
        ("POST sign/ec", json!({"batch_input": "x"}), 500, NOT_A_LIST),
        ("POST sign/ec", json!({"batch_input": [1]}), 500, NOT_A_MAP),
        (
            "POST sign/ec",
            json!({"batch_input": [{"input": 1}, {"context": true}]}),
            500,
            "failed to parse batch input: '[0].input' expected type 'string', got unconvertible type 'json.Number'\n\
             '[1].context' expected type 'string', got unconvertible type 'bool'",
        ),
    ]);
}

#[test]
fn options_that_mean_nothing_to_a_type_are_no_mistakes() {
    let mount = furnished("odd-sign");
    for name in ["ed", "ml", "ec"] {
        for salt in [
            json!("auto"),
            json!("hash"),
            json!(-1),
            json!(0),
            json!("1"),
            json!(9999),
        ] {
            for scheme in ["", "pss", "pkcs1v15", "x"] {
                let body = json!({"salt_length": salt, "signature_algorithm": scheme});
                mount.done(&format!("POST sign/{name}"), &body);
            }
        }
        for path in ["sha1", "sha2-512", "sha3-224"] {
            mount.done(
                &format!("POST sign/{name}/{path}"),
                json!({"key_version": "0"}),
            );
        }
        mount.done(
            &format!("POST sign/{name}"),
            json!({"input": null, "batch_input": null}),
        );
    }
    // Where the path names no hash, a slash more or less makes no difference.
    let signed = mount.done("PUT sign/ec//sha2-256", json!({"input": "YQ=="}));
    for path in [
        "PUT verify/ec//sha2-256",
        "POST verify/ec/sha2-256",
        "POST verify/ec",
    ] {
        let body = json!({"input": "YQ==", "signature": signed["signature"]});
        assert_eq!(mount.done(path, &body)["valid"], true, "{path}");
    }
    let other = json!({"input": "YQ==", "signature": signed["signature"]});
    assert_eq!(
        mount.done("POST verify/ec/sha2-512", &other)["valid"],
        false
    );
}

#[test]
fn what_cannot_be_verified_is_refused_with_its_reason() {
    let mount = furnished("bad-verify");
    let not_base64 = not_base64();
    let no_context = format!("error deriving key: {NO_CONTEXT}");
    let signed = mount.done("POST sign/ec", json!({}))["signature"].take();
    let derived = mount.done("POST sign/derived", json!({"context": "YQ=="}))["signature"].take();
    let (_, payload) = signed.as_str().unwrap().rsplit_once(':').unwrap();
    let longer = [BASE64.decode(payload.as_bytes()).unwrap(), vec![0]].concat();
    let longer = format!("vault:v4:{}", BASE64.encode(&longer));
    let jws = json!({"marshaling_algorithm": "jws", "signature": "vault:v4:AA=="});
    let signature = |text: &str| json!({"signature": text});
    let salted = json!({"signature": "vault:v1:AAAA", "salt_length": 223});
    let scheme = json!({"signature": "vault:v1:AAAA", "signature_algorithm": "x"});
    mount.refuses(&[
        (
            "POST verify/ec",
            json!({"signature": "", "hmac": ""}),
            400,
            "provide one of 'signature' or 'hmac'",
        ),
        (
            "POST verify/ec",
            json!({"input": ""}),
            400,
            "neither a 'signature' nor an 'hmac' were given to verify",
        ),
        (
            "POST verify/none",
            signature("vault:v1:AAAA"),
            400,
            "signature verification key not found",
        ),
        (
            "POST verify/aes",
            signature("vault:v1:AAAA"),
            400,
            "key type aes256-gcm96 does not support verification",
        ),
        (
            "POST verify/hmac",
            signature("vault:v1:AAAA"),
            400,
            "key type hmac does not support verification",
        ),
        (
            "POST verify/ec",
            json!({"signature": null}),
            400,
            "invalid signature: no prefix",
        ),
        (
            "POST verify/ec",
            signature("x"),
            400,
            "invalid signature: no prefix",
        ),
        (
            "POST verify/ec",
            signature("vault:v4"),
            400,
            "invalid signature: wrong number of fields",
        ),
        (
            "POST verify/ec",
            signature("vault:vx:AAAA"),
            400,
            "invalid signature: version number could not be decoded",
        ),
        (
            "POST verify/ec",
            signature("vault:v5:AAAA"),
            400,
            "invalid signature: version is too new",
        ),
        ("POST verify/ec", signature("vault:v1:AAAA"), 400, TOO_OLD),
        (
            "POST verify/ec",
            signature("vault:v4:!"),
            400,
            "invalid base64 signature value",
        ),
        ("POST verify/ec", jws, 400, "invalid base64 signature value"),
        (
            "POST verify/ec",
            signature("vault:v4:"),
            400,
            "supplied signature is invalid",
        ),
        (
            "POST verify/ec",
            signature("vault:v4:AAAA"),
            400,
            "supplied signature is invalid",
        ),
        (
            "POST verify/ec",
            signature(&longer),
            400,
            "supplied signature contains extra data",
        ),
        (
            "POST verify/ec",
            json!({"signature": signed, "input": "!"}),
            400,
            &not_base64,
        ),
        (
            "POST verify/ec/md5",
            json!({"signature": signed}),
            400,
            "invalid hash algorithm",
        ),
        (
            "POST verify/ec",
            json!({"signature": signed, "marshaling_algorithm": "der"}),
            400,
            "invalid marshaling type",
        ),
        (
            "POST verify/ed",
            json!({"signature": "vault:v1:AAAA", "salt_length": "x"}),
            400,
            "salt length neither 'auto', 'hash', nor an int",
        ),
        (
            "POST verify/rsa",
            salted,
            500,
            "requested salt length 223 is invalid",
        ),
        (
            "POST verify/rsa",
            scheme,
            500,
            "unsupported rsa signature algorithm",
        ),
        (
            "POST verify/derived",
            json!({"signature": derived}),
            500,
            &no_context,
        ),
        (
            "POST verify/derived",
            json!({"signature": derived, "context": "!"}),
            400,
            "failed to base64-decode context",
        ),
        ("POST verify/aside", signature("vault:v1:AAAA"), 400, ASIDE),
    ]);
    for (name, text) in [
        ("ed", "vault:v1:AAAA"),
        ("ml", "vault:v1:"),
        ("rsa", "vault:v1:AAAA"),
    ] {
        let checked = mount.done(&format!("POST verify/{name}"), signature(text));
        assert_eq!(checked, json!({"valid": false}), "{name}");
    }
}

#[test]
fn hmacs_that_cannot_be_made_or_checked_are_refused_with_their_reason() {
    let mount = furnished("bad-hmac");
    let not_base64 = not_base64();
    let hmac = |text: &str| json!({"hmac": text});
    mount.refuses(&[
        (
            "POST hmac/none",
            json!({"input": ""}),
            400,
            "encryption key not found",
        ),
        ("POST hmac/ec", json!({}), 400, "missing input for HMAC"),
        ("POST hmac/ec", json!({"input": "!"}), 400, &not_base64),
        (
            "POST hmac/ec",
            json!({"input": "", "key_version": 2}),
            400,
            "cannot generate HMAC: version is too old (disallowed by policy)",
        ),
        (
            "POST hmac/ec",
            json!({"input": "", "key_version": -1}),
            400,
            "key version does not exist (cannot be negative)",
        ),
        (
            "POST hmac/ec",
            json!({"input": "", "key_version": 5}),
            400,
            "key version does not exist; latest key version is 4",
        ),
        (
            "POST hmac/old",
            json!({"input": "", "key_version": 1}),
            400,
            "no such key version",
        ),
        (
            "POST hmac/ec/md5",
            json!({"input": ""}),
            400,
            "unsupported algorithm",
        ),
        (
            "POST hmac/ec/none",
            json!({"input": ""}),
            400,
            "unsupported algorithm",
        ),
        (
            "POST hmac/ec",
            json!({"input": "", "algorithm": "none"}),
            400,
            "unsupported algorithm",
        ),
        ("POST hmac/aside", json!({"input": ""}), 400, ASIDE),
        ("POST hmac/ec", json!({"batch_input": []}), 400, BATCH_EMPTY),
        ("POST hmac/ec", json!({"batch_input": "x"}), 500, NOT_A_LIST),
        ("POST hmac/ec", json!({"batch_input": [1]}), 500, NOT_A_MAP),
        (
            "POST verify/none",
            hmac("vault:v1:AAAA"),
            400,
            "encryption key not found",
        ),
        (
            "POST verify/ec",
            hmac(""),
            400,
            "invalid HMAC to verify: no prefix",
        ),
        (
            "POST verify/ec",
            json!({"hmac": null}),
            400,
            "invalid HMAC to verify: no prefix",
        ),
        (
            "POST verify/aes",
            hmac("vault:v1"),
            400,
            "invalid HMAC: wrong number of fields",
        ),
        (
            "POST verify/ec",
            hmac("vault:v+4:AAAA"),
            400,
            "invalid HMAC: version number could not be decoded",
        ),
        (
            "POST verify/ec",
            hmac("vault:v5:AAAA"),
            400,
            "invalid HMAC: version is too new",
        ),
        (
            "POST verify/ec",
            hmac("vault:v1:AAAA"),
            400,
            "cannot verify HMAC: version is too old (disallowed by policy)",
        ),
        (
            "POST verify/ec",
            hmac("vault:v4:!"),
            400,
            "unable to decode verification HMAC as base64",
        ),
        (
            "POST verify/ec/none",
            hmac("vault:v4:AAAA"),
            400,
            "unsupported algorithm",
        ),
        ("POST verify/aside", hmac("vault:v1:AAAA"), 400, ASIDE),
    ]);
    for name in ["aes", "hmac", "ed", "derived", "rsa", "ml"] {
        let made = mount.done(&format!("POST hmac/{name}/sha1"), json!({"input": "YQ=="}));
        let right = json!({"hmac": made["hmac"], "input": "YQ==", "hash_algorithm": "sha1"});
        let wrong = json!({"hmac": made["hmac"], "input": "Yg==", "algorithm": "sha1"});
        for (body, valid) in [(right, true), (wrong, false)] {
            let checked = mount.done(&format!("POST verify/{name}"), &body);
            assert_eq!(checked, json!({"valid": valid}), "{name}");
        }
    }
}

#[test]
fn a_batch_to_verify_is_all_signatures_or_all_hmacs() {
    let mount = furnished("bad-batches");
    for (items, text) in [
        (
            json!([{"signature": "x"}, {"hmac": "x"}]),
            "elements of batch_input must all provide 'signature' or all provide 'hmac'",
        ),
        (
            json!([{"signature": "x"}, {}]),
            "some elements of batch_input are missing 'signature'",
        ),
        (
            json!([{}, {"hmac": "x"}]),
            "some elements of batch_input are missing 'hmac'",
        ),
        (
            json!([{}, {"input": ""}]),
            "no batch_input elements have 'signature' or 'hmac'",
        ),
        (json!([]), BATCH_EMPTY),
    ] {
        mount.refuses(&[("POST verify/ec", json!({"batch_input": items}), 400, text)]);
    }
}

/// The items of a batch, which is 200 whatever became of them.
fn items(mount: &Mount, what: &str, items: &Value) -> Value {
    mount.done(what, json!({"batch_input": items}))["batch_results"].take()
}

#[test]
fn a_batch_is_200_and_each_item_says_what_became_of_it() {
    let mount = furnished("mixed-batches");
    let not_base64 = not_base64();
    let input = json!([
        {"input": "YQ==", "reference": "a"},
        {"input": "!", "reference": "b"},
        {},
        {"input": null},
    ]);
    let made = items(&mount, "POST sign/ec", &input);
    assert_eq!(
        (&made[0]["key_version"], &made[0]["reference"]),
        (&json!(4), &json!("a"))
    );
    assert!(
        made[0]["signature"]
            .as_str()
            .unwrap()
            .starts_with("vault:v4:")
    );
    assert_eq!(
        made[1],
        json!({"error": not_base64, "key_version": 0, "reference": "b"})
    );
    for item in [2, 3] {
        assert_eq!(
            made[item],
            json!({"error": "missing input", "key_version": 0, "reference": ""})
        );
    }
    let derived =
        json!([{"input": "", "context": "YQ=="}, {"input": ""}, {"input": "", "context": "!"}]);
    let derived = items(&mount, "POST sign/derived", &derived);
    assert!(derived[0]["publickey"].is_string() && derived[0]["public_key"].is_null());
    let error = format!("error deriving key: {NO_CONTEXT}");
    assert_eq!(
        derived[1],
        json!({"error": error, "key_version": 0, "reference": ""})
    );
    assert_eq!(derived[2]["error"], "failed to base64-decode context");
    let tags = items(&mount, "POST hmac/ec", &input);
    assert_eq!(tags[1], json!({"error": not_base64, "reference": "b"}));
    assert_eq!(
        tags[2],
        json!({"error": "missing input for HMAC", "reference": ""})
    );
    let whole = mount.done(
        "POST sign/ec",
        json!({"key_version": 9, "batch_input": [{"input": ""}]}),
    );
    let error = "requested version for signing is higher than the latest key version";
    assert_eq!(whole["batch_results"][0]["error"], error);

    let checked = json!([
        {"input": "YQ==", "signature": made[0]["signature"]},
        {"input": "Yg==", "signature": made[0]["signature"], "reference": "b"},
        {"input": "YQ==", "signature": "x"},
        {"input": "!", "signature": made[0]["signature"]},
    ]);
    let expected = json!([
        {"valid": true, "reference": ""},
        {"valid": false, "reference": "b"},
        {"valid": false, "error": "invalid signature: no prefix", "reference": ""},
        {"valid": false, "error": not_base64, "reference": ""},
    ]);
    assert_eq!(items(&mount, "POST verify/ec", &checked), expected);
    let checked = json!([
        {"input": "YQ==", "hmac": tags[0]["hmac"]},
        {"input": "Yg==", "hmac": tags[0]["hmac"], "reference": "b"},
        {"input": "YQ==", "hmac": "vault:v5:AAAA"},
    ]);
    let expected = json!([
        {"valid": true, "reference": ""},
        {"reference": "b"},
        {"error": "invalid HMAC: version is too new", "reference": ""},
    ]);
    assert_eq!(items(&mount, "POST verify/ec", &checked), expected);
}
