//! The endpoints that sign and that let keys in and out, in every form that a request and its answer may have.

use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use crate::client::Answer;
use crate::mount::{Mount, patiently};

/// What there is on a mount, ready to be sent.
struct Furniture {
    mount: Mount,
    path: &'static str,
    signature: Value,
    hmac: Value,
    backup: Value,
    blob: Value,
    peer: Value,
    chain: String,
}

impl Furniture {
    fn new(path: &'static str) -> Self {
        let mount = Mount::new(path);
        let of =
            |kind: &str| json!({"type": kind, "exportable": true, "allow_plaintext_backup": true});
        mount.rings(&[
            ("aes", of("aes256-gcm96")),
            ("ec", of("ecdsa-p256")),
            ("peer", of("ecdsa-p256")),
            ("rsa", of("rsa-2048")),
        ]);
        let pem = mount.done("GET wrapping_key", "")["public_key"].take();
        let body = json!({"type": "rsa-4096", "public_key": pem});
        mount.done("POST keys/wrapping/import", body);
        let take = |what: &str, body: Value, field: &str| mount.done(what, body)[field].take();
        let signature = take("POST sign/ec", json!({"input": "YQ=="}), "signature");
        let hmac = take("POST hmac/aes", json!({"input": "YQ=="}), "hmac");
        let backup = take("GET backup/aes", json!({}), "backup");
        let blob = take("GET byok-export/wrapping/aes", json!({}), "keys")["1"].take();
        let peer = take("GET export/public-key/peer", json!({}), "keys")["1"].take();
        let key = take("GET export/signing-key/ec?format=pem", json!({}), "keys")["1"].take();
        let key = KeyPair::from_pem(key.as_str().unwrap()).unwrap();
        let params = CertificateParams::new(["ec.example".to_owned()]).unwrap();
        Self {
            chain: params.self_signed(&key).unwrap().pem(),
            mount,
            path,
            signature,
            hmac,
            backup,
            blob,
            peer,
        }
    }

    /// Requests that succeed with something to say, and where they say it.
    fn telling(&self) -> Vec<(&'static str, Value, &'static str)> {
        let input = json!({"input": "YQ=="});
        vec![
            ("POST sign/ec", input.clone(), "signature"),
            ("POST sign/ec//sha2-256", input.clone(), "signature"),
            ("POST hmac/aes/sha2-256", input, "hmac"),
            (
                "POST verify/ec",
                json!({"input": "YQ==", "signature": self.signature}),
                "valid",
            ),
            (
                "POST verify/aes//sha2-256",
                json!({"input": "YQ==", "hmac": self.hmac}),
                "valid",
            ),
            ("GET export/encryption-key/aes", Value::Null, "keys"),
            (
                "GET export/public-key/rsa/latest?format=der",
                Value::Null,
                "keys",
            ),
            (
                "GET byok-export/wrapping/ec/1?hash=sha512",
                Value::Null,
                "keys",
            ),
            ("GET backup/ec", Value::Null, "backup"),
            ("GET wrapping_key", Value::Null, "public_key"),
            ("POST keys/ec/csr", json!({}), "csr"),
            (
                "POST keys/ec/set-certificate",
                json!({"certificate_chain": self.chain}),
                "certificate_chain",
            ),
            ("DELETE keys/peer/soft-delete", Value::Null, "soft_deleted"),
            ("POST keys/peer/soft-delete-restore", Value::Null, "name"),
        ]
    }

    /// Requests that succeed and say nothing; each makes a ring or a version, whose name this is.
    fn silent(&self, name: &str) -> Vec<(String, Value)> {
        let agreement = json!({"base_key_name": "ec", "peer_public_key": self.peer});
        vec![
            (
                format!("restore/{name}-restored"),
                json!({"backup": self.backup}),
            ),
            (
                format!("keys/{name}-imported/import"),
                json!({"ciphertext": self.blob}),
            ),
            (
                format!("keys/{name}-imported/import_version"),
                json!({"ciphertext": self.blob, "hash_function": "SHA256"}),
            ),
            (format!("derive-key/{name}-agreed"), agreement),
        ]
    }

    fn wrapped(&self, what: &str, body: &Value) -> Answer {
        let request = self.mount.request(what).body(body);
        let request = request.header("X-Vault-Wrap-TTL", "60");
        patiently(|| request.send())
    }

    fn unwrapped(&self, token: &str) -> Answer {
        self.mount.unwrap(token)
    }
}

#[test]
fn an_answer_of_any_endpoint_is_wrapped_and_comes_out_once() {
    let furniture = Furniture::new("forms-wrapped");
    for (what, body, field) in furniture.telling() {
        let answer = furniture.wrapped(what, &body);
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        let mut json = answer.json();
        assert_eq!(
            (&json["data"], &json["auth"]),
            (&Value::Null, &Value::Null),
            "{what}"
        );
        assert!(!answer.text().contains(&format!("\"{field}\"")), "{what}");
        let info = json["wrap_info"].take();
        let path = info["creation_path"].as_str().unwrap();
        let (_, asked) = what.split_once(' ').unwrap();
        let asked = asked.split('?').next().unwrap().replace("//", "/");
        assert_eq!(path, format!("{}/{asked}", furniture.path));
        let token = info["token"].as_str().unwrap();
        let out = furniture.unwrapped(token).data();
        assert!(!out[field].is_null(), "{what}: {out}");
        assert_eq!(furniture.unwrapped(token).status, 400, "{what} again");
    }
    for (path, body) in furniture.silent("wrapped") {
        let answer = furniture.wrapped(&format!("POST {path}"), &body);
        assert_eq!(
            (answer.status, answer.text()),
            (204, ""),
            "{path}: nothing to wrap"
        );
    }
}

#[test]
fn put_is_post_at_every_endpoint() {
    let furniture = Furniture::new("forms-put");
    for (what, body, field) in furniture.telling() {
        let done = furniture.mount.done(&what.replace("POST ", "PUT "), &body);
        assert!(!done[field].is_null(), "{what}: {done}");
    }
    for (path, body) in furniture.silent("put") {
        let done = furniture.mount.send(&format!("PUT {path}"), &body);
        assert_eq!((done.status, done.text()), (204, ""), "{path}");
    }
}

/// A body as a form, every byte that may be escaped escaped.
fn form(body: &Value) -> String {
    let fields = body.as_object().unwrap().iter().map(|(name, value)| {
        let text = value.as_str().unwrap();
        let escaped: Vec<String> = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("{name}={}", escaped.concat())
    });
    fields.collect::<Vec<_>>().join("&")
}

#[test]
fn a_form_is_a_body_at_every_endpoint() {
    let furniture = Furniture::new("forms-form");
    let send = |what: &str, body: &Value| {
        let request = furniture.mount.request(what);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        let request = request.body(form(body));
        patiently(|| request.send())
    };
    for (what, body, field) in furniture.telling() {
        if body.is_object() {
            let done = send(what, &body).data();
            assert!(!done[field].is_null(), "{what}: {done}");
            assert_ne!(done["valid"], false, "{what}: {done}");
        }
    }
    for (path, body) in furniture.silent("form") {
        let done = send(&format!("POST {path}"), &body);
        assert_eq!((done.status, done.text()), (204, ""), "{path}");
    }
}

#[test]
fn nothing_null_and_an_empty_object_are_the_same_at_every_endpoint() {
    let furniture = Furniture::new("forms-null");
    for (path, status) in [
        ("sign/ec", 200),
        ("sign/ec/sha2-512", 200),
        ("verify/ec", 400),
        ("hmac/aes", 400),
        ("keys/ec/csr", 200),
        ("keys/ec/set-certificate", 400),
        ("keys/ec/soft-delete-restore", 200),
        ("keys/new/import", 500),
        ("keys/aes/import_version", 500),
        ("restore", 400),
        ("restore/new", 400),
        ("derive-key/new", 400),
    ] {
        for method in ["POST", "PUT"] {
            for body in ["", "null", "{}", " null\n"] {
                let answer = furniture.mount.send(&format!("{method} {path}"), body);
                assert_eq!(answer.status, status, "{path} {body:?}: {}", answer.text());
                let broken = furniture.mount.send(&format!("{method} {path}"), "{");
                assert_eq!(broken.status, 400, "{path}");
            }
        }
    }
}

#[test]
fn fields_that_the_path_replaces_and_fields_that_nobody_knows_are_warned_of() {
    let furniture = Furniture::new("forms-warned");
    let replaced = "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: \
                    [name]";
    let ignored = "Endpoint ignored these unrecognized parameters: [alpha nonce]";
    for (what, body, _) in furniture.telling() {
        if what.starts_with("POST") {
            let mut body = if body.is_null() { json!({}) } else { body };
            body["name"] = json!("other");
            body["nonce"] = json!("AAAA");
            body["alpha"] = json!([]);
            let answer = furniture.mount.send(what, &body);
            let mut warnings = answer.warnings();
            warnings.retain(|warning| warning.starts_with("Endpoint"));
            assert_eq!(warnings, [ignored, replaced], "{what}");
        }
    }
}
