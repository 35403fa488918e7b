//! Every path with every field, and the seal.

use serde_json::json;

use super::Visit;
use crate::capabilities::endpoints;
use crate::of_full;

impl Visit<'_> {
    /// Secrets in every field, and in broken bodies, at every path.
    pub(in crate::canary_scan) fn everything(&mut self) {
        // Whoever revokes himself goes nowhere after that.
        for path in endpoints::paths().filter(|path| !path.ends_with("revoke-self")) {
            // A ring's history and the like have these as their own.
            let path = path.replace("/k/", "/canary-key/");
            for _ in 0..of_full(FIELDS.len()) {
                let field = FIELDS[rand::random_range(0..FIELDS.len())];
                let value = self.made("a field");
                self.post(&path, json!({field: value}));
                self.post(&path, json!({field: [value, {"a": value}]}));
                self.by(None, "POST", &path, json!({field: value}));
            }
            let value = self.made("a broken body");
            self.post(&path, format!("{{\"token\": \"{value}\""));
            self.post(&path, value.as_str());
            self.post(&path, json!({&value: &value}));
            for method in ["GET", "LIST", "DELETE", "PATCH"] {
                // What is enabled shall stay.
                if !(method == "DELETE" && path.starts_with("sys/")) {
                    self.send(
                        method,
                        &format!("{path}?token={value}&after={value}&plaintext={value}"),
                        "",
                    );
                }
            }
        }
        for (path, field) in [
            ("sys/quotas/rate-limit/q", "rate"),
            ("sys/quotas/rate-limit/q", "windows"),
            ("sys/init", "secret_shares"),
            ("sys/mounts/x", "config"),
            ("sys/auth/x", "type"),
        ] {
            let value = self.made("a setting");
            self.refused(path, &json!({field: value}));
        }
    }

    /// Seals, and opens again with right shares after wrong ones.
    pub(in crate::canary_scan) fn sealing(&mut self, shares: &[String]) {
        assert_eq!(self.send("PUT", "sys/seal", "").status, 204);
        let token = self.app.token.clone();
        let body = json!({"plaintext": self.coded("a plaintext")});
        self.by(Some(&token), "POST", "transit/encrypt/canary-key", body);
        let (_, text) = shares[0].split_once(':').unwrap();
        for wrong in [
            self.made("a wrong share"),
            format!("sealring-share-1:{}", self.made("a wrong share")),
            format!(
                "sealring-share-1:{}",
                text.chars().rev().collect::<String>()
            ),
            format!("sealring-share-2:{text}"),
            text.to_owned(),
        ] {
            self.by(None, "PUT", "sys/unseal", json!({"key": wrong}));
            self.by(None, "PUT", "sys/unseal", json!({"key": [wrong]}));
            self.by(None, "PUT", "sys/unseal", format!("{{\"key\": \"{wrong}\""));
        }
        self.by(None, "PUT", "sys/unseal", json!({"reset": true}));
        for share in &shares[..2] {
            self.by(None, "PUT", "sys/unseal", json!({"key": share}));
        }
    }
}

/// Fields that may hold what nobody else shall know.
const FIELDS: [&str; 36] = [
    "associated_data",
    "backup",
    "batch_input",
    "bound_claims",
    "certificate",
    "certificate_chain",
    "ciphertext",
    "context",
    "csr",
    "hmac",
    "id",
    "input",
    "jwt",
    "jwt_validation_pubkeys",
    "key",
    "keys",
    "kubernetes_ca_cert",
    "metadata",
    "new_associated_data",
    "nonce",
    "password",
    "peer_public_key",
    "pem_keys",
    "plaintext",
    "policy",
    "public_key",
    "rules",
    "seal_id",
    "secret_id",
    "share",
    "signature",
    "token",
    "ttl",
    "token_reviewer_jwt",
    "value",
    "wrapping_token",
];
