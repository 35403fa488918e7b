//! Plaintexts, contexts, ciphertexts and data keys.

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::Visit;

impl Visit<'_> {
    pub(in crate::canary_scan) fn rings(&mut self) {
        self.done("transit/keys/canary-key", json!({"derived": true}));
        self.done("transit/keys/canary-plain", json!({}));
        for _ in 0..3 {
            let (plaintext, context) = (self.coded("a plaintext"), self.coded("a context"));
            let data = self.coded("associated data");
            let item = json!({"plaintext": plaintext, "context": context, "associated_data": data});
            let sealed = self.done("transit/encrypt/canary-key", item.clone())["data"].take();
            let ciphertext = sealed["ciphertext"].as_str().unwrap().to_owned();
            self.secrets
                .add("a ciphertext", &ciphertext.as_bytes()[9..]);
            let open =
                json!({"ciphertext": ciphertext, "context": context, "associated_data": data});
            for verb in ["decrypt", "rewrap"] {
                let path = format!("transit/{verb}/canary-key");
                let answer = self.done(&path, open.clone());
                if let Some(again) = answer["data"]["ciphertext"].as_str() {
                    self.secrets.add("a ciphertext", &again.as_bytes()[9..]);
                }
                for (field, wrong) in [
                    ("context", json!(self.coded("a wrong context"))),
                    (
                        "context",
                        json!(self.made("a context that is no base64") + "!"),
                    ),
                    (
                        "associated_data",
                        json!(self.coded("wrong associated data")),
                    ),
                    (
                        "ciphertext",
                        json!(format!("vault:v1:{}", self.coded("a forged ciphertext"))),
                    ),
                    ("ciphertext", json!(self.made("no ciphertext"))),
                    ("ciphertext", json!([self.made("a list of ciphertexts")])),
                ] {
                    let mut body = open.clone();
                    body[field] = wrong;
                    self.refused(&path, &body);
                    self.post(&path, json!({"batch_input": [open, body]}));
                }
            }
            for (field, wrong) in [
                (
                    "plaintext",
                    json!(self.made("a plaintext that is no base64") + "!"),
                ),
                (
                    "plaintext",
                    json!({"a": self.made("a plaintext in an object")}),
                ),
                (
                    "context",
                    json!(self.made("a context that is no base64") + "!"),
                ),
                ("context", Value::Null),
                ("key_version", json!(self.made("a version"))),
                ("batch_input", json!([self.made("an item")])),
            ] {
                let mut body = item.clone();
                body[field] = wrong;
                self.refused("transit/encrypt/canary-key", &body);
                self.post(
                    "transit/encrypt/canary-key",
                    json!({"batch_input": [item, body]}),
                );
            }
            self.refused("transit/encrypt/absent", &item);
            self.refused("transit/decrypt/absent", &open);
            let made =
                self.done("transit/datakey/plaintext/canary-plain", json!({}))["data"].take();
            let key = BASE64
                .decode(made["plaintext"].as_str().unwrap().as_bytes())
                .unwrap();
            self.secrets.add("a data key", &key);
            let path = "transit/datakey/plaintext/canary-key";
            self.done(path, json!({"context": context}));
            let wrong = self.made("a context that is no base64") + "!";
            self.refused(path, &json!({"context": wrong}));
        }
    }
}
