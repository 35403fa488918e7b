//! What is signed, and keys on their way out and in.

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::Visit;

/// Types with what they export their keys as.
const OUT: [(&str, &[&str]); 6] = [
    ("aes256-gcm96", &["encryption-key", "hmac-key"]),
    ("aes256-gcm-siv", &["encryption-key", "hmac-key"]),
    ("ecdsa-p256", &["signing-key", "hmac-key"]),
    ("ed25519", &["signing-key", "hmac-key"]),
    ("hmac", &["hmac-key"]),
    ("rsa-2048", &["encryption-key", "signing-key", "hmac-key"]),
];

impl Visit<'_> {
    pub(in crate::canary_scan) fn signatures(&mut self) {
        self.done("transit/keys/canary-signs", json!({"type": "ecdsa-p256"}));
        let derived = json!({"type": "ed25519", "derived": true});
        self.done("transit/keys/canary-derives", derived);
        for ring in ["canary-signs", "canary-derives"] {
            let item = json!({"input": self.coded("an input"), "context": self.coded("a context")});
            let mut signed = item.clone();
            let made = self.done(&format!("transit/sign/{ring}"), &item)["data"].take();
            signed["signature"] = made["signature"].clone();
            let mut tagged = item.clone();
            let made = self.done(&format!("transit/hmac/{ring}"), &item)["data"].take();
            tagged["hmac"] = made["hmac"].clone();
            self.done(&format!("transit/verify/{ring}"), &signed);
            self.done(&format!("transit/verify/{ring}"), &tagged);
            for (verb, body) in [
                ("sign", &item),
                ("hmac", &item),
                ("verify", &signed),
                ("verify", &tagged),
            ] {
                self.mistaken(&format!("transit/{verb}/{ring}"), body);
                self.refused(&format!("transit/{verb}/absent"), body);
            }
        }
    }

    /// The same request with one mistake at a time.
    fn mistaken(&mut self, path: &str, body: &Value) {
        let wrong = [
            (
                "input",
                json!(self.made("an input that is no base64") + "!"),
            ),
            ("input", json!([self.made("a list of inputs")])),
            ("hash_algorithm", json!(self.made("a hash"))),
            ("algorithm", json!(self.made("a hash"))),
            ("signature", json!(self.made("a signature"))),
            ("hmac", json!(self.made("an hmac"))),
            ("salt_length", json!(self.made("a length"))),
            ("batch_input", json!([self.made("an item")])),
        ];
        for (field, value) in wrong {
            let mut mistaken = body.clone();
            mistaken[field] = value;
            self.post(path, &mistaken);
            self.post(path, json!({"batch_input": [body, mistaken]}));
        }
    }

    pub(in crate::canary_scan) fn transfer(&mut self) {
        let pem = self.get("transit/wrapping_key")["public_key"].take();
        let body = json!({"type": "rsa-4096", "public_key": pem});
        self.done("transit/keys/canary-wrapping/import", body);
        for (kind, exports) in OUT {
            let ring = format!("canary-{kind}");
            let mut body =
                json!({"type": kind, "exportable": true, "allow_plaintext_backup": true});
            if kind == "hmac" {
                body["key_size"] = json!(32);
            }
            self.done(&format!("transit/keys/{ring}"), body);
            for export in exports {
                self.exported(&ring, export);
            }
            self.backed_up(&ring);
            self.imported(&ring, kind);
        }
    }

    fn get(&mut self, path: &str) -> Value {
        let answer = self.send("GET", path, "");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.data()
    }

    fn exported(&mut self, ring: &str, export: &str) {
        for format in ["", "raw", "der", "pem"] {
            let path = format!("transit/export/{export}/{ring}/1?format={format}");
            let answer = self.send("GET", &path, "");
            if answer.status != 200 {
                continue;
            }
            let text = answer.data()["keys"]["1"].as_str().unwrap().to_owned();
            for secret in secrets_in(&text) {
                self.secrets.add("an exported key", &secret);
            }
            let wrapped = self.app.request("GET", &path);
            let wrapped = wrapped.header("X-Vault-Wrap-TTL", "60").send().json();
            let token = wrapped["wrap_info"]["token"].as_str().unwrap().to_owned();
            self.secrets.token("a wrapping token", &token);
            let out = self.by(Some(&token), "POST", "sys/wrapping/unwrap", "");
            assert!(out.text().contains("\"keys\""), "{}", out.text());
        }
    }

    fn backed_up(&mut self, ring: &str) {
        let data = self.get(&format!("transit/backup/{ring}"));
        let backup = data["backup"].as_str().unwrap();
        let text = BASE64.decode(backup.as_bytes()).unwrap();
        let at = text
            .windows(11)
            .position(|part| part == b"\"hmac_key\":")
            .unwrap();
        self.secrets.add("a backup", &text[at..at + 50]);
        self.done(
            &format!("transit/restore/{ring}-again"),
            json!({"backup": backup}),
        );
        self.refused(
            &format!("transit/restore/{ring}"),
            &json!({"backup": backup}),
        );
        let cut = BASE64.encode(&text[..at + 50]);
        let into = format!("transit/restore/{ring}-cut");
        self.refused(&into, &json!({"backup": cut, "force": true}));
        self.refused(&into, &json!({"backup": format!("{cut}!")}));
    }

    fn imported(&mut self, ring: &str, kind: &str) {
        let data = self.get(&format!("transit/byok-export/canary-wrapping/{ring}/1"));
        let blob = BASE64
            .decode(data["keys"]["1"].as_str().unwrap().as_bytes())
            .unwrap();
        self.secrets.add("an import's ephemeral key", &blob[..48]);
        self.secrets.add("an import's key", &blob[512..552]);
        let body =
            |bytes: &[u8], kind: &str| json!({"ciphertext": BASE64.encode(bytes), "type": kind});
        let into = format!("transit/keys/{ring}-brought");
        self.done(&format!("{into}/import"), body(&blob, kind));
        self.done(&format!("{into}/import_version"), body(&blob, kind));
        let mut broken = blob.clone();
        broken[513] ^= 1;
        let other = if kind == "rsa-2048" {
            "rsa-4096"
        } else {
            "rsa-2048"
        };
        for mistaken in [
            body(&broken, kind),
            body(&blob[..512], kind),
            body(&blob, other),
            json!({"ciphertext": [BASE64.encode(&blob)]}),
            json!({"ciphertext": BASE64.encode(&blob), "convergent_encryption": true}),
        ] {
            self.refused(&format!("{into}-again/import"), &mistaken);
        }
        self.refused(&format!("{into}/import_version"), &body(&broken, kind));
        self.refused(&format!("{into}/import"), &body(&blob, kind));
        self.refused(
            &format!("transit/keys/{ring}/import_version"),
            &body(&blob, kind),
        );
    }
}

/// What of an exported text nobody else may know: all of it, and the private numbers in it.
fn secrets_in(text: &str) -> Vec<Vec<u8>> {
    let is_pem = text.starts_with("-----");
    let body: String = text
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let bytes = BASE64.decode(body.as_bytes()).unwrap();
    let private = match bytes.len() {
        // Raw keys; of Ed25519 the seed stands before the public key.
        ..=64 if !is_pem => bytes[..bytes.len().min(32)].to_vec(),
        // SEC 1: the scalar comes after seven bytes.
        121 if is_pem => bytes[7..39].to_vec(),
        // The second half of an RSA key is its primes and what comes of them.
        1000.. => bytes[bytes.len() / 2 + 40..bytes.len() / 2 + 80].to_vec(),
        _ => bytes.clone(),
    };
    vec![bytes, private]
}
